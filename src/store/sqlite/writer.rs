//! Group commit: one thread writes, and puts whatever waits into one physical commit.
//!
//! A disk makes a few hundred to some ten thousand commits a second, whatever is in them; so those that come while one is
//! being made share the next. Each logical transaction runs in a savepoint of its own and, if it fails, is undone without
//! the others noticing. Nobody is answered before the physical commit: an answer given earlier could be taken back by a
//! power cut. If the physical commit fails, all who shared it are told so, and the next group starts on a new
//! connection: after an I/O error nothing the old one remembers of the file can be trusted.

use std::collections::VecDeque;
use std::fmt;
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::error::of_the_group;
use super::open;
use crate::engine::store::StoreError;

/// Callers beyond these wait before they queue.
const QUEUE: usize = 1024;
/// Logical transactions in one physical commit.
const GROUP: usize = 256;

/// Runs in the writer's thread, on the connection or on the reason why there is none. Says whether its work is to be
/// kept, and how to answer the caller once the outcome of the physical commit is known.
type Task = Box<dyn FnOnce(Result<&Connection, &StoreError>) -> (bool, Answer) + Send>;
type Answer = Box<dyn FnOnce(&Result<(), StoreError>) + Send>;

/// The way to the thread. Dropping it waits until what is queued is done.
pub(super) struct Writer {
    tasks: Option<mpsc::Sender<Task>>,
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
        work: impl FnOnce(&Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let (reply, answer) = oneshot::channel();
        let task: Task = Box::new(move |conn| {
            let result = conn.map_err(Clone::clone).and_then(work);
            let keep = result.is_ok();
            let answer: Answer = Box::new(move |committed| {
                let result = match (result, committed) {
                    (Ok(_), Err(e)) => Err(e.clone()),
                    (result, _) => result,
                };
                // A caller that went away has no use for the answer.
                let _ = reply.send(result);
            });
            (keep, answer)
        });
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
    fn run(&mut self, mut queue: mpsc::Receiver<Task>) {
        while let Some(first) = queue.blocking_recv() {
            let mut group = VecDeque::from([first]);
            while group.len() < GROUP {
                let Ok(next) = queue.try_recv() else { break };
                group.push_back(next);
            }
            self.write(group);
        }
    }

    fn write(&mut self, mut group: VecDeque<Task>) {
        #[cfg(test)]
        self.groups.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let mut answers = Vec::with_capacity(group.len());
        let outcome = self.connection().and_then(|conn| commit(conn, &mut group, &mut answers));
        if let Err(error) = &outcome {
            self.recover();
            // Those whose turn never came.
            answers.extend(group.into_iter().map(|task| task(Err(error)).1));
        }
        for answer in answers {
            answer(&outcome);
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

/// One physical commit. On return `answers` belong to the tasks that were run, and `group` holds the rest.
fn commit(conn: &Connection, group: &mut VecDeque<Task>, answers: &mut Vec<Answer>) -> Result<(), StoreError> {
    conn.execute_batch("BEGIN IMMEDIATE").map_err(of_the_group)?;
    loop {
        conn.execute_batch("SAVEPOINT task").map_err(of_the_group)?;
        let Some(task) = group.pop_front() else { break };
        let (keep, answer) = task(Ok(conn));
        answers.push(answer);
        if conn.is_autocommit() {
            // SQLite ends the whole transaction by itself on some failures of the disk.
            return Err(StoreError::Unavailable("a failed write undid the transactions it was grouped with".into()));
        }
        conn.execute_batch(if keep { "RELEASE task" } else { "ROLLBACK TO task; RELEASE task" })
            .map_err(of_the_group)?;
    }
    conn.execute_batch("COMMIT").map_err(of_the_group)
}

/// Runs a part of a logical transaction so that it is undone unless `keep` says its result is to stay.
pub(super) fn part<T>(
    conn: &Connection,
    work: impl FnOnce() -> Result<T, StoreError>,
    keep: impl FnOnce(&T) -> bool,
) -> Result<T, StoreError> {
    conn.execute_batch("SAVEPOINT part")?;
    let result = work();
    // After a failure that ended the whole transaction there is no savepoint left to return to.
    if !conn.is_autocommit() {
        let kept = result.as_ref().is_ok_and(keep);
        conn.execute_batch(if kept { "RELEASE part" } else { "ROLLBACK TO part; RELEASE part" })?;
    }
    result
}
