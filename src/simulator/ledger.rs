//! The ledger: every effect on the simulated cloud, in order.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, CenId, InstanceId, OrderType};

/// One effect on the simulated cloud. Effects of time and of outsiders have no call, and so no account and no RequestId.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEntry {
    /// The number of the entry, from 1, without gaps.
    pub seq: u64,
    /// The time of the effect by the simulator's clock.
    pub at: Timestamp,
    /// The operation that was called; `hour` for an order type that took effect, `sim:…` for an outsider's change.
    pub operation: String,
    /// The product of the operation, such as `Cbn`.
    pub product: Option<String>,
    /// The parameter `InstanceType` of the call, as the caller spelled it (API §H1).
    pub instance_type: Option<String>,
    /// The account that called.
    pub account: Option<AccountUid>,
    /// The id of the key that the call was signed with.
    pub access_key_id: Option<String>,
    /// The RequestId that the caller was answered with.
    pub request_id: Option<String>,
    /// What was changed.
    #[serde(flatten)]
    pub effect: LedgerEffect,
}

/// What an effect changed. `None` where it does not apply.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LedgerEffect {
    /// The CEN of the grant or attachment.
    pub cen: Option<CenId>,
    /// The network instance that is granted or attached.
    pub instance: Option<InstanceId>,
    /// The id of the attachment, if one was written.
    pub attachment: Option<String>,
    /// The payer that was written, or that took effect.
    pub order_type: Option<OrderType>,
    /// The `ClientToken` that the call came with.
    pub client_token: Option<String>,
}

impl LedgerEffect {
    pub(super) fn on(cen: CenId, instance: InstanceId, order_type: Option<OrderType>) -> Self {
        Self { cen: Some(cen), instance: Some(instance), order_type, ..Self::default() }
    }
}
