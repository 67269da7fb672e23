use std::time::Duration;

use jiff::Timestamp;

use super::*;
use crate::clock::ManualClock;
use crate::domain::{AccountUid, EventType, Kind, Operation, Reason};
use crate::engine::ports::account::{RefusedCredential, Standing};
use crate::engine::record::State;

/// Every metric: its name, type and unit.
const NAMES: [(&str, &str, &str); 34] = [
    ("crossgrant_jobs", "gauge", ""),
    ("crossgrant_job_transitions", "counter", ""),
    ("crossgrant_jobs_limited", "counter", ""),
    ("crossgrant_paused_accounts", "gauge", ""),
    ("crossgrant_held_jobs", "gauge", ""),
    ("crossgrant_parked_jobs", "gauge", ""),
    ("crossgrant_messages_taken", "counter", ""),
    ("crossgrant_messages_rejected", "gauge", ""),
    ("crossgrant_step_attempts", "counter", ""),
    ("crossgrant_step_duration_seconds", "histogram", "seconds"),
    ("crossgrant_cloud_calls", "counter", ""),
    ("crossgrant_cloud_call_duration_seconds", "histogram", "seconds"),
    ("crossgrant_cloud_budget_deferred", "counter", ""),
    ("crossgrant_cloud_budget_waited_seconds", "counter", "seconds"),
    ("crossgrant_cloud_budget_rate", "gauge", ""),
    ("crossgrant_sweep_jobs", "counter", ""),
    ("crossgrant_sweep_calls", "counter", ""),
    ("crossgrant_sweep_confirmed", "counter", ""),
    ("crossgrant_sweep_duration_seconds", "histogram", "seconds"),
    ("crossgrant_events", "counter", ""),
    ("crossgrant_events_unrouted", "counter", ""),
    ("crossgrant_published", "counter", ""),
    ("crossgrant_outbox_messages", "gauge", ""),
    ("crossgrant_outbox_refused_messages", "gauge", ""),
    ("crossgrant_undeliverable_messages", "gauge", ""),
    ("crossgrant_store_usable", "gauge", ""),
    ("crossgrant_broker_connected", "gauge", ""),
    ("crossgrant_broker_blocked", "gauge", ""),
    ("crossgrant_broker_dead_lettered_messages", "gauge", ""),
    ("crossgrant_clock_ahead_seconds", "gauge", "seconds"),
    ("crossgrant_account_usable", "gauge", ""),
    ("crossgrant_account_credential_expires_seconds", "gauge", "seconds"),
    ("crossgrant_broker_messages", "counter", ""),
    ("crossgrant_log_lines_dropped", "counter", ""),
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
    let account = AccountUid::parse("1250123456123456").unwrap();
    metrics.cloud().called(Operation::DescribeGrantRulesToCen, &account, "Throttling.User", Duration::from_millis(5));
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
    let counts = Counts { jobs, outbox: 7, refused: 5, undeliverable: 1, rejected: 4, paused: 2, held, parked };
    let broker = BrokerState::new(Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)));
    heard().render(Some(&counts), Some(&broker), &accounts())
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
    for (name, kind, unit) in NAMES {
        assert_eq!(lines(&format!("# HELP {name} ")), 1, "{name}");
        assert_eq!(lines(&format!("# TYPE {name} {kind}")), 1, "{name}");
        assert_eq!(lines(&format!("# UNIT {name} {unit}")), usize::from(!unit.is_empty()), "{name}");
    }
    assert_eq!(lines("# TYPE "), NAMES.len());
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
        "crossgrant_messages_taken_total{what=\"new\"} 1",
        "crossgrant_messages_rejected 4",
        "crossgrant_step_attempts_total{kind=\"payer-change\",step=\"modify-grant\",what=\"write\"} 1",
        "crossgrant_step_duration_seconds_count{kind=\"payer-change\",step=\"modify-grant\"} 1",
        "crossgrant_cloud_calls_total{operation=\"DescribeGrantRulesToCen\",account=\"1250123456123456\",outcome=\"Throttling.User\"} 1",
        "crossgrant_job_transitions_total{kind=\"revoke\",state=\"parked\"} 0",
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
        "crossgrant_outbox_messages 7",
        "crossgrant_undeliverable_messages 1",
        "crossgrant_store_usable 1",
        "crossgrant_broker_connected{link=\"consume\"} 0",
        "crossgrant_broker_blocked{link=\"publish\"} 0",
        "crossgrant_broker_connected{link=\"reply\"} 0",
        "crossgrant_broker_messages_total{what=\"delivered\"} 0",
        "crossgrant_account_usable{account=\"1250123456123456\"} 1",
        "crossgrant_account_usable{account=\"1688000000000001\"} 0",
        "crossgrant_account_credential_expires_seconds{account=\"1250123456123456\"} inf",
        "crossgrant_account_credential_expires_seconds{account=\"1688000000000001\"} 1795258800.0",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
}

#[test]
fn an_account_that_is_not_configured_any_more_goes() {
    let metrics = heard();
    let shown =
        |accounts: &[AccountReport]| metrics.render(None, None, accounts).matches("crossgrant_account_usable{").count();
    assert_eq!((shown(&accounts()), shown(&accounts()[..1])), (2, 1));
}

#[test]
fn a_store_that_cannot_be_read_shows_and_hides_nothing_else() {
    let text = heard().render(None, None, &[]);
    assert!(text.contains("crossgrant_store_usable 0\n") && text.contains("crossgrant_sweep_jobs_total 120\n"));
}
