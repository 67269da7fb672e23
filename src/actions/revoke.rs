//! `RevokeInstanceFromTransitRouter`, and for a CCN `RevokeInstanceFromCbn`, as the owner of the instance (API §A.2, §A.6).
//! Neither has a ClientToken.

use async_trait::async_trait;

use super::attachments::attached;
use crate::domain::{GrantRule, Job, Operation, Reason};
use crate::engine::ports::action::{Action, Intended, Judgement, ResourceAction, Side, View};
use crate::engine::ports::cloud::{Answer, CloudError, ResourceWriter};
use crate::engine::record::Write;
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// Done when both witnesses show no grant.
pub struct Revoke;

impl Action for Revoke {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "revoke", acts_as: ActsAs::Resource, writes: true, outcomes: &["done"] }
    }

    /// Before the write also the attachments: the instance may have been attached since the survey.
    fn reads(&self, view: &View<'_>) -> Reads {
        if view.accepted() { Reads::WITNESSES } else { Reads::ALL }
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        let job = view.job();
        match grant_state(seen, job) {
            GrantState::Unclear(why) => return Judgement::Unclear(why),
            GrantState::Absent => return Judgement::Done("done"),
            // The cloud has accepted the revoke, has said that there is no grant, or has shown twice that it is gone.
            GrantState::Unshown if view.accepted() || view.refused_as_done() || view.certain.gone => {
                return Judgement::Done("done");
            }
            GrantState::Unshown => {}
            // An undo takes back the grant this job made; one with another payer is somebody else's.
            GrantState::Granted(rule) if view.undo && rule.order_type != job.order_type => {
                return Judgement::Refuse {
                    reason: Reason::Overridden,
                    message: format!("{} is granted by somebody else now, with another payer", job.instance.id),
                    findings: vec![],
                };
            }
            GrantState::Granted(_) if view.accepted() => return Judgement::Unclear("the grant is still shown".into()),
            GrantState::Granted(_) => {}
        }
        match attached(view, seen) {
            Err(judgement) => judgement,
            Ok(list) if list.is_empty() => Judgement::Write(Intended {
                operation: Operation::revoke(view.kind()),
                resource: job.instance.id.to_string(),
                order_type: None,
            }),
            Ok(list) => {
                let names: Vec<&str> = list.iter().map(|a| a.id.as_str()).collect();
                Judgement::StartOver(format!("it is attached now, by {}", names.join(", ")))
            }
        }
    }

    fn foresee(&self, job: &Job, _: &Intended, seen: &mut Seen) {
        let witnesses = [&mut seen.cen_rule, &mut seen.resource_rules].into_iter().flatten();
        let ours = |rule: &GrantRule| rule.instance == job.instance.id && rule.cen == job.cen.id;
        witnesses.for_each(|listing| listing.items.retain(|rule| !ours(rule)));
    }

    fn side(&self) -> Side<'_> {
        Side::Resource(self)
    }
}

#[async_trait]
impl ResourceAction for Revoke {
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, _: &Write) -> Result<Answer<()>, CloudError> {
        client.revoke(&job.instance, &job.cen).await
    }
}
