//! Plays a run: real workers, each with all its loops, on one store and against one simulated cloud, on one thread under a
//! clock that is moved whenever nothing else moves.

use std::sync::atomic::{AtomicU64, Ordering::SeqCst};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::actions;
use crossgrant::clock::{Clock, ManualClock, SteadyClock, earlier, later};
use crossgrant::cloud::{
    AccountCredentials, Accounts, ClientParts, RouterTransport, StaticKeys, Transport, TransportError,
};
use crossgrant::domain::{AccountUid, Hour, JobId, JobUid, Requester};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::loops::intake::Inbox;
use crossgrant::engine::loops::shared::{Engine, EngineParts};
use crossgrant::engine::loops::worker::{self, Capacity};
use crossgrant::engine::loops::{accounts, batches, outbox, retention};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::mail::{Incoming, Lane, Publisher};
use crossgrant::engine::ports::observe::NoObserver;
use crossgrant::engine::ports::store::{Filter, Store};
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{OutsideChange, Simulator};
use crossgrant::store::Sqlite;
use crossgrant::sweep;
use jiff::Timestamp;
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::broker::Broker;
use super::scenario::{Scenario, Step, Weather};
use super::world;
use crate::support::crash_script::Script;
use crate::support::dice::Dice;
use crate::support::idle::{Counted, open};
use crate::support::plant::{announcer, usual};
use crate::support::stepping::Machine;

/// A little before an hour, so that many runs see one.
const BEGINNING: &str = "2026-11-21T10:40:00Z";
/// Jobs that a worker has in work.
const CAPACITY: Capacity = Capacity { jobs: 4, drain: Duration::ZERO };
/// How long what has ended is kept. A run has some hours.
const KEEP: Duration = Duration::from_secs(2 * 3_600);
/// Until a worker that cannot start is started again.
const RESTART: Duration = Duration::from_secs(10);
/// How long everything is well again before it is judged: longer than anything is given up.
const AFTERWARDS: Duration = Duration::from_secs(2 * 86_400);

pub struct Stage {
    pub clock: Arc<ManualClock>,
    pub cloud: Simulator,
    pub store: Arc<Counted>,
    pub broker: Arc<Broker>,
    /// What was sent, by user.
    pub sent: Vec<(&'static str, Value)>,
    /// What happened, for people.
    trace: Arc<Mutex<Vec<String>>>,
    /// Changes that somebody else has made.
    pub outside: Vec<(Timestamp, OutsideChange)>,
    /// Jobs that were forgotten, with their events.
    pub forgotten: Vec<(Record, Vec<String>)>,
    /// What was wrong while the run was played.
    pub faults: Vec<String>,
    workers: Vec<Worker>,
    dice: Dice,
    /// How many uids were made.
    uids: Arc<AtomicU64>,
    /// How many changes of the store the workers know of.
    rung: usize,
}

struct Worker {
    /// Whose clock can be set.
    machine: Arc<Machine>,
    running: Option<Running>,
    /// When it is started again.
    back_at: Option<Timestamp>,
    /// Shut while it stands still.
    gate: watch::Sender<bool>,
    /// When it goes on.
    thaws_at: Option<Timestamp>,
}

struct Running {
    engine: Arc<Engine>,
    script: Arc<Script>,
    tasks: Vec<JoinHandle<()>>,
    /// Its loops run until this goes.
    _stop: watch::Sender<bool>,
}

/// The way to the cloud and back, which takes a while.
struct Road {
    cloud: RouterTransport,
    gate: watch::Receiver<bool>,
    clock: Arc<ManualClock>,
    dice: Mutex<Dice>,
}

#[async_trait]
impl Transport for Road {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let spans =
            [(); 2].map(|()| self.dice.lock().unwrap().span(&(Duration::from_millis(1)..Duration::from_millis(80))));
        open(&self.gate).await;
        self.clock.sleep(spans[0]).await;
        let answer = self.cloud.send(request).await;
        self.clock.sleep(spans[1]).await;
        open(&self.gate).await;
        answer
    }
}

impl Stage {
    pub async fn new(scenario: &Scenario, trace: Arc<Mutex<Vec<String>>>) -> Self {
        let clock = Arc::new(ManualClock::new(BEGINNING.parse().unwrap()));
        let cloud = Simulator::new(world::world(), Hour::REAL, clock.clone());
        cloud.patch_switches(scenario.switches.clone()).unwrap();
        let store = Counted::atomic(Sqlite::in_memory().unwrap());
        let worker = |_| Worker {
            machine: Machine::new(&clock, jiff::SignedDuration::ZERO),
            running: None,
            back_at: None,
            gate: watch::Sender::new(true),
            thaws_at: None,
        };
        let workers = (0..scenario.workers).map(worker).collect();
        let mut stage = Self {
            broker: Broker::new(clock.clone()),
            clock,
            cloud,
            store,
            sent: Vec::new(),
            trace,
            outside: Vec::new(),
            forgotten: Vec::new(),
            faults: Vec::new(),
            workers,
            dice: Dice::new(scenario.seed, 2),
            uids: Arc::default(),
            rung: 0,
        };
        for worker in 0..scenario.workers {
            stage.start(worker).await;
        }
        stage
    }

