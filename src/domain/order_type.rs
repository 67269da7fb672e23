//! Who pays.

use super::words::words;

words! {
    /// The payer of a transit-router attachment, in the API's words (API §B). `OrderType` is the payer written on the grant,
    /// `EffectiveOrderType` the one that is billed now.
    pub enum OrderType {
        /// The account that owns the CEN pays. The cloud's default.
        PayByCenOwner = "PayByCenOwner",
        /// The account that owns the network instance pays.
        PayByResourceOwner = "PayByResourceOwner",
    }
}

impl OrderType {
    /// The other payer.
    pub fn other(self) -> Self {
        match self {
            Self::PayByCenOwner => Self::PayByResourceOwner,
            Self::PayByResourceOwner => Self::PayByCenOwner,
        }
    }
}
