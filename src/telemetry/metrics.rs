//! Every metric, with its description and unit.
//!
//! Counters and durations are updated as things happen ([`Observer`], [`CallObserver`]). The counts of the store and the
//! broker are read at each scrape ([`Metrics::render`]). No label names an instance, a CEN or a job, because their number
//! has no bound. Accounts are few, and each has its own budget of calls, so calls are labelled with them.

use std::borrow::Cow;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use jiff::SignedDuration;
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::{Metric, Registry, Unit};

use crate::broker::{BrokerState, Link, LinkStatus};
use crate::cloud::CallObserver;
use crate::domain::{AccountUid, EventType, Kind, Operation, Reason};
use crate::engine::decide::webhook::Outcome;
use crate::engine::guards::setting;
use crate::engine::ports::account::AccountReport;
use crate::engine::ports::mail::Lane;
use crate::engine::ports::observe::Observer;
use crate::engine::ports::store::Counts;
use crate::engine::record::State;
use crate::telemetry::log;

type Labels<const N: usize> = [(&'static str, Cow<'static, str>); N];
type CounterFamily<const N: usize> = Family<Labels<N>, Counter>;
type GaugeFamily<const N: usize> = Family<Labels<N>, Gauge>;
type HistogramFamily<const N: usize> = Family<Labels<N>, Histogram, fn() -> Histogram>;

/// The content type of what [`Metrics::render`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Buckets for steps, calls and sweeps, in seconds: from a fast answer to a request that times out.
const BUCKETS: [f64; 12] = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

/// The reasons for which jobs are parked: each has a gauge at 0 from the start.
const PARKING: [Reason; 5] =
    [Reason::NeedsApproval, Reason::CredentialRefused, Reason::GaveUp, Reason::HalfDone, Reason::UnknownCall];

/// The metrics of this process.
pub struct Metrics {
    registry: Registry,
    jobs: GaugeFamily<2>,
    transitions: CounterFamily<2>,
    limited: CounterFamily<1>,
    paused: Gauge,
    held: Gauge,
    parked: GaugeFamily<2>,
    taken: CounterFamily<1>,
    rejected: Gauge,
    attempts: CounterFamily<3>,
    step_duration: HistogramFamily<2>,
    calls: CounterFamily<3>,
    call_duration: HistogramFamily<1>,
    budget_deferred: CounterFamily<2>,
    budget_waited: Family<Labels<2>, Counter<f64, AtomicU64>>,
    budget_rate: Family<Labels<2>, Gauge<f64, AtomicU64>>,
    sweep_jobs: Counter,
    sweep_calls: Counter,
    sweep_confirmed: Counter,
    sweep_duration: Histogram,
    events: CounterFamily<1>,
    events_unrouted: Counter,
    published: CounterFamily<1>,
    outbox: Gauge,
    refused: Gauge,
    webhook_calls: CounterFamily<1>,
    failed: Gauge,
    undeliverable: Gauge,
    store_usable: Gauge,
    connected: GaugeFamily<1>,
    blocked: GaugeFamily<1>,
    dead_lettered: Gauge,
    clock_ahead: Gauge,
    account_usable: GaugeFamily<1>,
    credential_expires: Family<Labels<1>, Gauge<f64, AtomicU64>>,
    broker_messages: CounterFamily<1>,
    log_lines_dropped: Counter,
}

/// A new metric, registered.
fn metric<M: Metric + Clone + Default>(registry: &mut Registry, name: &str, help: &str) -> M {
    let metric = M::default();
    registry.register(name, help, metric.clone());
    metric
}

/// A new metric in seconds, registered.
fn seconds<M: Metric + Clone>(registry: &mut Registry, name: &str, help: &str, metric: M) -> M {
    registry.register_with_unit(name, help, Unit::Seconds, metric.clone());
    metric
}

fn histogram() -> Histogram {
    Histogram::new(BUCKETS)
}

fn histograms<const N: usize>(registry: &mut Registry, name: &str, help: &str) -> HistogramFamily<N> {
    seconds(registry, name, help, Family::new_with_constructor(histogram))
}

impl Default for Metrics {
    fn default() -> Self {
        Self::new()
    }
}

