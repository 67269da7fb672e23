//! The attachments of an instance in a CEN, as the owner of the CEN: changing their payer (API §A.7) and deleting them
//! (API §A.9, §A.10). One write is made at a time, and a look is judged before each.

use async_trait::async_trait;

use crate::domain::{Attachment, Edition, InstanceType, Job, Operation, OrderType, Reason};
use crate::engine::ports::action::{Action, Intended, Judgement, Side, TransitRouterAction, View};
use crate::engine::ports::cloud::{Answer, CloudError, TransitRouterWriter};
use crate::engine::record::Write;
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// The attachments a look shows, of both editions, in order of id; or, where that cannot be told, what the job has to do
/// instead of going on.
///
/// That there are none, or that one is gone which was shown before, is believed only if every page of every list was read
/// and another look, a while before, showed the same. If there are none, the transit-router account must also have been
/// shown a rule, which proves its credential; an ECR's rule may be shown to the resource account alone (API §H2), so for
/// an ECR complete lists are enough.
pub(super) fn attached(view: &View<'_>, seen: &Seen) -> Result<Vec<Attachment>, Judgement> {
    believed(view, seen, seen.all_attachments())
}

/// The same of the attachments that have a payer.
fn billed(view: &View<'_>, seen: &Seen) -> Result<Vec<Attachment>, Judgement> {
    let list = seen.attachments.as_ref().filter(|listing| listing.complete);
    believed(view, seen, list.map(|listing| listing.items.clone()))
}

fn believed(view: &View<'_>, seen: &Seen, list: Option<Vec<Attachment>>) -> Result<Vec<Attachment>, Judgement> {
    let Some(mut list) = list else {
        let why = "the lists of attachments could not be read to their ends, or contradict each other";
        return Err(Judgement::Unclear(why.into()));
    };
    let shown_a_rule = seen.cen_rule.as_ref().is_some_and(|rules| !rules.items.is_empty());
    if list.is_empty() && !shown_a_rule && view.kind() != InstanceType::ECR {
        return Err(Judgement::Unclear("no attachment and no grant is shown, which proves nothing".into()));
    }
    if !view.certain.detached {
        let what = if list.is_empty() { "no attachment is shown" } else { "an attachment is not shown any more" };
        return Err(Judgement::Recheck(format!("{what}; looks once more before it believes that")));
    }
    list.sort_by(|a, b| a.id.cmp(&b.id));
    Ok(list)
}

/// Whether complete lists have no attachment.
fn shows_none(seen: &Seen) -> bool {
    seen.all_attachments().is_some_and(|list| list.is_empty())
}

/// Done when every attachment is `Attached` and has the goal as its payer.
pub struct UpdateAttachments;

/// Done when there is no attachment left.
pub struct DeleteAttachments;

/// The payer an attachment is to have. An undo gives back to each the payer it had, and leaves alone those that this job
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

/// What the job has to do instead of writing, if the grant does not carry the payer that its attachments are to have. The
/// cloud refuses a payer that the grant does not carry (API §A.7), and a grant that somebody changed since is left to them.
fn grant_differs(view: &View<'_>, seen: &Seen) -> Option<Judgement> {
    let job = view.job();
    if view.record.mended && grant_state(seen, job) == GrantState::Absent {
        let message = format!("{} is no longer granted to {}", job.instance.id, job.cen.id);
        return Some(Judgement::Refuse { reason: Reason::GrantGone, message, findings: vec![] });
    }
    let order_type = seen.rule_at_cen(job)?.order_type;
    match (order_type, view.goal) {
        (Some(written), Some(goal)) if written == goal => None,
        (Some(_), Some(goal)) if view.certain.settled => Some(Judgement::Refuse {
            reason: Reason::Overridden,
            message: format!("somebody set the payer on the grant back from {goal}"),
            findings: vec![],
        }),
        _ => Some(Judgement::Unclear("the grant is not shown with the payer that its attachments are to have".into())),
    }
}

/// Deletes an attachment. For a CCN there is the call of the Basic Edition alone, whatever the edition (API §A.9).
fn delete_operation(view: &View<'_>, edition: Edition) -> Operation {
    let enterprise = Operation::delete_attachment(view.kind()).filter(|_| edition == Edition::Enterprise);
    enterprise.unwrap_or(Operation::DetachCenChildInstance)
}

