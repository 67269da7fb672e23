//! Runs cells: each is an instance and a CEN of its own in one simulated cloud, with one worker for all, so that no list
//! shows one cell the attachments of another.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use bytes::Bytes;
use crossgrant::domain::contract::{Envelope, parse};
use crossgrant::domain::{AccountUid, CenId, Instance, InstanceId, InstanceType, JobUid, OrderType, Region};
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::store::Taken;
use crossgrant::simulator::{
    AccessKey, AccountEntry, AttachmentEntry, CallCount, CenEntry, Edition, Fault, FaultKind, GrantEntry, LedgerEntry,
    ParameterSet, RouterEntry, Site, Status, World, WorldFile,
};
use crossgrant::store::Sqlite;
use crossgrant::workflow::{Overrides, OverridingFile};
use serde_json::{Value, json};

use super::cell::{Asks, Cell, Granted, Outcome, Place, Ran};
use super::plan::Foretold;
use super::rules::{self, write};
use super::settings::{DEFAULT, Named, Setting};
use crate::support::plant::{self, Plant};

/// Less patience than the embedded policies have: what parks, parks soon. Nothing that is to end by itself takes longer.
const PATIENCE: &str = "[retry.read]\ngive-up = \"20m\"\n[retry.write]\ngive-up = \"20m\"\n\
                        [timing]\noverdue-after = \"1h\"\ngive-up-after = \"2h\"\n";

const NAMES: &str = "its last event names";

/// A cell with names for everything in it.
struct Scene {
    cell: Cell,
    instance: Instance,
    cen: CenId,
    number: usize,
}

/// What came of cells under a setting.
pub struct Shown {
    /// What becomes of each, in their order.
    pub outcomes: Vec<Outcome>,
    /// What is foretold of each; `None` where there is no job.
    pub foretold: Vec<Option<Foretold>>,
    /// The parameters that operations were asked with.
    pub asked: BTreeSet<ParameterSet>,
}

/// Runs the cells under a setting, and in a world of their own as plans, unless every write is sent twice, which is
/// nothing to a plan.
pub async fn run(cells: &[Cell], setting: &Setting) -> Shown {
    let mut stage = Stage::new(cells, setting, "apply").await;
    let outcomes = stage.outcomes(cells, setting).await;
    let mut asked = stage.plant.cloud.parameter_sets();
    let foretold = if setting.twice {
        vec![]
    } else {
        let mut stage = Stage::new(cells, setting, "plan").await;
        let foretold = stage.foretold().await;
        asked.extend(stage.plant.cloud.parameter_sets());
        foretold
    };
    Shown { outcomes, foretold, asked }
}

/// A cloud with the cells in it, and a worker that has their jobs.
struct Stage {
    scenes: Vec<Scene>,
    /// The cells without a job.
    without: Vec<Option<Outcome>>,
    plant: Plant,
    /// What became of the messages of the others, in their order.
    taken: Vec<Taken>,
}

impl Stage {
    async fn new(cells: &[Cell], setting: &Setting, mode: &str) -> Self {
        let scenes: Vec<Scene> = cells.iter().enumerate().map(|(n, cell)| Scene::of(*cell, n)).collect();
        let mut world = accounts();
        let mut without: Vec<Option<Outcome>> = Vec::new();
        for scene in &scenes {
            let mut alone = accounts();
            scene.add_to(&mut alone);
            match World::try_from(alone) {
                Ok(_) => {
                    scene.add_to(&mut world);
                    without.push(None);
                }
                Err(bad) => without.push(Some(scene.without_world(&bad.reason))),
            }
        }
        world.switches = setting.switches.clone();
        if let Some(which) = setting.empty {
            world.faults.extend(scenes.iter().flat_map(|scene| scene.empty_lists(which)));
        }
        let overrides = Overrides {
            policies: Some(OverridingFile { file: "patience.toml".into(), text: PATIENCE.into() }),
            errors: None,
        };
        let store = Arc::new(Sqlite::in_memory().unwrap());
        let plant = Plant::in_world(World::try_from(world).unwrap(), store, None, plant::catalog(&overrides)).await;
        if setting.twice {
            plant.script.every_write_twice();
        }
        let possible = scenes.iter().zip(&without).filter(|(_, outcome)| outcome.is_none());
        let mail = possible.map(|(scene, _)| {
            let mut job = scene.job();
            match setting.named {
                Named::Owners => {}
                Named::AnotherForTheCen => job["cen"]["owner"] = json!(plant::STRANGER),
                Named::AnotherForTheInstance => job["instance"]["owner"] = json!(plant::STRANGER),
            }
            job["mode"] = json!(mode);
            Incoming {
                body: Bytes::from(job.to_string()),
                routing_key: "crossgrant.jobs".into(),
                ..Incoming::default()
            }
        });
        let taken = plant.inbox.accept(mail.collect()).await.unwrap();
        plant.run_until("2026-11-21T15:30:00Z".parse().unwrap()).await;
        Self { scenes, without, plant, taken }
    }

