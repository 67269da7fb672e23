//! What the answers of the cloud say of an account's credential. Pure: the caller passes the time in.
//!
//! ```text
//!             refused                    GetCallerIdentity takes it
//!   ok ──────────────────► refused ──────────────────────────────► probing
//!   ▲ ▲                    ▲  │                                     │  │
//!   │ └────────────────────┼──┘ (refused by GetCallerIdentity)      │  │
//!   │                      └────────────────────────────────────────┘  │ refused again
//!   └──────────────────────────────────────────────────────────────────┘ what was refused is answered, or the
//!                                                                        next GetCallerIdentity is
//!   unknown, ok ──► unreachable: no answer for half a minute ──► ok: any answer that takes the credential
//! ```
//!
//! A refusal of class `auth` may mean that a session ended early. Then the keys are renewed, and only a call that began after
//! that and is refused too counts.
//!
//! Calls overlap. An answer to a call that began before the latest turn is about what was before it, and says nothing.

use std::time::Duration;

use jiff::Timestamp;

use crate::engine::ports::account::{RefusedCredential, Standing};
use crate::workflow::Class;

/// An account that is refused, or not reached, is asked for its identity at most so often.
const BETWEEN_QUESTIONS: Duration = Duration::from_secs(60);
/// For so long no call may be answered before the account counts as unreachable: a lost packet, a restart of a proxy pass.
const PATIENCE: Duration = Duration::from_secs(30);

/// The two clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    pub at: Timestamp,
    pub uptime: Duration,
}

/// What the end of a call says of the credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Heard<'a> {
    /// The cloud answered this operation, and so it took the credential.
    Answered { operation: &'a str },
    /// `GetCallerIdentity` names the account.
    Identified,
    /// The credential was refused, with this class.
    Refused { class: Class, refusal: RefusedCall<'a> },
    /// No answer came, or there were no keys to ask with.
    NoAnswer { why: &'a str },
}

/// A call that refused a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RefusedCall<'a> {
    /// As the error table names what was asked.
    pub asked: &'a str,
    /// `Code`, or what the answer says in words.
    pub code: &'a str,
    pub message: &'a str,
    /// Whether the credential was refused as such: by `GetCallerIdentity`, or by what issues the keys.
    pub as_such: bool,
}

/// What has changed by it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turned {
    /// Nothing that anybody has to hear of.
    Not,
    /// It is refused from now on: jobs wait.
    Refused,
    /// What was refused may be tried again: jobs go on.
    Freed,
    /// The refusal is over: jobs go on.
    Mended { since: Timestamp },
    /// It cannot be reached.
    Unreachable,
    /// It is reached again.
    Reached { since: Timestamp },
}

/// An account's credential, as its answers show it.
#[derive(Debug, Clone)]
pub(super) struct AccountStanding {
    standing: Standing,
    last_success: Option<Timestamp>,
    /// Calls that began earlier say nothing.
    turned: Duration,
    /// The keys were renewed after a refusal of class `auth`, and it is not known yet whether that helps.
    doubted: bool,
    /// The refusal was one of the credential as such.
    as_such: bool,
    /// Since when no call has been answered.
    failing: Option<Moment>,
    asked: Option<Duration>,
}

impl Default for AccountStanding {
    fn default() -> Self {
        Self {
            standing: Standing::Unknown,
            last_success: None,
            turned: Duration::ZERO,
            doubted: false,
            as_such: false,
            failing: None,
            asked: None,
        }
    }
}

impl AccountStanding {
    pub fn standing(&self) -> &Standing {
        &self.standing
    }

    /// The latest answer that took the credential.
    pub fn last_success(&self) -> Option<Timestamp> {
        self.last_success
    }

    /// Another credential is configured. It is asked for at once; until then nothing is known against the account but what was.
    pub fn replaced(&mut self, now: Duration) {
        (self.turned, self.asked, self.doubted, self.failing) = (now, None, self.standing.is_usable(), None);
    }

    /// The question whose credential it is goes out.
    pub fn asks(&mut self, now: Duration) {
        self.asked = Some(now);
    }

