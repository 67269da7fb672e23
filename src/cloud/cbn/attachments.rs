//! Attachments of both editions: listing, changing the payer, deleting.

use serde_json_borrow::Value;

use super::{Cbn, nothing, request};
use crate::cloud::paging::List;
use crate::cloud::rpc::not_sent;
use crate::cloud::spelling::{self, AttachmentWords};
use crate::cloud::wire;
use crate::domain::{
    AccountUid, Attachment, Cen, CenId, ChildInstance, Edition, Instance, InstanceId, InstanceType, ListedAttachment,
    OrderType, Region,
};
use crate::engine::ports::cloud::{Answer, CloudError, Listing};

const CHILDREN: &str = "DescribeCenAttachedChildInstances";
const DETACH: &str = "DetachCenChildInstance";

impl Cbn {
    /// The attachments of one type to one transit router, every page; of one instance alone only where the list can be
    /// asked so, which is that of VPCs (API §A.8).
    pub async fn attachments(
        &self,
        router: &str,
        kind: InstanceType,
        instance: Option<&InstanceId>,
    ) -> Result<Answer<Listing<ListedAttachment>>, CloudError> {
        let Some(words) = spelling::attachment(kind) else {
            return Ok(nothing());
        };
        let mut list = request(words.list).query("TransitRouterId", router);
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
                instance: InstanceId::parse(wire::text(item, words.id_field)?).ok()?,
                instance_owner: owner(item, words.owner_field)?,
                attachment,
            };
            Some((Some(id), listed))
        };
        let listing = List { outer: "TransitRouterAttachments", inner: "TransitRouterAttachment", read };
        self.caller.by_token(&list, listing).await
    }

    /// The instances of one type that are attached to a CEN, every page. An instance that is attached twice has two rows
    /// that nothing tells apart.
    pub async fn attached_child_instances(
        &self,
        cen: &Cen,
        kind: InstanceType,
    ) -> Result<Answer<Listing<ChildInstance>>, CloudError> {
        let Some(kind) = spelling::child_instance(kind) else {
            return Ok(nothing());
        };
        let describe = request(CHILDREN).query("CenId", &cen.id).query("ChildInstanceType", kind);
        let read = |item: &Value| {
            let child = ChildInstance {
                id: InstanceId::parse(wire::text(item, "ChildInstanceId")?).ok()?,
                owner: owner(item, "ChildInstanceOwnerId")?,
                region: Region::parse(wire::text(item, "ChildInstanceRegionId")?).ok()?,
                status: wire::text(item, "Status").unwrap_or("").to_owned(),
            };
            Some((None, child))
        };
        self.caller.by_number(&describe, List { outer: "ChildInstances", inner: "ChildInstance", read }).await
    }

    pub async fn update_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        let update = spelling::attachment(kind).and_then(|words| words.update).ok_or_else(|| {
            not_sent(
                "UpdateTransitRouterAttachmentAttribute",
                format!("the payer of an attached {kind} cannot be changed"),
            )
        })?;
        // Name, description and options stay out: sent, they would be changed (API §A.7).
        let update = request(update)
            .query("TransitRouterAttachmentId", attachment_id)
            .query("OrderType", order_type)
            .query("ClientToken", client_token);
        self.write(&update).await
    }

    pub async fn delete_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        let Some(AttachmentWords { delete, .. }) = spelling::attachment(kind) else {
            return Err(not_sent(
                "DeleteTransitRouterAttachment",
                format!("a {kind} has no Enterprise Edition attachment"),
            ));
        };
        let delete =
            request(delete).query("TransitRouterAttachmentId", attachment_id).query("ClientToken", client_token);
        self.write(&delete).await
    }

    pub async fn detach_child_instance(&self, cen: &Cen, instance: &Instance) -> Result<Answer<()>, CloudError> {
        let kind = spelling::child_instance(instance.kind)
            .ok_or_else(|| not_sent(DETACH, format!("the Basic Edition does not connect a {}", instance.kind)))?;
        let detach = request(DETACH)
            .query("CenId", &cen.id)
            .query("CenOwnerId", &cen.owner)
            .query("ChildInstanceId", &instance.id)
            .query("ChildInstanceType", kind)
            .query("ChildInstanceRegionId", &instance.region)
            .query("ChildInstanceOwnerId", &instance.owner);
        self.write(&detach).await
    }
}

fn owner(item: &Value<'_>, field: &str) -> Option<AccountUid> {
    wire::uid(item, field).ok()?
}
