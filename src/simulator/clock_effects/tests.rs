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
        let mut world = World::from_toml(include_str!("../../../examples/world.toml")).unwrap();
        assert!(world.advance(at("08:30:00"), HOUR).is_empty());
        let cen = CenId::parse("cen-44m0p68spvlrqq0001").unwrap();
        let instance = InstanceId::parse(instance).unwrap();
        let attachment = world.attachments_of(&cen, &instance).first().map(|a| a.0.to_owned()).unwrap_or_default();
        Self { world, cen, instance, attachment }
    }

    fn modify_grant(&mut self, now: Timestamp, order_type: OrderType) {
        let grant = self.grant();
        let stamp = self.world.write_stamp(now);
        self.world.put_grant(&self.cen, &self.instance, stamp, Some(WorldGrant { order_type, ..grant }));
    }

    fn modify_attachment(&mut self, now: Timestamp, order_type: OrderType, delay: i64) {
        let mut attachment = self.world.attachments[&self.attachment].now().unwrap().clone();
        attachment.status = Status::Modifying;
        attachment.becoming = Some(order_type);
        self.world.switches.attachment_delay = jiff::SignedDuration::from_secs(delay);
        self.world.busy(&self.attachment, now, attachment);
    }

    fn grant(&self) -> WorldGrant {
        self.world.grant_of(&self.cen, &self.instance, AsOf::Now).unwrap().clone()
    }

    fn flips(&mut self, now: Timestamp) -> Vec<Timestamp> {
        self.world.advance(now, HOUR).into_iter().map(|(at, _)| at).collect()
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
    assert_eq!(scene.flips(at("15:00:00")), [at("12:00:00")], "though the world was not looked at then");
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
    assert!(scene.world.advance(far, hour).is_empty());
    assert_eq!(scene.world.next_change(hour), Some(hour.next_after(far)));
}

#[test]
fn a_detached_instance_is_gone_after_its_delay() {
    let mut scene = Scene::attached();
    let mut attachment = scene.world.attachments[&scene.attachment].now().unwrap().clone();
    attachment.status = Status::Detaching;
    scene.world.busy(&scene.attachment, at("08:31:00"), attachment);
    scene.flips(at("08:31:04"));
    assert_eq!(scene.world.attachments_of(&scene.cen, &scene.instance).len(), 1);
    scene.flips(at("08:31:05"));
    assert!(scene.world.attachments_of(&scene.cen, &scene.instance).is_empty());
}
