use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::clock::ManualClock;
use crate::domain::{AccountUid, EventType, JobUid, Kind, Operation, Reason, TraceContext};
use crate::engine::batch::BatchOutcome;
use crate::engine::ports::account::{RefusedCredential, Standing};
use crate::engine::ports::store::{Ages, Counts, UnreadableRow};
use crate::engine::ports::trace;
use crate::engine::record::State;
use crate::workflow::Class;

/// Every metric: its name, type, unit and labels. tests/packaging holds alerts and dashboard against it.
const NAMES: [(&str, &str, &str, &str); 57] = [
    ("crossgrant_jobs", "gauge", "", "kind state"),
    ("crossgrant_job_transitions", "counter", "", "kind state"),
    ("crossgrant_jobs_limited", "counter", "", "limit"),
    ("crossgrant_paused_accounts", "gauge", "", ""),
    ("crossgrant_held_jobs", "gauge", "", ""),
    ("crossgrant_parked_jobs", "gauge", "", "reason half_done"),
    ("crossgrant_unreadable_rows", "gauge", "", ""),
    ("crossgrant_messages_taken", "counter", "", "what"),
    ("crossgrant_messages_rejected", "gauge", "", ""),
    ("crossgrant_step_attempts", "counter", "", "kind step what"),
    ("crossgrant_step_duration_seconds", "histogram", "seconds", "kind step"),
    ("crossgrant_cloud_calls", "counter", "", "operation account outcome"),
    ("crossgrant_cloud_call_duration_seconds", "histogram", "seconds", "operation"),
    ("crossgrant_cloud_budget_deferred", "counter", "", "operation account"),
    ("crossgrant_cloud_budget_waited_seconds", "counter", "seconds", "operation account"),
    ("crossgrant_cloud_budget_rate", "gauge", "", "operation account"),
    ("crossgrant_sweep_jobs", "counter", "", ""),
    ("crossgrant_sweep_calls", "counter", "", ""),
    ("crossgrant_sweep_confirmed", "counter", "", ""),
    ("crossgrant_sweep_duration_seconds", "histogram", "seconds", ""),
    ("crossgrant_events", "counter", "", "type"),
    ("crossgrant_events_unrouted", "counter", "", ""),
    ("crossgrant_published", "counter", "", "what"),
    ("crossgrant_outbox_messages", "gauge", "", ""),
    ("crossgrant_outbox_refused_messages", "gauge", "", ""),
    ("crossgrant_outbox_failed_messages", "gauge", "", ""),
    ("crossgrant_undeliverable_messages", "gauge", "", ""),
    ("crossgrant_webhook_calls", "counter", "", "outcome"),
    ("crossgrant_store_usable", "gauge", "", ""),
    ("crossgrant_broker_connected", "gauge", "", "link"),
    ("crossgrant_broker_blocked", "gauge", "", "link"),
    ("crossgrant_broker_dead_lettered_messages", "gauge", "", ""),
    ("crossgrant_clock_ahead_seconds", "gauge", "seconds", ""),
    ("crossgrant_account_usable", "gauge", "", "account"),
    ("crossgrant_account_credential_expiry_timestamp_seconds", "gauge", "seconds", "account"),
    ("crossgrant_broker_messages", "counter", "", "what"),
    ("crossgrant_log_lines_dropped", "counter", "", ""),
    ("crossgrant_trace_spans", "counter", "", "what"),
    ("crossgrant_build_info", "gauge", "", "version"),
    ("crossgrant_workers", "gauge", "", ""),
    ("crossgrant_store_probe_duration_seconds", "gauge", "seconds", ""),
    ("crossgrant_oldest_job_age_seconds", "gauge", "seconds", "state"),
    ("crossgrant_overdue_jobs", "gauge", "", ""),
    ("crossgrant_outbox_oldest_age_seconds", "gauge", "seconds", ""),
    ("crossgrant_open_batches", "gauge", "", ""),
    ("crossgrant_oldest_batch_age_seconds", "gauge", "seconds", ""),
    ("crossgrant_batches_ended", "counter", "", "outcome"),
    ("crossgrant_job_duration_seconds", "histogram", "seconds", "kind outcome"),
    ("crossgrant_hour_confirm_lag_seconds", "histogram", "seconds", ""),
    ("crossgrant_sweep_last_success_timestamp_seconds", "gauge", "seconds", ""),
    ("crossgrant_cloud_errors", "counter", "", "account class"),
    ("process_cpu_seconds", "counter", "seconds", ""),
    ("process_resident_memory_bytes", "gauge", "bytes", ""),
    ("process_virtual_memory_bytes", "gauge", "bytes", ""),
    ("process_start_time_seconds", "gauge", "seconds", ""),
    ("process_open_fds", "gauge", "", ""),
    ("process_max_fds", "gauge", "", ""),
];

