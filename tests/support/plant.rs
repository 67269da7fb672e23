//! A whole worker in one place, moved by hand: real store, real engine, the real client signing real requests to the
//! simulated cloud, and one clock for both that stands still until a test moves it.

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use bytes::Bytes;
use crossgrant::actions;
use crossgrant::clock::{Clock, ManualClock};
use crossgrant::cloud::{AccountCredentials, Accounts, ClientParts, Limits, RouterTransport, StaticKeys};
use crossgrant::domain::{AccountUid, Hour, JobUid};
use crossgrant::engine::events::Announcer;
use crossgrant::engine::loops::accounts::Rounds;
use crossgrant::engine::loops::intake::Inbox;
use crossgrant::engine::loops::shared::{Engine, EngineParts};
use crossgrant::engine::loops::worker;
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::cloud::Cloud;
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::observe::NoObserver;
use crossgrant::engine::ports::store::{Store, Taken};
use crossgrant::engine::record::Record;
use crossgrant::simulator::{LedgerEntry, Simulator, World};
use crossgrant::store::{LeaseClock, Postgres, PostgresSettings, Sqlite};
use crossgrant::sweep;
use crossgrant::workflow::{Catalog, Overrides};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::crash_script::Script;
use super::postgres::{Cluster, Database};
use super::schemas::check_event;

pub const RESOURCE: &str = "1688000000000001";
pub const CEN_OWNER: &str = "1250123456123456";
pub const CEN: &str = "cen-44m0p68spvlrqq0001";
/// Its transit router of the Enterprise Edition.
pub const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";
/// Has keys, and owns nothing.
pub const STRANGER: &str = "1377000000000003";
/// Granted with PayByCenOwner and attached.
pub const ATTACHED: &str = "vpc-bp1h8vbrbcgohcju50001";
/// Granted with PayByCenOwner, not attached.
pub const UNATTACHED: &str = "vpc-bp1h8vbrbcgohcju50002";
/// Not granted.
pub const NOT_GRANTED: &str = "vpc-bp1h8vbrbcgohcju50003";
/// Granted and attached; for revokes.
pub const HELD: &str = "vpc-bp1h8vbrbcgohcju50005";

/// What a plant keeps its jobs in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stock {
    Memory,
    /// Two workers share it. One that is cut does not come back before the next is, and its leases have to end.
    Database,
}

/// Makes a test of each function for every [`Stock`].
macro_rules! in_memory_and_in_a_database {
    ($($promise:ident),+ $(,)?) => {
        mod in_memory {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::support::plant::Stock::Memory).await;
            })+
        }

        mod in_a_database {
            $(#[tokio::test]
            async fn $promise() {
                super::$promise($crate::support::plant::Stock::Database).await;
            })+
        }
    };
}
pub(crate) use in_memory_and_in_a_database;

pub struct Plant {
    pub clock: Arc<ManualClock>,
    pub cloud: Simulator,
    pub engine: Arc<Engine>,
    pub inbox: Inbox,
    pub script: Arc<Script>,
    /// Who works beside `engine`, on the same database.
    colleague: Option<Arc<Engine>>,
    /// The worker that was cut.
    away: std::sync::Mutex<Option<String>>,
    /// Goes last.
    _database: Option<Database>,
}

impl Plant {
    /// A worker against the example world at 10:20:00, with an hour of an hour.
    pub async fn new() -> Self {
        Self::with_world(include_str!("../../examples/world.toml")).await
    }

    pub async fn with_world(world: &str) -> Self {
        // Without limits: a call that waited would wait for a clock that no test moves.
        Self::with(world, Arc::new(Sqlite::in_memory().unwrap()), None).await
    }

    /// The same, with another store.
    pub async fn on(stock: Stock) -> Self {
        Self::in_world_on(stock, include_str!("../../examples/world.toml")).await
    }

