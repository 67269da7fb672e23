//! The processes of a measurement: one broker for all of it, and for every round a cloud and a worker of its own.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use crossgrant::broker::{BrokerSettings, Topology};
use crossgrant::clock::{Clock as _, SystemClock};
use serde_json::Value;

use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::web;
use crate::world::{self, Network, RESOURCE};

/// What all rounds share.
pub struct Rig {
    program: PathBuf,
    pub rabbit: Rabbit,
    dir: Folder,
}

/// A cloud and a worker with an empty store.
pub struct Round {
    pub worker: Process,
    pub settings: Arc<BrokerSettings>,
    cloud_address: SocketAddr,
    _cloud: Process,
    _dir: Folder,
}

impl Rig {
    /// Starts the broker.
    pub fn start() -> Result<Self> {
        let program = std::env::current_exe()?.parent().and_then(Path::parent).context("no folder")?.join("crossgrant");
        ensure!(program.exists(), "{} is missing; `make bench` builds it", program.display());
        let dir = Folder::new()?;
        let rabbit = Rabbit::start(&dir.0)?;
        Ok(Self { program, rabbit, dir })
    }

    /// Starts a cloud with `networks` networks and a worker on it, and returns when the worker can work.
    pub async fn round(&self, networks: usize, like: Network, hour: &str) -> Result<Round> {
        let dir = self.dir.another()?;
        let file = |name: &str, text: &str| -> Result<String> {
            let path = dir.0.join(name);
            std::fs::write(&path, text)?;
            Ok(path.to_str().context("the path is not text")?.to_owned())
        };
        let world = file("world.toml", &world::file(networks, like))?;
        let arguments = ["simulate", "--listen", "127.0.0.1:0", "--hour", hour, "--world", &world];
        let cloud = Process::start("the simulated cloud", &self.program, &arguments);
        let cloud_address: SocketAddr =
            cloud.line("where it listens", |line| line.strip_prefix("http://")?.parse().ok());
        let prefix = dir.0.file_name().and_then(|name| name.to_str()).context("no name")?.to_owned();
        let url = self.rabbit.amqp_url();
        let config = file("crossgrant.toml", &config(&dir.0, &url, &prefix, cloud_address, hour))?;
        let worker = Process::start("the worker", &self.program, &["--config", &config, "serve"]);
        let settings = Arc::new(BrokerSettings {
            urls: vec![url.into()],
            name: "bench".into(),
            topology: Topology::new(prefix.as_str()),
            ..BrokerSettings::default()
        });
        let round = Round { worker, settings, cloud_address, _cloud: cloud, _dir: dir };
        round.until_ready().await?;
        Ok(round)
    }
}

impl Round {
    async fn until_ready(&self) -> Result<()> {
        let admin: SocketAddr = self.worker.line("that it is ready", |line| {
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

    /// How often each operation of the cloud was called, with whatever end.
    pub fn calls(&self) -> Result<Vec<(String, u64)>> {
        let answer = web::ask(self.cloud_address, "GET", "/_sim/calls", &[], "")?;
        let calls: Value = serde_json::from_str(&answer.body)?;
        let counts = calls["counts"].as_array().context("no counts")?;
        let count = |c: &Value| Some((c["operation"].as_str()?.to_owned(), c["count"].as_u64()?));
        Ok(counts.iter().filter_map(count).collect())
    }

    /// All of them.
    pub fn total_calls(&self) -> Result<u64> {
        Ok(self.calls()?.iter().map(|(_, count)| count).sum())
    }

    /// Stops the worker in order.
    pub fn end(self) -> Result<()> {
        self.worker.terminate();
        let ended = self.worker.end(Duration::from_secs(60)).context("the worker does not stop")?;
        ensure!(ended.success(), "the worker ended with {ended}: {}", self.worker.lines().join("\n"));
        Ok(())
    }
}

fn config(dir: &Path, url: &str, prefix: &str, cloud: SocketAddr, hour: &str) -> String {
    let account =
        |uid: &str| format!("[accounts.\"{uid}\"]\naccess_key_id = \"key-{uid}\"\naccess_key_secret = \"s\"\n");
    let accounts: String = (0..world::CENS).map(|n| account(&world::owner(n))).chain([account(RESOURCE)]).collect();
    format!(
        r#"
hour = "{hour}"
store.path = {:?}
broker = {{ url = "{url}", prefix = "{prefix}" }}
admin.listen = "127.0.0.1:0"
cloud.endpoints = {{ cbn = "http://{cloud}", sts = "http://{cloud}", smartag = "http://{cloud}", vpc = "http://{cloud}" }}
cloud.budget = {{ reads_per_second = 10000, writes_per_second = 10000, burst = 10000 }}
limits = {{ payer_changes_per_account = "none", revokes_per_cen = "none" }}
log = {{ format = "json", filter = "warn,crossgrant::cli=info" }}

{accounts}
[[allow]]
requesters = ["*"]
"#,
        dir.join("crossgrant.db")
    )
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
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