    /// The uptime at which that question is due next; `None` while nothing is wrong.
    pub fn next_question(&self) -> Option<Duration> {
        let again = self.asked.map_or(Duration::ZERO, |asked| asked + BETWEEN_QUESTIONS);
        match (&self.standing, &self.failing) {
            (Standing::Refused(_) | Standing::Probing(_) | Standing::Unreachable { .. }, _) => Some(again),
            _ if self.doubted => Some(again),
            (_, Some(failing)) => Some(again.max(failing.uptime + PATIENCE)),
            (Standing::Unknown | Standing::Ok, None) => None,
        }
    }

    /// Hears how a call ended that began at the uptime `began`.
    pub fn hear(&mut self, heard: &Heard<'_>, began: Duration, now: Moment) -> Turned {
        if began < self.turned {
            return Turned::Not;
        }
        match heard {
            Heard::Answered { operation } => self.taken(Some(operation), now),
            Heard::Identified => self.taken(None, now),
            Heard::Refused { class, refusal } => self.refused(*class, refusal, now),
            Heard::NoAnswer { why } => self.not_answered(why, now),
        }
    }

    /// The credential was taken, by this operation or by `GetCallerIdentity`.
    fn taken(&mut self, by: Option<&str>, now: Moment) -> Turned {
        (self.last_success, self.failing, self.doubted) = (Some(now.at), None, false);
        let (next, turned) = match &self.standing {
            Standing::Unknown | Standing::Ok => (Standing::Ok, Turned::Not),
            Standing::Unreachable { since, .. } => (Standing::Ok, Turned::Reached { since: *since }),
            // It may be taken for one product and refused for another.
            Standing::Refused(_) if by.is_some() => return Turned::Not,
            Standing::Refused(refusal) if self.as_such => (Standing::Ok, Turned::Mended { since: refusal.since }),
            Standing::Refused(refusal) => (Standing::Probing(refusal.clone()), Turned::Freed),
            Standing::Probing(refusal) if by.is_none_or(|by| by == refusal.asked) => {
                (Standing::Ok, Turned::Mended { since: refusal.since })
            }
            Standing::Probing(_) => return Turned::Not,
        };
        if turned != Turned::Not {
            self.turned = now.uptime;
        }
        self.standing = next;
        turned
    }

    fn refused(&mut self, class: Class, call: &RefusedCall<'_>, now: Moment) -> Turned {
        self.failing = None;
        let doubtful = class == Class::Auth && !self.doubted;
        if doubtful && !matches!(self.standing, Standing::Refused(_)) {
            (self.doubted, self.turned) = (true, now.uptime);
            return Turned::Not;
        }
        let (since, turned) = match &self.standing {
            Standing::Refused(refusal) | Standing::Probing(refusal) => (refusal.since, Turned::Not),
            Standing::Unknown | Standing::Ok | Standing::Unreachable { .. } => (now.at, Turned::Refused),
        };
        let refusal = RefusedCredential {
            since,
            code: call.code.to_owned(),
            asked: call.asked.to_owned(),
            message: call.message.to_owned(),
        };
        if matches!(self.standing, Standing::Refused(_)) {
            self.as_such |= call.as_such;
        } else {
            (self.turned, self.as_such) = (now.uptime, call.as_such);
        }
        self.doubted = false;
        self.standing = Standing::Refused(refusal);
        turned
    }

    fn not_answered(&mut self, why: &str, now: Moment) -> Turned {
        match &mut self.standing {
            Standing::Refused(_) | Standing::Probing(_) => Turned::Not,
            Standing::Unreachable { message, .. } => {
                why.clone_into(message);
                Turned::Not
            }
            Standing::Unknown | Standing::Ok => {
                let failing = *self.failing.get_or_insert(now);
                if now.uptime < failing.uptime + PATIENCE {
                    return Turned::Not;
                }
                self.standing = Standing::Unreachable { since: failing.at, message: why.to_owned() };
                Turned::Unreachable
            }
        }
    }
}

#[cfg(test)]
mod tests;