impl Metrics {
    /// Every metric at zero.
    pub fn new() -> Self {
        let mut registry = Registry::with_prefix("crossgrant");
        let r = &mut registry;
        let metrics = Self {
            jobs: metric(r, "jobs", "Jobs in the store, by kind and state"),
            transitions: metric(r, "job_transitions", "Commits that left a job in a state"),
            limited: metric(r, "jobs_limited", "Jobs that an hourly limit parked for approval, by limit"),
            paused: metric(r, "paused_accounts", "Accounts that are paused"),
            held: metric(r, "held_jobs", "Jobs that are held, because one of their accounts is paused"),
            parked: metric(
                r,
                "parked_jobs",
                "Parked jobs, which need a person, by reason and whether they are half done; reason other where it was not read",
            ),
            taken: metric(r, "messages_taken", "Messages taken in: new, repeated, with a reused id, or rejected"),
            rejected: metric(r, "messages_rejected", "Rejections in the store"),
            attempts: metric(r, "step_attempts", "Attempts at a step: looks, writes, and the failed ones of each"),
            step_duration: histograms(r, "step_duration", "Duration of a look or a write of a step"),
            calls: metric(
                r,
                "cloud_calls",
                "Calls to the cloud, by operation, account, and outcome: ok, not-sent, unanswered, or the error code",
            ),
            call_duration: histograms(r, "cloud_call_duration", "Duration of a call to the cloud"),
            budget_deferred: metric(
                r,
                "cloud_budget_deferred",
                "Calls that were not made, because the budget of their operation and account had no room in time",
            ),
            budget_waited: seconds(
                r,
                "cloud_budget_waited",
                "Total time that calls waited for the budget of their operation and account",
                Family::default(),
            ),
            budget_rate: metric(
                r,
                "cloud_budget_rate",
                "Calls per second that an operation of an account may make now; throttled calls lower it",
            ),
            sweep_jobs: metric(r, "sweep_jobs", "Waiting jobs that sweeps checked"),
            sweep_calls: metric(r, "sweep_calls", "Calls to the cloud that sweeps made"),
            sweep_confirmed: metric(r, "sweep_confirmed", "Waiting jobs that sweeps confirmed"),
            sweep_duration: seconds(r, "sweep_duration", "Duration of a pass of the sweep", histogram()),
            events: metric(r, "events", "Events committed, by type"),
            events_unrouted: metric(
                r,
                "events_unrouted",
                "Events published that no queue took; they stay with their jobs",
            ),
            published: metric(r, "published", "Messages published: confirmed, kept aside, or refused by a queue"),
            outbox: metric(r, "outbox_messages", "Messages waiting to be published"),
            refused: metric(
                r,
                "outbox_refused_messages",
                "Messages in the outbox that a queue refused, and those that wait behind them",
            ),
            webhook_calls: metric(r, "webhook_calls", "Calls of webhooks, by outcome"),
            failed: metric(r, "outbox_failed_messages", "Messages in the outbox to webhooks that failed"),
            undeliverable: metric(r, "undeliverable_messages", "Messages that could not be published, kept for replay"),
            store_usable: metric(r, "store_usable", "1 if the store can be read, else 0"),
            connected: metric(r, "broker_connected", "1 if the connection to the broker is up, else 0"),
            blocked: metric(
                r,
                "broker_blocked",
                "1 if the connection is up and the broker blocks publishers or deliveries are held, else 0",
            ),
            dead_lettered: metric(
                r,
                "broker_dead_lettered_messages",
                "Messages that the broker gave up before a worker had accepted them, and keeps",
            ),
            clock_ahead: seconds(
                r,
                "clock_ahead",
                "How far this machine's clock is ahead of the cloud's; negative if it is behind",
                Gauge::default(),
            ),
            account_usable: metric(
                r,
                "account_usable",
                "0 if the cloud refuses the credential of the account or does not answer, else 1",
            ),
            credential_expires: seconds(
                r,
                "account_credential_expires",
                "Unix time at which the keys in use of the account end; +Inf for keys that do not",
                Family::default(),
            ),
            broker_messages: metric(r, "broker_messages", "Messages to and from the broker, by outcome"),
            log_lines_dropped: metric(
                r,
                "log_lines_dropped",
                "Lines of the log that could not be written, or found no room",
            ),
            registry,
        };
        // Present from the start, so that an alert also sees the step from 0 to 1.
        for event in EventType::ALL {
            metrics.events.get_or_create(&[("type", event.routing_key().into())]).inc_by(0);
        }
        for what in ["new", "repeated", "reused", "rejected"] {
            metrics.taken.get_or_create(&[("what", what.into())]).inc_by(0);
        }
        for what in ["confirmed", "undeliverable", "refused"] {
            metrics.published.get_or_create(&[("what", what.into())]).inc_by(0);
        }
        for outcome in Outcome::ALL {
            metrics.webhook_calls.get_or_create(&[("outcome", outcome.as_str().into())]).inc_by(0);
        }
        for kind in Kind::ALL {
            for state in State::ALL {
                metrics.transitions.get_or_create(&kind_and_state(kind, state)).inc_by(0);
            }
        }
        for setting in Kind::ALL.into_iter().filter_map(setting) {
            metrics.limited.get_or_create(&[("limit", setting.into())]).inc_by(0);
        }
        metrics
    }

