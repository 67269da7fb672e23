//! A world as a TOML file. `examples/world.toml` shows every part with comments:
//!
//! ```toml
//! [[accounts]]            # uid, site = "china" | "international", transit_router_service = bool,
//!                         # service_linked_role = bool, keys = [{ id, secret, token, expires, disabled, role }],
//!                         # roles = [{ name, trusts = [uid], oidc_tokens = [token], machine = bool }]
//! [[cens]]                # id, owner, transit_routers = [{ id, region, type = "Enterprise" | "Basic" }]
//! [[instances]]           # type, id, region, owner
//! [[grants]]              # cen, instance, order_type, effective_order_type
//! [[attachments]]         # id, transit_router, instance, status, order_type
//! [switches]              # see `Switches`
//! [[faults]]              # see `InjectedFault`
//! ```
//!
//! An unknown key is an error, which names the line.

use serde::{Deserialize, Serialize};

use super::accounts::{AccessKey, AccountState};
use super::building::BadWorld;
use super::faults::InjectedFault;
use super::switches::Switches;
use super::world::{RouterEdition, Status, World};
use crate::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, OrderType, Region, Site};

/// A world file. Its parts are added in the order of these fields, and each may name only what was added before.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldFile {
    /// The accounts, with their keys and roles.
    pub accounts: Vec<AccountEntry>,
    /// The CENs, with their transit routers.
    pub cens: Vec<CenEntry>,
    /// The network instances, attached or not.
    pub instances: Vec<Instance>,
    /// The grants, of which some can be waiting for the hour.
    pub grants: Vec<GrantEntry>,
    /// The attachments, of which some can be busy.
    pub attachments: Vec<AttachmentEntry>,
    /// The switches, by default as [`Switches::default`].
    pub switches: Switches,
    /// The faults that are injected from the beginning.
    pub faults: Vec<InjectedFault>,
}

/// An account, and what was activated in it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// The 16 digits that other entries name it by.
    pub uid: AccountUid,
    /// The site it is registered on; a grant works only between accounts of one site.
    #[serde(default)]
    pub site: Site,
    /// Whether it has activated the transit-router service, which its grants need.
    #[serde(default = "yes")]
    pub transit_router_service: bool,
    /// Whether its service-linked role exists, or the caller of a grant may create it.
    #[serde(default = "yes")]
    pub service_linked_role: bool,
    /// The access keys that calls of this account are signed with.
    #[serde(default)]
    pub keys: Vec<AccessKey>,
    /// The roles that sessions can be opened of.
    #[serde(default)]
    pub roles: Vec<RoleEntry>,
}

fn yes() -> bool {
    true
}

/// A role of an account, and what may assume it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// The last part of the ARN `acs:ram::<uid>:role/<name>`.
    pub name: String,
    /// The accounts whose keys may assume it.
    #[serde(default)]
    pub trusts: Vec<AccountUid>,
    /// The OIDC tokens that may assume it.
    #[serde(default)]
    pub oidc_tokens: Vec<String>,
    /// Whether it is the role whose keys the metadata service gives out.
    #[serde(default)]
    pub machine: bool,
}

/// A CEN of the transit-router account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenEntry {
    /// `cen-…`, which grants name it by.
    pub id: CenId,
    /// The transit-router account it belongs to.
    pub owner: AccountUid,
    /// Its transit routers, at most one in a region.
    #[serde(default)]
    pub transit_routers: Vec<RouterEntry>,
}

/// A transit router of a CEN.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterEntry {
    /// `tr-…`, which attachments name it by.
    pub id: String,
    /// The region in which instances are attached to it.
    pub region: Region,
    /// Its edition, which its attachments share.
    #[serde(default, rename = "type")]
    pub edition: RouterEdition,
}

/// The grant of an instance to a CEN.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEntry {
    /// The CEN that may attach the instance.
    pub cen: CenId,
    /// The instance of another account.
    pub instance: InstanceId,
    /// Who is to pay; by default the owner of the CEN, as in the cloud. The grant of a CCN names no payer.
    #[serde(default)]
    pub order_type: Option<OrderType>,
    /// Who pays now; by default the payer in `order_type`.
    #[serde(default)]
    pub effective_order_type: Option<OrderType>,
}

