//! Group commit: one thread writes, and puts whatever waits into one physical commit.
//!
//! A disk makes a few hundred to some ten thousand commits a second, whatever is in them; so those that come while one is
//! being made share the next, and on a busy processor those who are about to bring one are let run before ([`gather`]).
//! A logical transaction that fails is undone without the others noticing ([`transaction`]). Nobody is answered before
//! the physical commit: an answer given earlier could be taken back by a power cut. If the physical commit fails, all who
//! shared it are told so, and the next group starts on a new connection: after an I/O error nothing the old one remembers
//! of the file can be trusted.

use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::open;
use super::transaction::{Transaction, commit};
use crate::engine::ports::store::StoreError;

/// Callers beyond these wait before they queue.
const QUEUE: usize = 1024;
/// Logical transactions in one physical commit.
const GROUP: usize = 256;

/// A logical transaction on its way. It may be run twice; the last run counts.
pub(super) trait Task: Send {
    /// Does its work.
    fn run(&mut self, tx: &Transaction<'_>);
    /// Tells the caller what came of the work and of the physical commit.
    fn answer(self: Box<Self>, outcome: &Result<(), StoreError>);
}

struct Asked<T, W> {
    work: W,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: Fn(&Transaction<'_>) -> Result<T, StoreError> + Send> Task for Asked<T, W> {
    fn run(&mut self, tx: &Transaction<'_>) {
        self.result = Some(tx.part(|| (self.work)(tx), |_| true));
    }

    fn answer(self: Box<Self>, outcome: &Result<(), StoreError>) {
        let result = match (self.result, outcome) {
            (Some(Ok(done)), Ok(())) => Ok(done),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (None, Ok(())) => Err(StoreError::Unavailable("the writer passed it over".into())),
        };
        // A caller that went away has no use for the answer.
        let _ = self.reply.send(result);
    }
}

/// The way to the thread. Dropping it waits until what is queued is done.
pub(super) struct Writer {
    tasks: Option<mpsc::Sender<Box<dyn Task>>>,
    thread: Option<JoinHandle<()>>,
    #[cfg(test)]
    groups: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl fmt::Debug for Writer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Writer").finish_non_exhaustive()
    }
}

impl Writer {
    /// Starts the thread. With a path it can reopen the file after an error.
    pub(super) fn start(conn: Connection, path: Option<&Path>) -> Result<Self, StoreError> {
        let (tasks, queue) = mpsc::channel(QUEUE);
        #[cfg(test)]
        let groups = std::sync::Arc::default();
        let mut thread = Thread {
            conn: Some(conn),
            path: path.map(Path::to_owned),
            #[cfg(test)]
            groups: std::sync::Arc::clone(&groups),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.run(queue))
            .map_err(|e| StoreError::Unavailable(format!("cannot start the writer: {e}")))?;
        Ok(Self {
            tasks: Some(tasks),
            thread: Some(thread),
            #[cfg(test)]
            groups,
        })
    }

    /// Runs `work` as one logical transaction; an error undoes all it did. Returns after the physical commit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&Transaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task: Box<dyn Task> = Box::new(Asked { work, result: None, reply });
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        self.tasks.as_ref().ok_or_else(stopped)?.send(task).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }

    /// How many physical commits were tried.
    #[cfg(test)]
    pub(super) fn groups(&self) -> usize {
        self.groups.load(std::sync::atomic::Ordering::SeqCst)
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.tasks = None;
        if let Some(thread) = self.thread.take() {
            // It panicked already, and said so, if this fails.
            let _ = thread.join();
        }
    }
}

struct Thread {
    conn: Option<Connection>,
    path: Option<PathBuf>,
    #[cfg(test)]
    groups: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl Thread {
    fn run(&mut self, mut queue: mpsc::Receiver<Box<dyn Task>>) {
        while let Some(first) = queue.blocking_recv() {
            self.write(gather(first, &mut queue));
        }
    }

    fn write(&mut self, mut group: Vec<Box<dyn Task>>) {
        #[cfg(test)]
        self.groups.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let outcome = self.connection().and_then(|conn| commit(conn, &mut group));
        if outcome.is_err() {
            self.recover();
        }
        for task in group {
            task.answer(&outcome);
        }
    }

    fn connection(&mut self) -> Result<&Connection, StoreError> {
        if self.conn.is_none()
            && let Some(path) = &self.path
        {
            let conn = open::connect(path)?;
            open::check(&conn)?;
            self.conn = Some(conn);
        }
        self.conn.as_ref().ok_or_else(|| StoreError::Unavailable("there is no database".into()))
    }

    /// Leaves no transaction open behind a failed commit.
    fn recover(&mut self) {
        if self.path.is_some() {
            self.conn = None;
        } else if let Some(conn) = self.conn.as_ref().filter(|conn| !conn.is_autocommit()) {
            // Memory has nothing to reopen; should even this fail, the next group says so.
            let _ = conn.execute_batch("ROLLBACK");
        }
    }
}

/// Who shares the commit of `first`: those who wait already, and those who come while the processor is left to others, for
/// as long as any do. With nobody else to run that takes no time.
fn gather(first: Box<dyn Task>, queue: &mut mpsc::Receiver<Box<dyn Task>>) -> Vec<Box<dyn Task>> {
    let mut group = vec![first];
    loop {
        std::thread::yield_now();
        let before = group.len();
        while group.len() < GROUP {
            let Ok(next) = queue.try_recv() else { break };
            group.push(next);
        }
        if group.len() == before || group.len() == GROUP {
            return group;
        }
    }
}
