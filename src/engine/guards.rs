//! Guards: how many jobs may begin to write within an hour, and accounts that are paused. Data only.
//!
//! The store tests both in the commit of the first intent. So of two jobs that race for the last place one gets it, and no
//! job begins once a pause was answered. Neither stops a job that has written: it would be left half done.

use std::fmt;
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, Job, Kind, whole_second};
use crate::engine::record::Record;

/// The span that limits count within: an hour by the clock, also where a simulated cloud has a shorter billing hour.
pub const WINDOW: Duration = Duration::from_secs(3600);

/// How many jobs may begin to write within an hour. `None` is without a limit; with 0 every job needs approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HourlyLimits {
    /// Revokes in one CEN.
    pub revokes_per_cen: Option<u32>,
    /// Payer changes of the instances of one account.
    pub payer_changes_per_account: Option<u32>,
}

impl Default for HourlyLimits {
    fn default() -> Self {
        Self { revokes_per_cen: Some(20), payer_changes_per_account: Some(50) }
    }
}

impl HourlyLimits {
    /// No limit on anything.
    pub const NONE: Self = Self { revokes_per_cen: None, payer_changes_per_account: None };

    /// The limit that a kind of job is under.
    pub fn of(&self, kind: Kind) -> Option<u32> {
        match kind {
            Kind::Grant => None,
            Kind::Revoke => self.revokes_per_cen,
            Kind::PayerChange => self.payer_changes_per_account,
        }
    }
}

/// The setting that limits a kind of job.
pub fn setting(kind: Kind) -> Option<&'static str> {
    match kind {
        Kind::Grant => None,
        Kind::Revoke => Some("revokes_per_cen"),
        Kind::PayerChange => Some("payer_changes_per_account"),
    }
}

/// The key that a job is counted under, with all others of the same key; `None` for a kind without a limit.
pub fn counted_as(job: &Job) -> Option<String> {
    match job.kind {
        Kind::Grant => None,
        Kind::Revoke => Some(format!("revoke {}", job.cen.id)),
        Kind::PayerChange => Some(format!("payer-change {}", job.instance.owner)),
    }
}

/// A paused account: jobs that act in it do not begin.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Pause {
    /// The paused account.
    pub account: AccountUid,
    /// When it was paused.
    pub since: Timestamp,
    /// The operator who paused it, by the name given with the command.
    pub by: String,
    /// The name of the token that the command came with; `None` of a pause from before tokens had names.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub authority: Option<String>,
    /// The reason given with the command; jobs that are held show it.
    pub reason: String,
}

impl Pause {
    /// Whether a job acts in the account: as the owner of its instance or of its CEN.
    pub fn touches(&self, job: &Job) -> bool {
        [&job.instance.owner, &job.cen.owner].contains(&&self.account)
    }
}

impl fmt::Display for Pause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { account, since, by, authority, reason } = self;
        let authority = authority.as_ref().map(|name| format!(" (token {name})")).unwrap_or_default();
        let since = whole_second(*since);
        write!(f, "account {account} is paused since {since} by {by}{authority}: {reason}")
    }
}

impl Record {
    /// Whether a pause stops it: it has written nothing and waits for nothing that was written.
    pub fn may_be_held(&self) -> bool {
        !self.state().is_terminal() && !self.has_written() && self.wait.is_none()
    }
}
