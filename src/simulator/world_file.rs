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
//! [[faults]]              # see `Fault`
//! ```
//!
//! Everything not in it is refused, with the line.

use serde::{Deserialize, Serialize};

use super::accounts::{AccessKey, Site};
use super::faults::Fault;
use super::switches::Switches;
use super::world::{BadWorld, Edition, Status, World};
use crate::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, OrderType, Region};

/// The whole file.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct WorldFile {
    /// The accounts.
    pub accounts: Vec<AccountEntry>,
    /// The CENs.
    pub cens: Vec<CenEntry>,
    /// The network instances.
    pub instances: Vec<Instance>,
    /// The grants.
    pub grants: Vec<GrantEntry>,
    /// The attachments.
    pub attachments: Vec<AttachmentEntry>,
    /// The settings.
    pub switches: Switches,
    /// What will go wrong.
    pub faults: Vec<Fault>,
}

/// An account.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountEntry {
    /// Its uid.
    pub uid: AccountUid,
    /// Where it is registered.
    #[serde(default)]
    pub site: Site,
    /// Whether it has activated the transit-router service.
    #[serde(default = "yes")]
    pub transit_router_service: bool,
    /// Whether its service-linked role is there, or may be made by the caller of a grant.
    #[serde(default = "yes")]
    pub service_linked_role: bool,
    /// Its access keys.
    #[serde(default)]
    pub keys: Vec<AccessKey>,
    /// Its roles.
    #[serde(default)]
    pub roles: Vec<RoleEntry>,
}

fn yes() -> bool {
    true
}

/// A role that others may assume.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RoleEntry {
    /// Its name; its ARN is `acs:ram::<uid>:role/<name>`.
    pub name: String,
    /// The accounts that may assume it.
    #[serde(default)]
    pub trusts: Vec<AccountUid>,
    /// The OIDC tokens it may be assumed with.
    #[serde(default)]
    pub oidc_tokens: Vec<String>,
    /// Whether it is the role of the machine, whose keys the metadata service gives.
    #[serde(default)]
    pub machine: bool,
}

/// A CEN instance.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CenEntry {
    /// Its id.
    pub id: CenId,
    /// The transit-router account.
    pub owner: AccountUid,
    /// Its transit routers.
    #[serde(default)]
    pub transit_routers: Vec<RouterEntry>,
}

/// A transit router.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RouterEntry {
    /// Its id.
    pub id: String,
    /// Its region.
    pub region: Region,
    /// Its edition; attachments to one of the Basic Edition are Basic Edition attachments.
    #[serde(default, rename = "type")]
    pub edition: Edition,
}

/// A grant.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GrantEntry {
    /// To which CEN.
    pub cen: CenId,
    /// Of which instance.
    pub instance: InstanceId,
    /// Who is to pay; absent: the owner of the CEN, which is the cloud's default. The grant of a CCN has no payer.
    #[serde(default)]
    pub order_type: Option<OrderType>,
    /// Who pays now; absent: the same.
    #[serde(default)]
    pub effective_order_type: Option<OrderType>,
}

/// An attachment.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AttachmentEntry {
    /// Its id; made up when absent.
    #[serde(default)]
    pub id: Option<String>,
    /// To which transit router.
    pub transit_router: String,
    /// Of which instance.
    pub instance: InstanceId,
    /// Where it stands; a busy one comes to rest after the attachment delay.
    #[serde(default)]
    pub status: Status,
    /// Its payer; absent: that of the grant.
    #[serde(default)]
    pub order_type: Option<OrderType>,
}

impl World {
    /// Reads a world from TOML.
    ///
    /// # Errors
    /// What is wrong, with its line: the syntax, an unknown key, a name of the wrong shape, or a reference to nothing.
    pub fn from_toml(text: &str) -> Result<Self, BadWorld> {
        let line = |at: usize| text.get(..at).map(|before| before.matches('\n').count() + 1);
        let file: WorldFile = toml::from_str(text).map_err(|e| BadWorld {
            line: e.span().and_then(|span| line(span.start)),
            reason: e.message().to_owned(),
        })?;
        build(file).map_err(|(part, index, bad)| {
            let begins: Option<Begins> = toml::from_str(text).ok();
            BadWorld { line: begins.and_then(|b| line(b.of(part, index)?)), ..bad }
        })
    }
}