    /// What becomes of each cell.
    async fn outcomes(&mut self, cells: &[Cell], setting: &Setting) -> Vec<Outcome> {
        let plant = &self.plant;
        let mut taken = self.taken.iter();
        let mut ledger = by_instance(plant.cloud.ledger());
        let state = plant.cloud.state();
        let grants = index(&state["grants"]);
        for (scene, outcome) in self.scenes.iter().zip(&mut self.without).filter(|(_, outcome)| outcome.is_none()) {
            let taken = taken.next().unwrap();
            let entries = ledger.remove(&scene.instance.id).unwrap_or_default();
            let grant = grants.get(&(scene.cen.as_str(), scene.instance.id.as_str())).copied();
            let mut ended = scene.outcome(plant, *taken, &entries, grant).await;
            // What is sent twice behind the engine's back has an answer that it never saw, and what is accepted may change nothing.
            if let (Outcome::Ran(ran), true) = (&mut ended, setting.twice || scene.cell.is_asked_of_the_cloud()) {
                ran.odd.retain(|odd| !odd.starts_with(NAMES));
            }
            *outcome = Some(ended);
        }
        let mut outcomes: Vec<Outcome> = std::mem::take(&mut self.without).into_iter().flatten().collect();
        // Every operation is called by the account that owns it, and spelled as it wants to be: by default, none is refused.
        if setting.name == DEFAULT
            && let Some(Outcome::Ran(ran)) = outcomes.iter_mut().find(|outcome| matches!(outcome, Outcome::Ran(_)))
        {
            // Whether an ECR is granted whose grant no account is shown, the cloud alone can tell.
            let asked = cells.iter().any(Cell::is_asked_of_the_cloud);
            let told = |count: &CallCount| asked && count.code == "OperationFailed.GrantCrossAccountNotExist";
            let refused = plant.cloud.counts().into_iter().filter(|count| count.code != "OK" && !told(count));
            ran.odd.extend(
                refused.map(|count| format!("here or with a later cell: {} got {}", count.operation, count.code)),
            );
        }
        outcomes
    }

    /// What is foretold of each cell.
    async fn foretold(&mut self) -> Vec<Option<Foretold>> {
        assert_eq!(self.plant.effects(), Vec::<String>::new(), "a plan writes nothing");
        let mut taken = self.taken.iter();
        let mut all = Vec::new();
        for (scene, outcome) in self.scenes.iter().zip(&self.without) {
            let job = outcome.is_none().then(|| taken.next().unwrap());
            all.push(match job {
                Some(Taken::New(uid)) => Some(scene.foretold(&self.plant, *uid).await),
                _ => None,
            });
        }
        all
    }
}

