//! Before a payer change: what is granted, who pays, and is the instance attached? The payer of an attached instance is
//! changed in place and takes effect at the hour; any other instance is revoked and granted anew (API §B).

use super::attachments::attached;
use super::findings::{and_vpn, attached_elsewhere, with_owners, written};
use crate::domain::{Edition, InstanceType, Reason};
use crate::engine::ports::action::{Action, Judgement, View};
use crate::engine::seen::{GrantState, Reads, Seen, grant_state};
use crate::workflow::{ActsAs, VerbSpec};

/// Outcomes: `satisfied`, the wanted payer is written and in force; `pending`, it is written everywhere and will be in
/// force at the next hour; `attached` and `unattached`, it is to be changed.
pub struct SurveyPayer;

impl Action for SurveyPayer {
    fn spec(&self) -> VerbSpec {
        VerbSpec {
            name: "survey-payer",
            acts_as: ActsAs::Readers,
            writes: false,
            outcomes: &["satisfied", "pending", "attached", "unattached"],
        }
    }

    fn reads(&self, view: &View<'_>) -> Reads {
        and_vpn(view, Reads::ALL.and_owner())
    }

    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement {
        with_owners(view, seen, || judged(view, seen))
    }
}

fn judged(view: &View<'_>, seen: &Seen) -> Judgement {
    let job = view.job();
    let not_changeable =
        |message: String| Judgement::Refuse { reason: Reason::PayerNotChangeable, message, findings: vec![] };
    let (id, cen) = (&job.instance.id, &job.cen.id);
    let Some(goal) = view.goal else { return not_changeable(format!("{id} has no payer")) };
    let rule = match grant_state(seen, job) {
        GrantState::Unclear(why) => return Judgement::Unclear(why),
        GrantState::Absent => {
            return Judgement::Refuse {
                reason: Reason::NotGranted,
                message: format!("{id} is not granted to {cen}, so there is no payer to change"),
                findings: vec![],
            };
        }
        GrantState::Unshown => {
            let account = &job.instance.owner;
            let message = format!(
                "account {account} is shown no grant of {id} to {cen}: there is none, or {id} belongs to another account"
            );
            return Judgement::Refuse {
                reason: Reason::PreflightFailed,
                message: message.clone(),
                findings: vec![message],
            };
        }
        GrantState::Granted(rule) => rule,
    };
    let order_type = match written(&rule) {
        Ok(order_type) => order_type,
        Err(unclear) => return unclear,
    };
    let effective = rule.effective_order_type;
    let list = match attached(view, seen) {
        Err(judgement) => return judgement,
        Ok(list) => list,
    };
    if list.is_empty() {
        return match (order_type == goal, effective) {
            (true, Some(now)) if now != goal => Judgement::Done("pending"),
            (true, _) => Judgement::Done("satisfied"),
            (false, _) => attached_elsewhere(view, seen).unwrap_or(Judgement::Done("unattached")),
        };
    }
    if list.iter().any(|a| a.edition == Edition::Basic) {
        return not_changeable(format!(
            "{id} is attached to a Basic Edition transit router of {cen}, which has no payer"
        ));
    }
    if let Some(busy) = list.iter().find(|a| !a.is_attached()) {
        return Judgement::Busy(format!("{} is {}", busy.id, busy.status));
    }
    let written_everywhere = order_type == goal && list.iter().all(|a| a.order_type == Some(goal));
    match effective {
        Some(now) if written_everywhere && now == goal => Judgement::Done("satisfied"),
        Some(_) if written_everywhere => Judgement::Done("pending"),
        None if written_everywhere => {
            Judgement::Unclear("the grant is attached and shown without an effective order type".into())
        }
        _ if job.instance.kind == InstanceType::ECR => {
            not_changeable(format!("{id} is an attached ECR, whose payer cannot be changed; detach it first"))
        }
        _ => Judgement::Done("attached"),
    }
}
