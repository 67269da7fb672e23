//! The life of a worker as its operator sees it: start, readiness, metrics, stop.

use std::time::Duration;

use crossgrant::clock::{Clock, SystemClock};
use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::Value;

use super::{GRANT, completes_once, lonely_site, operations, place, site};
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::plant::ATTACHED;
use crate::support::site::{Options, another, job};

for_one_and_two! {
    a_stop_with_jobs_in_work_is_clean_and_in_time_and_loses_nothing,
}

fn a_stop_with_jobs_in_work_is_clean_and_in_time_and_loses_nothing(crew: Crew) {
    const JOBS: usize = 12;
    let drain = Duration::from_secs(2);
    let site = place(crew, Options { more: JOBS, worker: "drain = \"2s\"", ..Options::default() });
    // One call that does not come back in time, and one whose answer does not.
    site.cloud.inject(InjectedFault::new(GRANT, FaultKind::HangBefore).after(2));
    site.cloud.inject(InjectedFault::new(GRANT, FaultKind::HangAfter).after(2));
    let mut staff = site.staff();
    let jobs: Vec<_> = (0..JOBS).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect();
    site.mail.submit_all(&jobs);
    site.cloud.wait_held(GRANT);
    staff.stop_all(drain + Duration::from_secs(10));
    site.cloud.mend();

    let worker = staff.goes_on();
    for n in 0..JOBS {
        completes_once(&site, worker, &format!("grant-{n}"));
        assert_eq!(operations(&site, &another(n)), [GRANT]);
    }
    staff.stop_all(Duration::from_secs(60));
}

#[test]
fn a_stop_that_cuts_jobs_says_how_many() {
    let site = site(&Options { more: 2, worker: "drain = \"500ms\"", ..Options::default() });
    site.cloud.inject(InjectedFault::new(GRANT, FaultKind::HangBefore).times(2));
    let worker = site.worker();
    site.mail.submit_all(&[job("one", "grant", &another(0)), job("two", "grant", &another(1))]);
    site.cloud.wait_held(GRANT);
    worker.process.terminate();
    let status = worker.process.end(Duration::from_secs(60)).unwrap();
    let stopped = worker
        .process
        .line("that it stopped", |line| line.contains("\"message\":\"stopped\"").then(|| line.to_owned()));
    let stopped: Value = serde_json::from_str(&stopped).unwrap();
    assert!(stopped["clean"] == false && stopped["cut"].as_u64().is_some_and(|cut| cut >= 1), "{stopped}");
    assert!(status.success(), "a cut job loses nothing: {status}");
    site.cloud.mend();
}

#[test]
fn an_empty_worker_is_ready_within_two_seconds() {
    let times = (0..3).map(|_| {
        let site = site(&Options::default());
        let began = SystemClock.uptime();
        let worker = site.worker();
        let took = SystemClock.uptime().saturating_sub(began);
        drop(worker);
        took
    });
    let best = times.min().unwrap();
    println!("from exec to ready: {best:?}");
    // The best of three, since other tests want the machine at the same time.
    assert!(best < Duration::from_secs(2), "{best:?}");
}

#[test]
fn readiness_follows_the_broker() {
    let site = lonely_site(&Options::default());
    let worker = site.worker();
    site.rabbit.remember_queues().unwrap();
    site.rabbit.kill9();
    worker.until_ready(false);
    let readiness: Value = serde_json::from_str(&worker.get("/readyz").body).unwrap();
    let ok = |name: &str| {
        let checks = readiness["checks"].as_array().unwrap();
        checks.iter().find(|check| check["name"] == name).unwrap_or_else(|| panic!("{readiness}"))["ok"].clone()
    };
    assert_eq!((ok("store"), ok("broker-consume")), (true.into(), false.into()), "{readiness}");
    assert_eq!(worker.get("/healthz").status, 200, "it lives: a restart would not help");
    site.rabbit.restart().unwrap();
    worker.until_ready(true);
}

#[test]
fn the_metrics_have_every_family() {
    let site = site(&Options::default());
    let worker = site.worker();
    // A family begins with its first case.
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    completes_once(&site, &worker, "change");
    let answer = worker.ask("GET", "/metrics", &["accept: application/openmetrics-text"]);
    assert_eq!(answer.status, 200);
    for family in [
        "crossgrant_jobs",
        "crossgrant_job_transitions",
        "crossgrant_jobs_limited",
        "crossgrant_paused_accounts",
        "crossgrant_messages_taken",
        "crossgrant_messages_rejected",
        "crossgrant_step_attempts",
        "crossgrant_step_duration_seconds",
        "crossgrant_cloud_calls",
        "crossgrant_cloud_call_duration_seconds",
        "crossgrant_cloud_budget_waited_seconds",
        "crossgrant_cloud_budget_rate",
        "crossgrant_sweep_jobs",
        "crossgrant_sweep_calls",
        "crossgrant_sweep_confirmed",
        "crossgrant_sweep_duration_seconds",
        "crossgrant_events",
        "crossgrant_events_unrouted",
        "crossgrant_published",
        "crossgrant_outbox_messages",
        "crossgrant_undeliverable_messages",
        "crossgrant_store_usable",
        "crossgrant_broker_connected",
        "crossgrant_broker_blocked",
        "crossgrant_broker_messages",
        "crossgrant_log_lines_dropped",
        "crossgrant_account_usable",
        "crossgrant_oldest_job_age_seconds",
        "crossgrant_overdue_jobs",
        "crossgrant_outbox_oldest_age_seconds",
        "crossgrant_sweep_last_success_timestamp_seconds",
        "crossgrant_open_batches",
        "crossgrant_batches_ended",
        "crossgrant_cloud_errors",
        "crossgrant_workers",
        "crossgrant_build_info",
        "process_cpu_seconds",
        "process_resident_memory_bytes",
        "process_open_fds",
        "process_start_time_seconds",
        "crossgrant_account_credential_expiry_timestamp_seconds",
    ] {
        for line in ["HELP", "TYPE"] {
            assert!(answer.body.contains(&format!("# {line} {family} ")), "{line} {family}:\n{}", answer.body);
        }
    }
    for event in ["accepted", "waiting", "completed"] {
        let line = format!("crossgrant_events_total{{type=\"job.{event}\"}} 1");
        assert!(answer.body.lines().any(|l| l == line), "{line}:\n{}", answer.body);
    }
    for line in [
        "crossgrant_job_duration_seconds_count{kind=\"payer-change\",outcome=\"completed\"} 1",
        "crossgrant_hour_confirm_lag_seconds_count 1",
    ] {
        assert!(answer.body.lines().any(|l| l == line), "{line}:\n{}", answer.body);
    }
    for connected in ["consume", "publish"] {
        let line = format!("crossgrant_broker_connected{{link=\"{connected}\"}} 1");
        assert!(answer.body.lines().any(|l| l == line), "{line}:\n{}", answer.body);
    }
    assert!(answer.body.ends_with("# EOF\n"));
}