    /// The text for a scrape. `counts` is `None` when the store could not be read.
    pub fn render(&self, counts: Option<&Counts>, broker: Option<&BrokerState>, accounts: &[AccountReport]) -> String {
        self.store_usable.set(i64::from(counts.is_some()));
        if let Some(counts) = counts {
            self.count(counts);
        }
        if let Some(broker) = broker {
            self.connect(broker);
        }
        self.know(accounts);
        self.log_lines_dropped.inner().fetch_max(log::dropped_lines(), Relaxed);
        let mut text = String::new();
        encode(&mut text, &self.registry).expect("writing to a String cannot fail");
        text
    }

    fn count(&self, counts: &Counts) {
        for kind in Kind::ALL {
            for state in State::ALL {
                let count = counts.jobs.get(&(kind, state)).copied().unwrap_or(0);
                self.jobs.get_or_create(&kind_and_state(kind, state)).set(signed(count));
            }
        }
        self.outbox.set(signed(counts.outbox));
        self.refused.set(signed(counts.refused));
        self.failed.set(signed(counts.failed));
        self.undeliverable.set(signed(counts.undeliverable));
        self.rejected.set(signed(counts.rejected));
        self.paused.set(signed(counts.paused));
        self.held.set(signed(counts.held.values().sum()));
        for reason in PARKING.into_iter().map(Some).chain([None]) {
            for half_done in [false, true] {
                let same = |(key, _): &(&(Option<Reason>, bool), &u64)| {
                    key.1 == half_done && key.0.filter(|reason| PARKING.contains(reason)) == reason
                };
                let jobs = counts.parked.iter().filter(same).map(|(_, jobs)| jobs).sum();
                let reason = reason.map_or("other", Reason::as_str);
                let labels = [("reason", reason.into()), ("half_done", half_done.to_string().into())];
                self.parked.get_or_create(&labels).set(signed(jobs));
            }
        }
    }

    fn know(&self, accounts: &[AccountReport]) {
        // An account that was taken out of the configuration goes.
        self.account_usable.clear();
        self.credential_expires.clear();
        for account in accounts {
            let labels = [("account", account.uid.to_string().into())];
            self.account_usable.get_or_create(&labels).set(i64::from(account.standing.is_usable()));
            let expires = account.expires_at.map_or(f64::INFINITY, |at| at.as_second() as f64);
            self.credential_expires.get_or_create(&labels).set(expires);
        }
    }

    fn connect(&self, broker: &BrokerState) {
        let link = |name: &'static str, LinkStatus { link, .. }: LinkStatus| {
            let labels = [("link", name.into())];
            self.connected.get_or_create(&labels).set(i64::from(link != Link::Down));
            let blocked = matches!(link, Link::Blocked { .. } | Link::Held { .. });
            self.blocked.get_or_create(&labels).set(i64::from(blocked));
        };
        link("consume", broker.consuming());
        link("publish", broker.publishing(Lane::Events));
        link("reply", broker.publishing(Lane::Replies));
        self.dead_lettered.set(broker.dead_lettered().into());
        let counts = broker.counts();
        for (what, count) in [
            ("delivered", counts.delivered),
            ("redelivered", counts.redelivered),
            ("acked", counts.acked),
            ("dead-lettered", counts.dead_lettered),
            ("confirmed", counts.confirmed),
            ("undeliverable", counts.undeliverable),
            ("refused", counts.refused),
            ("unpublishable", counts.unpublishable),
        ] {
            let counter = self.broker_messages.get_or_create_owned(&[("what", what.into())]);
            let inner: &AtomicU64 = counter.inner();
            inner.fetch_max(count, Relaxed);
        }
    }
}

impl Observer for Metrics {
    fn took(&self, what: &'static str) {
        self.taken.get_or_create(&[("what", what.into())]).inc();
    }

    fn tried(&self, kind: Kind, step: &str, what: &'static str, took: Duration) {
        // A job may be pinned to an older definition with other names of steps. They are few, and these jobs end.
        let step = || Cow::Owned(step.to_owned());
        let labels = [("kind", kind.as_str().into()), ("step", step()), ("what", what.into())];
        self.attempts.get_or_create(&labels).inc();
        self.step_duration
            .get_or_create(&[("kind", kind.as_str().into()), ("step", step())])
            .observe(took.as_secs_f64());
    }

    fn said(&self, event: EventType) {
        self.events.get_or_create(&[("type", event.routing_key().into())]).inc();
    }

    fn moved(&self, kind: Kind, to: State) {
        self.transitions.get_or_create(&kind_and_state(kind, to)).inc();
    }

