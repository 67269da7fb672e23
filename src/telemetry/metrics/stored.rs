//! What is counted in the store, at each scrape.

use std::time::Duration;

use jiff::Timestamp;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::family::{GaugeFamily, Labels, Seconds, metric, seconds, signed};
use crate::clock::until;
use crate::domain::{Kind, Reason};
use crate::engine::ports::store::{Ages, Counts};
use crate::engine::record::State;

/// The reasons for which jobs are parked: each has a gauge at 0 from the start.
const PARKING: [Reason; 6] = [
    Reason::NeedsApproval,
    Reason::CredentialRefused,
    Reason::AccountNotReady,
    Reason::GaveUp,
    Reason::HalfDone,
    Reason::UnknownCall,
];

pub(super) struct Stored {
    usable: Gauge,
    probe: Seconds,
    workers: Gauge,
    jobs: GaugeFamily<2>,
    paused: Gauge,
    held: Gauge,
    parked: GaugeFamily<2>,
    rejected: Gauge,
    outbox: Gauge,
    refused: Gauge,
    failed: Gauge,
    undeliverable: Gauge,
    oldest: Family<Labels<1>, Seconds>,
    overdue: Gauge,
    unreadable: Gauge,
    unpublished: Seconds,
    batches: Gauge,
    oldest_batch: Seconds,
}

/// What was found in the store.
#[derive(Debug, Clone, Copy)]
pub struct StoreScrape<'a> {
    /// `None` when it could not be read.
    pub counts: Option<&'a Counts>,
    /// The same.
    pub ages: Option<&'a Ages>,
    /// How long it took to write something and to read it back; `None` if that was not possible.
    pub probed: Option<Duration>,
    /// How many workers share it.
    pub workers: u32,
    /// What ages are counted up to.
    pub now: Timestamp,
}

impl Stored {
    pub fn new(r: &mut Registry) -> Self {
        Self {
            usable: metric(r, "store_usable", "1 if the store can be read and written, else 0"),
            probe: seconds(
                r,
                "store_probe_duration",
                "How long it took last to write something to the store and to read it back",
                Seconds::default(),
            ),
            workers: metric(r, "workers", "Workers that share the store, this one included"),
            jobs: metric(r, "jobs", "Jobs in the store, by kind and state"),
            paused: metric(r, "paused_accounts", "Accounts that are paused"),
            held: metric(r, "held_jobs", "Jobs that are held, because one of their accounts is paused"),
            parked: metric(
                r,
                "parked_jobs",
                "Parked jobs, which need a person, by reason and whether they are half done; reason other where it was not read",
            ),
            rejected: metric(r, "messages_rejected", "Rejections in the store"),
            outbox: metric(r, "outbox_messages", "Messages waiting to be published"),
            refused: metric(
                r,
                "outbox_refused_messages",
                "Messages in the outbox that a queue refused, and those that wait behind them",
            ),
            failed: metric(r, "outbox_failed_messages", "Messages in the outbox to webhooks that failed"),
            undeliverable: metric(r, "undeliverable_messages", "Messages that could not be published, kept for replay"),
            oldest: seconds(
                r,
                "oldest_job_age",
                "Time since the oldest job of a state was accepted; 0 without such a job",
                Family::default(),
            ),
            overdue: metric(r, "overdue_jobs", "Waiting jobs whose payer should be in force for hours and is not"),
            unreadable: metric(
                r,
                "unreadable_rows",
                "Jobs and batches in the store that this worker has met and cannot read",
            ),
            unpublished: seconds(
                r,
                "outbox_oldest_age",
                "Time since the oldest event was said that waits to be published, without those that a queue refused; 0 without one",
                Seconds::default(),
            ),
            batches: metric(r, "open_batches", "Batches that have not ended"),
            oldest_batch: seconds(
                r,
                "oldest_batch_age",
                "Time since the oldest batch that has not ended was accepted; 0 without one",
                Seconds::default(),
            ),
        }
    }

    /// What could not be read stays as it was.
    pub fn show(&self, StoreScrape { counts, ages, probed, workers, now }: StoreScrape<'_>) {
        self.usable.set(i64::from(counts.is_some() && probed.is_some()));
        if let Some(took) = probed {
            self.probe.set(took.as_secs_f64());
        }
        self.workers.set(workers.into());
        if let Some(counts) = counts {
            self.count(counts);
        }
        if let Some(ages) = ages {
            self.age(ages, now);
        }
    }

    fn age(&self, ages: &Ages, now: Timestamp) {
        let age = |since: Option<&Timestamp>| since.map_or(0.0, |since| until(*since, now).as_secs_f64());
        for state in State::OPEN {
            let labels = [("state", state.as_str().into())];
            self.oldest.get_or_create(&labels).set(age(ages.oldest.get(&state)));
        }
        self.overdue.set(signed(ages.overdue));
        self.unpublished.set(age(ages.unpublished.as_ref()));
        self.batches.set(signed(ages.open_batches));
        self.oldest_batch.set(age(ages.oldest_batch.as_ref()));
    }

    fn count(&self, counts: &Counts) {
        for kind in Kind::ALL {
            for state in State::ALL {
                let count = counts.jobs.get(&(kind, state)).copied().unwrap_or(0);
                let labels = [("kind", kind.as_str().into()), ("state", state.as_str().into())];
                self.jobs.get_or_create(&labels).set(signed(count));
            }
        }
        self.outbox.set(signed(counts.outbox));
        self.refused.set(signed(counts.refused));
        self.failed.set(signed(counts.failed));
        self.undeliverable.set(signed(counts.undeliverable));
        self.rejected.set(signed(counts.rejected));
        self.unreadable.set(signed(counts.unreadable.len() as u64));
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
}
