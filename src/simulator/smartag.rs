//! The grants of CCNs: the three Smartag operations of API §A.6. They write the same kind of grant as Cbn's operations, so
//! `DescribeGrantRulesToCen` shows it, but without a payer.

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success, uid};
use super::cbn::grantable;
use super::history::AsOf;
use super::ledger::LedgerEffect;
use super::paging::NumberedPage;
use super::request::ApiCall;
use super::world::{InstanceState, World, WorldGrant};
use crate::domain::{AccountUid, CenId, InstanceId, InstanceType, OrderType, Region};

/// Allows a CEN to attach a CCN.
pub(super) fn grant(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let (ccn, cen) = ccn_and_cen(world, call)?;
    let owner: AccountUid = call.params.needed("CenUid")?;
    if call.params.flag("GrantTrafficService")? {
        // The vendor allows it, but may refuse to revoke such a grant, so no client must ask for it.
        let message = "A grant with GrantTrafficService may not be revocable.";
        return Err(ErrorAnswer::bad("OperationFailed.SimGrantTrafficService", message));
    }
    grantable(world, call, &cen, &owner)?;
    if world.grant_of(&cen, &ccn, AsOf::Now).is_some() {
        let error = ErrorAnswer::bad("DuplicatedGrantRule", "The CCN is already granted to the CEN.");
        return world.switches.duplicate_grant.answer(error);
    }
    let stamp = world.write_stamp(call.now);
    world.put_grant(&cen, &ccn, stamp, Some(WorldGrant::new(OrderType::PayByCenOwner, call.now)));
    Ok(Success::bare().with(LedgerEffect::on(cen, ccn, None)))
}

/// Revokes the grant of a CCN, unless the CCN is attached.
pub(super) fn revoke(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let (ccn, cen) = ccn_and_cen(world, call)?;
    if world.grant_of(&cen, &ccn, AsOf::Now).is_none() {
        let error = ErrorAnswer::new(404, "InvalidInstanceId.NotFound", "There is no such grant.");
        return world.switches.revoke_absent.answer(error);
    }
    if !world.attachments_of(&cen, &ccn).is_empty() {
        return Err(ErrorAnswer::bad("OperationFailed.SimAttachmentExist", "The CCN is attached."));
    }
    let stamp = world.write_stamp(call.now);
    world.put_grant(&cen, &ccn, stamp, None);
    Ok(Success::bare().with(LedgerEffect::on(cen, ccn, None)))
}

/// Lists the grants of the caller's CCNs in a region, or of one CCN. Of another account's CCN it shows none (API §I).
pub(super) fn rules(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let region: Region = params.needed("RegionId")?;
    let ccn: Option<InstanceId> = params.parsed("AssociatedCcnId")?;
    let page = NumberedPage::asked(params)?;
    let here = |state: &&InstanceState| state.instance.kind == InstanceType::CCN && state.instance.region == region;
    let states: Vec<&InstanceState> = match &ccn {
        Some(ccn) => vec![world.instances.get(ccn).filter(here).ok_or_else(|| no_ccn(ccn))?],
        None => world.instances.values().filter(here).collect(),
    };
    let own = states.into_iter().filter(|state| state.instance.owner == call.caller.account);
    let world = &*world;
    let found = own.flat_map(|state| {
        state.cens.iter().filter_map(move |cen| {
            Some((state, cen, world.cens.get(cen)?, world.grant_of(cen, &state.instance.id, call.as_of)?))
        })
    });
    let (shown, total) = page.of(found.collect());
    let items: Vec<Value> = shown
        .into_iter()
        .map(|(state, cen, cen_state, grant)| {
            let created = grant.created.as_millisecond();
            json!({
                "GrantRuleId": format!("{}-{cen}", state.instance.id),
                "CcnInstanceId": state.instance.id,
                "CcnUid": uid(&state.instance.owner),
                "CenInstanceId": cen,
                "CenUid": uid(&cen_state.owner),
                "RegionId": region,
                "GmtCreate": created,
                "GmtModified": created,
                "GrantTrafficService": false,
            })
        })
        .collect();
    Ok(page.answer("GrantRules", json!({"GrantRule": items}), total))
}

/// The CCN and the CEN that a call names. The CCN must be in the region of the call and belong to the caller.
fn ccn_and_cen(world: &World, call: &ApiCall) -> Result<(InstanceId, CenId), ErrorAnswer> {
    let ccn: InstanceId = call.params.needed("CcnInstanceId")?;
    let cen: CenId = call.params.needed("CenInstanceId")?;
    let region: Region = call.params.needed("RegionId")?;
    let state = world.instances.get(&ccn).map(|state| &state.instance);
    let here = state.filter(|i| i.kind == InstanceType::CCN && i.region == region).ok_or_else(|| no_ccn(&ccn))?;
    if here.owner != call.caller.account {
        return Err(ErrorAnswer::unauthorized(&ccn));
    }
    Ok((ccn, cen))
}

fn no_ccn(ccn: &InstanceId) -> ErrorAnswer {
    ErrorAnswer::bad("CcnNotExist", format!("There is no {ccn} in this region."))
}

#[cfg(test)]
mod tests;
