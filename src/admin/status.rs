//! The whole worker at a glance: what needs a person and with which command, what goes on by itself and until when.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::HealthCheck;
use super::needs::Need;
use crate::domain::AccountUid;
use crate::engine::record::State as JobState;

/// The answer to `GET /v1/status`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Status {
    /// The version of the program.
    pub version: String,
    /// How many workers share the store.
    pub workers: u32,
    /// For how many seconds the worker that answers has been running.
    #[serde(default)]
    pub running_seconds: u64,
    /// How many bytes the store takes.
    #[serde(default)]
    pub store_bytes: u64,
    /// The time, by the cloud's clock.
    pub now: Timestamp,
    /// The next top of an hour.
    pub next_hour: Timestamp,
    /// How long an hour is: 3600 seconds but for a simulated cloud.
    #[serde(default)]
    pub hour_seconds: u64,
    /// What needs a person, the worst first.
    pub needs: Vec<Need>,
    /// What goes on by itself: one for each state that has such jobs.
    pub goes_on: Vec<GoesOn>,
    /// The accounts about which there is something to say: those that are paused, refused or not reached.
    pub accounts: Vec<AccountStatus>,
    /// The checks of `/readyz`.
    pub checks: Vec<HealthCheck>,
    /// The batches that have not ended.
    #[serde(default)]
    pub batches: OpenBatches,
    /// Messages that are still to be published.
    pub outbox: u64,
    /// Stored rejections.
    pub rejected: u64,
    /// Jobs by state.
    #[schemars(with = "BTreeMap<String, u64>")]
    pub jobs: BTreeMap<JobState, u64>,
}

/// The batches that have not ended.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct OpenBatches {
    /// How many there are.
    pub open: u64,
    /// When the oldest of them was accepted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
}

/// The jobs of a state that go on by themselves.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct GoesOn {
    /// Queued, running or waiting.
    pub state: JobState,
    /// How many there are.
    pub jobs: u64,
    /// When the first of them is looked at next; `None` for now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When the oldest of them was accepted.
    pub oldest: Timestamp,
}

/// An account about which there is something to say.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct AccountStatus {
    /// Its uid.
    pub account: AccountUid,
    /// `paused`, or what this worker knows of it: `refused`, `probing` or `unreachable`.
    pub state: String,
    /// Since when.
    pub since: Timestamp,
    /// By whom, and why; or what the cloud says.
    pub detail: String,
    /// How many jobs are held for a paused account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<u64>,
}
