//! A whole installation of real processes on the loopback: a broker, a simulated cloud, a requester, and a worker that
//! can be killed and started again on the same files.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use crossgrant::admin::token_file;
use secrecy::ExposeSecret;
use serde_json::{Value, json};

use super::cloud::Cloud;
use super::mailbox::Mailbox;
use super::plant::{CEN, CEN_OWNER, RESOURCE};
use super::postgres::Database;
use super::process::{LIMIT, Process};
use super::rabbit::Rabbit;
use super::web::{self, Answer};

/// What a test may want otherwise.
pub struct Options<'a> {
    /// The billing hour of cloud and worker.
    pub hour: &'a str,
    /// How many instances there are besides those of the example world; all are VPCs that nothing is granted to.
    pub more: usize,
    /// Lines of the `[cloud.budget]` table.
    pub budget: &'a str,
    /// Lines of the worker's `[worker]` and `[admin]` tables.
    pub worker: &'a str,
    pub admin: &'a str,
    /// Each `[[admin.token]]`.
    pub tokens: &'a str,
    /// Lines of the `[timing]` table of their policies.
    pub timing: &'a str,
    /// The database that workers share, instead of a file.
    pub database: Option<&'a Database>,
}

impl Default for Options<'_> {
    fn default() -> Self {
        Self {
            hour: "4s",
            more: 0,
            budget: ENDLESS,
            worker: "",
            admin: "",
            tokens: TOKEN,
            timing: SETTLE,
            database: None,
        }
    }
}

/// Everything around a worker.
pub struct Site {
    program: PathBuf,
    config: PathBuf,
    pub cloud: Cloud,
    pub mail: Mailbox,
    pub rabbit: Arc<Rabbit>,
    /// The file of the store; `None` with a database.
    store: Option<PathBuf>,
    _simulator: Process,
    _dir: tempfile::TempDir,
}

