//! `RevokeInstanceFromTransitRouter`, in the account that owns the instance (API §A.2). There is no ClientToken.

use async_trait::async_trait;

use super::attachments::{Attached, attached};
use super::resource_account;
use crate::domain::{Job, Reason};
use crate::engine::action::{Action, Hand, Intended, Judgement, Reads, ResourceAction, Seen, Standing, View, standing};
use crate::engine::cloud::{Answer, CloudError, ResourceWriter};
use crate::engine::state::Write;
use crate::workflow::{Account, VerbSpec};

/// Through when both witnesses show no grant.
pub struct Revoke;

impl Action for Revoke {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "revoke", account: Account::Resource, writes: true, outcomes: &["done"] }
    }

    /// Before the write the attachments too: a network may have been attached since the survey.
    fn reads(&self, view: &View<'_>) -> Reads {
        if view.accepted() { Reads::WITNESSES } else { Reads::ALL }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        let job = view.job();
        match standing(seen, job) {
            Standing::Unclear(why) => return Judgement::Unclear(why),
            Standing::Absent => return Judgement::Through("done"),
            // An undo takes back the grant this job made; one with another payer is somebody else's.
            Standing::Granted(rule) if view.undo && rule.order_type != job.order_type => {
                return Judgement::Refuse {
                    reason: Reason::PayerDiffers,
                    message: format!("{} is granted by somebody else now, with another payer", job.instance.id),
                    findings: vec![],
                };
            }
            Standing::Granted(_) => {}
        }
        match attached(view, seen) {
            Attached::Unclear(why) => Judgement::Unclear(why),
            Attached::To(list) if list.is_empty() => Judgement::Write(Intended {
                operation: "RevokeInstanceFromTransitRouter",
                account: resource_account(view),
                resource: job.instance.id.to_string(),
                order_type: None,
                client_token: false,
            }),
            Attached::To(list) => {
                let names: Vec<&str> = list.iter().map(|a| a.id.as_str()).collect();
                Judgement::StartOver(format!("it is attached now, by {}", names.join(", ")))
            }
        }
    }

    fn hand(&self) -> Hand<'_> {
        Hand::Resource(self)
    }
}

#[async_trait]
impl ResourceAction for Revoke {
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, _: &Write) -> Result<Answer<()>, CloudError> {
        client.revoke(&job.instance, &job.cen).await
    }
}
