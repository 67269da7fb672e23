//! Attachments to transit routers of the Enterprise Edition: API §A.7, §A.8, §A.10 and §A.11, one operation per type.

use jiff::Timestamp;
use serde_json::{Map, Value, json};

use super::cbn::{minute, uid};
use super::codec;
use super::envelope::Refusal;
use super::ledger::Effect;
use super::operations::Answer;
use super::paging;
use super::request::Call;
use super::switches::Reply;
use super::world::{Attachment, Edition, Status, World};
use crate::clock::later;
use crate::domain::{CenId, InstanceId, InstanceType, Region};

/// Lists the attachments of one type in the caller's CENs. Another account's CEN has none (API §I).
pub(super) fn list(world: &mut World, call: &Call, kind: InstanceType) -> Result<Answer, Refusal> {
    let params = &call.params;
    let illegal = |name: &str| Refusal::bad(format!("IllegalParam.{name}"), format!("The {name} is not valid."));
    let cen: Option<CenId> = params.parsed("CenId").map_err(|_| illegal("CenId"))?;
    let region: Option<Region> = params.parsed("RegionId").map_err(|_| illegal("Region"))?;
    let (router, id) = (params.text("TransitRouterId"), params.text("TransitRouterAttachmentId"));
    let max = params.number("MaxResults", 1, 100, 20).map_err(|_| illegal("MaxResults"))?;
    let read = |token| codec::read_page_token(&call.operation, token).ok_or_else(|| illegal("NextToken"));
    let token = params.text("NextToken").map(read).transpose()?;
    let of_vpc = |name: &str| params.text(name).filter(|_| kind == InstanceType::VPC);
    let vpc: Option<InstanceId> = of_vpc("VpcId").map(InstanceId::parse).transpose().map_err(|_| illegal("VpcId"))?;
    let (status, order_type) = (of_vpc("Status"), of_vpc("OrderType"));
    // An attachment here has no tags.
    let tagged = params.text("Tag.1.Key").is_some();

    let of_router = router.and_then(|router| Some(&world.routers.get(router)?.cen));
    let candidates: Vec<&String> = match (&vpc, of_router.or(cen.as_ref())) {
        (Some(vpc), _) => world.instances.get(vpc).into_iter().flat_map(|i| &i.attachments).collect(),
        (None, Some(cen)) => world.cens.get(cen).into_iter().flat_map(|c| &c.enterprise).collect(),
        (None, None) => world.cens.values().flat_map(|c| &c.enterprise).collect(),
    };
    let mut found: Vec<(String, &Attachment)> = candidates
        .into_iter()
        .filter_map(|id| Some((id.clone(), world.attachments.get(id)?.as_of(call.as_of)?)))
        .filter(|(key, a)| {
            !tagged
                && a.edition == Edition::Enterprise
                && a.instance.as_str().starts_with(kind.prefix())
                && world.cens.get(&a.cen).is_some_and(|c| c.owner == call.caller.account)
                && cen.as_ref().is_none_or(|cen| a.cen == *cen)
                && region.as_ref().is_none_or(|region| a.region == *region)
                && router.is_none_or(|router| a.router == router)
                && id.is_none_or(|id| key == id)
                && status.is_none_or(|status| json!(a.status) == status)
                && order_type.is_none_or(|order_type| a.order_type.as_str() == order_type)
        })
        .collect();
    found.sort_by(|a, b| a.0.cmp(&b.0));
    let keyed = found.into_iter().map(|(id, a)| (id.clone(), (id, a)));
    let page = paging::after(&call.operation, keyed, token.as_deref(), max);
    let items: Vec<Value> = page.items.iter().map(|(id, a)| item(world, id, a, kind)).collect();
    let (shown, total, next) = (items.len(), page.total, page.next);
    Ok(Answer::of(
        json!({"TransitRouterAttachments": items, "TotalCount": total, "MaxResults": shown, "NextToken": next}),
    ))
}