    /// The same, against another world.
    pub async fn in_world_on(stock: Stock, world: &str) -> Self {
        let Stock::Database = stock else { return Self::with_world(world).await };
        let database = Cluster::shared().database();
        let store = async |name: &str| {
            let url = database.url().into();
            let settings = PostgresSettings { url, password: None, ca_pem: None, name: name.into() };
            Arc::new(Postgres::open(&settings, LeaseClock::Callers).await.unwrap())
        };
        let plant = Self::with(world, store("plant").await, None).await;
        let parts = EngineParts {
            store: store("colleague").await,
            cloud: plant.engine.cloud.clone(),
            clock: plant.clock.clone(),
            catalog: plant.engine.catalog.clone(),
            registry: plant.engine.registry.clone(),
            policy: Policy::everybody().into(),
            announcer: announcer(),
            crash_points: plant.script.clone(),
            observer: Arc::new(NoObserver),
            holder: "colleague".into(),
        };
        let colleague = Engine::new(parts).await.unwrap();
        Self { colleague: Some(Arc::new(colleague)), _database: Some(database), ..plant }
    }

    pub async fn with(world: &str, store: Arc<dyn Store>, limits: Option<Limits>) -> Self {
        Self::in_world(World::from_toml(world).unwrap(), store, limits, usual()).await
    }

    /// A worker against any world, by other policies or error classes.
    pub async fn in_world(world: World, store: Arc<dyn Store>, limits: Option<Limits>, catalog: Arc<Catalog>) -> Self {
        let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let cloud = Simulator::new(world, Hour::REAL, clock.clone());
        let accounts = Self::accounts(&clock, &cloud, limits);
        Self::under(Policy::everybody(), clock, cloud, accounts, store, catalog).await
    }

    /// Both accounts of the example world, and another.
    pub fn accounts(clock: &Arc<impl Clock>, cloud: &Simulator, limits: Option<Limits>) -> Accounts {
        let key = |uid: &str, id: &str, secret: &str| {
            AccountCredentials::new(
                AccountUid::parse(uid).unwrap(),
                StaticKeys::new(id, secret.to_owned().into(), None),
            )
        };
        let transport = Arc::new(RouterTransport::new(cloud.router()));
        let parts = ClientParts::new(clock.clone(), transport, &usual().classes);
        Accounts::new(
            ClientParts { limits, ..parts },
            vec![
                key(RESOURCE, "resource-key", "resource-secret"),
                key(CEN_OWNER, "cen-key", "cen-secret"),
                key(STRANGER, "stranger-key", "stranger-secret"),
            ],
        )
    }

    /// A worker on this clock, against this cloud as these accounts.
    pub async fn of(clock: Arc<ManualClock>, cloud: Simulator, accounts: Accounts, store: Arc<dyn Store>) -> Self {
        Self::under(Policy::everybody(), clock, cloud, accounts, store, usual()).await
    }

    /// The same, under a policy, and by other policies of retry or error classes.
    pub async fn under(
        policy: Policy,
        clock: Arc<ManualClock>,
        cloud: Simulator,
        accounts: impl Into<Arc<Accounts>>,
        store: Arc<dyn Store>,
        catalog: Arc<Catalog>,
    ) -> Self {
        let accounts: Arc<Accounts> = accounts.into();
        Self::made(clock, cloud, accounts, store, policy, catalog).await
    }

    /// The same worker on another configuration, after a restart: the cloud is what it was, and the store is opened once
    /// this one is gone.
    pub async fn restarted(self, policy: Policy, reopen: impl FnOnce() -> Arc<dyn Store>) -> Self {
        let Self { clock, cloud, engine, inbox, .. } = self;
        let (accounts, catalog) = (engine.cloud.clone(), engine.catalog.clone());
        drop((engine, inbox));
        Self::made(clock, cloud, accounts, reopen(), policy, catalog).await
    }

    async fn made(
        clock: Arc<ManualClock>,
        cloud: Simulator,
        accounts: Arc<dyn Cloud>,
        store: Arc<dyn Store>,
        policy: Policy,
        catalog: Arc<Catalog>,
    ) -> Self {
        let script = Arc::new(Script::default());
        let registry = Arc::new(actions::registry());
        let engine = Engine::new(EngineParts {
            store,
            cloud: accounts,
            clock: clock.clone(),
            catalog,
            registry,
            policy: policy.into(),
            announcer: announcer(),
            crash_points: script.clone(),
            observer: Arc::new(NoObserver),
            holder: "plant".into(),
        });
        let engine = Arc::new(engine.await.unwrap());
        let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
        Self {
            clock,
            cloud,
            engine,
            inbox,
            script,
            colleague: None,
            away: std::sync::Mutex::default(),
            _database: None,
        }
    }

