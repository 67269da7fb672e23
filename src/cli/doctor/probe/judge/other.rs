//! What an account is answered of what is not its own.

use super::super::look::Looked;
use super::super::observation::{Observation, Verdict};
use super::super::points::{self, Point};
use super::super::read::{Outcome, Read};
use super::{Judged, list, refusal};

/// What another account is taken to be answered.
#[derive(Clone, Copy, PartialEq)]
enum Expected {
    /// A RequestId alone.
    Bare,
    /// An empty list, counted 0.
    Empty,
}

/// Every point about it; where one account owns both sides, that it cannot be told.
pub(super) fn others(looked: &Looked) -> Vec<Observation> {
    let Some(others) = &looked.others else {
        let all = [&points::OTHER_RULES, &points::OTHER_ROUTERS, &points::OTHER_CENS, &points::OTHER_INSTANCE];
        let one = || Verdict::CannotTell("one account owns the instance and the CEN".to_owned());
        return all.iter().map(|point| Observation::of(point, &[], one())).collect();
    };
    let of = |point: &'static Point, read: &Read, expected| {
        Observation::of(point, &[read], answered(read, expected).unwrap_or_else(|verdict| verdict))
    };
    let attachments = others.attachments.iter().map(|read| of(&points::OTHER_ATTACHMENTS, read, Expected::Empty));
    let children = others.children.iter().map(|read| of(&points::OTHER_CHILDREN, read, Expected::Empty));
    let always = [
        of(&points::OTHER_RULES, &others.rules, Expected::Bare),
        of(&points::OTHER_ROUTERS, &others.routers, Expected::Empty),
        of(&points::OTHER_CENS, &others.cens, Expected::Empty),
        of(&points::OTHER_INSTANCE, &others.instance, Expected::Empty),
    ];
    always.into_iter().chain(attachments).chain(children).collect()
}

fn answered(read: &Read, expected: Expected) -> Judged {
    if let Outcome::Refused(code) = &read.outcome {
        return Ok(refusal(read, code));
    }
    let list = list(read)?;
    let (is, says) = match (list.items.len(), list.total) {
        (0, _) if list.is_bare() => (Some(Expected::Bare), "a RequestId alone".to_owned()),
        (0, Some(0)) => (Some(Expected::Empty), "an empty list, counted 0".to_owned()),
        (0, Some(total)) => (None, format!("an empty list, counted {total}")),
        (0, None) => (None, "an empty list without a count".to_owned()),
        (n, _) => (None, format!("{n} items")),
    };
    Ok(if is == Some(expected) { Verdict::Agrees(says) } else { Verdict::Differs(says) })
}
