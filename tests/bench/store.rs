//! Where workers keep their jobs: an SQLite file of the round, or a database of a PostgreSQL cluster of our own.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context as _, Result, ensure};
use crossgrant::clock::SystemClock;
use crossgrant::engine::ports::store::Store;
use crossgrant::store::{LeaseClock, Postgres, PostgresSettings, Sqlite};
use tokio_postgres::NoTls;

use crate::support::postgres::{Cluster, Database};

/// What keeps the jobs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    Sqlite,
    Postgres,
}

impl Engine {
    /// As it is called on the command line and in the figures.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }
}

/// One store.
pub enum Place {
    File(PathBuf),
    Database(Database),
}

impl Place {
    /// An empty one. `dir` is where files go, `cluster` where databases do.
    pub fn new(dir: &Path, cluster: Option<&Arc<Cluster>>) -> Self {
        match cluster {
            None => Self::File(dir.join("crossgrant.db")),
            Some(cluster) => Self::Database(cluster.database()),
        }
    }

    /// One that begins as a copy of this, which no worker uses.
    pub async fn copy(&self, dir: &Path, cluster: Option<&Arc<Cluster>>) -> Result<Self> {
        let copy = Self::new(dir, cluster);
        match (self, &copy) {
            (Self::File(from), Self::File(to)) => {
                std::fs::copy(from, to)?;
            }
            (Self::Database(from), Self::Database(to)) => {
                let (from, to) = (name(&from.url())?, name(&to.url())?);
                let alone = format!(
                    "SELECT pg_terminate_backend(pid, 10000) FROM pg_stat_activity WHERE datname = '{from}'; CHECKPOINT"
                );
                for sql in [&alone, &format!("DROP DATABASE {to}"), &format!("CREATE DATABASE {to} TEMPLATE {from}")] {
                    self.run(sql).await?;
                }
            }
            _ => anyhow::bail!("a copy is of the same kind"),
        }
        Ok(copy)
    }

    /// A statement that is about databases, not about what is in one.
    async fn run(&self, sql: &str) -> Result<()> {
        let Self::Database(database) = self else { return Ok(()) };
        let url = database.url();
        let url = url.replacen(&format!("/{}?", name(&url)?), "/postgres?", 1);
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        let connection = tokio::spawn(connection);
        client.batch_execute(sql).await.with_context(|| sql.to_owned())?;
        drop(client);
        Ok(connection.await??)
    }

    /// The line of the configuration.
    pub fn setting(&self) -> String {
        match self {
            Self::File(path) => format!("store.path = {path:?}"),
            Self::Database(database) => format!("store.url = {:?}", database.url()),
        }
    }

    /// Opens it for us, while no worker uses it.
    pub async fn open(&self) -> Result<Arc<dyn Store>> {
        Ok(match self {
            Self::File(path) => Arc::new(Sqlite::open(path)?),
            Self::Database(database) => {
                let settings = PostgresSettings {
                    url: database.url().into(),
                    password: None,
                    ca_pem: None,
                    name: "bench itself".into(),
                };
                Arc::new(Postgres::open(&settings, LeaseClock::Database(Arc::new(SystemClock))).await?)
            }
        })
    }
}

/// The name of a database in its URL.
fn name(url: &str) -> Result<String> {
    let name = url.rsplit('/').next().and_then(|rest| rest.split('?').next()).unwrap_or_default();
    ensure!(!name.is_empty(), "no database in {url}");
    Ok(name.to_owned())
}
