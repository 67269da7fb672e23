//! The transit routers of an account, and whether the account has activated the transit-router service (API §A.12).

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success, uid};
use super::paging::NumberedPage;
use super::request::ApiCall;
use super::world::{CenState, RouterState, World};
use crate::domain::{CenId, Region};

/// The status of every simulated router.
const STATUS: &str = "Active";

/// Lists the caller's transit routers, in the order of their ids. Routers of other accounts are left out without an error.
pub(super) fn list(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let cen: Option<CenId> = params.parsed("CenId")?;
    let region: Option<Region> = params.parsed("RegionId")?;
    let edition = params.text("Type");
    if edition.is_some_and(|edition| !["Enterprise", "Basic"].contains(&edition)) {
        return Err(ErrorAnswer::invalid("Type", "it must be Enterprise or Basic"));
    }
    let page = NumberedPage::asked(params)?;
    let own = |router: &RouterState| -> Option<&CenState> {
        world.cens.get(&router.cen).filter(|cen| cen.owner == call.caller.account)
    };
    let ids: Vec<&String> = match (params.text("TransitRouterId"), &cen) {
        (Some(id), _) => world.routers.get_key_value(id).into_iter().map(|(id, _)| id).collect(),
        (None, Some(cen)) => world.cens.get(cen).into_iter().flat_map(|state| &state.routers).collect(),
        (None, None) => world.routers.keys().collect(),
    };
    // A simulated router has no name, no tags and no multicast.
    let named =
        ["TransitRouterName", "Tag.1.Key", "FeatureFilter.1.Key"].iter().any(|name| params.text(name).is_some());
    let found = ids.into_iter().filter(|_| !named).filter_map(|id| {
        let router = world.routers.get(id)?;
        let owner = &own(router)?.owner;
        let wanted = cen.as_ref().is_none_or(|cen| router.cen == *cen)
            && region.as_ref().is_none_or(|region| router.region == *region)
            && edition.is_none_or(|edition| json!(router.edition) == edition)
            && params.text("Status").is_none_or(|status| status == STATUS);
        wanted.then_some((id, router, owner))
    });
    let (shown, total) = page.of(found.collect());
    let items: Vec<Value> = shown
        .into_iter()
        .map(|(id, router, owner)| {
            json!({
                "TransitRouterId": id,
                "TransitRouterName": "",
                "TransitRouterDescription": "",
                "CenId": router.cen,
                "RegionId": router.region,
                "AliUid": uid(owner),
                "Type": router.edition,
                "Status": STATUS,
                "CreationTime": "2021-03-15T02:14Z",
                "SupportMulticast": false,
                "TransitRouterCidrList": [],
                "Tags": [],
            })
        })
        .collect();
    Ok(page.answer("TransitRouters", json!(items), total))
}

/// Whether the calling account has activated the service. The API answers with an error if not.
pub(super) fn service(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    if world.account_of(&call.caller.account).transit_router_service {
        return Ok(Success::of(json!({"Enabled": "true"})));
    }
    Err(ErrorAnswer::bad("USER_NOT_OPEN_TR_SERVICE", "The transit-router service is not activated."))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::simulator::testing::{Bench, CEN, CEN_OWNER, RESOURCE, TR};
    use crate::simulator::{OutsideChange, World};

    const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";

    async fn list(bench: &Bench, params: &str) -> Value {
        bench.call(TR, "ListTransitRouters", params).await.json()
    }

    #[tokio::test]
    async fn the_routers_of_a_cen_are_listed_with_their_edition_and_owner() {
        let bench = Bench::new();
        let body = list(&bench, &format!("CenId={CEN}")).await;
        let types: Vec<_> = body["TransitRouters"].as_array().unwrap().iter().map(|r| r["Type"].clone()).collect();
        assert_eq!((types, &body["TotalCount"]), (vec![json!("Enterprise"), json!("Basic")], &json!(2)));
        let router = &list(&bench, &format!("TransitRouterId={ROUTER}")).await["TransitRouters"][0];
        assert_eq!((&router["TransitRouterId"], &router["RegionId"]), (&json!(ROUTER), &json!("cn-hangzhou")));
        assert_eq!((router["AliUid"].to_string(), &router["CenId"]), (CEN_OWNER.to_owned(), &json!(CEN)));
        for (more, found) in [
            ("Type=Enterprise", 1),
            ("Type=Basic", 1),
            ("Status=Active", 2),
            ("Status=Creating", 0),
            ("RegionId=cn-beijing", 1),
            ("RegionId=cn-shanghai", 0),
            ("TransitRouterId=tr-bp1su1ytdxtataupl0009", 0),
            ("TransitRouterName=t", 0),
            ("Tag.1.Key=k", 0),
        ] {
            assert_eq!(list(&bench, &format!("CenId={CEN}&{more}")).await["TotalCount"], found, "{more}");
        }
        assert_eq!(list(&bench, "RegionId=cn-hangzhou").await["TotalCount"], 1);
        assert_eq!(list(&bench, &format!("CenId={CEN}&Type=enterprise")).await["Code"], "InvalidParameter");
        let page = list(&bench, &format!("CenId={CEN}&PageSize=1&PageNumber=2")).await;
        assert_eq!((&page["TransitRouters"][0]["Type"], &page["TotalCount"]), (&json!("Basic"), &json!(2)));
        assert_eq!(list(&bench, &format!("CenId={CEN}&PageSize=51")).await["Code"], "InvalidParameter");
    }

    #[tokio::test]
    async fn another_account_sees_no_router_and_no_error() {
        let bench = Bench::new();
        for params in [format!("CenId={CEN}"), format!("TransitRouterId={ROUTER}"), "RegionId=cn-hangzhou".into()] {
            let body = bench.call(RESOURCE, "ListTransitRouters", &params).await.json();
            assert_eq!((&body["TransitRouters"], &body["TotalCount"]), (&json!([]), &json!(0)), "{params}");
        }
    }

    #[tokio::test]
    async fn an_account_that_has_not_activated_the_service_is_told_so_until_it_has() {
        let world = include_str!("../../examples/world.toml")
            .replace("site = \"china\"", "site = \"china\"\ntransit_router_service = false");
        let bench = Bench::of(World::from_toml(&world).unwrap());
        let check = async |key| bench.call(key, "CheckTransitRouterService", "").await.json();
        assert_eq!(check(TR).await["Enabled"], "true");
        assert_eq!(check(RESOURCE).await["Code"], "USER_NOT_OPEN_TR_SERVICE");
        let uid = crate::simulator::testing::OWNER.parse().unwrap();
        let change = OutsideChange::SetAccount { uid, transit_router_service: Some(true), service_linked_role: None };
        bench.simulator.change(change).unwrap();
        assert_eq!(check(RESOURCE).await["Enabled"], "true");
    }
}
