//! The store in a PostgreSQL database, for several workers.
//!
//! Changes of jobs go through one task ([`writer`]), which puts many of them into one transaction of two round trips.
//! Everything else goes over a few connections ([`pool`]). What the workers share is decided by the database: which worker
//! has a lease, by locked rows and the database's clock ([`lease`], [`lease_clock`]); which job is first in a queue, by a
//! lock for the queue ([`instance_queue`]); which worker publishes or sweeps, by locks that end with its connection
//! ([`leader_locks`]). Workers notify each other ([`listener`]) and count each other ([`presence`]). A commit whose answer
//! was lost is answered once its outcome is known ([`outcome`]).

mod batches;
mod change;
mod connection;
mod connector;
mod counts;
mod database_time;
mod dead;
mod definitions;
mod error;
mod examine;
mod feed;
mod group;
mod guards;
mod history;
mod instance_queue;
mod job_rows;
mod leader_locks;
mod lease;
mod lease_clock;
mod listener;
mod lock_keys;
mod open;
mod outbound;
mod outbox;
mod outcome;
mod pool;
mod port;
mod preconditions;
mod presence;
mod probe;
mod query;
mod retention;
mod settings;
mod sweep;
mod take;
mod transaction;
mod wakeups;
mod webhooks;
mod writer;

use std::sync::Arc;
use std::time::Duration;

use tokio::task::AbortHandle;

pub use self::lease_clock::LeaseClock;
pub use self::settings::PostgresSettings;
use self::transaction::Transaction;
use crate::clock::{Clock as _, SystemClock};
use crate::domain::Code;
use crate::engine::ports::store::StoreError;
use crate::store::unreadable::UnreadableRows;

/// The counts of jobs are kept in this many parts for changes, and in as many for messages that are taken in. Workers that
/// share a part wait for each other's commits.
const SHARDS: i16 = 64;

/// A worker that was killed may be started again before the server has noticed. So its name is tried this often.
const NAME_TRIES: usize = 30;
const NAME_PAUSE: Duration = Duration::from_millis(100);

/// A handle to the database. Dropping it finishes the writes that were begun.
pub struct Postgres {
    pool: Arc<pool::Pool>,
    writer: writer::Writer,
    listener: Arc<listener::Listener>,
    listening: AbortHandle,
    leader: leader_locks::LeaderLocks,
    time: Arc<database_time::DatabaseTime>,
    place: String,
    shard: i16,
    unreadable: UnreadableRows,
}

impl std::fmt::Debug for Postgres {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Postgres").field("place", &self.place).finish_non_exhaustive()
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.listening.abort();
    }
}

impl Postgres {
    /// The version of the schema that this program writes.
    pub const SCHEMA: usize = open::MIGRATIONS.len();

    /// Connects, and brings the schema up to date. Leases go by `clock`.
    ///
    /// # Errors
    /// `Unusable` if there is no such database, if it refuses the login, if a newer program has written it, or if another worker has
    /// this name: a worker that starts would release the leases of that one. `Unavailable` if the database cannot be reached or
    /// used, or lacks sessions or rights that are needed.
    pub async fn open(settings: &PostgresSettings, clock: LeaseClock) -> Result<Self, StoreError> {
        let connector = connector::Connector::new(settings)?;
        let (first, second) = (connector.connect_first().await?, connector.connect_first().await?);
        preconditions::own_sessions(&first, &second).await?;
        drop(second);
        open::migrate(&first).await?;
        if let Some(commands) = preconditions::open_to_all(&first).await? {
            tracing::warn!(
                "every role of the server may connect to the database and could hold locks of the worker: run `{commands}` [{}]",
                Code::DatabaseOpen
            );
        }
        drop(first);
        let time = Arc::new(database_time::DatabaseTime::new(clock.clone()));
        let listener = Arc::new(listener::Listener::new(Arc::clone(&time)));
        let listening = listener.connect(&connector).await?;
        // One that may not start is no worker to share with.
        take_name(&listener, &settings.name).await?;
        listener.appear(&listening).await?;
        let pool = Arc::new(pool::Pool::new(connector.clone()));
        let freed = error::retry(|| async {
            let tx = Transaction::begin(&pool).await?;
            let freed = outbox::free_what_waits_for_nothing(&tx).await?;
            tx.commit().await?;
            Ok(freed)
        });
        match freed.await? {
            0 => {}
            replies => tracing::info!(replies, "replies that waited behind no other are tried again"),
        }
        let shard = lock_keys::shard(&settings.name, SHARDS);
        Ok(Self {
            writer: writer::Writer::start(Arc::clone(&pool), Arc::clone(&listener), clock, shard),
            place: connector.place(),
            listening: tokio::spawn(Arc::clone(&listener).run(connector, listening)).abort_handle(),
            pool,
            listener,
            leader: leader_locks::LeaderLocks::default(),
            time,
            shard,
            unreadable: UnreadableRows::default(),
        })
    }

    /// Whether a worker could use the database; changes nothing. Returns the version of its schema, which a worker brings up to
    /// date; 0 if there is none.
    ///
    /// # Errors
    /// As those of [`Postgres::open`], except that a worker may have the name.
    pub async fn examine(settings: &PostgresSettings) -> Result<usize, StoreError> {
        examine::examine(&connector::Connector::new(settings)?).await
    }

    /// Whether a worker has the name of these settings.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be reached.
    pub async fn name_is_taken(settings: &PostgresSettings) -> Result<bool, StoreError> {
        let conn = connector::Connector::new(settings)?.connect().await?;
        Ok(presence::is_held(&conn, lock_keys::name(&settings.name)).await?)
    }

    /// The commands after which only the worker's role may connect to the database; `None` if it is so.
    ///
    /// # Errors
    /// `Unavailable` if the database cannot be reached.
    pub async fn open_to_all(settings: &PostgresSettings) -> Result<Option<String>, StoreError> {
        let conn = connector::Connector::new(settings)?.connect().await?;
        Ok(preconditions::open_to_all(&conn).await?)
    }

    /// The database and its hosts, without secrets.
    pub fn place(&self) -> &str {
        &self.place
    }
}

async fn take_name(listener: &listener::Listener, name: &str) -> Result<(), StoreError> {
    let key = lock_keys::name(name);
    for _ in 1..NAME_TRIES {
        if listener.try_keep_locked(key).await? {
            return Ok(());
        }
        SystemClock.sleep(NAME_PAUSE).await;
    }
    if listener.try_keep_locked(key).await? {
        return Ok(());
    }
    let why = format!(
        "another worker of this database is named {name}, and no two may have the same name; stop that one, or set `[worker] name` \
         of this one"
    );
    Err(StoreError::Unusable(Code::WorkerNameTaken, why))
}
