//! Attachments to transit routers of the Enterprise Edition (API §A.7, §A.8, §A.10, §A.11). The vendor has an operation for
//! each type of instance; one function serves them all.

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success, minute, uid};
use super::codec;
use super::history::AsOf;
use super::ledger::LedgerEffect;
use super::paging;
use super::request::ApiCall;
use super::switches::OkOrError;
use super::world::{AttachmentState, RouterEdition, Status, World};
use crate::domain::{CenId, InstanceId, InstanceType, OrderType, Region};

/// Lists the attachments of one type in the caller's CENs. Of another account's CEN it shows none (API §I).
pub(super) fn list(world: &mut World, call: &ApiCall, kind: InstanceType) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let illegal = |name: &str| ErrorAnswer::bad(format!("IllegalParam.{name}"), format!("The {name} is not valid."));
    let cen: Option<CenId> = params.parsed("CenId").map_err(|_| illegal("CenId"))?;
    let region: Option<Region> = params.parsed("RegionId").map_err(|_| illegal("Region"))?;
    let (router, id) = (params.text("TransitRouterId"), params.text("TransitRouterAttachmentId"));
    let max = params.number("MaxResults", 1, 100, 20).map_err(|_| illegal("MaxResults"))?;
    let read = |token| codec::read_page_token(&call.operation, token).ok_or_else(|| illegal("NextToken"));
    let token = params.text("NextToken").map(read).transpose()?;
    let of_vpc = |name: &str| params.text(name).filter(|_| kind == InstanceType::VPC);
    let vpc: Option<InstanceId> = of_vpc("VpcId").map(InstanceId::parse).transpose().map_err(|_| illegal("VpcId"))?;
    let (status, order_type) = (of_vpc("Status"), of_vpc("OrderType"));
    // A simulated attachment has no tags.
    let tagged = params.text("Tag.1.Key").is_some();

    let of_router = router.and_then(|router| Some(&world.routers.get(router)?.cen));
    let candidates: Vec<&String> = match (&vpc, of_router.or(cen.as_ref())) {
        (Some(vpc), _) => world.instances.get(vpc).into_iter().flat_map(|i| &i.attachments).collect(),
        (None, Some(cen)) => world.cens.get(cen).into_iter().flat_map(|c| &c.enterprise).collect(),
        (None, None) => world.cens.values().flat_map(|c| &c.enterprise).collect(),
    };
    let mut found: Vec<(String, &AttachmentState)> = candidates
        .into_iter()
        .filter_map(|id| Some((id.clone(), world.attachments.get(id)?.as_of(call.as_of)?)))
        .filter(|(key, a)| {
            !tagged
                && a.edition == RouterEdition::Enterprise
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
    Ok(page.answer("TransitRouterAttachments", json!(items)))
}

/// Writes the payer on an attachment: the transit-router account's half of a payer change. The attachment is `Modifying` for
/// the attachment delay, and has the new payer when it is `Attached` again.
pub(super) fn update(world: &mut World, call: &ApiCall, kind: InstanceType) -> Result<Success, ErrorAnswer> {
    let id = call.params.required("TransitRouterAttachmentId")?;
    let order_type = call.params.order_type()?;
    let dry_run = call.params.flag("DryRun")?;
    let mut attachment = own(world, call, id, kind)?.ok_or_else(not_found)?;
    if kind == InstanceType::ECR && order_type.is_some() {
        return Err(ErrorAnswer::bad("OperationUnsupported.action", "The payer of ECR cannot be changed."));
    }
    at_rest(&attachment)?;
    if let (Some(asked), OkOrError::Error) = (order_type, world.switches.update_before_grant) {
        let grant = world.grant_of(&attachment.cen, &attachment.instance, AsOf::Now);
        if grant.is_some_and(|g| g.order_type != asked) {
            let message = "The resource account has not set this payer on the grant.";
            return Err(ErrorAnswer::bad("OperationFailed.SimGrantNotFirst", message));
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
    world.busy(id, call.now, attachment);
    Ok(Success::bare().with(effect))
}

/// Deletes an attachment. It is `Detaching` for the attachment delay, then gone.
pub(super) fn delete(world: &mut World, call: &ApiCall, kind: InstanceType) -> Result<Success, ErrorAnswer> {
    let id = call.params.required("TransitRouterAttachmentId")?;
    call.params.flag("Force")?;
    let dry_run = call.params.flag("DryRun")?;
    let Some(attachment) = own(world, call, id, kind)? else {
        // Two of the four operations answer an unknown id with a 200 (API §A.10).
        return match kind {
            InstanceType::VPN | InstanceType::ECR => Ok(Success::bare()),
            _ => Err(not_found()),
        };
    };
    at_rest(&attachment)?;
    if dry_run {
        return dry(kind == InstanceType::VPN);
    }
    Ok(detached(world, call, id, attachment))
}

/// Begins to remove an attachment, whichever operation asked for it.
pub(super) fn detached(world: &mut World, call: &ApiCall, id: &str, attachment: AttachmentState) -> Success {
    let effect = effect(call, id, &attachment, None);
    world.busy(id, call.now, AttachmentState { status: Status::Detaching, ..attachment });
    Success::bare().with(effect)
}

/// Attaches an instance with the payer of its grant (API §A.7). The attachment is `Attaching` for the attachment delay.
pub(super) fn create(world: &mut World, call: &ApiCall, kind: InstanceType) -> Result<Success, ErrorAnswer> {
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
            here.next()
                .cloned()
                .ok_or_else(|| ErrorAnswer::invalid("RegionId", "the CEN has no transit router there"))?
        }
    };
    let known = world.routers.get(&router).filter(|r| r.edition == RouterEdition::Enterprise);
    let known = known.ok_or_else(|| {
        ErrorAnswer::invalid("TransitRouterId", "there is no such transit router of the Enterprise Edition")
    })?;
    let cen = known.cen.clone();
    let owner = world.cens.get(&cen).map(|c| &c.owner);
    if owner != Some(&call.caller.account) {
        return Err(ErrorAnswer::unauthorized(&router));
    }
    if world.instances.get(&instance).is_none_or(|i| i.instance.kind != kind) {
        return Err(ErrorAnswer::invalid(&format!("{word}Id"), "there is no such instance"));
    }
    let resource_account = world.instances.get(&instance).map(|state| world.account_of(&state.instance.owner));
    if resource_account.is_some_and(|account| !account.transit_router_service) {
        let message = "The resource account has not activated the transit-router service.";
        return Err(ErrorAnswer::bad("Forbidden.ResourceOwnerTransitRouterServiceNotOpen", message));
    }
    if !world.may_attach(&cen, &instance) {
        return Err(ErrorAnswer::bad("OperationFailed.SimGrantMissing", "The instance is not granted to this CEN."));
    }
    let attached = world.attachments_of(&cen, &instance).iter().any(|(_, a)| a.router == router);
    if attached || kind == InstanceType::VPN && world.attached(&instance).next().is_some() {
        let code = "InvalidOperation.ChildInstanceAlreadyAttached";
        return Err(ErrorAnswer::new(409, code, "The instance is already attached."));
    }
    if dry_run {
        return dry(kind == InstanceType::VPN || kind == InstanceType::VBR);
    }
    let stamp = world.write_stamp(call.now);
    let id = format!("tr-attach-sim{:013}", stamp.seq);
    world.attach(stamp, &id, &router, &instance, Status::Attaching, None);
    world.rest_later(&id, call.now);
    let order_type = world.attachments.get(&id).and_then(|h| h.now()).map(|a| a.order_type);
    let (attachment, client_token) = (Some(id.clone()), call.client_token());
    let effect = LedgerEffect { attachment, client_token, ..LedgerEffect::on(cen, instance, order_type) };
    Ok(Success::of(json!({"TransitRouterAttachmentId": id})).with(effect))
}

/// Finds an attachment of that type.
///
/// # Errors
/// It is in the CEN of another account than the caller.
fn own(world: &World, call: &ApiCall, id: &str, kind: InstanceType) -> Result<Option<AttachmentState>, ErrorAnswer> {
    let attachment = world.attachments.get(id).and_then(|h| h.now());
    let attachment =
        attachment.filter(|a| a.edition == RouterEdition::Enterprise && a.instance.as_str().starts_with(kind.prefix()));
    let Some(attachment) = attachment else { return Ok(None) };
    if world.cens.get(&attachment.cen).is_none_or(|c| c.owner != call.caller.account) {
        return Err(ErrorAnswer::unauthorized(id));
    }
    Ok(Some(attachment.clone()))
}

fn not_found() -> ErrorAnswer {
    ErrorAnswer::bad("InvalidTransitRouterAttachmentId.NotFound", "There is no such attachment of this type.")
}

/// # Errors
/// A busy attachment takes no write (API §A.7).
pub(super) fn at_rest(attachment: &AttachmentState) -> Result<(), ErrorAnswer> {
    if attachment.status == Status::Attached {
        return Ok(());
    }
    Err(ErrorAnswer::bad("IncorrectStatus.Status", format!("The attachment is {:?}.", attachment.status)))
}

/// Answers a dry run that passed: some operations answer it with an error, others with a RequestId (API §H10).
fn dry(as_error: bool) -> Result<Success, ErrorAnswer> {
    if as_error {
        return Err(ErrorAnswer::bad("DryRunOperation", "The request would have succeeded."));
    }
    Ok(Success::bare())
}

fn effect(call: &ApiCall, id: &str, attachment: &AttachmentState, order_type: Option<OrderType>) -> LedgerEffect {
    let on = LedgerEffect::on(attachment.cen.clone(), attachment.instance.clone(), order_type);
    LedgerEffect { attachment: Some(id.to_owned()), client_token: call.client_token(), ..on }
}

/// The type as the names of fields and parameters spell it.
fn word(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::VPC => "Vpc",
        InstanceType::VBR => "Vbr",
        InstanceType::VPN => "Vpn",
        InstanceType::ECR => "Ecr",
        InstanceType::CCN => "Ccn",
    }
}

