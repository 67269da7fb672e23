//! `import terraform`, as its users run it: real processes, a worker with a job, and the simulated cloud.

use std::path::Path;

use serde_json::{Value, json};

use super::{completes, site};
use crate::support::plant::{ATTACHED, CEN, CEN_OWNER, RESOURCE};
use crate::support::process::{LIMIT, Process};
use crate::support::site::{Options, job};
use crate::support::{crossgrant, scratch};

const STATE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/terraform/state.json");
const SHOWN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/terraform/shown.json");
const SECRETS: [&str; 4] = ["s3cr3t", "psk-", "cen-secret", "resource-secret"];

/// What the command prints of a state, and its exit code.
fn import(args: &[&str]) -> (Option<i32>, Vec<String>) {
    let process = Process::start("import", crossgrant(), args);
    let status = process.end(LIMIT).expect("it ends");
    (status.code(), process.lines())
}

fn objects(lines: &[String]) -> Vec<Value> {
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

#[test]
fn it_tells_of_the_jobs_of_a_running_worker_and_of_the_cloud_and_writes_nothing() {
    let site = site(&Options { hour: "1h", ..Options::default() });
    let worker = site.worker();
    site.mail.submit(&job("T-1", "grant", ATTACHED));
    completes(&site, "T-1");
    let before = (site.cloud.ledger(), std::fs::read(STATE).unwrap());
    let admin = format!("http://{}", worker.admin);
    let import = |state: &str, more: &[&str]| {
        let token = site.token_file().unwrap();
        let token = ("CROSSGRANT_ADMIN_TOKEN_FILE", token.to_str().unwrap());
        let args = [&["--config", site.config(), "import", "terraform", state, "--admin", &admin][..], more].concat();
        let process = Process::start_with("import", crossgrant(), &args, &[token]);
        (process.end(LIMIT).expect("it ends").code(), process.lines())
    };

    let (code, lines) = import(STATE, &["--json"]);
    // One of the resources is none that a worker could own.
    assert_eq!(code, Some(1), "{lines:#?}");
    let of = |end: &str| {
        let found = objects(&lines).into_iter().find(|row| row["address"].as_str().unwrap().ends_with(end));
        found.unwrap_or_else(|| panic!("{end}: {lines:#?}"))
    };
    let taken = of(r#"vpc["billing"]"#);
    assert_eq!((&taken["verdict"], &taken["state"]), (&json!("take-over"), &json!("file")));
    assert_eq!(taken["jobs"]["count"], 1);
    assert_eq!(taken["jobs"]["newest"], "grant crossgrant/T-1 completed");
    let there = json!({"there": true, "order_type": "PayByCenOwner", "effective_order_type": "PayByCenOwner"});
    assert_eq!(taken["cloud"], there);
    let instance = json!({"type": "VPC", "id": ATTACHED, "region": "cn-hangzhou", "owner": RESOURCE});
    assert_eq!((&taken["instance"], &taken["cen"]), (&instance, &json!({"id": CEN, "owner": CEN_OWNER})));
    assert_eq!(of("attachment.billing")["verdict"], "differs");
    assert_eq!(of("grant.branch")["verdict"], "gone");

    site.mail.submit(&job("T-2", "payer-change", ATTACHED));
    site.mail.event("waiting", "T-2");
    let written = site.cloud.ledger();
    let (_, lines) = import(SHOWN, &["--json"]);
    let moving = objects(&lines).remove(0);
    assert_eq!((&moving["verdict"], &moving["state"]), (&json!("wait"), &json!("show")));
    assert_eq!(moving["jobs"]["open"], json!(["crossgrant/T-2"]));

    let (code, lines) = import(STATE, &[]);
    let text = lines.join("\n");
    assert_eq!(code, Some(1));
    assert!(text.contains("job crossgrant/T-2 has not ended") && text.contains("Nothing was changed."), "{text}");
    assert!(!SECRETS.iter().any(|secret| text.contains(secret)), "{text}");
    assert_ne!(written, before.0, "the job has written, and the import nothing more:");
    assert_eq!(site.cloud.ledger(), written);
    assert_eq!(std::fs::read(STATE).unwrap(), before.1);
}

#[test]
fn a_state_can_be_looked_at_without_a_worker_a_configuration_or_a_key() {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let config = dir.path().join("crossgrant.toml");
    std::fs::write(&config, "[admin]\nlisten = \"127.0.0.1:9\"\n").unwrap();
    let (code, lines) = import(&["--config", config.to_str().unwrap(), "import", "terraform", STATE, "--json"]);
    assert_eq!(code, Some(1));
    let rows = objects(&lines);
    assert_eq!(rows.len(), 9, "{lines:#?}");
    assert_eq!(rows[0]["cloud"]["unknown"], format!("not sent: no credential is configured for account {CEN_OWNER}"));
    assert!(rows[0]["jobs"]["unknown"].as_str().unwrap().contains("cannot reach the worker"), "{}", rows[0]);

    let (_, lines) = import(&["import", "terraform", STATE, "--simulate"]);
    assert!(lines.iter().any(|line| line.contains("2 take-over")), "{lines:#?}");
    let piped = format!("'{}' import terraform - --simulate --json < '{STATE}'", crossgrant().display());
    let process = Process::start("a shell", Path::new("/bin/sh"), &["-c", &piped]);
    process.end(LIMIT).expect("it ends");
    assert_eq!(objects(&process.lines()).len(), 9);
    let (code, lines) = import(&["import", "terraform", crossgrant().to_str().unwrap(), "--simulate", "--json"]);
    assert_eq!(code, Some(2));
    assert!(lines.join("\n").contains("bad-terraform-state"), "{lines:#?}");
}
