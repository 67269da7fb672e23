//! The words of the table of error classes: what the worker makes of an error, whether the call may have taken effect,
//! and what a refusal finds wrong with the job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What to do about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Come back later, as late as the server says, and ask less often from now on.
    Throttled,
    /// Try again.
    Transient,
    /// Try again once the resource has had time to change its state: slower and for longer.
    State,
    /// Repair the credential or the clock, then try again once.
    Auth,
    /// The account's credential is refused for good: park, since only an operator can repair it.
    Credential,
    /// The refusal of a read that can only mean that the request of the worker itself was malformed, or that the
    /// account's policy lacks a permission newly needed. No job ends over it: the operation of that account is held, with
    /// one alert, and tried again later.
    Held,
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

/// What the refusal of a call finds wrong with the job itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// What the job says of the instance: its id, owner, region or type.
    Instance,
}

impl Class {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Throttled,
        Self::Transient,
        Self::State,
        Self::Auth,
        Self::Credential,
        Self::Held,
        Self::Done,
        Self::Permanent,
        Self::Unknown,
    ];

    /// The word used in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::Transient => "transient",
            Self::State => "state",
            Self::Auth => "auth",
            Self::Credential => "credential",
            Self::Held => "held",
            Self::Done => "done",
            Self::Permanent => "permanent",
            Self::Unknown => "unknown",
        }
    }
}

impl fmt::Display for Class {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Effect {
    /// Both.
    pub const ALL: [Self; 2] = [Self::None, Self::Unknown];

    /// The word used in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

impl Finding {
    /// All of them.
    pub const ALL: [Self; 1] = [Self::Instance];

    /// The word used in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
        }
    }
}
