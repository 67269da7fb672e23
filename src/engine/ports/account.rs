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

/// The `code` of an account that a reload has taken out of the configuration.
const NOT_CONFIGURED: &str = "not-configured";

impl RefusedCredential {
    /// Of an account that is in the configuration no more. Its jobs are held like those of a refused one.
    pub fn not_configured(since: Timestamp) -> Self {
        Self {
            since,
            code: NOT_CONFIGURED.to_owned(),
            asked: "configuration".to_owned(),
            message: "jobs need it; put it back into the configuration, then `crossgrant reload`".to_owned(),
        }
    }

    /// Whether there is no credential that could be refused.
    pub fn is_not_configured(&self) -> bool {
        self.code == NOT_CONFIGURED
    }
}

impl fmt::Display for RefusedCredential {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let since = self.since.strftime("%Y-%m-%dT%H:%M:%SZ");
        match self.is_not_configured() {
            true => write!(f, "not configured since {since}"),
            false => write!(f, "refused since {since} ({})", self.code),
        }
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

    /// What the cloud says, or why it is not reached; `None` while nothing is known against it.
    pub fn says(&self) -> Option<String> {
        match self {
            Self::Unknown | Self::Ok => None,
            Self::Refused(refusal) | Self::Probing(refusal) => Some(format!("{}: {}", refusal.code, refusal.message)),
            Self::Unreachable { message, .. } => Some(message.clone()),
        }
    }

    /// Whether nothing is known against it: what a metric shows as 1.
    pub fn is_usable(&self) -> bool {
        matches!(self, Self::Unknown | Self::Ok)
    }
}

/// Accounts that cannot be used for the same cause. One cause, such as a proxy that is down, may concern all of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InTrouble<'a> {
    /// In the order of their uids; at least one.
    pub accounts: Vec<&'a AccountUid>,
    /// When the first of them got into it.
    pub since: Timestamp,
    /// What is known of the first of them: refused, probing or unreachable.
    pub standing: &'a Standing,
}

/// How many accounts of a group are named.
const NAMED: usize = 3;

/// The accounts that cannot be used, grouped by what the cloud says.
pub fn in_trouble(accounts: &[AccountReport]) -> Vec<InTrouble<'_>> {
    let mut groups: BTreeMap<(&str, &str), InTrouble<'_>> = BTreeMap::new();
    for AccountReport { uid, standing, .. } in accounts {
        let (since, cause) = match standing {
            Standing::Unknown | Standing::Ok => continue,
            Standing::Refused(refusal) | Standing::Probing(refusal) => (refusal.since, &refusal.code),
            Standing::Unreachable { since, message } => (*since, message),
        };
        let group = groups.entry((standing.as_str(), cause)).or_insert_with(|| InTrouble {
            accounts: Vec::new(),
            since,
            standing,
        });
        group.accounts.push(uid);
        group.since = group.since.min(since);
    }
    groups.into_values().collect()
}

impl InTrouble<'_> {
    /// Which accounts: the one, or how many with the first ones.
    pub fn named(&self) -> String {
        named(&self.accounts)
    }

    /// What the cloud says, or why it is not reached.
    pub fn says(&self) -> String {
        self.standing.says().unwrap_or_default()
    }
}

/// Accounts in a sentence: the one, or how many with the first ones.
pub fn named(accounts: &[&AccountUid]) -> String {
    if let [only] = accounts {
        return format!("account {only}");
    }
    let first: Vec<&str> = accounts.iter().take(NAMED).map(|uid| uid.as_str()).collect();
    let more = accounts.len().saturating_sub(NAMED);
    let more = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("{} accounts ({}{more})", accounts.len(), first.join(", "))
}

/// What to do about it.
pub fn mends(refusal: &RefusedCredential) -> &'static str {
    match refusal.is_not_configured() {
        true => "put the account back into the configuration, then `crossgrant reload`",
        false => {
            "correct the credential of the account; the worker reads its file anew every 5 seconds and tries a key or role again each \
             minute, or at once after `crossgrant reload`"
        }
    }
}

/// What a job that waits for an account says.
pub fn held_by(account: &AccountUid, refusal: &RefusedCredential) -> String {
    let when =
        if refusal.is_not_configured() { "it is configured again, by `crossgrant reload`" } else { "its key is good" };
    format!("account {account} is {refusal}; goes on by itself when {when}")
}

/// An account, and what is known of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountReport {
    /// Whose it is.
    pub uid: AccountUid,
    /// How the account gets its keys: `access-key`, `assumed-role`, `oidc-role`, `ecs-role`, `credentials-uri`, or `hub`;
    /// `none` for one that jobs need and that is in the configuration no more.
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

#[cfg(test)]
mod tests {
    use super::*;

    fn report(uid: u64, standing: Standing) -> AccountReport {
        AccountReport {
            uid: AccountUid::parse(uid.to_string()).unwrap(),
            credential: "access-key".into(),
            key_end: None,
            expires_at: None,
            last_success: None,
            standing,
            budget: None,
        }
    }

    fn unreachable(since: &str, message: &str) -> Standing {
        Standing::Unreachable { since: since.parse().unwrap(), message: message.into() }
    }

    #[test]
    fn accounts_in_the_same_trouble_are_one_group_with_few_names() {
        let down = |minute| unreachable(&format!("2026-11-28T16:{minute}:00Z"), "sts.example: Connection refused");
        let mut known: Vec<AccountReport> = (1..=5).map(|uid| report(uid, down(30 - uid))).collect();
        known.extend([report(6, Standing::Ok), report(7, unreachable("2026-11-28T16:40:00Z", "vpn.example: no name"))]);
        let groups = in_trouble(&known);
        assert_eq!(
            groups.iter().map(InTrouble::named).collect::<Vec<_>>(),
            ["5 accounts (1, 2, 3 and 2 more)", "account 7"]
        );
        assert_eq!(groups[0].since.to_string(), "2026-11-28T16:25:00Z");
        assert_eq!(groups[0].says(), "sts.example: Connection refused");
        let three = known.iter().take(3).map(|known| &known.uid).collect::<Vec<_>>();
        assert_eq!(named(&three), "3 accounts (1, 2, 3)");
    }
}
