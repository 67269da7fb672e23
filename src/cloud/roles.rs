//! Reading and writing, as the owner of an instance and as the owner of a CEN, are four types: what one may do, the others cannot
//! name.

use std::sync::Arc;

use async_trait::async_trait;

use super::cbn::Cbn;
use super::rpc::AccountClient;
use super::smartag::Smartag;
use super::vpc::Vpc;
use crate::domain::{
    Cen, CenId, ChildInstance, GrantRule, Instance, InstanceId, InstanceType, ListedAttachment, OrderType,
    TransitRouter,
};
use crate::engine::ports::cloud::{
    Answer, CloudError, Listing, ResourceReader, ResourceWriter, RuleFilter, RulePage, TransitRouterReader,
    TransitRouterWriter,
};
use crate::engine::ports::write_permit::WritePermit;

/// The products, called as one account.
#[derive(Clone)]
pub(super) struct Products {
    pub client: Arc<AccountClient>,
    pub cbn: Cbn,
    pub smartag: Smartag,
    pub vpc: Vpc,
}

/// Reads as the owner of an instance.
pub(super) struct ReadAsResource(pub Products);
/// Reads as the owner of a CEN.
pub(super) struct ReadAsTransitRouter(pub Cbn);

/// Writes as the owner of an instance.
pub(super) struct WriteAsResource {
    pub cbn: Cbn,
    pub smartag: Smartag,
    pub permit: Arc<WritePermit>,
}

/// Writes as the owner of a CEN.
pub(super) struct WriteAsTransitRouter {
    pub cbn: Cbn,
    pub permit: Arc<WritePermit>,
}

#[async_trait]
impl ResourceReader for ReadAsResource {
    async fn describe_grant_rules_to_resource(
        &self,
        instance: &Instance,
    ) -> Result<Answer<Listing<GrantRule>>, CloudError> {
        match instance.kind {
            InstanceType::CCN => self.0.smartag.rules(instance).await,
            _ => self.0.cbn.rules_to_resource(instance).await,
        }
    }

    async fn describe_vpn_attachments(&self, instance: &Instance) -> Result<Answer<Listing<String>>, CloudError> {
        self.0.vpc.vpn_attachments(instance).await
    }
}

#[async_trait]
impl ResourceWriter for WriteAsResource {
    async fn grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: Option<OrderType>,
    ) -> Result<Answer<()>, CloudError> {
        match instance.kind {
            InstanceType::CCN => self.smartag.grant(instance, cen, order_type, &self.permit).await,
            _ => self.cbn.grant(instance, cen, order_type, &self.permit).await,
        }
    }

    async fn revoke(&self, instance: &Instance, cen: &Cen) -> Result<Answer<()>, CloudError> {
        match instance.kind {
            InstanceType::CCN => self.smartag.revoke(instance, cen, &self.permit).await,
            _ => self.cbn.revoke(instance, cen, &self.permit).await,
        }
    }

    async fn modify_grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.cbn.modify_grant(instance, cen, order_type, client_token, &self.permit).await
    }
}

#[async_trait]
impl TransitRouterReader for ReadAsTransitRouter {
    async fn describe_grant_rules_to_cen(
        &self,
        cen: &Cen,
        kind: InstanceType,
        filter: &RuleFilter,
    ) -> Result<Answer<RulePage>, CloudError> {
        self.0.rules_to_cen(cen, kind, filter).await
    }

    async fn describe_cens(&self, cen: &Cen) -> Result<Answer<Listing<CenId>>, CloudError> {
        self.0.cens(cen).await
    }

    async fn list_transit_routers(&self, cen: &Cen) -> Result<Answer<Listing<TransitRouter>>, CloudError> {
        self.0.transit_routers(cen).await
    }

    async fn list_attachments(
        &self,
        router: &str,
        kind: InstanceType,
        instance: Option<&InstanceId>,
    ) -> Result<Answer<Listing<ListedAttachment>>, CloudError> {
        self.0.attachments(router, kind, instance).await
    }

    async fn describe_attached_child_instances(
        &self,
        cen: &Cen,
        kind: InstanceType,
    ) -> Result<Answer<Listing<ChildInstance>>, CloudError> {
        self.0.attached_child_instances(cen, kind).await
    }
}

#[async_trait]
impl TransitRouterWriter for WriteAsTransitRouter {
    async fn update_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.cbn.update_attachment(kind, attachment_id, order_type, client_token, &self.permit).await
    }

    async fn delete_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.cbn.delete_attachment(kind, attachment_id, client_token, &self.permit).await
    }

    async fn detach_child_instance(&self, cen: &Cen, instance: &Instance) -> Result<Answer<()>, CloudError> {
        self.cbn.detach_child_instance(cen, instance, &self.permit).await
    }
}
