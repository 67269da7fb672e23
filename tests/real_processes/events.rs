//! Events that no queue takes, and publishing them again; and a rejected job, from what is wrong with it to its end.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use futures_util::StreamExt as _;
use lapin::options::{BasicConsumeOptions, BasicPublishOptions, ConfirmSelectOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Confirmation, Connection, ConnectionProperties};
use serde_json::{Value, json};

use super::site;
use crate::support::crossgrant;
use crate::support::mailbox::{Mail, Place, Post};
use crate::support::process::{LIMIT, Process};
use crate::support::site::{Options, Site, Worker, another, job, until};

const JOBS: usize = 20;

/// What a command says, and how it ends.
fn command(site: &Site, worker: &Worker, words: &[&str]) -> (Option<i32>, String) {
    let (admin, broker) = (worker.admin.to_string(), site.rabbit.amqp_url());
    // Jobs are submitted by a user of their own, as they are published here.
    let submits = words.first() == Some(&"submit");
    let around = [("CROSSGRANT_ADMIN_LISTEN", admin.as_str()), ("CROSSGRANT_BROKER_URL", &broker)];
    let words = [&["--config", site.config()], words].concat();
    let process = Process::start_with("a command", crossgrant(), &words, &around[..1 + usize::from(submits)]);
    let status = process.end(LIMIT).unwrap_or_else(|| panic!("{words:?} does not end"));
    (status.code(), process.lines().join("\n"))
}

/// Ends with 0; returns what it says.
fn done(site: &Site, worker: &Worker, words: &[&str]) -> String {
    let (code, said) = command(site, worker, words);
    assert_eq!(code, Some(0), "{words:?}: {said}");
    said
}

/// Waits until a metric has a value; returns all of them. What is counted in the store may be a second old, so this is for counters.
fn counted(worker: &Worker, metric: &str, value: usize) -> String {
    until(&format!("{metric} is {value}"), || {
        let metrics = worker.get("/metrics").body;
        metrics.lines().any(|line| line == format!("{metric} {value}")).then_some(metrics)
    })
}

const UNROUTED: &str = "crossgrant_events_unrouted_total";

/// Waits for the ends of so many jobs, as answers.
fn answered(site: &Site, jobs: usize) {
    site.mail.wait("the answers", |all| {
        let ends = all.iter().filter(|mail| mail.place == Place::Answer && mail.is_terminal());
        (ends.count() == jobs).then_some(())
    });
}

fn events(all: &[Mail]) -> Vec<&Mail> {
    all.iter().filter(|mail| mail.place == Place::Event).collect()
}

/// The routing keys that the worker has said no queue takes any more.
fn lost(worker: &Worker) -> Vec<String> {
    let lines = worker.process.lines();
    let said = lines.iter().filter_map(|line| {
        let line: Value = serde_json::from_str(line).ok()?;
        let (_, keys) = line["message"].as_str()?.split_once("no queue takes these events any more: ")?;
        assert_eq!(line["level"], "WARN", "{line}");
        Some(keys.split_once(';')?.0.to_owned())
    });
    let mut keys: Vec<String> = said.flat_map(|keys| keys.split(", ").map(str::to_owned).collect::<Vec<_>>()).collect();
    keys.sort_unstable();
    keys
}

