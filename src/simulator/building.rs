//! Building the world that a simulation begins with. Each part is checked against the parts added before it.

use super::accounts::AccessKey;
use super::history::{AsOf, Stamp};
use super::world::{CenState, InstanceState, LONG_AGO, RouterEdition, RouterState, Status, World, WorldGrant};
use crate::domain::{AccountUid, CenId, Instance, InstanceId, OrderType, Region};

/// Why a description of a world cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", .line.map(|l| format!("line {l}: ")).unwrap_or_default())]
pub struct BadWorld {
    /// The line of the TOML text, from 1; `None` for a world that was not read from text.
    pub line: Option<usize>,
    /// Names the part that is wrong and what it contradicts.
    pub reason: String,
}

impl BadWorld {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }

    fn twice(what: impl std::fmt::Display) -> Self {
        Self::new(format!("{what} is there twice"))
    }
}

impl World {
    /// Gives an account an access key. An unknown account is created.
    ///
    /// # Errors
    /// The id is taken, or it does not say whether the key is of STS.
    pub fn add_key(&mut self, uid: &AccountUid, key: AccessKey) -> Result<(), BadWorld> {
        if key.id.starts_with("STS.") != key.token.is_some() {
            return Err(BadWorld::new(format!("key {}: STS keys, and only they, have a token", key.id)));
        }
        self.accounts.entry(uid.clone()).or_default();
        match self.keys.insert(key.id.clone(), (uid.clone(), key)) {
            None => Ok(()),
            Some((_, key)) => Err(BadWorld::twice(format_args!("access key {}", key.id))),
        }
    }

    /// Gives an account the role `acs:ram::<uid>:role/<name>`, which the accounts in `trusts` may assume.
    pub fn add_role(&mut self, uid: &AccountUid, name: &str, trusts: impl IntoIterator<Item = AccountUid>) {
        self.roles.insert(role_arn(uid, name), trusts.into_iter().collect());
    }

    /// Lets an OIDC token assume a role. An unknown role is created.
    pub fn trust_token(&mut self, uid: &AccountUid, role: &str, token: &str) {
        let arn = role_arn(uid, role);
        self.roles.entry(arn.clone()).or_default();
        self.oidc_tokens.entry(arn).or_default().insert(token.to_owned());
    }

    /// Chooses the role whose keys the metadata service gives out. An unknown role is created.
    pub fn set_machine(&mut self, uid: &AccountUid, role: &str) {
        let arn = role_arn(uid, role);
        self.roles.entry(arn.clone()).or_default();
        self.machine = Some(arn);
    }

    /// Adds a CEN without transit routers.
    ///
    /// # Errors
    /// The owner is unknown, or the id is taken.
    pub fn add_cen(&mut self, id: &CenId, owner: &AccountUid) -> Result<(), BadWorld> {
        self.known_account(owner)?;
        if self.cens.contains_key(id) {
            return Err(BadWorld::twice(id));
        }
        let (grants, enterprise, basic, routers) = Default::default();
        self.cens.insert(id.clone(), CenState { owner: owner.clone(), grants, enterprise, basic, routers });
        Ok(())
    }

    /// Adds a transit router to a CEN.
    ///
    /// # Errors
    /// The CEN is unknown, or the id is taken.
    pub fn add_router(
        &mut self,
        id: &str,
        cen: &CenId,
        region: &Region,
        edition: RouterEdition,
    ) -> Result<(), BadWorld> {
        let state = self.cens.get_mut(cen).ok_or_else(|| BadWorld::new(format!("no CEN {cen}")))?;
        state.routers.insert(id.to_owned());
        match self.routers.insert(id.to_owned(), RouterState { cen: cen.clone(), region: region.clone(), edition }) {
            None => Ok(()),
            Some(_) => Err(BadWorld::twice(id)),
        }
    }

    /// Adds a network instance that is granted and attached to nothing.
    ///
    /// # Errors
    /// The owner is unknown, the id is taken, or it is an id of another type.
    pub fn add_instance(&mut self, instance: Instance) -> Result<(), BadWorld> {
        self.known_account(&instance.owner)?;
        let Instance { id, kind, .. } = &instance;
        if !id.as_str().starts_with(kind.prefix()) {
            return Err(BadWorld::new(format!("{id} is not the id of a {kind}: those begin with {}", kind.prefix())));
        }
        if self.instances.contains_key(id) {
            return Err(BadWorld::twice(id));
        }
        let (cens, attachments) = Default::default();
        self.instances.insert(instance.id.clone(), InstanceState { instance, cens, attachments });
        Ok(())
    }

    /// Adds a grant that every read shows, however far back it looks. Where `effective` differs from `order_type`, the
    /// payer changes at the next hour.
    ///
    /// # Errors
    /// The CEN or the instance is unknown, the grant is there already, or no sequence of calls could have produced it.
    pub fn add_grant(
        &mut self,
        cen: &CenId,
        instance: &InstanceId,
        order_type: OrderType,
        effective: OrderType,
    ) -> Result<(), BadWorld> {
        self.known(cen, instance)?;
        if self.grant_of(cen, instance, AsOf::Now).is_some() {
            return Err(BadWorld::twice(format_args!("the grant of {instance} to {cen}")));
        }
        self.possible_grant(instance, order_type, effective).map_err(BadWorld::new)?;
        let grant = WorldGrant { effective, ..WorldGrant::new(order_type, LONG_AGO) };
        self.put_grant(cen, instance, Stamp::EVER, Some(grant));
        Ok(())
    }

    /// Adds an attachment that every read shows, however far back it looks. Without an `order_type` the grant's applies.
    ///
    /// # Errors
    /// The router or the instance is unknown, the id is taken, or no sequence of calls could have produced it: above all,
    /// an instance of another account is attached only while it is granted.
    pub fn add_attachment(
        &mut self,
        id: &str,
        router: &str,
        instance: &InstanceId,
        status: Status,
        order_type: Option<OrderType>,
    ) -> Result<(), BadWorld> {
        let found = self.routers.get(router).ok_or_else(|| BadWorld::new(format!("no transit router {router}")))?;
        let (cen, edition) = (found.cen.clone(), found.edition);
        self.known(&cen, instance)?;
        if self.attachments.contains_key(id) {
            return Err(BadWorld::twice(id));
        }
        self.possible_attachment(&cen, edition, instance, order_type).map_err(BadWorld::new)?;
        self.attach(Stamp::EVER, id, router, instance, status, order_type);
        Ok(())
    }

    fn known_account(&self, uid: &AccountUid) -> Result<(), BadWorld> {
        if self.accounts.contains_key(uid) { Ok(()) } else { Err(BadWorld::new(format!("no account {uid}"))) }
    }

    fn known(&self, cen: &CenId, instance: &InstanceId) -> Result<(), BadWorld> {
        if !self.cens.contains_key(cen) {
            return Err(BadWorld::new(format!("no CEN {cen}")));
        }
        if !self.instances.contains_key(instance) {
            return Err(BadWorld::new(format!("no instance {instance}")));
        }
        Ok(())
    }
}

fn role_arn(uid: &AccountUid, name: &str) -> String {
    format!("acs:ram::{uid}:role/{name}")
}
