//! The accounts of the simulated cloud and their access keys.

use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, Site};

/// Every access key by its id, with the account it belongs to.
pub(super) type KeysById = HashMap<String, (AccountUid, AccessKey)>;

/// An access key: long-lived, or opened by STS for one session.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// The AccessKeyId that requests name. It begins with `STS.` if, and only if, the key has a token.
    pub id: String,
    /// The AccessKeySecret that requests are signed with.
    pub secret: String,
    /// The session token that must come with every request; `None` for a long-lived key.
    #[serde(default)]
    pub token: Option<String>,
    /// When the session ends; `None` for a key that does not expire.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// Whether the gateway refuses the key with `InvalidAccessKeyId.Inactive`.
    #[serde(default)]
    pub disabled: bool,
    /// `<role>/<session>` of the session that the key belongs to; `GetCallerIdentity` shows it.
    #[serde(default)]
    pub role: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct AccountState {
    pub(super) site: Site,
    /// Whether the account has activated the transit-router service.
    pub(super) transit_router_service: bool,
    /// Whether its service-linked role exists, or the caller of a grant may create it.
    pub(super) service_linked_role: bool,
}

impl Default for AccountState {
    fn default() -> Self {
        Self { site: Site::China, transit_router_service: true, service_linked_role: true }
    }
}
