//! Where a job is, with what belongs to being there: a state is never without it and never with another's.
//!
//! Stored flat, as fields of the record.

use std::borrow::Cow;

use jiff::Timestamp;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use super::ending::Ending;
use super::state::State;
use crate::domain::AccountUid;

/// The state of a job, with what belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Phase {
    /// Accepted or resumed; no worker has taken it up since.
    Queued(Turn),
    /// A step of it is being worked on, or is tried again when it is due.
    Running(Turn),
    /// Both sides of a payer change are written; the sweep looks after it.
    Waiting {
        /// The next check.
        due: Timestamp,
    },
    /// Waits for an operator.
    Parked {
        /// What an operator has to look at.
        ending: Ending,
        /// Whether something it wrote is not whole: then it blocks the queue of its instance.
        half_done: bool,
    },
    /// Nothing more happens to it.
    Ended {
        /// One of the terminal states.
        state: State,
        /// The reason and message of the terminal event.
        ending: Ending,
        /// When it ended.
        at: Timestamp,
    },
}

/// When an active job is worked on next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Turn {
    /// Outside the queue of its instance until then (`not_before`).
    NotBefore(Timestamp),
    /// In the queue, and due then.
    Due(Timestamp),
    /// In the queue, and not begun before the account is unpaused.
    Held {
        /// The paused account.
        account: AccountUid,
        /// When the job is looked at although the pause goes on, because it expires.
        expires: Option<Timestamp>,
    },
}

impl Phase {
    /// The state that listings, metrics and rows show.
    pub fn state(&self) -> State {
        match self {
            Self::Queued(_) => State::Queued,
            Self::Running(_) => State::Running,
            Self::Waiting { .. } => State::Waiting,
            Self::Parked { .. } => State::Parked,
            Self::Ended { state, .. } => *state,
        }
    }

    /// When something is to be done next; `None` at rest, and for a job that is held and never expires.
    pub fn due(&self) -> Option<Timestamp> {
        match self {
            Self::Queued(Turn::Held { expires, .. }) | Self::Running(Turn::Held { expires, .. }) => *expires,
            Self::Queued(Turn::NotBefore(at) | Turn::Due(at)) | Self::Running(Turn::NotBefore(at) | Turn::Due(at)) => {
                Some(*at)
            }
            Self::Waiting { due } => Some(*due),
            Self::Parked { .. } | Self::Ended { .. } => None,
        }
    }

    /// Whether it has a place in the queue of its instance, and those behind it wait.
    pub fn in_queue(&self) -> bool {
        match self {
            Self::Queued(turn) | Self::Running(turn) => !matches!(turn, Turn::NotBefore(_)),
            Self::Parked { half_done, .. } => *half_done,
            Self::Waiting { .. } | Self::Ended { .. } => false,
        }
    }

    /// The paused account that it is held for.
    pub fn held(&self) -> Option<&AccountUid> {
        match self {
            Self::Queued(Turn::Held { account, .. }) | Self::Running(Turn::Held { account, .. }) => Some(account),
            _ => None,
        }
    }

    /// How it ended, or why it is parked.
    pub fn ending(&self) -> Option<&Ending> {
        match self {
            Self::Parked { ending, .. } | Self::Ended { ending, .. } => Some(ending),
            _ => None,
        }
    }

    /// When it ended.
    pub fn finished_at(&self) -> Option<Timestamp> {
        match self {
            Self::Ended { at, .. } => Some(*at),
            _ => None,
        }
    }

    /// The same, with something to be done next at `at`; for a job at rest nothing changes.
    pub fn rest_until(&mut self, at: Timestamp) {
        match self {
            Self::Queued(Turn::NotBefore(due)) | Self::Running(Turn::NotBefore(due)) => *due = at,
            Self::Queued(turn) | Self::Running(turn) => *turn = Turn::Due(at),
            Self::Waiting { due } => *due = at,
            Self::Parked { .. } | Self::Ended { .. } => {}
        }
    }
}

/// The fields of a stored record.
#[derive(Serialize, Deserialize, JsonSchema)]
struct Stored<'a> {
    state: State,
    in_line: bool,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    due: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    held: Option<Cow<'a, AccountUid>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    ending: Option<Cow<'a, Ending>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    finished_at: Option<Timestamp>,
}

impl JsonSchema for Phase {
    fn schema_name() -> Cow<'static, str> {
        "Phase".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        Stored::json_schema(generator)
    }
}

impl Serialize for Phase {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let stored = Stored {
            state: self.state(),
            in_line: self.in_queue(),
            due: self.due(),
            held: self.held().map(Cow::Borrowed),
            ending: self.ending().map(Cow::Borrowed),
            finished_at: self.finished_at(),
        };
        stored.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Phase {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Stored { state, in_line, due, held, ending, finished_at } = Stored::deserialize(deserializer)?;
        let missing = |field: &str| de::Error::custom(format!("a {} job has no `{field}`", state.as_str()));
        // Earlier builds could store an active job without `due`: nothing it waits for is known, so it is due.
        let turn = || match (held, due.unwrap_or(Timestamp::UNIX_EPOCH)) {
            (Some(account), _) => Turn::Held { account: account.into_owned(), expires: due },
            (None, due) if in_line => Turn::Due(due),
            (None, due) => Turn::NotBefore(due),
        };
        let ending = || ending.map(Cow::into_owned).ok_or_else(|| missing("ending"));
        Ok(match state {
            State::Queued => Self::Queued(turn()),
            State::Running => Self::Running(turn()),
            State::Waiting => Self::Waiting { due: due.ok_or_else(|| missing("due"))? },
            State::Parked => Self::Parked { ending: ending()?, half_done: in_line },
            State::Completed | State::Planned | State::Failed | State::Superseded | State::Cancelled => {
                Self::Ended { state, ending: ending()?, at: finished_at.ok_or_else(|| missing("finished_at"))? }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Reason;

    #[test]
    fn what_is_stored_is_what_is_read() {
        let at: Timestamp = "2026-11-28T10:20:00Z".parse().unwrap();
        let account = AccountUid::parse("1688000000000001").unwrap();
        let ending = || Ending { reason: Reason::Done, message: "done".into(), findings: vec![] };
        let turns = [
            Turn::NotBefore(at),
            Turn::Due(at),
            Turn::Held { account: account.clone(), expires: None },
            Turn::Held { account, expires: Some(at) },
        ];
        let active = turns.into_iter().flat_map(|turn| [Phase::Queued(turn.clone()), Phase::Running(turn)]);
        let ended = State::ALL.into_iter().filter(|state| state.is_terminal());
        let rest = [
            Phase::Waiting { due: at },
            Phase::Parked { ending: ending(), half_done: true },
            Phase::Parked { ending: ending(), half_done: false },
        ];
        for phase in active.chain(rest).chain(ended.map(|state| Phase::Ended { state, ending: ending(), at })) {
            let text = serde_json::to_string(&phase).unwrap();
            assert_eq!(serde_json::from_str::<Phase>(&text).unwrap(), phase, "{text}");
        }
    }

    #[test]
    fn a_state_without_what_belongs_to_it_is_not_read() {
        for (stored, missing) in [
            (r#"{"state": "waiting", "in_line": false}"#, "a waiting job has no `due`"),
            (r#"{"state": "parked", "in_line": true}"#, "a parked job has no `ending`"),
            (r#"{"state": "failed", "in_line": false}"#, "a failed job has no `ending`"),
        ] {
            let error = serde_json::from_str::<Phase>(stored).unwrap_err().to_string();
            assert!(error.contains(missing), "{error}");
        }
    }
}
