//! The simulated cloud of a golden store: the world it begins in, and the one that its jobs have left.

use std::sync::Arc;

use crossgrant::clock::ManualClock;
use crossgrant::cloud::{AccountCredentials, Accounts, ClientParts, RouterTransport, StaticKeys};
use crossgrant::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, OrderType, Region, Site};
use crossgrant::simulator::{
    AccessKey, AccountEntry, AttachmentEntry, CenEntry, GrantEntry, RouterEdition, RouterEntry, Simulator, Status,
    WorldFile,
};
use serde_json::Value;

use super::cast::{Part, Place};
use crate::support::plant::usual;

/// Owns the instances.
pub const RESOURCE: &str = "1688000000000001";
const OWNER: &str = "1250123456123456";
/// Owns the third CEN; it is paused.
pub const PAUSED: &str = "1250123456123499";
/// In which the instance of the job `granted-elsewhere` is granted.
const ELSEWHERE: usize = 4;

/// The CENs: the first is for all jobs, the second for those that cannot read, the third for those on a paused account.
pub fn cen(number: usize) -> String {
    format!("cen-golden{number:012}")
}

pub fn cen_owner(number: usize) -> &'static str {
    if number == 3 { PAUSED } else { OWNER }
}

fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

/// The world before the first job.
pub fn beginning(parts: &[Part]) -> WorldFile {
    let mut world = WorldFile::default();
    for (account, name) in [(RESOURCE, "resource"), (OWNER, "cen"), (PAUSED, "paused")] {
        let key = AccessKey {
            id: format!("{name}-key"),
            secret: format!("{name}-secret"),
            token: None,
            expires: None,
            disabled: false,
            role: None,
        };
        world.accounts.push(AccountEntry {
            uid: uid(account),
            site: Site::China,
            transit_router_service: true,
            service_linked_role: true,
            keys: vec![key],
            roles: vec![],
        });
    }
    for number in 1..=ELSEWHERE {
        let router = |region: &str| RouterEntry {
            id: router(number, region),
            region: Region::parse(region).unwrap(),
            edition: RouterEdition::Enterprise,
        };
        let (id, owner) = (CenId::parse(cen(number)).unwrap(), uid(cen_owner(number)));
        world.cens.push(CenEntry { id, owner, transit_routers: ["cn-hangzhou", "cn-shanghai"].map(router).into() });
    }
    for part in parts.iter().filter(|part| part.on == part.number) {
        let (id, kind) = (InstanceId::parse(part.instance()).unwrap(), part.role.of);
        let region = Region::parse(part.region()).unwrap();
        let payer = (kind != InstanceType::CCN).then_some(OrderType::PayByCenOwner);
        let grant = |number: usize| GrantEntry {
            cen: CenId::parse(cen(number)).unwrap(),
            instance: id.clone(),
            order_type: payer,
            effective_order_type: None,
        };
        if part.role.id == "granted-elsewhere" {
            world.grants.push(grant(ELSEWHERE));
        }
        if part.role.place != Place::NotGranted {
            world.grants.push(grant(part.role.cen));
        }
        if part.role.place == Place::Attached {
            world.attachments.push(AttachmentEntry {
                id: Some(part.attachment()),
                transit_router: router(part.role.cen, part.region()),
                instance: id.clone(),
                status: Status::Attached,
                order_type: None,
            });
        }
        world.instances.push(Instance { kind, id, region, owner: uid(RESOURCE) });
    }
    world
}

fn router(number: usize, region: &str) -> String {
    format!("tr-golden{number}{}", region.trim_start_matches("cn-"))
}

/// The world as its jobs have left it, as the text of a world file.
pub fn left(beginning: WorldFile, cloud: &Simulator) -> String {
    let state = cloud.state();
    let list = |name: &str| -> Vec<Value> { state[name].as_array().unwrap().clone() };
    let types: Vec<_> = beginning.instances.iter().map(|instance| (instance.id.clone(), instance.kind)).collect();
    let is_ccn = |id: &InstanceId| types.contains(&(id.clone(), InstanceType::CCN));
    let payer = |value: &Value| serde_json::from_value::<OrderType>(value.clone()).ok();
    let grant = |grant: Value| {
        let instance: InstanceId = serde_json::from_value(grant["instance"].clone()).unwrap();
        let has_payer = !is_ccn(&instance);
        GrantEntry {
            cen: serde_json::from_value(grant["cen"].clone()).unwrap(),
            order_type: payer(&grant["order_type"]).filter(|_| has_payer),
            effective_order_type: payer(&grant["effective_order_type"]).filter(|_| has_payer),
            instance,
        }
    };
    let attachment = |attachment: Value| {
        assert_eq!(attachment["status"], "Attached", "what is busy would not become what it was to become");
        AttachmentEntry {
            id: Some(attachment["id"].as_str().unwrap().to_owned()),
            transit_router: attachment["transit_router"].as_str().unwrap().to_owned(),
            instance: serde_json::from_value(attachment["instance"].clone()).unwrap(),
            status: Status::Attached,
            order_type: payer(&attachment["order_type"]),
        }
    };
    let world = WorldFile {
        grants: list("grants").into_iter().map(grant).collect(),
        attachments: list("attachments").into_iter().map(attachment).collect(),
        ..beginning
    };
    // How the cloud behaves is for the program of each day to say.
    let mut text = toml::Table::try_from(world).unwrap();
    text.retain(|part, _| part != "switches" && part != "faults");
    toml::to_string(&text).unwrap()
}

/// The accounts of a world with their keys.
pub fn accounts(world: &WorldFile, clock: &Arc<ManualClock>, cloud: &Simulator) -> Accounts {
    let credentials = world.accounts.iter().map(|account| {
        let key = &account.keys[0];
        let keys = StaticKeys::new(&*key.id, key.secret.clone().into(), None);
        AccountCredentials::new(account.uid.clone(), keys)
    });
    let transport = Arc::new(RouterTransport::new(cloud.router()));
    Accounts::new(ClientParts::new(clock.clone(), transport, &usual().classes), credentials.collect())
}
