//! A key that is revoked while jobs are in work, and what its successor in the secret file sets going.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::{Value, json};

use super::{GRANT, completes_once, operations, place, site};
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::crossgrant;
use crate::support::plant::RESOURCE;
use crate::support::process::Process;
use crate::support::site::{Options, Site, Worker, another, job, until};

for_one_and_two! {
    a_revoked_key_parks_nothing_and_a_new_one_in_the_file_lets_every_job_go_on,
}

/// Moves the secret of the resource account into a file.
fn secret_in_a_file(site: &Site) -> PathBuf {
    let file = PathBuf::from(site.config()).with_file_name("resource-secret");
    std::fs::write(&file, "resource-secret\n").unwrap();
    let inline = "access_key_secret = \"resource-secret\"";
    site.reconfigure(|text| {
        assert!(text.contains(inline));
        text.replace(inline, &format!("access_key_secret_file = {file:?}"))
    });
    file
}

fn account(worker: &Worker) -> Value {
    let answer = worker.get("/v1/accounts");
    assert_eq!(answer.status, 200, "{}", answer.body);
    let view: Value = serde_json::from_str(&answer.body).unwrap();
    view["accounts"].as_array().unwrap().iter().find(|account| account["uid"] == RESOURCE).unwrap().clone()
}

/// Lines of the log that name the account, from a level on.
fn said(worker: &Worker, levels: &[&str]) -> Vec<String> {
    let lines = worker.process.lines().into_iter().filter(|line| line.contains(RESOURCE));
    lines.filter(|line| levels.iter().any(|level| line.contains(&format!("\"level\":\"{level}\"")))).collect()
}

fn a_revoked_key_parks_nothing_and_a_new_one_in_the_file_lets_every_job_go_on(crew: Crew) {
    let jobs = if crew == Crew::Alone { 300 } else { 60 };
    let site = place(crew, Options { more: jobs, ..Options::default() });
    let file = secret_in_a_file(&site);
    let staff = site.staff();
    let all: Vec<_> = (0..jobs).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect();
    site.mail.submit_all(&all);
    site.cloud.wait_ledger(jobs / 10);
    site.cloud.change(&json!({"set_secret": {"access_key_id": "resource-key", "secret": "rotated"}}));
    for worker in staff.all() {
        until("the account is refused", || (account(worker)["state"] == "refused").then_some(()));
        let refused = account(worker);
        assert_eq!(refused["code"], "SignatureDoesNotMatch", "{refused}");
    }
    let worker = staff.one();
    // Every job has come to rest: it is completed, or it says what it waits for.
    until("every job is done or held", || {
        let page: Value = serde_json::from_str(&worker.get("/v1/jobs?limit=1000").body).unwrap();
        let list = page["jobs"].as_array().unwrap();
        let rests =
            |job: &&Value| job["state"] == "completed" || job["why"].as_str().unwrap().contains("is refused since");
        (list.len() == jobs && list.iter().filter(rests).count() == jobs).then_some(())
    });
    let ready = worker.get("/readyz");
    assert_eq!(ready.status, 200, "{}", ready.body);
    assert!(ready.body.contains(&format!("{RESOURCE} refused since")), "{}", ready.body);
    let checks: Value = serde_json::from_str(&ready.body).unwrap();
    let check = checks["checks"].as_array().unwrap().iter().find(|check| check["name"] == "accounts").unwrap();
    assert_eq!((&check["ok"], &check["needed"]), (&false.into(), &false.into()), "{check}");
    let metrics = worker.ask("GET", "/metrics", &[]).body;
    for line in [
        format!("crossgrant_account_usable{{account=\"{RESOURCE}\"}} 0"),
        "crossgrant_jobs{kind=\"grant\",state=\"parked\"} 0".to_owned(),
    ] {
        assert!(metrics.lines().any(|is| is == line), "{line}:\n{metrics}");
    }
    let asked = site.cloud.answers("GetCallerIdentity");
    assert!(asked.get("SignatureDoesNotMatch").is_none_or(|count| *count <= 2 * staff.all().len() as u64), "{asked:?}");

    std::fs::write(&file, "rotated\n").unwrap();
    for n in 0..jobs {
        completes_once(&site, worker, &format!("grant-{n}"));
        assert_eq!(operations(&site, &another(n)), [GRANT]);
    }
    for worker in staff.all() {
        until("the account is usable again", || (account(worker)["state"] == "ok").then_some(()));
        assert_eq!(said(worker, &["WARN", "ERROR"]).len(), 1, "{:#?}", said(worker, &["WARN", "ERROR"]));
        assert!(said(worker, &["INFO"]).iter().any(|line| line.contains("takes the credential of account")));
    }
}

/// What a command prints, of a worker that it finds by the configuration.
fn printed(site: &Site, worker: &Worker, command: &[&str]) -> String {
    let args = [&["--config", site.config()], command].concat();
    let listen = worker.admin.to_string();
    let program = Process::start_with("the operator", crossgrant(), &args, &[("CROSSGRANT_ADMIN_LISTEN", &listen)]);
    program.end(Duration::from_secs(60)).expect("it ends");
    program.lines().join("\n")
}

#[test]
fn doctor_tells_a_key_that_the_worker_does_not_use_yet() {
    let site = site(&Options::default());
    let file = secret_in_a_file(&site);
    let worker = site.worker();
    until("the account is known", || (account(&worker)["state"] == "ok").then_some(()));
    let fine = printed(&site, &worker, &["doctor"]);
    assert!(fine.contains("the worker can use its accounts: 2"), "{fine}");

    std::fs::write(&file, "another\n").unwrap();
    until("the worker is told of it", || (account(&worker)["outdated"] == true).then_some(()));
    let doctor = printed(&site, &worker, &["doctor"]);
    for part in [
        &format!("the worker still holds the old key of account {RESOURCE}"),
        "do: crossgrant reload",
        "[credential-outdated]",
        &format!(
            "the cloud refuses the access key of account {RESOURCE}: SignatureDoesNotMatch (the secret does not fit)"
        ),
    ] {
        assert!(doctor.contains(part), "{part}:\n{doctor}");
    }
    assert!(!doctor.contains("not sent"), "{doctor}");
    let list = printed(&site, &worker, &["accounts"]);
    assert!(list.contains("another credential is configured: crossgrant reload"), "{list}");
    let reloaded = printed(&site, &worker, &["reload"]);
    assert!(reloaded.contains(&format!("account {RESOURCE} has another credential")), "{reloaded}");
    until("the new key is refused", || (account(&worker)["state"] == "refused").then_some(()));
    let doctor = printed(&site, &worker, &["doctor"]);
    assert!(doctor.contains("[account-refused]") && !doctor.contains("[credential-outdated]"), "{doctor}");
}
