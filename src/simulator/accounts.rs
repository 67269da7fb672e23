//! The accounts of the simulated cloud: where they are registered, what they have activated, their keys and their roles.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::world::{BadWorld, World};
use crate::domain::AccountUid;

/// Where an account is registered; both sides of a grant must be on the same (API §F).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Site {
    /// The China site.
    #[default]
    China,
    /// The international site.
    International,
}

/// An access key, long-lived or of STS.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccessKey {
    /// Its id; ids of STS begin with `STS.`.
    pub id: String,
    /// Its secret, invented like everything here.
    pub secret: String,
    /// The session token, for keys of STS.
    #[serde(default)]
    pub token: Option<String>,
    /// When a session ends.
    #[serde(default)]
    pub expires: Option<Timestamp>,
    /// A disabled key is refused with `InvalidAccessKeyId.Inactive`.
    #[serde(default)]
    pub disabled: bool,
    /// What a session's key stands for, `<role>/<session>`.
    #[serde(default)]
    pub role: Option<String>,
}

#[derive(Debug, Clone)]
pub(super) struct Account {
    pub(super) site: Site,
    /// Whether it has activated the transit-router service.
    pub(super) transit_router_service: bool,
    /// Whether its service-linked role is there, or may be made by the caller.
    pub(super) service_linked_role: bool,
}

impl Default for Account {
    fn default() -> Self {
        Self { site: Site::China, transit_router_service: true, service_linked_role: true }
    }
}

impl World {
    /// Adds an account, or gives one it another access key.
    pub fn add_account(&mut self, uid: &AccountUid, access_key_id: &str, secret: &str) -> Result<(), BadWorld> {
        let (id, secret) = (access_key_id.to_owned(), secret.to_owned());
        self.add_key(uid, AccessKey { id, secret, token: None, expires: None, disabled: false, role: None })
    }

    /// Gives an account (made if it is new) an access key.
    pub fn add_key(&mut self, uid: &AccountUid, key: AccessKey) -> Result<(), BadWorld> {
        if key.id.starts_with("STS.") != key.token.is_some() {
            return Err(BadWorld::new(format!("key {}: STS keys, and only they, have a token", key.id)));
        }
        self.accounts.entry(uid.clone()).or_default();
        match self.keys.insert(key.id.clone(), (uid.clone(), key)) {
            None => Ok(()),
            Some((_, key)) => Err(BadWorld::new(format!("access key {} is there twice", key.id))),
        }
    }

    /// Gives an account a role that `trusts` may assume, `acs:ram::<uid>:role/<name>`.
    pub fn add_role(&mut self, uid: &AccountUid, name: &str, trusts: impl IntoIterator<Item = AccountUid>) {
        self.roles.insert(format!("acs:ram::{uid}:role/{name}"), trusts.into_iter().collect());
    }

    /// Lets a role (made if it is new) be assumed with an OIDC token.
    pub fn trust_token(&mut self, uid: &AccountUid, role: &str, token: &str) {
        let arn = format!("acs:ram::{uid}:role/{role}");
        self.roles.entry(arn.clone()).or_default();
        self.oidc_tokens.entry(arn).or_default().insert(token.to_owned());
    }

    /// Makes a role (made if it is new) that of the machine.
    pub fn set_machine(&mut self, uid: &AccountUid, role: &str) {
        let arn = format!("acs:ram::{uid}:role/{role}");
        self.roles.entry(arn.clone()).or_default();
        self.machine = Some(arn);
    }

    /// Says on which site an account (made if it is new) is registered.
    pub fn set_site(&mut self, uid: &AccountUid, site: Site) {
        self.accounts.entry(uid.clone()).or_default().site = site;
    }

    /// Says whether an account (made if it is new) has activated the transit-router service (API §A.12).
    pub fn set_transit_router_service(&mut self, uid: &AccountUid, active: bool) {
        self.accounts.entry(uid.clone()).or_default().transit_router_service = active;
    }

    /// Says whether the service-linked role of an account (made if it is new) is there, or may be made by the caller of a
    /// grant (API §K).
    pub fn set_service_linked_role(&mut self, uid: &AccountUid, there: bool) {
        self.accounts.entry(uid.clone()).or_default().service_linked_role = there;
    }

    /// What is known of an account.
    pub(super) fn account_of(&self, uid: &AccountUid) -> Account {
        self.accounts.get(uid).cloned().unwrap_or_default()
    }

    /// An account of the world.
    pub(super) fn account(&self, uid: &AccountUid) -> Result<&Account, BadWorld> {
        self.accounts.get(uid).ok_or_else(|| BadWorld::new(format!("no account {uid}")))
    }
}
