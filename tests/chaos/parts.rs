//! The parts of a run: a broker, a simulated cloud, a store, workers and a requester, each a process of its own but the
//! last.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::ChildStdin;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use crossgrant::broker::Topology;

use super::broker::Broker;
use super::requester::Requester;
use super::storm::{Storm, pause};
use super::victim::Victim;
use super::wanted::Wanted;
use super::work::Work;
use super::worker::Worker;
use crate::bench::store::{Engine, Place};
use crate::bench::world::{CENS, RESOURCE, owner};
use crate::support::cloud::Cloud;
use crate::support::postgres::{Cluster, janitor};
use crate::support::process::Process;

/// The billing hour of cloud and workers.
const HOUR: &str = "20s";
/// How long a first start may take on a slow machine.
const START: f64 = 90.0;
/// How long everything may take to come to its end when nothing is struck any more.
const RECOVERY: f64 = 240.0;
/// How long the last events may take.
const LAST: f64 = 60.0;
const POLL: Duration = Duration::from_millis(200);

/// Quick, so that there is much to strike in a short time; leases that end while their worker is stopped.
const POLICIES: &str = r#"
[retry.read]
initial = "100ms"
cap = "2s"
[retry.write]
initial = "100ms"
cap = "2s"
[retry.busy]
initial = "100ms"
cap = "2s"
[retry.state]
initial = "100ms"
cap = "2s"
[timing]
request-timeout = "2s"
lease = "6s"
settle = "2s"
settle-poll = "200ms"
attachments-recheck = "500ms"
"#;

/// Dropped in this order: a database before its folder.
pub struct Parts {
    pub requester: Requester,
    pub cloud: Cloud,
    workers: Vec<Worker>,
    broker: Broker,
    place: Place,
    topology: Topology,
    _simulator: Process,
    _janitor: ChildStdin,
}

impl Parts {
    /// Starts them, and returns when every worker can work.
    pub fn start(wanted: &Wanted, work: &Work) -> Result<Self> {
        let program = std::env::current_exe()?.parent().and_then(Path::parent).context("no folder")?.join("crossgrant");
        ensure!(program.exists(), "{} is missing; `make chaos` builds it", program.display());
        let name = format!("crossgrant-chaos-{}", std::process::id());
        let dir = std::env::temp_dir().join(&name);
        std::fs::create_dir(&dir)?;
        let janitor = janitor(&dir)?;
        let topology = Topology::new(name);
        let broker = Broker::start(wanted, &dir, topology.jobs_queue())?;
        eprintln!("· RabbitMQ {}", broker.version()?);
        let cluster = match wanted.store {
            Engine::Sqlite => None,
            Engine::Postgres => Some(Arc::new(Cluster::start()?)),
        };
        let place = Place::new(&dir, cluster.as_ref());
        let world = write(&dir, "world.toml", &work.world())?;
        let arguments = ["simulate", "--listen", "127.0.0.1:0", "--hour", HOUR, "--world", &world];
        let simulator = Process::start("the simulated cloud", &program, &arguments);
        let address: SocketAddr = simulator.line("where it listens", |line| line.strip_prefix("http://")?.parse().ok());
        let cloud = Cloud::new(address);
        let policies = write(&dir, "policies.toml", POLICIES)?;
        let requester = Requester::open(broker.urls(), topology.clone())?;
        let mut workers = vec![];
        for n in 0..wanted.workers {
            let text = config(&format!("worker{n}"), &place, &broker.urls(), topology.prefix(), &cloud, &policies);
            let config = write(&dir, &format!("worker{n}.toml"), &text)?;
            workers.push(Worker::start(program.clone(), config));
        }
        let parts =
            Self { requester, cloud, workers, broker, place, topology, _simulator: simulator, _janitor: janitor };
        parts.until_ready()?;
        parts.broker.remember_queues()?;
        Ok(parts)
    }

    /// What is struck: the broker, the database server if there is one, and each worker.
    pub fn victims(&self) -> Vec<&dyn Victim> {
        let mut victims: Vec<&dyn Victim> = vec![&self.broker];
        if let Place::Database(database) = &self.place {
            victims.push(database);
        }
        victims.extend(self.workers.iter().map(|worker| worker as &dyn Victim));
        victims
    }

