//! A cell in a world: names for everything in it, what it begins with, and its job.

use crossgrant::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, OrderType, Region, Site};
use crossgrant::simulator::{
    AccessKey, AccountEntry, AttachmentEntry, CenEntry, FaultKind, GrantEntry, InjectedFault, RouterEdition,
    RouterEntry, Status, WorldFile,
};
use serde_json::{Value, json};

use super::cell::{Asks, Cell, Granted, Place};
use crate::support::plant;

/// A cell with names for everything in it.
pub struct Scene {
    pub cell: Cell,
    pub instance: Instance,
    pub cen: CenId,
    number: usize,
}

pub fn accounts() -> WorldFile {
    let account = |uid: &str, id: &str, secret: &str| AccountEntry {
        uid: AccountUid::parse(uid).unwrap(),
        site: Site::China,
        transit_router_service: true,
        service_linked_role: true,
        keys: vec![AccessKey {
            id: id.into(),
            secret: secret.into(),
            token: None,
            expires: None,
            disabled: false,
            role: None,
        }],
        roles: vec![],
    };
    let resource = account(plant::RESOURCE, "resource-key", "resource-secret");
    let owner = account(plant::CEN_OWNER, "cen-key", "cen-secret");
    let stranger = account(plant::STRANGER, "stranger-key", "stranger-secret");
    WorldFile { accounts: vec![resource, owner, stranger], ..WorldFile::default() }
}

impl Scene {
    pub fn of(cell: Cell, number: usize) -> Self {
        let id = InstanceId::parse(format!("{}matrix{number:012}", cell.of.prefix())).unwrap();
        let region = Region::parse("cn-hangzhou").unwrap();
        let owner = AccountUid::parse(plant::RESOURCE).unwrap();
        let cen = CenId::parse(format!("cen-matrix{number:012}")).unwrap();
        Self { cell, instance: Instance { kind: cell.of, id, region, owner }, cen, number }
    }

    pub fn elsewhere(&self) -> CenId {
        CenId::parse(format!("cen-elsewhere{:09}", self.number)).unwrap()
    }

    pub fn router(&self, which: char) -> String {
        format!("tr-matrix{which}{:011}", self.number)
    }

    pub fn attachment(&self, n: usize) -> String {
        format!("tr-attach-matrix{n}{:011}", self.number)
    }

    /// One of every list of attachments that shows the instance is empty, once.
    pub fn empty_lists(&self, which: u32) -> Vec<InjectedFault> {
        let lists = ["Vpc", "Vbr", "Vpn", "Ecr"].map(|kind| format!("ListTransitRouter{kind}Attachments"));
        let empty = |list: &str, of: &str| InjectedFault::new(list, FaultKind::EmptyList).after(which).only(of);
        let of_router = lists.iter().map(|list| empty(list, &self.router('1')));
        of_router.chain([empty("DescribeCenAttachedChildInstances", self.cen.as_str())]).collect()
    }

    /// Puts what the cell begins with into a world.
    pub fn add_to(&self, world: &mut WorldFile) {
        let (cell, instance) = (&self.cell, &self.instance.id);
        let router = |which: char, region: &str, edition| RouterEntry {
            id: self.router(which),
            region: Region::parse(region).unwrap(),
            edition,
        };
        let enterprise = RouterEdition::Enterprise;
        // A CEN has one transit router in a region; the instance is in the first.
        let mut regions = ["cn-hangzhou", "cn-shanghai"];
        if cell.place == Place::Basic {
            regions.reverse();
        }
        let routers = vec![
            router('1', regions[0], enterprise),
            router('2', "cn-beijing", enterprise),
            router('b', regions[1], RouterEdition::Basic),
        ];
        // Whose a CEN is has to be found out where it has no transit router, too.
        let none = cell.of == InstanceType::CCN && cell.place == Place::Unattached;
        let routers = if none { vec![] } else { routers };
        let owner = AccountUid::parse(plant::CEN_OWNER).unwrap();
        world.cens.push(CenEntry { id: self.cen.clone(), owner: owner.clone(), transit_routers: routers });
        world.instances.push(self.instance.clone());
        let grant = |cen: &CenId, order_type: Option<OrderType>, effective: Option<OrderType>| GrantEntry {
            cen: cen.clone(),
            instance: instance.clone(),
            order_type,
            effective_order_type: effective,
        };
        if cell.granted != Granted::No {
            world.grants.push(grant(&self.cen, cell.on_grant(), cell.in_force()));
        }
        let attach = |id: String, which: char, status: Status, order_type| AttachmentEntry {
            id: Some(id),
            transit_router: self.router(which),
            instance: instance.clone(),
            status,
            order_type,
        };
        for (n, status) in (1..).zip(cell.place.attachments()) {
            let status: Status = serde_json::from_value(json!(status)).unwrap();
            let which = if cell.place == Place::Basic { 'b' } else { char::from_digit(n, 10).unwrap() };
            let order_type = if cell.of == InstanceType::CCN { None } else { cell.on_attachments() };
            world.attachments.push(attach(self.attachment(n as usize), which, status, order_type));
        }
        if cell.place == Place::Elsewhere {
            let routers = vec![router('e', "cn-hangzhou", enterprise)];
            world.cens.push(CenEntry { id: self.elsewhere(), owner, transit_routers: routers });
            world.grants.push(grant(&self.elsewhere(), None, None));
            world.attachments.push(attach(self.attachment(9), 'e', Status::Attached, None));
        }
    }

    pub fn job(&self) -> Value {
        let mut job = json!({
            "id": format!("cell-{}", self.number),
            "kind": self.cell.asks.kind(),
            "instance": self.instance,
            "cen": {"id": self.cen, "owner": plant::CEN_OWNER},
        });
        if let Some(payer) = self.cell.payer {
            job["order_type"] = json!(payer);
        }
        if self.cell.asks == Asks::RevokeDeleting {
            job["options"] = json!({"attachments": "delete"});
        }
        job
    }

    /// A text with the names of parts instead of ids.
    pub fn named(&self, text: &str) -> String {
        let mut text = text
            .replace(self.instance.id.as_str(), "the instance")
            .replace(self.cen.as_str(), "the CEN")
            .replace(self.elsewhere().as_str(), "another CEN")
            .replace(&self.router('e'), "the router of another CEN");
        for n in 1..=2 {
            text = text.replace(&self.attachment(n), &format!("attachment {n}"));
        }
        text = text.replace(&self.router('1'), "router 1");
        text
    }
}
