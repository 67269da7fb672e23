//! Grants: the five operations of API §A.1 to §A.5.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::codec;
use super::envelope::Refusal;
use super::history::AsOf;
use super::ledger::Effect;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::switches::{EcrRules, Reply, Shown, TimeForm};
use super::world::{Grant, InstanceState, World};
use crate::domain::{AccountUid, CenId, InstanceId, InstanceType, OrderType, Region};

/// Gives a CEN the permission to attach an instance.
pub(super) fn grant(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let instance: InstanceId = call.params.needed("InstanceId")?;
    if !world.instances.contains_key(&instance) {
        // With the TAB that the vendor publishes (API §K).
        return Err(Refusal::new(404, "InvalidInstanceId.NotFound\t", format!("There is no {instance}.")));
    }
    let target = Target::read(world, call)?;
    let order_type = call.params.order_type()?.unwrap_or(OrderType::PayByCenOwner);
    let account = world.account_of(&call.caller.account);
    if !account.transit_router_service {
        let message = "The transit-router service is not activated.";
        return Err(Refusal::bad("Forbbiden.TransitRouterServiceNotOpen", message));
    }
    if !account.service_linked_role {
        let message = "The service-linked role is missing, and the caller may not create it.";
        return Err(Refusal::bad("NoPermission.AliyunServiceRoleForCEN", message));
    }
    if !world.cens.contains_key(&target.cen) {
        return Err(Refusal::bad("IllegalParam.CenId", format!("There is no {}.", target.cen)));
    }
    grantable(world, call, &target.cen, &target.cen_owner)?;
    if target.granted(world) {
        return match world.switches.duplicate_grant {
            Reply::Ok => Ok(Answer::bare()),
            Reply::Error => Err(Refusal::bad("OperationFailed.SimGrantExist", "The instance is granted already.")),
        };
    }
    if target.kind == InstanceType::VBR && !world.switches.vbr_enabled {
        return Err(Refusal::bad("InvalidVbr.NotFound", "Cross-account VBR is not enabled."));
    }
    if target.kind == InstanceType::VPN && world.attached_anywhere(&target.instance) {
        return Err(Refusal::bad("OperationFailed.SimVpnAttached", "The IPsec connection is attached already."));
    }
    let stamp = world.writing(call.now);
    let grant = Grant { order_type, effective: order_type, turned: None, created: call.now };
    world.put_grant(&target.cen, &target.instance, stamp, Some(grant));
    Ok(Answer::bare().with(target.effect(Some(order_type))))
}

/// Whether the caller may grant anything to a CEN: it is that account's, on the same site.
pub(super) fn grantable(world: &World, call: &Call, cen: &CenId, owner: &AccountUid) -> Result<(), Refusal> {
    let Some(state) = world.cens.get(cen) else {
        return Err(Refusal::bad("OperationFailed.SimCenNotExist", format!("There is no {cen}.")));
    };
    if state.owner != *owner {
        let message = format!("{cen} is not owned by {owner}.");
        return Err(Refusal::bad("OperationFailed.SimCenOwnerMismatch", message));
    }
    let site = |uid| world.accounts.get(uid).map(|a| a.site);
    if site(owner) != site(&call.caller.account) {
        return Err(Refusal::bad("OperationFailed.SimSiteMismatch", "The accounts are on different sites."));
    }
    Ok(())
}

/// Takes the permission back; refused while the instance is attached.
pub(super) fn revoke(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let target = Target::read(world, call)?;
    let owned = world.cens.get(&target.cen).is_some_and(|cen| cen.owner == target.cen_owner);
    if !owned || !target.granted(world) {
        return match world.switches.revoke_absent {
            Reply::Ok => Ok(Answer::bare()),
            Reply::Error => Err(no_grant()),
        };
    }
    if !world.attachments_of(&target.cen, &target.instance).is_empty() {
        return Err(Refusal::bad(&world.switches.revoke_attached, "The instance is attached."));
    }
    let stamp = world.writing(call.now);
    world.put_grant(&target.cen, &target.instance, stamp, None);
    Ok(Answer::bare().with(target.effect(None)))
}

