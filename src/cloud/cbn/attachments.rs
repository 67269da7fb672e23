//! Attachments of both editions: listing, changing the payer, deleting.

use std::future::ready;
use std::sync::Arc;

use serde_json_borrow::Value;

use super::{Cbn, nothing, request};
use crate::cloud::paging::List;
use crate::cloud::rpc::not_sent;
use crate::cloud::spelling::{self, AttachmentWords};
use crate::cloud::wire;
use crate::domain::{AccountUid, Attachment, Cen, CenId, Edition, Instance, InstanceType, OrderType};
use crate::engine::cloud::{Answer, CloudError, Failure, Listing};
use crate::engine::together::Together;

const CHILDREN: &str = "DescribeCenAttachedChildInstances";
const DETACH: &str = "DetachCenChildInstance";

/// A list of a CEN, by what is listed.
pub(super) type Lists = Together<(&'static str, CenId), (), Result<(u32, Arc<Answer<Listing<Listed>>>), CloudError>>;

/// A listed attachment, of whatever instance.
pub(super) struct Listed {
    cen: Option<String>,
    instance: String,
    owner: Option<AccountUid>,
    attachment: Attachment,
}

impl Listed {
    /// Most lists cannot be asked for one instance (API §A.8). What an answer leaves out does not speak against it.
    fn is_of(&self, cen: &Cen, instance: &Instance) -> bool {
        self.instance == instance.id.as_str()
            && self.owner.as_ref().is_none_or(|owner| *owner == instance.owner)
            && self.cen.as_ref().is_none_or(|id| id == cen.id.as_str())
    }
}

impl Cbn {
    pub async fn list_attachments(
        &self,
        cen: &Cen,
        instance: &Instance,
    ) -> Result<Answer<Listing<Attachment>>, CloudError> {
        let Some(words) = spelling::attachment(instance.kind) else {
            return Ok(nothing());
        };
        let list = request(words.list).query("CenId", &cen.id);
        let read = |item: &Value| {
            let attachment = Attachment {
                id: wire::text(item, "TransitRouterAttachmentId")?.to_owned(),
                edition: Edition::Enterprise,
                status: wire::text(item, "Status").unwrap_or("").to_owned(),
                order_type: wire::order_type(item, "OrderType"),
            };
            let listed = listed(item, words.id_field, words.owner_field, attachment.clone())?;
            Some((attachment.id, listed))
        };
        let listing = List { outer: "TransitRouterAttachments", inner: "TransitRouterAttachment", read };
        if instance.kind == InstanceType::VPC {
            let list = list.query("VpcId", &instance.id);
            return Ok(only(&self.caller.by_token(&list, listing).await?, cen, instance));
        }
        self.listed_together(words.list, cen, instance, self.caller.by_token(&list, listing)).await
    }

    pub async fn attached_child_instances(
        &self,
        cen: &Cen,
        instance: &Instance,
    ) -> Result<Answer<Listing<Attachment>>, CloudError> {
        let Some(kind) = spelling::child_instance(instance.kind) else {
            return Ok(nothing());
        };
        let describe = request(CHILDREN).query("CenId", &cen.id).query("ChildInstanceType", kind);
        let read = |item: &Value| {
            let attachment = Attachment {
                id: wire::text(item, "ChildInstanceId")?.to_owned(),
                edition: Edition::Basic,
                status: wire::text(item, "Status").unwrap_or("").to_owned(),
                order_type: None,
            };
            let listed = listed(item, "ChildInstanceId", "ChildInstanceOwnerId", attachment.clone())?;
            Some((attachment.id, listed))
        };
        let all = self.caller.by_number(&describe, List { outer: "ChildInstances", inner: "ChildInstance", read });
        self.listed_together(kind, cen, instance, all).await
    }

    /// A list that is the same for every instance of a type in a CEN is read once for all who want it at the same time.
    /// Its calls are counted to one of them.
    async fn listed_together(
        &self,
        list: &'static str,
        cen: &Cen,
        instance: &Instance,
        read: impl Future<Output = Result<Answer<Listing<Listed>>, CloudError>>,
    ) -> Result<Answer<Listing<Attachment>>, CloudError> {
        let read_for_all = async |askers: Vec<()>| match read.await {
            Ok(all) => {
                let all = Arc::new(all);
                (Ok((all.calls, all.clone())), vec![Some(Ok((0, all))); askers.len() - 1])
            }
            // Without room in the budget, or keys, nothing was asked. How long to wait for those is each caller's own.
            Err(error @ CloudError { failure: Failure::NotSent { .. }, .. }) => {
                (Err(error), vec![None; askers.len() - 1])
            }
            Err(error) => (Err(error.clone()), vec![Some(Err(error)); askers.len() - 1]),
        };
        let (calls, all) = self.lists.ask((list, cen.id.clone()), (), ready(()), read_for_all).await?;
        Ok(Answer { calls, ..only(&all, cen, instance) })
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

fn listed(item: &Value<'_>, id_field: &str, owner_field: &str, attachment: Attachment) -> Option<Listed> {
    Some(Listed {
        cen: wire::text(item, "CenId").map(str::to_owned),
        instance: wire::text(item, id_field)?.to_owned(),
        owner: wire::uid(item, owner_field).ok()?,
        attachment,
    })
}

/// Those of one instance in one CEN. Whether the list is complete was settled before.
fn only(all: &Answer<Listing<Listed>>, cen: &Cen, instance: &Instance) -> Answer<Listing<Attachment>> {
    let of_it = all.value.items.iter().filter(|listed| listed.is_of(cen, instance));
    let value = Listing { items: of_it.map(|l| l.attachment.clone()).collect(), complete: all.value.complete };
    Answer { value, request_id: all.request_id.clone(), date: all.date, calls: all.calls }
}
