//! Whether a queue takes the events, as the broker's verdicts tell. AMQP has no list of bindings, so this is all that a worker knows
//! of them: of each type, what became of the event that it published last.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::engine::ports::mail::{Delivered, Lane};
use crate::engine::ports::outbox::OutboxRow;

/// What the correlation id of a job begins with whose submitter listens to the events until the job has ended. That its events are
/// taken says nothing of the queues that stay.
pub const FOLLOWED: &str = "crossgrant-submit:";

/// What is known of the events of each routing key, since the worker has started.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventRoutes(BTreeMap<String, EventRoute>);

/// What is known of the events of one routing key.
#[derive(Debug, Clone, PartialEq, Eq)]
struct EventRoute {
    /// Whether a queue took the last one.
    taken: bool,
    /// Since when that is so.
    since: Timestamp,
    /// How many were not taken since then.
    unrouted: u64,
}

/// What has changed with a page of messages.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RouteChanges {
    /// How many events no queue took.
    pub unrouted: usize,
    /// The routing keys whose events a queue took before, and none takes.
    pub lost: Vec<String>,
    /// The routing keys whose events a queue takes again.
    pub found: Vec<String>,
}

impl EventRoutes {
    /// Takes note of the verdicts on a page of messages, of which the last may be missing.
    pub fn note(&mut self, page: &[OutboxRow], verdicts: &[Delivered], now: Timestamp) -> RouteChanges {
        let mut changes = RouteChanges::default();
        for (row, verdict) in page.iter().zip(verdicts) {
            if Lane::of(&row.outgoing.exchange) != Lane::Events {
                continue;
            }
            let followed = row.outgoing.correlation_id.as_ref().is_some_and(|id| id.starts_with(FOLLOWED));
            let taken = match verdict {
                Delivered::Confirmed if followed => continue,
                // A queue that refuses it is bound.
                Delivered::Confirmed | Delivered::Refused | Delivered::Unconfirmed => true,
                Delivered::Undeliverable => false,
                Delivered::Unpublishable(_) => continue,
            };
            changes.unrouted += usize::from(!taken);
            let key = &row.outgoing.routing_key;
            let fresh = EventRoute { taken, since: now, unrouted: 0 };
            let route = self.0.entry(key.clone()).or_insert_with(|| fresh.clone());
            if route.taken != taken {
                *route = fresh;
                if taken { &mut changes.found } else { &mut changes.lost }.push(key.clone());
            }
            route.unrouted += u64::from(!taken);
        }
        changes
    }

    /// Which events no queue takes, for people; `None` if every one that was published last was taken.
    pub fn unrouted(&self, exchange: &str) -> Option<String> {
        let unrouted: Vec<(&String, &EventRoute)> = self.0.iter().filter(|(_, route)| !route.taken).collect();
        let since = unrouted.iter().map(|(_, route)| route.since).min()?;
        let events: u64 = unrouted.iter().map(|(_, route)| route.unrouted).sum();
        let keys: Vec<&str> = unrouted.iter().map(|(key, _)| key.as_str()).collect();
        let of = if unrouted.len() == self.0.len() { String::new() } else { format!(" for {}", keys.join(", ")) };
        Some(format!("no queue is bound to {exchange}{of}; events that none took since {since}: {events}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::mail::Outgoing;

    fn page(keys: &[&str]) -> Vec<OutboxRow> {
        let row = |(number, key): (i64, &&str)| {
            let (exchange, routing_key) = match key.strip_prefix("reply ") {
                Some(queue) => (String::new(), queue.to_owned()),
                None => ("x.events".to_owned(), (*key).to_owned()),
            };
            OutboxRow { number, outgoing: Outgoing { exchange, routing_key, ..Outgoing::default() }, tries: 0 }
        };
        (1..).zip(keys).map(row).collect()
    }

    #[test]
    fn the_queue_of_somebody_who_waits_for_a_job_is_no_queue_for_events() {
        let mut routes = EventRoutes::default();
        let mut followed = page(&["job.accepted", "job.completed"]);
        for row in &mut followed {
            row.outgoing.correlation_id = Some(format!("{FOLLOWED}d0c5"));
        }
        routes.note(&page(&["job.accepted"]), &[Delivered::Undeliverable], at(1));
        let told = routes.unrouted("x.events");
        assert_eq!(
            routes.note(&followed, &[Delivered::Confirmed, Delivered::Confirmed], at(2)),
            RouteChanges::default()
        );
        assert_eq!((routes.unrouted("x.events"), told.is_some()), (told, true));
        let lost = routes.note(&followed[1..], &[Delivered::Undeliverable], at(3));
        assert_eq!((lost.unrouted, routes.0.len()), (1, 2), "that none takes them is known");
        let found = routes.note(&page(&["job.accepted"]), &[Delivered::Confirmed], at(4)).found;
        assert_eq!(found, ["job.accepted"]);
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn of_each_type_the_last_verdict_counts_and_a_change_is_told_once() {
        use Delivered::{Confirmed, Refused, Undeliverable};
        let mut routes = EventRoutes::default();
        let nothing = |unrouted| RouteChanges { unrouted, ..RouteChanges::default() };
        assert_eq!(routes.unrouted("x.events"), None, "nothing was published");
        // Who has asked for replies alone is told nothing.
        let accepted = page(&["job.accepted", "job.completed", "reply q"]);
        let none = [Undeliverable, Undeliverable, Undeliverable];
        assert_eq!(routes.note(&accepted, &none, at(1)), nothing(2));
        assert_eq!(routes.note(&accepted, &none, at(2)), nothing(2));
        let said = "no queue is bound to x.events; events that none took since 1970-01-01T00:00:01Z: 4";
        assert_eq!(routes.unrouted("x.events").as_deref(), Some(said));

        // A queue is bound to one of the types.
        let found = RouteChanges { unrouted: 1, found: vec!["job.completed".into()], ..RouteChanges::default() };
        assert_eq!(routes.note(&accepted, &[Undeliverable, Confirmed], at(3)), found);
        let said =
            "no queue is bound to x.events for job.accepted; events that none took since 1970-01-01T00:00:01Z: 3";
        assert_eq!(routes.unrouted("x.events").as_deref(), Some(said));
        // It is full, and then it is gone.
        assert_eq!(routes.note(&page(&["job.completed"]), &[Refused], at(4)), nothing(0));
        let lost = RouteChanges { unrouted: 2, lost: vec!["job.completed".into()], ..RouteChanges::default() };
        let twice = page(&["job.completed", "job.completed", "job.completed"]);
        assert_eq!(routes.note(&twice, &[Undeliverable, Undeliverable], at(5)), lost, "the third has no verdict");
        assert_eq!(routes.note(&twice[..1], &[Undeliverable], at(6)), nothing(1), "it was told");
        let unpublishable = [Delivered::Unpublishable("541".into())];
        assert_eq!(routes.note(&page(&["job.failed"]), &unpublishable, at(7)), nothing(0), "that says nothing");
        assert_eq!(routes.0.len(), 2);
    }
}
