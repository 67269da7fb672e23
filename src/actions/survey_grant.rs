//! Before a grant: is there one already, and who pays for it? And is an IPsec-VPN connection free to be granted?

use super::findings::{and_vpn, attached_elsewhere, with_owners, written};
use crate::domain::Reason;
use crate::engine::ports::action::{Action, Judgement, View};
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// Outcomes: `absent`, to be granted; `satisfied`, granted already with the wanted payer.
pub struct SurveyGrant;

impl Action for SurveyGrant {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "survey-grant", acts_as: ActsAs::Readers, writes: false, outcomes: &["absent", "satisfied"] }
    }

    fn reads(&self, view: &View<'_>) -> Reads {
        and_vpn(view, Reads::WITNESSES.and_owner())
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        with_owners(view, seen, || judged(view, seen))
    }
}

fn judged(view: &View<'_>, seen: &Seen) -> Judgement {
    let rule = match grant_state(seen, view.job()) {
        GrantState::Unclear(why) => return Judgement::Unclear(why),
        GrantState::Absent | GrantState::Unshown => {
            return attached_elsewhere(view, seen).unwrap_or(Judgement::Done("absent"));
        }
        GrantState::Granted(rule) => rule,
    };
    // The grant of a CCN has no payer (API §A.6), so it is enough that it is there.
    let Some(goal) = view.goal else { return Judgement::Done("satisfied") };
    match written(&rule) {
        Ok(order_type) if order_type == goal => Judgement::Done("satisfied"),
        Ok(order_type) => Judgement::Refuse {
            reason: Reason::PayerDiffers,
            message: format!(
                "{} is granted to {} already, with {order_type}; to change that to {goal}, ask for a payer-change",
                view.job().instance.id,
                view.job().cen.id
            ),
            findings: vec![],
        },
        Err(unclear) => unclear,
    }
}
