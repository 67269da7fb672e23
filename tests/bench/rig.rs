//! The processes of a measurement: one broker and one database server for all of it, and for every round a cloud, an
//! empty store and workers of its own.

use std::net::SocketAddr;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crossgrant::broker::{BrokerSettings, Topology};
use crossgrant::clock::{Clock as _, SystemClock};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use tokio::sync::OnceCell;
use tokio::task::JoinHandle;

use super::fill::Patterns;
use super::store::{Engine, Place};
use super::usage::{self, Usage};
use super::world::{self, Network, RESOURCE};
use crate::support::postgres::Cluster;
use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::web;

/// What all rounds share.
pub struct Rig {
    program: PathBuf,
    pub rabbit: Rabbit,
    cluster: Option<Arc<Cluster>>,
    patterns: OnceCell<Patterns>,
    dir: Folder,
}

/// A cloud, a store, and the workers on them.
pub struct Round {
    program: PathBuf,
    pub workers: Vec<Process>,
    pub settings: Arc<BrokerSettings>,
    pub place: Place,
    pub cloud_address: SocketAddr,
    _cloud: Process,
    hour: String,
    dir: Folder,
}

impl Rig {
    /// Starts the broker, and the database server if it is needed.
    pub fn start(engines: &[Engine]) -> Result<Self> {
        let program = std::env::current_exe()?.parent().and_then(Path::parent).context("no folder")?.join("crossgrant");
        ensure!(program.exists(), "{} is missing; `make bench` builds it", program.display());
        let dir = Folder::new()?;
        let rabbit = Rabbit::start(&dir.0)?;
        let cluster = engines.contains(&Engine::Postgres).then(Cluster::start).transpose()?.map(Arc::new);
        Ok(Self { program, rabbit, cluster, patterns: OnceCell::new(), dir })
    }

    /// What stores are filled with.
    pub async fn patterns(&self) -> Result<&Patterns> {
        self.patterns.get_or_try_init(|| Patterns::learn(self)).await
    }

    /// Starts a cloud with those networks, whose hour has this length in seconds. Workers are still to be started.
    pub fn round(&self, engine: Engine, networks: &[(Network, Range<usize>)], hour: u64) -> Result<Round> {
        let dir = self.dir.another()?;
        let place = Place::new(&dir.0, self.cluster(engine)?);
        self.round_on(dir, place, networks, hour)
    }

    /// The same, on a copy of a store that no worker uses.
    pub async fn round_like(&self, stored: &Round, networks: &[(Network, Range<usize>)], hour: u64) -> Result<Round> {
        let dir = self.dir.another()?;
        let cluster = self.cluster.as_ref().filter(|_| matches!(stored.place, Place::Database(_)));
        let place = stored.place.copy(&dir.0, cluster).await?;
        self.round_on(dir, place, networks, hour)
    }

    fn round_on(&self, dir: Folder, place: Place, networks: &[(Network, Range<usize>)], hour: u64) -> Result<Round> {
        let (world, hour) = (dir.file("world.toml", &world::file(networks))?, format!("{hour}s"));
        let arguments = ["simulate", "--listen", "127.0.0.1:0", "--hour", &hour, "--world", &world];
        let cloud = Process::start("the simulated cloud", &self.program, &arguments);
        let cloud_address: SocketAddr =
            cloud.line("where it listens", |line| line.strip_prefix("http://")?.parse().ok());
        let prefix = dir.0.file_name().and_then(|name| name.to_str()).context("no name")?;
        let settings = Arc::new(BrokerSettings {
            urls: vec![self.rabbit.amqp_url().into()],
            name: "bench".into(),
            topology: Topology::new(prefix),
            ..BrokerSettings::default()
        });
        let (program, workers) = (self.program.clone(), vec![]);
        Ok(Round { program, workers, settings, place, cloud_address, _cloud: cloud, hour, dir })
    }

    fn cluster(&self, engine: Engine) -> Result<Option<&Arc<Cluster>>> {
        match engine {
            Engine::Sqlite => Ok(None),
            Engine::Postgres => self.cluster.as_ref().context("no database server was started").map(Some),
        }
    }

    /// What the broker has used.
    pub fn broker_usage(&self) -> Result<Usage> {
        Usage::of_tree(usage::child("beam.smp")?)
    }

    /// What the processes of the store have used: none, if it is a part of the worker.
    pub fn store_usage(&self, round: &Round) -> Result<Usage> {
        match round.place {
            Place::File(_) => Ok(Usage::default()),
            Place::Database(_) => Usage::of_tree(usage::child("postgres")?),
        }
    }
}

