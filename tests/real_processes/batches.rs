//! A batch as its requester sees it: published by one command, and answered by one table.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};

use super::site;
use crate::support::crossgrant;
use crate::support::mailbox::{Place, Post};
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

/// A message with `jobs` grants of some four kilobytes each.
fn whole(id: &str, jobs: usize) -> Post {
    let labels: Value = (0..16).map(|n| (format!("label-{n}"), json!("x".repeat(240)))).collect();
    let grant = |n: usize| {
        let mut grant = job(&format!("{id}-{n}"), "grant", &another(n));
        grant["labels"] = labels.clone();
        grant
    };
    let jobs: Vec<Value> = (0..jobs).map(grant).collect();
    Post {
        routing_key: "batch".into(),
        correlation_id: Some(id.into()),
        body: json!({"batch": {"id": id}, "jobs": jobs}).to_string().into_bytes(),
        ..Post::default()
    }
}

#[test]
fn one_message_brings_a_megabyte_of_jobs_by_the_queue_for_it_and_by_no_other() {
    let site = site(&Options { more: 250, ..Options::default() });
    let worker = site.worker();
    let (large, too_large) = (whole("large", 240), whole("too-large", 250));
    assert!((1_000_000..1 << 20).contains(&large.body.len()), "{}", large.body.len());
    let misled = Post { routing_key: "job.batch".into(), correlation_id: Some("misled".into()), ..large.clone() };
    for bad in [&misled, &too_large] {
        site.mail.publish(std::slice::from_ref(bad));
        let (event, copy) = site.mail.wait("the rejection", |all| {
            let of = |place| all.iter().find(|m| m.place == place && m.correlation_id == bad.correlation_id);
            Some((of(Place::Event)?.clone(), of(Place::Dead)?.clone()))
        });
        let fault = event.json()["data"]["faults"][0].clone();
        let said = fault["message"].as_str().unwrap();
        let length = bad.body.len();
        assert!(fault["code"] == "job-too-large" && said.contains(&format!("has {length} bytes")), "{fault}");
        assert!(said.contains("with the routing key batch, at most 1048576"), "{fault}");
        assert_eq!((copy.body.len(), &copy.headers["x-crossgrant-body-length"]), (64 << 10, &length.to_string()));
    }
    site.mail.publish(&[Post { reply_to: Some(site.mail.answers_queue()), ..large }]);
    let answer = site.mail.wait("the end", |all| all.iter().find(|m| m.place == Place::Answer).cloned()).json();
    assert_eq!(
        (&answer["type"], &answer["data"]["jobs"]),
        (&json!("crossgrant.batch.ended"), &json!({"completed": {"done": 240}}))
    );
    drop(worker);
}
