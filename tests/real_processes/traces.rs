//! The trace of a job, as a collector receives it.

use std::io::{BufRead as _, BufReader};
use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::Duration;

use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::Value;

use super::{MODIFY, UPDATE, completes, completes_once, place, site};
use crate::support::collector::{Collector, Manner};
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::mailbox::Post;
use crate::support::plant::ATTACHED;
use crate::support::site::{Options, Site, Worker, early_in_the_hour, job, until};

const TRACE: &str = "4bf92f3577b34da6a3ce929d0e0e4736";
const PUBLISHER: &str = "00f067aa0ba902b7";

fn traced(site: &Site, endpoint: &str) {
    site.reconfigure(|text| format!("{text}\n[trace]\nendpoint = {endpoint:?}\n"));
}

/// Asks for a payer change, as a publisher that is traced.
fn submit(site: &Site, traceparent: Option<String>) {
    let body = job("change", "payer-change", ATTACHED).to_string().into_bytes();
    let routing_key = format!("{}.jobs", site.mail.prefix());
    let reply_to = Some(site.mail.answers_queue());
    site.mail.publish(&[Post { routing_key, reply_to, traceparent, body, ..Post::default() }]);
}

fn text<'a>(span: &'a Value, field: &str) -> &'a str {
    span[field].as_str().unwrap_or_else(|| panic!("no {field}: {span}"))
}

/// The spans of a trace, once the one of this event is there.
fn story(collector: &Collector, trace: &str, end: &str) -> Vec<Value> {
    collector.wait(end, |all| {
        let of: Vec<Value> = all.iter().filter(|span| span["trace"] == trace).cloned().collect();
        of.iter().any(|span| span["attributes"]["crossgrant.event.type"] == end).then_some(of)
    })
}

fn named<'a>(spans: &'a [Value], name: &str) -> Vec<&'a Value> {
    spans.iter().filter(|span| text(span, "name").starts_with(name)).collect()
}

/// Every span is under another of the trace, or under the publisher's.
fn hangs_together(spans: &[Value], root: &str) {
    for span in spans {
        let parent = text(span, "parent");
        let known = parent == root || spans.iter().any(|other| other["span"] == parent);
        assert!(known, "the parent of this is missing: {span:#}\n{spans:#?}");
    }
}

for_one_and_two! { a_payer_change_is_one_trace_over_a_kill }

fn a_payer_change_is_one_trace_over_a_kill(crew: Crew) {
    // Long enough for another worker to take the job over and wait for the rest.
    let hour = Options { hour: "20s", ..Options::default() };
    let (site, collector) = (place(crew, hour), Collector::new(Manner::Takes));
    traced(&site, &collector.endpoint());
    site.cloud.inject(InjectedFault::new(UPDATE, FaultKind::HangAfter));
    let mut staff = site.staff();
    early_in_the_hour(&site, 20);
    submit(&site, Some(format!("00-{TRACE}-{PUBLISHER}-01")));
    site.cloud.wait_held(UPDATE);
    // What was told up to here must be on its way before the worker is killed.
    collector.wait("the first write", |all| (!named(all, &format!("write {MODIFY}")).is_empty()).then_some(()));
    staff.kill_one();
    site.cloud.mend();
    let worker = staff.goes_on();
    completes_once(&site, worker, "change");

    let spans = story(&collector, TRACE, "crossgrant.job.completed");
    hangs_together(&spans, PUBLISHER);
    let accepted = named(&spans, "process ");
    assert_eq!((accepted.len(), text(accepted[0], "parent"), &accepted[0]["kind"]), (1, PUBLISHER, &5.into()));
    let writes = named(&spans, "write ");
    let told = |span: &Value| {
        (text(span, "name").to_owned(), text(&span["attributes"], "crossgrant.write.outcome").to_owned())
    };
    let told: Vec<_> = writes.iter().map(|write| told(write)).collect();
    assert_eq!(told, [(format!("write {MODIFY}"), "accepted".into()), (format!("write {UPDATE}"), "seen".into())]);
    assert!(text(&writes[0]["attributes"], "crossgrant.cloud.request_id").len() > 8, "{:#}", writes[0]);
    let begun = named(&spans, "wait for the hour");
    let ended = named(&spans, "end of the wait");
    assert_eq!((begun.len(), ended.len()), (1, 1));
    let length = |span: &Value| span["ended"].as_u64().unwrap() - span["began"].as_u64().unwrap();
    assert!(length(begun[0]) < 1_000_000_000, "no span lasts as long as the wait");
    assert!(
        ended[0]["links"].as_array().unwrap().iter().any(|link| link["span"] == begun[0]["span"]),
        "{:#}",
        ended[0]
    );
    // What goes out is part of the trace, and its span is one that the collector has.
    for kind in ["accepted", "waiting", "completed"] {
        let event = site
            .mail
            .wait(kind, |all| all.iter().find(|mail| mail.json()["type"] == format!("crossgrant.job.{kind}")).cloned());
        let carried = &event.headers["traceparent"];
        assert_eq!(event.json()["traceparent"], carried.as_str());
        let of = |span: &&Value| *carried == format!("00-{TRACE}-{}-01", text(span, "span"));
        assert_eq!(spans.iter().filter(of).count(), 1, "{kind}: {carried}");
    }
    let everything = serde_json::to_string(&spans).unwrap();
    for secret in ["resource-secret", "cen-secret", "Signature", "resource-key"] {
        assert!(!everything.contains(secret), "{secret}");
    }
}

