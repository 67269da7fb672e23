//! The points about answers to an account that does not own the resource.

use super::super::look::Looked;
use super::super::observation::{JudgedPoint, PointObservation, PointVerdict};
use super::super::points::{self, CloudPoint};
use super::super::read::{CompletedRead, ReadOutcome};
use super::reads::{list, refusal};

/// The answer that another account is assumed to get.
#[derive(Clone, Copy, PartialEq)]
enum ForeignAnswer {
    /// A RequestId alone.
    Bare,
    /// An empty list, counted 0.
    Empty,
}

/// Judges each of these points. If one account owns both sides, none can be told.
pub(super) fn others(looked: &Looked) -> Vec<PointObservation> {
    let Some(others) = &looked.others else {
        let all = [&points::OTHER_RULES, &points::OTHER_ROUTERS, &points::OTHER_CENS, &points::OTHER_INSTANCE];
        let one = || PointVerdict::CannotTell("one account owns the instance and the CEN".to_owned());
        return all.iter().map(|point| PointObservation::of(point, &[], one())).collect();
    };
    let of = |point: &'static CloudPoint, read: &CompletedRead, expected| {
        PointObservation::of(point, &[read], answered(read, expected).unwrap_or_else(|verdict| verdict))
    };
    let attachments = others.attachments.iter().map(|read| of(&points::OTHER_ATTACHMENTS, read, ForeignAnswer::Empty));
    let children = others.children.iter().map(|read| of(&points::OTHER_CHILDREN, read, ForeignAnswer::Empty));
    let always = [
        of(&points::OTHER_RULES, &others.rules, ForeignAnswer::Bare),
        of(&points::OTHER_ROUTERS, &others.routers, ForeignAnswer::Empty),
        of(&points::OTHER_CENS, &others.cens, ForeignAnswer::Empty),
        of(&points::OTHER_INSTANCE, &others.instance, ForeignAnswer::Empty),
    ];
    always.into_iter().chain(attachments).chain(children).collect()
}

fn answered(read: &CompletedRead, expected: ForeignAnswer) -> JudgedPoint {
    if let ReadOutcome::Refused(code) = &read.outcome {
        return Ok(refusal(read, code));
    }
    let list = list(read)?;
    let (is, says) = match (list.items.len(), list.total) {
        (0, _) if list.is_bare() => (Some(ForeignAnswer::Bare), "a RequestId alone".to_owned()),
        (0, Some(0)) => (Some(ForeignAnswer::Empty), "an empty list, counted 0".to_owned()),
        (0, Some(total)) => (None, format!("an empty list, counted {total}")),
        (0, None) => (None, "an empty list without a count".to_owned()),
        (n, _) => (None, format!("{n} items")),
    };
    Ok(if is == Some(expected) { PointVerdict::Agrees(says) } else { PointVerdict::Differs(says) })
}