impl TryFrom<WorldFile> for World {
    type Error = BadWorld;

    fn try_from(file: WorldFile) -> Result<Self, BadWorld> {
        build(file).map_err(|(_, _, bad)| bad)
    }
}

#[derive(Debug, Clone, Copy)]
enum Part {
    Accounts,
    Cens,
    Instances,
    Grants,
    Attachments,
}

/// Where each entry begins in the text.
#[derive(Deserialize)]
#[serde(default)]
#[derive(Default)]
struct Begins {
    accounts: Vec<Begin>,
    cens: Vec<Begin>,
    instances: Vec<Begin>,
    grants: Vec<Begin>,
    attachments: Vec<Begin>,
}

type Begin = toml::Spanned<toml::Value>;

impl Begins {
    fn of(&self, part: Part, index: usize) -> Option<usize> {
        let entries = match part {
            Part::Accounts => &self.accounts,
            Part::Cens => &self.cens,
            Part::Instances => &self.instances,
            Part::Grants => &self.grants,
            Part::Attachments => &self.attachments,
        };
        entries.get(index).map(|entry| entry.span().start)
    }
}

fn build(file: WorldFile) -> Result<World, (Part, usize, BadWorld)> {
    let mut world = World { switches: file.switches, faults: file.faults, ..World::default() };
    let at = |part, index| move |bad| (part, index, bad);
    for (i, account) in file.accounts.into_iter().enumerate() {
        world.set_site(&account.uid, account.site);
        world.set_transit_router_service(&account.uid, account.transit_router_service);
        world.set_service_linked_role(&account.uid, account.service_linked_role);
        for role in account.roles {
            world.add_role(&account.uid, &role.name, role.trusts);
            role.oidc_tokens.iter().for_each(|token| world.trust_token(&account.uid, &role.name, token));
            if role.machine {
                world.set_machine(&account.uid, &role.name);
            }
        }
        account.keys.into_iter().try_for_each(|k| world.add_key(&account.uid, k)).map_err(at(Part::Accounts, i))?;
    }
    for (i, cen) in file.cens.iter().enumerate() {
        world.add_cen(&cen.id, &cen.owner).map_err(at(Part::Cens, i))?;
        let mut routers = cen.transit_routers.iter();
        routers.try_for_each(|r| world.add_router(&r.id, &cen.id, &r.region, r.edition)).map_err(at(Part::Cens, i))?;
    }
    for (i, instance) in file.instances.into_iter().enumerate() {
        world.add_instance(instance).map_err(at(Part::Instances, i))?;
    }
    for (i, grant) in file.grants.iter().enumerate() {
        let order_type = grant.order_type.unwrap_or(OrderType::PayByCenOwner);
        let effective = grant.effective_order_type.unwrap_or(order_type);
        let has_payer = grant.order_type.or(grant.effective_order_type).is_some();
        if has_payer && world.kind_of(&grant.instance) == Some(InstanceType::CCN) {
            let bad = BadWorld::new(format!("the grant of a CCN has no payer, so {} has none", grant.instance));
            return Err(at(Part::Grants, i)(bad));
        }
        world.add_grant(&grant.cen, &grant.instance, order_type, effective).map_err(at(Part::Grants, i))?;
    }
    for (i, a) in file.attachments.iter().enumerate() {
        let id = a.id.clone().unwrap_or_else(|| format!("tr-attach-world{i:011}"));
        world
            .add_attachment(&id, &a.transit_router, &a.instance, a.status, a.order_type)
            .map_err(at(Part::Attachments, i))?;
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
    fn a_world_that_cannot_have_come_about_is_refused() {
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
            (grant(vpn, "") + &one + &one, "is attached once"),
            (grant(ccn, "") + &attach(ccn, enterprise) + &attach(ccn, basic), "is attached once"),
        ] {
            let bad = World::from_toml(&format!("{EXAMPLE}\n{addition}")).unwrap_err();
            assert!(bad.reason.contains(why), "{addition}{bad}");
        }
    }
}
