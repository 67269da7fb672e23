//! Group commit: one task commits changes, and puts all that wait into one transaction.
//!
//! A disk makes a few hundred to some ten thousand commits a second, whatever is in them, and so does the network to the
//! server. So changes that arrive during a commit share the next one. No caller is answered before the commit. If the
//! server refuses a group for what is in it, each change of it is committed alone, so that one does not disturb the others.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::connection::Connection;
use super::error::retry;
use super::group;
use super::lease_clock::LeaseClock;
use super::listener::Listener;
use super::pool::Pool;
use crate::engine::ports::store::{Change, StoreError};
use crate::store::judge::ChangeResult;

/// Requests that may wait for the writer: more than the jobs that a worker works on at once. Further callers wait until
/// one of them is taken.
const QUEUE: usize = 1024;
/// Changes in one transaction, unless a single request has more. Larger groups cost memory and save little.
const GROUP: usize = 512;

/// Changes to commit, each for itself.
struct WriteRequest {
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Vec<ChangeResult>, StoreError>>,
}

/// A handle to the writer's task. When it is dropped, what is queued is still done.
pub(super) struct Writer {
    requests: mpsc::Sender<WriteRequest>,
}

impl Writer {
    pub(super) fn start(pool: Arc<Pool>, listener: Arc<Listener>, clock: LeaseClock, shard: i16) -> Self {
        let (requests, queue) = mpsc::channel(QUEUE);
        tokio::spawn(WriterTask { pool, listener, clock, shard, conn: None }.run(queue));
        Self { requests }
    }

    /// Commits changes; returns once they are on disk.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<Vec<ChangeResult>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        self.requests.send(WriteRequest { changes, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

struct WriterTask {
    pool: Arc<Pool>,
    listener: Arc<Listener>,
    clock: LeaseClock,
    shard: i16,
    conn: Option<Connection>,
}

impl WriterTask {
    async fn run(mut self, mut queue: mpsc::Receiver<WriteRequest>) {
        while let Some(first) = queue.recv().await {
            let mut count = first.changes.len();
            let mut group = vec![first];
            while count < GROUP {
                let Ok(next) = queue.try_recv() else { break };
                count += next.changes.len();
                group.push(next);
            }
            self.write(group).await;
        }
    }

    async fn write(&mut self, group: Vec<WriteRequest>) {
        let changes: Vec<&Change> = group.iter().flat_map(|request| &request.changes).collect();
        match self.commit(&changes).await {
            Ok(results) => {
                let mut results = results.into_iter();
                for request in group {
                    let own = results.by_ref().take(request.changes.len()).collect();
                    // The caller may have stopped waiting.
                    let _ = request.reply.send(Ok(own));
                }
            }
            Err(StoreError::Refused(error) | StoreError::Corrupt(error)) if changes.len() > 1 => {
                tracing::warn!(
                    error,
                    changes = changes.len(),
                    "the database refused a group of changes; commits each of them alone"
                );
                for request in group {
                    let _ = request.reply.send(self.one_by_one(&request.changes).await);
                }
            }
            Err(error) => {
                for request in group {
                    let _ = request.reply.send(Err(error.clone()));
                }
            }
        }
    }

    async fn one_by_one(&mut self, changes: &[Change]) -> Result<Vec<ChangeResult>, StoreError> {
        let mut results = Vec::with_capacity(changes.len());
        for change in changes {
            results.push(match self.commit(&[change]).await {
                Ok(result) => only(result),
                Err(error) => Err(error),
            });
        }
        Ok(results)
    }

    /// Commits changes in one transaction, on the connection that the last commit has left.
    async fn commit(&mut self, changes: &[&Change]) -> Result<Vec<ChangeResult>, StoreError> {
        let conn = match self.conn.take().filter(|conn| !conn.is_closed()) {
            Some(conn) => conn,
            None => self.pool.connect().await?,
        };
        let done = retry(|| async {
            let done = group::apply(&conn, &self.pool, changes, &self.clock, self.shard).await;
            if done.is_err() && !conn.is_closed() {
                // If even this fails, the connection is of no more use.
                conn.batch("ROLLBACK").await?;
            }
            done
        })
        .await;
        // A connection that failed may be in any state.
        if !matches!(done, Err(StoreError::Unavailable(_))) {
            self.conn = Some(conn);
        }
        let (results, wakeup) = done?;
        self.listener.notify(wakeup);
        Ok(results)
    }
}

/// The result of one change that was committed alone.
pub(super) fn only(mut results: Vec<ChangeResult>) -> ChangeResult {
    results.pop().unwrap_or_else(|| Err(StoreError::Corrupt("a change has no result".into())))
}