fn accounts() -> WorldFile {
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

fn by_instance(ledger: Vec<LedgerEntry>) -> HashMap<InstanceId, Vec<LedgerEntry>> {
    let mut all: HashMap<InstanceId, Vec<LedgerEntry>> = HashMap::new();
    for entry in ledger.into_iter().filter(|entry| entry.operation != "hour") {
        let instance = entry.effect.instance.clone().expect("every write of the matrix is about an instance");
        all.entry(instance).or_default().push(entry);
    }
    all
}

/// The grants of the cloud by CEN and instance.
fn index(grants: &Value) -> HashMap<(&str, &str), &Value> {
    let grants = grants.as_array().unwrap().iter();
    grants.map(|grant| ((grant["cen"].as_str().unwrap(), grant["instance"].as_str().unwrap()), grant)).collect()
}

impl Scene {
    fn of(cell: Cell, number: usize) -> Self {
        let id = InstanceId::parse(format!("{}matrix{number:012}", cell.of.prefix())).unwrap();
        let region = Region::parse("cn-hangzhou").unwrap();
        let owner = AccountUid::parse(plant::RESOURCE).unwrap();
        let cen = CenId::parse(format!("cen-matrix{number:012}")).unwrap();
        Self { cell, instance: Instance { kind: cell.of, id, region, owner }, cen, number }
    }

    fn elsewhere(&self) -> CenId {
        CenId::parse(format!("cen-elsewhere{:09}", self.number)).unwrap()
    }

    fn router(&self, which: char) -> String {
        format!("tr-matrix{which}{:011}", self.number)
    }

    fn attachment(&self, n: usize) -> String {
        format!("tr-attach-matrix{n}{:011}", self.number)
    }

    /// One of every list of attachments that shows the instance is empty, once.
    fn empty_lists(&self, which: u32) -> Vec<Fault> {
        let lists = ["Vpc", "Vbr", "Vpn", "Ecr"].map(|kind| format!("ListTransitRouter{kind}Attachments"));
        let empty = |list: &str, of: &str| Fault::new(list, FaultKind::EmptyList).after(which).only(of);
        let of_router = lists.iter().map(|list| empty(list, &self.router('1')));
        of_router.chain([empty("DescribeCenAttachedChildInstances", self.cen.as_str())]).collect()
    }

    /// Puts what the cell begins with into a world.
    fn add_to(&self, world: &mut WorldFile) {
        let (cell, instance) = (&self.cell, &self.instance.id);
        let router = |which: char, region: &str, edition| RouterEntry {
            id: self.router(which),
            region: Region::parse(region).unwrap(),
            edition,
        };
        let enterprise = Edition::Enterprise;
        // A CEN has one transit router in a region; the instance is in the first.
        let mut regions = ["cn-hangzhou", "cn-shanghai"];
        if cell.place == Place::Basic {
            regions.reverse();
        }
        let routers = vec![
            router('1', regions[0], enterprise),
            router('2', "cn-beijing", enterprise),
            router('b', regions[1], Edition::Basic),
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

    fn job(&self) -> Value {
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

    /// A cell that no world can be made for; its message may be none either.
    fn without_world(&self, why: &str) -> Outcome {
        match parse(self.job().to_string().as_bytes(), &Envelope::default()) {
            Ok(_) => Outcome::Impossible(self.named(why)),
            Err(faults) => Outcome::Refused(faults.into_iter().map(|fault| fault.at).collect()),
        }
    }

    /// A text with the names of parts instead of ids.
    fn named(&self, text: &str) -> String {
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

    async fn outcome(&self, plant: &Plant, taken: Taken, entries: &[LedgerEntry], grant: Option<&Value>) -> Outcome {
        match taken {
            Taken::New(uid) => Outcome::Ran(self.ran(plant, uid, entries, grant).await),
            Taken::Rejected(uid) => {
                let event = plant.events(uid).await.pop().unwrap();
                let faults = event["data"]["faults"].as_array().unwrap().iter();
                let mut at: Vec<String> = faults.map(|fault| fault["at"].as_str().unwrap().to_owned()).collect();
                at.extend(entries.iter().map(|entry| format!("but wrote: {}", plant::effect(entry))));
                Outcome::Refused(at)
            }
            Taken::Repeated(_) | Taken::Reused(_) => panic!("every cell has an id of its own"),
        }
    }

    async fn foretold(&self, plant: &Plant, uid: JobUid) -> Foretold {
        let last = plant.events(uid).await.pop().unwrap();
        let data = &last["data"];
        let calls = data["plan"].as_array().into_iter().flatten();
        let hour = data["effective_from"].as_str().map(|at| at[11..16].to_owned());
        Foretold { said: said(&last), hour, writes: calls.map(|call| self.call(call)).collect() }
    }

    async fn ran(&self, plant: &Plant, uid: JobUid, entries: &[LedgerEntry], grant: Option<&Value>) -> Ran {
        let events = plant.events(uid).await;
        let last = &events.last().unwrap()["data"];
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| self.named(text.as_str().unwrap())).collect()
        };
        let writes: Vec<String> = entries.iter().map(|entry| self.written(entry)).collect();
        let announced: Vec<String> =
            last["writes"].as_array().into_iter().flatten().filter_map(|w| self.announced(w)).collect();
        let mut odd = Vec::new();
        if announced != writes {
            odd.push(format!("{NAMES} {announced:?}"));
        }
        let end = events.last().unwrap()["type"].as_str().unwrap();
        if end == "crossgrant.job.completed" {
            if !self.shows(grant) {
                odd.push(format!("completed, and the cloud shows {}", grant.unwrap_or(&Value::Null)));
            }
            if self.cell.asks == Asks::Grant && last["attach"]["id"] != json!(self.instance.id) {
                odd.push(format!("does not say what the other account is to attach: {}", last["attach"]));
            }
            // What is in force may be hidden, but not be another payer.
            let after = last["after"].clone();
            let granted = (after["granted"] == json!(true)).then_some(&after);
            if !self.shows(granted.map(|grant| self.as_if_shown(grant.clone())).as_ref()) {
                odd.push(format!("completed, and says {after}"));
            }
        }
        Ran {
            said: events.iter().skip(1).map(said).collect(),
            findings: texts(&last["findings"]),
            granted_to: texts(&last["granted_to"]),
            writes,
            odd,
        }
    }

    /// One line of the ledger.
    fn written(&self, entry: &LedgerEntry) -> String {
        let account = entry.account.as_ref().map_or("nobody's", |uid| account(uid.as_str()));
        let resource = entry.effect.attachment.clone().unwrap_or_else(|| self.instance.id.to_string());
        // A grant's payer is written even where a CCN has none to write, and an attachment's end has none.
        write(&entry.operation, account, &self.named(&resource), entry.effect.order_type)
    }

    /// One write of an event, if it was not refused. An attachment of the Basic Edition goes by its instance's id there.
    fn announced(&self, write: &Value) -> Option<String> {
        (write["outcome"] != "refused").then(|| self.call(write))
    }

    /// A write, made or foretold, as an event tells it.
    fn call(&self, write: &Value) -> String {
        let text = |name: &str| write[name].as_str().unwrap();
        let resource = match text("operation") {
            "DetachCenChildInstance" => "attachment 1".to_owned(),
            _ => self.named(text("resource")),
        };
        let payer = write["order_type"].as_str().map(|word| OrderType::parse(word).unwrap());
        rules::write(text("operation"), account(text("account")), &resource, payer)
    }

    /// A grant as an event tells it, with the payer in force put in where the cloud does not show it.
    fn as_if_shown(&self, mut grant: Value) -> Value {
        if grant["effective_order_type"].is_null() {
            grant["effective_order_type"] = json!(self.cell.goal());
        }
        grant
    }

    /// Whether a grant, as the cloud has it at the end of the day or as an event tells it, is what was asked for.
    fn shows(&self, grant: Option<&Value>) -> bool {
        let goal = self.cell.goal().map(|goal| json!(goal));
        let is = |name: &str, grant: &Value| goal.as_ref().is_none_or(|goal| grant[name] == *goal);
        match self.cell.asks {
            Asks::Revoke | Asks::RevokeDeleting => grant.is_none(),
            Asks::Grant => grant.is_some_and(|grant| is("order_type", grant)),
            Asks::PayerChange => {
                grant.is_some_and(|grant| is("order_type", grant) && is("effective_order_type", grant))
            }
        }
    }
}

fn account(uid: &str) -> &'static str {
    match uid {
        plant::RESOURCE => rules::RESOURCE,
        plant::CEN_OWNER => rules::TRANSIT_ROUTER,
        _ => "stranger",
    }
}

/// An event: its type, and the reason or the hour that it gives.
fn said(event: &Value) -> String {
    let data = &event["data"];
    let kind = event["type"].as_str().unwrap().trim_start_matches("crossgrant.job.");
    let hour = |at: &str| at.get(11..16).unwrap_or(at).to_owned();
    match (kind, data["reason"].as_str()) {
        ("waiting", _) => format!("waiting for {}", hour(data["expected_at"].as_str().unwrap())),
        (_, Some(reason)) if data["half_done"] == json!(true) => format!("{kind}: {reason}, half done"),
        (_, Some(reason)) => format!("{kind}: {reason}"),
        (_, None) => kind.to_owned(),
    }
}
