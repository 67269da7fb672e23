//! What Terraform owns of that which a worker writes: grants, and the payers of attachments.
//!
//! The names of resources and attributes are those of the provider `aliyun/alicloud`, read in its code as of 2026-08-21,
//! shortly after version 1.289.0.

use std::collections::HashMap;

use serde_json::Value;

use super::state::{Attributes, Fate, State, StateObject};
use crate::domain::{AccountUid, BadName, Cen, CenId, InstanceId, InstanceType, OrderType, Region};

/// What a resource stands for in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    /// A grant. `has_payer`: its resource has the attribute `order_type`.
    Grant { has_payer: bool },
    /// An attachment to a transit router.
    Attachment { has_payer: bool },
}

impl Part {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Grant { .. } => "grant",
            Self::Attachment { .. } => "attachment",
        }
    }
}

/// A grant or an attachment that is in a state.
#[derive(Debug, Clone)]
pub(super) struct Owned {
    pub part: Part,
    pub instance: InstanceId,
    pub kind: InstanceType,
    /// Who owns the instance, as far as the state tells.
    pub instance_owner: Option<AccountUid>,
    pub region: Option<Region>,
    pub cen: CenId,
    /// Who owns the CEN, as far as the state or the command line tells.
    pub cen_owner: Option<AccountUid>,
    /// The payer in the state.
    pub order_type: Option<OrderType>,
    /// The transit router and the id of an Enterprise Edition attachment.
    pub attached_by: Option<(String, String)>,
    pub fate: Option<Fate>,
}

/// A resource of the state: what it stands for, or why that cannot be told.
#[derive(Debug, Clone)]
pub(super) struct Listed {
    pub address: String,
    pub block: String,
    /// The type of the resource.
    pub resource: String,
    pub owned: Result<Owned, String>,
}

/// The attributes of one type of resource that tell what it stands for.
struct Names<'a> {
    part: Part,
    instance: (&'a str, &'a Option<Value>),
    instance_owner: &'a Option<Value>,
    region: &'a Option<Value>,
    cen: (&'a str, &'a Option<Value>),
    cen_owner: (&'a str, &'a Option<Value>),
}

/// Each grant and attachment of a state, in its order. `cens` are CENs with their owners that the command line names.
pub(super) fn owned(state: &State, cens: &[Cen]) -> Vec<Listed> {
    let accounts = accounts(state);
    let account = |object: &StateObject| {
        object.provider.as_ref().and_then(|provider| accounts.get(provider.as_str())).cloned().flatten()
    };
    let mut listed: Vec<Listed> = Vec::new();
    for object in state.objects.iter().filter(|object| object.managed) {
        let Some(names) = names(&object.kind, &object.attributes) else { continue };
        let owned = read(object, &names).map(|mut owned| {
            // Who grants owns the instance, and who attaches owns the transit router and its CEN.
            match owned.part {
                Part::Grant { .. } => owned.instance_owner = owned.instance_owner.or_else(|| account(object)),
                Part::Attachment { .. } => owned.cen_owner = owned.cen_owner.or_else(|| account(object)),
            }
            owned
        });
        let (address, block, resource) = (object.address.clone(), object.block.clone(), object.kind.clone());
        listed.push(Listed { address, block, resource, owned });
    }
    complete(&mut listed, cens);
    listed
}

/// Takes the owner of an instance or of a CEN from another resource that tells it.
fn complete(listed: &mut [Listed], cens: &[Cen]) {
    let mut of_cens: HashMap<CenId, AccountUid> = HashMap::new();
    let mut of_instances: HashMap<InstanceId, AccountUid> = HashMap::new();
    for owned in listed.iter().filter_map(|listed| listed.owned.as_ref().ok()) {
        of_cens.extend(owned.cen_owner.clone().map(|owner| (owned.cen.clone(), owner)));
        of_instances.extend(owned.instance_owner.clone().map(|owner| (owned.instance.clone(), owner)));
    }
    of_cens.extend(cens.iter().map(|cen| (cen.id.clone(), cen.owner.clone())));
    for owned in listed.iter_mut().filter_map(|listed| listed.owned.as_mut().ok()) {
        owned.cen_owner = owned.cen_owner.take().or_else(|| of_cens.get(&owned.cen).cloned());
        owned.instance_owner = owned.instance_owner.take().or_else(|| of_instances.get(&owned.instance).cloned());
    }
}

