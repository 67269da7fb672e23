//! Judges each point by the answers. Pure.

mod attached;
mod other;
mod reads;
mod rules;

use jiff::Timestamp;

use self::reads::{list, refusal, refused};
use super::look::Looked;
use super::observation::{JudgedPoint, PointObservation, PointVerdict};
use super::points;
use super::read::{CompletedRead, ReadOutcome, number, shown, text};
use crate::cloud::spelling::{attachment, child_instance};
use crate::domain::InstanceType;

/// The largest difference between the clocks that agrees with the assumption.
const SKEW_SECONDS: u64 = 60;

/// Judges every point that exists for this type of instance.
pub(super) fn judge(looked: &Looked) -> Vec<PointObservation> {
    let kind = looked.instance.kind;
    let mut all = Vec::new();
    let mut see = |point, reads: &[&CompletedRead], judged: JudgedPoint| {
        all.push(PointObservation::of(point, reads, judged.unwrap_or_else(|verdict| verdict)));
    };
    for read in &looked.services {
        see(&points::SERVICE, &[read], service(read));
    }
    see(&points::DATE, &[], dates(looked));
    see(&points::CENS, &[&looked.cens], cens(looked));
    see(&points::ROUTERS, &[&looked.routers], routers(looked));
    if let Some(read) = &looked.cen_alone {
        see(&points::CEN_ALONE, &[read], cen_alone(read));
    }
    let lists: Vec<&CompletedRead> = looked.attachments.iter().collect();
    if attachment(kind).is_some() {
        see(&points::PAGE_OF_100, &lists, attached::page_of_100(&lists));
    }
    if let Some(children) = &looked.children {
        let reads = [&[children], &lists[..]].concat();
        if attachment(kind).is_some() && child_instance(kind).is_some() {
            see(&points::CHILDREN, &reads, attached::children(looked, children));
            see(&points::CHILD_ROWS, &reads, attached::child_rows(looked, children));
            see(&points::CHILD_EDITIONS, &reads, attached::child_editions(looked, children));
        }
    }
    let ecr = looked.ecr_rules.as_ref().unwrap_or(&looked.rules);
    see(&points::ECR_TO_CEN, &[ecr], rules::ecr_to_cen(looked, ecr));
    if kind != InstanceType::CCN {
        see(&points::EFFECTIVE_ATTACHED, &[&looked.rules], rules::effective(looked, true));
        see(&points::EFFECTIVE_UNATTACHED, &[&looked.rules], rules::effective(looked, false));
        see(&points::EFFECTIVE_RESOURCE, &[&looked.to_resource], rules::effective_resource(looked));
    }
    see(&points::CREATE_TIME, &[&looked.rules], rules::create_time(looked));
    if kind == InstanceType::CCN {
        see(&points::CCN_FILTER, &[&looked.to_resource], rules::ccn_filter(looked));
    }
    see(&points::COUNTS, &looked.own().collect::<Vec<_>>(), counts(looked));
    if let Some(read) = &looked.vpns {
        see(&points::VPN_TYPES, &[read], attached::vpn_types(read));
        see(&points::VPN_UNATTACHED, &[read], attached::vpn_unattached(looked, read));
    }
    all.extend(other::others(looked));
    all
}

fn service(read: &CompletedRead) -> JudgedPoint {
    const NOT_OPEN: &str = "USER_NOT_OPEN_TR_SERVICE";
    match &read.outcome {
        ReadOutcome::Refused(code) if code.eq_ignore_ascii_case(NOT_OPEN) => {
            Ok(PointVerdict::Agrees(refused(read, code)))
        }
        ReadOutcome::Refused(code) => Ok(refusal(read, code)),
        ReadOutcome::Failed(why) => Ok(PointVerdict::CannotTell(why.clone())),
        ReadOutcome::Answered(list) => {
            let enabled = list.first.get("Enabled");
            let enabled = enabled.and_then(|enabled| {
                enabled.as_bool().or_else(|| enabled.as_str()?.trim().to_ascii_lowercase().parse().ok())
            });
            Ok(match enabled {
                Some(enabled) => PointVerdict::Agrees(format!("Enabled is {enabled}")),
                None => PointVerdict::Differs("the answer has no Enabled that is true or false".to_owned()),
            })
        }
    }
}

