//! The words of the error table: what the worker does about an error, whether the call may have taken effect, and what a
//! refusal finds wrong with the job.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the worker does about an error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Class {
    /// Wait for as long as the server says, and call less often from now on.
    Throttled,
    /// Try again soon.
    Transient,
    /// Try again, more slowly and for longer: the resource has to change its state first.
    State,
    /// Renew the credential, then try again.
    Auth,
    /// Park the job: the credential of the account is refused for good, and only an operator can repair it.
    Credential,
    /// Hold the operation for this account, with one alert, and try it again later; no job ends over it. Such a refusal of a
    /// read can only mean that the worker's own request was malformed, or that the account's policy lacks a permission which
    /// the worker did not need before.
    Held,
    /// Confirm by a read that the wanted state is there already.
    Done,
    /// Do not try again: no attempt will ever succeed.
    Permanent,
    /// Look again before it is believed, then take it as permanent: the table has no entry for it.
    Unknown,
}

/// Whether a call that gave an error may have taken effect nevertheless.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// It had no effect.
    None,
    /// It may have had one; the state is read before the call is repeated.
    Unknown,
}

/// What the refusal of a call says is wrong with the job itself: `finding` in the error table.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Finding {
    /// The id, owner, region or type of its instance.
    Instance,
}

impl Class {
    /// Every class, in the order of messages.
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

    /// The word that `errors.toml` uses.
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
    /// Both values.
    pub const ALL: [Self; 2] = [Self::None, Self::Unknown];

    /// The word that `errors.toml` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Unknown => "unknown",
        }
    }
}

impl Finding {
    /// Every value.
    pub const ALL: [Self; 1] = [Self::Instance];

    /// The word that `errors.toml` uses.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Instance => "instance",
        }
    }
}
