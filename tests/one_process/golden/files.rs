//! The files of a golden store: how a store of today becomes one, and how a copy of one is opened.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;

use crossgrant::engine::ports::store::Store;
use crossgrant::store::{LeaseClock, Postgres, PostgresSettings, Sqlite};
use rusqlite::Connection;
use serde_json::Value;

use super::manifest::read;
use super::stage::WORKER;
use crate::support::postgres::{Cluster, Database};

/// Which backend.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    Sqlite,
    Postgres,
}

/// A store in a place of its own, which goes with it.
pub struct Kept {
    pub store: Arc<dyn Store>,
    place: Place,
}

enum Place {
    Folder(tempfile::TempDir),
    Database(Database),
}

impl Backend {
    pub const BOTH: [Self; 2] = [Self::Sqlite, Self::Postgres];

    /// The file that holds the store.
    pub fn file(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite.db",
            Self::Postgres => "postgres.sql",
        }
    }

    /// The file that lists what the store has still to publish, in order.
    pub fn outbox(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite-outbox.txt",
            Self::Postgres => "postgres-outbox.txt",
        }
    }

    /// The file that lists what the store holds as undeliverable, in order.
    pub fn undeliverable(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite-undeliverable.txt",
            Self::Postgres => "postgres-undeliverable.txt",
        }
    }

    /// An empty store.
    pub async fn empty(self) -> Kept {
        self.open(None).await
    }

    /// A copy of the golden store in `folder`.
    pub async fn copy(self, folder: &Path) -> Kept {
        self.open(Some(folder)).await
    }

    async fn open(self, golden: Option<&Path>) -> Kept {
        match self {
            Self::Sqlite => {
                let dir = tempfile::tempdir().unwrap();
                let path = in_folder(&dir);
                if let Some(golden) = golden {
                    std::fs::copy(golden.join(self.file()), &path).unwrap();
                }
                Kept { store: Arc::new(Sqlite::open(&path).unwrap()), place: Place::Folder(dir) }
            }
            Self::Postgres => {
                let database = Cluster::shared().database();
                if let Some(golden) = golden {
                    let quiet = ["--no-psqlrc", "--quiet", "--output=/dev/null", "--set=ON_ERROR_STOP=1", "--file"];
                    run(Command::new("psql").args(quiet).arg(golden.join(self.file())).arg(database.url()));
                }
                let url = database.url().into();
                let settings = PostgresSettings { url, password: None, ca_pem: None, name: WORKER.into() };
                let store = Postgres::open(&settings, LeaseClock::Callers).await.unwrap();
                Kept { store: Arc::new(store), place: Place::Database(database) }
            }
        }
    }
}

impl Kept {
    /// The records of all jobs, as they are written in the store.
    pub fn records(&self) -> Vec<Value> {
        let texts: Vec<String> = match &self.place {
            Place::Folder(dir) => {
                let conn = Connection::open(in_folder(dir)).unwrap();
                let mut select = conn.prepare("SELECT record FROM jobs ORDER BY uid").unwrap();
                let rows = select.query_map([], |row| row.get(0)).unwrap();
                rows.collect::<Result<_, _>>().unwrap()
            }
            Place::Database(database) => {
                let select = "SELECT record FROM crossgrant.jobs ORDER BY uid";
                let rows = run(Command::new("psql").args(["-AtX", "-c", select, &database.url()]));
                rows.lines().map(str::to_owned).collect()
            }
        };
        texts.iter().map(|text| serde_json::from_str(text).unwrap()).collect()
    }

    /// Closes the store and writes it into a folder.
    pub fn write(self, folder: &Path) {
        // Closed with its last owner: the log of SQLite is then in the file.
        assert_eq!(Arc::strong_count(&self.store), 1);
        drop(self.store);
        match self.place {
            Place::Folder(dir) => {
                let path = in_folder(&dir);
                // Most tables hold a few rows: with pages of the usual size the file would be half as large again.
                let small = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 1024; VACUUM";
                Connection::open(&path).unwrap().execute_batch(small).unwrap();
                std::fs::copy(path, folder.join(Backend::Sqlite.file())).unwrap();
            }
            Place::Database(database) => {
                let bare = ["--no-owner", "--no-privileges", "--no-comments", "--schema=crossgrant"];
                let dump = run(Command::new("pg_dump").args(bare).arg(database.url()));
                std::fs::write(folder.join(Backend::Postgres.file()), plain(&dump)).unwrap();
            }
        }
    }
}

fn in_folder(dir: &tempfile::TempDir) -> PathBuf {
    dir.path().join("jobs.db")
}

/// A dump without what names the programs that made it, and without the settings that other versions do not know.
fn plain(dump: &str) -> String {
    let mut plain = String::new();
    let mut data = false;
    for line in dump.lines() {
        let noise = ["--", "\\restrict", "\\unrestrict", "SET ", "SELECT pg_catalog.set_config"];
        if data || !(line.is_empty() || noise.iter().any(|noise| line.starts_with(noise))) {
            plain.push_str(line);
            plain.push('\n');
        }
        data = if data { line != "\\." } else { line.starts_with("COPY ") };
    }
    plain
}

fn run(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap()
}

/// A list beside a golden store, line by line.
pub fn lines(folder: &Path, name: &str) -> Vec<String> {
    read(folder, name).lines().map(str::to_owned).collect()
}
