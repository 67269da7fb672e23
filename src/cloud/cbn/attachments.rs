//! Attachments of both editions: listing, changing the payer, deleting.

use serde_json_borrow::Value;

use super::{Cbn, nothing};
use crate::cloud::paging::ListShape;
use crate::cloud::request::RpcRequest;
use crate::cloud::{spelling, wire};
use crate::domain::{
    AccountUid, Attachment, Cen, CenId, ChildInstance, Edition, Instance, InstanceId, InstanceType, ListedAttachment,
    Operation, OrderType, Region,
};
use crate::engine::ports::cloud::{Answer, CloudError, Listing};
use crate::engine::ports::write_permit::WritePermit;

impl Cbn {
    /// The attachments of one type to one transit router, every page. Only the list of VPCs can be asked for one instance
    /// (API §A.8); the others hold all.
    pub async fn attachments(
        &self,
        router: &str,
        kind: InstanceType,
        instance: Option<&InstanceId>,
    ) -> Result<Answer<Listing<ListedAttachment>>, CloudError> {
        let Some((list, fields)) = Operation::list_attachments(kind).zip(spelling::attachment(kind)) else {
            return Ok(nothing());
        };
        let mut list = RpcRequest::new(list).query("TransitRouterId", router);
        if let (InstanceType::VPC, Some(instance)) = (kind, instance) {
            list = list.query("VpcId", instance);
        }
        let read = |item: &Value| {
            let id = wire::text(item, "TransitRouterAttachmentId")?.to_owned();
            let attachment = Attachment {
                id: id.clone(),
                edition: Edition::Enterprise,
                status: wire::text(item, "Status").unwrap_or("").to_owned(),
                order_type: wire::order_type(item, "OrderType"),
            };
            let listed = ListedAttachment {
                cen: CenId::parse(wire::text(item, "CenId")?).ok()?,
                instance: InstanceId::parse(wire::text(item, fields.id)?).ok()?,
                instance_owner: owner(item, fields.owner)?,
                attachment,
            };
            Some((Some(id), listed))
        };
        let listing = ListShape { outer: "TransitRouterAttachments", inner: "TransitRouterAttachment", read };
        self.client.by_token(&list, listing).await
    }

    /// The instances of one type that are attached to a CEN, every page. An instance that is attached twice has two equal
    /// rows.
    pub async fn attached_child_instances(
        &self,
        cen: &Cen,
        kind: InstanceType,
    ) -> Result<Answer<Listing<ChildInstance>>, CloudError> {
        let Some(kind) = spelling::child_instance(kind) else {
            return Ok(nothing());
        };
        let describe = RpcRequest::new(Operation::DescribeCenAttachedChildInstances)
            .query("CenId", &cen.id)
            .query("ChildInstanceType", kind);
        let read = |item: &Value| {
            let child = ChildInstance {
                id: InstanceId::parse(wire::text(item, "ChildInstanceId")?).ok()?,
                owner: owner(item, "ChildInstanceOwnerId")?,
                region: Region::parse(wire::text(item, "ChildInstanceRegionId")?).ok()?,
                status: wire::text(item, "Status").unwrap_or("").to_owned(),
            };
            Some((None, child))
        };
        self.client.by_number(&describe, ListShape { outer: "ChildInstances", inner: "ChildInstance", read }).await
    }

    pub async fn update_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        order_type: OrderType,
        client_token: &str,
        permit: &WritePermit,
    ) -> Result<Answer<()>, CloudError> {
        let update = Operation::update_attachment(kind)
            .ok_or_else(|| CloudError::not_sent(None, format!("the payer of an attached {kind} cannot be changed")))?;
        // Name, description and options stay out: sent, they would be changed (API §A.7).
        let update = RpcRequest::new(update)
            .query("TransitRouterAttachmentId", attachment_id)
            .query("OrderType", order_type)
            .query("ClientToken", client_token);
        self.client.write(&update, permit).await
    }

    pub async fn delete_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        client_token: &str,
        permit: &WritePermit,
    ) -> Result<Answer<()>, CloudError> {
        let delete = Operation::delete_attachment(kind)
            .ok_or_else(|| CloudError::not_sent(None, format!("a {kind} has no Enterprise Edition attachment")))?;
        let delete = RpcRequest::new(delete)
            .query("TransitRouterAttachmentId", attachment_id)
            .query("ClientToken", client_token);
        self.client.write(&delete, permit).await
    }

    pub async fn detach_child_instance(
        &self,
        cen: &Cen,
        instance: &Instance,
        permit: &WritePermit,
    ) -> Result<Answer<()>, CloudError> {
        let operation = Operation::DetachCenChildInstance;
        let kind = spelling::child_instance(instance.kind).ok_or_else(|| {
            CloudError::not_sent(operation, format!("the Basic Edition does not connect a {}", instance.kind))
        })?;
        let detach = RpcRequest::new(operation)
            .query("CenId", &cen.id)
            .query("CenOwnerId", &cen.owner)
            .query("ChildInstanceId", &instance.id)
            .query("ChildInstanceType", kind)
            .query("ChildInstanceRegionId", &instance.region)
            .query("ChildInstanceOwnerId", &instance.owner);
        self.client.write(&detach, permit).await
    }
}

fn owner(item: &Value<'_>, field: &str) -> Option<AccountUid> {
    wire::uid(item, field).ok()?
}
