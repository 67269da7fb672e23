//! What time does to a world: busy attachments come to rest, and at the top of each hour order types take effect.
//!
//! Nothing runs in the background. Before anything looks at the world, [`World::settle`] lives through what became due
//! since the last look, in order of time, so the result does not depend on who looked when. At one and the same
//! instant the hour strikes first: an attachment that comes to rest exactly at the hour waits for the next one, just as
//! a write made exactly at the hour does.

use std::time::Duration;

use jiff::Timestamp;

use super::history::AsOf;
use super::world::{Attachment, Edition, Grant, Status, World};
use crate::clock::later;
use crate::domain::{CenId, Hour, InstanceId, OrderType};

/// An order type that took effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Flip {
    pub(super) at: Timestamp,
    pub(super) cen: CenId,
    pub(super) instance: InstanceId,
    pub(super) order_type: OrderType,
}

impl Grant {
    /// The order type that rules show as effective `late` after the hour made it so.
    pub(super) fn effective_shown(&self, now: Timestamp, late: Duration) -> OrderType {
        match self.turned {
            Some((at, before)) if now < later(at, late) => before,
            _ => self.effective,
        }
    }
}

impl World {
    /// Lives through the time until `now` and says which order types took effect on the way.
    pub(super) fn settle(&mut self, now: Timestamp, hour: Hour) -> Vec<Flip> {
        let mut flips = Vec::new();
        let mut from = self.settled.unwrap_or(now);
        loop {
            // Between two transitions nothing changes, so only the first hour in between can make a difference.
            let next = self.due.first().filter(|(at, _)| *at <= now).cloned();
            let limit = next.as_ref().map_or(now, |(at, _)| *at);
            let strikes = hour.next_after(from);
            if strikes <= limit {
                flips.extend(self.strike(strikes));
            }
            from = from.max(limit);
            let Some((at, id)) = next else { break };
            self.come_to_rest(at, &id);
            self.due.remove(&(at, id));
        }
        self.settled = Some(from);
        flips
    }

    /// Sets the clock going. Attachments that begin busy come to rest as if they had just become so.
    pub(super) fn begin(&mut self, now: Timestamp) {
        self.settled = Some(now);
        let until = later(now, self.switches.delay());
        let busy = self.attachments.iter().filter(|(_, h)| h.now().is_some_and(|a| a.status != Status::Attached));
        self.due.extend(busy.map(|(id, _)| (until, id.clone())));
    }

    /// When time will next change something, if it will.
    pub(super) fn next_change(&self, hour: Hour) -> Option<Timestamp> {
        let strikes = self.settled.filter(|_| !self.pending.is_empty()).map(|at| hour.next_after(at));
        self.due.first().map(|(at, _)| *at).into_iter().chain(strikes).min()
    }

    /// Makes an attachment busy until `until`; what it becomes then follows from its status.
    pub(super) fn busy(&mut self, id: &str, now: Timestamp, until: Timestamp, attachment: Attachment) {
        let stamp = self.writing(now);
        self.put_attachment(id, stamp, Some(attachment));
        self.due.insert((until, id.to_owned()));
    }

    fn strike(&mut self, at: Timestamp) -> Vec<Flip> {
        let ready: Vec<_> = self.pending.iter().filter(|(cen, instance)| self.agreed(cen, instance)).cloned().collect();
        let stamp = self.passing(at);
        ready
            .into_iter()
            .filter_map(|(cen, instance)| {
                let grant = self.grant_of(&cen, &instance, AsOf::Now)?.clone();
                let (order_type, turned) = (grant.order_type, Some((at, grant.effective)));
                self.put_grant(&cen, &instance, stamp, Some(Grant { effective: order_type, turned, ..grant }));
                Some(Flip { at, cen, instance, order_type })
            })
            .collect()
    }

    /// The grant and every billed attachment agree on who pays, and none is busy (API §J). Basic Edition is not billed.
    /// What is said of a grant without one is a switch.
    fn agreed(&self, cen: &CenId, instance: &InstanceId) -> bool {
        let Some(grant) = self.grant_of(cen, instance, AsOf::Now) else { return false };
        let attachments = self.attachments_of(cen, instance);
        let mut billed = attachments.iter().filter(|(_, a)| a.edition == Edition::Enterprise).peekable();
        if billed.peek().is_none() {
            return self.switches.unattached_takes_effect;
        }
        billed.all(|(_, a)| a.status == Status::Attached && a.order_type == grant.order_type)
    }

