//! The way out: terminal events as the peers' completions. What publishes them, and confirms, is the worker's own.

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};

use super::jobs::DONE;

/// Publishes every event as a completion.
pub struct Completions<P>(pub P);

#[async_trait]
impl<P: Publisher> Publisher for Completions<P> {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        let batch: Vec<Outgoing> = batch.iter().map(completion).collect();
        self.0.publish(&batch).await
    }
}

/// An event, whole, behind the `jobId` of its job, to the queue itself.
fn completion(event: &Outgoing) -> Outgoing {
    let id = serde_json::Value::from(event.correlation_id.as_deref()).to_string();
    let body = [br#"{"jobId":"#, id.as_bytes(), br#","event":"#, &event.body, b"}"].concat();
    Outgoing {
        exchange: String::new(),
        routing_key: DONE.into(),
        content_type: "application/json".into(),
        body: Bytes::from(body),
        ..event.clone()
    }
}