/// The account of each provider configuration, as the data sources about the caller show it; `None` if two differ.
fn accounts(state: &State) -> HashMap<&str, Option<AccountUid>> {
    let mut accounts: HashMap<&str, Option<AccountUid>> = HashMap::new();
    for object in state.objects.iter().filter(|object| !object.managed) {
        let uid = match object.kind.as_str() {
            "alicloud_account" => &object.attributes.id,
            "alicloud_caller_identity" => &object.attributes.account_id,
            _ => continue,
        };
        let (Some(provider), Some(uid)) = (&object.provider, text(uid).and_then(|uid| AccountUid::parse(uid).ok()))
        else {
            continue;
        };
        let known = accounts.entry(provider).or_insert_with(|| Some(uid.clone()));
        if known.as_ref() != Some(&uid) {
            *known = None;
        }
    }
    accounts
}

fn names<'a>(kind: &str, a: &'a Attributes) -> Option<Names<'a>> {
    const NONE: &Option<Value> = &None;
    let (cen, cen_owner) = (("cen_id", &a.cen_id), ("cen_owner_id", &a.cen_owner_id));
    let grant = |has_payer, instance, cen_owner| Names {
        part: Part::Grant { has_payer },
        instance,
        instance_owner: NONE,
        region: NONE,
        cen,
        cen_owner,
    };
    let attachment = |has_payer, instance, instance_owner, region| Names {
        part: Part::Attachment { has_payer },
        instance,
        instance_owner,
        region,
        cen,
        cen_owner,
    };
    Some(match kind {
        "alicloud_cen_transit_router_grant_attachment" => grant(true, ("instance_id", &a.instance_id), cen_owner),
        "alicloud_cen_instance_grant" => grant(false, ("child_instance_id", &a.child_instance_id), cen_owner),
        "alicloud_cloud_connect_network_grant" => grant(false, ("ccn_id", &a.ccn_id), ("cen_uid", &a.cen_uid)),
        // The region of these is that of the instance: a transit router takes only instances of its own.
        "alicloud_cen_transit_router_vpc_attachment" => {
            attachment(true, ("vpc_id", &a.vpc_id), &a.vpc_owner_id, &a.region_id)
        }
        "alicloud_cen_transit_router_vbr_attachment" => attachment(true, ("vbr_id", &a.vbr_id), &a.vbr_owner_id, NONE),
        "alicloud_cen_transit_router_vpn_attachment" => {
            attachment(true, ("vpn_id", &a.vpn_id), &a.vpn_owner_id, &a.region_id)
        }
        "alicloud_cen_transit_router_ecr_attachment" => attachment(false, ("ecr_id", &a.ecr_id), &a.ecr_owner_id, NONE),
        "alicloud_cen_instance_attachment" => Names {
            // Here `instance_id` is the CEN.
            cen: ("instance_id", &a.instance_id),
            ..attachment(
                false,
                ("child_instance_id", &a.child_instance_id),
                &a.child_instance_owner_id,
                &a.child_instance_region_id,
            )
        },
        _ => return None,
    })
}

fn read(object: &StateObject, names: &Names<'_>) -> Result<Owned, String> {
    let attributes = &object.attributes;
    let instance = named(names.instance.0, names.instance.1, InstanceId::parse)?;
    let kind = InstanceType::ALL.into_iter().find(|kind| instance.as_str().starts_with(kind.prefix()));
    let kind = kind.ok_or_else(|| format!("{} is no network instance", names.instance.0))?;
    let (has_payer, is_grant) = match names.part {
        Part::Grant { has_payer } => (has_payer, true),
        Part::Attachment { has_payer } => (has_payer, false),
    };
    let cen_owner = match is_grant {
        true => Some(named(names.cen_owner.0, names.cen_owner.1, AccountUid::parse)?),
        false => perhaps(names.cen_owner.1, AccountUid::parse),
    };
    let order_type = match text(&attributes.order_type).filter(|_| has_payer) {
        None => None,
        Some(payer) if payer.is_empty() => None,
        Some(payer) => Some(OrderType::parse(&payer).ok_or_else(|| {
            format!("order_type is neither {} nor {}", OrderType::PayByCenOwner, OrderType::PayByResourceOwner)
        })?),
    };
    Ok(Owned {
        part: names.part,
        kind,
        instance_owner: perhaps(names.instance_owner, AccountUid::parse),
        region: perhaps(names.region, Region::parse),
        cen: named(names.cen.0, names.cen.1, CenId::parse)?,
        cen_owner,
        order_type,
        attached_by: if is_grant { None } else { attached_by(attributes) },
        fate: object.fate,
        instance,
    })
}

