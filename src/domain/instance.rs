//! What is granted, and to whom.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::ids::{AccountUid, CenId, InstanceId, Region};

/// The type of a network instance. Each operation of the API spells these in its own way (API §H1); `cloud/spelling.rs` maps
/// them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[allow(clippy::upper_case_acronyms)] // the field's own words
pub enum InstanceType {
    /// Virtual private cloud.
    VPC,
    /// Virtual border router of a leased line.
    VBR,
    /// Cloud connect network of smart access gateways.
    CCN,
    /// IPsec-VPN connection.
    VPN,
    /// Express connect router.
    ECR,
}

impl InstanceType {
    /// All types.
    pub const ALL: [Self; 5] = [Self::VPC, Self::VBR, Self::CCN, Self::VPN, Self::ECR];

    /// The word used in jobs and events.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::VPC => "VPC",
            Self::VBR => "VBR",
            Self::CCN => "CCN",
            Self::VPN => "VPN",
            Self::ECR => "ECR",
        }
    }

    /// Reads the word used in jobs.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|t| t.as_str() == text)
    }

    /// How ids of this type begin (API §F).
    pub fn prefix(self) -> &'static str {
        match self {
            Self::VPC => "vpc-",
            Self::VBR => "vbr-",
            Self::CCN => "ccn-",
            Self::VPN => "vco-",
            Self::ECR => "ecr-",
        }
    }
}

impl fmt::Display for InstanceType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A network instance and the account that owns it, the *resource account*.
///
/// Invariant (kept by the contract): the id has the prefix of the type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Instance {
    /// `VPC`, `VBR`, `CCN`, `VPN` or `ECR`.
    #[serde(rename = "type")]
    pub kind: InstanceType,
    /// Its id.
    pub id: InstanceId,
    /// The region it lies in.
    pub region: Region,
    /// The resource account.
    pub owner: AccountUid,
}

/// A CEN instance and the account that owns it, the *transit-router account*.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Cen {
    /// Its id.
    pub id: CenId,
    /// The transit-router account.
    pub owner: AccountUid,
}
