//! The outbox keeps up with what comes: on a clock that stands still, so that a pause would never end.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use crossgrant::engine::loops::outbox;
use crossgrant::engine::ports::mail::{Delivered, Outgoing, PublishError, Publisher};
use tokio::sync::{mpsc, watch};

use crate::support::plant::{Plant, grant};

/// Enough for each of the moments between two reads of the outbox to be met by a message that comes just then.
const MESSAGES: usize = 1_000;

struct Sent(mpsc::UnboundedSender<usize>);

#[async_trait]
impl Publisher for Sent {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.0.send(batch.len()).unwrap();
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_comes_while_the_last_one_leaves_goes_out_without_a_pause() {
    let plant = Plant::new().await;
    let (sender, mut sent) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    let publishing = tokio::spawn(outbox::publish(Arc::clone(&plant.engine), Arc::new(Sent(sender)), stopped));
    let all = async {
        for n in 0..MESSAGES {
            plant.send(&grant(&format!("g{n}"), "vpc-bp1h8vbrbcgohcju50001")).await;
        }
        let mut published = 0;
        while published < MESSAGES {
            published += sent.recv().await.unwrap();
        }
    };
    tokio::time::timeout(Duration::from_secs(60), all).await.expect("nothing waits for a pause");
    publishing.abort();
}
