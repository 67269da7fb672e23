//! A few connections, for reads and for transactions that are not grouped, and what is known of the database's being
//! there.

use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::error::Fault;
use super::outcome::{self, Outcome};
use super::session::{Dialer, NUMBER, Session};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::ports::store::StoreError;

/// At one time. A worker has few loops that ask, and what is in work at the server is bound by its processors; with the
/// writer and the bell this is six connections a worker, so a server of the usual hundred has room for fifteen workers.
const CONNECTIONS: usize = 4;
/// After a connection that failed, the next is tried no sooner than this, doubled each time up to the second.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(1);

/// The connections.
pub(super) struct Pool {
    dialer: Dialer,
    idle: Arc<Mutex<Vec<Session>>>,
    permits: Arc<Semaphore>,
    missing: Mutex<Option<Missing>>,
}

/// A database that cannot be reached.
struct Missing {
    error: StoreError,
    /// By the machine's uptime.
    until: Duration,
    pause: Duration,
}

impl Pool {
    /// A pool without connections yet.
    pub(super) fn new(dialer: Dialer) -> Self {
        Self { dialer, idle: Arc::default(), permits: Arc::new(Semaphore::new(CONNECTIONS)), missing: Mutex::default() }
    }

    /// Opens a connection that is not the pool's. While the database is known to be away, it says so at once: a thousand
    /// callers must not knock on it together.
    pub(super) async fn dial(&self) -> Result<Session, StoreError> {
        if let Some(missing) = self.missing().as_ref().filter(|missing| SystemClock.uptime() < missing.until) {
            return Err(missing.error.clone());
        }
        match self.dialer.dial(None).await {
            Ok(session) => {
                *self.missing() = None;
                Ok(session)
            }
            Err(error) => {
                let mut missing = self.missing();
                let pause = missing.as_ref().map_or(FIRST_PAUSE, |before| (before.pause * 2).min(LONGEST_PAUSE));
                *missing = Some(Missing { error: error.clone(), until: SystemClock.uptime() + pause, pause });
                Err(error)
            }
        }
    }

    fn missing(&self) -> std::sync::MutexGuard<'_, Option<Missing>> {
        self.missing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A connection, to read with.
    pub(super) async fn session(&self) -> Result<Lent, StoreError> {
        let permit = Arc::clone(&self.permits).acquire_owned().await.expect("the semaphore is never closed");
        let kept = loop {
            let next = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            match next {
                Some(session) if session.is_closed() => {}
                other => break other,
            }
        };
        let session = match kept {
            Some(session) => session,
            None => self.dial().await?,
        };
        Ok(Lent { session: Some(session), idle: Arc::clone(&self.idle), fit: true, _permit: permit })
    }

    /// Admission a transaction. Dropping it undoes it.
    pub(super) async fn begin(&self) -> Result<Transaction<'_>, Fault> {
        let mut session = self.session().await?;
        session.fit = false;
        session.prepare(&[NUMBER]).await?;
        let number = session.pipeline().begin().await?;
        Ok(Transaction { session, number, pool: self })
    }
}

/// A connection on loan. One in the middle of something is closed when it comes back, and the server undoes it.
pub(super) struct Lent {
    session: Option<Session>,
    idle: Arc<Mutex<Vec<Session>>>,
    fit: bool,
    _permit: OwnedSemaphorePermit,
}

impl Deref for Lent {
    type Target = Session;

    fn deref(&self) -> &Session {
        self.session.as_ref().expect("it is taken only when the loan ends")
    }
}

impl Drop for Lent {
    fn drop(&mut self) {
        if let Some(session) = self.session.take()
            && self.fit
            && !session.is_closed()
        {
            self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(session);
        }
    }
}

/// A transaction.
pub(super) struct Transaction<'a> {
    session: Lent,
    number: String,
    pool: &'a Pool,
}

impl Deref for Transaction<'_> {
    type Target = Session;

    fn deref(&self) -> &Session {
        &self.session
    }
}

impl Transaction<'_> {
    /// Commits; if the answer is lost, finds out first what became of it.
    pub(super) async fn commit(mut self) -> Result<(), Fault> {
        match self.session.batch("COMMIT").await {
            Ok(()) => {
                self.session.fit = true;
                Ok(())
            }
            Err(Fault::Store(StoreError::Unavailable(why))) => match outcome::of(&self.number, self.pool).await {
                Outcome::Committed => Ok(()),
                Outcome::Undone => Err(StoreError::Unavailable(why).into()),
            },
            Err(fault) => Err(fault),
        }
    }
}
