//! The accounts this worker has credentials for, as the engine's [`Cloud`]. The four hands it gives out are four
//! types: what one may do, the others cannot name.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;

use super::cbn::Cbn;
use super::credentials::AccountCredentials;
use super::endpoint::Endpoints;
use super::observer::CallObserver;
use super::rpc::{Caller, Shared, Timeouts, not_sent};
use super::transport::Transport;
use crate::clock::Clock;
use crate::domain::{AccountUid, Attachment, Cen, Instance, InstanceType, OrderType, Rule};
use crate::engine::cloud::{
    Answer, Cloud, CloudError, Listing, ResourceReader, ResourceWriter, RuleFilter, RulePage, TransitRouterReader,
    TransitRouterWriter,
};

/// The cloud, through one transport, as several accounts.
pub struct Accounts {
    accounts: HashMap<AccountUid, Cbn>,
}

impl Accounts {
    /// Of several credentials for one account the last counts.
    pub fn new(
        clock: Arc<dyn Clock>,
        transport: Arc<dyn Transport>,
        endpoints: Endpoints,
        credentials: Vec<AccountCredentials>,
        timeouts: Timeouts,
        observer: Arc<dyn CallObserver>,
    ) -> Self {
        let shared = Arc::new(Shared { clock, transport, endpoints, timeouts, observer });
        let account = |credentials: AccountCredentials| {
            (credentials.uid.clone(), Cbn::new(Arc::new(Caller::new(credentials, shared.clone()))))
        };
        Self { accounts: credentials.into_iter().map(account).collect() }
    }

    /// Checks that the credential configured for an account is that account's (API §A.13). Success is remembered.
    pub async fn verify(&self, account: &AccountUid) -> Result<(), CloudError> {
        self.cbn(account)?.verify().await
    }

    fn cbn(&self, account: &AccountUid) -> Result<&Cbn, CloudError> {
        self.accounts
            .get(account)
            .ok_or_else(|| not_sent("credentials", format!("no credential is configured for account {account}")))
    }
}

#[async_trait]
impl Cloud for Accounts {
    fn resource_reader(&self, account: &AccountUid) -> Result<Arc<dyn ResourceReader>, CloudError> {
        Ok(Arc::new(ReadAsResource(self.cbn(account)?.clone())))
    }

    fn transit_router_reader(&self, account: &AccountUid) -> Result<Arc<dyn TransitRouterReader>, CloudError> {
        Ok(Arc::new(ReadAsTransitRouter(self.cbn(account)?.clone())))
    }

    async fn resource_writer(&self, account: &AccountUid) -> Result<Arc<dyn ResourceWriter>, CloudError> {
        let cbn = self.cbn(account)?.clone();
        cbn.verify().await?;
        Ok(Arc::new(WriteAsResource(cbn)))
    }

    async fn transit_router_writer(&self, account: &AccountUid) -> Result<Arc<dyn TransitRouterWriter>, CloudError> {
        let cbn = self.cbn(account)?.clone();
        cbn.verify().await?;
        Ok(Arc::new(WriteAsTransitRouter(cbn)))
    }
}

struct ReadAsResource(Cbn);
struct WriteAsResource(Cbn);
struct ReadAsTransitRouter(Cbn);
struct WriteAsTransitRouter(Cbn);

#[async_trait]
impl ResourceReader for ReadAsResource {
    async fn describe_grant_rules_to_resource(&self, instance: &Instance) -> Result<Answer<Listing<Rule>>, CloudError> {
        self.0.rules_to_resource(instance).await
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
        self.0.grant(instance, cen, order_type).await
    }

    async fn revoke(&self, instance: &Instance, cen: &Cen) -> Result<Answer<()>, CloudError> {
        self.0.revoke(instance, cen).await
    }

    async fn modify_grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.0.modify_grant(instance, cen, order_type, client_token).await
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

    async fn list_attachments(
        &self,
        cen: &Cen,
        instance: &Instance,
    ) -> Result<Answer<Listing<Attachment>>, CloudError> {
        self.0.list_attachments(cen, instance).await
    }

    async fn describe_attached_child_instances(
        &self,
        cen: &Cen,
        instance: &Instance,
    ) -> Result<Answer<Listing<Attachment>>, CloudError> {
        self.0.attached_child_instances(cen, instance).await
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
        self.0.update_attachment(kind, attachment_id, order_type, client_token).await
    }

    async fn delete_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.0.delete_attachment(kind, attachment_id, client_token).await
    }

    async fn detach_child_instance(&self, cen: &Cen, instance: &Instance) -> Result<Answer<()>, CloudError> {
        self.0.detach_child_instance(cen, instance).await
    }
}
