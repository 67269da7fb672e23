//! The attachments of a group, for its jobs whose hour has passed without effect. They are read as a whole, once a pass, and
//! only if the group has such a job.

use std::collections::HashMap;

use crate::domain::{Attachment, InstanceId};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::Group;
use crate::engine::record::Record;

use super::urgency;

/// What is attached to the CEN of a group.
pub(super) struct GroupAttachments<'a> {
    engine: &'a Engine,
    group: &'a Group,
    read: Read,
}

enum Read {
    NotYet,
    /// The lists could not be read to their ends; they are tried again at the next pass.
    Failed,
    All(HashMap<InstanceId, Vec<Attachment>>),
}

impl<'a> GroupAttachments<'a> {
    /// Reads nothing yet.
    pub(super) fn new(engine: &'a Engine, group: &'a Group) -> Self {
        Self { engine, group, read: Read::NotYet }
    }

    /// Reads them, once a pass.
    pub(super) async fn read(&mut self) {
        if !matches!(self.read, Read::NotYet) {
            return;
        }
        let (engine, group) = (self.engine, self.group);
        let lists = async {
            let reader = engine.cloud.transit_router_reader(&group.cen.owner)?;
            engine.reads.attachments.all(reader.as_ref(), &group.cen, group.kind).await
        };
        self.read = match urgency(engine).scope(lists).await {
            Ok(lists) if lists.complete => {
                let mut all: HashMap<InstanceId, Vec<Attachment>> = HashMap::new();
                for listed in lists.items.into_iter().filter(|listed| listed.cen == group.cen.id) {
                    all.entry(listed.instance).or_default().push(listed.attachment);
                }
                Read::All(all)
            }
            Ok(_) => Read::Failed,
            Err(error) => {
                tracing::warn!(cen.id = %group.cen.id, account.uid = %group.cen.owner, %error, "cannot read the attachments");
                Read::Failed
            }
        };
    }

    /// The attachments of a job's instance; `None` if they could not be read.
    pub(super) fn of(&self, record: &Record) -> Option<Vec<Attachment>> {
        match &self.read {
            Read::All(all) => Some(all.get(&record.job.instance.id).cloned().unwrap_or_default()),
            Read::NotYet | Read::Failed => None,
        }
    }
}