/// The attachment of an instance to a transit router.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentEntry {
    /// `tr-attach-…`; made up if absent.
    #[serde(default)]
    pub id: Option<String>,
    /// The transit router; it decides the CEN and the edition.
    pub transit_router: String,
    /// The attached instance; one of another account must be granted to the CEN.
    pub instance: InstanceId,
    /// The status to begin with; a busy attachment comes to rest after the attachment delay.
    #[serde(default)]
    pub status: Status,
    /// The payer written on it; by default the payer of the grant.
    #[serde(default)]
    pub order_type: Option<OrderType>,
}

impl World {
    /// Reads a world from TOML.
    ///
    /// # Errors
    /// Names what is wrong and its line: the syntax, an unknown key, a value of the wrong form, a reference to nothing, or
    /// something that no sequence of calls could have produced.
    pub fn from_toml(text: &str) -> Result<Self, BadWorld> {
        let line = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
        let file: WorldFile = toml::from_str(text).map_err(|e| BadWorld {
            line: e.span().and_then(|span| line(span.start)),
            reason: e.message().to_owned(),
        })?;
        build(file).map_err(|(part, index, bad)| BadWorld { line: begin(text, part, index).and_then(line), ..bad })
    }
}

impl TryFrom<WorldFile> for World {
    type Error = BadWorld;

    fn try_from(file: WorldFile) -> Result<Self, BadWorld> {
        build(file).map_err(|(_, _, bad)| bad)
    }
}

/// Where an entry begins in the text, for the line of an error found after parsing.
fn begin(text: &str, part: &str, index: usize) -> Option<usize> {
    let table = toml::de::DeTable::parse(text).ok()?;
    Some(table.get_ref().get(part)?.get_ref().get(index)?.span().start)
}