/// Changes an attachment's payer, the transit-router account's half of a payer change. The attachment is `Modifying`
/// for a while and has the new payer when it is `Attached` again.
pub(super) fn update(world: &mut World, call: &Call, kind: InstanceType) -> Result<Answer, Refusal> {
    let id = call.params.required("TransitRouterAttachmentId")?;
    let order_type = call.params.order_type()?;
    let dry_run = call.params.flag("DryRun")?;
    let mut attachment = own(world, call, id, kind)?.ok_or_else(not_found)?;
    if kind == InstanceType::ECR && order_type.is_some() {
        return Err(Refusal::bad("OperationUnsupported.action", "The payer of ECR cannot be changed."));
    }
    at_rest(&attachment)?;
    if let (Some(asked), Reply::Error) = (order_type, world.switches.update_before_grant) {
        let grant = world.grant_of(&attachment.cen, &attachment.instance, super::history::AsOf::Now);
        if grant.is_some_and(|g| g.order_type != asked) {
            let message = "The resource account has not set this payer on the grant.";
            return Err(Refusal::bad("OperationFailed.SimGrantNotFirst", message));
        }
    }
    let changed = order_type.filter(|asked| *asked != attachment.order_type);
    if let Some(to) = changed {
        world.cooled_down(call, &attachment.cen, &attachment.instance, to)?;
    }
    if dry_run {
        return dry(matches!(kind, InstanceType::VBR | InstanceType::VPN));
    }
    let effect = effect(call, id, &attachment, order_type);
    if let Some(to) = changed {
        world.payer_changed(call.now, &attachment.cen, &attachment.instance, to);
    }
    attachment.status = Status::Modifying;
    attachment.becoming = order_type;
    world.busy(id, call.now, later(call.now, world.switches.delay()), attachment);
    Ok(Answer::bare().with(effect))
}

/// Removes an attachment: `Detaching` for a while, then gone.
pub(super) fn delete(world: &mut World, call: &Call, kind: InstanceType) -> Result<Answer, Refusal> {
    let id = call.params.required("TransitRouterAttachmentId")?;
    call.params.flag("Force")?;
    let dry_run = call.params.flag("DryRun")?;
    let Some(mut attachment) = own(world, call, id, kind)? else {
        // Two of the four answer an unknown id with a 200 (API §A.10).
        return match kind {
            InstanceType::VPN | InstanceType::ECR => Ok(Answer::bare()),
            _ => Err(not_found()),
        };
    };
    at_rest(&attachment)?;
    if dry_run {
        return dry(kind == InstanceType::VPN);
    }
    let effect = effect(call, id, &attachment, None);
    attachment.status = Status::Detaching;
    world.busy(id, call.now, later(call.now, world.switches.delay()), attachment);
    Ok(Answer::bare().with(effect))
}

/// Attaches an instance: `Attaching` for a while, with the payer of its grant (API §A.7).
pub(super) fn create(world: &mut World, call: &Call, kind: InstanceType) -> Result<Answer, Refusal> {
    let params = &call.params;
    let word = word(kind);
    let instance: InstanceId = params.needed(&format!("{word}Id"))?;
    let dry_run = params.flag("DryRun")?;
    let router = match params.text("TransitRouterId") {
        Some(id) => id.to_owned(),
        None => {
            let (cen, region): (CenId, Region) = (params.needed("CenId")?, params.needed("RegionId")?);
            let routers = world.cens.get(&cen).into_iter().flat_map(|c| &c.routers);
            let mut here = routers.filter(|id| world.routers.get(*id).is_some_and(|r| r.region == region));
            here.next().cloned().ok_or_else(|| Refusal::invalid("RegionId", "there is no transit router"))?
        }
    };
    let known = world.routers.get(&router).filter(|r| r.edition == Edition::Enterprise);
    let known = known.ok_or_else(|| Refusal::invalid("TransitRouterId", "there is none of the Enterprise Edition"))?;
    let cen = known.cen.clone();
    let owner = world.cens.get(&cen).map(|c| &c.owner);
    if owner != Some(&call.caller.account) {
        return Err(Refusal::unauthorized(&router));
    }
    if world.instances.get(&instance).is_none_or(|i| i.instance.kind != kind) {
        return Err(Refusal::invalid(&format!("{word}Id"), "there is no such instance"));
    }
    let resource_account = world.instances.get(&instance).map(|state| world.account_of(&state.instance.owner));
    if resource_account.is_some_and(|account| !account.transit_router_service) {
        let message = "The resource account has not activated the transit-router service.";
        return Err(Refusal::bad("Forbidden.ResourceOwnerTransitRouterServiceNotOpen", message));
    }
    if !world.may_attach(&cen, &instance) {
        return Err(Refusal::bad("OperationFailed.SimGrantMissing", "The instance is not granted to this CEN."));
    }
    let attached = world.attachments_of(&cen, &instance).iter().any(|(_, a)| a.router == router);
    if attached || kind == InstanceType::VPN && world.attached_anywhere(&instance) {
        return Err(Refusal::new(409, "InvalidOperation.ChildInstanceAlreadyAttached", "It is attached already."));
    }
    if dry_run {
        return dry(kind == InstanceType::VPN || kind == InstanceType::VBR);
    }
    let stamp = world.writing(call.now);
    let id = format!("tr-attach-sim{:013}", stamp.seq);
    world.attach(stamp, &id, &router, &instance, Status::Attaching, None);
    world.due.insert((later(call.now, world.switches.delay()), id.clone()));
    let client_token = params.text("ClientToken").map(str::to_owned);
    let order_type = world.attachments.get(&id).and_then(|h| h.now()).map(|a| a.order_type);
    let (cen, instance) = (Some(cen), Some(instance));
    let effect = Effect { cen, instance, attachment: Some(id.clone()), order_type, client_token };
    Ok(Answer::of(json!({"TransitRouterAttachmentId": id})).with(effect))
}

