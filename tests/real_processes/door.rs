//! Jobs that come in over HTTP, by real processes.

use std::path::Path;

use serde_json::{Value, json};

use super::{GRANT, lonely_site, operations, site};
use crate::support::cloud::Cloud;
use crate::support::crossgrant;
use crate::support::postgres::Cluster;
use crate::support::process::{LIMIT, Process};
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Worker, another, job, until};
use crate::support::web::{self, Answer};

const DOOR: &str = "[door]\nkey = \"0123456789abcdef0123456789abcdef\"\n\
    [[allow]]\nrequesters = [\"http:bot\"]\n[[allow]]\nrequesters = [\"crossgrant-submitter\"]";
const TOKENS: &str = "[[admin.token]]\nname = \"tests\"\nrole = \"approver\"\ntoken = \"s3cr3t-of-the-tests\"\n\
    [[admin.token]]\nname = \"bot\"\nrole = \"submitter\"\ntoken = \"s3cr3t-of-the-bot\"\n\
    [[admin.token]]\nname = \"ann\"\nrole = \"submitter\"\ntoken = \"s3cr3t-of-ann\"";
const CURL: &str = include_str!("../../examples/clients/curl.sh");

fn options() -> Options<'static> {
    Options { tokens: TOKENS, worker: DOOR, more: 4, ..Options::default() }
}

fn ask(worker: &Worker, method: &str, path: &str, headers: &[&str], body: &str) -> std::io::Result<Answer> {
    let headers = [&["authorization: Bearer s3cr3t-of-the-bot"], headers].concat();
    web::ask(worker.admin, method, path, &headers, body)
}

/// Submits a job, and tells how that was answered.
fn submit(worker: &Worker, job: &Value) -> (u16, Value) {
    let answer = ask(worker, "POST", "/v1/jobs", &[], &job.to_string()).unwrap();
    (answer.status, serde_json::from_str(&answer.body).unwrap_or_else(|_| panic!("{}", answer.body)))
}

/// Follows events from after a number to their end, asking again when a stream ends: their numbers and types.
fn followed(workers: &[&Worker], path: &str) -> Vec<(u32, String)> {
    let (mut seen, mut after) = (Vec::<(u32, String)>::new(), 0);
    for round in 0.. {
        let last = format!("last-event-id: {after}");
        let headers = ["accept: text/event-stream", &last];
        let answer = ask(workers[round % workers.len()], "GET", path, &headers, "").unwrap();
        if answer.status == 204 {
            break;
        }
        assert_eq!(answer.status, 200, "{}", answer.body);
        let data = answer.body.lines().filter_map(|line| line.strip_prefix("data: "));
        for event in data.map(|data| serde_json::from_str::<Value>(data).unwrap()) {
            after = event["sequence"].as_str().unwrap().parse().unwrap();
            seen.push((after, event["type"].as_str().unwrap().trim_start_matches("crossgrant.").to_owned()));
        }
    }
    seen
}

#[test]
fn a_job_over_http_is_a_job_like_every_other() {
    let site = site(&options());
    let worker = site.worker();
    let (status, posted) = submit(&worker, &job("NET-1", "grant", &another(0)));
    assert_eq!((status, &posted["state"]), (202, &json!("accepted")), "{posted}");
    let end = site.mail.end("NET-1");
    assert_eq!((&end["type"], &end["data"]["requester"]), (&json!("crossgrant.job.completed"), &json!("http:bot")));
    let path = format!("{}/events", posted["at"].as_str().unwrap());
    let told = followed(&[&worker], &path);
    assert_eq!(told, [(1, "job.accepted".to_owned()), (2, "job.completed".to_owned())]);
    assert_eq!(submit(&worker, &job("NET-1", "grant", &another(0))).1["state"], "repeated");
    assert_eq!(operations(&site, &another(0)), [GRANT], "it was granted once");
    // A user of the broker has its own ids, and the token does not see its jobs.
    site.mail.submit(&job("NET-2", "grant", &another(1)));
    site.mail.end("NET-2");
    assert_eq!(ask(&worker, "GET", &format!("/v1/jobs/{}%2FNET-2", Rabbit::USER), &[], "").unwrap().status, 404);
    let (status, refused) = submit(&worker, &job("NET-1", "grant", &another(2)));
    assert_eq!((status, &refused["faults"][0]["code"]), (422, &json!("job-id-reused")));
    let ann = ["authorization: Bearer s3cr3t-of-ann"];
    let job = job("NET-3", "grant", &another(2)).to_string();
    let refused = web::ask(worker.admin, "POST", "/v1/jobs", &ann, &job).unwrap();
    assert!(refused.status == 403 && refused.body.contains("not-allowed"), "no rule names http:ann: {}", refused.body);
    worker.process.terminate();
    assert!(worker.process.end(LIMIT).unwrap().success());
}

