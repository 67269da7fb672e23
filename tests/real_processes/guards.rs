//! What an operator says on the command line about accounts and limits.

use std::time::Duration;

use serde_json::Value;

use super::{GRANT, REVOKE, completes_once, operations, place};
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::crossgrant;
use crate::support::plant::{RESOURCE, UNATTACHED};
use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Site, Worker, another, job, until};

/// Runs a command against the worker: its exit code and what it said.
fn said(site: &Site, worker: &Worker, words: &[&str]) -> (i32, String) {
    let admin = format!("http://{}", worker.admin);
    let line = [&["--config", site.config()], words, &["--admin", &admin]].concat();
    let command = Process::start(words[0], crossgrant(), &line);
    let status = command.end(Duration::from_secs(60)).expect("it ends");
    (status.code().unwrap(), command.lines().join("\n"))
}

/// A job as the worker has it, once it has it.
fn shown(worker: &Worker, id: &str) -> Option<Value> {
    let answer = worker.get(&format!("/v1/jobs/{}%2F{id}", Rabbit::USER));
    let mut view: Value = serde_json::from_str(&answer.body).unwrap();
    (answer.status == 200).then(|| view["job"].take())
}

for_one_and_two! {
    a_pause_outlives_the_worker_and_what_a_limit_parked_is_approved_by_number,
}

fn a_pause_outlives_the_worker_and_what_a_limit_parked_is_approved_by_number(crew: Crew) {
    let site = place(crew, Options { more: 1, worker: "[limits]\nrevokes_per_cen = 0", ..Options::default() });
    let (network, mut staff) = (another(0), site.staff());
    let (code, text) = said(&site, staff.one(), &["pause", RESOURCE, "--by", "ann", "--reason", "an incident"]);
    assert!(
        code == 0
            && text.contains("is paused since")
            && text.contains("by ann (token ")
            && text.contains(": an incident"),
        "{code} {text}"
    );
    site.mail.submit(&job("grant", "grant", &network));
    let held = until("the grant is held", || shown(staff.one(), "grant")?["held"].as_str().map(str::to_owned));
    assert_eq!(held, RESOURCE);
    staff.kill_one();

    let worker = staff.goes_on();
    assert!(said(&site, worker, &["paused"]).1.contains(RESOURCE));
    let (_, text) = said(&site, worker, &["show", "crossgrant/grant"]);
    assert!(text.contains("an incident") && text.contains(&format!("crossgrant unpause {RESOURCE}")), "{text}");
    assert_eq!(operations(&site, &network), Vec::<String>::new());
    assert_eq!(said(&site, worker, &["unpause", RESOURCE]).0, 0);
    completes_once(&site, worker, "grant");
    assert_eq!(operations(&site, &network), [GRANT]);
    assert_eq!(said(&site, worker, &["unpause", RESOURCE]).0, 1, "it is not paused");

    site.mail.submit(&job("revoke", "revoke", UNATTACHED));
    until("the revoke is parked", || (shown(worker, "revoke")?["state"] == "parked").then_some(()));
    let (code, text) = said(&site, worker, &["approve"]);
    assert!(
        code == 1
            && text
                .contains("jobs that match: 1; nothing was done. To approve them: crossgrant approve --expect-count 1"),
        "{code} {text}"
    );
    let (code, text) = said(&site, worker, &["approve", "--kind", "revoke", "--expect-count", "2"]);
    assert!(code == 1 && text.contains("jobs that match: 1, not 2; nothing was done"), "{code} {text}");
    assert_eq!(operations(&site, UNATTACHED), Vec::<String>::new());
    let (code, text) = said(&site, worker, &["approve", "--kind", "revoke", "--expect-count", "1"]);
    assert!(code == 0 && text.contains("approved: 1"), "{code} {text}");
    completes_once(&site, worker, "revoke");
    assert_eq!(operations(&site, UNATTACHED), [REVOKE]);
}