/// The caller's attachment of that type and id.
fn own(world: &World, call: &Call, id: &str, kind: InstanceType) -> Result<Option<Attachment>, Refusal> {
    let attachment = world.attachments.get(id).and_then(|h| h.now());
    let attachment =
        attachment.filter(|a| a.edition == Edition::Enterprise && a.instance.as_str().starts_with(kind.prefix()));
    let Some(attachment) = attachment else { return Ok(None) };
    if world.cens.get(&attachment.cen).is_none_or(|c| c.owner != call.caller.account) {
        return Err(Refusal::unauthorized(id));
    }
    Ok(Some(attachment.clone()))
}

fn not_found() -> Refusal {
    Refusal::bad("InvalidTransitRouterAttachmentId.NotFound", "There is no such attachment of this type.")
}

/// Only reads are good for an attachment that is busy (API §A.7).
pub(super) fn at_rest(attachment: &Attachment) -> Result<(), Refusal> {
    if attachment.status == Status::Attached {
        return Ok(());
    }
    Err(Refusal::bad("IncorrectStatus.Status", format!("The attachment is {:?}.", attachment.status)))
}

/// A dry run that passed: an error for some operations, a RequestId for others (API §H10).
fn dry(as_error: bool) -> Result<Answer, Refusal> {
    if as_error {
        return Err(Refusal::bad("DryRunOperation", "The request would have succeeded."));
    }
    Ok(Answer::bare())
}

pub(super) fn effect(
    call: &Call,
    id: &str,
    attachment: &Attachment,
    order_type: Option<crate::domain::OrderType>,
) -> Effect {
    Effect {
        cen: Some(attachment.cen.clone()),
        instance: Some(attachment.instance.clone()),
        attachment: Some(id.to_owned()),
        order_type,
        client_token: call.params.text("ClientToken").map(str::to_owned),
    }
}

/// How field and parameter names spell a type.
fn word(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::VPC => "Vpc",
        InstanceType::VBR => "Vbr",
        InstanceType::VPN => "Vpn",
        InstanceType::ECR => "Ecr",
        InstanceType::CCN => "Ccn",
    }
}

fn item(world: &World, id: &str, attachment: &Attachment, kind: InstanceType) -> Value {
    let created: Timestamp = attachment.created;
    let mut item = Map::new();
    let mut put = |name: &str, value: Value| item.insert(name.to_owned(), value);
    put("TransitRouterAttachmentId", id.into());
    put("TransitRouterAttachmentName", "".into());
    put("TransitRouterAttachmentDescription", "".into());
    put("TransitRouterId", attachment.router.as_str().into());
    put("CenId", json!(attachment.cen));
    put("ResourceType", kind.as_str().into());
    put("Status", json!(attachment.status));
    put("OrderType", attachment.order_type.as_str().into());
    put("CreationTime", minute(created).into());
    put("AutoPublishRouteEnabled", false.into());
    put("Tags", json!([]));
    let word = word(kind);
    put(&format!("{word}Id"), json!(attachment.instance));
    if let Some(state) = world.instances.get(&attachment.instance) {
        put(&format!("{word}OwnerId"), uid(&state.instance.owner));
        if kind != InstanceType::ECR {
            put(&format!("{word}RegionId"), json!(state.instance.region));
        }
    }
    match kind {
        InstanceType::VPC => {
            put("ChargeType", "POSTPAY".into());
            put("ZoneMappings", json!([]));
        }
        InstanceType::VPN => {
            put("ChargeType", "POSTPAY".into());
            put("Zones", json!([]));
        }
        InstanceType::ECR => {
            put("TransitRouterRegionId", json!(attachment.region));
        }
        InstanceType::VBR | InstanceType::CCN => {}
    }
    Value::Object(item)
}

#[cfg(test)]
mod tests;
