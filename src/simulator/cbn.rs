//! Grants of the resource account, and the two lists of grant rules: API §A.1 to §A.5.

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success, minute, uid};
use super::codec;
use super::history::AsOf;
use super::ledger::LedgerEffect;
use super::paging;
use super::request::ApiCall;
use super::switches::{EcrRules, OkOrError, Shown, TimeForm};
use super::world::{InstanceState, World, WorldGrant};
use crate::domain::{AccountUid, CenId, InstanceId, InstanceType, OrderType, Region};

/// Allows a CEN to attach an instance.
pub(super) fn grant(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let instance: InstanceId = call.params.needed("InstanceId")?;
    if !world.instances.contains_key(&instance) {
        // With the TAB that the vendor publishes (API §K).
        return Err(ErrorAnswer::new(404, "InvalidInstanceId.NotFound\t", format!("There is no {instance}.")));
    }
    let asked = GrantParams::read(world, call)?;
    let order_type = call.params.order_type()?.unwrap_or(OrderType::PayByCenOwner);
    let account = world.account_of(&call.caller.account);
    if !account.transit_router_service {
        let message = "The transit-router service is not activated.";
        return Err(ErrorAnswer::bad("Forbbiden.TransitRouterServiceNotOpen", message));
    }
    if !account.service_linked_role {
        let message = "The service-linked role is missing, and the caller may not create it.";
        return Err(ErrorAnswer::bad("NoPermission.AliyunServiceRoleForCEN", message));
    }
    if !world.cens.contains_key(&asked.cen) {
        return Err(ErrorAnswer::bad("IllegalParam.CenId", format!("There is no {}.", asked.cen)));
    }
    grantable(world, call, &asked.cen, &asked.cen_owner)?;
    if asked.granted(world) {
        let error = ErrorAnswer::bad("OperationFailed.SimGrantExist", "The instance is already granted.");
        return world.switches.duplicate_grant.answer(error);
    }
    if asked.kind == InstanceType::VBR && !world.switches.vbr_enabled {
        return Err(ErrorAnswer::bad("InvalidVbr.NotFound", "Cross-account VBR is not enabled."));
    }
    if asked.kind == InstanceType::VPN && world.attached(&asked.instance).next().is_some() {
        return Err(ErrorAnswer::bad("OperationFailed.SimVpnAttached", "The connection is already attached."));
    }
    let stamp = world.write_stamp(call.now);
    world.put_grant(&asked.cen, &asked.instance, stamp, Some(WorldGrant::new(order_type, call.now)));
    Ok(Success::bare().with(asked.effect(Some(order_type))))
}

/// # Errors
/// The caller cannot grant anything to the CEN: it is unknown, another account's than named, or on another site.
pub(super) fn grantable(world: &World, call: &ApiCall, cen: &CenId, owner: &AccountUid) -> Result<(), ErrorAnswer> {
    let Some(state) = world.cens.get(cen) else {
        return Err(ErrorAnswer::bad("OperationFailed.SimCenNotExist", format!("There is no {cen}.")));
    };
    if state.owner != *owner {
        let message = format!("{cen} is not owned by {owner}.");
        return Err(ErrorAnswer::bad("OperationFailed.SimCenOwnerMismatch", message));
    }
    let site = |uid| world.accounts.get(uid).map(|a| a.site);
    if site(owner) != site(&call.caller.account) {
        return Err(ErrorAnswer::bad("OperationFailed.SimSiteMismatch", "The accounts belong to different sites."));
    }
    Ok(())
}

/// Revokes a grant, unless the instance is attached.
pub(super) fn revoke(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let asked = GrantParams::read(world, call)?;
    let owned = world.cens.get(&asked.cen).is_some_and(|cen| cen.owner == asked.cen_owner);
    if !owned || !asked.granted(world) {
        return world.switches.revoke_absent.answer(no_grant());
    }
    if !world.attachments_of(&asked.cen, &asked.instance).is_empty() {
        return Err(ErrorAnswer::bad(&world.switches.revoke_attached, "The instance is attached."));
    }
    let stamp = world.write_stamp(call.now);
    world.put_grant(&asked.cen, &asked.instance, stamp, None);
    Ok(Success::bare().with(asked.effect(None)))
}