/// The transit router and the attachment. The id of a resource is that of the attachment, for a VPC and a VBR behind the CEN's.
fn attached_by(attributes: &Attributes) -> Option<(String, String)> {
    let router = text(&attributes.transit_router_id)?;
    let id = text(&attributes.transit_router_attachment_id).or_else(|| text(&attributes.id))?;
    let id = id.rsplit(':').next().unwrap_or_default().to_owned();
    let plain = |id: &str| {
        id.starts_with("tr-") && id.len() <= 64 && id.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
    };
    (plain(&router) && plain(&id)).then_some((router, id))
}

/// A name that must be there. The message does not repeat it: it may be no name at all.
fn named<T>(field: &str, value: &Option<Value>, parse: fn(String) -> Result<T, BadName>) -> Result<T, String> {
    let text = text(value).filter(|text| !text.is_empty()).ok_or_else(|| format!("{field} is missing"))?;
    parse(text).map_err(|bad| format!("{field} is wrong: {bad}"))
}

fn perhaps<T>(value: &Option<Value>, parse: fn(String) -> Result<T, BadName>) -> Option<T> {
    parse(text(value)?).ok()
}

/// A text, or a whole number: some versions of the provider write uids as numbers.
fn text(value: &Option<Value>) -> Option<String> {
    match value.as_ref()? {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => number.as_u64().map(|number| number.to_string()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::read as read_state;
    use super::*;

    const FILE: &[u8] = include_bytes!("../../../tests/data/terraform/state.json");
    const SHOWN: &[u8] = include_bytes!("../../../tests/data/terraform/shown.json");
    const CEN: &str = "cen-44m0p68spvlrqq0001";

    fn listed(bytes: &[u8]) -> Vec<Listed> {
        owned(&read_state(bytes).unwrap(), &[])
    }

    /// One resource of this type with these attributes.
    fn one(kind: &str, attributes: &Value) -> Result<Owned, String> {
        let state = serde_json::json!({"version": 4, "resources": [{"mode": "managed", "type": kind, "name": "a",
            "instances": [{"attributes": attributes}]}]});
        listed(state.to_string().as_bytes()).remove(0).owned
    }

    #[test]
    fn grants_and_attachments_are_listed_and_nothing_else() {
        let found = listed(FILE);
        let parts: Vec<_> = found.iter().map(|one| one.owned.as_ref().map(|owned| owned.part.as_str())).collect();
        let (grant, attachment) = (Ok("grant"), Ok("attachment"));
        let gateway =
            "instance_id is wrong: an instance id is one of vpc-, vbr-, ccn-, vco-, ecr- and 8 to 40 of 0-9 a-z, \
                       such as \"vpc-bp1h8vbrbcgohcju50001\""
                .to_owned();
        let bad = Err(&gateway);
        assert_eq!(parts, [grant, grant, grant, grant, attachment, grant, attachment, bad, grant]);
        assert_eq!(listed(SHOWN).len(), found.len());
    }

    #[test]
    fn who_owns_an_instance_is_told_by_the_account_of_the_provider_or_by_another_resource() {
        let owner = |found: &[Listed], address: &str| {
            let one = found.iter().find(|one| one.address.ends_with(address)).unwrap().owned.as_ref().unwrap().clone();
            (one.instance_owner.map(String::from), one.cen_owner.map(String::from))
        };
        let (network, hub) = (Some("1688000000000001".to_owned()), Some("1250123456123456".to_owned()));
        let found = listed(FILE);
        assert_eq!(
            owner(&found, "vpc[\"removed\"]"),
            (network.clone(), hub.clone()),
            "its provider is of that account"
        );
        assert_eq!(owner(&found, "grant.older[0]"), (network.clone(), hub.clone()));
        // The output of `show` has no aliases of providers.
        let found = listed(SHOWN);
        assert_eq!(owner(&found, "vpc[\"removed\"]"), (None, hub.clone()));
        assert_eq!(owner(&found, "vpc[\"billing\"]"), (network.clone(), hub.clone()), "its attachment tells");
        assert_eq!(owner(&found, "attachment.older"), (network, hub), "a grant to the same CEN tells");
    }

    #[test]
    fn the_owner_of_a_cen_can_be_named() {
        let state = serde_json::json!({"version": 4, "resources": [{"mode": "managed", "name": "a",
            "type": "alicloud_cen_transit_router_vbr_attachment", "instances": [{"attributes": {"cen_id": CEN,
            "vbr_id": "vbr-bp1svadp4lq38janc0001", "vbr_owner_id": 1_688_000_000_000_001_u64, "id": "tr-attach-1",
            "transit_router_id": "tr-1"}}]}]});
        let state = read_state(state.to_string().as_bytes()).unwrap();
        let of = |cens: &[Cen]| owned(&state, cens).remove(0).owned.unwrap();
        let alone = of(&[]);
        assert_eq!((alone.cen_owner, alone.instance_owner.unwrap().as_str()), (None, "1688000000000001"));
        assert_eq!(alone.attached_by, Some(("tr-1".into(), "tr-attach-1".into())));
        let hub = Cen { id: CenId::parse(CEN).unwrap(), owner: AccountUid::parse("1250123456123456").unwrap() };
        assert_eq!(of(std::slice::from_ref(&hub)).cen_owner, Some(hub.owner));
    }

    #[test]
    fn an_account_that_two_data_sources_tell_apart_is_not_believed() {
        let source = |name: &str, id: &str| {
            serde_json::json!({"mode": "data", "type": "alicloud_account", "name": name, "provider": "p",
                "instances": [{"attributes": {"id": id}}]})
        };
        let state = |second: &str| {
            let state =
                serde_json::json!({"version": 4, "resources": [source("a", "1688000000000001"), source("b", second)]});
            read_state(state.to_string().as_bytes()).unwrap()
        };
        assert_eq!(accounts(&state("1250123456123456"))["p"], None);
        assert!(accounts(&state("1688000000000001"))["p"].is_some());
    }

    #[test]
    fn attributes_that_name_nothing_are_told_and_not_repeated() {
        let grant = "alicloud_cen_transit_router_grant_attachment";
        let good = serde_json::json!({"cen_id": CEN, "cen_owner_id": "1250123456123456",
            "instance_id": "vbr-bp1svadp4lq38janc0001", "instance_type": "ExpressConnect", "order_type": "PayByCenOwner"});
        assert_eq!(one(grant, &good).unwrap().kind, InstanceType::VBR);
        for (field, value, says) in [
            ("cen_id", Value::from("s3cr3t"), "cen_id is wrong"),
            ("cen_id", Value::Null, "cen_id is missing"),
            ("cen_id", serde_json::json!(["s3cr3t"]), "cen_id is missing"),
            ("cen_owner_id", Value::from("s3cr3t"), "cen_owner_id is wrong"),
            ("cen_owner_id", serde_json::json!(1.25e15), "cen_owner_id is missing"),
            ("instance_id", Value::from("vpc-\u{1b}[2Js3cr3t"), "instance_id is wrong"),
            ("instance_id", Value::from(""), "instance_id is missing"),
            ("order_type", Value::from("PayBys3cr3t"), "order_type is neither"),
        ] {
            let mut attributes = good.clone();
            attributes[field] = value;
            let error = one(grant, &attributes).unwrap_err();
            assert!(error.contains(says) && !error.contains("s3cr3t"), "{field}: {error}");
        }
        let unset = serde_json::json!({"order_type": null});
        assert!(one(grant, &unset).is_err());
        let attachment = serde_json::json!({"cen_id": CEN, "vpc_id": "vpc-bp1h8vbrbcgohcju50001", "order_type": "",
            "transit_router_id": "tr-1; rm", "id": "x:tr-attach-1"});
        let attachment = one("alicloud_cen_transit_router_vpc_attachment", &attachment).unwrap();
        assert_eq!((attachment.order_type, attachment.attached_by), (None, None));
    }
}
