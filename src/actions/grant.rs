//! `GrantInstanceToTransitRouter`, and for a CCN `GrantInstanceToCbn`, as the owner of the instance (API §A.1, §A.6).
//! Neither has a ClientToken.

use async_trait::async_trait;

use super::findings::{read_back, written};
use crate::domain::{GrantRule, InstanceType, Job, Operation, Reason};
use crate::engine::ports::action::{Action, Intended, Judgement, ResourceAction, Side, View};
use crate::engine::ports::cloud::{Answer, CloudError, ResourceWriter};
use crate::engine::record::Write;
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// Done when the grant is there with the goal as its payer.
pub struct Grant;

impl Action for Grant {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "grant", acts_as: ActsAs::Resource, writes: true, outcomes: &["done"] }
    }

    fn reads(&self, view: &View<'_>) -> Reads {
        read_back(view)
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        let job = view.job();
        match grant_state(seen, job) {
            GrantState::Unclear(why) => Judgement::Unclear(why),
            GrantState::Absent | GrantState::Unshown => Judgement::Write(Intended {
                operation: Operation::grant(view.kind()),
                resource: job.instance.id.to_string(),
                order_type: view.goal,
            }),
            GrantState::Granted(rule) => match (view.goal, written(&rule)) {
                (None, _) => Judgement::Done("done"),
                (Some(goal), Ok(order_type)) if order_type == goal => Judgement::Done("done"),
                // The rule this job itself revoked may be shown for a while; a rule that shows after that is another's.
                (Some(_), Ok(order_type)) if revoked_before(view) && !view.certain.settled => {
                    Judgement::Unclear(format!("the grant is still shown with {order_type}"))
                }
                (Some(goal), Ok(order_type)) if revoked_before(view) => Judgement::Refuse {
                    reason: Reason::Overridden,
                    message: format!("somebody granted it meanwhile, with {order_type} instead of {goal}"),
                    findings: vec![],
                },
                (Some(goal), Ok(order_type)) => Judgement::Refuse {
                    reason: Reason::PayerDiffers,
                    message: format!("somebody granted it meanwhile, with {order_type} instead of {goal}"),
                    findings: vec![],
                },
                (Some(_), Err(unclear)) => unclear,
            },
        }
    }

    fn unforeseeable(&self, view: &View<'_>, code: &str, classified: bool) -> Option<&'static str> {
        let may_be_that = !classified || ["InvalidVbr.NotFound", "Invalid.Grant"].contains(&code);
        (view.kind() == InstanceType::VBR && may_be_that).then_some(
            "a VBR is granted to another account only after the vendor has approved it for the two accounts, which \
             cannot be read beforehand",
        )
    }

    /// Nothing is attached under a new grant, so its payer is in force at once (API §B).
    fn foresee(&self, job: &Job, write: &Intended, seen: &mut Seen) {
        let rule = GrantRule {
            cen: job.cen.id.clone(),
            cen_owner: job.cen.owner.clone(),
            instance: job.instance.id.clone(),
            instance_owner: Some(job.instance.owner.clone()),
            region: Some(job.instance.region.clone()),
            order_type: write.order_type,
            effective_order_type: write.order_type,
        };
        let witnesses = [&mut seen.cen_rule, &mut seen.resource_rules].into_iter().flatten();
        witnesses.for_each(|listing| listing.items.push(rule.clone()));
    }

    fn side(&self) -> Side<'_> {
        Side::Resource(self)
    }
}

/// Whether a rule that is shown may be the one that this job, forwards or in an undo, revoked before.
fn revoked_before(view: &View<'_>) -> bool {
    let (record, step) = (view.record, &view.record.step);
    record.writes.iter().any(|w| (w.step != *step || w.undo != view.undo) && w.may_have_landed())
}

#[async_trait]
impl ResourceAction for Grant {
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError> {
        client.grant(&job.instance, &job.cen, write.order_type).await
    }
}
