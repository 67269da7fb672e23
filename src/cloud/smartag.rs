//! The Smartag product, which grants a CCN to a CEN (API §A.6). It has no payer, no ClientToken and no pages by token, and
//! an endpoint in each region.

#[cfg(test)]
mod tests;

use std::sync::Arc;

use serde_json_borrow::Value;

use super::paging::ListShape;
use super::request::RpcRequest;
use super::rpc::AccountClient;
use super::wire;
use crate::domain::{Cen, CenId, GrantRule, Instance, InstanceId, Operation, OrderType, Region};
use crate::engine::ports::cloud::{Answer, CloudError, Listing};
use crate::engine::ports::write_permit::WritePermit;

/// The Smartag operations, as one account.
#[derive(Clone)]
pub(super) struct Smartag {
    client: Arc<AccountClient>,
}

impl Smartag {
    pub fn new(client: Arc<AccountClient>) -> Self {
        Self { client }
    }

    /// `GrantTrafficService` is never sent: a grant made with it may not be revocable any more.
    pub async fn grant(
        &self,
        ccn: &Instance,
        cen: &Cen,
        order_type: Option<OrderType>,
        permit: &WritePermit,
    ) -> Result<Answer<()>, CloudError> {
        if let Some(order_type) = order_type {
            let why = format!("the grant of a CCN has no payer, so none can be {order_type}");
            return Err(CloudError::not_sent(Operation::GrantInstanceToCbn, why));
        }
        let grant = about(Operation::GrantInstanceToCbn, ccn, cen).query("CenUid", &cen.owner);
        self.client.write(&grant, permit).await
    }

    pub async fn revoke(&self, ccn: &Instance, cen: &Cen, permit: &WritePermit) -> Result<Answer<()>, CloudError> {
        self.client.write(&about(Operation::RevokeInstanceFromCbn, ccn, cen), permit).await
    }

    /// Every rule of one CCN, every page.
    pub async fn rules(&self, ccn: &Instance) -> Result<Answer<Listing<GrantRule>>, CloudError> {
        let describe =
            RpcRequest::new(Operation::DescribeGrantRules).in_region(&ccn.region).query("AssociatedCcnId", &ccn.id);
        let read = |item: &Value| {
            let rule = rule(item)?;
            Some((Some(format!("{} {} {}", rule.instance, rule.cen, rule.cen_owner)), rule))
        };
        let mut answer =
            self.client.by_number(&describe, ListShape { outer: "GrantRules", inner: "GrantRule", read }).await?;
        // If the cloud ever ignored the filter, the rules of other CCNs would come too.
        answer.value.items.retain(|rule| rule.instance == ccn.id);
        Ok(answer)
    }
}

fn about(operation: Operation, ccn: &Instance, cen: &Cen) -> RpcRequest {
    RpcRequest::new(operation).in_region(&ccn.region).query("CcnInstanceId", &ccn.id).query("CenInstanceId", &cen.id)
}

fn rule(item: &Value<'_>) -> Option<GrantRule> {
    Some(GrantRule {
        cen: CenId::parse(wire::text(item, "CenInstanceId")?).ok()?,
        cen_owner: wire::uid(item, "CenUid").ok()??,
        instance: InstanceId::parse(wire::text(item, "CcnInstanceId")?).ok()?,
        instance_owner: wire::uid(item, "CcnUid").ok()?,
        region: wire::text(item, "RegionId").and_then(|region| Region::parse(region).ok()),
        order_type: None,
        effective_order_type: None,
    })
}