/// Writes the payer on the grant: the resource account's half of a payer change.
pub(super) fn modify(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let cen: CenId = call.params.needed("CenId")?;
    let instance: InstanceId = call.params.needed("InstanceId")?;
    call.params.required("OrderType")?;
    let Some(order_type) = call.params.order_type()? else { return Ok(Success::bare()) };
    let kind = owned(world, call, &instance)?.instance.kind;
    if matches!(kind, InstanceType::ECR | InstanceType::CCN) {
        return Err(ErrorAnswer::bad("OperationUnsupported.action", format!("The payer of {kind} cannot be changed.")));
    }
    let grant = world.grant_of(&cen, &instance, AsOf::Now).cloned().ok_or_else(no_grant)?;
    if world.switches.modify_unattached == OkOrError::Error && world.attachments_of(&cen, &instance).is_empty() {
        return Err(ErrorAnswer::bad("OperationFailed.SimNotAttached", "The instance is not attached."));
    }
    if grant.order_type == order_type {
        let error = ErrorAnswer::bad("OperationFailed.SimSameOrderType", "The grant already names this payer.");
        return world.switches.modify_same.answer(error);
    }
    world.cooled_down(call, &cen, &instance, order_type)?;
    let stamp = world.write_stamp(call.now);
    world.put_grant(&cen, &instance, stamp, Some(WorldGrant { order_type, ..grant }));
    world.payer_changed(call.now, &cen, &instance, order_type);
    let effect = LedgerEffect::on(cen, instance, Some(order_type));
    Ok(Success::bare().with(LedgerEffect { client_token: call.client_token(), ..effect }))
}

/// Lists the grants of one instance for its owner, in a flat array (API §A.4).
pub(super) fn rules_to_resource(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let instance: InstanceId = call.params.needed("ResourceId")?;
    let kind = grant_kind(call, "ProductType")?;
    call.params.parsed::<Region>("RegionId")?;
    let max = max_results(call)?;
    let state = world.instances.get(&instance);
    let state = state.filter(|s| s.instance.owner == call.caller.account && s.instance.kind == kind);
    let cens = state.into_iter().flat_map(|s| &s.cens);
    let rules = cens.filter_map(|cen| {
        let grant = world.grant_of(cen, &instance, call.as_of)?;
        Some((cen.as_str(), (cen, &world.cens.get(cen)?.owner, grant)))
    });
    let page = paging::after(&call.operation, rules, token(call)?.as_deref(), max);
    let rules: Vec<Value> = page
        .items
        .iter()
        .map(|(cen, owner, grant)| {
            let rule = json!({"CenId": cen, "CenOwnerId": uid(owner), "CreateTime": minute(grant.created)});
            with_payers(rule, world, call, (cen, &instance, kind), grant)
        })
        .collect();
    Ok(page.answer("GrantRules", json!(rules)))
}

/// Lists the grants to one CEN for its owner, in `GrantRules.GrantRule` (API §A.5).
pub(super) fn rules_to_cen(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let cen: CenId = call.params.needed("CenId")?;
    let kind = cen_kind(call)?;
    if kind == InstanceType::ECR && world.switches.ecr_to_cen == EcrRules::Error {
        return Err(ErrorAnswer::invalid("ProductType", "ECR is not a value of it"));
    }
    let region: Option<Region> = call.params.parsed("RegionId")?;
    let child: Option<InstanceId> = call.params.parsed("ChildInstanceId")?;
    let child_owner: Option<AccountUid> = call.params.parsed("ChildInstanceOwnerId")?;
    let max = max_results(call)?;
    let token = token(call)?;
    // Another account gets neither grant rules nor an error (API §J).
    let Some(state) = world.cens.get(&cen).filter(|c| c.owner == call.caller.account) else {
        return Ok(Success::bare());
    };
    let all = match &child {
        Some(child) => state.grants.range(child..=child),
        None => state.grants.range::<InstanceId, _>(..),
    };
    let hidden = kind == InstanceType::ECR && world.switches.ecr_to_cen == EcrRules::Empty;
    let narrow = region.is_some() || child_owner.is_some();
    // All grants are counted for every page. So instances are looked up only where a filter needs them: the type is in the
    // id.
    let rules = all.filter(|_| !hidden).filter_map(|(id, history)| {
        let grant = history.as_of(call.as_of).filter(|_| id.as_str().starts_with(kind.prefix()))?;
        if narrow {
            let instance = &world.instances.get(id)?.instance;
            let wanted = region.as_ref().is_none_or(|r| instance.region == *r)
                && child_owner.as_ref().is_none_or(|o| instance.owner == *o);
            return wanted.then_some((id.as_str(), (id, grant)));
        }
        Some((id.as_str(), (id, grant)))
    });
    let page = paging::after(&call.operation, rules, token.as_deref(), max);
    let rules: Vec<Value> = page
        .items
        .iter()
        .filter_map(|(id, grant)| {
            let instance = &world.instances.get(*id)?.instance;
            let created = match world.switches.create_time {
                TimeForm::Text => json!(minute(grant.created)),
                TimeForm::Number => json!(grant.created.as_millisecond()),
            };
            let rule = json!({
                "CenId": cen,
                "CenOwnerId": uid(&state.owner),
                "ChildInstanceId": instance.id,
                "ChildInstanceOwnerId": uid(&instance.owner),
                "ChildInstanceRegionId": instance.region,
                "ChildInstanceType": kind.as_str(),
                "CreateTime": created,
            });
            Some(with_payers(rule, world, call, (&cen, &instance.id, kind), grant))
        })
        .collect();
    Ok(page.answer("GrantRules", json!({"GrantRule": rules})))
}

