//! Whose a CEN is, proven with the keys of the account that a job names: `ListTransitRouters` says it of every router, and
//! `DescribeCens` lists a CEN to its owner alone (API §A.12). An empty answer of either is no proof, and neither is any
//! other: nothing may be sent before there is one.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{AccountUid, Cen, CenId, Rule, TransitRouter};

/// How long a proof is kept. A CEN never changes hands; it can be deleted, which every read of it shows.
const KEPT: Duration = Duration::from_secs(3600);
/// How many CENs are kept at most: beyond, the oldest half is forgotten and asked again.
const MOST: usize = 10_000;

/// What a look knows of the owner of a CEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CenOwner {
    /// It is the account the job names.
    Proven,
    /// It is this one.
    Other(AccountUid),
    /// The account the job names is shown neither the CEN nor anything of it.
    NotShown,
}

impl CenOwner {
    /// What transit routers, as the account of `cen` is shown them, say of its owner.
    pub fn by_routers(cen: &Cen, routers: &[TransitRouter]) -> Option<Self> {
        let router = routers.iter().find(|router| router.cen == cen.id)?;
        Some(if router.owner == cen.owner { Self::Proven } else { Self::Other(router.owner.clone()) })
    }

    /// What grant rules, as the account of `cen` is shown them, say of its owner.
    pub fn by_rules(cen: &Cen, rules: &[Rule]) -> Option<Self> {
        let rule = rules.iter().find(|rule| rule.cen == cen.id)?;
        Some(if rule.cen_owner == cen.owner { Self::Proven } else { Self::Other(rule.cen_owner.clone()) })
    }

    /// What the list of the account's CENs says.
    pub fn by_cens(cen: &Cen, cens: &[CenId]) -> Self {
        if cens.contains(&cen.id) { Self::Proven } else { Self::NotShown }
    }
}

/// Proofs, shared by all jobs.
#[derive(Default)]
pub struct CenOwners {
    proven: Mutex<HashMap<Cen, Duration>>,
}

impl CenOwners {
    /// Whether the owner of a CEN was proven of late.
    pub fn is_proven(&self, cen: &Cen, clock: &dyn Clock) -> bool {
        self.locked().get(cen).is_some_and(|since| clock.uptime() < *since + KEPT)
    }

    /// Keeps a proof.
    pub fn keep(&self, cen: &Cen, clock: &dyn Clock) {
        let now = clock.uptime();
        let mut proven = self.locked();
        if proven.len() >= MOST && !proven.contains_key(cen) {
            proven.retain(|_, since| now < *since + KEPT / 2);
        }
        if proven.len() < MOST || proven.contains_key(cen) {
            proven.insert(cen.clone(), now);
        }
    }

    fn locked(&self) -> MutexGuard<'_, HashMap<Cen, Duration>> {
        self.proven.lock().expect("no holder of this lock panics")
    }
}