impl Round {
    /// Starts `count` more workers, each of which takes on `concurrency` jobs at a time, and returns when they can work.
    pub async fn start(&mut self, count: usize, concurrency: usize) -> Result<()> {
        let began = self.workers.len();
        for n in began..began + count {
            let name = format!("worker{n}");
            let config = self.dir.file(&format!("{name}.toml"), &self.config(&name, concurrency))?;
            self.workers.push(Process::start("the worker", &self.program, &["--config", &config, "serve"]));
        }
        for worker in &self.workers[began..] {
            until_ready(worker).await?;
        }
        Ok(())
    }

    /// Asks one of the cloud's control endpoints.
    pub fn cloud(&self, method: &str, path: &str, body: Value) -> Result<Value> {
        ask(self.cloud_address, method, path, &body.to_string())
    }

    /// The time, on the uptime clock, at which what `path` waits for has come to pass.
    pub fn when(&self, path: String) -> JoinHandle<Result<Duration>> {
        let cloud = self.cloud_address;
        tokio::task::spawn_blocking(move || ask(cloud, "GET", &path, "").map(|_| SystemClock.uptime()))
    }

    /// How often each operation of the cloud was called, with whatever end.
    pub fn calls(&self) -> Result<Vec<(String, u64)>> {
        let calls = self.cloud("GET", "/_sim/calls", Value::Null)?;
        let counts = calls["counts"].as_array().context("no counts")?;
        let count = |c: &Value| Some((c["operation"].as_str()?.to_owned(), c["count"].as_u64()?));
        Ok(counts.iter().filter_map(count).collect())
    }

    /// All of them.
    pub fn total_calls(&self) -> Result<u64> {
        Ok(self.calls()?.iter().map(|(_, count)| count).sum())
    }

    /// Stops the workers in order.
    pub fn stop(&mut self) -> Result<()> {
        let workers = std::mem::take(&mut self.workers);
        workers.iter().for_each(Process::terminate);
        for worker in workers {
            let ended = worker.end(Duration::from_secs(60)).context("the worker does not stop")?;
            ensure!(ended.success(), "the worker ended with {ended}: {}", worker.lines().join("\n"));
        }
        Ok(())
    }

    fn config(&self, name: &str, concurrency: usize) -> String {
        let account =
            |uid: &str| format!("[accounts.\"{uid}\"]\naccess_key_id = \"key-{uid}\"\naccess_key_secret = \"s\"\n");
        let accounts: String = (0..world::CENS).map(|n| account(&world::owner(n))).chain([account(RESOURCE)]).collect();
        let (store, hour, cloud) = (self.place.setting(), &self.hour, self.cloud_address);
        let (url, prefix) = (self.settings.urls[0].expose_secret(), self.settings.topology.prefix());
        format!(
            r#"
hour = "{hour}"
{store}
broker = {{ url = "{url}", prefix = "{prefix}" }}
admin.listen = "127.0.0.1:0"
worker = {{ name = "{name}", concurrency = {concurrency} }}
cloud.endpoints = {{ cbn = "http://{cloud}", sts = "http://{cloud}", smartag = "http://{cloud}", vpc = "http://{cloud}" }}
cloud.budget = {{ reads_per_second = 10000, writes_per_second = 10000, burst = 10000 }}
limits = {{ payer_changes_per_account = "none", revokes_per_cen = "none" }}
log = {{ format = "json", filter = "warn,crossgrant::cli=info" }}

{accounts}
[[allow]]
requesters = ["*", "anonymous"]
"#
        )
    }
}

fn ask(cloud: SocketAddr, method: &str, path: &str, body: &str) -> Result<Value> {
    let answer = web::ask(cloud, method, path, &[], body)?;
    ensure!(answer.status == 200, "{method} {path} is answered with {}: {}", answer.status, answer.body);
    Ok(serde_json::from_str(&answer.body)?)
}

async fn until_ready(worker: &Process) -> Result<()> {
    let admin: SocketAddr = worker.line("that it is ready", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "ready").then(|| line["admin.address"].as_str()?.parse().ok()).flatten()
    });
    for _ in 0..600 {
        if web::ask(admin, "GET", "/readyz", &[], "").is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        SystemClock.sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the worker is still not ready")
}

/// A folder of our own that goes when the measurement does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("crossgrant-bench-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn another(&self) -> Result<Self> {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name = format!("bench{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = self.0.join(name);
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn file(&self, name: &str, text: &str) -> Result<String> {
        let path = self.0.join(name);
        std::fs::write(&path, text)?;
        Ok(path.to_str().context("the path is not text")?.to_owned())
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
