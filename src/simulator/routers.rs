//! The transit routers of an account, and whether it has activated their service (API §A.12).

use serde_json::{Value, json};

use super::cbn::uid;
use super::envelope::Refusal;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::world::{CenState, Router, World};
use crate::domain::{CenId, Region};

/// What every router here is.
const STATUS: &str = "Active";

/// Lists the caller's transit routers, in the order of their ids. Another account's are not there.
pub(super) fn list(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let params = &call.params;
    let cen: Option<CenId> = params.parsed("CenId")?;
    let region: Option<Region> = params.parsed("RegionId")?;
    let edition = params.text("Type");
    if edition.is_some_and(|edition| !["Enterprise", "Basic"].contains(&edition)) {
        return Err(Refusal::invalid("Type", "it is Enterprise or Basic"));
    }
    let number = params.number("PageNumber", 1, usize::MAX, 1)?;
    let size = params.number("PageSize", 1, 50, 10)?;
    let own = |router: &Router| -> Option<&CenState> {
        world.cens.get(&router.cen).filter(|cen| cen.owner == call.caller.account)
    };
    let ids: Vec<&String> = match (params.text("TransitRouterId"), &cen) {
        (Some(id), _) => world.routers.get_key_value(id).into_iter().map(|(id, _)| id).collect(),
        (None, Some(cen)) => world.cens.get(cen).into_iter().flat_map(|state| &state.routers).collect(),
        (None, None) => world.routers.keys().collect(),
    };
    // A router here has neither a name nor tags, nor does it know multicast.
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
    let (page, total) = paging::numbered(found.collect(), number, size);
    let items: Vec<Value> = page
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
    Ok(Answer::of(json!({"TransitRouters": items, "TotalCount": total, "PageNumber": number, "PageSize": size})))
}

/// Whether the calling account has activated the service.
pub(super) fn service(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    if world.account_of(&call.caller.account).transit_router_service {
        return Ok(Answer::of(json!({"Enabled": "true"})));
    }
    Err(Refusal::bad("USER_NOT_OPEN_TR_SERVICE", "The transit-router service is not activated."))
}

#[cfg(test)]
mod tests;
