//! The hour in which the payer cannot be changed: the one after attaching, and the one after the last change. Older pages
//! of the vendor have it and the newest has not (API §K), so it is a switch.

use jiff::Timestamp;

use super::envelope::Refusal;
use super::request::Call;
use super::world::{Attachment, Edition, World};
use crate::clock::later;
use crate::domain::{CenId, InstanceId, OrderType};

/// A change of the payer of one instance in one CEN, on the grant or on an attachment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct PayerChange {
    at: Timestamp,
    to: OrderType,
}

impl World {
    /// Whether the payer may be changed to `to` at the time of a call. A change of one half to what the other half was just
    /// changed to is the same change.
    ///
    /// # Errors
    /// With the code of the switch, within the hour.
    pub(super) fn cooled_down(
        &self,
        call: &Call,
        cen: &CenId,
        instance: &InstanceId,
        to: OrderType,
    ) -> Result<(), Refusal> {
        let Some(code) = &self.switches.payer_cooldown else { return Ok(()) };
        let hot = |at: Timestamp| call.now < later(at, call.hour.length());
        let changed = self.payer_changes.get(&(cen.clone(), instance.clone()));
        let changed = changed.is_some_and(|change| change.to != to && hot(change.at));
        let fresh = |attachment: &Attachment| attachment.edition == Edition::Enterprise && hot(attachment.created);
        if changed || self.attachments_of(cen, instance).iter().any(|(_, attachment)| fresh(attachment)) {
            let message = "The payer cannot be changed within one hour of attaching or of the last change.";
            return Err(Refusal::bad(code, message));
        }
        Ok(())
    }

    /// Remembers that one half of the payer was changed.
    pub(super) fn payer_changed(&mut self, at: Timestamp, cen: &CenId, instance: &InstanceId, to: OrderType) {
        self.payer_changes.insert((cen.clone(), instance.clone()), PayerChange { at, to });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::Change;
    use crate::simulator::testing::{Bench, CEN, TR};

    const VPC: &str = "vpc-bp1h8vbrbcgohcju50001";
    const GRANTED: &str = "vpc-bp1h8vbrbcgohcju50002";
    const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";
    const HOT: &str = "InvalidOperation.PayerCooldown";
    const MINE: &str = "OrderType=PayByResourceOwner";
    const YOURS: &str = "OrderType=PayByCenOwner";

    fn bench() -> Bench {
        let bench = Bench::new();
        bench.switch(json!({"payer_cooldown": HOT}));
        bench
    }

    async fn update(bench: &Bench, payer: &str) -> String {
        let params = format!("TransitRouterAttachmentId=tr-attach-nls9fzkfat89340001&{payer}");
        bench.code(TR, "UpdateTransitRouterVpcAttachmentAttribute", &params).await
    }

    #[tokio::test]
    async fn both_halves_of_a_change_pass_and_the_next_change_waits_an_hour() {
        let bench = bench();
        assert_eq!(bench.modify(VPC, MINE).await, "OK");
        bench.pass(60);
        assert_eq!(bench.modify(VPC, MINE).await, "OK", "nothing is changed");
        assert_eq!(bench.modify(VPC, YOURS).await, HOT);
        assert_eq!(update(&bench, MINE).await, "OK");
        bench.pass(3599);
        assert_eq!(bench.modify(VPC, YOURS).await, HOT);
        bench.pass(1);
        assert_eq!(bench.modify(VPC, YOURS).await, "OK");
        assert_eq!(update(&bench, YOURS).await, "OK");
        bench.switch(json!({"payer_cooldown": null}));
        bench.pass(5);
        assert_eq!(bench.modify(VPC, MINE).await, "OK");
    }

    #[tokio::test]
    async fn a_fresh_attachment_and_a_change_by_somebody_else_are_hot_too() {
        let bench = bench();
        let instance: crate::domain::InstanceId = GRANTED.parse().unwrap();
        bench.simulator.change(Change::Attach { transit_router: ROUTER.into(), instance: instance.clone() }).unwrap();
        assert_eq!(bench.modify(GRANTED, MINE).await, HOT);
        bench.pass(3600);
        let set = Change::SetOrderType {
            cen: CEN.parse().unwrap(),
            instance,
            order_type: Some(crate::domain::OrderType::PayByResourceOwner),
            effective_order_type: None,
            attachment_order_type: None,
        };
        bench.simulator.change(set).unwrap();
        assert_eq!(bench.modify(GRANTED, YOURS).await, HOT);
        bench.pass(3600);
        assert_eq!(bench.modify(GRANTED, YOURS).await, "OK");
    }

    #[tokio::test]
    async fn a_new_grant_is_not_hot() {
        let bench = bench();
        assert_eq!(bench.modify(GRANTED, MINE).await, "OK");
        assert_eq!((bench.revoke(GRANTED).await, bench.grant(GRANTED, "").await), ("OK".into(), "OK".into()));
        assert_eq!(bench.modify(GRANTED, MINE).await, "OK");
    }
}
