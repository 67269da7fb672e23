//! What an error of the cloud means for a job: an ordered table, the first entry that matches wins (API §D.3).

use std::fmt;

use super::problem::Problem;

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Class {
    /// Come back later, as late as the server says, and ask less often from now on.
    Throttled,
    /// Try again.
    Transient,
    /// Try again once the resource has had time to change its state: slower and for longer.
    State,
    /// Repair the credential or the clock, then try again once.
    Auth,
    /// The end state is there already; to be confirmed by a read.
    Done,
    /// No attempt will ever succeed.
    Permanent,
    /// Not in the table: look again before believing it, then treat it as permanent.
    Unknown,
}

/// Whether a call that gave an error may have taken effect all the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It has had none.
    None,
    /// It may have had one: look before repeating it.
    Unknown,
}

/// What the table says about one error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verdict<'a> {
    /// What to do.
    pub class: Class,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// What the error means.
    pub meaning: &'a str,
    /// What an operator does about it.
    pub advice: &'a str,
}

/// One entry of the table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorClass {
    /// What to do.
    pub class: Class,
    /// Whether the call may have taken effect.
    pub effect: Effect,
    /// What the error means.
    pub meaning: String,
    /// What an operator does about it.
    pub advice: String,
}

/// The whole table, an operator's entries before the embedded ones.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ErrorClasses {
    entries: Vec<ErrorClass>,
}

impl ErrorClasses {
    /// Reads the embedded table and an operator's own `(file, text)` before it. All findings are reported together.
    pub fn load(_embedded: &str, _overriding: Option<(&str, &str)>) -> Result<Self, Vec<Problem>> {
        todo!()
    }

    /// What an error answer means. `code` is empty when the body was no error envelope; `retry_after` says whether the
    /// server asked for a delay (`x-acs-retry-after`, API §D.1).
    pub fn classify(&self, _operation: &str, _status: u16, _code: &str, _retry_after: bool) -> Verdict<'_> {
        todo!()
    }

    /// A call that never left this machine.
    pub fn not_sent(&self) -> Verdict<'_> {
        todo!()
    }

    /// A call to which no whole answer came back.
    pub fn unanswered(&self) -> Verdict<'_> {
        todo!()
    }

    /// Every entry, in the order of looking.
    pub fn entries(&self) -> &[ErrorClass] {
        &self.entries
    }

    /// The entries that speak of a code, whatever the operation and status: what there is to explain about it.
    pub fn explain(&self, _code: &str) -> Vec<&ErrorClass> {
        todo!()
    }
}

impl fmt::Display for Class {
    fn fmt(&self, _f: &mut fmt::Formatter<'_>) -> fmt::Result {
        todo!()
    }
}
