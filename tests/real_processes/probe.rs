//! `doctor --probe`, as its users run it: the program against a simulated cloud of its own process.

use std::net::SocketAddr;

use serde_json::{Value, json};

use crate::support::cloud::Cloud;
use crate::support::plant::{ATTACHED, CEN_OWNER, RESOURCE, grant};
use crate::support::process::{LIMIT, Process};
use crate::support::{crossgrant, scratch};

const SECRETS: [&str; 4] = ["cen-secret", "resource-secret", "cen-key", "resource-key"];

fn address(line: &str) -> Option<SocketAddr> {
    line.rsplit_once("//").map_or(line, |(_, rest)| rest).trim().trim_end_matches('/').parse().ok()
}

/// A simulated cloud and the files of one who asks about it.
struct Desk {
    cloud: Cloud,
    dir: tempfile::TempDir,
    _simulator: Process,
}

impl Desk {
    fn new() -> Self {
        let dir = tempfile::Builder::new().prefix("probe-").tempdir_in(scratch()).unwrap();
        let simulator = Process::start("the simulated cloud", crossgrant(), &["simulate", "--listen", "127.0.0.1:0"]);
        let cloud = Cloud::new(simulator.line("where it listens", address));
        let (url, key) = (cloud.url(), |uid: &str, name: &str| {
            format!("[accounts.\"{uid}\"]\naccess_key_id = \"{name}-key\"\naccess_key_secret = \"{name}-secret\"\n")
        });
        let products = ["cbn", "sts", "smartag", "vpc"].map(|product| format!("{product} = \"{url}\"\n")).concat();
        let config = format!("{}{}[cloud.endpoints]\n{products}", key(RESOURCE, "resource"), key(CEN_OWNER, "cen"));
        std::fs::write(dir.path().join("crossgrant.toml"), config).unwrap();
        Self { cloud, dir, _simulator: simulator }
    }

    /// What the program prints about a job, and its exit code.
    fn probe(&self, job: &Value, more: &[&str]) -> (Option<i32>, Vec<String>) {
        let file = |name: &str| self.dir.path().join(name).display().to_string();
        std::fs::write(file("job.json"), job.to_string()).unwrap();
        let (config, job) = (file("crossgrant.toml"), file("job.json"));
        let args = [&["--config", &config, "doctor", "--probe", &job], more].concat();
        let doctor = Process::start("doctor", crossgrant(), &args);
        let status = doctor.end(LIMIT).expect("it ends");
        (status.code(), doctor.lines())
    }
}

#[test]
fn it_exits_with_0_where_nothing_differs_and_with_1_where_something_does_and_writes_nothing() {
    let desk = Desk::new();
    let job = grant("P-1", ATTACHED);
    let (code, lines) = desk.probe(&job, &[]);
    assert_eq!(code, Some(0), "{lines:#?}");
    assert!(lines.iter().any(|line| line.contains(", 0 differ, ")), "{lines:#?}");

    desk.cloud.set(&json!({"child_instances": "basic", "create_time": "number"}));
    let (code, lines) = desk.probe(&job, &["--json"]);
    assert_eq!(code, Some(1), "{lines:#?}");
    let seen: Vec<Value> = lines.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    let differ: Vec<&str> =
        seen.iter().filter(|seen| seen["ok"] == false).map(|seen| seen["point"].as_str().unwrap()).collect();
    assert_eq!(differ, ["children", "create-time"]);
    assert!(!SECRETS.iter().any(|secret| lines.join("\n").contains(secret)), "{lines:#?}");
    assert_eq!(desk.cloud.ledger(), []);
}

#[test]
fn a_job_that_is_none_is_told_and_asks_nothing() {
    let desk = Desk::new();
    let (code, lines) = desk.probe(&json!({"id": "P-1"}), &[]);
    assert_eq!(code, Some(1));
    assert!(lines.iter().any(|line| line.contains("[job-missing-field]")), "{lines:#?}");
    let (code, lines) = desk.probe(&json!([]), &[]);
    assert_eq!(code, Some(2));
    assert!(lines.iter().any(|line| line.contains("[no-job]")), "{lines:#?}");
    assert!(desk.cloud.answers("GetCallerIdentity").is_empty());
}