    pub fn store(&self) -> &dyn Store {
        self.engine.store.as_ref()
    }

    /// Takes one message in.
    pub async fn send(&self, job: &Value) -> Taken {
        self.send_as(None, job).await
    }

    /// Takes a message in from a requester whom the broker has verified.
    pub async fn send_as(&self, user_id: Option<&str>, job: &Value) -> Taken {
        let incoming = Incoming {
            body: Bytes::from(job.to_string()),
            routing_key: "crossgrant.jobs".into(),
            user_id: user_id.map(str::to_owned),
            ..Incoming::default()
        };
        self.inbox.accept(vec![incoming]).await.unwrap()[0]
    }

    /// Takes a job in and returns its uid.
    pub async fn job(&self, job: Value) -> JobUid {
        match self.send(&job).await {
            Taken::New(uid) => uid,
            other => panic!("{job} was not taken as a new job: {other:?}"),
        }
    }

    pub async fn record(&self, uid: JobUid) -> Record {
        self.store().load(uid).await.unwrap().unwrap()
    }

    /// Works on everything that is due, and on what becomes due by that, without moving the clock. Each job is worked on
    /// until it rests or is cut; being cut is followed by a restart, or by somebody else's taking over. Two take turns.
    pub async fn work(&self) {
        self.come_back().await;
        let mut first = true;
        let mut idle = 0;
        while idle < 2 {
            let colleague = self.colleague.as_ref().filter(|_| !first);
            first = !first;
            let engine = colleague.unwrap_or(&self.engine);
            idle += 1;
            if self.is_away(&engine.holder) {
                continue;
            }
            let now = self.clock.now();
            let until = crossgrant::clock::later(now, engine.lease());
            let claimed = engine.store.claim(&engine.holder, now, until, 1, &[]).await.unwrap();
            let Some(claimed) = claimed.into_iter().next() else { continue };
            idle = 0;
            let struck = self.script.struck();
            worker::run(engine, claimed, self.clock.uptime() + engine.lease()).await.unwrap();
            if self.colleague.is_none() && self.script.struck() {
                engine.store.reclaim(&engine.holder).await.unwrap();
            } else if self.script.struck() && !struck {
                *self.away.lock().unwrap() = Some(engine.holder.clone());
            }
        }
    }

    /// Starts the worker again that was cut, if another cut was prepared since: it reclaims its own leases.
    async fn come_back(&self) {
        let away = if self.script.struck() { None } else { self.away.lock().unwrap().take() };
        if let Some(holder) = away {
            self.store().reclaim(&holder).await.unwrap();
        }
    }

    fn is_away(&self, holder: &str) -> bool {
        self.script.struck() && self.away.lock().unwrap().as_deref() == Some(holder)
    }

    /// Whether a worker was cut and does not come back.
    pub fn misses_one(&self) -> bool {
        self.colleague.is_some() && self.script.struck()
    }

    /// Works until nothing is due by `horizon`, moving the clock from one due time to the next.
    pub async fn run_until(&self, horizon: Timestamp) {
        loop {
            self.work().await;
            sweep::pass(&self.engine).await.unwrap();
            self.engine.cloud.ask_accounts(false).await;
            let question = Rounds::default().settle(&self.engine).await;
            self.work().await;
            let question = question.map(|span| crossgrant::clock::later(self.clock.now(), span));
            let batches = self.look_at_batches().await;
            let dues =
                [self.store().next_due().await.unwrap(), self.store().next_sweep().await.unwrap(), question, batches];
            let Some(next) = dues.into_iter().flatten().min() else { return };
            if next > horizon {
                return;
            }
            // A step of a millisecond past what is rounded up in the store, so that time always moves on.
            self.clock.advance_to(next);
            if next <= self.clock.now() {
                self.clock.advance(Duration::from_millis(1));
            }
        }
    }

