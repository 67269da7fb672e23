//! How the workers of one database tell each other that there is something to do, and share out what only one of them
//! may do.
//!
//! One connection listens and notifies. A notification is only a hint: every few seconds, and whenever it had to connect
//! again, a worker acts as if it had been notified of everything. A lost notification costs those seconds and nothing else.
//! At the same time the workers are counted ([`presence`]). A worker notifies after its commit and not in it: a server lets
//! only one transaction at a time notify, and holds up the others until that one is on disk.
//!
//! The same connection holds the locks of what only one worker may do. They end with it, so that another can go on whatever
//! happens to a worker.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::connection::Connection;
use super::connector::{Connector, Notification};
use super::database_time::DatabaseTime;
use super::lock_keys::WORKER_CLASS;
use super::presence::{self, Counted, Strangers};
use super::wakeups::{self, Wakeups};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::ports::store::{StoreError, Wakeup};

const LISTEN: &str = "LISTEN crossgrant";
const NOTIFY: &str = "SELECT pg_notify('crossgrant', $1)";
/// How long to wait between two notifications. More of them would make the others look more often and find less.
const SPACING: Duration = Duration::from_millis(20);
/// How long to wait after a connection that failed: doubled each time, up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

const ALL: Wakeup = Wakeup { work: true, mail: true, sweep: true, workers: false };

/// One worker's listener.
pub(super) struct Listener {
    /// Hears the database's time.
    time: Arc<DatabaseTime>,
    conn: Mutex<Option<Arc<Connection>>>,
    /// Wake-ups for this worker.
    incoming: Wakeups,
    /// Wake-ups for the other workers.
    outgoing: Wakeups,
    /// Locks to take again after it had to connect again.
    kept: Mutex<BTreeSet<i32>>,
    /// How many workers there were when they were last counted.
    workers: AtomicU32,
    strangers: Mutex<Strangers>,
    recount: Notify,
}

/// The connection of a listener, and the notifications that it receives.
pub(super) struct Listening {
    conn: Arc<Connection>,
    notifications: mpsc::Receiver<Notification>,
}

impl Listener {
    /// A listener that notifies nothing until it runs.
    pub(super) fn new(time: Arc<DatabaseTime>) -> Self {
        Self {
            time,
            conn: Mutex::default(),
            incoming: Wakeups::default(),
            outgoing: Wakeups::default(),
            kept: Mutex::default(),
            workers: AtomicU32::new(1),
            strangers: Mutex::default(),
            recount: Notify::new(),
        }
    }

    /// How many workers there are, this one included.
    pub(super) fn workers(&self) -> u32 {
        self.workers.load(Ordering::Relaxed)
    }

    /// Notifies the other workers, soon.
    pub(super) fn notify(&self, wakeup: Wakeup) {
        self.outgoing.raise(wakeup);
    }

    /// Returns when another worker may have changed something.
    pub(super) async fn wakeup(&self) -> Wakeup {
        self.incoming.take().await
    }

    /// Connects again.
    async fn connect_again(&self, connector: &Connector) -> Result<Listening, StoreError> {
        let listening = self.connect(connector).await?;
        self.appear(&listening).await?;
        Ok(listening)
    }

    /// Makes this worker count, and counts. Before it makes a call, the others must leave a part of the API's rates to it.
    pub(super) async fn appear(&self, Listening { conn, .. }: &Listening) -> Result<(), StoreError> {
        presence::begin(conn).await?;
        self.count(conn).await?;
        self.notify(Wakeup { workers: true, ..Wakeup::default() });
        Ok(())
    }

    /// Connects; the result is for [`Listener::appear`] and [`Listener::run`]. The worker does not count yet.
    pub(super) async fn connect(&self, connector: &Connector) -> Result<Listening, StoreError> {
        let (conn, notifications) = connector.connect_to_listen().await?;
        let conn = Arc::new(conn);
        conn.batch(LISTEN).await?;
        *self.current() = Some(Arc::clone(&conn));
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for key in kept {
            if !self.try_lock(key).await? {
                tracing::error!(
                    "another worker took the name of this one while its connection was lost; stop one of them"
                );
            }
        }
        Ok(Listening { conn, notifications })
    }

