//! What exists in the simulated cloud: accounts and keys, CENs with their transit routers, network instances, grants
//! and attachments. Every look-up goes through an index (by CEN, by instance), so a call costs what it returns and not
//! what the world holds. How it changes with time is in `passage`.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::accounts::{AccessKey, Account};
use super::history::{AsOf, History, Stamp};
use crate::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, OrderType, Region};

/// When what a world begins with was made.
const LONG_AGO: Timestamp = Timestamp::constant(1_706_114_760, 0);

/// Why a description of a world makes no sense.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{reason}", .line.map(|l| format!("line {l}: ")).unwrap_or_default())]
pub struct BadWorld {
    /// The line of the TOML text, when it came from one.
    pub line: Option<usize>,
    /// What is wrong.
    pub reason: String,
}

impl BadWorld {
    pub(super) fn new(reason: impl Into<String>) -> Self {
        Self { line: None, reason: reason.into() }
    }
}

/// The edition of a transit router. Only those of the Enterprise Edition bill attachments (API §A.12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Edition {
    /// Enterprise Edition: attachments in the four lists of API §A.8.
    #[default]
    Enterprise,
    /// Basic Edition: attachments in `DescribeCenAttachedChildInstances` alone (API §A.9).
    Basic,
}

/// A transit router.
#[derive(Debug, Clone)]
pub(super) struct Router {
    pub(super) cen: CenId,
    pub(super) region: Region,
    pub(super) edition: Edition,
}

/// Where an attachment stands. Anything but `Attached` is busy.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Being made.
    Attaching,
    /// At rest.
    #[default]
    Attached,
    /// Being changed.
    Modifying,
    /// Being removed.
    Detaching,
}

/// A grant rule: the permission to attach one instance to one CEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Grant {
    pub(super) order_type: OrderType,
    pub(super) effective: OrderType,
    /// When the hour last changed the effective one, and from what.
    pub(super) turned: Option<(Timestamp, OrderType)>,
    pub(super) created: Timestamp,
}

/// An instance attached to a transit router.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Attachment {
    pub(super) cen: CenId,
    pub(super) router: String,
    pub(super) region: Region,
    pub(super) edition: Edition,
    pub(super) instance: InstanceId,
    pub(super) status: Status,
    pub(super) order_type: OrderType,
    /// What [`Attachment::order_type`] will be when `Modifying` ends.
    pub(super) becoming: Option<OrderType>,
    pub(super) created: Timestamp,
}

#[derive(Debug, Clone)]
pub(super) struct CenState {
    pub(super) owner: AccountUid,
    pub(super) grants: BTreeMap<InstanceId, History<Grant>>,
    /// Attachments of the Enterprise Edition.
    pub(super) enterprise: BTreeSet<String>,
    /// Attachments of the Basic Edition.
    pub(super) basic: BTreeSet<String>,
    pub(super) routers: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(super) struct InstanceState {
    pub(super) instance: Instance,
    pub(super) cens: BTreeSet<CenId>,
    pub(super) attachments: BTreeSet<String>,
}

/// The state of the simulated cloud. Built from a TOML file ([`World::from_toml`]) or with the `add_` methods.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub(super) accounts: BTreeMap<AccountUid, Account>,
    pub(super) keys: HashMap<String, (AccountUid, AccessKey)>,
    /// Which accounts may assume a role, by its ARN.
    pub(super) roles: BTreeMap<String, BTreeSet<AccountUid>>,
    /// Which OIDC tokens a role trusts, by its ARN.
    pub(super) oidc_tokens: BTreeMap<String, BTreeSet<String>>,
    /// The ARN of the role of the machine that the simulator plays the metadata service of.
    pub(super) machine: Option<String>,
    pub(super) cens: BTreeMap<CenId, CenState>,
    pub(super) routers: BTreeMap<String, Router>,
    pub(super) instances: BTreeMap<InstanceId, InstanceState>,
    pub(super) attachments: BTreeMap<String, History<Attachment>>,
    /// When busy attachments come to rest.
    pub(super) due: BTreeSet<(Timestamp, String)>,
    /// Grants whose effective order type is not yet the order type.
    pub(super) pending: BTreeSet<(CenId, InstanceId)>,
    pub(super) payer_changes: BTreeMap<(CenId, InstanceId), super::cooldown::PayerChange>,
    pub(super) settled: Option<Timestamp>,
    pub(super) seq: u64,
    pub(super) last_write: u64,
    pub(super) switches: super::switches::Switches,
    pub(super) faults: Vec<super::faults::Fault>,
}

