//! Who owns a CEN, and which transit routers it has (API §A.12).

use serde_json_borrow::Value;

use super::Cbn;
use crate::cloud::paging::ListShape;
use crate::cloud::request::RpcRequest;
use crate::cloud::wire;
use crate::domain::{Cen, CenId, Edition, Operation, Region, TransitRouter};
use crate::engine::ports::cloud::{Answer, CloudError, Listing};

impl Cbn {
    /// `ListTransitRouters`, every page.
    pub async fn transit_routers(&self, cen: &Cen) -> Result<Answer<Listing<TransitRouter>>, CloudError> {
        let list = RpcRequest::new(Operation::ListTransitRouters).query("CenId", &cen.id);
        let read = |item: &Value| {
            let router = router(item)?;
            Some((Some(router.id.clone()), router))
        };
        self.client.by_number(&list, ListShape { outer: "TransitRouters", inner: "TransitRouter", read }).await
    }

    /// `DescribeCens` for one CEN. Only the account that owns the CEN is shown it.
    pub async fn cens(&self, cen: &Cen) -> Result<Answer<Listing<CenId>>, CloudError> {
        let describe = RpcRequest::new(Operation::DescribeCens);
        let describe = describe.query("Filter.1.Key", "CenId").query("Filter.1.Value.1", &cen.id);
        let read = |item: &Value| {
            let id = CenId::parse(wire::text(item, "CenId")?).ok()?;
            Some((Some(id.to_string()), id))
        };
        self.client.by_number(&describe, ListShape { outer: "Cens", inner: "Cen", read }).await
    }
}

fn router(item: &Value<'_>) -> Option<TransitRouter> {
    Some(TransitRouter {
        id: wire::text(item, "TransitRouterId")?.to_owned(),
        cen: CenId::parse(wire::text(item, "CenId")?).ok()?,
        owner: wire::uid(item, "AliUid").ok()??,
        region: Region::parse(wire::text(item, "RegionId")?).ok()?,
        edition: edition(wire::text(item, "Type")?)?,
    })
}

/// `None` for any other word: a router of an unknown edition cannot be judged, so its list is incomplete.
fn edition(word: &str) -> Option<Edition> {
    if word.eq_ignore_ascii_case("Enterprise") {
        Some(Edition::Enterprise)
    } else if word.eq_ignore_ascii_case("Basic") {
        Some(Edition::Basic)
    } else {
        None
    }
}
