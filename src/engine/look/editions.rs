//! Which attachments an instance has, and of which edition, by the lists together.
//!
//! `DescribeCenAttachedChildInstances` shows an instance for each of its attachments and says nothing of the edition (API
//! §A.9). So an instance that a list of an Enterprise Edition transit router shows is attached to that, and what the
//! other list says of it adds nothing; any other is attached to the Basic Edition only where the transit router of its
//! region is of that edition. Lists that contradict each other prove nothing.

use std::collections::BTreeMap;

use crate::domain::{Attachment, ChildInstance, Edition, Instance, InstanceType, Region, TransitRouter};
use crate::engine::ports::cloud::Listing;

/// The attachments of `instance` to the Basic Edition; for a CCN all of them. `enterprise` are its attachments to the
/// Enterprise Edition.
pub fn basic(
    instance: &Instance,
    routers: &Listing<TransitRouter>,
    enterprise: &Listing<Attachment>,
    children: &Listing<ChildInstance>,
) -> Listing<Attachment> {
    let rows = children.items.iter().filter(|child| child.id == instance.id);
    let mut complete = children.complete;
    let mut found: BTreeMap<&Region, Attachment> = BTreeMap::new();
    for row in rows.filter(|_| enterprise.items.is_empty()) {
        let basic_router = |router: &TransitRouter| router.region == row.region && router.edition == Edition::Basic;
        if instance.kind == InstanceType::CCN || routers.items.iter().any(basic_router) {
            found.entry(&row.region).or_insert_with(|| Attachment {
                id: row.id.to_string(),
                edition: Edition::Basic,
                status: row.status.clone(),
                order_type: None,
            });
        } else {
            complete = false;
        }
    }
    Listing { items: found.into_values().collect(), complete }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountUid, CenId, InstanceId};

    const ID: &str = "vpc-bp1h8vbrbcgohcju50001";

    fn vpc() -> Instance {
        Instance {
            kind: InstanceType::VPC,
            id: InstanceId::parse(ID).unwrap(),
            region: Region::parse("cn-hangzhou").unwrap(),
            owner: owner(),
        }
    }

    fn owner() -> AccountUid {
        AccountUid::parse("1688000000000001").unwrap()
    }

    fn all<T>(items: Vec<T>) -> Listing<T> {
        Listing { items, complete: true }
    }

    fn router(region: &str, edition: Edition) -> TransitRouter {
        TransitRouter {
            id: format!("tr-{region}"),
            cen: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            owner: AccountUid::parse("1250123456123456").unwrap(),
            region: Region::parse(region).unwrap(),
            edition,
        }
    }

    fn child(id: &str) -> ChildInstance {
        let (id, region) = (InstanceId::parse(id).unwrap(), Region::parse("cn-hangzhou").unwrap());
        ChildInstance { id, owner: owner(), region, status: "Attached".into() }
    }

    fn attachment(edition: Edition) -> Attachment {
        let id = if edition == Edition::Basic { ID } else { "tr-attach-1" };
        Attachment { id: id.into(), edition, status: "Attached".into(), order_type: None }
    }

    #[test]
    fn an_instance_that_an_enterprise_list_shows_is_enterprise() {
        let enterprise = all(vec![attachment(Edition::Enterprise)]);
        for edition in [Edition::Enterprise, Edition::Basic] {
            let routers = all(vec![router("cn-hangzhou", edition)]);
            assert_eq!(basic(&vpc(), &routers, &enterprise, &all(vec![child(ID), child(ID)])), all(vec![]));
        }
    }

    #[test]
    fn the_rest_is_basic_only_where_the_router_of_its_region_is() {
        let none = all(vec![]);
        let rows = all(vec![child("vpc-bp1h8vbrbcgohcju50002"), child(ID), child(ID)]);
        let routers = all(vec![router("cn-beijing", Edition::Enterprise), router("cn-hangzhou", Edition::Basic)]);
        let once = all(vec![attachment(Edition::Basic)]);
        assert_eq!(basic(&vpc(), &routers, &none, &rows), once, "however often it is shown");
        for routers in [vec![router("cn-hangzhou", Edition::Enterprise)], vec![router("cn-beijing", Edition::Basic)]] {
            let contradicted = Listing { items: vec![], complete: false };
            assert_eq!(basic(&vpc(), &all(routers), &none, &rows), contradicted);
        }
        let ccn = Instance { kind: InstanceType::CCN, ..vpc() };
        assert_eq!(basic(&ccn, &all(vec![]), &none, &rows), once, "a CCN has no other");
        assert!(!basic(&vpc(), &routers, &none, &Listing { items: vec![], complete: false }).complete);
    }
}