fn heard() -> Metrics {
    let metrics = Metrics::new();
    let engine = metrics.engine();
    engine.took("new");
    engine.tried(Kind::PayerChange, "modify-grant", "write", Duration::from_millis(20));
    engine.said(EventType::Waiting);
    engine.moved(Kind::PayerChange, State::Waiting);
    engine.limited("revokes_per_cen");
    engine.swept(120, 2, 119, Duration::from_secs(1));
    engine.published(3, 1, 2);
    engine.unrouted(4);
    engine.ended(Kind::PayerChange, State::Completed, Duration::from_secs(2700), Some(Duration::from_secs(40)));
    engine.batch_ended(BatchOutcome::Stopped);
    engine.sweep_is_done(at("2026-11-21T10:00:30.25Z"));
    let account = AccountUid::parse("1250123456123456").unwrap();
    metrics.cloud().called(Operation::DescribeGrantRulesToCen, &account, "Throttling.User", Duration::from_millis(5));
    metrics.cloud().failed(&account, Class::Throttled);
    metrics.cloud().deferred(Operation::DescribeGrantRulesToCen, &account);
    metrics.cloud().budgeted(Operation::DescribeGrantRulesToCen, &account, Duration::from_millis(1500), Some(2.5));
    metrics
}

fn rendered() -> String {
    let jobs = [((Kind::Grant, State::Parked), 2)].into();
    let held = [(AccountUid::parse("1250123456123456").unwrap(), 6)].into();
    let parked = [
        ((Some(Reason::HalfDone), true), 3),
        ((None, false), 1),
        // No reason to park for: a newer program has written it.
        ((Some(Reason::Attached), false), 2),
    ];
    let parked = parked.into();
    let row = |n| UnreadableRow { uid: JobUid(uuid::Uuid::from_u128(n)), is_batch: false, why: String::new() };
    let counts = Counts {
        jobs,
        outbox: 7,
        refused: 5,
        failed: 8,
        undeliverable: 1,
        rejected: 4,
        paused: 2,
        held,
        parked,
        unreadable: (1..=12).map(row).collect(),
    };
    let ages = Ages {
        oldest: [(State::Waiting, at("2026-11-21T09:30:00Z"))].into(),
        overdue: 8,
        unpublished: Some(at("2026-11-21T09:59:58.5Z")),
        open_batches: 9,
        oldest_batch: Some(at("2026-11-21T09:00:00Z")),
    };
    let probed = Some(Duration::from_millis(250));
    let store = StoreScrape { counts: Some(&counts), ages: Some(&ages), probed, workers: 2, ..UNREADABLE };
    let broker = BrokerState::new(Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
    heard().render(store, Some(&broker), &accounts(), Format::OpenMetrics)
}

const NOW: Timestamp = Timestamp::constant(1_795_255_200, 0);
const UNREADABLE: StoreScrape<'_> = StoreScrape { counts: None, ages: None, probed: None, workers: 1, now: NOW };

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn accounts() -> [AccountReport; 2] {
    let refusal = RefusedCredential {
        since: Timestamp::UNIX_EPOCH,
        code: "SignatureDoesNotMatch".into(),
        asked: "GetCallerIdentity".into(),
        message: "no".into(),
    };
    let known = |uid: &str, standing, expires_at| AccountReport {
        uid: AccountUid::parse(uid).unwrap(),
        credential: "assumed-role".into(),
        key_end: None,
        expires_at,
        last_success: None,
        standing,
        budget: None,
    };
    let ends = "2026-11-21T11:00:00Z".parse().unwrap();
    [
        known("1250123456123456", Standing::Unknown, None),
        known("1688000000000001", Standing::Refused(refusal), Some(ends)),
    ]
}

#[test]
fn every_metric_is_described_once_with_its_type_and_unit() {
    let text = rendered();
    let lines = |prefix: &str| text.lines().filter(|line| line.starts_with(prefix)).count();
    for (name, kind, unit, _) in NAMES {
        assert_eq!(lines(&format!("# HELP {name} ")), 1, "{name}");
        assert_eq!(lines(&format!("# TYPE {name} {kind}")), 1, "{name}");
        assert_eq!(lines(&format!("# UNIT {name} {unit}")), usize::from(!unit.is_empty()), "{name}");
    }
    assert_eq!(lines("# TYPE "), NAMES.len());
}

#[test]
fn every_sample_has_the_labels_that_are_listed() {
    let text = rendered();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let (name, rest) = line.split_at(line.find(['{', ' ']).unwrap());
        let is_of = |(listed, kind, ..): &&(&str, &str, &str, &str)| match *kind {
            "counter" => name.strip_suffix("_total") == Some(listed),
            "histogram" => ["_bucket", "_count", "_sum"].iter().any(|end| name.strip_suffix(end) == Some(listed)),
            _ => name == *listed,
        };
        let (.., labels) = NAMES.iter().find(is_of).unwrap_or_else(|| panic!("{line}"));
        let inside = rest.split_once('{').map_or("", |(_, rest)| rest.split_once('}').unwrap().0);
        let found: Vec<&str> = inside.split("\",").filter_map(|pair| Some(pair.split_once('=')?.0)).collect();
        let found: Vec<&str> = found.into_iter().filter(|label| *label != "le").collect();
        assert_eq!(found.join(" "), *labels, "{line}");
    }
}