impl Action for UpdateAttachments {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "update-attachments", acts_as: ActsAs::TransitRouter, writes: true, outcomes: &["done"] }
    }

    /// A job that has come back from its wait asks both witnesses whether the grant is still as it left it.
    fn reads(&self, view: &View<'_>) -> Reads {
        Reads { attachments: true, resource_rules: view.record.mended, ..Reads::CEN_RULE }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        if let Some(judgement) = grant_differs(view, seen) {
            return judgement;
        }
        // An attachment that is gone needs no payer: the grant carries the new one, and the wait judges it as unattached.
        let list = match billed(view, seen) {
            Err(judgement) => return judgement,
            Ok(list) => list,
        };
        let stale = |a: &Attachment| wanted(view, a).filter(|wanted| a.is_attached() && a.order_type != Some(*wanted));
        if let Some((attachment, order_type)) = list.iter().find_map(|a| Some((a, stale(a)?))) {
            let Some(operation) = Operation::update_attachment(view.kind()) else {
                return Judgement::Refuse {
                    reason: Reason::PayerNotChangeable,
                    message: format!("{} is an attachment whose payer cannot be changed", attachment.id),
                    findings: vec![],
                };
            };
            let resource = attachment.id.clone();
            return Judgement::Write(Intended { operation, resource, order_type: Some(order_type) });
        }
        match list.iter().find(|a| !a.is_attached()) {
            Some(busy) => Judgement::Busy(format!("{} is {}", busy.id, busy.status)),
            None => Judgement::Done("done"),
        }
    }

    fn changes_payer(&self) -> bool {
        true
    }

    fn foresee(&self, _: &Job, write: &Intended, seen: &mut Seen) {
        let listed = seen.attachments.iter_mut().flat_map(|listing| &mut listing.items);
        listed.filter(|a| a.id == write.resource).for_each(|a| a.order_type = write.order_type);
    }

    fn side(&self) -> Side<'_> {
        Side::TransitRouter(self)
    }
}

#[async_trait]
impl TransitRouterAction for UpdateAttachments {
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError> {
        match (write.order_type, &write.client_token) {
            (Some(order_type), Some(token)) => {
                client.update_attachment(job.instance.kind, &write.resource, order_type, token).await
            }
            _ => Err(CloudError::not_sent(write.operation, "the intent names no order type")),
        }
    }
}

impl Action for DeleteAttachments {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "delete-attachments", acts_as: ActsAs::TransitRouter, writes: true, outcomes: &["done"] }
    }

    /// The first witness may know nothing of an ECR (API §H2); then the second alone tells that it is granted.
    fn reads(&self, view: &View<'_>) -> Reads {
        let resource_rules = view.kind() == InstanceType::ECR;
        Reads { attachments: true, basic: true, resource_rules, ..Reads::CEN_RULE }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        let state = grant_state(seen, view.job());
        if let GrantState::Unclear(why) = state {
            return Judgement::Unclear(why);
        }
        let list = match attached(view, seen) {
            // Somebody revoked the grant meanwhile: both witnesses show that, and nothing is left to delete.
            Err(Judgement::Unclear(_)) if state == GrantState::Absent && shows_none(seen) => {
                return match view.certain.detached {
                    true => Judgement::Done("done"),
                    false => {
                        Judgement::Recheck("no attachment is shown; looks once more before it believes that".into())
                    }
                };
            }
            Err(judgement) => return judgement,
            Ok(list) => list,
        };
        match (list.iter().find(|a| a.is_attached()), list.first()) {
            (Some(attachment), _) => {
                let operation = delete_operation(view, attachment.edition);
                Judgement::Write(Intended { operation, resource: attachment.id.clone(), order_type: None })
            }
            (None, Some(busy)) => Judgement::Busy(format!("{} is {}", busy.id, busy.status)),
            (None, None) => Judgement::Done("done"),
        }
    }

    fn foresee(&self, _: &Job, write: &Intended, seen: &mut Seen) {
        let lists = [&mut seen.attachments, &mut seen.basic].into_iter().flatten();
        lists.for_each(|listing| listing.items.retain(|a| a.id != write.resource));
    }

    fn side(&self) -> Side<'_> {
        Side::TransitRouter(self)
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
