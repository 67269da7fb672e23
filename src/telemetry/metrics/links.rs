//! What is known of the broker, at each scrape.

use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::Relaxed;

use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::family::{CounterFamily, GaugeFamily, metric};
use crate::broker::{BrokerState, Link, LinkStatus};
use crate::engine::ports::mail::Lane;

pub(super) struct Links {
    connected: GaugeFamily<1>,
    blocked: GaugeFamily<1>,
    dead_lettered: Gauge,
    messages: CounterFamily<1>,
}

impl Links {
    pub fn new(r: &mut Registry) -> Self {
        Self {
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
            messages: metric(r, "broker_messages", "Messages to and from the broker, by outcome"),
        }
    }

    pub fn show(&self, broker: &BrokerState) {
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
            let counter = self.messages.get_or_create_owned(&[("what", what.into())]);
            let inner: &AtomicU64 = counter.inner();
            inner.fetch_max(count, Relaxed);
        }
    }
}
