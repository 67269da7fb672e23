//! Whether the account that a job names owns its CEN, proven with the keys of that account. `ListTransitRouters` names the
//! owner of every router, and `DescribeCens` lists a CEN to its owner alone (API §A.12). Nothing else is a proof, an empty
//! answer least of all. Nothing is written without a proof.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use crate::clock::Clock;
use crate::domain::{AccountUid, Cen, CenId, GrantRule, TransitRouter};
use crate::engine::look::batch::locked;
use crate::engine::ports::cloud::Listing;

/// How long a proof is kept. A CEN never changes its owner. It can be deleted, which every read of it shows.
const KEPT: Duration = Duration::from_secs(3600);
/// The most proofs that are kept. With more, the older half of them is forgotten and asked for again.
const MOST: usize = 10_000;

/// What a look knows of the owner of a CEN.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CenOwner {
    /// The account the job names owns it.
    Proven,
    /// This other account owns it.
    Other(AccountUid),
    /// The account the job names is shown neither the CEN nor anything of it.
    NotShown,
    /// The account's list of CENs lacks it, and was not read to its end.
    Untold,
}

impl CenOwner {
    /// By the transit routers that the account of `cen` is shown. `None` if none of them belongs to the CEN.
    pub fn by_routers(cen: &Cen, routers: &[TransitRouter]) -> Option<Self> {
        let router = routers.iter().find(|router| router.cen == cen.id)?;
        Some(if router.owner == cen.owner { Self::Proven } else { Self::Other(router.owner.clone()) })
    }

    /// By the grant rules that the account of `cen` is shown. `None` if none of them belongs to the CEN.
    pub fn by_rules(cen: &Cen, rules: &[GrantRule]) -> Option<Self> {
        let rule = rules.iter().find(|rule| rule.cen == cen.id)?;
        Some(if rule.cen_owner == cen.owner { Self::Proven } else { Self::Other(rule.cen_owner.clone()) })
    }

    /// By the list of the CENs of the account.
    pub fn by_cens(cen: &Cen, cens: &Listing<CenId>) -> Self {
        match (cens.items.contains(&cen.id), cens.complete) {
            (true, _) => Self::Proven,
            (false, true) => Self::NotShown,
            (false, false) => Self::Untold,
        }
    }
}

/// The proofs, shared by all jobs.
#[derive(Default)]
pub struct CenOwners {
    proven: Mutex<HashMap<Cen, Duration>>,
}

impl CenOwners {
    /// Whether there is a proof for this CEN and account that is not too old.
    pub fn is_proven(&self, cen: &Cen, clock: &dyn Clock) -> bool {
        locked(&self.proven).get(cen).is_some_and(|since| clock.uptime() < *since + KEPT)
    }

    /// Keeps a proof.
    pub fn keep(&self, cen: &Cen, clock: &dyn Clock) {
        let now = clock.uptime();
        let mut proven = locked(&self.proven);
        if proven.len() >= MOST && !proven.contains_key(cen) {
            proven.retain(|_, since| now < *since + KEPT / 2);
        }
        if proven.len() < MOST || proven.contains_key(cen) {
            proven.insert(cen.clone(), now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::ManualClock;
    use crate::domain::{Edition, Region};

    fn cen(n: usize) -> Cen {
        Cen { id: CenId::parse(format!("cen-{n:08}")).unwrap(), owner: AccountUid::parse("1250123456123456").unwrap() }
    }

    #[test]
    fn only_what_shows_the_cen_says_whose_it_is() {
        let (ours, stranger) = (cen(1), AccountUid::parse("1688000000000001").unwrap());
        let router = |cen: &CenId, owner: &AccountUid| TransitRouter {
            id: "tr-1".into(),
            cen: cen.clone(),
            owner: owner.clone(),
            region: Region::parse("cn-hangzhou").unwrap(),
            edition: Edition::Enterprise,
        };
        let by_routers = |routers: &[TransitRouter]| CenOwner::by_routers(&ours, routers);
        assert_eq!(by_routers(&[]), None, "an empty list proves nothing");
        assert_eq!(by_routers(&[router(&cen(2).id, &ours.owner)]), None);
        assert_eq!(by_routers(&[router(&ours.id, &ours.owner)]), Some(CenOwner::Proven));
        assert_eq!(by_routers(&[router(&ours.id, &stranger)]), Some(CenOwner::Other(stranger)));
        let by_cens =
            |items: &[CenId], complete| CenOwner::by_cens(&ours, &Listing { items: items.to_vec(), complete });
        assert_eq!(by_cens(&[cen(2).id], true), CenOwner::NotShown);
        assert_eq!(by_cens(&[cen(2).id], false), CenOwner::Untold, "the rest of the list may hold it");
        assert_eq!(by_cens(&[cen(2).id, ours.id.clone()], false), CenOwner::Proven);
        assert_eq!(CenOwner::by_rules(&ours, &[]), None);
    }

    #[test]
    fn a_proof_is_kept_for_its_time_and_their_number_is_bounded() {
        let clock = ManualClock::new("2026-11-28T10:20:00Z".parse().unwrap());
        let owners = CenOwners::default();
        owners.keep(&cen(0), &clock);
        assert!(owners.is_proven(&cen(0), &clock) && !owners.is_proven(&cen(1), &clock));
        let other_owner = Cen { owner: AccountUid::parse("1688000000000001").unwrap(), ..cen(0) };
        assert!(!owners.is_proven(&other_owner, &clock), "it is a proof for that account alone");
        clock.advance(KEPT - Duration::from_secs(1));
        assert!(owners.is_proven(&cen(0), &clock));
        (1..=MOST).for_each(|n| owners.keep(&cen(n), &clock));
        assert!(locked(&owners.proven).len() <= MOST && owners.is_proven(&cen(MOST), &clock));
        clock.advance(Duration::from_secs(1));
        assert!(!owners.is_proven(&cen(0), &clock));
    }
}
