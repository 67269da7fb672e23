//! The cooldown of payer changes: for one hour after attaching, and after the latest change, the payer cannot be changed.
//! Older pages of the vendor name it and the newest does not (API §K), so it is a switch.

use jiff::Timestamp;

use super::answer::ErrorAnswer;
use super::request::ApiCall;
use super::world::{AttachmentState, PayerChange, RouterEdition, World};
use crate::clock::later;
use crate::domain::{CenId, InstanceId, OrderType};

impl World {
    /// Checks that the payer can be changed to `to` at the time of a call. Writing on the second half what was just written on
    /// the first belongs to the same change.
    ///
    /// # Errors
    /// The code of the switch, within the hour.
    pub(super) fn cooled_down(
        &self,
        call: &ApiCall,
        cen: &CenId,
        instance: &InstanceId,
        to: OrderType,
    ) -> Result<(), ErrorAnswer> {
        let Some(code) = &self.switches.payer_cooldown else { return Ok(()) };
        let hot = |at: Timestamp| call.now < later(at, call.hour.length());
        let changed = self.payer_changes.get(&(cen.clone(), instance.clone()));
        let changed = changed.is_some_and(|change| change.to != to && hot(change.at));
        let fresh =
            |attachment: &AttachmentState| attachment.edition == RouterEdition::Enterprise && hot(attachment.created);
        if changed || self.attachments_of(cen, instance).iter().any(|(_, attachment)| fresh(attachment)) {
            let message = "The payer cannot be changed within one hour of attaching or of the last change.";
            return Err(ErrorAnswer::bad(code, message));
        }
        Ok(())
    }

    /// Remembers that the payer of the grant, or of an attachment, was changed.
    pub(super) fn payer_changed(&mut self, at: Timestamp, cen: &CenId, instance: &InstanceId, to: OrderType) {
        self.payer_changes.insert((cen.clone(), instance.clone()), PayerChange { at, to });
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::simulator::OutsideChange;
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
    async fn a_fresh_attachment_and_an_outsiders_change_start_the_cooldown_too() {
        let bench = bench();
        let instance: crate::domain::InstanceId = GRANTED.parse().unwrap();
        bench
            .simulator
            .change(OutsideChange::Attach { transit_router: ROUTER.into(), instance: instance.clone() })
            .unwrap();
        assert_eq!(bench.modify(GRANTED, MINE).await, HOT);
        bench.pass(3600);
        let set = OutsideChange::SetOrderType {
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