    /// Plays everything, and then lets everything be well until nothing moves any more.
    pub async fn play(&mut self, scenario: &Scenario) {
        for step in &scenario.steps {
            self.step(step).await;
        }
        self.heal().await;
        for _ in 0..4 {
            self.pass(AFTERWARDS).await;
            if !self.decide().await {
                break;
            }
        }
    }

    fn note(&mut self, what: &str) {
        self.trace.lock().unwrap().push(format!("{}  {what}", self.clock.now()));
    }

    async fn step(&mut self, step: &Step) {
        if !matches!(step, Step::Wait(_)) {
            self.note(&format!("{step:?}"));
        }
        match step {
            Step::Wait(ms) => self.pass(Duration::from_millis(*ms)).await,
            Step::Send { user, job } => {
                self.sent.push((user, job.clone()));
                self.send(self.sent.len() - 1);
            }
            // One that was forgotten would be a new job.
            Step::SendAgain { message } if *message < self.sent.len() && !self.is_forgotten(*message) => {
                self.send(*message)
            }
            Step::Fault(fault) => self.cloud.inject(fault.clone()),
            Step::Cut { worker, point, nth } => {
                let worker = *worker % self.workers.len();
                if let Some(running) = &self.workers[worker].running {
                    running.script.cut_at(*point, *nth);
                }
            }
            Step::Kill { worker } => self.kill(*worker % self.workers.len()).await,
            Step::Command { message, command } if *message < self.sent.len() => {
                let (user, job) = self.sent[*message].clone();
                self.command(user, &job, *command).await;
            }
            Step::Outside(change) => {
                if self.cloud.change(change.clone()).is_ok() {
                    self.outside.push((self.clock.now(), change.clone()));
                }
            }
            Step::Broker(weather) => self.broker.becomes(*weather),
            Step::Pause { account, paused } => self.pause(account, *paused).await,
            Step::Refuse { account, refused } => self.refuse(account, *refused),
            Step::Settles(can) => self.store.settles(*can),
            Step::Full(full) => self.store.fills(*full),
            Step::Clock { worker, by } => {
                let worker = *worker % self.workers.len();
                self.workers[worker].machine.step(jiff::SignedDuration::from_secs(*by));
            }
            Step::Forget => self.forget().await,
            Step::Freeze { worker, ms } => {
                let until = later(self.clock.now(), Duration::from_millis(*ms));
                let worker = *worker % self.workers.len();
                let worker = &mut self.workers[worker];
                if worker.running.is_some() {
                    worker.gate.send_replace(false);
                    worker.thaws_at = Some(until);
                }
            }
            Step::SendAgain { .. } | Step::Command { .. } => {}
        }
        self.settle().await;
    }

    fn send(&self, message: usize) {
        let (user, job) = &self.sent[message];
        self.broker.send(Incoming {
            body: Bytes::from(job.to_string()),
            routing_key: "crossgrant.jobs".into(),
            user_id: Some((*user).into()),
            reply_to: Some(format!("answers.{user}")),
            ..Incoming::default()
        });
    }

    fn is_forgotten(&self, message: usize) -> bool {
        let (user, job) = &self.sent[message];
        let is = |record: &Record| record.requester.as_str() == *user && job["id"] == record.job.id.as_str();
        self.forgotten.iter().any(|(record, _)| is(record))
    }

    /// Forgets what ended long ago, which must have ended long ago.
    async fn forget(&mut self) {
        let Some(engine) = self.engine().filter(|engine| engine.clock.is_told()) else { return };
        let mut before = Vec::new();
        for record in self.jobs().await {
            let events = self.store.events(record.uid).await.unwrap();
            before.push((record, events));
        }
        if retention::forget_once(&engine, KEEP).await.is_err() {
            return;
        }
        let kept: Vec<JobUid> = self.jobs().await.iter().map(|record| record.uid).collect();
        let oldest = earlier(self.clock.now(), KEEP - Duration::from_secs(60));
        for (record, events) in before.into_iter().filter(|(record, _)| !kept.contains(&record.uid)) {
            if record.phase.finished_at().is_none_or(|at| at > oldest) {
                let (id, state) = (&record.job.id, record.state().as_str());
                self.faults.push(format!("{id}, {state}, was forgotten at {}", self.clock.now()));
            }
            self.forgotten.push((record, events));
        }
    }