#[test]
fn a_job_without_a_trace_begins_one_and_the_log_names_it() {
    let (site, collector) = (site(&Options::default()), Collector::new(Manner::Takes));
    traced(&site, &collector.endpoint());
    let worker = site.worker();
    submit(&site, None);
    completes(&site, "change");
    let uid = worker.job("change")["job"]["uid"].as_str().unwrap().replace('-', "");
    let spans = story(&collector, &uid, "crossgrant.job.completed");
    hangs_together(&spans, "");
    assert_eq!(named(&spans, "process ")[0]["parent"], "");
    // Every call of the job is in it, as a client of HTTP.
    let calls: Vec<&Value> = spans.iter().filter(|span| span["kind"] == 3).collect();
    for operation in [MODIFY, UPDATE] {
        let call = calls.iter().find(|call| call["name"] == operation).unwrap();
        let about = &call["attributes"];
        assert_eq!((&about["http.request.method"], &about["http.response.status_code"]), (&"POST".into(), &200.into()));
        assert!(about["cloud.account.id"].is_string() && about["server.address"].is_string(), "{call:#}");
    }
    assert_eq!(spans[0]["resource"]["service.name"], "crossgrant");
    let of_job = worker.process.lines().into_iter().filter_map(|line| serde_json::from_str::<Value>(&line).ok());
    let of_job: Vec<Value> = of_job.filter(|line| line["job.uid"].is_string()).collect();
    assert!(of_job.len() >= 2, "{of_job:#?}");
    for line in of_job {
        assert_eq!(line["trace_id"], uid.as_str(), "{line}");
        assert_eq!(line["span_id"].as_str().unwrap().len(), 16);
    }
    let metrics = worker.ask("GET", "/metrics", &["accept: application/openmetrics-text"]).body;
    assert!(metrics.contains(&format!("trace_id=\"{uid}\"")), "{metrics}");
    let taken =
        metrics.lines().find(|line| line.starts_with("crossgrant_trace_spans_total{what=\"exported\"}")).unwrap();
    assert!(taken.rsplit(' ').next().unwrap().parse::<u64>().unwrap() > 5, "{taken}");
}

#[test]
fn a_publisher_that_is_not_recorded_is_not_recorded_here() {
    let (site, collector) = (site(&Options::default()), Collector::new(Manner::Takes));
    traced(&site, &collector.endpoint());
    let worker = site.worker();
    submit(&site, Some(format!("00-{TRACE}-{PUBLISHER}-00")));
    completes(&site, "change");
    let event = site.mail.wait("the end", |all| all.iter().find(|mail| mail.is_terminal()).cloned());
    assert!(
        event.headers["traceparent"].starts_with(&format!("00-{TRACE}-"))
            && event.headers["traceparent"].ends_with("-00")
    );
    worker.process.terminate();
    assert!(worker.process.end(Duration::from_secs(30)).unwrap().success());
    collector.wait("nothing of it", |all| all.iter().all(|span| span["trace"] != TRACE).then_some(()));
}

/// Waits until spans were lost.
fn lost(worker: &Worker) -> u64 {
    until("spans are lost", || {
        let metrics = worker.get("/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with("crossgrant_trace_spans_total{what=\"dropped\"}"))?;
        line.rsplit(' ').next()?.parse().ok().filter(|lost| *lost > 0)
    })
}

#[test]
fn a_collector_that_is_dead_costs_no_job_anything() {
    let gone = TcpListener::bind("127.0.0.1:0").unwrap();
    let nowhere = format!("http://{}", gone.local_addr().unwrap());
    drop(gone);
    let (refuses, hangs) = (Collector::new(Manner::Refuses), Collector::new(Manner::Hangs));
    std::thread::scope(|all| {
        for endpoint in [nowhere, refuses.endpoint(), hangs.endpoint()] {
            all.spawn(move || {
                let site = site(&Options::default());
                traced(&site, &endpoint);
                let environment = [("OTEL_EXPORTER_OTLP_TIMEOUT", "500")];
                let worker = site.worker_with(&environment);
                submit(&site, None);
                completes_once(&site, &worker, "change");
                lost(&worker);
                worker.process.terminate();
                let status = worker.process.end(Duration::from_secs(30)).expect("it stops");
                assert!(status.success(), "{endpoint}: {status}");
                let warned = worker.process.lines().into_iter().filter(|line| line.contains("collector does not take"));
                assert_eq!(warned.count(), 1, "{endpoint}: once a minute");
            });
        }
    });
    assert!(refuses.requests() > 0 && hangs.requests() > 0);
}

/// For tests/outside/test_traces.py. Its collector is in Python, and made of the types that OpenTelemetry publishes.
#[test]
#[ignore = "needs the Python of `make outside`, which runs it"]
fn recorded_for_others() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let spans = root.join("target/tmp/spans.json");
    let _ = std::fs::remove_file(&spans);
    let mut python = Command::new(root.join("target/outside/bin/python"));
    python.arg("-B").arg(root.join("tests/outside/collector.py")).arg(&spans);
    let mut collector = python.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    let mut url = String::new();
    BufReader::new(collector.stdout.take().unwrap()).read_line(&mut url).unwrap();
    // Long enough for the looks before the hour, whenever it comes.
    let site = site(&Options { hour: "10s", ..Options::default() });
    traced(&site, url.trim());
    let worker = site.worker();
    early_in_the_hour(&site, 10);
    submit(&site, Some(format!("00-{TRACE}-{PUBLISHER}-01")));
    completes_once(&site, &worker, "change");
    worker.process.terminate();
    assert!(worker.process.end(Duration::from_secs(30)).unwrap().success());
    drop(collector.stdin.take());
    assert!(collector.wait().unwrap().success() && spans.exists());
}
