//! What a bad message seems to be about.

use crate::domain::contract::{self, Envelope};
use crate::domain::{BatchId, Job};

/// What a bad message seems to be about, so that its sender finds it again.
#[derive(Debug, Clone, Default)]
pub(super) struct Named {
    pub job: Option<String>,
    pub batch: Option<BatchId>,
}

impl Named {
    /// A valid job.
    pub fn of(job: &Job) -> Self {
        Self { job: Some(job.id.to_string()), batch: job.batch.as_ref().map(|terms| terms.id.clone()) }
    }

    /// What can be read of a message.
    pub fn read(body: &[u8], envelope: &Envelope<'_>) -> Self {
        Self { job: contract::id_of(body, envelope), batch: contract::batch_of(body) }
    }
}
