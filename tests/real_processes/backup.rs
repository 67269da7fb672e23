//! A store that was put back from a backup: what happened after that backup is not known, so nothing is written again before a
//! person has said so.

use std::fs;
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::{GRANT, REVOKE, completes, operations, site};
use crate::support::crossgrant;
use crate::support::plant::RESOURCE;
use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Site, Worker, another, job, until};

/// Runs a command: its exit code and what it said.
fn said(site: &Site, words: &[&str]) -> (i32, String) {
    let command = Process::start(words[0], crossgrant(), &[&["--config", site.config()], words].concat());
    let status = command.end(Duration::from_secs(60)).expect("it ends");
    (status.code().unwrap(), command.lines().join("\n"))
}

/// A job as the worker has it; null as long as it has none.
fn job_of(worker: &Worker, id: &str) -> Value {
    let answer = worker.get(&format!("/v1/jobs/{}%2F{id}", Rabbit::USER));
    let mut view: Value = serde_json::from_str(&answer.body).unwrap();
    view["job"].take()
}

#[test]
fn a_store_that_is_put_back_looks_and_writes_nothing_before_a_person_says_so() {
    let site = site(&Options { more: 3, ..Options::default() });
    let folder = Path::new(site.config()).parent().unwrap();
    let copy = folder.join("copy.db");
    let copy = copy.to_str().unwrap();
    let worker = site.worker();
    let ask = |worker: &Worker, path: &str| worker.post(path).status;
    site.mail.submit(&job("done-before", "grant", &another(0)));
    completes(&site, "done-before");
    assert_eq!(ask(&worker, &format!("/v1/accounts/{RESOURCE}/pause?by=ann&reason=a%20backup")), 200);
    for (id, network) in [("taken-back", 1), ("still-there", 2)] {
        site.mail.submit(&job(id, "grant", &another(network)));
        until("it is held", || (job_of(&worker, id)["held"] == RESOURCE).then_some(()));
    }

    let (code, text) = said(&site, &["backup", copy]);
    assert!(code == 0 && text.contains("a sound copy of"), "{code} {text}");
    let (code, text) = said(&site, &["backup", copy]);
    assert!(code == 2 && text.contains("exists already: name a new file [file-exists]"), "{code} {text}");
    let (code, text) = said(&site, &["restore", copy]);
    assert!(code == 1 && text.contains("jobs.db exists; stop the worker"), "{code} {text}");

    // What the backup does not know: both are granted, and one is revoked again.
    assert_eq!(ask(&worker, &format!("/v1/accounts/{RESOURCE}/unpause")), 200);
    for id in ["taken-back", "still-there"] {
        completes(&site, id);
    }
    site.mail.submit(&job("takes-back", "revoke", &another(1)));
    completes(&site, "takes-back");
    let written = [1, 2].map(|n| operations(&site, &another(n)));
    assert_eq!(written, [vec![GRANT.to_owned(), REVOKE.into()], vec![GRANT.into()]]);

    drop(worker);
    for suffix in ["", "-wal", "-shm"] {
        let _ = fs::rename(folder.join(format!("jobs.db{suffix}")), folder.join(format!("away.db{suffix}")));
    }
    let (code, text) = said(&site, &["restore", copy]);
    assert!(code == 0 && text.contains("jobs that will park before they write: 2"), "{code} {text}");

    let worker = site.worker();
    assert_eq!(ask(&worker, &format!("/v1/accounts/{RESOURCE}/unpause")), 200, "the pause was in the backup");
    let parked = until("the grant that was taken back waits for a person", || {
        let job = job_of(&worker, "taken-back");
        (job["state"] == "parked").then_some(job)
    });
    assert_eq!(parked["ending"]["reason"], "restored", "{parked}");
    until("the other one has found its grant", || {
        (job_of(&worker, "still-there")["state"] == "completed").then_some(())
    });
    assert_eq!([1, 2].map(|n| operations(&site, &another(n))), written, "nothing is written twice, and nothing back");
    let uid = parked["uid"].as_str().unwrap();
    assert_eq!(ask(&worker, &format!("/v1/jobs/{uid}/resume")), 200);
    until("it is granted once more", || (job_of(&worker, "taken-back")["state"] == "completed").then_some(()));
    assert_eq!(operations(&site, &another(1)), [GRANT, REVOKE, GRANT]);
}