/// The parameters that grant and revoke have in common.
struct GrantParams {
    cen: CenId,
    cen_owner: AccountUid,
    instance: InstanceId,
    kind: InstanceType,
}

impl GrantParams {
    /// # Errors
    /// A parameter is missing or has the wrong form, the instance is not the caller's, or it is of another type or region.
    fn read(world: &World, call: &ApiCall) -> Result<Self, ErrorAnswer> {
        let params = &call.params;
        let asked = Self {
            cen: params.needed("CenId")?,
            cen_owner: params.needed("CenOwnerId")?,
            instance: params.needed("InstanceId")?,
            kind: grant_kind(call, "InstanceType")?,
        };
        let region: Option<Region> = params.parsed("RegionId")?;
        let instance = &owned(world, call, &asked.instance)?.instance;
        if instance.kind != asked.kind {
            return Err(ErrorAnswer::invalid("InstanceType", format!("{} is of type {}", instance.id, instance.kind)));
        }
        if region.is_some_and(|region| region != instance.region) {
            return Err(ErrorAnswer::invalid("RegionId", format!("{} is in {}", instance.id, instance.region)));
        }
        Ok(asked)
    }

    fn granted(&self, world: &World) -> bool {
        world.grant_of(&self.cen, &self.instance, AsOf::Now).is_some()
    }

    fn effect(self, order_type: Option<OrderType>) -> LedgerEffect {
        LedgerEffect::on(self.cen, self.instance, order_type)
    }
}

fn owned<'w>(world: &'w World, call: &ApiCall, instance: &InstanceId) -> Result<&'w InstanceState, ErrorAnswer> {
    let state = world.instances.get(instance).filter(|s| s.instance.owner == call.caller.account);
    state.ok_or_else(|| ErrorAnswer::unauthorized(instance))
}

fn no_grant() -> ErrorAnswer {
    ErrorAnswer::bad("OperationFailed.GrantCrossAccountNotExist", "There is no such cross-account grant.")
}

/// Reads a type as the resource account's operations spell it: a VBR is `ExpressConnect`, and there is no CCN (API §H1).
fn grant_kind(call: &ApiCall, name: &str) -> Result<InstanceType, ErrorAnswer> {
    match call.params.required(name)? {
        "VPC" => Ok(InstanceType::VPC),
        "ExpressConnect" => Ok(InstanceType::VBR),
        "VPN" => Ok(InstanceType::VPN),
        "ECR" => Ok(InstanceType::ECR),
        other => Err(ErrorAnswer::invalid(name, format!("{other} is not VPC, ExpressConnect, VPN or ECR"))),
    }
}

/// Reads a type as `DescribeGrantRulesToCen` spells it: a VBR is `VBR`, and CCN is one.
fn cen_kind(call: &ApiCall) -> Result<InstanceType, ErrorAnswer> {
    let text = call.params.required("ProductType")?;
    InstanceType::parse(text)
        .ok_or_else(|| ErrorAnswer::invalid("ProductType", format!("{text} is not VPC, VBR, CCN, VPN or ECR")))
}

/// The most grant rules on a page: without a limit, all are on one (API §A.4, §K).
fn max_results(call: &ApiCall) -> Result<usize, ErrorAnswer> {
    let max = call.params.number("MaxResults", 0, 100, 0)?;
    Ok(if max == 0 { usize::MAX } else { max })
}

fn token(call: &ApiCall) -> Result<Option<String>, ErrorAnswer> {
    let read = |token| codec::read_page_token(&call.operation, token);
    let wrong = || ErrorAnswer::invalid("NextToken", "it is not a page token of this operation");
    call.params.text("NextToken").map(|token| read(token).ok_or_else(wrong)).transpose()
}

/// Adds the payers to a grant rule; the rule of a CCN has none.
fn with_payers(
    mut rule: Value,
    world: &World,
    call: &ApiCall,
    (cen, instance, kind): (&CenId, &InstanceId, InstanceType),
    grant: &WorldGrant,
) -> Value {
    if kind == InstanceType::CCN {
        return rule;
    }
    rule["OrderType"] = grant.order_type.as_str().into();
    let shown = match world.switches.effective_order_type {
        Shown::Always => true,
        Shown::Attached => !world.attachments_of(cen, instance).is_empty(),
        Shown::Never => false,
    };
    if shown {
        rule["EffectiveOrderType"] = grant.effective_shown(call.now, world.switches.shown_late()).as_str().into();
    }
    rule
}

#[cfg(test)]
mod tests;
