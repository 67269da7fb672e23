//! The one read of the Vpc product: to what the caller's IPsec-VPN connections are attached (API §A.14).

use serde_json::{Value, json};

use super::envelope::Refusal;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::world::World;
use crate::domain::{InstanceId, InstanceType, Region};

/// Lists the connections of the caller in a region that are attached to a transit router, of whatever account.
pub(super) fn vpn_attachments(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let params = &call.params;
    let region: Region = params.needed("RegionId")?;
    let wanted: Option<InstanceId> = params.parsed("VpnConnectionId")?;
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
        attachments.map(|attachment| (&state.instance, attachment))
    });
    let (page, total) = paging::numbered(found.collect(), number, size);
    let items: Vec<Value> = page
        .into_iter()
        .map(|(instance, attachment)| {
            let owner = world.cens.get(&attachment.cen).map(|cen| &cen.owner);
            json!({
                "InstanceId": instance.id,
                "AttachType": "CEN",
                "CrossAccountAuthorized": owner != Some(&instance.owner),
                "TransitRouterId": attachment.router,
                "TransitRouterName": "",
                "Description": "",
            })
        })
        .collect();
    Ok(Answer::of(json!({"VpnAttachments": items, "TotalCount": total, "PageNumber": number, "PageSize": size})))
}