    /// Listens and notifies for ever; connects again whenever the connection is lost.
    pub(super) async fn run(self: Arc<Self>, connector: Connector, mut listening: Listening) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.serve(&mut listening).await;
            *self.current() = None;
            tracing::warn!("lost the connection to the other workers; connects again");
            listening = loop {
                SystemClock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                match self.connect_again(&connector).await {
                    Ok(listening) => break listening,
                    Err(error) => tracing::debug!(%error, "cannot connect to the other workers yet"),
                }
            };
            pause = FIRST_PAUSE;
            // Notifications sent meanwhile are lost.
            self.incoming.raise(ALL);
        }
    }

    /// Returns when the connection is lost.
    async fn serve(&self, Listening { conn, notifications }: &mut Listening) {
        let listen = async {
            while let Some((process, payload)) = notifications.recv().await {
                if process == conn.process {
                    continue;
                }
                let wakeup = wakeups::read(&payload);
                if wakeup.workers {
                    self.recount.notify_one();
                }
                self.incoming.raise(Wakeup { workers: false, ..wakeup });
            }
        };
        let poll = async {
            loop {
                tokio::select! {
                    () = SystemClock.sleep(presence::POLL) => self.incoming.raise(ALL),
                    () = self.recount.notified() => {}
                }
                if let Err(error) = self.count(conn).await {
                    tracing::debug!(%error, "cannot count the workers");
                }
            }
        };
        let notify = async {
            loop {
                let wakeup = self.outgoing.take().await;
                if conn.execute(NOTIFY, &[&wakeups::write(wakeup)]).await.is_err() {
                    self.outgoing.raise(wakeup);
                    return;
                }
                SystemClock.sleep(SPACING).await;
            }
        };
        tokio::select! {
            () = listen => {}
            () = poll => {}
            () = notify => {}
        }
    }

    /// Counts the workers, which shows the others that this one is alive.
    async fn count(&self, conn: &Connection) -> Result<(), StoreError> {
        let Counted { workers, strangers } = presence::count(conn, &self.time).await?;
        let news = self.strangers.lock().unwrap_or_else(PoisonError::into_inner).news(strangers);
        for session in news {
            tracing::warn!(
                session,
                "a session of the database that is no worker's holds locks of workers, so events or jobs may wait for it: end it \
                 with pg_terminate_backend, and let only roles of workers connect"
            );
        }
        if self.workers.swap(workers, Ordering::Relaxed) != workers {
            self.incoming.raise(Wakeup { workers: true, ..Wakeup::default() });
        }
        Ok(())
    }

    /// Takes a lock for as long as the connection lasts. Returns false if another worker holds it, true if this one does.
    pub(super) async fn try_lock(&self, key: i32) -> Result<bool, StoreError> {
        let conn = self.connection()?;
        let mut locks = conn.locks.lock().await;
        if locks.contains(&key) {
            return Ok(true);
        }
        let row = conn.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&WORKER_CLASS, &key]).await;
        let locked = row.map_err(StoreError::from)?.get(0);
        if locked {
            locks.insert(key);
        }
        Ok(locked)
    }

    /// Takes a lock as [`Listener::try_lock`] does, and takes it again whenever it had to connect again.
    pub(super) async fn try_keep_locked(&self, key: i32) -> Result<bool, StoreError> {
        let locked = self.try_lock(key).await?;
        if locked {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        Ok(locked)
    }

    pub(super) async fn unlock(&self, key: i32) -> Result<(), StoreError> {
        let conn = self.connection()?;
        let mut locks = conn.locks.lock().await;
        if locks.remove(&key) {
            conn.query("SELECT pg_advisory_unlock($1, $2)", &[&WORKER_CLASS, &key]).await?;
        }
        Ok(())
    }

    fn connection(&self) -> Result<Arc<Connection>, StoreError> {
        let conn = self.current().clone().filter(|conn| !conn.is_closed());
        conn.ok_or_else(|| StoreError::Unavailable("the connection to the other workers is lost".into()))
    }

    fn current(&self) -> MutexGuard<'_, Option<Arc<Connection>>> {
        self.conn.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