/// As it is after a first installation whose requesters ask for answers.
#[test]
fn with_no_queue_for_events_nothing_is_dead_and_one_that_is_bound_later_gets_them_all() {
    let site = site(&Options { more: JOBS + 2, ..Options::default() });
    // Else `doctor` finds fault with it.
    std::fs::set_permissions(site.config(), PermissionsExt::from_mode(0o600)).unwrap();
    site.mail.listens(false);
    let worker = site.worker();
    let ids: Vec<String> = (0..JOBS).map(|n| format!("job-{n}")).collect();
    let jobs: Vec<Value> = ids.iter().enumerate().map(|(n, id)| job(id, "grant", &another(n))).collect();
    site.mail.submit_all(&jobs);
    answered(&site, JOBS);
    let all = 2 * JOBS;
    let metrics = counted(&worker, UNROUTED, all);
    let dead = "crossgrant_published_total{what=\"undeliverable\"} 0";
    assert!(metrics.lines().any(|line| line == dead), "{metrics}");
    assert!(events(&site.mail.all()).is_empty());
    assert_eq!(worker.get("/readyz").status, 200);
    let status = done(&site, &worker, &["status"]);
    assert!(status.contains("NEEDS A PERSON  nothing") && status.contains("events: no queue is bound to"), "{status}");
    let list = done(&site, &worker, &["dead", "list"]);
    assert_eq!(list, "REJECTED JOBS  0\nUNDELIVERED MESSAGES  0");
    let doctor = done(&site, &worker, &["doctor"]);
    let found = doctor.lines().find(|line| line.contains("[events-unrouted]")).unwrap_or_else(|| panic!("{doctor}"));
    assert!(found.starts_with("?      events ") && found.contains(".events; events that none took"), "{found}");

    site.mail.listens(true);
    let (code, said) = command(&site, &worker, &["events", "replay", "--since", "1h"]);
    assert_eq!(code, Some(1), "{said}");
    let (_, told) = said.split_once("to publish them again, give ").unwrap_or_else(|| panic!("{said}"));
    let told = told.split_once(" [not-done]").unwrap().0;
    assert!(told.ends_with(&format!(" --expect-count {all}")), "{told}");
    let words: Vec<&str> = ["events", "replay"].into_iter().chain(told.split(' ')).collect();
    assert_eq!(done(&site, &worker, &words), format!("events to be published again: {all}"));
    let arrived = site.mail.wait("all events", |mail| {
        let events = events(mail);
        (events.len() >= all).then(|| events.into_iter().cloned().collect::<Vec<_>>())
    });
    counted(&worker, "crossgrant_published_total{what=\"confirmed\"}", JOBS + all);
    assert_eq!(events(&site.mail.all()).len(), all, "each once");
    let mut of_jobs: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for event in &arrived {
        of_jobs.entry(event.job().unwrap()).or_default().push(event.message_id.clone());
    }
    assert_eq!(of_jobs.len(), JOBS);
    for (id, arrived) in &of_jobs {
        let job = worker.job(id);
        let kept: Vec<&str> = job["events"].as_array().unwrap().iter().map(|e| e["id"].as_str().unwrap()).collect();
        assert_eq!(*arrived, kept, "those of {id} in their order");
    }
    let accepted = |event: &&Mail| event.routing_key == "job.accepted";
    let order: Vec<String> = arrived.iter().filter(accepted).filter_map(Mail::job).collect();
    assert_eq!(order, ids, "the jobs in the order of acceptance");
    assert_eq!(lost(&worker), Vec::<String>::new(), "nothing was taken before");

    // A queue that took events is gone: that is said once for each type, and not again.
    site.mail.listens(false);
    for (n, id) in [(JOBS, "late-1"), (JOBS + 1, "late-2")] {
        site.mail.submit(&job(id, "grant", &another(n)));
        answered(&site, n + 1);
        counted(&worker, UNROUTED, 2 * (n + 1));
        until("it is said", || (lost(&worker).len() >= 2).then_some(()));
        assert_eq!(lost(&worker), ["job.accepted", "job.completed"]);
    }
}

#[test]
fn a_rejected_job_is_shown_mended_submitted_and_dropped() {
    let site = site(&Options { more: 1, ..Options::default() });
    let worker = site.worker();
    let mut bad = job("R-1", "grant", &another(0));
    bad["kind"] = "gran".into();
    bad["colour"] = "red".into();
    let body = bad.to_string();
    site.mail.publish(&[Post { routing_key: "job.gran".into(), body: body.clone().into(), ..Post::default() }]);
    let rejected = site.mail.event("rejected", "R-1");
    let uid = rejected["data"]["uid"].as_str().unwrap();
    let list = done(&site, &worker, &["dead", "list"]);
    assert!(list.contains("REJECTED JOBS  1\n") && list.contains(&format!("crossgrant dead show {uid}")), "{list}");
    let each = done(&site, &worker, &["dead", "list", "--each"]);
    let faults = rejected["data"]["faults"].as_array().unwrap().len();
    assert_eq!(each.lines().count(), 1 + faults, "{each}");
    let shown = done(&site, &worker, &["dead", "show", uid]);
    assert!(shown.contains("\"colour\": \"red\"") && shown.contains("^ /colour: "), "{shown}");
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("job.json");
    assert_eq!(done(&site, &worker, &["dead", "show", "--body", uid]), body);

    std::fs::write(&file, body.replace("\"gran\"", "\"grant\"").replace("\"colour\":\"red\",", "")).unwrap();
    let submitted = done(&site, &worker, &["submit", file.to_str().unwrap(), "--wait"]);
    assert!(submitted.contains("crossgrant.job.completed"), "{submitted}");
    // It stays until its event is known to be out.
    let dropped = || command(&site, &worker, &["dead", "drop", uid]).1.contains("messages deleted: 1").then_some(());
    until("it is dropped", dropped);
    assert_eq!(done(&site, &worker, &["dead", "list"]), "REJECTED JOBS  0\nUNDELIVERED MESSAGES  0");
}

