//! The one read of the Vpc product: to what the caller's IPsec-VPN connections are attached (API §A.14).

use serde_json::{Value, json};

use super::envelope::Refusal;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::world::World;
use crate::domain::{InstanceId, InstanceType, Region};

/// Lists the connections of the caller in a region that are attached to a transit router, of whatever account. By a switch
/// those that are attached to nothing are listed too, without a router and with the word that `DescribeVpnConnection` has
/// for it.
pub(super) fn vpn_attachments(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let params = &call.params;
    let region: Region = params.needed("RegionId")?;
    let wanted: Option<InstanceId> = params.parsed("VpnConnectionId")?;
    // The vendor's SDK knows this one value here.
    if params.text("AttachType").is_some_and(|kind| kind != "CEN") {
        return Err(Refusal::invalid("AttachType", "it is CEN"));
    }
    let number = params.number("PageNumber", 1, usize::MAX, 1)?;
    let size = params.number("PageSize", 1, 50, 10)?;
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
    let (page, total) = paging::numbered(found.collect(), number, size);
    let items: Vec<Value> = page
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
    Ok(Answer::of(json!({"VpnAttachments": items, "TotalCount": total, "PageNumber": number, "PageSize": size})))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use crate::simulator::Change;
    use crate::simulator::testing::{Bench, CEN, Key, RESOURCE, TR};

    const VPN: &str = "vco-bp1bbi27hojx80nck0001";
    const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";

    async fn shown(bench: &Bench, key: Key, more: &str) -> Value {
        let params = format!("RegionId=cn-hangzhou&VpnConnectionId={VPN}{more}");
        bench.call(key, "DescribeVpnAttachments", &params).await.json()
    }

    fn attach(bench: &Bench) {
        let instance = VPN.parse().unwrap();
        bench.simulator.change(Change::Attach { transit_router: ROUTER.into(), instance }).unwrap();
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
        let change = Change::Detach { cen: CEN.parse().unwrap(), instance: VPN.parse().unwrap() };
        bench.simulator.change(change).unwrap();
        assert_eq!(shown(&bench, RESOURCE, "").await["VpnAttachments"][0]["AttachType"], "NO_ASSOCIATED");
    }
}
