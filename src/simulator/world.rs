//! What exists in the simulated cloud: accounts and keys, CENs with their transit routers, network instances, grants
//! and attachments. Every look-up goes through an index (by CEN, by instance), so a call costs what it returns and not
//! what the world holds.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::accounts::{AccountState, KeysById};
use super::faults::InjectedFault;
use super::history::{AsOf, History, Stamp};
use super::switches::Switches;
use crate::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, OrderType, Region};

/// The creation time of everything that a world begins with.
pub(super) const LONG_AGO: Timestamp = Timestamp::constant(1_706_114_760, 0);

/// The edition of a transit router: the API's `Type`. Only the Enterprise Edition bills attachments (API §A.12).
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum RouterEdition {
    /// Its attachments are in the four lists of API §A.8.
    #[default]
    Enterprise,
    /// Its attachments are in `DescribeCenAttachedChildInstances` alone (API §A.9).
    Basic,
}

#[derive(Debug, Clone)]
pub(super) struct RouterState {
    pub(super) cen: CenId,
    pub(super) region: Region,
    pub(super) edition: RouterEdition,
}

/// The API's `Status` of an attachment. Every status but `Attached` is busy: it takes reads only.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Status {
    /// Created; becomes `Attached` after the attachment delay.
    Attaching,
    /// At rest: the only status in which a write is taken.
    #[default]
    Attached,
    /// Changed; becomes `Attached`, with the new payer, after the attachment delay.
    Modifying,
    /// Deleted; gone after the attachment delay.
    Detaching,
}

/// A grant rule: the permission to attach one instance to one CEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct WorldGrant {
    pub(super) order_type: OrderType,
    pub(super) effective: OrderType,
    /// The hour at which `effective` last changed, and what it was before.
    pub(super) turned: Option<(Timestamp, OrderType)>,
    pub(super) created: Timestamp,
}

impl WorldGrant {
    /// A grant whose payer is in effect from the beginning.
    pub(super) fn new(order_type: OrderType, created: Timestamp) -> Self {
        Self { order_type, effective: order_type, turned: None, created }
    }
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct AttachmentState {
    pub(super) cen: CenId,
    pub(super) router: String,
    pub(super) region: Region,
    pub(super) edition: RouterEdition,
    pub(super) instance: InstanceId,
    pub(super) status: Status,
    pub(super) order_type: OrderType,
    /// The payer it will have when `Modifying` ends; `None` keeps the present one.
    pub(super) becoming: Option<OrderType>,
    pub(super) created: Timestamp,
}

/// The latest change of the payer of one instance in one CEN, on the grant or on an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PayerChange {
    pub(super) at: Timestamp,
    pub(super) to: OrderType,
}

#[derive(Debug, Clone)]
pub(super) struct CenState {
    pub(super) owner: AccountUid,
    pub(super) grants: BTreeMap<InstanceId, History<WorldGrant>>,
    /// Ids of Enterprise Edition attachments, ended ones included.
    pub(super) enterprise: BTreeSet<String>,
    /// Ids of Basic Edition attachments, ended ones included.
    pub(super) basic: BTreeSet<String>,
    pub(super) routers: BTreeSet<String>,
}

#[derive(Debug, Clone)]
pub(super) struct InstanceState {
    pub(super) instance: Instance,
    /// The CENs it was ever granted to.
    pub(super) cens: BTreeSet<CenId>,
    /// Ids of its attachments, ended ones included.
    pub(super) attachments: BTreeSet<String>,
}

/// The state of the simulated cloud. Built from a TOML file ([`World::from_toml`]) or with the `add_` methods.
#[derive(Debug, Clone, Default)]
pub struct World {
    pub(super) accounts: BTreeMap<AccountUid, AccountState>,
    pub(super) keys: KeysById,
    /// The accounts that may assume a role, by its ARN.
    pub(super) roles: BTreeMap<String, BTreeSet<AccountUid>>,
    /// The OIDC tokens that a role trusts, by its ARN.
    pub(super) oidc_tokens: BTreeMap<String, BTreeSet<String>>,
    /// The ARN of the role whose keys the metadata service gives out.
    pub(super) machine: Option<String>,
    pub(super) cens: BTreeMap<CenId, CenState>,
    pub(super) routers: BTreeMap<String, RouterState>,
    pub(super) instances: BTreeMap<InstanceId, InstanceState>,
    pub(super) attachments: BTreeMap<String, History<AttachmentState>>,
    /// When which busy attachment comes to rest.
    pub(super) due: BTreeSet<(Timestamp, String)>,
    /// Grants whose `effective` is not yet their `order_type`.
    pub(super) pending: BTreeSet<(CenId, InstanceId)>,
    pub(super) payer_changes: BTreeMap<(CenId, InstanceId), PayerChange>,
    /// The instant up to which the effects of time are applied; `None` before the clock is started.
    pub(super) applied_to: Option<Timestamp>,
    /// Number of the latest change.
    pub(super) seq: u64,
    /// Number of the latest change that was not made by time.
    pub(super) last_write: u64,
    pub(super) switches: Switches,
    pub(super) faults: Vec<InjectedFault>,
}

