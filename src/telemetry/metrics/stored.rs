//! What is counted in the store, at each scrape.

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::family::{GaugeFamily, metric, signed};
use crate::domain::{Kind, Reason};
use crate::engine::ports::store::Counts;
use crate::engine::record::State;

/// The reasons for which jobs are parked: each has a gauge at 0 from the start.
const PARKING: [Reason; 5] =
    [Reason::NeedsApproval, Reason::CredentialRefused, Reason::GaveUp, Reason::HalfDone, Reason::UnknownCall];

pub(super) struct Stored {
    usable: Gauge,
    jobs: GaugeFamily<2>,
    paused: Gauge,
    held: Gauge,
    parked: GaugeFamily<2>,
    rejected: Gauge,
    outbox: Gauge,
    refused: Gauge,
    undeliverable: Gauge,
}

impl Stored {
    pub fn new(r: &mut Registry) -> Self {
        Self {
            usable: metric(r, "store_usable", "1 if the store can be read, else 0"),
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
            undeliverable: metric(r, "undeliverable_messages", "Messages that could not be published, kept for replay"),
        }
    }

    /// `None` when the store could not be read.
    pub fn show(&self, counts: Option<&Counts>) {
        self.usable.set(i64::from(counts.is_some()));
        let Some(counts) = counts else { return };
        for kind in Kind::ALL {
            for state in State::ALL {
                let count = counts.jobs.get(&(kind, state)).copied().unwrap_or(0);
                let labels = [("kind", kind.as_str().into()), ("state", state.as_str().into())];
                self.jobs.get_or_create(&labels).set(signed(count));
            }
        }
        self.outbox.set(signed(counts.outbox));
        self.refused.set(signed(counts.refused));
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
}
