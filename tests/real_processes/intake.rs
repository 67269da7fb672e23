//! What may come in: bodies of any size, properties that no library can read, and what the broker gave up. None of it costs
//! others anything.

use std::path::Path;

use serde_json::{Value, json};

use super::{completes_once, lonely_site, site};
use crate::support::crossgrant;
use crate::support::mailbox::{Place, Post};
use crate::support::plant::NOT_GRANTED;
use crate::support::process::{LIMIT, Process};
use crate::support::rabbit::Rabbit;
use crate::support::raw_amqp::{self, header, nested, short};
use crate::support::site::{Options, Site, another, job, until};

/// Nearly the most that RabbitMQ 4.x takes by default; 3.10 takes 128 MiB.
const LARGE: usize = 15 << 20;
/// All of them are prefetched together.
const LARGE_ONES: usize = 25;
/// What the worker may map, in bytes: three times what it does, and less than all of these bodies.
const ADDRESS_SPACE: u64 = 300 << 20;
/// What the worker may use of memory, in KiB.
const RESIDENT_KIB: u64 = 100 << 10;

fn queue(site: &Site, queue: &str) -> u64 {
    let name = format!("{}.{queue}", site.mail.prefix());
    let listed = site.rabbit.ctl(&["list_queues", "-q", "--no-table-headers", "name", "messages"]).unwrap();
    let mine = listed.lines().filter_map(|line| line.split_once('\t')).find(|(found, _)| *found == name);
    mine.map_or(0, |(_, messages)| messages.trim().parse().unwrap())
}

