//! A whole worker with its own loops, on a machine whose clock is set, against a cloud whose clock is right.

use std::sync::atomic::{AtomicBool, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::actions;
use crossgrant::clock::{Clock, ManualClock, SteadyClock, later};
use crossgrant::cloud::{
    AccountCredentials, Accounts, ClientParts, RouterTransport, StaticKeys, Transport, TransportError,
};
use crossgrant::domain::{AccountUid, Hour, JobUid, Kind};
use crossgrant::engine::events::Announcer;
use crossgrant::engine::loops::intake::Inbox;
use crossgrant::engine::loops::shared::{Engine, EngineParts};
use crossgrant::engine::loops::timekeeping;
use crossgrant::engine::loops::worker::{Capacity, work};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::crash_points::{CrashPoint, CrashPoints};
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::observe::Observer;
use crossgrant::engine::ports::store::{Store, Taken};
use crossgrant::engine::ports::trace::Tracer;
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{Simulator, World};
use crossgrant::store::{LeaseClock, Postgres, PostgresSettings, Sqlite};
use crossgrant::sweep;
use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::idle::Counted;
use crate::support::plant::{CEN_OWNER, RESOURCE, Stock, effect, usual};
use crate::support::postgres::{Cluster, Database};
use crate::support::stepping::Machine;

pub const REVOKE: &str = "RevokeInstanceFromTransitRouter";
/// Nothing here takes longer, in truth.
const LONGEST: Duration = Duration::from_secs(5 * 86_400);

pub fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

pub struct Scene {
    pub truth: Arc<ManualClock>,
    pub machine: Arc<Machine>,
    pub cloud: Simulator,
    /// Between the worker and the cloud.
    pub line: Arc<Line>,
    pub store: Arc<Counted>,
    hands: Arc<Hands>,
    worker: Option<Running>,
    /// Goes last.
    _database: Option<Database>,
}

/// One run of a worker.
struct Running {
    engine: Arc<Engine>,
    loops: Vec<JoinHandle<()>>,
    _stop: watch::Sender<bool>,
}

impl Drop for Running {
    fn drop(&mut self) {
        self.loops.iter().for_each(JoinHandle::abort);
    }
}

/// Sets the clock at a point of the engine, and remembers how the job stands.
struct Hands {
    machine: Arc<Machine>,
    at: Mutex<Option<(CrashPoint, SignedDuration)>>,
    state: Mutex<Option<State>>,
}

impl CrashPoints for Hands {
    fn cut(&self, at: CrashPoint) -> bool {
        let by = self.at.lock().unwrap().take_if(|(point, _)| *point == at);
        if let Some((_, by)) = by {
            self.machine.step(by);
        }
        false
    }
}

impl Tracer for Hands {}

impl Observer for Hands {
    fn moved(&self, _: Kind, to: State) {
        *self.state.lock().unwrap() = Some(to);
    }
}

impl Scene {
    /// At 10:20 in truth, on a machine whose clock is `ahead` of that.
    pub async fn on(stock: Stock, ahead: SignedDuration) -> Self {
        let truth = Arc::new(ManualClock::new(at("10:20:00")));
        let machine = Machine::new(&truth, ahead);
        let world = World::from_toml(include_str!("../../../examples/world.toml")).unwrap();
        let cloud = Simulator::new(world, Hour::REAL, truth.clone());
        let line = Arc::new(Line { cloud: RouterTransport::new(cloud.router()), cut: AtomicBool::new(false) });
        let hands = Hands { machine: Arc::clone(&machine), at: Mutex::default(), state: Mutex::default() };
        let clock = clock(&machine);
        let (store, database) = match stock {
            Stock::Memory => (Counted::new(Sqlite::in_memory().unwrap()), None),
            Stock::Database => {
                let database = Cluster::shared().database();
                let url = database.url().into();
                let settings = PostgresSettings { url, password: None, ca_pem: None, name: "plant".into() };
                let store = Postgres::open(&settings, LeaseClock::Database(Arc::clone(&clock))).await.unwrap();
                (Counted::new(store), Some(database))
            }
        };
        let hands = Arc::new(hands);
        let mut scene = Self { truth, machine, cloud, line, store, hands, worker: None, _database: database };
        scene.start(clock).await;
        scene
    }

    async fn start(&mut self, clock: Arc<dyn Clock>) {
        let key = |uid: &str, id: &str, secret: &str| {
            let keys = StaticKeys::new(id, secret.to_owned().into(), None);
            AccountCredentials::new(AccountUid::parse(uid).unwrap(), keys)
        };
        let keys = vec![key(RESOURCE, "resource-key", "resource-secret"), key(CEN_OWNER, "cen-key", "cen-secret")];
        let parts = ClientParts::new(Arc::clone(&clock), self.line.clone(), &usual().classes);
        let cloud = Accounts::new(parts, keys);
        let engine = Engine::new(EngineParts {
            store: self.store.clone(),
            cloud: Arc::new(cloud),
            clock,
            catalog: usual(),
            registry: Arc::new(actions::registry()),
            policy: Policy::everybody().into(),
            announcer: Announcer {
                exchange: "crossgrant.events".into(),
                source: "/crossgrant/test".into(),
                hour: Hour::REAL,
                sampling: None,
            },
            crash_points: self.hands.clone(),
            observer: self.hands.clone(),
            holder: "plant".into(),
        });
        let engine = Arc::new(engine.await.unwrap());
        let (stop, stopped) = watch::channel(false);
        let capacity = Capacity { jobs: 16, drain: Duration::from_secs(1) };
        let loops = vec![
            tokio::spawn(timekeeping::keep(Arc::clone(&engine), stopped.clone())),
            tokio::spawn(work(Arc::clone(&engine), capacity, stopped.clone()).map(drop)),
            tokio::spawn(sweep::run(Arc::clone(&engine), stopped)),
        ];
        self.worker = Some(Running { engine, loops, _stop: stop });
    }

    /// The worker is killed.
    pub async fn kill(&mut self) {
        self.worker = None;
        self.store.idle().await;
    }

    /// A worker is started on what the last one left.
    pub async fn restart(&mut self) {
        self.start(clock(&self.machine)).await;
    }

    fn engine(&self) -> &Arc<Engine> {
        &self.worker.as_ref().expect("a worker runs").engine
    }

    /// The worker looks for jobs that it could claim.
    pub fn wake(&self) {
        self.engine().work.notify_one();
    }

    /// Sets the clock when the engine comes to this point for the first time.
    pub fn steps_at(&self, point: CrashPoint, by: SignedDuration) {
        *self.hands.at.lock().unwrap() = Some((point, by));
    }

    pub async fn job(&self, job: Value) -> JobUid {
        let inbox = Inbox::new(Arc::clone(self.engine()), "crossgrant", "crossgrant.dead");
        let incoming = Incoming {
            body: Bytes::from(job.to_string()),
            routing_key: "crossgrant.jobs".into(),
            ..Incoming::default()
        };
        let taken = inbox.accept(vec![incoming]).await.unwrap()[0];
        let Taken::New(uid) = taken else { panic!("{taken:?}") };
        uid
    }

    pub async fn record(&self, uid: JobUid) -> Record {
        self.store.load(uid).await.unwrap().unwrap()
    }

    /// Every effect on the cloud that a call had.
    pub fn effects(&self) -> Vec<String> {
        self.cloud.ledger().iter().filter(|entry| entry.operation != "hour").map(effect).collect()
    }

    pub fn took(&self) -> Duration {
        self.truth.uptime()
    }

    pub async fn run_until_held(&self, operation: &str) {
        let held = || self.cloud.wait_for_held(operation).now_or_never().is_some();
        self.store.run_until(&self.truth, held).await;
        assert!(held(), "no {operation} is held; what was written: {:?}", self.effects());
    }

    /// Runs to this time in truth.
    pub async fn run_to(&self, time: Timestamp) {
        let come = Arc::new(AtomicBool::new(false));
        let sleeper = tokio::spawn({
            let (truth, come) = (Arc::clone(&self.truth), Arc::clone(&come));
            async move {
                truth.sleep_until(time).await;
                come.store(true, SeqCst);
            }
        });
        self.store.run_until(&self.truth, || come.load(SeqCst)).await;
        sleeper.await.unwrap();
    }

    pub async fn run_for(&self, span: Duration) {
        self.run_to(later(self.truth.now(), span)).await;
    }

    /// Runs until the job ends or parks, or nothing happens any more.
    pub async fn run_to_the_end(&self) -> State {
        let state = || *self.hands.state.lock().unwrap();
        let rests = |state: State| state.is_terminal() || state == State::Parked;
        let done = || state().is_some_and(rests) || self.truth.uptime() > LONGEST;
        self.store.run_until(&self.truth, done).await;
        state().unwrap()
    }
}

/// What the worker goes by.
fn clock(machine: &Arc<Machine>) -> Arc<dyn Clock> {
    Arc::new(SteadyClock::new(machine.clone()))
}

/// The line to the cloud, which can be cut: then no request leaves.
pub struct Line {
    cloud: RouterTransport,
    cut: AtomicBool,
}

impl Line {
    pub fn cut(&self, cut: bool) {
        self.cut.store(cut, SeqCst);
    }
}

#[async_trait]
impl Transport for Line {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        if self.cut.load(SeqCst) {
            return Err(TransportError::NotSent("no route to the cloud".into()));
        }
        self.cloud.send(request).await
    }
}