    fn limited(&self, setting: &'static str) {
        self.limited.get_or_create(&[("limit", setting.into())]).inc();
    }

    fn swept(&self, jobs: usize, calls: usize, confirmed: usize, took: Duration) {
        self.sweep_jobs.inc_by(jobs as u64);
        self.sweep_calls.inc_by(calls as u64);
        self.sweep_confirmed.inc_by(confirmed as u64);
        self.sweep_duration.observe(took.as_secs_f64());
    }

    fn clock_ahead(&self, by: SignedDuration) {
        self.clock_ahead.set(by.as_secs());
    }

    fn published(&self, confirmed: usize, undeliverable: usize, refused: usize) {
        for (what, count) in [("confirmed", confirmed), ("undeliverable", undeliverable), ("refused", refused)] {
            self.published.get_or_create(&[("what", what.into())]).inc_by(count as u64);
        }
    }

    fn webhook_called(&self, outcome: Outcome) {
        self.webhook_calls.get_or_create(&[("outcome", outcome.as_str().into())]).inc();
    }

    fn unrouted(&self, events: usize) {
        self.events_unrouted.inc_by(events as u64);
    }
}

impl CallObserver for Metrics {
    fn called(&self, operation: Operation, account: &AccountUid, outcome: &str, took: Duration) {
        let operation = || Cow::Borrowed(operation.as_str());
        let labels = [
            ("operation", operation()),
            ("account", account.to_string().into()),
            ("outcome", outcome.to_owned().into()),
        ];
        self.calls.get_or_create(&labels).inc();
        self.call_duration.get_or_create(&[("operation", operation())]).observe(took.as_secs_f64());
    }

    fn deferred(&self, operation: Operation, account: &AccountUid) {
        let labels = [("operation", operation.as_str().into()), ("account", account.to_string().into())];
        self.budget_deferred.get_or_create(&labels).inc();
    }

    fn budgeted(&self, operation: Operation, account: &AccountUid, waited: Duration, rate: Option<f64>) {
        let labels = [("operation", operation.as_str().into()), ("account", account.to_string().into())];
        self.budget_waited.get_or_create(&labels).inc_by(waited.as_secs_f64());
        if let Some(rate) = rate {
            self.budget_rate.get_or_create(&labels).set(rate);
        }
    }
}

fn kind_and_state(kind: Kind, state: State) -> Labels<2> {
    [("kind", kind.as_str().into()), ("state", state.as_str().into())]
}

fn signed(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use jiff::Timestamp;

    use super::*;
    use crate::clock::ManualClock;
    use crate::engine::ports::account::{RefusedCredential, Standing};

    /// Every metric: its name, type and unit.
    const NAMES: [(&str, &str, &str); 36] = [
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
        ("crossgrant_webhook_calls", "counter", ""),
        ("crossgrant_outbox_failed_messages", "gauge", ""),
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
        metrics.took("new");
        metrics.tried(Kind::PayerChange, "modify-grant", "write", Duration::from_millis(20));
        metrics.said(EventType::Waiting);
        metrics.moved(Kind::PayerChange, State::Waiting);
        metrics.limited("revokes_per_cen");
        metrics.swept(120, 2, 119, Duration::from_secs(1));
        metrics.published(3, 1, 2);
        metrics.unrouted(4);
        let account = AccountUid::parse("1250123456123456").unwrap();
        metrics.called(Operation::DescribeGrantRulesToCen, &account, "Throttling.User", Duration::from_millis(5));
        metrics.deferred(Operation::DescribeGrantRulesToCen, &account);
        metrics.budgeted(Operation::DescribeGrantRulesToCen, &account, Duration::from_millis(1500), Some(2.5));
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
        let counts =
            Counts { jobs, outbox: 7, refused: 5, failed: 8, undeliverable: 1, rejected: 4, paused: 2, held, parked };
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
            "crossgrant_account_credential_expires_seconds{account=\"1250123456123456\"} inf",
            "crossgrant_account_credential_expires_seconds{account=\"1688000000000001\"} 1795258800.0",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn an_account_that_is_not_configured_any_more_goes() {
        let metrics = heard();
        let shown = |accounts: &[AccountReport]| {
            metrics.render(None, None, accounts).matches("crossgrant_account_usable{").count()
        };
        assert_eq!((shown(&accounts()), shown(&accounts()[..1])), (2, 1));
    }

    #[test]
    fn a_store_that_cannot_be_read_shows_and_hides_nothing_else() {
        let text = heard().render(None, None, &[]);
        assert!(text.contains("crossgrant_store_usable 0\n") && text.contains("crossgrant_sweep_jobs_total 120\n"));
    }
}
