//! Makes the next golden store, by the code of this very commit.

use crate::support::outbox::WholeOutbox as _;
use std::fs;
use std::path::Path;

use jiff::Timestamp;

use super::files::Backend;
use super::manifest::{folders, line, root};
use super::stage::{Left, play};

#[tokio::test]
#[ignore = "writes the next golden store: see tests/data/golden/README.md"]
async fn the_next_golden_store() {
    let folder = root().join(format!("{:04}", folders().len() + 1));
    fs::create_dir(&folder).unwrap();
    let (mut worlds, mut stopped_at) = (Vec::new(), Timestamp::MIN);
    for backend in Backend::BOTH {
        let kept = backend.empty().await;
        let Left { mut manifest, world } = play(kept.store.clone()).await;
        let queued = kept.store.queued(0, 10_000).await.into_iter().map(|row| row.outgoing);
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

fn write(folder: &Path, name: &str, text: &str) {
    fs::write(folder.join(name), text).unwrap();
}
