//! What a worker knows of the accounts it works as: whether the cloud takes their credentials.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, Operation};

/// Whether the cloud takes the credential of an account.
///
/// Each worker knows it for itself, and does not tell the others: another worker may hold another credential for the same
/// account.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum Standing {
    /// The credential was not used yet.
    Unknown,
    /// The latest answers took it.
    Ok,
    /// The cloud refuses it. No call is made as this account but the question whether it still does.
    Refused(RefusedCredential),
    /// `GetCallerIdentity` takes it again. What was refused is being tried, and may be refused once more.
    Probing(RefusedCredential),
    /// The cloud, or the service that issues the keys, does not answer.
    Unreachable {
        /// The first call without an answer.
        since: Timestamp,
        /// The latest cause.
        message: String,
    },
}

/// The refusal of a credential.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct RefusedCredential {
    /// The first refusal.
    pub since: Timestamp,
    /// `Code` of the latest; what it says in words where the answer has none.
    pub code: String,
    /// What was asked: an operation, or `metadata`.
    pub asked: String,
    /// What the cloud said.
    pub message: String,
}

impl fmt::Display for RefusedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "refused since {} ({})", self.since.strftime("%Y-%m-%dT%H:%M:%SZ"), self.code)
    }
}

impl Standing {
    /// The word for it.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Ok => "ok",
            Self::Refused(_) => "refused",
            Self::Probing(_) => "probing",
            Self::Unreachable { .. } => "unreachable",
        }
    }

    /// The refusal that holds the jobs of the account.
    pub fn refusal(&self) -> Option<&RefusedCredential> {
        match self {
            Self::Refused(refusal) => Some(refusal),
            _ => None,
        }
    }

    /// Whether nothing is known against it: what a metric shows as 1.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Unknown | Self::Ok)
    }
}

/// What a job that waits for an account says.
pub fn held_by(account: &AccountUid, refusal: &RefusedCredential) -> String {
    format!("account {account} is {refusal}; goes on by itself when its key is good")
}

/// An account, and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountReport {
    /// Whose it is.
    pub uid: AccountUid,
    /// How the account gets its keys: `access-key`, `assumed-role`, `oidc-role`, `ecs-role`, `credentials-uri`, or `hub`.
    pub credential: String,
    /// The last four characters of the id of the access key in use; `None` if there is none yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_end: Option<String>,
    /// When the keys in use end; `None` for keys that do not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The latest answer that took the credential.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_success: Option<Timestamp>,
    /// Whether the cloud takes the credential.
    #[serde(flatten)]
    pub standing: Standing,
    /// How often this worker may call as the account; `None` without a limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub budget: Option<AccountBudget>,
}

/// Calls per second of this worker as one account.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountBudget {
    /// Of each operation that reads.
    pub reads_per_second: f64,
    /// Of each operation that writes.
    pub writes_per_second: f64,
    /// Operations that the cloud has throttled, with their present rate.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub slowed: BTreeMap<Operation, f64>,
}