/// Changes the payer on the grant, the resource account's half of a payer change.
pub(super) fn modify(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let cen: CenId = call.params.needed("CenId")?;
    let instance: InstanceId = call.params.needed("InstanceId")?;
    call.params.required("OrderType")?;
    let Some(order_type) = call.params.order_type()? else { return Ok(Answer::bare()) };
    let kind = owned(world, call, &instance)?.instance.kind;
    if matches!(kind, InstanceType::ECR | InstanceType::CCN) {
        return Err(Refusal::bad("OperationUnsupported.action", format!("The payer of {kind} cannot be changed.")));
    }
    let grant = world.grant_of(&cen, &instance, AsOf::Now).cloned().ok_or_else(no_grant)?;
    if world.switches.modify_unattached == Reply::Error && world.attachments_of(&cen, &instance).is_empty() {
        return Err(Refusal::bad("OperationFailed.SimNotAttached", "The instance is not attached."));
    }
    if grant.order_type == order_type {
        return match world.switches.modify_same {
            Reply::Ok => Ok(Answer::bare()),
            Reply::Error => Err(Refusal::bad("OperationFailed.SimSameOrderType", "This is the payer already.")),
        };
    }
    world.cooled_down(call, &cen, &instance, order_type)?;
    let stamp = world.writing(call.now);
    world.put_grant(&cen, &instance, stamp, Some(Grant { order_type, ..grant }));
    world.payer_changed(call.now, &cen, &instance, order_type);
    let client_token = call.params.text("ClientToken").map(str::to_owned);
    let (cen, instance) = (Some(cen), Some(instance));
    Ok(Answer::bare().with(Effect { cen, instance, attachment: None, order_type: Some(order_type), client_token }))
}

/// The grants of one instance, for its owner: a flat array (API §A.4).
pub(super) fn rules_to_resource(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
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
            let mut rule = Map::new();
            rule.insert("CenId".into(), json!(cen));
            rule.insert("CenOwnerId".into(), uid(owner));
            rule.insert("CreateTime".into(), minute(grant.created).into());
            payers(&mut rule, world, call, (cen, &instance, kind), grant);
            Value::Object(rule)
        })
        .collect();
    let (shown, total, next) = (rules.len(), page.total, page.next);
    Ok(Answer::of(json!({"GrantRules": rules, "TotalCount": total, "MaxResults": shown, "NextToken": next})))
}

/// The grants to one CEN, for its owner: `GrantRules.GrantRule` (API §A.5).
pub(super) fn rules_to_cen(world: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let cen: CenId = call.params.needed("CenId")?;
    let kind = cen_kind(call)?;
    if kind == InstanceType::ECR && world.switches.ecr_to_cen == EcrRules::Error {
        return Err(Refusal::invalid("ProductType", "ECR is not known here"));
    }
    let region: Option<Region> = call.params.parsed("RegionId")?;
    let child: Option<InstanceId> = call.params.parsed("ChildInstanceId")?;
    let child_owner: Option<AccountUid> = call.params.parsed("ChildInstanceOwnerId")?;
    let max = max_results(call)?;
    let token = token(call)?;
    // The wrong account gets neither rules nor an error (API §J).
    let Some(state) = world.cens.get(&cen).filter(|c| c.owner == call.caller.account) else {
        return Ok(Answer::bare());
    };
    let all = match &child {
        Some(child) => state.grants.range(child..=child),
        None => state.grants.range::<InstanceId, _>(..),
    };
    let hidden = kind == InstanceType::ECR && world.switches.ecr_to_cen == EcrRules::Empty;
    let narrow = region.is_some() || child_owner.is_some();
    // All are counted for every page, so that only what is asked for is looked up: the id tells the type.
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
            let mut rule = Map::new();
            rule.insert("CenId".into(), json!(cen));
            rule.insert("CenOwnerId".into(), uid(&state.owner));
            rule.insert("ChildInstanceId".into(), json!(instance.id));
            rule.insert("ChildInstanceOwnerId".into(), uid(&instance.owner));
            rule.insert("ChildInstanceRegionId".into(), json!(instance.region));
            rule.insert("ChildInstanceType".into(), kind.as_str().into());
            let created = match world.switches.create_time {
                TimeForm::Text => minute(grant.created).into(),
                TimeForm::Number => grant.created.as_millisecond().into(),
            };
            rule.insert("CreateTime".into(), created);
            payers(&mut rule, world, call, (&cen, &instance.id, kind), grant);
            Some(Value::Object(rule))
        })
        .collect();
    let (shown, total, next) = (rules.len(), page.total, page.next);
    Ok(Answer::of(
        json!({"GrantRules": {"GrantRule": rules}, "TotalCount": total, "MaxResults": shown, "NextToken": next}),
    ))
}

/// What grant and revoke are about.
struct Target {
    cen: CenId,
    cen_owner: AccountUid,
    instance: InstanceId,
    kind: InstanceType,
}