impl World {
    /// Adds a CEN instance.
    pub fn add_cen(&mut self, id: &CenId, owner: &AccountUid) -> Result<(), BadWorld> {
        self.account(owner)?;
        if self.cens.contains_key(id) {
            return Err(BadWorld::new(format!("{id} is there twice")));
        }
        let (grants, enterprise, basic, routers) = Default::default();
        self.cens.insert(id.clone(), CenState { owner: owner.clone(), grants, enterprise, basic, routers });
        Ok(())
    }

    /// Adds a transit router to a CEN.
    pub fn add_router(&mut self, id: &str, cen: &CenId, region: &Region, edition: Edition) -> Result<(), BadWorld> {
        let state = self.cens.get_mut(cen).ok_or_else(|| BadWorld::new(format!("no CEN {cen}")))?;
        state.routers.insert(id.to_owned());
        match self.routers.insert(id.to_owned(), Router { cen: cen.clone(), region: region.clone(), edition }) {
            None => Ok(()),
            Some(_) => Err(BadWorld::new(format!("{id} is there twice"))),
        }
    }

    /// Adds a network instance.
    pub fn add_instance(&mut self, instance: Instance) -> Result<(), BadWorld> {
        self.account(&instance.owner)?;
        let Instance { id, kind, .. } = &instance;
        if !id.as_str().starts_with(kind.prefix()) {
            return Err(BadWorld::new(format!("{id} is not the id of a {kind}: those begin with {}", kind.prefix())));
        }
        if self.instances.contains_key(id) {
            return Err(BadWorld::new(format!("{id} is there twice")));
        }
        let (cens, attachments) = Default::default();
        self.instances.insert(instance.id.clone(), InstanceState { instance, cens, attachments });
        Ok(())
    }

    /// Adds a grant that was there always. `effective` differs from `order_type` for one that waits for the hour.
    pub fn add_grant(
        &mut self,
        cen: &CenId,
        instance: &InstanceId,
        order_type: OrderType,
        effective: OrderType,
    ) -> Result<(), BadWorld> {
        self.known(cen, instance)?;
        if self.grant_of(cen, instance, AsOf::Now).is_some() {
            return Err(BadWorld::new(format!("the grant of {instance} to {cen} is there twice")));
        }
        if let Some(why) = self.impossible_grant(instance, order_type, effective) {
            return Err(BadWorld::new(why));
        }
        self.put_grant(
            cen,
            instance,
            Stamp::EVER,
            Some(Grant { order_type, effective, turned: None, created: LONG_AGO }),
        );
        Ok(())
    }

