//! Makes the next golden store, by the code of this very commit.

use crate::support::outbox::WholeOutbox as _;
use std::fs;
use std::path::Path;
use std::time::Duration;

use crossgrant::clock::later;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::{OutboxRow, Settlement};
use jiff::Timestamp;

use super::files::{Backend, Kept};
use super::manifest::{folders, line, root};
use super::stage::{Left, play};

/// Until the worker tries again what a queue has refused.
const RETRY: Duration = Duration::from_secs(30);

#[tokio::test]
#[ignore = "writes the next golden store: see tests/data/golden/README.md"]
async fn the_next_golden_store() {
    let folder = root().join(format!("{:04}", folders().len() + 1));
    fs::create_dir(&folder).unwrap();
    let (mut worlds, mut stopped_at) = (Vec::new(), Timestamp::MIN);
    for backend in Backend::BOTH {
        let kept = backend.empty().await;
        let Left { mut manifest, world } = play(kept.store.clone()).await;
        let queued = kept.store.queued(0, 10_000).await;
        a_queue_refuses(&kept, &queued, manifest.stopped_at).await;
        let queued = queued.into_iter().map(|row| row.outgoing);
        let aside = kept.store.undeliverable(0, 10_000).await.unwrap().into_iter().map(|row| row.outgoing);
        let (outbox, undeliverable): (Vec<_>, Vec<_>) = (queued.collect(), aside.collect());
        for (name, messages) in [(backend.outbox(), outbox), (backend.undeliverable(), undeliverable)] {
            let lines: String = messages.iter().map(|message| line(message) + "\n").collect();
            write(&folder, name, &lines);
        }
        kept.write(&folder);
        // Retries come a little sooner or later by chance of the job.
        stopped_at = manifest.stopped_at.max(stopped_at);
        manifest.stopped_at = stopped_at;
        write(&folder, "jobs.toml", &toml::to_string(&manifest).unwrap());
        write(&folder, "world.toml", &world);
        worlds.push(world);
    }
    assert_eq!(worlds[0], worlds[1], "both stores are of one world");
}

/// The queue of one requester has no room for the oldest reply to it, and the others stay behind that one.
async fn a_queue_refuses(kept: &Kept, queued: &[OutboxRow], at: Timestamp) {
    let first = queued.iter().find(|row| row.outgoing.routing_key == "answers.billing").unwrap();
    let settlement = Settlement { refused: vec![(first.number, later(at, RETRY))], ..Settlement::default() };
    kept.store.settle(Lane::Replies, &settlement).await.unwrap();
}

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}
