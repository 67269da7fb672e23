//! Who pays.

use std::fmt;

use serde::{Deserialize, Serialize};

/// The payer of a transit-router attachment, in the API's words (API §B). `OrderType` is the payer written on the grant,
/// `EffectiveOrderType` the one that is billed now.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum OrderType {
    /// The account that owns the CEN pays. The cloud's default.
    PayByCenOwner,
    /// The account that owns the network instance pays.
    PayByResourceOwner,
}

impl OrderType {
    /// Both values, for messages that list what is allowed.
    pub const ALL: [Self; 2] = [Self::PayByCenOwner, Self::PayByResourceOwner];

    /// The API's word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::PayByCenOwner => "PayByCenOwner",
            Self::PayByResourceOwner => "PayByResourceOwner",
        }
    }

    /// Reads the API's word; upper and lower case matter.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|o| o.as_str() == text)
    }

    /// The other payer.
    pub fn other(self) -> Self {
        match self {
            Self::PayByCenOwner => Self::PayByResourceOwner,
            Self::PayByResourceOwner => Self::PayByCenOwner,
        }
    }
}

impl fmt::Display for OrderType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
