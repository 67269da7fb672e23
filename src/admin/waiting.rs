//! Answers to webhooks that have not arrived: when they are tried again, what was wrong, and until when.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::parts::Admin;
use crate::domain::JobUid;
use crate::domain::webhook::Destination;
use crate::engine::decide::webhook::{last_try, tries_within};
use crate::engine::ports::store::{StoreError, WaitingWebhook};

/// The most that are shown of a job or batch. A job has as many followers at most.
const MOST: usize = 100;

/// An answer to a webhook that has not arrived. Its URL may hold what only the receiver should know, so its host is shown alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct UnsentWebhook {
    /// Its number in the outbox, by which `dead replay` has it sent now.
    pub number: i64,
    /// The host, with its port if it is not 443.
    pub host: String,
    /// How often it was tried in vain.
    pub tries: u32,
    /// When it is tried again; absent if that is now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next_try: Option<Timestamp>,
    /// What was wrong last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_error: Option<String>,
    /// About when it is tried for the last time, and then set aside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up_at: Option<Timestamp>,
}

impl Admin {
    /// What has not arrived at the webhooks of a job or batch.
    pub(super) async fn unsent_webhooks(&self, uid: JobUid) -> Result<Vec<UnsentWebhook>, StoreError> {
        let engine = &self.parts().engine;
        let (now, most) = (engine.clock.now(), engine.policy.get().webhooks().map(tries_within));
        let unsent = |WaitingWebhook { number, url, tries, due, reason }: WaitingWebhook| UnsentWebhook {
            number,
            host: Destination::of(&url).map_or_else(|_| "?".to_owned(), |host| host.to_string()),
            tries,
            next_try: due.filter(|due| *due > now),
            last_error: Some(reason).filter(|reason| !reason.is_empty()),
            gives_up_at: most.map(|most| last_try(tries, due.map_or(now, |due| due.max(now)), most)),
        };
        Ok(engine.store.waiting_webhooks(uid, MOST).await?.into_iter().map(unsent).collect())
    }
}
