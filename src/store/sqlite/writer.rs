//! Group commit: one thread writes, and puts all logical transactions that wait into one physical commit.
//!
//! A disk makes a few hundred to some ten thousand commits a second, whatever is in them. So transactions that arrive
//! during a commit share the next one, and on a busy processor callers that are about to send one are let run first
//! ([`gather`]). One that fails is undone without an effect on the others ([`super::transaction`]). No caller is answered
//! before the physical commit, because a power cut could take an earlier answer back. If the physical commit fails, every
//! transaction in it fails, and the next group starts on a new connection: after an I/O error nothing that the old one
//! remembers of the file can be trusted.

use std::fmt;
use std::sync::Arc;
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::held_file::HeldFile;
use super::open;
use super::transaction::{LogicalTransaction, SharedTransaction, commit};
use crate::engine::ports::store::StoreError;

/// Transactions that may wait for the writer; further callers wait until one of them is taken.
const QUEUE: usize = 1024;
/// Logical transactions in one physical commit.
const GROUP: usize = 256;

struct WriteRequest<T, W> {
    work: W,
    result: Option<Result<T, StoreError>>,
    reply: oneshot::Sender<Result<T, StoreError>>,
}

impl<T: Send, W: Fn(&SharedTransaction<'_>) -> Result<T, StoreError> + Send> LogicalTransaction for WriteRequest<T, W> {
    fn run(&mut self, tx: &SharedTransaction<'_>) {
        self.result = Some(tx.part(|| (self.work)(tx), |_| true));
    }

    fn answer(self: Box<Self>, committed: &Result<(), StoreError>) {
        let result = match (self.result, committed) {
            (Some(Ok(done)), Ok(())) => Ok(done),
            (Some(Err(error)), _) => Err(error),
            (_, Err(error)) => Err(error.clone()),
            (None, Ok(())) => Err(StoreError::Unavailable("the writer did not run the transaction".into())),
        };
        // The caller may have stopped waiting.
        let _ = self.reply.send(result);
    }
}

/// A handle to the writer's thread. Dropping it waits until what is queued is done.
pub(super) struct Writer {
    requests: Option<mpsc::Sender<Box<dyn LogicalTransaction>>>,
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
    /// Starts the thread. With a file, it opens it again after an error.
    pub(super) fn start(conn: Connection, file: Option<Arc<HeldFile>>) -> Result<Self, StoreError> {
        let (requests, queue) = mpsc::channel(QUEUE);
        #[cfg(test)]
        let groups = std::sync::Arc::default();
        let mut thread = WriterThread {
            conn: Some(conn),
            file,
            #[cfg(test)]
            groups: std::sync::Arc::clone(&groups),
        };
        let thread = std::thread::Builder::new()
            .name("store-writer".into())
            .spawn(move || thread.run(queue))
            .map_err(|e| StoreError::Unavailable(format!("cannot start the writer: {e}")))?;
        Ok(Self {
            requests: Some(requests),
            thread: Some(thread),
            #[cfg(test)]
            groups,
        })
    }

    /// Runs `work` as one logical transaction; an error undoes all it did. Returns after the physical commit.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl Fn(&SharedTransaction<'_>) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let request: Box<dyn LogicalTransaction> = Box::new(WriteRequest { work, result: None, reply });
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        self.requests.as_ref().ok_or_else(stopped)?.send(request).await.map_err(|_| stopped())?;
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
        self.requests = None;
        if let Some(thread) = self.thread.take() {
            // This fails if the thread has panicked, which was reported then.
            let _ = thread.join();
        }
    }
}

struct WriterThread {
    conn: Option<Connection>,
    file: Option<Arc<HeldFile>>,
    #[cfg(test)]
    groups: std::sync::Arc<std::sync::atomic::AtomicUsize>,
}

impl WriterThread {
    fn run(&mut self, mut queue: mpsc::Receiver<Box<dyn LogicalTransaction>>) {
        while let Some(first) = queue.blocking_recv() {
            self.write(gather(first, &mut queue));
        }
    }

    fn write(&mut self, mut group: Vec<Box<dyn LogicalTransaction>>) {
        #[cfg(test)]
        self.groups.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let committed = self.commit(&mut group);
        if committed.is_err() {
            self.recover();
        }
        for logical in group {
            logical.answer(&committed);
        }
    }

    /// Commits a group to the file that was opened, and to no other: a commit to a file that is gone would be answered, and
    /// lost.
    fn commit(&mut self, group: &mut Vec<Box<dyn LogicalTransaction>>) -> Result<(), StoreError> {
        let Some(file) = self.file.clone() else { return commit(self.connection()?, group) };
        file.check_content()?;
        let committed = commit(self.connection()?, group);
        file.written();
        committed?;
        file.check()
    }

    fn connection(&mut self) -> Result<&Connection, StoreError> {
        if self.conn.is_none()
            && let Some(file) = &self.file
        {
            let conn = open::connect(file.path())?;
            open::check(&conn)?;
            file.opened();
            self.conn = Some(conn);
        }
        self.conn.as_ref().ok_or_else(|| StoreError::Unavailable("the database in memory is gone".into()))
    }

    /// Leaves no transaction open behind a failed commit.
    fn recover(&mut self) {
        if let Some(file) = &self.file {
            // Before it is closed: SQLite may remove the files beside it, and another thread may look just then.
            file.closed();
            self.conn = None;
        } else if let Some(conn) = self.conn.as_ref().filter(|conn| !conn.is_autocommit()) {
            // A database in memory cannot be opened again. If even this fails, the next group fails and reports it.
            let _ = conn.execute_batch("ROLLBACK");
        }
    }
}

/// The group of `first`: the transactions that wait already, and those that arrive while the processor is left to other
/// threads, for as long as any do. That takes no time if no other thread wants to run.
fn gather(
    first: Box<dyn LogicalTransaction>,
    queue: &mut mpsc::Receiver<Box<dyn LogicalTransaction>>,
) -> Vec<Box<dyn LogicalTransaction>> {
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
