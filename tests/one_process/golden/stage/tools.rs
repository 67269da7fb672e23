//! What is done to one job of the day, or to the cloud for it.

use std::time::Duration;

use crossgrant::clock::{Clock as _, later};
use crossgrant::domain::{CenId, InstanceId, OrderType};
use crossgrant::engine::loops::worker;
use crossgrant::engine::ports::store::{Claimed, Taken};
use crossgrant::engine::record::Record;
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange};

use super::super::manifest::incoming;
use super::super::scene;
use super::{ASIDE, LEASE, Stage, WORKER};

/// The transit routers of a CEN. A look lists the attachments of each.
const ROUTERS: u32 = 2;

impl Stage {
    pub(super) async fn send(&mut self, id: &'static str) {
        let part = &self.parts[id];
        let entry = part.entry();
        let mut message = entry.incoming();
        message.correlation_id = Some(format!("about {id}"));
        message.reply_to = part.user().map(|user| format!("answers.{user}"));
        message.app_id = part.user().map(|_| "tickets".into());
        message.traceparent = part.user().map(|_| "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".into());
        match self.plant.inbox.accept(vec![message]).await.unwrap()[..] {
            [Taken::New(uid)] => self.uids.insert(id, uid),
            ref other => panic!("{id}: {other:?}"),
        };
        self.taken.push(entry);
        // Jobs of one moment would be taken up in no certain order.
        self.plant.clock.advance(Duration::from_millis(1));
    }

    pub(super) async fn reject(&self, user: Option<&str>, message: &str) {
        let taken = self.plant.inbox.accept(vec![incoming(user, message)]).await.unwrap();
        assert!(matches!(taken[0], Taken::Rejected(_)), "{taken:?}");
    }

    pub(super) async fn claim(&self, holder: &str, limit: usize) -> Vec<Claimed> {
        let now = self.plant.clock.now();
        self.plant.store().claim(holder, now, later(now, LEASE), limit, &[]).await.unwrap()
    }

    /// Works on one job, and no other, until it is where it is to be or is cut.
    pub(super) async fn drive(&self, id: &str, arrived: impl Fn(&Record) -> bool) {
        let (engine, clock) = (&self.plant.engine, &self.plant.clock);
        let mut struck = false;
        loop {
            let record = self.plant.record(self.uids[id]).await;
            if struck || arrived(&record) {
                return;
            }
            clock.advance_to(record.phase.due().unwrap());
            match self.claim(WORKER, 1).await.pop() {
                Some(claimed) => {
                    assert_eq!(claimed.record.job.id.as_str(), id);
                    let before = self.plant.script.struck();
                    // Boxed: nested in all that calls this, it would be too large for the stack of a test.
                    Box::pin(worker::run(engine, claimed, clock.uptime() + LEASE)).await.unwrap();
                    struck = !before && self.plant.script.struck();
                }
                None => clock.advance(Duration::from_millis(1)),
            }
        }
    }

    /// Works on one job until its record has what its part says, and lets it rest there until the end of the day.
    pub(super) async fn rest(&self, id: &str) {
        self.drive(id, self.parts[id].role.has).await;
        let record = self.plant.record(self.uids[id]).await;
        self.plant.clock.advance_to(record.phase.due().unwrap());
        self.plant.clock.advance(Duration::from_millis(1));
        let aside = self.claim(ASIDE, 1).await;
        assert_eq!(aside[0].record.job.id.as_str(), id);
    }

    /// Shows no attachment to as many looks at the VPC of a job, after the first `skip` of them.
    pub(super) fn hide(&self, id: &str, skip: u32, looks: u32) {
        let list = InjectedFault::new("ListTransitRouterVpcAttachments", FaultKind::EmptyList);
        let list = list.after(skip * ROUTERS).times(looks * ROUTERS);
        self.plant.cloud.inject(list.only(self.instance(id).as_str()));
    }

    pub(super) fn refuse(&self, operation: &str, code: &str, only: String, skip: u32) {
        let kind = FaultKind::Error { http: 403, code: code.into(), message: "refused for the golden store".into() };
        self.plant.cloud.inject(InjectedFault::new(operation, kind).times(1_000).after(skip).only(&only));
    }

    pub(super) fn cen(&self, id: &str) -> CenId {
        CenId::parse(scene::cen(self.parts[id].role.cen)).unwrap()
    }

    pub(super) fn instance(&self, id: &str) -> InstanceId {
        InstanceId::parse(self.parts[id].instance()).unwrap()
    }

    pub(super) fn change(&self, change: OutsideChange) {
        self.plant.cloud.change(change).unwrap();
    }

    /// Somebody sets both sides of a grant, or what billing uses.
    pub(super) fn set(&self, id: &str, written: Option<OrderType>, effective_order_type: Option<OrderType>) {
        let (cen, instance) = (self.cen(id), self.instance(id));
        let (order_type, attachment_order_type) = (written, written);
        self.change(OutsideChange::SetOrderType {
            cen,
            instance,
            order_type,
            effective_order_type,
            attachment_order_type,
        });
    }
}
