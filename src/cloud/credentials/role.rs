//! The parameters for assuming a role, checked by what STS takes (API §A.13).

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use crate::domain::AccountUid;

/// Why STS would refuse a parameter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadRole {
    /// The text is no role's ARN.
    #[error("a role is named \"acs:ram::<uid>:role/<name>\"")]
    Arn,
    /// The text is no name for a session.
    #[error("a session's name is 2 to 64 of the characters A-Z a-z 0-9 . @ - _")]
    SessionName,
    /// The text is no external id.
    #[error("an external id is 2 to 1224 of the characters A-Z a-z 0-9 _ + = , . @ : / -")]
    ExternalId,
    /// The span is too short, too long, or has a fraction of a second.
    #[error("a session lasts from 30 minutes to 12 hours")]
    SessionLength,
}

/// The ARN of a role: `acs:ram::<uid>:role/<name>`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleArn {
    text: String,
    account: AccountUid,
}

impl RoleArn {
    /// The account that the ARN names.
    pub fn account(&self) -> &AccountUid {
        &self.account
    }

    /// The text that `AssumeRole` sends.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for RoleArn {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        let rest = text.strip_prefix("acs:ram::").ok_or(BadRole::Arn)?;
        let (account, name) = rest.split_once(":role/").ok_or(BadRole::Arn)?;
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b".@-_/".contains(&b));
        if !named || name.is_empty() {
            return Err(BadRole::Arn);
        }
        let account = AccountUid::parse(account).map_err(|_| BadRole::Arn)?;
        Ok(Self { text: text.to_owned(), account })
    }
}

impl fmt::Display for RoleArn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// What a session is called in the cloud's own audit log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SessionName(String);

impl SessionName {
    /// The text that `AssumeRole` sends.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Default for SessionName {
    fn default() -> Self {
        Self("crossgrant".to_owned())
    }
}

impl FromStr for SessionName {
    type Err = BadRole;

    fn from_str(text: &str) -> Result<Self, BadRole> {
        let named = text.bytes().all(|b| b.is_ascii_alphanumeric() || b".@-_".contains(&b));
        if named && (2..=64).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err(BadRole::SessionName) }
    }
}

/// What the trust policy of a role may require besides, so that a worker cannot be made to use the role for a stranger.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalId(String);

impl ExternalId {
    /// The text that `AssumeRole` sends.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for ExternalId {
    type Err = BadRole;

    /// By the vendor's pattern `[\w+=,.@:\/-]{2,1224}` (API §K).
    fn from_str(text: &str) -> Result<Self, BadRole> {
        let named = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b));
        if named && (2..=1224).contains(&text.len()) { Ok(Self(text.to_owned())) } else { Err(BadRole::ExternalId) }
    }
}

/// How long a session is to last. STS takes 15 minutes and more; a session of less than 30 would be renewed for most of
/// its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SessionLength(Duration);

impl SessionLength {
    /// Takes 30 minutes to 12 hours, in whole seconds. The role itself may allow less.
    pub fn new(span: Duration) -> Result<Self, BadRole> {
        let whole = span.subsec_nanos() == 0 && (1800..=43_200).contains(&span.as_secs());
        if whole { Ok(Self(span)) } else { Err(BadRole::SessionLength) }
    }

    /// The value of `DurationSeconds` in `AssumeRole` and `AssumeRoleWithOIDC`.
    pub fn as_secs(self) -> u64 {
        self.0.as_secs()
    }
}

impl Default for SessionLength {
    /// An hour: every role allows that.
    fn default() -> Self {
        Self(Duration::from_secs(3600))
    }
}

/// A role to assume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Role {
    /// The role's name in RAM.
    pub arn: RoleArn,
    /// Needed if the role's trust policy requires one.
    pub external_id: Option<ExternalId>,
    /// Shown in the audit log of the role's account.
    pub session_name: SessionName,
    /// The life of the keys of one session.
    pub session_length: SessionLength,
}

impl Role {
    /// A role without an external id, with the default name and length of its sessions.
    pub fn new(arn: RoleArn) -> Self {
        let (session_name, session_length) = Default::default();
        Self { arn, external_id: None, session_name, session_length }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_sts_would_refuse_is_refused_here() {
        let arn: RoleArn = "acs:ram::1688000000000001:role/cen-grant".parse().unwrap();
        assert_eq!(
            (arn.account().as_str(), arn.as_str()),
            ("1688000000000001", "acs:ram::1688000000000001:role/cen-grant")
        );
        for bad in ["", "acs:ram::x:role/a", "acs:ram::1688000000000001:role/", "acs:ram::1688000000000001:user/a"] {
            assert_eq!(bad.parse::<RoleArn>(), Err(BadRole::Arn), "{bad}");
        }
        for bad in ["", "a", "a b", "a/b", &"x".repeat(65)] {
            assert_eq!(bad.parse::<SessionName>(), Err(BadRole::SessionName), "{bad}");
        }
        for good in ["ab", "A_z+=,.@:/-9", &"x".repeat(1224)] {
            assert_eq!(good.parse::<ExternalId>().unwrap().as_str(), good);
        }
        for bad in ["", "a", "a b", "a#b", "é1", &"x".repeat(1225)] {
            assert_eq!(bad.parse::<ExternalId>(), Err(BadRole::ExternalId), "{bad}");
        }
        for (seconds, good) in [(900, false), (1799, false), (1800, true), (43_200, true), (43_201, false)] {
            assert_eq!(SessionLength::new(Duration::from_secs(seconds)).is_ok(), good, "{seconds}");
        }
    }
}
