//! What workers tell each other: that there is something to do, and who of them does it.
//!
//! One connection listens and rings. What it hears is only a hint: every few seconds, and whenever the connection had to be
//! made anew, it acts as if everything had been rung, so a notification that was lost costs those seconds and nothing
//! else. With the same look it counts the workers ([`presence`]). It rings after the commit, not in it: a server lets only
//! one transaction at a time notify, and holds the others up until that one is on disk.
//!
//! The same connection holds the locks by which the workers share out what only one of them is to do. They end with it,
//! so whatever happens to a worker, another can go on.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, mpsc};

use super::presence;
use super::session::{Dialer, Session};
use crate::clock::{Clock as _, SystemClock};
use crate::engine::ports::store::{StoreError, Wakeup};

/// Where everybody listens.
const LISTEN: &str = "LISTEN crossgrant";
const NOTIFY: &str = "SELECT pg_notify('crossgrant', $1)";
/// As if everything had been rung, so often.
pub(super) const POLL: Duration = Duration::from_secs(5);
/// Between two rings: what comes meanwhile rings once. Others would only look more often, and find a part each time.
const SPACING: Duration = Duration::from_millis(20);
/// Notifications that wait to be looked at; they are a few bits each, so more would say nothing new.
const WAITING: usize = 64;
/// After a connection that failed.
const FIRST_PAUSE: Duration = Duration::from_millis(50);
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The class of its locks: "CrGr", and two more.
pub(super) const CLASS: i32 = 0x4372_4774;

const ALL: Wakeup = Wakeup { work: true, mail: true, hours: true, workers: false };

/// Bits that are raised by one and taken by another.
#[derive(Default)]
struct Flags {
    raised: Mutex<Wakeup>,
    news: Notify,
}

impl Flags {
    fn raise(&self, more: Wakeup) {
        if more == Wakeup::default() {
            return;
        }
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.work |= more.work;
        raised.mail |= more.mail;
        raised.hours |= more.hours;
        raised.workers |= more.workers;
        self.news.notify_one();
    }

    async fn take(&self) -> Wakeup {
        loop {
            let raised = std::mem::take(&mut *self.raised.lock().unwrap_or_else(PoisonError::into_inner));
            if raised != Wakeup::default() {
                return raised;
            }
            self.news.notified().await;
        }
    }
}

/// The bell of one worker.
pub(super) struct Bell {
    session: Mutex<Option<Arc<Session>>>,
    heard: Flags,
    rung: Flags,
    /// Locks to hold again when the connection was made anew.
    kept: Mutex<BTreeSet<i32>>,
    /// How many workers there were when they were counted last, and that they are to be counted now.
    workers: AtomicU32,
    recount: Notify,
}

impl Bell {
    /// A bell that rings nobody until it runs.
    pub(super) fn new() -> Self {
        Self {
            session: Mutex::default(),
            heard: Flags::default(),
            rung: Flags::default(),
            kept: Mutex::default(),
            workers: AtomicU32::new(1),
            recount: Notify::new(),
        }
    }

    /// How many workers there are.
    pub(super) fn workers(&self) -> u32 {
        self.workers.load(Ordering::Relaxed)
    }

    /// Rings the others.
    pub(super) fn ring(&self, what: Wakeup) {
        self.rung.raise(what);
    }

    /// Returns when another may have rung.
    pub(super) async fn wakeup(&self) -> Wakeup {
        self.heard.take().await
    }