impl Target {
    /// Reads the parameters, and holds them against the instance they name and its owner.
    fn read(world: &World, call: &Call) -> Result<Self, Refusal> {
        let params = &call.params;
        let target = Self {
            cen: params.needed("CenId")?,
            cen_owner: params.needed("CenOwnerId")?,
            instance: params.needed("InstanceId")?,
            kind: grant_kind(call, "InstanceType")?,
        };
        let region: Option<Region> = params.parsed("RegionId")?;
        let instance = &owned(world, call, &target.instance)?.instance;
        if instance.kind != target.kind {
            return Err(Refusal::invalid("InstanceType", format!("{} is a {}", instance.id, instance.kind)));
        }
        if region.is_some_and(|region| region != instance.region) {
            return Err(Refusal::invalid("RegionId", format!("{} is in {}", instance.id, instance.region)));
        }
        Ok(target)
    }

    fn granted(&self, world: &World) -> bool {
        world.grant_of(&self.cen, &self.instance, AsOf::Now).is_some()
    }

    fn effect(self, order_type: Option<OrderType>) -> Effect {
        let (cen, instance) = (Some(self.cen), Some(self.instance));
        Effect { cen, instance, attachment: None, order_type, client_token: None }
    }
}

fn owned<'w>(world: &'w World, call: &Call, instance: &InstanceId) -> Result<&'w InstanceState, Refusal> {
    let state = world.instances.get(instance).filter(|s| s.instance.owner == call.caller.account);
    state.ok_or_else(|| Refusal::unauthorized(instance))
}

fn no_grant() -> Refusal {
    Refusal::bad("OperationFailed.GrantCrossAccountNotExist", "There is no such cross-account grant.")
}

/// A type as the resource account's operations spell it: a VBR is `ExpressConnect` here, and CCN is unknown (API §H1).
fn grant_kind(call: &Call, name: &str) -> Result<InstanceType, Refusal> {
    match call.params.required(name)? {
        "VPC" => Ok(InstanceType::VPC),
        "ExpressConnect" => Ok(InstanceType::VBR),
        "VPN" => Ok(InstanceType::VPN),
        "ECR" => Ok(InstanceType::ECR),
        other => Err(Refusal::invalid(name, format!("{other} is none of VPC, ExpressConnect, VPN, ECR"))),
    }
}

/// A type as `DescribeGrantRulesToCen` spells it: a VBR is `VBR`.
fn cen_kind(call: &Call) -> Result<InstanceType, Refusal> {
    let text = call.params.required("ProductType")?;
    InstanceType::parse(text)
        .ok_or_else(|| Refusal::invalid("ProductType", format!("{text} is none of VPC, VBR, CCN, VPN, ECR")))
}

/// How many rules a page has: all of them unless the caller says how many (API §A.4, §K).
fn max_results(call: &Call) -> Result<usize, Refusal> {
    let max = call.params.number("MaxResults", 0, 100, 0)?;
    Ok(if max == 0 { usize::MAX } else { max })
}

fn token(call: &Call) -> Result<Option<String>, Refusal> {
    let read = |token| codec::read_page_token(&call.operation, token);
    let wrong = || Refusal::invalid("NextToken", "it is not a token of this listing");
    call.params.text("NextToken").map(|token| read(token).ok_or_else(wrong)).transpose()
}

fn payers(
    rule: &mut Map<String, Value>,
    world: &World,
    call: &Call,
    (cen, instance, kind): (&CenId, &InstanceId, InstanceType),
    grant: &Grant,
) {
    // A CCN has no payer.
    if kind == InstanceType::CCN {
        return;
    }
    rule.insert("OrderType".into(), grant.order_type.as_str().into());
    let shown = match world.switches.effective_order_type {
        Shown::Always => true,
        Shown::Attached => !world.attachments_of(cen, instance).is_empty(),
        Shown::Never => false,
    };
    if shown {
        let effective = grant.effective_shown(call.now, world.switches.shown_late());
        rule.insert("EffectiveOrderType".into(), effective.as_str().into());
    }
}

/// A uid as the vendor writes it: a JSON integer, though it has 16 digits.
pub(super) fn uid(uid: &AccountUid) -> Value {
    uid.as_str().parse::<u64>().map_or_else(|_| json!(uid), Value::from)
}

/// A time as these products write it: without seconds (API §1).
pub(super) fn minute(at: Timestamp) -> String {
    at.strftime("%Y-%m-%dT%H:%MZ").to_string()
}

#[cfg(test)]
mod tests;
