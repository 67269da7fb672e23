//! A broker that takes everything and writes down what it got.

use crate::support::outbox::WholeOutbox as _;
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use crossgrant::engine::loops::outbox;
use crossgrant::engine::ports::mail::{Delivered, Lane, Outgoing, PublishError, Publisher};
use tokio::sync::watch;

use super::manifest::line;
use crate::support::plant::Plant;

#[derive(Default)]
struct Post(Mutex<Vec<String>>);

#[async_trait]
impl Publisher for Post {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.0.lock().unwrap().extend(batch.iter().map(line));
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}

/// Publishes what is in the outbox, one lane after the other; what the broker got, in order.
pub async fn published(plant: &Plant) -> Vec<(Lane, Vec<String>)> {
    let mut got = Vec::new();
    for lane in Lane::ALL {
        let post = Arc::new(Post::default());
        let (_stop, stopped) = watch::channel(true);
        outbox::publish(plant.engine.clone(), post.clone(), lane, stopped).await;
        got.push((lane, post.0.lock().unwrap().clone()));
    }
    assert!(plant.store().queued(0, 1).await.is_empty(), "the outbox is empty");
    got
}