    /// Connects; the connection is for [`Bell::run`].
    pub(super) async fn connect(&self, dialer: &Dialer) -> Result<Ears, StoreError> {
        let (heard, ears) = mpsc::channel(WAITING);
        let session = Arc::new(dialer.dial(Some(heard)).await?);
        session.batch(LISTEN).await?;
        presence::begin(&session).await?;
        self.count(&session).await?;
        // Before this one calls the cloud, the others make room for it.
        self.ring(Wakeup { workers: true, ..Wakeup::default() });
        *self.current() = Some(Arc::clone(&session));
        let kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner).clone();
        for key in kept {
            if !self.hold(key).await? {
                tracing::error!(
                    "another worker took the name of this one while its connection was lost; stop one of them"
                );
            }
        }
        Ok(Ears { session, ears })
    }

    /// Listens and rings for ever, connecting anew when the connection is lost.
    pub(super) async fn run(self: Arc<Self>, dialer: Dialer, mut ears: Ears) {
        let mut pause = FIRST_PAUSE;
        loop {
            self.live(&mut ears).await;
            *self.current() = None;
            tracing::warn!("the connection to the other workers is lost; connects again");
            ears = loop {
                SystemClock.sleep(pause).await;
                pause = (pause * 2).min(LONGEST_PAUSE);
                match self.connect(&dialer).await {
                    Ok(ears) => break ears,
                    Err(error) => tracing::debug!(%error, "cannot connect to the other workers yet"),
                }
            };
            pause = FIRST_PAUSE;
            // Whatever was rung meanwhile was not heard.
            self.heard.raise(ALL);
        }
    }

    /// Returns when the connection is lost.
    async fn live(&self, ears: &mut Ears) {
        let Ears { session, ears } = ears;
        let listen = async {
            while let Some((process, payload)) = ears.recv().await {
                if process == session.process {
                    continue;
                }
                let what = read(&payload);
                if what.workers {
                    self.recount.notify_one();
                }
                self.heard.raise(Wakeup { workers: false, ..what });
            }
        };
        let poll = async {
            loop {
                tokio::select! {
                    () = SystemClock.sleep(POLL) => self.heard.raise(ALL),
                    () = self.recount.notified() => {}
                }
                if let Err(error) = self.count(session).await {
                    tracing::debug!(%error, "cannot count the workers");
                }
            }
        };
        let ring = async {
            loop {
                let what = self.rung.take().await;
                if session.execute(NOTIFY, &[&write(what)]).await.is_err() {
                    self.rung.raise(what);
                    return;
                }
                SystemClock.sleep(SPACING).await;
            }
        };
        tokio::select! {
            () = listen => {}
            () = poll => {}
            () = ring => {}
        }
    }

    /// Counts the workers, which also shows them that this one lives.
    async fn count(&self, session: &Session) -> Result<(), StoreError> {
        let workers = presence::count(session).await?;
        if self.workers.swap(workers, Ordering::Relaxed) != workers {
            self.heard.raise(Wakeup { workers: true, ..Wakeup::default() });
        }
        Ok(())
    }

    /// Takes a lock for as long as the connection lasts, if nobody else has it. Whoever has it keeps it.
    pub(super) async fn hold(&self, key: i32) -> Result<bool, StoreError> {
        let session = self.session()?;
        let mut locks = session.locks.lock().await;
        if locks.contains(&key) {
            return Ok(true);
        }
        let row = session.query_one("SELECT pg_try_advisory_lock($1, $2)", &[&CLASS, &key]).await;
        let held = row.map_err(StoreError::from)?.get(0);
        if held {
            locks.insert(key);
        }
        Ok(held)
    }

    /// Takes a lock as [`Bell::hold`] does, and again whenever the connection was made anew.
    pub(super) async fn keep(&self, key: i32) -> Result<bool, StoreError> {
        let held = self.hold(key).await?;
        if held {
            self.kept.lock().unwrap_or_else(PoisonError::into_inner).insert(key);
        }
        Ok(held)
    }

    /// Gives a lock up.
    pub(super) async fn release(&self, key: i32) -> Result<(), StoreError> {
        let session = self.session()?;
        let mut locks = session.locks.lock().await;
        if locks.remove(&key) {
            session.query("SELECT pg_advisory_unlock($1, $2)", &[&CLASS, &key]).await?;
        }
        Ok(())
    }

    fn session(&self) -> Result<Arc<Session>, StoreError> {
        let session = self.current().clone().filter(|session| !session.is_closed());
        session.ok_or_else(|| StoreError::Unavailable("the connection to the other workers is lost".into()))
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Arc<Session>>> {
        self.session.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a bell hears with.
pub(super) struct Ears {
    session: Arc<Session>,
    ears: mpsc::Receiver<(i32, String)>,
}

fn write(what: Wakeup) -> String {
    let outbound = [(what.work, 'w'), (what.mail, 'm'), (what.hours, 'h'), (what.workers, 'c')];
    outbound.iter().filter(|(raised, _)| *raised).map(|(_, letter)| letter).collect()
}

fn read(payload: &str) -> Wakeup {
    let has = |letter| payload.contains(letter);
    Wakeup { work: has('w'), mail: has('m'), hours: has('h'), workers: has('c') }
}

/// A lock for a name: of what sort, and which of them.
pub(super) fn key(sort: &str, name: &str) -> i32 {
    use sha2::{Digest as _, Sha256};
    let hash = Sha256::digest(format!("{sort} {name}").as_bytes());
    i32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_rung_is_what_is_heard() {
        for bits in 0..16 {
            let what = Wakeup { work: bits & 1 > 0, mail: bits & 2 > 0, hours: bits & 4 > 0, workers: bits & 8 > 0 };
            assert_eq!(read(&write(what)), what);
        }
    }

    #[tokio::test]
    async fn rings_before_anybody_listens_are_one() {
        let flags = Flags::default();
        flags.raise(Wakeup { work: true, ..Wakeup::default() });
        flags.raise(Wakeup { mail: true, ..Wakeup::default() });
        assert_eq!(flags.take().await, Wakeup { work: true, mail: true, ..Wakeup::default() });
        flags.raise(Wakeup::default());
        let nothing = tokio::time::timeout(Duration::from_millis(1), flags.take()).await;
        assert!(nothing.is_err());
    }
}
