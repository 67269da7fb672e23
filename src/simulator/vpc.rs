//! The one operation of the Vpc product: it shows what the caller's IPsec-VPN connections are attached to (API §A.14).

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success};
use super::paging::NumberedPage;
use super::request::ApiCall;
use super::world::World;
use crate::domain::{InstanceId, InstanceType, Region};

/// Lists the caller's connections in a region that are attached to a transit router, of whatever account. A switch adds
/// those that are attached to nothing: without a router, and with the `AttachType` of `DescribeVpnConnection`.
pub(super) fn vpn_attachments(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let region: Region = params.needed("RegionId")?;
    let wanted: Option<InstanceId> = params.parsed("VpnConnectionId")?;
    // The only value that the vendor's SDK documents.
    if params.text("AttachType").is_some_and(|kind| kind != "CEN") {
        return Err(ErrorAnswer::invalid("AttachType", "it must be CEN"));
    }
    let page = NumberedPage::asked(params)?;
    let states = world.instances.values().filter(|state| {
        let instance = &state.instance;
        instance.kind == InstanceType::VPN
            && instance.owner == call.caller.account
            && instance.region == region
            && wanted.as_ref().is_none_or(|id| instance.id == *id)
    });
    let found = states.flat_map(|state| {
        let attachments = state.attachments.iter().filter_map(|id| world.attachments.get(id)?.as_of(call.as_of));
        let mut rows: Vec<_> = attachments.map(|attachment| (&state.instance, Some(attachment))).collect();
        if rows.is_empty() && world.switches.vpn_unattached_listed {
            rows.push((&state.instance, None));
        }
        rows
    });
    let (shown, total) = page.of(found.collect());
    let items: Vec<Value> = shown
        .into_iter()
        .map(|(instance, attachment)| {
            let owner = attachment.and_then(|attachment| world.cens.get(&attachment.cen)).map(|cen| &cen.owner);
            let mut item = json!({
                "InstanceId": instance.id,
                "AttachType": if attachment.is_some() { "CEN" } else { "NO_ASSOCIATED" },
                "CrossAccountAuthorized": owner.is_some_and(|owner| *owner != instance.owner),
                "Name": "",
                "Description": "",
                "Tags": [],
            });
            if let Some(attachment) = attachment {
                item["TransitRouterId"] = json!(attachment.router);
                item["TransitRouterName"] = "".into();
            }
            item
        })
        .collect();
    Ok(page.answer("VpnAttachments", json!(items), total))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::simulator::OutsideChange;
    use crate::simulator::testing::{Bench, CEN, RESOURCE, SigningKey, TR};

    const VPN: &str = "vco-bp1bbi27hojx80nck0001";
    const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";

    async fn shown(bench: &Bench, key: SigningKey, more: &str) -> Value {
        let params = format!("RegionId=cn-hangzhou&VpnConnectionId={VPN}{more}");
        bench.call(key, "DescribeVpnAttachments", &params).await.json()
    }

    fn attach(bench: &Bench) {
        let instance = VPN.parse().unwrap();
        bench.simulator.change(OutsideChange::Attach { transit_router: ROUTER.into(), instance }).unwrap();
    }

    #[tokio::test]
    async fn the_owner_of_a_connection_sees_to_what_it_is_attached() {
        let bench = Bench::new();
        assert_eq!(shown(&bench, RESOURCE, "").await["TotalCount"], 0);
        attach(&bench);
        let body = shown(&bench, RESOURCE, "&AttachType=CEN").await;
        let first = &body["VpnAttachments"][0];
        assert_eq!((&first["InstanceId"], &first["TransitRouterId"]), (&json!(VPN), &json!(ROUTER)));
        assert_eq!((&first["CrossAccountAuthorized"], &first["AttachType"]), (&json!(true), &json!("CEN")));
        assert_eq!(shown(&bench, TR, "").await["TotalCount"], 0);
        assert_eq!(bench.grant(VPN, "").await, "OperationFailed.SimVpnAttached");
        assert_eq!(shown(&bench, RESOURCE, "&AttachType=VPNGW").await["Code"], "InvalidParameter");
    }

    #[tokio::test]
    async fn a_connection_attached_to_nothing_can_be_listed_and_is_granted() {
        let bench = Bench::new();
        bench.switch(json!({"vpn_unattached_listed": true}));
        let body = shown(&bench, RESOURCE, "").await;
        let first = &body["VpnAttachments"][0];
        assert_eq!((&body["TotalCount"], &first["AttachType"]), (&json!(1), &json!("NO_ASSOCIATED")));
        assert!(first.get("TransitRouterId").is_none() && first["CrossAccountAuthorized"] == false, "{first}");
        assert_eq!(bench.grant(VPN, "").await, "OK");
        attach(&bench);
        let body = shown(&bench, RESOURCE, "").await;
        assert_eq!((&body["TotalCount"], &body["VpnAttachments"][0]["AttachType"]), (&json!(1), &json!("CEN")));
        let change = OutsideChange::Detach { cen: CEN.parse().unwrap(), instance: VPN.parse().unwrap() };
        bench.simulator.change(change).unwrap();
        assert_eq!(shown(&bench, RESOURCE, "").await["VpnAttachments"][0]["AttachType"], "NO_ASSOCIATED");
    }
}
