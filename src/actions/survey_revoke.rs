//! Before a revoke: is there a grant, and is the instance attached?

use super::attachments::attached;
use super::findings::with_owners;
use crate::domain::{Attachments, Reason};
use crate::engine::ports::action::{Action, Judgement, View};
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// Outcomes: `absent`, there is nothing to revoke; `unattached`, to be revoked; `attached`, the attachments are to be
/// deleted first, which the job allows.
pub struct SurveyRevoke;

impl Action for SurveyRevoke {
    fn spec(&self) -> VerbSpec {
        VerbSpec {
            name: "survey-revoke",
            acts_as: ActsAs::Readers,
            writes: false,
            outcomes: &["absent", "unattached", "attached"],
        }
    }

    fn reads(&self, _: &View<'_>) -> Reads {
        Reads::ALL.and_owner()
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        with_owners(view, seen, || judged(view, seen))
    }
}

fn judged(view: &View<'_>, seen: &Seen) -> Judgement {
    let job = view.job();
    match grant_state(seen, job) {
        GrantState::Unclear(why) => return Judgement::Unclear(why),
        GrantState::Absent => return Judgement::Done("absent"),
        GrantState::Granted(_) | GrantState::Unshown => {}
    }
    match attached(view, seen) {
        Err(judgement) => judgement,
        Ok(list) if list.is_empty() => Judgement::Done("unattached"),
        Ok(_) if job.attachments == Attachments::Delete => Judgement::Done("attached"),
        Ok(list) => {
            let findings: Vec<String> = list.iter().map(|a| format!("attached by {} ({})", a.id, a.status)).collect();
            Judgement::Refuse {
                reason: Reason::Attached,
                message: format!(
                    "{} is still attached to {} ({}); delete the attachment first, or ask with options.attachments \
                         = \"delete\"",
                    job.instance.id,
                    job.cen.id,
                    findings.join(", ")
                ),
                findings,
            }
        }
    }
}
