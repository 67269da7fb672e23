//! Clock effects: what time does to a world. Busy attachments come to rest, and at the top of each hour order types take
//! effect.
//!
//! No task runs in the background. Before the world is looked at, [`World::advance`] applies what became due since the last
//! look, in order of time, so the result does not depend on when it is looked at. At one and the same instant the hour comes
//! first: an attachment that comes to rest exactly at the hour waits for the next one, as a write made exactly at the hour
//! does.

use std::time::Duration;

use jiff::Timestamp;

use super::history::AsOf;
use super::ledger::LedgerEffect;
use super::world::{AttachmentState, RouterEdition, Status, World, WorldGrant};
use crate::clock::later;
use crate::domain::{CenId, Hour, InstanceId, OrderType};

impl WorldGrant {
    /// The `EffectiveOrderType` that reads show when they learn of a change only `late` after the hour.
    pub(super) fn effective_shown(&self, now: Timestamp, late: Duration) -> OrderType {
        match self.turned {
            Some((at, before)) if now < later(at, late) => before,
            _ => self.effective,
        }
    }
}

impl World {
    /// Applies the effects of time up to `now`, and returns the order types that took effect on the way, each with its hour.
    pub(super) fn advance(&mut self, now: Timestamp, hour: Hour) -> Vec<(Timestamp, LedgerEffect)> {
        let mut effects = Vec::new();
        let mut from = self.applied_to.unwrap_or(now);
        loop {
            // Between two attachments that come to rest nothing changes, so of the hours in between only the first can
            // have an effect.
            let next = self.due.first().filter(|(at, _)| *at <= now).cloned();
            let limit = next.as_ref().map_or(now, |(at, _)| *at);
            let top = hour.next_after(from);
            if top <= limit {
                effects.extend(self.take_effect(top));
            }
            from = from.max(limit);
            let Some((at, id)) = next else { break };
            self.come_to_rest(at, &id);
            self.due.remove(&(at, id));
        }
        self.applied_to = Some(from);
        effects
    }

    /// Starts the clock. Attachments that are busy in the world's description come to rest after a whole attachment delay.
    pub(super) fn start_clock(&mut self, now: Timestamp) {
        self.applied_to = Some(now);
        let until = later(now, self.switches.delay());
        let busy = self.attachments.iter().filter(|(_, h)| h.now().is_some_and(|a| a.status != Status::Attached));
        self.due.extend(busy.map(|(id, _)| (until, id.clone())));
    }

    /// The next instant at which time may change something; `None` while only a call can.
    pub(super) fn next_change(&self, hour: Hour) -> Option<Timestamp> {
        let top = self.applied_to.filter(|_| !self.pending.is_empty()).map(|at| hour.next_after(at));
        self.due.first().map(|(at, _)| *at).into_iter().chain(top).min()
    }

    /// Writes a busy attachment, which comes to rest after the attachment delay: `Detaching` it is then gone.
    pub(super) fn busy(&mut self, id: &str, now: Timestamp, attachment: AttachmentState) {
        let stamp = self.write_stamp(now);
        self.put_attachment(id, stamp, Some(attachment));
        self.rest_later(id, now);
    }

    /// Lets a busy attachment come to rest after the attachment delay.
    pub(super) fn rest_later(&mut self, id: &str, now: Timestamp) {
        self.due.insert((later(now, self.switches.delay()), id.to_owned()));
    }

    fn take_effect(&mut self, at: Timestamp) -> Vec<(Timestamp, LedgerEffect)> {
        let ready: Vec<_> = self.pending.iter().filter(|(cen, instance)| self.agreed(cen, instance)).cloned().collect();
        let stamp = self.clock_stamp(at);
        ready
            .into_iter()
            .filter_map(|(cen, instance)| {
                let grant = self.grant_of(&cen, &instance, AsOf::Now)?.clone();
                let (order_type, turned) = (grant.order_type, Some((at, grant.effective)));
                self.put_grant(&cen, &instance, stamp, Some(WorldGrant { effective: order_type, turned, ..grant }));
                Some((at, LedgerEffect::on(cen, instance, Some(order_type))))
            })
            .collect()
    }

    /// Whether the grant and every billed attachment name the same payer, and none is busy (API §J). Attachments of the
    /// Basic Edition are not billed. Whether a grant with no billed attachment agrees is a switch.
    fn agreed(&self, cen: &CenId, instance: &InstanceId) -> bool {
        let Some(grant) = self.grant_of(cen, instance, AsOf::Now) else { return false };
        let attachments = self.attachments_of(cen, instance);
        let mut billed = attachments.iter().filter(|(_, a)| a.edition == RouterEdition::Enterprise).peekable();
        if billed.peek().is_none() {
            return self.switches.unattached_takes_effect;
        }
        billed.all(|(_, a)| a.status == Status::Attached && a.order_type == grant.order_type)
    }

    fn come_to_rest(&mut self, at: Timestamp, id: &str) {
        let Some(mut attachment) = self.attachments.get(id).and_then(|h| h.now()).cloned() else { return };
        let stamp = self.clock_stamp(at);
        if attachment.status == Status::Detaching {
            self.put_attachment(id, stamp, None);
            return;
        }
        attachment.status = Status::Attached;
        attachment.order_type = attachment.becoming.take().unwrap_or(attachment.order_type);
        self.put_attachment(id, stamp, Some(attachment));
    }
}

#[cfg(test)]
mod tests;