    /// The engine of some worker that runs, and does not stand still.
    fn engine(&self) -> Option<Arc<Engine>> {
        let goes = self.workers.iter().filter(|worker| worker.thaws_at.is_none());
        goes.filter_map(|worker| worker.running.as_ref()).map(|running| running.engine.clone()).next()
    }

    async fn command(&mut self, user: &str, job: &Value, command: Command) {
        let Some(engine) = self.engine() else { return };
        let (requester, id) = (Requester::parse(user).unwrap(), JobId::parse(job["id"].as_str().unwrap()).unwrap());
        let Some(record) = self.store.find(&requester, &id).await.unwrap() else { return };
        let done = engine.command(record.uid, command, "sim").await;
        self.note(&format!("  {command:?} of {id}: {:?}", done.map(|_| ())));
    }

    async fn pause(&mut self, account: &str, paused: bool) {
        let Some(engine) = self.engine() else { return };
        let account = AccountUid::parse(account).unwrap();
        if paused {
            // It may be paused already.
            let _ = engine.pause(account, "ann".into(), "an incident".into(), "sim").await;
        } else {
            // It may not be paused.
            let _ = engine.unpause(&account, "sim").await;
        }
    }

    fn refuse(&self, account: &str, refused: bool) {
        let key = if account == world::RESOURCE { "resource" } else { "cen" };
        let secret = if refused { "another".to_owned() } else { format!("{key}-secret") };
        let change = serde_json::json!({"set_secret": {"access_key_id": format!("{key}-key"), "secret": secret}});
        self.cloud.change(serde_json::from_value(change).unwrap()).unwrap();
    }

    async fn heal(&mut self) {
        self.note("all is well again");
        self.cloud.clear_faults();
        self.broker.becomes(Weather::Good);
        self.store.settles(true);
        self.store.fills(false);
        for account in world::ACCOUNTS {
            self.refuse(account, false);
        }
        for worker in 0..self.workers.len() {
            self.thaw(worker);
            match &self.workers[worker].running {
                Some(running) => {
                    running.script.cut_at(crossgrant::engine::ports::crash_points::CrashPoint::AfterCommit, usize::MAX)
                }
                None => self.start(worker).await,
            }
        }
        for account in world::ACCOUNTS {
            self.pause(account, false).await;
        }
    }

    /// Decides about every job that needs a person. Whether there was one.
    async fn decide(&mut self) -> bool {
        let parked: Vec<Record> =
            self.jobs().await.into_iter().filter(|record| record.state() == State::Parked).collect();
        for record in &parked {
            self.note(&format!("{} is parked: {}", record.job.id, record.why));
            let engine = self.engine().unwrap();
            let command = if self.dice.roll(2) == 0 { Command::Resume } else { Command::Cancel };
            let done = engine.command(record.uid, command, "sim").await;
            self.note(&format!("a person: {command:?} of {}: {:?}", record.job.id, done.as_ref().map(|_| ())));
            if done.is_err() {
                let done = engine.command(record.uid, Command::Resume, "sim").await;
                self.note(&format!("a person: resume of {}: {:?}", record.job.id, done.map(|_| ())));
            }
        }
        !parked.is_empty()
    }

    /// Every job that is in the store, in the order of acceptance.
    pub async fn jobs(&self) -> Vec<Record> {
        let mut jobs = self.store.list(&Filter { limit: 1_000, ..Filter::default() }).await.unwrap();
        jobs.reverse();
        jobs
    }