impl World {
    /// An account, with the defaults for one that the world does not list.
    pub(super) fn account_of(&self, uid: &AccountUid) -> AccountState {
        self.accounts.get(uid).cloned().unwrap_or_default()
    }

    pub(super) fn grant_of(&self, cen: &CenId, instance: &InstanceId, as_of: AsOf) -> Option<&WorldGrant> {
        self.cens.get(cen)?.grants.get(instance)?.as_of(as_of)
    }

    /// Every present attachment of an instance, in whatever CEN, in id order.
    pub(super) fn attached(&self, instance: &InstanceId) -> impl Iterator<Item = (&str, &AttachmentState)> {
        let ids = self.instances.get(instance).into_iter().flat_map(|state| &state.attachments);
        ids.filter_map(|id| Some((id.as_str(), self.attachments.get(id)?.now()?)))
    }

    /// The present attachments of an instance in one CEN, in id order.
    pub(super) fn attachments_of(&self, cen: &CenId, instance: &InstanceId) -> Vec<(&str, &AttachmentState)> {
        self.attached(instance).filter(|(_, attachment)| attachment.cen == *cen).collect()
    }

    pub(super) fn kind_of(&self, instance: &InstanceId) -> Option<InstanceType> {
        self.instances.get(instance).map(|state| state.instance.kind)
    }

    /// Whether an instance may be attached: it is of the CEN's own account, or granted (API §I).
    pub(super) fn may_attach(&self, cen: &CenId, instance: &InstanceId) -> bool {
        let own = match (self.cens.get(cen), self.instances.get(instance)) {
            (Some(cen), Some(state)) => cen.owner == state.instance.owner,
            _ => false,
        };
        own || self.grant_of(cen, instance, AsOf::Now).is_some()
    }

    /// Records what a grant is from `stamp` on; `None` ends it.
    pub(super) fn put_grant(&mut self, cen: &CenId, instance: &InstanceId, stamp: Stamp, grant: Option<WorldGrant>) {
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

    /// Creates an attachment. The caller has checked that router and instance exist.
    pub(super) fn attach(
        &mut self,
        stamp: Stamp,
        id: &str,
        router: &str,
        instance: &InstanceId,
        status: Status,
        order_type: Option<OrderType>,
    ) {
        let Some(RouterState { cen, region, edition }) = self.routers.get(router).cloned() else { return };
        // A CCN has no attachment of the Enterprise Edition, wherever it is attached (API §A.9).
        let ccn = self.instances.get(instance).is_some_and(|state| state.instance.kind == InstanceType::CCN);
        let edition = if ccn { RouterEdition::Basic } else { edition };
        let inherited = self.grant_of(&cen, instance, AsOf::Now).map(|g| g.order_type);
        let order_type = order_type.or(inherited).unwrap_or(OrderType::PayByCenOwner);
        if let Some(state) = self.cens.get_mut(&cen) {
            let listed = if edition == RouterEdition::Basic { &mut state.basic } else { &mut state.enterprise };
            listed.insert(id.to_owned());
        }
        if let Some(state) = self.instances.get_mut(instance) {
            state.attachments.insert(id.to_owned());
        }
        let (router, instance) = (router.to_owned(), instance.clone());
        let created = stamp.at.max(LONG_AGO);
        let attachment =
            AttachmentState { cen, router, region, edition, instance, status, order_type, becoming: None, created };
        self.attachments.insert(id.to_owned(), History::new(stamp, attachment));
    }

    /// Records what an attachment is from `stamp` on; `None` ends it. Its id stays in the indexes for reads that lag, and
    /// is never used again.
    pub(super) fn put_attachment(&mut self, id: &str, stamp: Stamp, attachment: Option<AttachmentState>) {
        if let Some(history) = self.attachments.get_mut(id) {
            history.set(stamp, attachment);
        }
    }

    /// Stamps a change that time makes.
    pub(super) fn clock_stamp(&mut self, at: Timestamp) -> Stamp {
        self.seq += 1;
        Stamp { seq: self.seq, at }
    }

    /// Stamps a change that a call or an outsider makes. A stale read shows the state before the latest of these.
    pub(super) fn write_stamp(&mut self, at: Timestamp) -> Stamp {
        let stamp = self.clock_stamp(at);
        self.last_write = stamp.seq;
        stamp
    }
}