fn item(world: &World, id: &str, attachment: &AttachmentState, kind: InstanceType) -> Value {
    let word = word(kind);
    let mut item = json!({
        "TransitRouterAttachmentId": id,
        "TransitRouterAttachmentName": "",
        "TransitRouterAttachmentDescription": "",
        "TransitRouterId": attachment.router,
        "CenId": attachment.cen,
        "ResourceType": kind.as_str(),
        "Status": attachment.status,
        "OrderType": attachment.order_type.as_str(),
        "CreationTime": minute(attachment.created),
        "AutoPublishRouteEnabled": false,
        "Tags": [],
        format!("{word}Id"): attachment.instance,
    });
    if let Some(state) = world.instances.get(&attachment.instance) {
        item[format!("{word}OwnerId")] = uid(&state.instance.owner);
        if kind != InstanceType::ECR {
            item[format!("{word}RegionId")] = json!(state.instance.region);
        }
    }
    match kind {
        InstanceType::VPC | InstanceType::VPN => {
            item["ChargeType"] = "POSTPAY".into();
            item[if kind == InstanceType::VPC { "ZoneMappings" } else { "Zones" }] = json!([]);
        }
        InstanceType::ECR => item["TransitRouterRegionId"] = json!(attachment.region),
        InstanceType::VBR | InstanceType::CCN => {}
    }
    item
}

#[cfg(test)]
mod tests;
