//! The transit routers of a CEN (API §A.12).

use serde_json::{Value, json};

use super::cbn::uid;
use super::envelope::Refusal;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::world::World;
use crate::domain::{CenId, Region};

/// Lists the caller's transit routers.
pub(super) fn list(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let params = &call.params;
    let cen: CenId = params.needed("CenId")?;
    let region: Option<Region> = params.parsed("RegionId")?;
    let (id, edition) = (params.text("TransitRouterId"), params.text("Type"));
    let number = params.number("PageNumber", 1, usize::MAX, 1)?;
    let size = params.number("PageSize", 1, 50, 10)?;
    let state = world.cens.get(&cen).filter(|c| c.owner == call.caller.account);
    let owner = state.map(|c| uid(&c.owner)).unwrap_or_default();
    let found = state.into_iter().flat_map(|c| &c.routers).filter_map(|key| {
        let router = world.routers.get(key)?;
        let wanted = region.as_ref().is_none_or(|r| router.region == *r)
            && id.is_none_or(|id| key == id)
            && edition.is_none_or(|edition| json!(router.edition) == edition);
        wanted.then_some((key, router))
    });
    let (page, total) = paging::numbered(found.collect(), number, size);
    let items: Vec<Value> = page
        .into_iter()
        .map(|(id, router)| {
            json!({
                "TransitRouterId": id,
                "TransitRouterName": "",
                "TransitRouterDescription": "",
                "CenId": router.cen,
                "RegionId": router.region,
                "AliUid": owner,
                "Type": router.edition,
                "Status": "Active",
                "CreationTime": "2021-03-15T02:14Z",
                "SupportMulticast": false,
                "TransitRouterCidrList": [],
                "Tags": [],
            })
        })
        .collect();
    Ok(Answer::of(json!({"TransitRouters": items, "TotalCount": total, "PageNumber": number, "PageSize": size})))
}