    fn come_to_rest(&mut self, at: Timestamp, id: &str) {
        let Some(mut attachment) = self.attachments.get(id).and_then(|h| h.now()).cloned() else { return };
        let stamp = self.passing(at);
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
mod tests {
    use super::*;
    use crate::domain::OrderType::{PayByCenOwner, PayByResourceOwner};

    const HOUR: Hour = Hour::REAL;

    fn at(text: &str) -> Timestamp {
        format!("2026-05-09T{text}Z").parse().unwrap()
    }

    /// The example world at 08:30, with the instance that is granted and attached, and its attachment.
    struct Scene {
        world: World,
        cen: CenId,
        instance: InstanceId,
        attachment: String,
    }

    impl Scene {
        fn attached() -> Self {
            Self::of("vpc-bp1h8vbrbcgohcju50001")
        }

        fn of(instance: &str) -> Self {
            let mut world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
            assert!(world.settle(at("08:30:00"), HOUR).is_empty());
            let cen = CenId::parse("cen-44m0p68spvlrqq0001").unwrap();
            let instance = InstanceId::parse(instance).unwrap();
            let attachment = world.attachments_of(&cen, &instance).first().map(|a| a.0.to_owned()).unwrap_or_default();
            Self { world, cen, instance, attachment }
        }

        fn modify_grant(&mut self, now: Timestamp, order_type: OrderType) {
            let grant = self.grant();
            let stamp = self.world.writing(now);
            self.world.put_grant(&self.cen, &self.instance, stamp, Some(Grant { order_type, ..grant }));
        }

        fn modify_attachment(&mut self, now: Timestamp, order_type: OrderType, delay: u64) {
            let mut attachment = self.world.attachments[&self.attachment].now().unwrap().clone();
            attachment.status = Status::Modifying;
            attachment.becoming = Some(order_type);
            let until = later(now, Duration::from_secs(delay));
            self.world.busy(&self.attachment, now, until, attachment);
        }

        fn grant(&self) -> Grant {
            self.world.grant_of(&self.cen, &self.instance, AsOf::Now).unwrap().clone()
        }

        fn flips(&mut self, now: Timestamp) -> Vec<Timestamp> {
            self.world.settle(now, HOUR).into_iter().map(|f| f.at).collect()
        }
    }

    #[test]
    fn a_payer_agreed_on_both_sides_takes_effect_at_the_hour_and_not_before() {
        let mut scene = Scene::attached();
        scene.modify_grant(at("08:31:00"), PayByResourceOwner);
        scene.modify_attachment(at("08:31:00"), PayByResourceOwner, 5);
        assert!(scene.flips(at("08:59:59")).is_empty());
        assert_eq!(scene.grant().effective, PayByCenOwner);
        assert_eq!(scene.flips(at("09:00:00")), [at("09:00:00")]);
        assert_eq!(scene.grant().effective, PayByResourceOwner);
        assert!(scene.flips(at("12:00:00")).is_empty(), "once");
    }

    #[test]
    fn half_a_change_never_takes_effect() {
        let mut scene = Scene::attached();
        scene.modify_grant(at("08:31:00"), PayByResourceOwner);
        assert!(scene.flips(at("11:10:00")).is_empty());
        scene.modify_attachment(at("11:10:00"), PayByResourceOwner, 5);
        assert_eq!(scene.flips(at("15:00:00")), [at("12:00:00")], "though nobody looked at twelve");
    }

    #[test]
    fn an_attachment_busy_at_the_hour_waits_for_the_next() {
        for (delay, effective) in [(59, "09:00:00"), (60, "10:00:00"), (61, "10:00:00")] {
            let mut scene = Scene::attached();
            scene.modify_grant(at("08:59:00"), PayByResourceOwner);
            scene.modify_attachment(at("08:59:00"), PayByResourceOwner, delay);
            assert_eq!(scene.flips(at("11:30:00")), [at(effective)], "{delay} s");
        }
    }

    #[test]
    fn a_grant_without_attachment_takes_effect_at_the_hour_alone() {
        let mut scene = Scene::of("vpc-bp1h8vbrbcgohcju50002");
        scene.modify_grant(at("08:31:00"), PayByResourceOwner);
        assert_eq!(scene.flips(at("09:00:00")), [at("09:00:00")]);
    }

    #[test]
    fn every_attachment_must_agree_but_basic_edition_does_not_count() {
        for (router, flips) in [("tr-bp1su1ytdxtataupl0001", 0), ("tr-bp1su1ytdxtataupl0002", 1)] {
            let mut scene = Scene::attached();
            let (id, status) = ("tr-attach-second000000001", Status::Attached);
            scene.world.add_attachment(id, router, &scene.instance, status, Some(PayByCenOwner)).unwrap();
            scene.modify_grant(at("08:31:00"), PayByResourceOwner);
            scene.modify_attachment(at("08:31:00"), PayByResourceOwner, 5);
            assert_eq!(scene.flips(at("10:00:00")).len(), flips, "{router}");
        }
    }

    #[test]
    fn a_short_hour_and_a_long_sleep_cost_nothing() {
        let hour = Hour::new(Duration::from_millis(10)).unwrap();
        let mut scene = Scene::attached();
        scene.modify_grant(at("08:31:00"), PayByResourceOwner);
        let far = later(at("08:31:00"), Duration::from_secs(40 * 365 * 86_400));
        assert!(scene.world.settle(far, hour).is_empty());
        assert_eq!(scene.world.next_change(hour), Some(hour.next_after(far)));
    }

    #[test]
    fn a_detached_instance_is_gone_after_its_delay() {
        let mut scene = Scene::attached();
        let mut attachment = scene.world.attachments[&scene.attachment].now().unwrap().clone();
        attachment.status = Status::Detaching;
        scene.world.busy(&scene.attachment, at("08:31:00"), at("08:31:05"), attachment);
        scene.flips(at("08:31:04"));
        assert_eq!(scene.world.attachments_of(&scene.cen, &scene.instance).len(), 1);
        scene.flips(at("08:31:05"));
        assert!(scene.world.attachments_of(&scene.cen, &scene.instance).is_empty());
    }
}
