//! A batch as its requester sees it: published by one command, and answered by one table.

use std::path::Path;
use std::time::Duration;

use serde_json::json;

use super::site;
use crate::support::crossgrant;
use crate::support::plant::HELD;
use crate::support::process::Process;
use crate::support::site::{Options, another, job};

#[test]
fn a_batch_is_submitted_and_ends_with_a_table() {
    let requesters = "[[allow]]\nrequesters = [\"crossgrant-submitter\"]";
    let site = site(&Options { more: 2, worker: requesters, ..Options::default() });
    let worker = site.worker();
    let file = Path::new(site.config()).with_file_name("jobs.json");
    let jobs = json!([
        job("batch-0", "grant", &another(0)),
        job("batch-1", "grant", &another(1)),
        job("batch-2", "revoke", HELD),
    ]);
    std::fs::write(&file, jobs.to_string()).unwrap();
    let crossgrant = |words: &[&str]| {
        let words = [&["--config", site.config()], words].concat();
        let url = site.rabbit.url_of("crossgrant-submitter");
        let process = Process::start_with("a command", crossgrant(), &words, &[("CROSSGRANT_BROKER_URL", &url)]);
        let status = process.end(Duration::from_secs(60)).unwrap();
        (status.code(), process.lines().join("\n"))
    };
    let submit = ["submit", file.to_str().unwrap(), "--batch", "MOVE-7"];
    let table =
        "completed   done                         2\nfailed      attached                     1\nbatch-2 attached: ";
    for again in [false, true] {
        let (code, text) = crossgrant(&submit);
        assert!(code == Some(1) && text.contains(table), "again: {again}: {text}");
    }
    let admin = format!("http://{}", worker.admin);
    let (code, text) = crossgrant(&["batch", "show", "MOVE-7", "--admin", &admin]);
    assert!(code == Some(0) && text.contains("3 of 3 came; completed: 2, failed: 1"), "{text}");
}
