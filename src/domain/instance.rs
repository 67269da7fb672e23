//! What is granted, and to whom.
use schemars::JsonSchema;

use serde::{Deserialize, Serialize};

use super::ids::{AccountUid, CenId, InstanceId, Region};
use super::words::words;

words! {
    /// The type of a network instance. Each operation of the API spells these in its own way (API §H1); `cloud/spelling.rs` maps
    /// them.
    #[allow(clippy::upper_case_acronyms)] // the field's own words
    pub enum InstanceType {
        /// Virtual private cloud.
        VPC = "VPC",
        /// Virtual border router of a leased line.
        VBR = "VBR",
        /// Cloud connect network of smart access gateways.
        CCN = "CCN",
        /// IPsec-VPN connection.
        VPN = "VPN",
        /// Express connect router.
        ECR = "ECR",
    }
}

impl InstanceType {
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

/// A network instance and the account that owns it, the *resource account*.
///
/// Invariant (kept by the contract): the id has the prefix of the type.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
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
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
pub struct Cen {
    /// Its id.
    pub id: CenId,
    /// The transit-router account.
    pub owner: AccountUid,
}