    /// Waits until every job has ended and everything was said, and nothing is left anywhere.
    pub fn recover(&self, work: &Work, storm: &Storm) {
        self.within(RECOVERY, storm, "every job has ended", || {
            let heard = self.requester.heard();
            let ended: std::collections::BTreeSet<&str> =
                heard.iter().filter(|event| event.kind == "completed").map(|event| event.job.as_str()).collect();
            ended.len() == work.len()
        });
        let workers = || self.workers.iter();
        self.within(LAST, storm, "every worker is ready", || workers().all(Worker::is_ready));
        self.within(LAST, storm, "the outbox is empty", || workers().all(|worker| worker.outbox() == Some(0)));
        for queue in [self.topology.jobs_queue(), self.requester.queue()] {
            let what = format!("the queue {queue} is empty");
            self.within(LAST, storm, &what, || self.requester.depth(&queue) == Some(0));
        }
        let dead = self.topology.dead_queue();
        self.within(LAST, storm, "no message is dead", || self.requester.depth(&dead) == Some(0));
    }

    /// Stops the workers; each must end well.
    pub fn stop(&self, storm: &Storm) {
        for worker in &self.workers {
            if let Err(error) = worker.stop() {
                storm.problem(format!("a worker that is asked to stop: {error:#}"));
            }
            for line in worker.lines().iter().filter(|line| line.contains("panicked at")) {
                storm.problem(format!("a worker: {line}"));
            }
        }
    }

    /// Keeps what the workers said, for those who look for the reason.
    pub fn keep_logs(&self, seed: u64) -> Result<PathBuf> {
        let dir = std::env::temp_dir().join(format!("crossgrant-chaos-{seed}-logs"));
        std::fs::create_dir_all(&dir)?;
        for (n, worker) in self.workers.iter().enumerate() {
            std::fs::write(dir.join(format!("worker{n}.log")), worker.lines().join("\n"))?;
        }
        let ledger: Vec<String> =
            self.cloud.ledger().iter().map(|entry| serde_json::json!(entry).to_string()).collect();
        std::fs::write(dir.join("ledger.json"), ledger.join("\n"))?;
        let heard: Vec<String> = self.requester.heard().iter().map(|event| format!("{event:?}")).collect();
        std::fs::write(dir.join("events.txt"), heard.join("\n"))?;
        Ok(dir)
    }

    fn until_ready(&self) -> Result<()> {
        let start = Storm::begins();
        while !self.workers.iter().all(Worker::is_ready) {
            if start.seconds() > START {
                let said: Vec<String> = self.workers.iter().flat_map(Worker::lines).collect();
                bail!("the workers do not become ready:\n{}", said.join("\n"));
            }
            pause(POLL);
        }
        Ok(())
    }

    /// Looks after the workers until something is so; it is a problem if it is not in time.
    fn within(&self, seconds: f64, storm: &Storm, what: &str, is_so: impl Fn() -> bool) {
        let until = storm.seconds() + seconds;
        while !is_so() {
            if storm.seconds() > until {
                return storm.problem(format!("not so after {seconds} s: {what}"));
            }
            self.workers.iter().for_each(|worker| worker.look_after(storm));
            pause(POLL);
        }
    }
}

fn write(dir: &Path, name: &str, text: &str) -> Result<String> {
    let path = dir.join(name);
    std::fs::write(&path, text)?;
    Ok(path.to_str().context("the path is not text")?.to_owned())
}

fn config(name: &str, place: &Place, urls: &[String], prefix: &str, cloud: &Cloud, policies: &str) -> String {
    let account =
        |uid: &str| format!("[accounts.\"{uid}\"]\naccess_key_id = \"key-{uid}\"\naccess_key_secret = \"s\"\n");
    let accounts: String = (0..CENS).map(|n| account(&owner(n))).chain([account(RESOURCE)]).collect();
    let (store, cloud) = (place.setting(), cloud.url());
    format!(
        r#"
hour = "{HOUR}"
{store}
broker = {{ url = {urls:?}, prefix = "{prefix}" }}
admin.listen = "127.0.0.1:0"
worker = {{ name = "{name}", drain = "3s" }}
workflows.policies = {policies:?}
cloud.endpoints = {{ cbn = "{cloud}", sts = "{cloud}", smartag = "{cloud}", vpc = "{cloud}" }}
cloud.budget = {{ reads_per_second = 10000, writes_per_second = 10000, burst = 1000 }}
limits = {{ payer_changes_per_account = "none", revokes_per_cen = "none" }}
log = {{ format = "json", filter = "warn,crossgrant::cli=info" }}

{accounts}
[[allow]]
requesters = ["*"]
"#
    )
}
