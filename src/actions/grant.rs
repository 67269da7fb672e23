//! `GrantInstanceToTransitRouter`, in the account that owns the instance (API §A.1). There is no ClientToken.

use async_trait::async_trait;

use super::{resource_account, written};
use crate::domain::{Job, Reason};
use crate::engine::action::{Action, Hand, Intended, Judgement, Reads, ResourceAction, Seen, Standing, View, standing};
use crate::engine::cloud::{Answer, CloudError, ResourceWriter};
use crate::engine::state::Write;
use crate::workflow::{Account, VerbSpec};

/// Through when the grant is there with the goal as its payer.
pub struct Grant;

impl Action for Grant {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "grant", account: Account::Resource, writes: true, outcomes: &["done"] }
    }

    fn reads(&self, view: &View<'_>) -> Reads {
        super::read_back(view)
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        let job = view.job();
        match standing(seen, job) {
            Standing::Unclear(why) => Judgement::Unclear(why),
            Standing::Absent => Judgement::Write(Intended {
                operation: "GrantInstanceToTransitRouter",
                account: resource_account(view),
                resource: job.instance.id.to_string(),
                order_type: view.goal,
                client_token: false,
            }),
            Standing::Granted(rule) => match (view.goal, written(&rule)) {
                (None, _) => Judgement::Through("done"),
                (Some(goal), Ok(order_type)) if order_type == goal => Judgement::Through("done"),
                // The rule this job itself revoked may still be shown for a while.
                (Some(_), Ok(order_type)) if revoked_before(view) => {
                    Judgement::Unclear(format!("the grant is still shown with {order_type}"))
                }
                (Some(goal), Ok(order_type)) => Judgement::Refuse {
                    reason: Reason::PayerDiffers,
                    message: format!("somebody granted it meanwhile, with {order_type} instead of {goal}"),
                    findings: vec![],
                },
                (Some(_), Err(unclear)) => unclear,
            },
        }
    }

    fn hand(&self) -> Hand<'_> {
        Hand::Resource(self)
    }
}

/// Whether a rule that is shown may be the one that this job, in either direction, took away before.
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