/// The queue by which a submission is followed is there for a moment, and no subscriber.
#[test]
fn a_submission_that_is_followed_hides_no_missing_queue_and_says_that_no_worker_takes_it() {
    let site = site(&Options { more: 3, ..Options::default() });
    std::fs::set_permissions(site.config(), PermissionsExt::from_mode(0o600)).unwrap();
    site.mail.listens(false);
    let worker = site.worker();
    site.mail.submit(&job("first", "grant", &another(0)));
    answered(&site, 1);
    let unrouted = |worker: &Worker| done(&site, worker, &["status"]).contains("events: no queue is bound to");
    until("it is known that no queue takes events", || unrouted(&worker).then_some(()));
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("job.json");
    std::fs::write(&file, job("followed", "grant", &another(1)).to_string()).unwrap();
    let submit = ["submit", file.to_str().unwrap(), "--wait"];
    let followed = done(&site, &worker, &submit);
    assert!(followed.contains("crossgrant.job.completed") && followed.contains("1 of 1 ended in"), "{followed}");
    assert!(unrouted(&worker), "{}", done(&site, &worker, &["status"]));
    assert!(!followed.contains("already at") && !followed.contains("no worker takes jobs"), "{followed}");

    worker.process.kill9();
    until("the broker has noticed", || {
        let (code, said) = command(&site, &worker, &[&submit[..], &["--timeout", "1s"]].concat());
        assert_eq!(code, Some(1), "{said}");
        said.contains("no worker takes jobs from the queue").then_some(())
    });
    let worker = site.worker();
    let again = done(&site, &worker, &submit);
    assert!(again.contains("1 of 1 ended in"), "{again}");
    assert_eq!(done(&site, &worker, &["dead", "list"]), "REJECTED JOBS  0\nUNDELIVERED MESSAGES  0");
}

/// The reply has to find its queue: without it, it would be kept as undelivered. Here the test is the worker.
#[test]
fn a_submitter_stays_for_the_reply_that_comes_after_the_event() {
    let site = site(&Options::default());
    std::fs::set_permissions(site.config(), PermissionsExt::from_mode(0o600)).unwrap();
    let worker = site.worker();
    worker.process.kill9();
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("job.json");
    std::fs::write(&file, job("late", "grant", &another(0)).to_string()).unwrap();
    let submit = ["--config", site.config(), "submit", file.to_str().unwrap(), "--wait"];
    let broker = site.rabbit.amqp_url();
    let process = Process::start_with("the submitter", crossgrant(), &submit, &[("CROSSGRANT_BROKER_URL", &broker)]);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let connection = Connection::connect(&broker, ConnectionProperties::default()).await.unwrap();
        let channel = connection.create_channel().await.unwrap();
        channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
        let queue = format!("{}.jobs", site.mail.prefix());
        let mut jobs = channel
            .basic_consume(queue.into(), "worker".into(), BasicConsumeOptions::default(), FieldTable::default())
            .await
            .unwrap();
        let delivery = jobs.next().await.unwrap().unwrap();
        let properties = &delivery.properties;
        let (correlation, to) = (properties.correlation_id().clone().unwrap(), properties.reply_to().clone().unwrap());
        let event = json!({
            "specversion": "1.0", "id": "e2", "source": "/crossgrant/x", "type": "crossgrant.job.completed",
            "subject": another(0), "time": "2026-11-21T10:20:00Z", "datacontenttype": "application/json",
            "sequence": "2", "data": {
                "uid": "01932e9c-0000-7000-8000-000000000001", "message": "granted", "state": "completed", "reason": "done",
            },
        });
        let publish = async |exchange: String, key: &str| {
            let properties = BasicProperties::default().with_correlation_id(correlation.clone());
            let options = BasicPublishOptions { mandatory: true, ..BasicPublishOptions::default() };
            let body = event.to_string();
            let confirm = channel.basic_publish(exchange.into(), key.into(), options, body.as_bytes(), properties);
            confirm.await.unwrap().await.unwrap()
        };
        publish(format!("{}.events", site.mail.prefix()), "job.completed").await;
        process.line("the event", |line| line.contains("crossgrant.job.completed").then_some(()));
        assert!(process.end(Duration::from_millis(300)).is_none(), "{}", process.lines().join("\n"));
        let confirmed = publish(String::new(), to.as_str()).await;
        assert!(matches!(confirmed, Confirmation::Ack(None)), "the reply finds its queue: {confirmed:?}");
    });
    assert!(process.end(LIMIT).unwrap().success(), "{}", process.lines().join("\n"));
}
