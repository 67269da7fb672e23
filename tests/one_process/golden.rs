//! Stores that earlier formats have left are opened by the program of today, and every job in them ends right: nothing is
//! written twice, nothing is forgotten, and what was to be said is said. `tests/data/golden/README.md` says how they are
//! made.

mod cast;
mod desk;
mod ending;
mod files;
mod making;
mod manifest;
mod post;
mod scene;
mod stage;

use std::collections::BTreeSet;
use std::path::Path;

use crossgrant::engine::record::State;
use ending::Ending;
use files::Backend;
use manifest::{Manifest, folders};

/// All the files of a golden store, in bytes.
const LARGEST: u64 = 1 << 20;

async fn every_job_ends_right(backend: Backend) {
    for folder in folders() {
        let ending = Ending::begin(&folder, backend).await;
        ending.reads_every_field();
        ending.shows_every_job().await;
        ending.works_alone().await;
        ending.is_told().await;
        ending.wrote_what_was_missing();
        ending.publishes_every_message_once(&folder, backend).await;
        ending.knows_its_messages().await;
    }
}

#[tokio::test]
async fn every_job_in_a_file_ends_right() {
    every_job_ends_right(Backend::Sqlite).await;
}

mod in_a_database {
    use super::*;

    #[tokio::test]
    async fn every_job_in_a_database_ends_right() {
        every_job_ends_right(Backend::Postgres).await;
    }
}

#[test]
fn a_golden_store_is_small_and_has_jobs_in_every_state() {
    assert!(!folders().is_empty());
    for folder in folders() {
        let states: BTreeSet<State> = Manifest::read(&folder).jobs.iter().map(|entry| entry.found).collect();
        assert_eq!(states, BTreeSet::from(State::ALL), "{}", folder.display());
        assert!(size(&folder) < LARGEST, "{} has {} bytes", folder.display(), size(&folder));
    }
}

fn size(folder: &Path) -> u64 {
    std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().metadata().unwrap().len()).sum()
}
