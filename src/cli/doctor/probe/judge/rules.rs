//! The points about grant rules, as either side is shown them.

use std::collections::BTreeSet;

use serde_json::Value;

use super::super::look::Looked;
use super::super::observation::Verdict;
use super::super::read::{Outcome, Read, shown, text};
use super::attached::Attached;
use super::{Judged, list, refusal};
use crate::domain::InstanceType;

const EFFECTIVE: &str = "EffectiveOrderType";

pub(super) fn ecr_to_cen(looked: &Looked, read: &Read) -> Judged {
    if let Outcome::Refused(code) = &read.outcome {
        return Ok(refusal(read, code));
    }
    let list = list(read)?;
    if !list.items.is_empty() {
        return Ok(Verdict::Agrees(format!("{} rules of ECRs are shown", list.items.len())));
    }
    if looked.instance.kind == InstanceType::ECR && own_rule(looked).is_some() {
        let id = &looked.instance.id;
        return Ok(Verdict::Differs(format!("no rule is shown, and the owner of {id} is shown its rule")));
    }
    Ok(Verdict::CannotTell("ECR is taken and no rule is shown; ask with an ECR that is granted to this CEN".to_owned()))
}

pub(super) fn effective(looked: &Looked, attached: bool) -> Judged {
    let (list, lists) = (list(&looked.rules)?, Attached::of(looked));
    let of = |rule: &&Value| text(rule, "ChildInstanceId").and_then(|id| lists.is(id)) == Some(attached);
    let rules: Vec<&Value> = list.items.iter().filter(of).collect();
    let (all, word) = (rules.len(), if attached { "attached" } else { "unattached" });
    if all == 0 {
        return Ok(Verdict::CannotTell(format!("no rule of an instance that is surely {word} is shown")));
    }
    let shows = rules.iter().filter(|rule| text(rule, EFFECTIVE).is_some()).count();
    let pending = |rule: &&&Value| text(rule, EFFECTIVE).is_some_and(|now| Some(now) != text(rule, "OrderType"));
    let pending = match rules.iter().filter(pending).count() {
        0 => String::new(),
        n => format!("; on {n} it is another than OrderType"),
    };
    let says = format!("on {shows} of {all} rules of {word} instances{pending}");
    Ok(if shows == all { Verdict::Agrees(says) } else { Verdict::Differs(says) })
}

pub(super) fn effective_resource(looked: &Looked) -> Judged {
    list(&looked.to_resource)?;
    let Some(own) = own_rule(looked) else {
        return Ok(Verdict::CannotTell(format!("no rule of {} for this CEN is shown", looked.instance.id)));
    };
    let here = text(own, EFFECTIVE).map(shown);
    let id = looked.instance.id.as_str();
    let theirs = list(&looked.rules).ok().and_then(|l| l.items.iter().find(|r| text(r, "ChildInstanceId") == Some(id)));
    let there = theirs.and_then(|rule| text(rule, EFFECTIVE)).map(shown);
    Ok(match (here, there, theirs.is_some()) {
        (Some(here), Some(there), _) if here == there => Verdict::Agrees(format!("{here} on both sides")),
        (Some(here), Some(there), _) => {
            Verdict::Differs(format!("{here} to the owner, {there} to the owner of the CEN"))
        }
        (Some(here), None, true) => Verdict::Differs(format!("{here} to the owner, none to the owner of the CEN")),
        (Some(here), None, false) => Verdict::Agrees(format!("{here}; the owner of the CEN is shown no rule")),
        (None, ..) => Verdict::Differs("the rule has none".to_owned()),
    })
}

pub(super) fn create_time(looked: &Looked) -> Judged {
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
        "" => Verdict::CannotTell("no rule is shown".to_owned()),
        "a text" => Verdict::Agrees(says),
        _ => Verdict::Differs(says),
    })
}

pub(super) fn ccn_filter(looked: &Looked) -> Judged {
    let list = list(&looked.to_resource)?;
    let id = looked.instance.id.as_str();
    let others = list.items.iter().filter(|rule| text(rule, "CcnInstanceId") != Some(id)).count();
    Ok(match (list.items.len(), others) {
        (0, _) => Verdict::CannotTell(format!("no rule of {id} is shown")),
        (all, 0) => Verdict::Agrees(format!("all {all} rules are of {id}")),
        (all, others) => Verdict::Differs(format!("{others} of {all} rules are of other CCNs")),
    })
}

/// The rule for this CEN, as the owner of the instance is shown it.
fn own_rule(looked: &Looked) -> Option<&Value> {
    let cen = Some(looked.cen.id.as_str());
    let is_it = |rule: &&Value| text(rule, "CenId") == cen || text(rule, "CenInstanceId") == cen;
    list(&looked.to_resource).ok()?.items.iter().find(is_it)
}
