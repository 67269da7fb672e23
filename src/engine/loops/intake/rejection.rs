//! A message that does not become a job: its event, its copy for the dead-letter queue, and what of it is kept.

use std::collections::BTreeMap;

use bytes::Bytes;
use jiff::Timestamp;
use serde_json::json;
use uuid::Uuid;

use super::named::Named;
use super::{Inbox, origin};
use crate::domain::contract::{self, FaultList};
use crate::domain::reply_to::reply_to_fault;
use crate::domain::{Event, EventType, JobTrace, JobUid, REASONS_VERSION, Reason, Requester};
use crate::engine::events::RejectedData;
use crate::engine::ports::mail::{Incoming, Outgoing, WholeBody};
use crate::engine::ports::store::{EventKey, OutboundMessage, Rejection};
use crate::engine::record::Origin;

/// How much of the body of a rejected message is kept in the store, in bytes, so that an operator can see and mend it. A job has some
/// hundred. The copy for the dead-letter queue has all that came in.
pub const KEPT_BODY: usize = 4 << 10;

/// The header with the length of a body that is not there whole.
pub const BODY_LENGTH: &str = "x-crossgrant-body-length";

impl Inbox {
    pub(super) fn rejection(
        &self,
        reason: Reason,
        Named { job, batch }: Named,
        faults: &FaultList,
        requester: Requester,
        incoming: &Incoming,
        now: Timestamp,
    ) -> Rejection {
        let reasons = json!(faults);
        let message = contract::summary(faults);
        let uid = rejection_uid(reason, &requester, incoming);
        let data = RejectedData {
            uid,
            requester: &requester,
            job_id: job.as_deref(),
            batch_id: batch.as_ref(),
            reason,
            reasons_version: REASONS_VERSION,
            message: &message,
            faults,
            faults_not_listed: faults.not_listed,
        };
        let mut event = Event::new(&self.engine.announcer.source, EventType::Rejected, uid, 1, now, data);
        event.traceparent = match self.engine.announcer.sampling {
            Some(of) => Some(JobTrace::new(uid, incoming.traceparent.as_deref(), of).accepted.to_string()),
            None => incoming.traceparent.clone(),
        };
        let key = EventKey { uid, sequence: 1, terminal: false };
        let correlation = incoming.correlation_id.clone();
        let of_batch = batch.as_ref().map(|batch| ("batch", batch.as_str()));
        let about: Vec<_> = [("requester", requester.as_str())].into_iter().chain(of_batch).collect();
        let said = self.engine.announcer.post(&event, EventType::Rejected, &about, correlation, Some(key));
        // The broker keeps what it has dead-lettered.
        let copy = incoming.dead_lettered.is_none().then(|| self.dead_copy(uid, &reasons.to_string(), incoming));
        let outbound = copy.into_iter().chain([said]).collect();
        let kept = Some(kept(uid, incoming));
        let answers = |reply_to: &String| {
            reply_to_fault(reply_to, &self.reserved).is_none()
                && self.engine.policy.get().refuses_answers(&requester, reply_to).is_none()
        };
        let reply_to = incoming.reply_to.clone().filter(answers);
        let origin = Origin { reply_to, ..origin(incoming) };
        Rejection {
            uid,
            at: now,
            requester,
            job_id: job,
            batch_id: batch,
            faults_not_listed: faults.not_listed,
            reasons: reasons.to_string(),
            origin,
            outbound,
            kept,
        }
    }

    fn dead_copy(&self, uid: JobUid, reasons: &str, incoming: &Incoming) -> OutboundMessage {
        let mut headers = properties(incoming, incoming.whole.as_ref());
        headers.insert("x-crossgrant-reasons".into(), reasons.to_owned());
        headers.insert("x-crossgrant-uid".into(), uid.to_string());
        OutboundMessage {
            outgoing: Outgoing {
                message_id: format!("{uid}.dead"),
                exchange: String::new(),
                routing_key: self.dead.clone(),
                correlation_id: incoming.correlation_id.clone(),
                content_type: content_type(incoming),
                headers,
                body: Bytes::clone(&incoming.body),
            },
            event: None,
        }
    }
}

/// The uid of the rejection of a message. It is made of the message and of everything it is judged by, so that a second delivery of
/// it is the same rejection.
pub fn rejection_uid(reason: Reason, requester: &Requester, incoming: &Incoming) -> JobUid {
    let properties =
        json!([requester, incoming.routing_key, incoming.message_id, incoming.reply_to, reason]).to_string();
    let body = incoming.whole.as_ref().map_or(&*incoming.body, |whole| whole.sha256.as_bytes());
    let name = [properties.as_bytes(), body].join(&0);
    JobUid(Uuid::new_v5(&Uuid::NAMESPACE_OID, &name))
}

/// The message of a rejection, as the store keeps it.
fn kept(uid: JobUid, incoming: &Incoming) -> Outgoing {
    let cut = incoming.body.len() > KEPT_BODY;
    let whole = incoming.whole.clone().or_else(|| cut.then(|| WholeBody::of(&incoming.body)));
    Outgoing {
        message_id: format!("{uid}.message"),
        exchange: String::new(),
        routing_key: incoming.routing_key.clone(),
        correlation_id: incoming.correlation_id.clone(),
        content_type: content_type(incoming),
        headers: properties(incoming, whole.as_ref()),
        body: incoming.body.slice(..incoming.body.len().min(KEPT_BODY)),
    }
}

/// The properties of a message as headers. `whole` is what its body was, where that is not there whole.
fn properties(incoming: &Incoming, whole: Option<&WholeBody>) -> BTreeMap<String, String> {
    let properties = [
        ("x-crossgrant-routing-key", Some(incoming.routing_key.clone())),
        ("x-crossgrant-message-id", incoming.message_id.clone()),
        ("x-crossgrant-user-id", incoming.user_id.clone()),
        ("x-crossgrant-reply-to", incoming.reply_to.clone()),
        ("x-crossgrant-app-id", incoming.app_id.clone()),
        ("x-crossgrant-type", incoming.kind.clone()),
        ("x-crossgrant-content-encoding", incoming.content_encoding.clone()),
        ("x-crossgrant-timestamp", incoming.timestamp.map(|seconds| seconds.to_string())),
        ("x-crossgrant-priority", incoming.priority.map(|priority| priority.to_string())),
        (BODY_LENGTH, whole.map(|whole| whole.length.to_string())),
        ("x-crossgrant-body-sha256", whole.map(|whole| whole.sha256.clone())),
    ];
    properties.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect()
}

fn content_type(incoming: &Incoming) -> String {
    incoming.content_type.clone().unwrap_or_else(|| "application/octet-stream".into())
}