/// A field of `/proc/PID/status`, in KiB.
fn memory(process: &Process, field: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", process.id())).unwrap();
    let line = status.lines().find(|line| line.starts_with(field)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// The queues of a worker that is gone again.
fn declared(site: &Site) {
    let worker = site.worker();
    worker.process.terminate();
    worker.process.end(LIMIT).expect("it stops");
}

fn good(n: usize) -> Value {
    job(&format!("good-{n}"), "grant", &another(n))
}

#[test]
fn bodies_of_any_size_cost_no_memory_and_nobody_else_anything() {
    let site = lonely_site(&Options { more: 5, ..Options::default() });
    declared(&site);
    let large = Post { routing_key: "job.grant".into(), body: vec![b'['; LARGE], ..Post::default() };
    for n in 0..LARGE_ONES {
        let large = Post {
            message_id: Some(format!("large-{n}")),
            correlation_id: Some(format!("large-{n}")),
            ..large.clone()
        };
        site.mail.publish(&[large]);
    }
    site.mail.submit_all(&(0..5).map(good).collect::<Vec<_>>());

    let limit = format!("--as={ADDRESS_SPACE}");
    let program = crossgrant().to_str().unwrap();
    let worker =
        Process::start("the worker", Path::new("prlimit"), &[&limit, program, "--config", site.config(), "serve"]);
    let worker = site.worker_by(worker);
    for n in 0..5 {
        completes_once(&site, &worker, &format!("good-{n}"));
    }
    for n in 0..LARGE_ONES {
        let correlation = format!("large-{n}");
        let (event, copy) = site.mail.wait(&correlation, |all| {
            let of = |place| all.iter().find(|m| m.place == place && m.correlation_id.as_ref() == Some(&correlation));
            Some((of(Place::Event)?.clone(), of(Place::Dead)?.clone()))
        });
        let said = event.json()["data"]["message"].as_str().unwrap().to_owned();
        assert!(said.contains(&format!("the body has {LARGE} bytes; a job has at most 65536")), "{said}");
        assert_eq!((copy.body.len(), &copy.headers["x-crossgrant-body-length"]), (64 << 10, &LARGE.to_string()));
    }
    let (peak, mapped) = (memory(&worker.process, "VmHWM:"), memory(&worker.process, "VmPeak:"));
    println!("{LARGE_ONES} bodies of {LARGE} bytes: at most {peak} KiB resident, {mapped} KiB mapped");
    assert!(peak < RESIDENT_KIB, "{peak} KiB");
}

#[test]
#[allow(clippy::disallowed_methods)] // the other processes have clocks of their own
fn what_the_library_cannot_read_costs_the_others_no_more_than_a_moment() {
    let site = site(&Options { more: 60, ..Options::default() });
    declared(&site);
    let odd = [
        [&[0, 0x80], &*short(b"\xff\xfe\xfd")].concat(),
        [&[0, 8], &*short(b"\xff")].concat(),
        header(b"\xff", b"V"),
        // Read by a library that calls itself for each, this ends the process.
        header(b"deep", &nested(20_000)),
    ];
    let queue_of_jobs = format!("{}.jobs", site.mail.prefix());
    for n in 0..12 {
        let body = format!("{{{n}}}");
        raw_amqp::publish(&site.rabbit, "", queue_of_jobs.as_bytes(), &odd[n % odd.len()], body.as_bytes());
        site.mail.submit_all(&(n * 5..n * 5 + 5).map(good).collect::<Vec<_>>());
    }
    let began = std::time::Instant::now();
    let worker = site.worker();
    for n in 0..60 {
        site.mail.end(&format!("good-{n}"));
    }
    let took = began.elapsed();
    println!("60 jobs beside 12 odd messages: {took:?}");
    assert!(took < LIMIT / 2, "{took:?}");
    until("all are taken", || (queue(&site, "jobs") == 0).then_some(()));
    // What is counted in the store is counted once a second.
    for line in ["crossgrant_messages_rejected 12", "crossgrant_broker_messages_total{what=\"redelivered\"} 0"] {
        until(line, || worker.get("/metrics").body.lines().any(|found| found == line).then_some(()));
    }
}

#[test]
fn what_the_broker_gave_up_is_seen_told_and_put_back() {
    let site = site(&Options::default());
    declared(&site);
    let grant = job("late", "grant", NOT_GRANTED);
    let (answers, user) = (site.mail.answers_queue(), Rabbit::USER);
    // reply_to, expiration and user_id
    let properties = [&[3, 0x10], &*short(answers.as_bytes()), &short(b"1"), &short(user.as_bytes())].concat();
    raw_amqp::publish(&site.rabbit, site.mail.prefix(), b"job.grant", &properties, grant.to_string().as_bytes());
    until("it expires", || (queue(&site, "dead-lettered") == 1).then_some(()));

    let worker = site.worker();
    let answer = site.mail.wait("the answer", |all| all.iter().find(|m| m.place == Place::Answer).cloned());
    let data = answer.json()["data"].clone();
    assert_eq!(
        (&data["reason"], &data["job_id"], &data["requester"]),
        (&json!("dead-lettered"), &json!("late"), &json!(user))
    );
    let command = |arguments: &[&str]| {
        let all = [&["--config", site.config()], arguments].concat();
        let process = Process::start("the command", crossgrant(), &all);
        let status = process.end(LIMIT).expect("it ends");
        let lines = process.lines().join("\n");
        assert!(status.success(), "{arguments:?}: {lines}");
        lines
    };
    let at = format!("http://{}", worker.admin);
    let listed = command(&["dead", "list", "--each", "--admin", &at]);
    assert!(listed.contains("/late") && listed.contains("[job-dead-lettered]"), "{listed}");
    until("it is counted", || {
        let ready = worker.get("/readyz").body;
        ready.contains("the broker gave up 1 messages").then_some(())
    });
    let metrics = worker.get("/metrics").body;
    assert!(metrics.lines().any(|line| line == "crossgrant_broker_dead_lettered_messages 1"), "{metrics}");

    assert_eq!(command(&["put-back"]), "messages put back: 1 of 1");
    completes_once(&site, &worker, "late");
    until("nothing is left", || {
        ((queue(&site, "dead-lettered"), queue(&site, "dead-lettered.notices")) == (0, 0)).then_some(())
    });
}