    /// Adds an attachment that was there always; an instance of another account needs a grant. Without an `order_type`
    /// it has that of the grant.
    pub fn add_attachment(
        &mut self,
        id: &str,
        router: &str,
        instance: &InstanceId,
        status: Status,
        order_type: Option<OrderType>,
    ) -> Result<(), BadWorld> {
        let known = self.routers.get(router).ok_or_else(|| BadWorld::new(format!("no transit router {router}")))?;
        let (cen, edition) = (known.cen.clone(), known.edition);
        self.known(&cen, instance)?;
        if self.attachments.contains_key(id) {
            return Err(BadWorld::new(format!("{id} is there twice")));
        }
        if let Some(why) = self.impossible_attachment(&cen, edition, instance, order_type) {
            return Err(BadWorld::new(why));
        }
        self.attach(Stamp::EVER, id, router, instance, status, order_type);
        Ok(())
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

    /// The grant of an instance to a CEN.
    pub(super) fn grant_of(&self, cen: &CenId, instance: &InstanceId, as_of: AsOf) -> Option<&Grant> {
        self.cens.get(cen)?.grants.get(instance)?.as_of(as_of)
    }

    /// The attachments of an instance in a CEN, of both editions, in id order.
    pub(super) fn attachments_of(&self, cen: &CenId, instance: &InstanceId) -> Vec<(&str, &Attachment)> {
        let ids = self.instances.get(instance).into_iter().flat_map(|i| &i.attachments);
        ids.filter_map(|id| Some((id.as_str(), self.attachments.get(id)?.now()?)))
            .filter(|(_, a)| a.cen == *cen)
            .collect()
    }

    /// Whether the rules allow attaching: the same account, or a grant (API §I).
    pub(super) fn may_attach(&self, cen: &CenId, instance: &InstanceId) -> bool {
        let own = match (self.cens.get(cen), self.instances.get(instance)) {
            (Some(cen), Some(state)) => cen.owner == state.instance.owner,
            _ => false,
        };
        own || self.grant_of(cen, instance, AsOf::Now).is_some()
    }

    /// Records a grant as it is from `stamp` on, or its end.
    pub(super) fn put_grant(&mut self, cen: &CenId, instance: &InstanceId, stamp: Stamp, grant: Option<Grant>) {
        let key = (cen.clone(), instance.clone());
        if grant.is_none() {
            self.payer_changes.remove(&key);
        }
        if grant.as_ref().is_some_and(|g| g.order_type != g.effective) {
            self.pending.insert(key);
        } else {
            self.pending.remove(&key);
        }
        if let Some(state) = self.instances.get_mut(instance).filter(|_| grant.is_some()) {
            state.cens.insert(cen.clone());
        }
        let Some(state) = self.cens.get_mut(cen) else { return };
        match (state.grants.get_mut(instance), grant) {
            (Some(history), grant) => history.set(stamp, grant),
            (None, Some(grant)) => {
                state.grants.insert(instance.clone(), History::new(stamp, grant));
            }
            (None, None) => {}
        }
    }

    /// Puts an attachment there; the caller has looked that router and instance exist.
    pub(super) fn attach(
        &mut self,
        stamp: Stamp,
        id: &str,
        router: &str,
        instance: &InstanceId,
        status: Status,
        order_type: Option<OrderType>,
    ) {
        let Some(Router { cen, region, edition }) = self.routers.get(router).cloned() else { return };
        // A CCN has no attachment of the Enterprise Edition, wherever it is attached (API §A.9).
        let ccn = self.instances.get(instance).is_some_and(|state| state.instance.kind == InstanceType::CCN);
        let edition = if ccn { Edition::Basic } else { edition };
        let inherited = self.grant_of(&cen, instance, AsOf::Now).map(|g| g.order_type);
        let order_type = order_type.or(inherited).unwrap_or(OrderType::PayByCenOwner);
        if let Some(state) = self.cens.get_mut(&cen) {
            let listed = if edition == Edition::Basic { &mut state.basic } else { &mut state.enterprise };
            listed.insert(id.to_owned());
        }
        if let Some(state) = self.instances.get_mut(instance) {
            state.attachments.insert(id.to_owned());
        }
        let (router, instance) = (router.to_owned(), instance.clone());
        let created = stamp.at.max(LONG_AGO);
        let attachment =
            Attachment { cen, router, region, edition, instance, status, order_type, becoming: None, created };
        self.attachments.insert(id.to_owned(), History::new(stamp, attachment));
    }

    /// Records an attachment as it is from `stamp` on, or its end. Ids of ended ones stay in the indexes, for reads
    /// that lag; an id is never used again.
    pub(super) fn put_attachment(&mut self, id: &str, stamp: Stamp, attachment: Option<Attachment>) {
        if let Some(history) = self.attachments.get_mut(id) {
            history.set(stamp, attachment);
        }
    }

    /// The number and time of a change that time itself makes.
    pub(super) fn passing(&mut self, at: Timestamp) -> Stamp {
        self.seq += 1;
        Stamp { seq: self.seq, at }
    }

    /// The number and time of a change that somebody makes: stale reads show what was before the last of these.
    pub(super) fn writing(&mut self, at: Timestamp) -> Stamp {
        let stamp = self.passing(at);
        self.last_write = stamp.seq;
        stamp
    }
}