fn dates(looked: &Looked) -> JudgedPoint {
    let all: Vec<(Option<Timestamp>, Timestamp)> = looked.all().flat_map(|read| read.dates.iter().copied()).collect();
    if all.is_empty() {
        return Ok(PointVerdict::CannotTell("no read was answered".to_owned()));
    }
    let without = all.iter().filter(|(date, _)| date.is_none()).count();
    if without > 0 {
        return Ok(PointVerdict::Differs(format!("{without} of {} answers have no Date", all.len())));
    }
    let off = |(date, now): &(Option<Timestamp>, Timestamp)| {
        date.map(|date| now.duration_since(date).unsigned_abs().as_secs())
    };
    let farthest = all.iter().filter_map(off).max().unwrap_or_default();
    let says = format!("all {} answers have one, at most {farthest} s off", all.len());
    Ok(if farthest <= SKEW_SECONDS { PointVerdict::Agrees(says) } else { PointVerdict::Differs(says) })
}

fn cens(looked: &Looked) -> JudgedPoint {
    let list = list(&looked.cens)?;
    let id = looked.cen.id.as_str();
    let (own, others): (Vec<_>, Vec<_>) = list.items.iter().partition(|item| text(item, "CenId") == Some(id));
    Ok(match (own.len(), others.len()) {
        (1, 0) => PointVerdict::Agrees(format!("{id} alone is listed")),
        (0, 0) => {
            PointVerdict::Differs(format!("{id} is not listed to account {}; is it the owner?", looked.cen.owner))
        }
        (0, n) => PointVerdict::Differs(format!("{id} is not listed, and {n} others are")),
        (_, 0) => PointVerdict::Differs(format!("{id} is listed {} times", own.len())),
        (_, n) => PointVerdict::Differs(format!("the filter is not obeyed: {n} others are listed too")),
    })
}

fn routers(looked: &Looked) -> JudgedPoint {
    let list = list(&looked.routers)?;
    if list.items.is_empty() {
        return Ok(PointVerdict::CannotTell(format!("{} has no transit router that is shown", looked.cen.id)));
    }
    let mut odd = Vec::new();
    for item in &list.items {
        let router = text(item, "TransitRouterId").map_or_else(|| "a router".to_owned(), shown);
        match number(item, "AliUid") {
            Some(uid) if uid == looked.cen.owner.as_str() => {}
            Some(uid) => odd.push(format!("{router} belongs to account {}", shown(&uid))),
            None => odd.push(format!("{router} has no AliUid")),
        }
        match text(item, "Type") {
            Some(kind) if ["enterprise", "basic"].contains(&kind.to_ascii_lowercase().as_str()) => {}
            Some(kind) => odd.push(format!("{router} is of Type {}", shown(kind))),
            None => odd.push(format!("{router} has no Type")),
        }
        if text(item, "RegionId").is_none() {
            odd.push(format!("{router} has no RegionId"));
        }
    }
    Ok(match odd.is_empty() {
        true => PointVerdict::Agrees(format!("AliUid, RegionId and Type of all {} routers", list.items.len())),
        false => PointVerdict::Differs(odd.join("; ")),
    })
}

fn cen_alone(read: &CompletedRead) -> JudgedPoint {
    match &read.outcome {
        ReadOutcome::Refused(code) if code.eq_ignore_ascii_case("IllegalParam.CenIdOrRegionId") => {
            Ok(PointVerdict::Agrees(refused(read, code)))
        }
        ReadOutcome::Refused(code) => Ok(refusal(read, code)),
        ReadOutcome::Failed(why) => Ok(PointVerdict::CannotTell(why.clone())),
        ReadOutcome::Answered(list) if list.is_bare() => {
            Ok(PointVerdict::Differs("answered with a RequestId alone".to_owned()))
        }
        ReadOutcome::Answered(list) => {
            Ok(PointVerdict::Differs(format!("answered, with {} attachments", list.items.len())))
        }
    }
}

/// Compares `TotalCount` with the items of every list that was read to its end.
fn counts(looked: &Looked) -> JudgedPoint {
    let mut right = 0;
    let mut wrong = Vec::new();
    for read in looked.own() {
        let Ok(list) = list(read) else { continue };
        if !list.complete {
            continue;
        }
        match list.total {
            Some(total) if total == list.items.len() as u64 => right += 1,
            Some(total) => wrong.push(format!("{} counts {total} and lists {}", read.operation, list.items.len())),
            None => wrong.push(format!("{} has no TotalCount", read.operation)),
        }
    }
    Ok(match (right, wrong.is_empty()) {
        (_, false) => PointVerdict::Differs(wrong.join("; ")),
        (0, true) => PointVerdict::CannotTell("no list was read to its end".to_owned()),
        (_, true) => PointVerdict::Agrees(format!("right in all {right} lists that were read to their ends")),
    })
}

#[cfg(test)]
mod tests;
