//! A job as accepted: the normalized form of a message that passed the contract.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use std::collections::BTreeMap;

use super::batch::BatchTerms;
use super::ids::JobId;
use super::instance::{Cen, Instance};
use super::order_type::OrderType;
use super::words::words;

words! {
    /// What a job asks for.
    pub enum Kind {
        /// Authorize a CEN of another account to connect the instance.
        Grant = "grant",
        /// Take that authorization away.
        Revoke = "revoke",
        /// Change who pays for the attachments of a granted instance.
        PayerChange = "payer-change",
    }
}

words! {
    /// What a revoke does about attachments that are still there.
    #[derive(Default)]
    pub enum Attachments {
        /// Refuse the job: deleting an attachment cuts traffic.
        #[default]
        Refuse = "refuse",
        /// Delete them and wait until they are gone.
        Delete = "delete",
    }
}

words! {
    /// Whether a job changes anything.
    #[derive(Default)]
    pub enum Mode {
        /// Make the writes.
        #[default]
        Apply = "apply",
        /// Read only; end as `planned` with the writes that would be made.
        Plan = "plan",
    }
}

/// A valid request. Invariants, kept by the contract: `order_type` is present for payer-change, for grant of anything
/// but a CCN, and absent otherwise; `attachments` is `Refuse` unless the kind is revoke; `not_before ≤ not_after`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Job {
    /// The idempotency key, unique for each requester.
    pub id: JobId,
    /// Grant, revoke or payer change.
    pub kind: Kind,
    /// The network instance.
    pub instance: Instance,
    /// The CEN it is granted to.
    pub cen: Cen,
    /// The payer to arrive at.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// What a revoke does about attachments.
    #[serde(default)]
    pub attachments: Attachments,
    /// The job does not begin before this time.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_before: Option<Timestamp>,
    /// If nothing was written by this time, the job fails as `expired`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
    /// Whether the writes are made or only foretold.
    #[serde(default)]
    pub mode: Mode,
    /// The batch it belongs to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub batch: Option<BatchTerms>,
    /// Notes of the requester, echoed in every event.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

impl Job {
    /// SHA-256, in hex, of the normalized job without its labels: two messages with one id are the same request exactly
    /// when their digests agree.
    pub fn digest(&self) -> String {
        let bare = Self { labels: BTreeMap::new(), ..self.clone() };
        let text = serde_json::to_vec(&bare).expect("a job is plain data and always serializes");
        hex(&Sha256::digest(&text))
    }
}

/// Lower-case hexadecimal.
pub fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    let digits = bytes.iter().flat_map(|byte| [byte >> 4, byte & 15]);
    digits.map(|digit| char::from(DIGITS[usize::from(digit)])).collect()
}
