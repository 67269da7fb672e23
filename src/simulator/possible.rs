//! Which worlds can have come about: what no sequence of the cloud's own operations makes is no world to begin with.

use super::history::AsOf;
use super::world::{Attachment, Edition, World};
use crate::domain::{CenId, InstanceId, InstanceType, OrderType};

impl World {
    /// Why no call can have made this grant, if none can: the payer of an ECR does not change, so none waits for the hour
    /// (API §A.3, §H4).
    pub(super) fn impossible_grant(
        &self,
        instance: &InstanceId,
        is: OrderType,
        effective: OrderType,
    ) -> Option<String> {
        let changed = self.kind_of(instance) == Some(InstanceType::ECR) && is != effective;
        changed.then(|| format!("the payer of an ECR never changes, so the grant of {instance} waits for no hour"))
    }

    /// Why no call can have made this attachment, if none can.
    pub(super) fn impossible_attachment(
        &self,
        cen: &CenId,
        edition: Edition,
        instance: &InstanceId,
        order_type: Option<OrderType>,
    ) -> Option<String> {
        let kind = self.kind_of(instance)?;
        if !self.may_attach(cen, instance) {
            return Some(format!("{instance} is not granted to {cen}, so it cannot be attached"));
        }
        // API §A.9: the Basic Edition connects VPC, VBR and CCN.
        if edition == Edition::Basic && matches!(kind, InstanceType::VPN | InstanceType::ECR) {
            return Some(format!("the Basic Edition connects no {kind}"));
        }
        // API §A.1, §A.11 of an IPsec-VPN connection; a Basic Edition attachment has no id of its own to tell two apart.
        let basic = edition == Edition::Basic || kind == InstanceType::CCN;
        let basic_here = |a: &Attachment| basic && a.edition == Edition::Basic && a.cen == *cen;
        if self.attached_to(instance).any(|a| kind == InstanceType::VPN || basic_here(a)) {
            return Some(format!("{instance} is attached already, and is attached once"));
        }
        // API §A.7: an attachment inherits the payer of the grant, and that of an ECR never changes.
        let inherited = self.grant_of(cen, instance, AsOf::Now).map(|grant| grant.order_type);
        let own = order_type.is_some_and(|own| inherited.is_some_and(|inherited| own != inherited));
        (own && kind == InstanceType::ECR)
            .then(|| format!("the payer of an ECR never changes, so {instance} is attached with that of its grant"))
    }

    /// Whether an instance is attached to any transit router.
    pub(super) fn attached_anywhere(&self, instance: &InstanceId) -> bool {
        self.attached_to(instance).next().is_some()
    }

    pub(super) fn kind_of(&self, instance: &InstanceId) -> Option<InstanceType> {
        self.instances.get(instance).map(|state| state.instance.kind)
    }

    fn attached_to(&self, instance: &InstanceId) -> impl Iterator<Item = &Attachment> {
        let ids = self.instances.get(instance).into_iter().flat_map(|state| &state.attachments);
        ids.filter_map(|id| self.attachments.get(id)?.now())
    }
}
