//! The points about grant rules, as each side sees them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::look::Looked;
use super::super::observation::{JudgedPoint, PointVerdict};
use super::super::read::{CompletedRead, ReadOutcome, shown, text};
use super::attached::AttachedInstances;
use super::reads::{list, refusal};
use crate::domain::InstanceType;

const EFFECTIVE: &str = "EffectiveOrderType";

pub(super) fn ecr_to_cen(looked: &Looked, read: &CompletedRead) -> JudgedPoint {
    if let ReadOutcome::Refused(code) = &read.outcome {
        return Ok(refusal(read, code));
    }
    let list = list(read)?;
    if !list.items.is_empty() {
        return Ok(PointVerdict::Agrees(format!("{} rules of ECRs are shown", list.items.len())));
    }
    if looked.instance.kind == InstanceType::ECR && own_rule(looked).is_some() {
        let id = &looked.instance.id;
        return Ok(PointVerdict::Differs(format!("no rule is shown, and the owner of {id} is shown its rule")));
    }
    Ok(PointVerdict::CannotTell(
        "ECR is taken and no rule is shown; ask with an ECR that is granted to this CEN".to_owned(),
    ))
}

pub(super) fn effective(looked: &Looked, attached: bool) -> JudgedPoint {
    let (list, lists) = (list(&looked.rules)?, AttachedInstances::of(looked));
    let of = |rule: &&Value| text(rule, "ChildInstanceId").and_then(|id| lists.is(id)) == Some(attached);
    let rules: Vec<&Value> = list.items.iter().filter(of).collect();
    let (all, word) = (rules.len(), if attached { "attached" } else { "unattached" });
    if all == 0 {
        return Ok(PointVerdict::CannotTell(format!("no rule of an instance that is surely {word} is shown")));
    }
    let shows = rules.iter().filter(|rule| text(rule, EFFECTIVE).is_some()).count();
    let pending = |rule: &&&Value| text(rule, EFFECTIVE).is_some_and(|now| Some(now) != text(rule, "OrderType"));
    let pending = match rules.iter().filter(pending).count() {
        0 => String::new(),
        n => format!("; on {n} it is another than OrderType"),
    };
    let says = format!("on {shows} of {all} rules of {word} instances{pending}");
    Ok(if shows == all { PointVerdict::Agrees(says) } else { PointVerdict::Differs(says) })
}

pub(super) fn effective_resource(looked: &Looked) -> JudgedPoint {
    list(&looked.to_resource)?;
    let Some(own) = own_rule(looked) else {
        return Ok(PointVerdict::CannotTell(format!("no rule of {} for this CEN is shown", looked.instance.id)));
    };
    let here = text(own, EFFECTIVE).map(shown);
    let id = looked.instance.id.as_str();
    let theirs = list(&looked.rules).ok().and_then(|l| l.items.iter().find(|r| text(r, "ChildInstanceId") == Some(id)));
    let there = theirs.and_then(|rule| text(rule, EFFECTIVE)).map(shown);
    Ok(match (here, there, theirs.is_some()) {
        (Some(here), Some(there), _) if here == there => PointVerdict::Agrees(format!("{here} on both sides")),
        (Some(here), Some(there), _) => {
            PointVerdict::Differs(format!("{here} to the owner, {there} to the owner of the CEN"))
        }
        (Some(here), None, true) => PointVerdict::Differs(format!("{here} to the owner, none to the owner of the CEN")),
        (Some(here), None, false) => PointVerdict::Agrees(format!("{here}; the owner of the CEN is shown no rule")),
        (None, ..) => PointVerdict::Differs("the rule has none".to_owned()),
    })
}

pub(super) fn create_time(looked: &Looked) -> JudgedPoint {
    let list = list(&looked.rules)?;
    let form = |rule: &Value| match rule.get("CreateTime") {
        Some(Value::String(_)) => "a text",
        Some(Value::Number(_)) => "a number",
        Some(_) => "neither text nor number",
        None => "not there",
    };
    let forms: BTreeSet<&str> = list.items.iter().map(form).collect();
    let says = forms.iter().copied().collect::<Vec<_>>().join(", ");
    Ok(match says.as_str() {
        "" => PointVerdict::CannotTell("no rule is shown".to_owned()),
        "a text" => PointVerdict::Agrees(says),
        _ => PointVerdict::Differs(says),
    })
}

pub(super) fn ccn_filter(looked: &Looked) -> JudgedPoint {
    let list = list(&looked.to_resource)?;
    let id = looked.instance.id.as_str();
    let others = list.items.iter().filter(|rule| text(rule, "CcnInstanceId") != Some(id)).count();
    Ok(match (list.items.len(), others) {
        (0, _) => PointVerdict::CannotTell(format!("no rule of {id} is shown")),
        (all, 0) => PointVerdict::Agrees(format!("all {all} rules are of {id}")),
        (all, others) => PointVerdict::Differs(format!("{others} of {all} rules are of other CCNs")),
    })
}

/// The grant rule for this CEN, as the owner of the instance sees it.
fn own_rule(looked: &Looked) -> Option<&Value> {
    let cen = Some(looked.cen.id.as_str());
    let is_it = |rule: &&Value| text(rule, "CenId") == cen || text(rule, "CenInstanceId") == cen;
    list(&looked.to_resource).ok()?.items.iter().find(is_it)
}
