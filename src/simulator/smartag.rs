//! The grants of CCNs: the three Smartag operations of API §A.6. What they write is the same kind of grant as Cbn's, so
//! `DescribeGrantRulesToCen` shows it; a payer it has none.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::cbn::{grantable, uid};
use super::envelope::Refusal;
use super::history::AsOf;
use super::ledger::Effect;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::switches::Reply;
use super::world::{Grant, InstanceState, World};
use crate::domain::{AccountUid, CenId, InstanceId, InstanceType, OrderType, Region};

/// Gives a CEN the permission to attach a CCN.
pub(super) fn grant(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let (ccn, cen) = target(world, call)?;
    let owner: AccountUid = call.params.needed("CenUid")?;
    if call.params.flag("GrantTrafficService")? {
        // The vendor takes it, and may then never let the grant go: nobody here is to ask for that.
        return Err(Refusal::bad("OperationFailed.SimGrantTrafficService", "Such a grant may not be revocable."));
    }
    grantable(world, call, &cen, &owner)?;
    if world.grant_of(&cen, &ccn, AsOf::Now).is_some() {
        return match world.switches.duplicate_grant {
            Reply::Ok => Ok(Answer::bare()),
            Reply::Error => Err(Refusal::bad("DuplicatedGrantRule", "The CCN is granted to the CEN already.")),
        };
    }
    let stamp = world.writing(call.now);
    let order_type = OrderType::PayByCenOwner;
    world.put_grant(
        &cen,
        &ccn,
        stamp,
        Some(Grant { order_type, effective: order_type, turned: None, created: call.now }),
    );
    Ok(Answer::bare().with(effect(cen, ccn)))
}

/// Takes the permission back; refused while the CCN is attached.
pub(super) fn revoke(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let (ccn, cen) = target(world, call)?;
    if world.grant_of(&cen, &ccn, AsOf::Now).is_none() {
        return match world.switches.revoke_absent {
            Reply::Ok => Ok(Answer::bare()),
            Reply::Error => Err(Refusal::new(404, "InvalidInstanceId.NotFound", "There is no such grant.")),
        };
    }
    if !world.attachments_of(&cen, &ccn).is_empty() {
        return Err(Refusal::bad("OperationFailed.SimAttachmentExist", "The CCN is attached."));
    }
    let stamp = world.writing(call.now);
    world.put_grant(&cen, &ccn, stamp, None);
    Ok(Answer::bare().with(effect(cen, ccn)))
}

/// The grants of the caller's CCNs in a region, or of one of them. Another account's CCN has none (API §I).
pub(super) fn rules(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let params = &call.params;
    let region: Region = params.needed("RegionId")?;
    let ccn: Option<InstanceId> = params.parsed("AssociatedCcnId")?;
    let number = params.number("PageNumber", 1, usize::MAX, 1)?;
    let size = params.number("PageSize", 1, 50, 10)?;
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
    let (page, total) = paging::numbered(found.collect(), number, size);
    let items: Vec<Value> = page
        .into_iter()
        .map(|(state, cen, cen_state, grant)| {
            let created: Timestamp = grant.created;
            json!({
                "GrantRuleId": format!("{}-{cen}", state.instance.id),
                "CcnInstanceId": state.instance.id,
                "CcnUid": uid(&state.instance.owner),
                "CenInstanceId": cen,
                "CenUid": uid(&cen_state.owner),
                "RegionId": region,
                "GmtCreate": created.as_millisecond(),
                "GmtModified": created.as_millisecond(),
                "GrantTrafficService": false,
            })
        })
        .collect();
    let rules = json!({"GrantRule": items});
    Ok(Answer::of(json!({"GrantRules": rules, "TotalCount": total, "PageNumber": number, "PageSize": size})))
}

/// The CCN, which must be the caller's and lie in the region that is asked, and the CEN.
fn target(world: &World, call: &Call) -> Result<(InstanceId, CenId), Refusal> {
    let ccn: InstanceId = call.params.needed("CcnInstanceId")?;
    let cen: CenId = call.params.needed("CenInstanceId")?;
    let region: Region = call.params.needed("RegionId")?;
    let state = world.instances.get(&ccn).map(|state| &state.instance);
    let here = state.filter(|i| i.kind == InstanceType::CCN && i.region == region).ok_or_else(|| no_ccn(&ccn))?;
    if here.owner != call.caller.account {
        return Err(Refusal::unauthorized(&ccn));
    }
    Ok((ccn, cen))
}

fn no_ccn(ccn: &InstanceId) -> Refusal {
    Refusal::bad("CcnNotExist", format!("There is no {ccn} in this region."))
}

fn effect(cen: CenId, ccn: InstanceId) -> Effect {
    Effect { cen: Some(cen), instance: Some(ccn), ..Effect::default() }
}

#[cfg(test)]
mod tests;
