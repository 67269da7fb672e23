//! Validation: rejects grants and attachments that no sequence of API calls could produce.

use super::history::AsOf;
use super::world::{AttachmentState, RouterEdition, World};
use crate::domain::{CenId, InstanceId, InstanceType, OrderType};

impl World {
    /// # Errors
    /// The payer of an ECR cannot be changed, so its grant cannot be waiting for the hour (API §A.3, §H4).
    pub(super) fn possible_grant(
        &self,
        instance: &InstanceId,
        order_type: OrderType,
        effective: OrderType,
    ) -> Result<(), String> {
        if self.kind_of(instance) == Some(InstanceType::ECR) && order_type != effective {
            return Err(format!(
                "the payer of an ECR never changes, so the grant of {instance} cannot be waiting for the hour"
            ));
        }
        Ok(())
    }

    /// # Errors
    /// The attachment breaks a rule of API §A.1, §A.7, §A.9 or §A.11. An unknown instance breaks none.
    pub(super) fn possible_attachment(
        &self,
        cen: &CenId,
        edition: RouterEdition,
        instance: &InstanceId,
        order_type: Option<OrderType>,
    ) -> Result<(), String> {
        let Some(kind) = self.kind_of(instance) else { return Ok(()) };
        if !self.may_attach(cen, instance) {
            return Err(format!("{instance} is not granted to {cen}, so it cannot be attached"));
        }
        // API §A.9: the Basic Edition connects VPC, VBR and CCN.
        if edition == RouterEdition::Basic && matches!(kind, InstanceType::VPN | InstanceType::ECR) {
            return Err(format!("the Basic Edition connects no {kind}"));
        }
        // API §A.1 and §A.11 say it of an IPsec-VPN connection. Two attachments of the Basic Edition in one CEN could not
        // be told apart: they have no id of their own.
        let basic = edition == RouterEdition::Basic || kind == InstanceType::CCN;
        let basic_here = |a: &AttachmentState| basic && a.edition == RouterEdition::Basic && a.cen == *cen;
        if self.attached(instance).any(|(_, a)| kind == InstanceType::VPN || basic_here(a)) {
            return Err(format!("{instance} is attached already, and can be attached only once"));
        }
        // API §A.7: an attachment inherits the payer of the grant, and the payer of an ECR cannot be changed.
        let inherited = self.grant_of(cen, instance, AsOf::Now).map(|grant| grant.order_type);
        let differs = order_type.is_some_and(|own| inherited.is_some_and(|inherited| own != inherited));
        if differs && kind == InstanceType::ECR {
            return Err(format!(
                "the payer of an ECR never changes, so {instance} is attached with the payer of its grant"
            ));
        }
        Ok(())
    }
}