    /// Looks at the batches, as a worker does by and by. One that was cut is started again, or the other one looks.
    async fn look_at_batches(&self) -> Option<Timestamp> {
        let struck = self.script.struck();
        let next = self.engine.look_at_batches().await.unwrap();
        if struck || !self.script.struck() {
            return next;
        }
        let goes_on = self.colleague.as_ref().unwrap_or(&self.engine);
        goes_on.look_at_batches().await.unwrap()
    }

    /// Works for a few seconds of simulated time, in which a job looks a second time before it believes an empty list.
    pub async fn run_on(&self) {
        let then = crossgrant::clock::later(self.clock.now(), Duration::from_secs(10));
        self.run_until(then).await;
    }

    /// Works for up to a week of simulated time.
    pub async fn run(&self) {
        let week = crossgrant::clock::later(self.clock.now(), Duration::from_secs(7 * 86_400));
        self.run_until(week).await;
    }

    /// Every event of a job, in the order they were said. Each has the schemas that it names.
    pub async fn events(&self, uid: JobUid) -> Vec<Value> {
        let events = self.store().events(uid).await.unwrap();
        let events: Vec<Value> = events.iter().map(|event| serde_json::from_str(event).unwrap()).collect();
        events.iter().for_each(check_event);
        events
    }

    /// The types of the events of a job, without their common prefix.
    pub async fn said(&self, uid: JobUid) -> Vec<String> {
        let types = self.events(uid).await;
        types.iter().map(|e| e["type"].as_str().unwrap().trim_start_matches("crossgrant.job.").to_owned()).collect()
    }

    /// The effects on the cloud, as `operation resource order-type`, without the hours' own.
    pub fn effects(&self) -> Vec<String> {
        self.cloud
            .ledger()
            .iter()
            .filter(|e| e.operation != "hour" && !e.operation.starts_with("sim:"))
            .map(effect)
            .collect()
    }

    /// A change that is not this worker's: one field of `SetOrderType`.
    pub fn somebody_sets(&self, instance: &str, field: &str, order_type: &str) {
        let change = json!({"set_order_type": {"cen": CEN, "instance": instance, field: order_type}});
        self.cloud.change(serde_json::from_value(change).unwrap()).unwrap();
    }
}

pub fn announcer() -> Announcer {
    Announcer {
        exchange: "crossgrant.events".into(),
        source: "/crossgrant/test".into(),
        hour: Hour::REAL,
        sampling: None,
    }
}

/// Without overrides. Read once: it is the same for all tests.
pub fn usual() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    CATALOG.get_or_init(|| catalog(&Overrides::default())).clone()
}

/// Definitions, policies and error classes, with what an operator overrides.
pub fn catalog(overrides: &Overrides) -> Arc<Catalog> {
    Arc::new(Catalog::embedded(&actions::registry().specs(), overrides).unwrap())
}

/// One effect in a line.
pub fn effect(entry: &LedgerEntry) -> String {
    let resource = entry.effect.attachment.clone().or(entry.effect.instance.as_ref().map(ToString::to_string));
    let payer = entry.effect.order_type.map(|o| format!(" {o}")).unwrap_or_default();
    format!("{} {}{payer}", entry.operation, resource.unwrap_or_default())
}

fn job(id: &str, kind: &str, instance: &str) -> Value {
    json!({
        "id": id, "kind": kind,
        "instance": {"type": "VPC", "id": instance, "region": "cn-hangzhou", "owner": RESOURCE},
        "cen": {"id": CEN, "owner": CEN_OWNER},
    })
}

pub fn grant(id: &str, instance: &str) -> Value {
    job(id, "grant", instance)
}

pub fn revoke(id: &str, instance: &str) -> Value {
    job(id, "revoke", instance)
}

pub fn payer_change(id: &str, instance: &str, order_type: &str) -> Value {
    with(job(id, "payer-change", instance), "order_type", order_type.into())
}

pub fn with(mut job: Value, field: &str, value: Value) -> Value {
    job[field] = value;
    job
}