impl Site {
    /// Starts the cloud, and writes down what a worker needs. `program` is ours; `scratch` holds a directory of its own.
    pub fn new(program: &Path, scratch: &Path, rabbit: Arc<Rabbit>, options: &Options<'_>) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let prefix = format!("site{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let dir = tempfile::Builder::new().prefix("site-").tempdir_in(scratch).unwrap();
        let file = |name: &str, text: &str| {
            let path = dir.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let world = file("world.toml", &world(options.more));
        let world = ["simulate", "--listen", "127.0.0.1:0", "--hour", options.hour, "--world", world.to_str().unwrap()];
        let simulator = Process::start("the simulated cloud", program, &world);
        let cloud = Cloud::new(simulator.line("where it listens", address));
        cloud.set(&json!({"attachment_delay": "100ms"}));
        let policies = file("policies.toml", &format!("{POLICIES}{}", options.timing));
        let store = options.database.is_none().then(|| dir.path().join("jobs.db"));
        let config = file("crossgrant.toml", &config(options, store.as_deref(), &rabbit, &prefix, &cloud, &policies));
        let mail = Mailbox::open(&rabbit.amqp_url(), Rabbit::USER, &prefix);
        Self { program: program.into(), config, cloud, mail, rabbit, store, _simulator: simulator, _dir: dir }
    }

    /// Starts a worker, the same one each time: its name and its files are. It may not be ready yet.
    pub fn start(&self) -> Worker {
        self.start_with(self.config())
    }

    /// Starts another worker beside it, of this name, and waits until it can work. Needs a database.
    pub fn colleague(&self, name: &str) -> Worker {
        self.colleague_by(name, &std::fs::read_to_string(&self.config).unwrap())
    }

    /// The same, with these lines of the `[timing]` table.
    pub fn colleague_with(&self, name: &str, timing: &str) -> Worker {
        let (usual, own) = ("policies.toml", format!("{name}-policies.toml"));
        std::fs::write(self.config.with_file_name(&own), format!("{POLICIES}{timing}")).unwrap();
        self.colleague_by(name, &std::fs::read_to_string(&self.config).unwrap().replace(usual, &own))
    }

    fn colleague_by(&self, name: &str, text: &str) -> Worker {
        let config = self.config.with_file_name(format!("{name}.toml"));
        std::fs::write(&config, text.replace(NAME, &format!("name = {name:?}"))).unwrap();
        let worker = self.start_with(config.to_str().unwrap());
        worker.until_ready(true);
        worker
    }

    fn start_with(&self, config: &str) -> Worker {
        self.worker_by(Process::start("the worker", &self.program, &["--config", config, "serve"]))
    }

    /// The worker that a process is, once it says that it is ready.
    pub fn worker_by(&self, process: Process) -> Worker {
        let admin = process.line("that it is ready", |line| {
            let line: Value = serde_json::from_str(line).ok()?;
            (line["message"] == "ready").then(|| line["admin.address"].as_str()?.parse().ok()).flatten()
        });
        Worker { process, admin, token: self.token() }
    }

    /// The token of commands, had as `crossgrant` has it: from the file beside the store, or from the configuration.
    fn token(&self) -> String {
        match self.token_file() {
            Some(file) => token_file::read(&file).unwrap().expose_secret().to_owned(),
            None => SECRET.to_owned(),
        }
    }

    /// Where the worker makes its token.
    pub fn token_file(&self) -> Option<PathBuf> {
        self.store.as_deref().map(token_file::beside)
    }

    /// Changes the worker's configuration where it is written.
    pub fn reconfigure(&self, change: impl FnOnce(String) -> String) {
        let text = std::fs::read_to_string(&self.config).unwrap();
        std::fs::write(&self.config, change(text)).unwrap();
    }

    /// Starts a worker, and waits until it can work.
    pub fn worker(&self) -> Worker {
        let worker = self.start();
        worker.until_ready(true);
        worker
    }

    /// The same, with variables of its own.
    pub fn worker_with(&self, environment: &[(&str, &str)]) -> Worker {
        let serve = ["--config", self.config(), "serve"];
        let worker = self.worker_by(Process::start_with("the worker", &self.program, &serve, environment));
        worker.until_ready(true);
        worker
    }

    /// The worker's configuration.
    pub fn config(&self) -> &str {
        self.config.to_str().unwrap()
    }
}

/// A worker in a process of its own.
pub struct Worker {
    pub process: Process,
    pub admin: SocketAddr,
    pub token: String,
}

impl Worker {
    /// Asks the admin HTTP, with the token.
    pub fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, &[&format!("authorization: Bearer {}", self.token)])
    }

    /// Has the admin HTTP carry out a command.
    pub fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, &[&format!("authorization: Bearer {}", self.token)])
    }

    /// Asks the admin HTTP with these headers and no others.
    pub fn ask(&self, method: &str, path: &str, headers: &[&str]) -> Answer {
        web::ask(self.admin, method, path, headers, "").unwrap_or_else(|e| panic!("{method} {path}: {e}"))
    }

    /// A job as the admin HTTP shows it: with its explanation and its events.
    pub fn job(&self, id: &str) -> Value {
        let id = id.replace('/', "%2F");
        let answer = self.get(&format!("/v1/jobs/{}%2F{id}", Rabbit::USER));
        assert_eq!(answer.status, 200, "{}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }

    /// The ids of the terminal events of a job, as the store has them.
    pub fn terminal_ids(&self, id: &str) -> Vec<String> {
        let job = self.job(id);
        let events = job["events"].as_array().unwrap_or_else(|| panic!("{job}")).iter();
        let ends = ["completed", "planned", "failed", "superseded", "cancelled"].map(|e| format!("crossgrant.job.{e}"));
        let ends = events.filter(|event| ends.iter().any(|end| event["type"] == end.as_str()));
        ends.map(|event| event["id"].as_str().unwrap().to_owned()).collect()
    }

    /// Waits until `/readyz` says yes, or no.
    pub fn until_ready(&self, ready: bool) {
        until(if ready { "ready" } else { "not ready" }, || {
            let status = web::ask(self.admin, "GET", "/readyz", &[], "").ok()?.status;
            (status == if ready { 200 } else { 503 }).then_some(())
        });
    }
}

/// Asks again and again what gives no notice.
#[allow(clippy::disallowed_methods)] // another process, with a clock of its own
pub fn until<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let began = std::time::Instant::now();
    loop {
        if let Some(found) = ask() {
            return found;
        }
        assert!(began.elapsed() < LIMIT, "too late: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

/// Waits for the first quarter of an hour of the cloud, whose length is in seconds: for a test that needs the rest.
pub fn early_in_the_hour(site: &Site, seconds: i64) {
    until("an hour begins", || {
        let now: jiff::Timestamp = site.cloud.state()["now"].as_str()?.parse().ok()?;
        (now.as_millisecond() % (seconds * 1000) < seconds * 250).then_some(())
    });
}

/// Waits until so much time of the cloud has passed.
pub fn passes(site: &Site, span: Duration) {
    let now = || site.cloud.state()["now"].as_str()?.parse::<jiff::Timestamp>().ok();
    let began = until("the cloud tells the time", now);
    until("time passes", || (now()?.duration_since(began).unsigned_abs() >= span).then_some(()));
}

/// The id of one of the `more` instances.
pub fn another(n: usize) -> String {
    format!("vpc-bp1more{n:012}")
}

/// A job of the example's accounts.
pub fn job(id: &str, kind: &str, instance: &str) -> Value {
    let mut job = json!({
        "id": id, "kind": kind,
        "instance": {"type": "VPC", "id": instance, "region": "cn-hangzhou", "owner": RESOURCE},
        "cen": {"id": CEN, "owner": CEN_OWNER},
    });
    if kind == "payer-change" {
        job["order_type"] = json!("PayByResourceOwner");
    }
    job
}

/// The address in a line, if there is one.
fn address(line: &str) -> Option<SocketAddr> {
    let words = line.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'));
    words.filter_map(|word| word.trim_matches(':').parse().ok()).next()
}

fn world(more: usize) -> String {
    let one = |n| {
        format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n",
            another(n)
        )
    };
    let more: String = (0..more).map(one).collect();
    let example = include_str!("../../examples/world.toml");
    let keys = "keys = [{ id = \"resource-key\", secret = \"resource-secret\" }";
    assert!(example.contains(keys));
    format!("{}{more}", example.replace(keys, &format!("{keys}, {SESSION}")))
}

/// Keys of the resource account as a service would hand them out.
const SESSION: &str = r#"{ id = "STS.issued", secret = "issued-secret", token = "issued-token" }"#;

/// The line of the worker's configuration that tells it from others.
const NAME: &str = "name = \"worker\"";

/// Quick where only patience is lost. Requests keep their time: a held one must not be given up.
const POLICIES: &str = r#"
[retry.read]
initial = "100ms"
cap = "1s"
[retry.write]
initial = "100ms"
cap = "1s"
[retry.busy]
initial = "100ms"
cap = "1s"
[retry.state]
initial = "100ms"
cap = "1s"
[timing]
"#;

/// What workers that share a database have instead of a file beside it.
const TOKEN: &str = "[[admin.token]]\nname = \"tests\"\nrole = \"approver\"\ntoken = \"s3cr3t-of-the-tests\"";
const SECRET: &str = "s3cr3t-of-the-tests";

const ENDLESS: &str = "reads_per_second = 10000\nwrites_per_second = 10000\nburst = 1000";

const SETTLE: &str = r#"
settle = "2s"
settle-poll = "200ms"
attachments-recheck = "500ms"
"#;

/// Leases that are over soon, so that another worker takes over soon.
pub const SHORT_LEASES: &str = r#"
request-timeout = "1s"
lease = "3s"
settle = "1s"
settle-poll = "100ms"
attachments-recheck = "500ms"
"#;

fn config(
    options: &Options<'_>,
    store: Option<&Path>,
    rabbit: &Rabbit,
    prefix: &str,
    cloud: &Cloud,
    policies: &Path,
) -> String {
    let Options { hour, budget, worker, admin, tokens, .. } = options;
    let (broker, cloud) = (rabbit.url_of("crossgrant-worker"), cloud.url());
    let store = match (options.database, store) {
        (Some(database), _) => format!("url = {:?}", database.url()),
        (None, store) => format!("path = {:?}", store.unwrap()),
    };
    format!(
        r#"
hour = "{hour}"
[store]
{store}
[broker]
url = "{broker}"
prefix = "{prefix}"
[admin]
listen = "127.0.0.1:0"
{admin}
{tokens}
[cloud.endpoints]
cbn = "{cloud}"
sts = "{cloud}"
smartag = "{cloud}"
vpc = "{cloud}"
[cloud.budget]
{budget}
[worker]
{NAME}
{worker}
[workflows]
policies = {policies:?}
[log]
format = "json"
[accounts."{RESOURCE}"]
access_key_id = "resource-key"
access_key_secret = "resource-secret"
[accounts."{CEN_OWNER}"]
access_key_id = "cen-key"
access_key_secret = "cen-secret"
[[allow]]
requesters = ["{user}"]
"#,
        user = Rabbit::USER,
    )
}