#[test]
fn without_a_broker_nothing_is_taken() {
    let site = lonely_site(&options());
    let worker = site.worker();
    assert_eq!(submit(&worker, &job("NET-0", "grant", &another(0))).0, 202);
    site.rabbit.remember_queues().unwrap();
    site.rabbit.kill9();
    worker.until_ready(false);
    let (status, said) = submit(&worker, &job("NET-1", "grant", &another(1)));
    assert_eq!((status, &said["code"]), (503, &json!("no-broker")), "{said}");
    // What the store knows, it still says.
    assert_eq!(submit(&worker, &job("NET-0", "grant", &another(0))).1["state"], "repeated");
    site.rabbit.restart().unwrap();
    worker.until_ready(true);
    let (status, _) = until("it is taken", || {
        Some(submit(&worker, &job("NET-1", "grant", &another(1)))).filter(|said| said.0 == 202)
    });
    assert_eq!(status, 202);
    assert_eq!(site.mail.end("NET-1")["type"], "crossgrant.job.completed");
}

/// Killed between the confirm of the broker and its answer, the worker leaves a message in the queue.
#[test]
fn a_job_whose_answer_was_lost_is_one_job_when_it_is_sent_again() {
    let site = site(&options());
    let worker = site.worker();
    let asked = job("NET-1", "grant", &another(0));
    let file = Path::new(site.config()).with_file_name("jobs.db");
    let held = rusqlite::Connection::open(file).unwrap();
    held.execute_batch("BEGIN IMMEDIATE").unwrap();
    std::thread::scope(|scope| {
        let lost = scope.spawn(|| ask(&worker, "POST", "/v1/jobs", &[], &asked.to_string()));
        until("the message arrives", || {
            let metrics = worker.ask("GET", "/metrics", &[]).body;
            metrics.lines().any(|line| line.contains("\"delivered\"") && line.ends_with(" 1")).then_some(())
        });
        worker.process.kill9();
        assert!(lost.join().unwrap().is_err(), "there was no answer");
    });
    held.execute_batch("ROLLBACK").unwrap();
    let worker = site.worker();
    let (status, posted) = submit(&worker, &asked);
    assert_eq!(status, 202, "{posted}");
    assert_eq!(site.mail.end("NET-1")["type"], "crossgrant.job.completed");
    assert_eq!(submit(&worker, &asked).1["state"], "repeated");
    assert_eq!(operations(&site, &another(0)), [GRANT]);
}

/// Any of two workers has the job, and any of them is asked.
#[test]
fn events_are_not_missed_between_two_workers() {
    let database = Cluster::shared().database();
    let site = site(&Options { database: Some(&database), more: 40, ..options() });
    let (one, other) = (site.worker(), site.colleague("other"));
    let jobs: Vec<Value> = (0..40).map(|n| job(&format!("B-{n}"), "grant", &another(n))).collect();
    let (status, posted) = submit(&other, &json!({"batch": {"id": "MOVE-7"}, "jobs": jobs}));
    assert_eq!((status, &posted["jobs"]), (202, &json!(40)), "{posted}");
    let told = followed(&[&one, &other], "/v1/batches/MOVE-7/events");
    assert_eq!(told.first().unwrap().1, "batch.accepted");
    assert_eq!(told.last().unwrap().1, "batch.ended");
    let numbers: Vec<u32> = told.iter().map(|(number, _)| *number).collect();
    assert_eq!(numbers, (1..=u32::try_from(numbers.len()).unwrap()).collect::<Vec<_>>(), "each once, in order");
    for n in 0..40 {
        let told = followed(&[&other, &one], &format!("/v1/jobs/B-{n}/events"));
        assert_eq!(told, [(1, "job.accepted".to_owned()), (2, "job.completed".to_owned())], "B-{n}");
    }
}

