//! `ModifyGrantInstanceToTransitRouter`: changing the payer on the grant, as the owner of the instance (API §A.3). It comes
//! before the transit-router side, also when it is undone.

use async_trait::async_trait;

use super::attachments::attached;
use super::findings::{read_back, written};
use crate::domain::{Job, Operation, Reason};
use crate::engine::ports::action::{Action, Intended, Judgement, ResourceAction, Side, View};
use crate::engine::ports::cloud::{Answer, CloudError, ResourceWriter};
use crate::engine::record::Write;
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// Done when the grant shows the goal as its payer.
pub struct ModifyGrant;

impl Action for ModifyGrant {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "modify-grant", acts_as: ActsAs::Resource, writes: true, outcomes: &["done"] }
    }

    /// After a refusal also the attachments: a payer can be changed in place only while something is attached.
    fn reads(&self, view: &View<'_>) -> Reads {
        if view.refused() { Reads::ALL } else { read_back(view) }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        let job = view.job();
        let rule = match grant_state(seen, job) {
            GrantState::Unclear(why) => return Judgement::Unclear(why),
            GrantState::Absent | GrantState::Unshown => {
                return Judgement::Refuse {
                    reason: Reason::GrantGone,
                    message: format!("{} is no longer granted to {}", job.instance.id, job.cen.id),
                    findings: vec![],
                };
            }
            GrantState::Granted(rule) => rule,
        };
        match written(&rule) {
            Ok(order_type) if Some(order_type) == view.goal => return Judgement::Done("done"),
            Ok(_) => {}
            Err(unclear) => return unclear,
        }
        if view.refused() {
            match attached(view, seen) {
                Err(judgement) => return judgement,
                Ok(list) if list.is_empty() => {
                    return Judgement::StartOver("it is attached to nothing any more".into());
                }
                Ok(_) => {}
            }
        }
        Judgement::Write(Intended {
            operation: Operation::ModifyGrantInstanceToTransitRouter,
            resource: job.instance.id.to_string(),
            order_type: view.goal,
        })
    }

    fn changes_payer(&self) -> bool {
        true
    }

    fn foresee(&self, job: &Job, write: &Intended, seen: &mut Seen) {
        let witnesses = [&mut seen.cen_rule, &mut seen.resource_rules].into_iter().flatten();
        let rules = witnesses.flat_map(|listing| &mut listing.items);
        let ours = rules.filter(|rule| rule.instance == job.instance.id && rule.cen == job.cen.id);
        ours.for_each(|rule| rule.order_type = write.order_type);
    }

    fn side(&self) -> Side<'_> {
        Side::Resource(self)
    }
}

#[async_trait]
impl ResourceAction for ModifyGrant {
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError> {
        match (write.order_type, &write.client_token) {
            (Some(order_type), Some(token)) => client.modify_grant(&job.instance, &job.cen, order_type, token).await,
            _ => Err(CloudError::not_sent(write.operation, "the intent names no order type")),
        }
    }
}
