//! Reading back what was done, before the job says so.

use super::findings::written;
use crate::domain::{GrantRule, InstanceType};
use crate::engine::ports::action::{Action, Judgement, View};
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// The rule that the transit-router account is shown. If it is shown none and the instance is an ECR, the rule that the
/// resource account is shown: the API may not show rules of ECRs to the transit-router account (API §H2).
fn read_back<'a>(view: &View<'_>, seen: &'a Seen) -> Option<&'a GrantRule> {
    let fallback = || (view.kind() == InstanceType::ECR).then(|| seen.rule_at_resource(view.job())).flatten();
    seen.rule_at_cen(view.job()).or_else(fallback)
}

fn witnesses(view: &View<'_>) -> Reads {
    if view.kind() == InstanceType::ECR { Reads::WITNESSES } else { Reads::CEN_RULE }
}

/// Done when the transit-router account is shown the grant with the goal as its payer.
pub struct ConfirmGranted;

/// Done when neither account is shown the grant.
pub struct ConfirmRevoked;

/// Outcomes: `effective`, the goal is written and in force, or nothing is attached and the grant does not say what is in
/// force; `pending`, the goal is written and another payer is in force.
pub struct ConfirmPayer;

impl Action for ConfirmGranted {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "confirm-granted", acts_as: ActsAs::Readers, writes: false, outcomes: &["done"] }
    }

    fn reads(&self, view: &View<'_>) -> Reads {
        witnesses(view)
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        match read_back(view, seen) {
            None => Judgement::Unclear("the transit-router account is not yet shown the grant".into()),
            Some(rule) if view.goal.is_none() || rule.order_type == view.goal => Judgement::Done("done"),
            Some(rule) => match written(rule) {
                Ok(order_type) => Judgement::Unclear(format!("the grant is shown with {order_type}")),
                Err(unclear) => unclear,
            },
        }
    }
}

impl Action for ConfirmRevoked {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "confirm-revoked", acts_as: ActsAs::Readers, writes: false, outcomes: &["done"] }
    }

    fn reads(&self, _: &View<'_>) -> Reads {
        Reads::WITNESSES
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        match grant_state(seen, view.job()) {
            GrantState::Absent | GrantState::Unshown => Judgement::Done("done"),
            GrantState::Granted(_) => Judgement::Unclear("the grant is still shown".into()),
            GrantState::Unclear(why) => Judgement::Unclear(why),
        }
    }
}

impl Action for ConfirmPayer {
    fn spec(&self) -> VerbSpec {
        VerbSpec { name: "confirm-payer", acts_as: ActsAs::Readers, writes: false, outcomes: &["effective", "pending"] }
    }

    fn reads(&self, view: &View<'_>) -> Reads {
        witnesses(view)
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        match read_back(view, seen).map(|rule| (rule.order_type, rule.effective_order_type)) {
            None => Judgement::Unclear("the transit-router account is not yet shown the grant".into()),
            Some((written, _)) if written != view.goal => {
                Judgement::Unclear("the grant is not yet shown with the new payer".into())
            }
            Some((_, effective)) if effective.is_none() || effective == view.goal => Judgement::Done("effective"),
            Some(_) => Judgement::Done("pending"),
        }
    }
}