#[test]
fn what_has_labels_that_are_known_beforehand_is_there_from_the_start() {
    let counts = Counts::default();
    let ages = Ages::default();
    let store = StoreScrape { counts: Some(&counts), ages: Some(&ages), ..UNREADABLE };
    let broker = BrokerState::new(Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
    let text = Metrics::new().render(store, Some(&broker), &accounts(), Format::OpenMetrics);
    let absent = |(name, ..): &&(&str, &str, &str, &str)| !text.contains(&format!("# TYPE {name} "));
    let absent: Vec<&str> = NAMES.iter().filter(absent).map(|(name, ..)| *name).collect();
    // Their labels are names of steps, operations, or codes of the cloud.
    let with_first_case = [
        "crossgrant_step_attempts",
        "crossgrant_step_duration_seconds",
        "crossgrant_cloud_calls",
        "crossgrant_cloud_call_duration_seconds",
        "crossgrant_cloud_budget_deferred",
        "crossgrant_cloud_budget_waited_seconds",
        "crossgrant_cloud_budget_rate",
    ];
    assert_eq!(absent, with_first_case, "{text}");
}

#[test]
fn what_was_heard_is_said() {
    let text = rendered();
    for line in [
        "crossgrant_jobs{kind=\"grant\",state=\"parked\"} 2",
        "crossgrant_jobs{kind=\"revoke\",state=\"queued\"} 0",
        "crossgrant_job_transitions_total{kind=\"payer-change\",state=\"waiting\"} 1",
        "crossgrant_jobs_limited_total{limit=\"revokes_per_cen\"} 1",
        "crossgrant_jobs_limited_total{limit=\"payer_changes_per_account\"} 0",
        "crossgrant_paused_accounts 2",
        "crossgrant_held_jobs 6",
        "crossgrant_parked_jobs{reason=\"half-done\",half_done=\"true\"} 3",
        "crossgrant_parked_jobs{reason=\"credential-refused\",half_done=\"false\"} 0",
        "crossgrant_parked_jobs{reason=\"other\",half_done=\"false\"} 3",
        "crossgrant_parked_jobs{reason=\"account-not-ready\",half_done=\"false\"} 0",
        "crossgrant_unreadable_rows 12",
        "crossgrant_messages_taken_total{what=\"new\"} 1",
        "crossgrant_messages_rejected 4",
        "crossgrant_step_attempts_total{kind=\"payer-change\",step=\"modify-grant\",what=\"write\"} 1",
        "crossgrant_step_duration_seconds_count{kind=\"payer-change\",step=\"modify-grant\"} 1",
        "crossgrant_cloud_calls_total{operation=\"DescribeGrantRulesToCen\",account=\"1250123456123456\",outcome=\"Throttling.User\"} 1",
        "crossgrant_job_transitions_total{kind=\"revoke\",state=\"parked\"} 0",
        "crossgrant_cloud_errors_total{account=\"1250123456123456\",class=\"throttled\"} 1",
        "crossgrant_cloud_errors_total{account=\"1688000000000001\",class=\"unknown\"} 0",
        "crossgrant_workers 2",
        "crossgrant_store_probe_duration_seconds 0.25",
        "crossgrant_oldest_job_age_seconds{state=\"waiting\"} 1800.0",
        "crossgrant_oldest_job_age_seconds{state=\"parked\"} 0.0",
        "crossgrant_overdue_jobs 8",
        "crossgrant_outbox_oldest_age_seconds 1.5",
        "crossgrant_open_batches 9",
        "crossgrant_oldest_batch_age_seconds 3600.0",
        "crossgrant_batches_ended_total{outcome=\"stopped\"} 1",
        "crossgrant_batches_ended_total{outcome=\"failed\"} 0",
        "crossgrant_job_duration_seconds_bucket{le=\"1800.0\",kind=\"payer-change\",outcome=\"completed\"} 0",
        "crossgrant_job_duration_seconds_bucket{le=\"3600.0\",kind=\"payer-change\",outcome=\"completed\"} 1",
        "crossgrant_job_duration_seconds_count{kind=\"grant\",outcome=\"failed\"} 0",
        "crossgrant_hour_confirm_lag_seconds_sum 40.0",
        "crossgrant_sweep_last_success_timestamp_seconds 1795255230.25",
        "crossgrant_events_total{type=\"job.overdue\"} 0",
        "crossgrant_cloud_budget_deferred_total{operation=\"DescribeGrantRulesToCen\",account=\"1250123456123456\"} 1",
        "crossgrant_cloud_budget_waited_seconds_total{operation=\"DescribeGrantRulesToCen\",account=\"1250123456123456\"} 1.5",
        "crossgrant_cloud_budget_rate{operation=\"DescribeGrantRulesToCen\",account=\"1250123456123456\"} 2.5",
        "crossgrant_sweep_jobs_total 120",
        "crossgrant_sweep_confirmed_total 119",
        "crossgrant_sweep_duration_seconds_sum 1.0",
        "crossgrant_events_total{type=\"job.waiting\"} 1",
        "crossgrant_events_unrouted_total 4",
        "crossgrant_published_total{what=\"undeliverable\"} 1",
        "crossgrant_published_total{what=\"refused\"} 2",
        "crossgrant_outbox_refused_messages 5",
        "crossgrant_outbox_failed_messages 8",
        "crossgrant_webhook_calls_total{outcome=\"gone\"} 0",
        "crossgrant_outbox_messages 7",
        "crossgrant_undeliverable_messages 1",
        "crossgrant_store_usable 1",
        "crossgrant_broker_connected{link=\"consume\"} 0",
        "crossgrant_broker_blocked{link=\"publish\"} 0",
        "crossgrant_broker_connected{link=\"reply\"} 0",
        "crossgrant_broker_messages_total{what=\"delivered\"} 0",
        "crossgrant_account_usable{account=\"1250123456123456\"} 1",
        "crossgrant_account_usable{account=\"1688000000000001\"} 0",
        "crossgrant_account_credential_expiry_timestamp_seconds{account=\"1250123456123456\"} inf",
        "crossgrant_account_credential_expiry_timestamp_seconds{account=\"1688000000000001\"} 1795258800.0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn an_account_that_is_not_configured_any_more_goes() {
    let metrics = heard();
    let shown = |accounts: &[AccountReport]| {
        metrics.render(UNREADABLE, None, accounts, Format::OpenMetrics).matches("crossgrant_account_usable{").count()
    };
    assert_eq!((shown(&accounts()), shown(&accounts()[..1])), (2, 1));
}

#[test]
fn a_store_that_cannot_be_read_shows_and_hides_nothing_else() {
    let text = heard().render(UNREADABLE, None, &[], Format::OpenMetrics);
    assert!(text.contains("crossgrant_store_usable 0\n") && text.contains("crossgrant_sweep_jobs_total 120\n"));
}

#[test]
fn a_bucket_names_the_trace_of_what_is_in_it_to_those_who_scrape_openmetrics() {
    let job = TraceContext { trace: 0xabc, span: 1, sampled: true };
    let text = |span: Option<TraceContext>, format| {
        let metrics = Metrics::new();
        trace::during(span, || metrics.engine().tried(Kind::Grant, "grant", "write", Duration::from_millis(20)));
        metrics.render(UNREADABLE, None, &[], format)
    };
    let exemplar = format!(" # {{trace_id=\"{:032x}\"}} 0.02", 0xabc);
    let named = text(Some(job), Format::OpenMetrics);
    let line = named.lines().find(|line| line.contains(&exemplar)).unwrap_or_else(|| panic!("{named}"));
    assert!(line.starts_with("crossgrant_step_duration_seconds_bucket{"), "{line}");
    for without in [
        text(Some(job), Format::Plain),
        text(Some(TraceContext { sampled: false, ..job }), Format::OpenMetrics),
        text(None, Format::OpenMetrics),
    ] {
        assert!(!without.contains("trace_id"), "{without}");
    }
}
