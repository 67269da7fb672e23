//! The one read of the Vpc product: what an IPsec-VPN connection is attached to, as its owner sees it (API §A.14). An
//! attached connection cannot be granted, and the lists of one CEN do not show attachments to another.

use std::sync::Arc;

use serde_json_borrow::Value;

use super::paging::ListShape;
use super::request::RpcRequest;
use super::rpc::AccountClient;
use super::wire;
use crate::domain::{Instance, InstanceType, Operation};
use crate::engine::ports::cloud::{Answer, CloudError, Listing};

/// The Vpc operations, as one account.
#[derive(Clone)]
pub(super) struct Vpc {
    client: Arc<AccountClient>,
}

impl Vpc {
    pub fn new(client: Arc<AccountClient>) -> Self {
        Self { client }
    }

    /// What a connection is attached to: transit routers of any account, or a VPN gateway. A connection that is listed with
    /// neither is attached to nothing. `AttachType` is `CEN`, `VPNGW` or `NO_ASSOCIATED` (API §A.14).
    pub async fn vpn_attachments(&self, vpn: &Instance) -> Result<Answer<Listing<String>>, CloudError> {
        let operation = Operation::DescribeVpnAttachments;
        if vpn.kind != InstanceType::VPN {
            return Err(CloudError::not_sent(operation, format!("a {} is no IPsec-VPN connection", vpn.kind)));
        }
        let describe = RpcRequest::new(operation).in_region(&vpn.region).query("VpnConnectionId", &vpn.id);
        let read = |item: &Value| {
            let id = wire::text(item, "InstanceId")?.to_owned();
            let router = wire::text(item, "TransitRouterId");
            let to = match wire::text(item, "AttachType") {
                Some(kind) if kind.eq_ignore_ascii_case("VPNGW") => Some("a VPN gateway".to_owned()),
                Some(kind) if kind.eq_ignore_ascii_case("NO_ASSOCIATED") => None,
                _ => router.map(str::to_owned),
            };
            Some((Some(format!("{id} {}", router.unwrap_or_default())), (id, to)))
        };
        let list = ListShape { outer: "VpnAttachments", inner: "VpnAttachment", read };
        let Answer { value: Listing { items, complete }, request_id, date, calls } =
            self.client.by_number(&describe, list).await?;
        let items = items.into_iter().filter(|(id, _)| id == vpn.id.as_str()).filter_map(|(_, to)| to).collect();
        Ok(Answer { value: Listing { items, complete }, request_id, date, calls })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::Unobserved;
    use crate::cloud::testing::{RESOURCE_ACCOUNT, Scripted, accounts, instance, uid};
    use crate::engine::ports::cloud::{Failure, Readers};

    #[tokio::test]
    async fn a_connections_own_attachments_are_asked_for_where_it_lies() {
        let id = "vco-bp1h8vbrbcgohcju50001";
        let of = |id: &str, router: &str| json!({"InstanceId": id, "AttachType": "CEN", "TransitRouterId": router});
        let items = [of(id, "tr-bp1su1ytdxtataupl0001"), of("vco-bp1h8vbrbcgohcju50002", "tr-bp1su1ytdxtataupl0002")];
        let cloud = Scripted::new().json(
            200,
            json!({"RequestId": "R", "TotalCount": 2, "PageNumber": 1, "PageSize": 50, "VpnAttachments": items}),
        );
        let reader = accounts(&cloud, Unobserved).resource_reader(&uid(RESOURCE_ACCOUNT)).unwrap();
        let listing = reader.describe_vpn_attachments(&instance(InstanceType::VPN)).await.unwrap().value;
        assert!(listing.complete);
        assert_eq!(listing.items, ["tr-bp1su1ytdxtataupl0001"]);
        let asked: Vec<(String, String)> =
            [("PageNumber", "1"), ("PageSize", "50"), ("RegionId", "cn-hangzhou"), ("VpnConnectionId", id)]
                .map(|(name, value)| (name.to_owned(), value.to_owned()))
                .into();
        assert_eq!(cloud.query(0), asked);
        assert_eq!(cloud.requests()[0].headers()["host"], "vpc.aliyuncs.com");
        assert_eq!(cloud.requests()[0].headers()["x-acs-version"], "2016-04-28");
        let error = reader.describe_vpn_attachments(&instance(InstanceType::VBR)).await.unwrap_err();
        assert!(matches!(error.failure, Failure::NotSent { .. }));
    }

    #[tokio::test]
    async fn a_connection_that_is_listed_without_a_router_is_attached_to_nothing() {
        let id = "vco-bp1h8vbrbcgohcju50001";
        let shown = async |item: serde_json::Value| {
            let page =
                json!({"RequestId": "R", "TotalCount": 1, "PageNumber": 1, "PageSize": 50, "VpnAttachments": [item]});
            let cloud = Scripted::new().json(200, page);
            let reader = accounts(&cloud, Unobserved).resource_reader(&uid(RESOURCE_ACCOUNT)).unwrap();
            let listing = reader.describe_vpn_attachments(&instance(InstanceType::VPN)).await.unwrap().value;
            assert!(listing.complete);
            listing.items
        };
        let none: [String; 0] = [];
        assert_eq!(shown(json!({"InstanceId": id, "AttachType": "CEN", "TransitRouterId": ""})).await, none);
        assert_eq!(shown(json!({"InstanceId": id, "AttachType": "NO_ASSOCIATED"})).await, none);
        assert_eq!(shown(json!({"InstanceId": id})).await, none);
        assert_eq!(shown(json!({"InstanceId": id, "AttachType": "VPNGW"})).await, ["a VPN gateway"]);
        assert_eq!(shown(json!({"InstanceId": id, "TransitRouterId": "tr-1"})).await, ["tr-1"]);
    }
}