    async fn start(&mut self, worker: usize) {
        if self.store.is_full() {
            self.workers[worker].back_at = Some(later(self.clock.now(), RESTART));
            return;
        }
        let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(self.workers[worker].machine.clone()));
        let script = Arc::new(Script::default());
        let key = |uid: &str, name: &str| {
            let keys = StaticKeys::new(format!("{name}-key"), format!("{name}-secret").into(), None);
            AccountCredentials::new(AccountUid::parse(uid).unwrap(), keys)
        };
        let cloud = RouterTransport::new(self.cloud.router());
        let dice = Mutex::new(Dice::new(self.dice.roll(u64::MAX), 3));
        let gate = self.workers[worker].gate.subscribe();
        let road = Arc::new(Road { cloud, gate: gate.clone(), clock: self.clock.clone(), dice });
        let parts = ClientParts::new(clock.clone(), road, &usual().classes);
        let accounts = Accounts::new(parts, vec![key(world::RESOURCE, "resource"), key(world::CEN_OWNER, "cen")]);
        let parts = EngineParts {
            store: self.store.behind(gate),
            cloud: Arc::new(accounts),
            clock,
            catalog: usual(),
            registry: Arc::new(actions::registry()),
            policy: Policy::everybody().into(),
            announcer: announcer(),
            crash_points: script.clone(),
            observer: Arc::new(NoObserver),
            holder: format!("worker-{worker}"),
        };
        let engine = Arc::new(Engine::new(parts).await.unwrap());
        let (stop, stopped) = watch::channel(false);
        let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead").with_uids(self.uids());
        let mut tasks = vec![tokio::spawn(self.broker.clone().consume(worker, inbox))];
        for lane in Lane::ALL {
            let publisher: Arc<dyn Publisher> = self.broker.clone();
            tasks.push(tokio::spawn(outbox::publish(engine.clone(), publisher, lane, stopped.clone())));
        }
        tasks.push(tokio::spawn(sweep::run(engine.clone(), stopped.clone())));
        tasks.push(tokio::spawn(batches::follow(engine.clone(), stopped.clone())));
        tasks.push(tokio::spawn(accounts::follow(engine.clone(), stopped.clone())));
        let (working, stopped) = (engine.clone(), stopped);
        tasks.push(tokio::spawn(async move {
            worker::work(working, CAPACITY, stopped).await;
        }));
        let running = Running { engine, script, tasks, _stop: stop };
        let worker_of = &mut self.workers[worker];
        (worker_of.running, worker_of.back_at) = (Some(running), None);
        self.note(&format!("worker {worker} starts"));
    }

    /// UUIDv7, of which the seed decides every bit.
    fn uids(&self) -> impl Fn(Timestamp) -> JobUid + Send + Sync + use<> {
        let made = self.uids.clone();
        move |now| {
            let (ms, number) = (u64::try_from(now.as_millisecond()).unwrap(), made.fetch_add(1, SeqCst));
            let mut bits = [0; 10];
            bits[2..].copy_from_slice(&number.to_be_bytes());
            JobUid(uuid::Builder::from_unix_timestamp_millis(ms, &bits).into_uuid())
        }
    }

    fn thaw(&mut self, worker: usize) {
        self.workers[worker].thaws_at = None;
        self.workers[worker].gate.send_replace(true);
    }

    async fn kill(&mut self, worker: usize) {
        self.thaw(worker);
        let Some(Running { tasks, .. }) = self.workers[worker].running.take() else { return };
        for task in &tasks {
            task.abort();
        }
        for task in tasks {
            let ended = task.await;
            assert!(
                ended.as_ref().is_err_and(tokio::task::JoinError::is_cancelled),
                "a loop ended by itself: {ended:?}"
            );
        }
        self.broker.loses(worker);
        let away = self.dice.span(&(Duration::from_secs(1)..Duration::from_secs(200)));
        self.workers[worker].back_at = Some(later(self.clock.now(), away));
        self.note(&format!("worker {worker} is dead for {away:?}"));
    }

    /// Lets everything happen that happens now.
    async fn settle(&mut self) {
        loop {
            self.store.idle().await;
            let dead = |worker: &Worker| worker.running.as_ref().is_some_and(|running| running.script.struck());
            if let Some(worker) = self.workers.iter().position(dead) {
                self.kill(worker).await;
                continue;
            }
            let changes = self.store.changes();
            // One alone hears of its changes by itself.
            if self.workers.len() == 1 || changes == self.rung {
                return;
            }
            self.rung = changes;
            for running in self.workers.iter().filter_map(|worker| worker.running.as_ref()) {
                running.engine.work.notify_one();
                running.engine.hours.notify_one();
                running.engine.ring();
            }
        }
    }

    /// Lets time pass.
    async fn pass(&mut self, span: Duration) {
        let end = later(self.clock.now(), span);
        loop {
            self.settle().await;
            let now = self.clock.now();
            if let Some(worker) = self.workers.iter().position(|worker| worker.back_at.is_some_and(|at| at <= now)) {
                self.start(worker).await;
                continue;
            }
            let thaws = |worker: &Worker| worker.thaws_at.is_some_and(|at| at <= now);
            if let Some(worker) = self.workers.iter().position(thaws) {
                self.thaw(worker);
                continue;
            }
            let back = self.workers.iter().flat_map(|worker| [worker.back_at, worker.thaws_at]).flatten();
            let next = self.clock.next_wake().into_iter().chain(back).min();
            match next.filter(|next| *next <= end) {
                Some(next) => {
                    assert!(next > now, "a sleeper that is due does not wake");
                    self.clock.advance_to(next);
                }
                None => {
                    self.clock.advance_to(end);
                    return self.settle().await;
                }
            }
        }
    }
}
