//! What is attached to a CEN, as its owner is shown it: the transit routers, the attachments of each Enterprise Edition
//! router (API §A.8), and the child instances of the CEN (API §A.9). Jobs that want the same list at the same time share it.

use futures_util::future::{try_join, try_join_all};
use jiff::Timestamp;

use crate::domain::{
    AccountUid, Attachment, Cen, ChildInstance, Edition, Instance, InstanceType, ListedAttachment, TransitRouter,
};
use crate::engine::look::editions;
use crate::engine::look::shared_lists::{SharedList, SharedLists};
use crate::engine::ports::cloud::{Answer, CloudError, Listing, TransitRouterReader};

/// The attachments of one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceAttachments {
    /// The transit routers of the CEN; `None` for a CCN, which attaches to none of them.
    pub routers: Option<Listing<TransitRouter>>,
    /// Attachments to Enterprise Edition routers; these have a payer.
    pub enterprise: Listing<Attachment>,
    /// Attachments to Basic Edition routers; `None` if they were not asked for.
    pub basic: Option<Listing<Attachment>>,
    /// The owner of the instance as a list shows it, if the job names another.
    pub other_owner: Option<AccountUid>,
}

/// The lists of all CENs, shared by all jobs.
#[derive(Default)]
pub struct CenAttachments {
    routers: SharedLists<Cen, TransitRouter>,
    lists: SharedLists<(AccountUid, String, InstanceType), ListedAttachment>,
    children: SharedLists<(Cen, InstanceType), ChildInstance>,
}

/// What several answers have in common: the sum of their calls, and the latest `Date`.
#[derive(Default)]
struct Calls {
    calls: u32,
    date: Option<Timestamp>,
    request_id: String,
}

impl Calls {
    fn add<T>(&mut self, (calls, answer): &(u32, std::sync::Arc<Answer<Listing<T>>>)) {
        self.calls += calls;
        self.date = self.date.max(answer.date);
        self.request_id.clone_from(&answer.request_id);
    }
}

impl CenAttachments {
    /// The transit routers of a CEN.
    pub async fn routers(&self, reader: &dyn TransitRouterReader, cen: &Cen) -> SharedList<TransitRouter> {
        self.routers.read(cen.clone(), reader.list_transit_routers(cen)).await
    }

    /// The attachments of one instance, with those of the Basic Edition if `basic`.
    pub async fn of(
        &self,
        reader: &dyn TransitRouterReader,
        cen: &Cen,
        instance: &Instance,
        basic: bool,
    ) -> Result<Answer<InstanceAttachments>, CloudError> {
        let mut tally = Calls::default();
        let enterprise = async {
            if instance.kind == InstanceType::CCN {
                return Ok((None, vec![]));
            }
            let routers = self.routers(reader, cen).await?;
            let lists = enterprise(&routers.1.value, cen).map(|router| self.list(reader, cen, router, instance));
            let lists = try_join_all(lists).await?;
            Ok((Some(routers), lists))
        };
        let children = async {
            if !basic {
                return Ok(None);
            }
            let read = reader.describe_attached_child_instances(cen, instance.kind);
            self.children.read((cen.clone(), instance.kind), read).await.map(Some)
        };
        let ((routers, lists), children) = try_join(enterprise, children).await?;
        if let Some(routers) = &routers {
            tally.add(routers);
        }
        lists.iter().for_each(|list| tally.add(list));
        if let Some(children) = &children {
            tally.add(children);
        }
        let routers = routers.map(|(_, answer)| answer.value.clone());
        let no_routers = Listing { items: vec![], complete: true };
        let known = routers.as_ref().unwrap_or(&no_routers);
        let shown = lists.iter().flat_map(|(_, list)| &list.value.items);
        let shown: Vec<_> = shown.filter(|listed| listed.cen == cen.id && listed.instance == instance.id).collect();
        let complete = known.complete && lists.iter().all(|(_, list)| list.value.complete);
        let items = shown.iter().map(|listed| listed.attachment.clone()).collect();
        let enterprise = Listing { items, complete };
        let rows = children.as_ref().map(|(_, answer)| &answer.value);
        let owners = shown.iter().map(|listed| &listed.instance_owner);
        let rows_of_it = rows.iter().flat_map(|rows| &rows.items).filter(|row| row.id == instance.id);
        let other_owner = owners.chain(rows_of_it.map(|row| &row.owner)).find(|owner| **owner != instance.owner);
        let value = InstanceAttachments {
            basic: rows.map(|rows| editions::basic(instance, known, &enterprise, rows)),
            other_owner: other_owner.cloned(),
            enterprise,
            routers,
        };
        Ok(Answer { value, request_id: tally.request_id, date: tally.date, calls: tally.calls })
    }

    /// All attachments of one type to the Enterprise Edition in a CEN.
    pub async fn all(
        &self,
        reader: &dyn TransitRouterReader,
        cen: &Cen,
        kind: InstanceType,
    ) -> Result<Listing<ListedAttachment>, CloudError> {
        // Not shared with jobs: they would wait together with the sweep, whose calls wait behind all others.
        let routers = reader.list_transit_routers(cen).await?;
        let lists = enterprise(&routers.value, cen).map(|router| reader.list_attachments(&router.id, kind, None));
        let lists = try_join_all(lists).await?;
        let complete = routers.value.complete && lists.iter().all(|list| list.value.complete);
        Ok(Listing { items: lists.into_iter().flat_map(|list| list.value.items).collect(), complete })
    }

    /// The list of one router, or its part for one instance. Only a list of all instances can be shared.
    async fn list(
        &self,
        reader: &dyn TransitRouterReader,
        cen: &Cen,
        router: &TransitRouter,
        instance: &Instance,
    ) -> SharedList<ListedAttachment> {
        let read = reader.list_attachments(&router.id, instance.kind, Some(&instance.id));
        if instance.kind == InstanceType::VPC {
            return read.await.map(|answer| (answer.calls, answer.into()));
        }
        self.lists.read((cen.owner.clone(), router.id.clone(), instance.kind), read).await
    }
}

/// The routers of the Enterprise Edition: only these list attachments.
fn enterprise<'a>(routers: &'a Listing<TransitRouter>, cen: &'a Cen) -> impl Iterator<Item = &'a TransitRouter> {
    routers.items.iter().filter(|router| router.edition == Edition::Enterprise && router.cen == cen.id)
}
