//! Names of things: parsed once at the edge into types that cannot hold a wrong value.
//!
//! The shapes are those of the API document, section F. Every type reads and writes itself as a plain JSON string.

use schemars::JsonSchema;
use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// Why a string is not the name it should be. The text says what would be right.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct BadName(pub(crate) String);

macro_rules! name {
    ($(#[$doc:meta])* $name:ident, $pattern:literal, $longest:literal, $check:expr) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
        #[serde(try_from = "String", into = "String")]
        #[schemars(extend("pattern" = $pattern, "maxLength" = $longest))]
        pub struct $name(String);

        impl $name {
            /// Its shape as a regular expression (ECMA-262), for schemas.
            pub const PATTERN: &'static str = $pattern;
            /// How many characters it has at most.
            pub const LONGEST: usize = $longest;

            /// Makes a name of a text of the right shape; the error says what would be right.
            pub fn parse(text: impl Into<String>) -> Result<Self, BadName> {
                let text = text.into();
                let check: fn(&str) -> Result<(), String> = $check;
                check(&text).map_err(BadName)?;
                Ok(Self(text))
            }

            /// The name as it is written.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl TryFrom<String> for $name {
            type Error = BadName;
            fn try_from(text: String) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }

        impl From<$name> for String {
            fn from(name: $name) -> String {
                name.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl std::str::FromStr for $name {
            type Err = BadName;
            fn from_str(text: &str) -> Result<Self, BadName> {
                Self::parse(text)
            }
        }
    };
}

name!(
    /// The uid of an Alibaba Cloud account: digits, usually 16 (API §F), so it does not fit a JSON double.
    AccountUid,
    "^[1-9][0-9]{0,19}$",
    20,
    |s| if (1..=20).contains(&s.len()) && s.bytes().all(|b| b.is_ascii_digit()) && !s.starts_with('0') {
        Ok(())
    } else {
        Err("an account uid is 1 to 20 digits without a leading zero, such as \"1250123456123456\"".into())
    }
);

name!(
    /// A Cloud Enterprise Network instance, `cen-…` (API §F).
    CenId,
    "^cen-[0-9a-z]{8,40}$",
    44,
    |s| tail(s, "cen-").ok_or_else(|| "a CEN id looks like \"cen-44m0p68spvlrqq0001\"".into())
);

name!(
    /// A network instance, of any type: `vpc-…`, `vbr-…`, `ccn-…`, `vco-…`, `ecr-…` (API §F).
    InstanceId,
    "^(vpc|vbr|ccn|vco|ecr)-[0-9a-z]{8,40}$",
    44,
    |s| ["vpc-", "vbr-", "ccn-", "vco-", "ecr-"].iter().find_map(|p| tail(s, p)).ok_or_else(|| {
        "an instance id is one of vpc-, vbr-, ccn-, vco-, ecr- and 8 to 40 of 0-9 a-z, such as \
         \"vpc-bp1h8vbrbcgohcju50001\""
            .into()
    })
);

name!(
    /// A region of the cloud, such as `cn-hangzhou` (API §F).
    Region,
    "^[a-z]{2,4}(-[0-9a-z]+)+$",
    64,
    |s| {
        let mut parts = s.split('-');
        let head = parts.next().unwrap_or("");
        let rest: Vec<&str> = parts.collect();
        let ok = (2..=4).contains(&head.len())
            && head.bytes().all(|b| b.is_ascii_lowercase())
            && !rest.is_empty()
            && s.len() <= 64
            && rest.iter().all(|p| !p.is_empty() && p.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit()));
        if ok { Ok(()) } else { Err("a region looks like \"cn-hangzhou\"".into()) }
    }
);

name!(
    /// The requester's own idempotency key of a job: 1 to 128 printable ASCII characters.
    JobId,
    "^[ -~]+$",
    128,
    |s| printable(s, 128).ok_or_else(|| "a job id is 1 to 128 printable ASCII characters".into())
);

name!(
    /// The requester's own name of a batch of jobs: 1 to 128 printable ASCII characters.
    BatchId,
    "^[ -~]+$",
    128,
    |s| printable(s, 128).ok_or_else(|| "a batch id is 1 to 128 printable ASCII characters".into())
);

name!(
    /// Who asked: the `user_id` that the broker verified; who signed; `http:` and the name of a token; or `anonymous`.
    Requester,
    "^[ -~]+$",
    255,
    |s| printable(s, 255).ok_or_else(|| "a requester is 1 to 255 printable ASCII characters".into())
);

impl Requester {
    /// The requester of a message without `user_id`; a policy must name it before it may do anything.
    pub const ANONYMOUS: &'static str = "anonymous";

    /// The requester of a message without `user_id`.
    pub fn anonymous() -> Self {
        Self(Self::ANONYMOUS.into())
    }

    /// What the name of a requester begins with that comes in by the door, over HTTP. No user of a broker counts under such a
    /// name.
    pub const DOOR: &'static str = "http:";

    /// The requester that a token stands for at the door.
    pub fn at_door(token: &str) -> Result<Self, BadName> {
        Self::parse(format!("{}{token}", Self::DOOR))
    }

    /// The token whose requester this is at the door.
    pub fn token(&self) -> Option<&str> {
        self.0.strip_prefix(Self::DOOR)
    }
}

/// Our own name of a job: a UUIDv7, so that rows of one time lie together on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(transparent)]
pub struct JobUid(pub Uuid);

impl fmt::Display for JobUid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl std::str::FromStr for JobUid {
    type Err = BadName;
    fn from_str(text: &str) -> Result<Self, BadName> {
        Uuid::parse_str(text).map(Self).map_err(|_| BadName("a job uid is a UUID".into()))
    }
}

fn tail(s: &str, prefix: &str) -> Option<()> {
    let tail = s.strip_prefix(prefix)?;
    let ok = (8..=40).contains(&tail.len()) && tail.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
    ok.then_some(())
}

fn printable(s: &str, max: usize) -> Option<()> {
    ((1..=max).contains(&s.len()) && s.bytes().all(|b| (0x20..0x7f).contains(&b))).then_some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_hold_only_their_own_shape() {
        for good in ["1250123456123456", "1", "18446744073709551615"] {
            assert!(AccountUid::parse(good).is_ok(), "{good}");
        }
        for bad in ["", "0123", "12a", "123456789012345678901", "-1"] {
            assert!(AccountUid::parse(bad).is_err(), "{bad}");
        }
        assert!(CenId::parse("cen-44m0p68spvlrqq0001").is_ok());
        for bad in ["cen-", "cen-SHOUT123", "cen-short", "vpc-bp1h8vbrbcgohcju50001"] {
            assert!(CenId::parse(bad).is_err(), "{bad}");
        }
        assert!(InstanceId::parse("vpn-bp1h8vbrbcgohcju50001").is_err(), "vpn- is a VPN gateway (API §F)");
        for good in ["cn-hangzhou", "ap-southeast-1", "cn-shanghai-finance-1"] {
            assert!(Region::parse(good).is_ok(), "{good}");
        }
        for bad in ["hangzhou", "cn-", "CN-hangzhou", "cn--x", "c-x"] {
            assert!(Region::parse(bad).is_err(), "{bad}");
        }
        assert!(JobId::parse("NET-4312/1").is_ok());
        assert!(JobId::parse("x".repeat(129)).is_err());
        assert!(JobId::parse("naïve").is_err());
    }
}
