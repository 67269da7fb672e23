//! Grant rules: granting, revoking, changing the payer, and reading the rules as either account.

use serde_json_borrow::Value;

use super::Cbn;
use crate::cloud::paging::{ListShape, MAX_RESULTS};
use crate::cloud::request::RpcRequest;
use crate::cloud::{spelling, wire};
use crate::domain::{Cen, CenId, GrantRule, Instance, InstanceId, InstanceType, Operation, OrderType, Region};
use crate::engine::ports::cloud::{Answer, CloudError, Listing, RuleFilter, RulePage};
use crate::engine::ports::write_permit::WritePermit;

fn resource_word(operation: Operation, kind: InstanceType) -> Result<&'static str, CloudError> {
    spelling::resource_side(kind).ok_or_else(|| {
        CloudError::not_sent(operation, format!("a {kind} is granted through Smartag, which has no {operation}"))
    })
}

impl Cbn {
    pub async fn grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: Option<OrderType>,
        permit: &WritePermit,
    ) -> Result<Answer<()>, CloudError> {
        let mut grant = RpcRequest::new(Operation::GrantInstanceToTransitRouter)
            .query("CenId", &cen.id)
            .query("CenOwnerId", &cen.owner)
            .query("InstanceId", &instance.id)
            .query("InstanceType", resource_word(Operation::GrantInstanceToTransitRouter, instance.kind)?)
            .query("RegionId", &instance.region);
        if let Some(order_type) = order_type {
            grant = grant.query("OrderType", order_type);
        }
        self.client.write(&grant, permit).await
    }

    pub async fn revoke(&self, instance: &Instance, cen: &Cen, permit: &WritePermit) -> Result<Answer<()>, CloudError> {
        let revoke = RpcRequest::new(Operation::RevokeInstanceFromTransitRouter)
            .query("CenId", &cen.id)
            .query("CenOwnerId", &cen.owner)
            .query("InstanceId", &instance.id)
            .query("InstanceType", resource_word(Operation::RevokeInstanceFromTransitRouter, instance.kind)?)
            .query("RegionId", &instance.region);
        self.client.write(&revoke, permit).await
    }

    pub async fn modify_grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: OrderType,
        client_token: &str,
        permit: &WritePermit,
    ) -> Result<Answer<()>, CloudError> {
        resource_word(Operation::ModifyGrantInstanceToTransitRouter, instance.kind)?;
        if instance.kind == InstanceType::ECR {
            return Err(CloudError::not_sent(
                Operation::ModifyGrantInstanceToTransitRouter,
                "the payer of an attached ECR cannot be changed",
            ));
        }
        let modify = RpcRequest::new(Operation::ModifyGrantInstanceToTransitRouter)
            .query("CenId", &cen.id)
            .query("InstanceId", &instance.id)
            .query("OrderType", order_type)
            .form("ClientToken", client_token);
        self.client.write(&modify, permit).await
    }

    pub async fn rules_to_resource(&self, instance: &Instance) -> Result<Answer<Listing<GrantRule>>, CloudError> {
        let describe = RpcRequest::new(Operation::DescribeGrantRulesToResource)
            .query("ResourceId", &instance.id)
            .query("ProductType", resource_word(Operation::DescribeGrantRulesToResource, instance.kind)?)
            .query("RegionId", &instance.region);
        let read = |item: &Value| {
            let rule = rule(item, &instance.id)?;
            Some((Some(format!("{} {}", rule.cen, rule.cen_owner)), rule))
        };
        self.client.by_token(&describe, ListShape { outer: "GrantRules", inner: "GrantRule", read }).await
    }

    /// Makes one call. If a rule of the page cannot be read, the total does not fit the rules, so that they are not taken
    /// for all there are.
    pub async fn rules_to_cen(
        &self,
        cen: &Cen,
        kind: InstanceType,
        filter: &RuleFilter,
    ) -> Result<Answer<RulePage>, CloudError> {
        let mut describe = RpcRequest::new(Operation::DescribeGrantRulesToCen)
            .query("CenId", &cen.id)
            .query("ProductType", spelling::cen_side(kind))
            .query("MaxResults", MAX_RESULTS);
        match filter {
            RuleFilter::Instance(id) => describe = describe.query("ChildInstanceId", id),
            RuleFilter::Page(Some(token)) => describe = describe.query("NextToken", token),
            RuleFilter::Page(None) => {}
        }
        let reply = self.client.call(&describe).await?;
        let items = wire::list(&reply.body, "GrantRules", "GrantRule");
        let mut rules: Vec<GrantRule> = items.iter().filter_map(cen_side_rule).collect();
        if kind == InstanceType::CCN {
            // The owner of a CCN is shown no payer, so one that is shown here says nothing (API §A.6).
            rules.iter_mut().for_each(|rule| (rule.order_type, rule.effective_order_type) = (None, None));
        }
        let total = wire::count(&reply.body, "TotalCount");
        let total = if rules.len() < items.len() { total.or(Some(u64::MAX)) } else { total };
        let page = RulePage { rules, next: wire::next_token(&reply.body), total };
        Ok(Answer { value: page, request_id: reply.request_id, date: reply.date, calls: 1 })
    }
}

fn cen_side_rule(item: &Value<'_>) -> Option<GrantRule> {
    let instance = InstanceId::parse(wire::text(item, "ChildInstanceId")?).ok()?;
    let instance_owner = wire::uid(item, "ChildInstanceOwnerId").ok()?;
    let region = wire::text(item, "ChildInstanceRegionId").and_then(|region| Region::parse(region).ok());
    Some(GrantRule { instance_owner, region, ..rule(item, &instance)? })
}

fn rule(item: &Value<'_>, instance: &InstanceId) -> Option<GrantRule> {
    Some(GrantRule {
        cen: CenId::parse(wire::text(item, "CenId")?).ok()?,
        cen_owner: wire::uid(item, "CenOwnerId").ok()??,
        instance: instance.clone(),
        instance_owner: None,
        region: None,
        order_type: wire::order_type(item, "OrderType"),
        effective_order_type: wire::order_type(item, "EffectiveOrderType"),
    })
}
