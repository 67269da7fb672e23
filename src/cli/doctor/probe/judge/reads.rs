//! What a read gives a judge: its list, or a verdict that says why there is none.

use super::super::observation::PointVerdict;
use super::super::read::{AnsweredList, CompletedRead, ReadOutcome, is_beside_the_point, shown};

/// The list of a read, or the verdict that it tells nothing.
pub(super) fn list(read: &CompletedRead) -> Result<&AnsweredList, PointVerdict> {
    match &read.outcome {
        ReadOutcome::Answered(list) => Ok(list),
        ReadOutcome::Refused(code) => Err(PointVerdict::CannotTell(refused(read, code))),
        ReadOutcome::Failed(why) => Err(PointVerdict::CannotTell(why.clone())),
    }
}

/// The text for a refusal.
pub(super) fn refused(read: &CompletedRead, code: &str) -> String {
    let code = if code.is_empty() { "no code".to_owned() } else { shown(code) };
    format!("{} is refused with {code}", read.operation)
}

/// The verdict for a refusal: it differs from an expected answer, unless it has another cause.
pub(super) fn refusal(read: &CompletedRead, code: &str) -> PointVerdict {
    let says = refused(read, code);
    if is_beside_the_point(code) {
        PointVerdict::CannotTell(format!("{says}, which may have another cause"))
    } else {
        PointVerdict::Differs(says)
    }
}