/// The parts in order. An error comes with the part and the index of the entry that it is about.
fn build(file: WorldFile) -> Result<World, (&'static str, usize, BadWorld)> {
    let mut world = World { switches: file.switches, faults: file.faults, ..World::default() };
    let at = |part, index| move |bad| (part, index, bad);
    for (i, account) in file.accounts.into_iter().enumerate() {
        let AccountEntry { site, transit_router_service, service_linked_role, .. } = account;
        world.accounts.insert(account.uid.clone(), AccountState { site, transit_router_service, service_linked_role });
        for role in account.roles {
            world.add_role(&account.uid, &role.name, role.trusts);
            role.oidc_tokens.iter().for_each(|token| world.trust_token(&account.uid, &role.name, token));
            if role.machine {
                world.set_machine(&account.uid, &role.name);
            }
        }
        account.keys.into_iter().try_for_each(|k| world.add_key(&account.uid, k)).map_err(at("accounts", i))?;
    }
    for (i, cen) in file.cens.iter().enumerate() {
        world.add_cen(&cen.id, &cen.owner).map_err(at("cens", i))?;
        let mut routers = cen.transit_routers.iter();
        routers.try_for_each(|r| world.add_router(&r.id, &cen.id, &r.region, r.edition)).map_err(at("cens", i))?;
    }
    for (i, instance) in file.instances.into_iter().enumerate() {
        world.add_instance(instance).map_err(at("instances", i))?;
    }
    for (i, grant) in file.grants.iter().enumerate() {
        let order_type = grant.order_type.unwrap_or(OrderType::PayByCenOwner);
        let effective = grant.effective_order_type.unwrap_or(order_type);
        let has_payer = grant.order_type.or(grant.effective_order_type).is_some();
        if has_payer && world.kind_of(&grant.instance) == Some(InstanceType::CCN) {
            let why = format!("the grant of a CCN has no payer, so {} has none", grant.instance);
            return Err(at("grants", i)(BadWorld::new(why)));
        }
        world.add_grant(&grant.cen, &grant.instance, order_type, effective).map_err(at("grants", i))?;
    }
    for (i, a) in file.attachments.iter().enumerate() {
        let id = a.id.clone().unwrap_or_else(|| format!("tr-attach-world{i:011}"));
        world
            .add_attachment(&id, &a.transit_router, &a.instance, a.status, a.order_type)
            .map_err(at("attachments", i))?;
    }
    Ok(world)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXAMPLE: &str = include_str!("../../examples/world.toml");

    #[test]
    fn the_example_is_a_world() {
        let world = World::from_toml(EXAMPLE).unwrap();
        assert_eq!((world.accounts.len(), world.cens.len(), world.keys.len()), (2, 1, 2));
        let kinds: std::collections::BTreeSet<_> = world.instances.values().map(|i| i.instance.kind).collect();
        assert_eq!(kinds.len(), 5, "{kinds:?}");
    }

    #[test]
    fn a_wrong_world_is_refused_with_its_line() {
        let bad = |addition: &str| World::from_toml(&format!("{EXAMPLE}\n{addition}")).unwrap_err();
        let lines = EXAMPLE.matches('\n').count() + 2;
        let e = bad(
            "[[grants]]\ncen = \"cen-44m0p68spvlrqq0009\"\ninstance = \"vpc-bp1h8vbrbcgohcju50001\"\norder_type = \"PayByCenOwner\"",
        );
        assert_eq!((e.line, e.reason.as_str()), (Some(lines), "no CEN cen-44m0p68spvlrqq0009"));
        assert_eq!(e.to_string(), format!("line {lines}: no CEN cen-44m0p68spvlrqq0009"));
        let e = bad("[[cens]]\nid = \"cen-x\"\nowner = \"1250123456123456\"");
        assert!(e.line == Some(lines + 1) && e.reason.contains("CEN id"), "{e}");
        let e = bad(
            "[[instances]]\ntype = \"VBR\"\nid = \"vpc-bp1h8vbrbcgohcju59999\"\nregion = \"cn-hangzhou\"\nowner = \"1688000000000001\"",
        );
        assert!(e.reason.contains("vbr-"), "{e}");
        assert!(bad("[[grant]]\ncen = 1").reason.contains("grant"));
    }

    #[test]
    fn a_world_that_no_calls_could_produce_is_refused() {
        let (cen, enterprise, basic) =
            ("cen-44m0p68spvlrqq0001", "tr-bp1su1ytdxtataupl0001", "tr-bp1su1ytdxtataupl0002");
        let grant = |id: &str, more: &str| format!("[[grants]]\ncen = \"{cen}\"\ninstance = \"{id}\"\n{more}\n");
        let attach =
            |id: &str, router: &str| format!("[[attachments]]\ntransit_router = \"{router}\"\ninstance = \"{id}\"\n");
        let (ccn, vpn, ecr) = ("ccn-n2935s1mnwv8i00001", "vco-bp1bbi27hojx80nck0001", "ecr-n78omt2qsko06y0001");
        let (mine, other) = ("order_type = \"PayByCenOwner\"", "order_type = \"PayByResourceOwner\"");
        let (one, pending) = (attach(vpn, enterprise), format!("effective_{other}"));
        for (addition, why) in [
            (attach("vpc-bp1h8vbrbcgohcju50003", enterprise), "is not granted"),
            (grant(ccn, mine), "the grant of a CCN has no payer"),
            (grant(ecr, &pending), "the payer of an ECR never changes"),
            (grant(ecr, mine) + &attach(ecr, enterprise) + other, "the payer of an ECR never changes"),
            (grant(ecr, "") + &attach(ecr, basic), "the Basic Edition connects no ECR"),
            (grant(vpn, "") + &one + &one, "attached only once"),
            (grant(ccn, "") + &attach(ccn, enterprise) + &attach(ccn, basic), "attached only once"),
        ] {
            let bad = World::from_toml(&format!("{EXAMPLE}\n{addition}")).unwrap_err();
            assert!(bad.reason.contains(why), "{addition}{bad}");
        }
    }
}