/// The command follows the events of all jobs while the worker is killed and started again, and misses none.
#[test]
fn the_events_of_all_jobs_are_followed_over_a_restart() {
    const JOBS: usize = 20;
    let site = site(&Options { admin: "", more: JOBS, ..options() });
    let listen = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    site.reconfigure(|text| text.replace("listen = \"127.0.0.1:0\"", &format!("listen = \"{listen}\"")));
    let worker = site.worker();
    let command = ["--config", site.config(), "events", "list", "--follow", "--after", "0"];
    let follower = Process::start("the follower", crossgrant(), &command);
    let ids: Vec<String> = (0..JOBS).map(|n| format!("F-{n}")).collect();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(submit(&worker, &job(id, "grant", &another(n))).0, 202);
        if n == JOBS / 2 {
            worker.process.kill9();
            break;
        }
    }
    let worker = site.worker();
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(submit(&worker, &job(id, "grant", &another(n))).0, 202);
    }
    ids.iter().for_each(|id| drop(site.mail.end(id)));
    let told = until("everything is told", || {
        let events = follower.lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
        let told: Vec<(String, String)> = events
            .filter(|event| event["specversion"] == "1.0")
            .map(|event| {
                let text = |value: &Value| value.as_str().unwrap().to_owned();
                (text(&event["data"]["job"]["id"]), text(&event["type"]))
            })
            .collect();
        let ends = told.iter().filter(|(_, kind)| kind.ends_with("completed")).count();
        (ends >= JOBS).then_some(told)
    });
    for id in &ids {
        let of: Vec<&str> = told.iter().filter(|(of, _)| of == id).map(|(_, kind)| kind.as_str()).collect();
        assert_eq!(of, ["crossgrant.job.accepted", "crossgrant.job.completed"], "{id}: each once, in order");
    }
}

/// 300 grants, one batch, one answer.
#[test]
fn the_client_for_a_shell_gets_one_answer() {
    assert!(CURL.lines().count() < 30);
    let site = site(&Options { hour: "1h", more: 300, ..options() });
    let worker = site.worker();
    let file = |name: &str, text: &str| {
        let path = Path::new(site.config()).with_file_name(name);
        std::fs::write(&path, text).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let script = file("curl.sh", CURL);
    let jobs: Vec<Value> = (0..300).map(|n| job(&format!("C-{n}"), "grant", &another(n))).collect();
    let batch = file("batch.json", &json!({"jobs": jobs}).to_string());
    let (token, url) = (file("token", "s3cr3t-of-the-bot"), format!("http://{}", worker.admin));
    let run = |id: &str, batch: &str| {
        let around = [("TOKEN_FILE", token.as_str()), ("CROSSGRANT", url.as_str()), ("NO_PROXY", "*")];
        Process::start_with("curl.sh", Path::new("/bin/sh"), &[&script, id, batch], &around)
    };
    let killed = run("MOVE-7", &batch);
    until("some are granted", || (granted(&site.cloud) > 20).then_some(()));
    killed.kill9();
    for again in [false, true] {
        let process = run("MOVE-7", &batch);
        let status = process.end(2 * LIMIT).expect("it ends");
        let lines = process.lines();
        let end: Value = serde_json::from_str(lines.last().unwrap()).unwrap();
        assert!(status.success(), "again: {again}: {status}: {end}");
        assert_eq!((&end["type"], lines.len()), (&json!("crossgrant.batch.ended"), 1));
        assert_eq!(end["data"]["jobs"]["completed"]["done"], 300);
    }
    assert_eq!(granted(&site.cloud), 300, "each was granted once");

    let wrong = file("wrong.json", &json!({"jobs": [{"id": "C-1"}]}).to_string());
    let process = run("MOVE-8", &wrong);
    assert_eq!(process.end(LIMIT).unwrap().code(), Some(1));
    assert!(process.lines().join("").contains("/jobs/0/kind"), "{:?}", process.lines());
}

fn granted(cloud: &Cloud) -> usize {
    cloud.answers(GRANT).get("OK").copied().unwrap_or_default() as usize
}
