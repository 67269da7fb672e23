//! The attachments of an instance in a CEN, in the account that owns the CEN: their payer (API §A.7) and their end
//! (API §A.9, §A.10). One write at a time, each judged anew by a look.

use async_trait::async_trait;

use crate::domain::{Attachment, Edition, InstanceType, Job, OrderType};
use crate::engine::action::{
    Action, Hand, Intended, Judgement, Reads, Seen, Standing, TransitRouterAction, View, standing,
};
use crate::engine::cloud::{Answer, CloudError, Failure, Listing, TransitRouterWriter};
use crate::engine::state::Write;
use crate::workflow::{Account, VerbSpec};

/// What a look says of attachments.
pub(super) enum Attached {
    /// These, in order of id. An empty list is believed: see [`attached`].
    To(Vec<Attachment>),
    /// It cannot be told.
    Unclear(String),
}

/// The attachments a look shows. That there are none is believed only if in the same look the transit-router account
/// was shown a rule at all, so that its credential is the right one, and every page of every list was read.
///
/// An ECR's rule may be shown to the resource account alone (API §H2), so of an ECR a list that was read and counted to
/// its end is believed by itself.
pub(super) fn attached(view: &View<'_>, seen: &Seen) -> Attached {
    believed(view, seen, &[&seen.attachments, &seen.basic])
}

fn believed(view: &View<'_>, seen: &Seen, lists: &[&Option<Listing<Attachment>>]) -> Attached {
    let mut items = Vec::new();
    for list in lists {
        let Some(list) = list.as_ref().filter(|list| list.complete) else {
            return Attached::Unclear("the lists of attachments could not be read to their ends".into());
        };
        items.extend(list.items.iter().cloned());
    }
    let shown_a_rule = seen.cen_rule.as_ref().is_some_and(|rules| !rules.items.is_empty());
    if items.is_empty() && !shown_a_rule && view.kind() != InstanceType::ECR {
        return Attached::Unclear("no attachment and no grant is shown, which proves nothing".into());
    }
    items.sort_by(|a, b| a.id.cmp(&b.id));
    Attached::To(items)
}

/// Through when every attachment is `Attached` with the goal as its payer.
pub struct UpdateAttachments;

/// Through when there is none left.
pub struct DeleteAttachments;

fn intended(view: &View<'_>, operation: &'static str, attachment: &Attachment, client_token: bool) -> Intended {
    Intended {
        operation,
        account: view.job().cen.owner.clone(),
        resource: attachment.id.clone(),
        order_type: None,
        client_token,
    }
}

/// The payer an attachment is to have. An undo gives each one back its own, and has no business with those that this job
/// did not write.
fn wanted(view: &View<'_>, attachment: &Attachment) -> Option<OrderType> {
    if !view.undo {
        return view.goal;
    }
    let ours = |write: &Write| !write.undo && write.resource == attachment.id && write.may_have_landed();
    view.record.writes.iter().find(|write| ours(write))?;
    let before = view.record.before.as_ref().and_then(|before| before.attachments.as_ref());
    let before = before.and_then(|list| list.iter().find(|a| a.id == attachment.id));
    before.map_or(view.goal, |before| before.order_type.or(view.goal))
}

fn update_operation(view: &View<'_>) -> &'static str {
    use crate::domain::InstanceType::{CCN, ECR, VBR, VPC, VPN};
    match view.kind() {
        VPC | CCN => "UpdateTransitRouterVpcAttachmentAttribute",
        VBR => "UpdateTransitRouterVbrAttachmentAttribute",
        VPN => "UpdateTransitRouterVpnAttachmentAttribute",
        ECR => "UpdateTransitRouterEcrAttachmentAttribute",
    }
}

fn delete_operation(view: &View<'_>) -> &'static str {
    use crate::domain::InstanceType::{CCN, ECR, VBR, VPC, VPN};
    match view.kind() {
        VPC | CCN => "DeleteTransitRouterVpcAttachment",
        VBR => "DeleteTransitRouterVbrAttachment",
        VPN => "DeleteTransitRouterVpnAttachment",
        ECR => "DeleteTransitRouterEcrAttachment",
    }
}

impl Action for UpdateAttachments {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "update-attachments", account: Account::TransitRouter, writes: true, outcomes: &["done"] }
    }

    fn reads(&self, _: &View<'_>) -> Reads {
        Reads { attachments: true, ..Reads::CEN_RULE }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        // Those of the Basic Edition have no payer.
        let list = match believed(view, seen, &[&seen.attachments]) {
            Attached::Unclear(why) => return Judgement::Unclear(why),
            // Gone since: the grant carries the new payer, and the wait judges it as unattached.
            Attached::To(list) => list,
        };
        let stale = |a: &Attachment| wanted(view, a).filter(|wanted| a.is_attached() && a.order_type != Some(*wanted));
        if let Some((attachment, order_type)) = list.iter().find_map(|a| Some((a, stale(a)?))) {
            return Judgement::Write(Intended {
                order_type: Some(order_type),
                ..intended(view, update_operation(view), attachment, true)
            });
        }
        match list.iter().find(|a| !a.is_attached()) {
            Some(busy) => Judgement::Busy(format!("{} is {}", busy.id, busy.status)),
            None => Judgement::Through("done"),
        }
    }

    fn hand(&self) -> Hand<'_> {
        Hand::TransitRouter(self)
    }
}

#[async_trait]
impl TransitRouterAction for UpdateAttachments {
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError> {
        match (write.order_type, &write.client_token) {
            (Some(order_type), Some(token)) => {
                client.update_attachment(job.instance.kind, &write.resource, order_type, token).await
            }
            _ => Err(incomplete(write)),
        }
    }
}

impl Action for DeleteAttachments {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "delete-attachments", account: Account::TransitRouter, writes: true, outcomes: &["done"] }
    }

    fn reads(&self, _: &View<'_>) -> Reads {
        Reads { attachments: true, basic: true, ..Reads::CEN_RULE }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        if let Standing::Unclear(why) = standing(seen, view.job()) {
            return Judgement::Unclear(why);
        }
        let list = match attached(view, seen) {
            Attached::Unclear(why) => return Judgement::Unclear(why),
            Attached::To(list) => list,
        };
        match (list.iter().find(|a| a.is_attached()), list.first()) {
            (Some(attachment), _) => Judgement::Write(match attachment.edition {
                Edition::Enterprise => intended(view, delete_operation(view), attachment, true),
                Edition::Basic => intended(view, "DetachCenChildInstance", attachment, false),
            }),
            (None, Some(busy)) => Judgement::Busy(format!("{} is {}", busy.id, busy.status)),
            (None, None) => Judgement::Through("done"),
        }
    }

    fn hand(&self) -> Hand<'_> {
        Hand::TransitRouter(self)
    }
}

#[async_trait]
impl TransitRouterAction for DeleteAttachments {
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError> {
        match &write.client_token {
            Some(token) => client.delete_attachment(job.instance.kind, &write.resource, token).await,
            None => client.detach_child_instance(&job.cen, &job.instance).await,
        }
    }
}

fn incomplete(write: &Write) -> CloudError {
    CloudError {
        operation: write.operation.clone(),
        failure: Failure::NotSent { why: "the intent names no order type".into() },
        request_id: None,
        retry_after: None,
    }
}
