//! Group commit: one task commits changes, and puts whatever waits into one transaction.
//!
//! A disk makes a few hundred to some ten thousand commits a second, whatever is in them, and so does the way to the
//! server; so those that come while one is being made share the next. Nobody is answered before the commit. If the server
//! refuses a group for what is in it, each order of it is made alone, so that one disturbs no other.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};

use super::bell::Bell;
use super::error::again;
use super::group::{self, Verdict};
use super::pool::Pool;
use super::session::Session;
use super::time::Time;
use crate::engine::ports::store::{Change, StoreError};

/// Callers beyond these wait before they queue: as many as a worker has jobs in work, and more.
const QUEUE: usize = 1024;
/// Changes in one transaction, but for an order that has more by itself. Larger groups cost memory and save little more.
const GROUP: usize = 512;

/// Changes to commit together, each for itself, and who waits for it.
struct Order {
    changes: Vec<Change>,
    reply: oneshot::Sender<Result<Vec<Verdict>, StoreError>>,
}

/// The way to the task. When it is dropped, what is queued is still done.
pub(super) struct Writer {
    orders: mpsc::Sender<Order>,
    #[cfg(test)]
    pub(super) groups: Arc<std::sync::atomic::AtomicUsize>,
}

impl Writer {
    /// Starts the task.
    pub(super) fn start(pool: Arc<Pool>, bell: Arc<Bell>, time: Time, shard: i16) -> Self {
        let (orders, queue) = mpsc::channel(QUEUE);
        #[cfg(test)]
        let groups = Arc::<std::sync::atomic::AtomicUsize>::default();
        let task = Task {
            pool,
            bell,
            time,
            shard,
            session: None,
            #[cfg(test)]
            groups: Arc::clone(&groups),
        };
        tokio::spawn(task.run(queue));
        Self {
            orders,
            #[cfg(test)]
            groups,
        }
    }

    /// Commits changes; returns once they are on disk.
    pub(super) async fn commit(&self, changes: Vec<Change>) -> Result<Vec<Verdict>, StoreError> {
        let (reply, answer) = oneshot::channel();
        let stopped = || StoreError::Unavailable("the writer has stopped".into());
        self.orders.send(Order { changes, reply }).await.map_err(|_| stopped())?;
        answer.await.map_err(|_| stopped())?
    }
}

struct Task {
    pool: Arc<Pool>,
    bell: Arc<Bell>,
    time: Time,
    shard: i16,
    session: Option<Session>,
    #[cfg(test)]
    groups: Arc<std::sync::atomic::AtomicUsize>,
}

impl Task {
    async fn run(mut self, mut queue: mpsc::Receiver<Order>) {
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

    async fn write(&mut self, group: Vec<Order>) {
        let changes: Vec<&Change> = group.iter().flat_map(|order| &order.changes).collect();
        match self.commit(&changes).await {
            Ok(verdicts) => {
                let mut verdicts = verdicts.into_iter();
                for order in group {
                    let of = verdicts.by_ref().take(order.changes.len()).collect();
                    // A caller that went away has no use for the answer.
                    let _ = order.reply.send(Ok(of));
                }
            }
            Err(StoreError::Corrupt(error)) if changes.len() > 1 => {
                tracing::warn!(error, changes = changes.len(), "the database refuses a group; makes each change alone");
                for order in group {
                    let _ = order.reply.send(self.one_by_one(&order.changes).await);
                }
            }
            Err(error) => {
                for order in group {
                    let _ = order.reply.send(Err(error.clone()));
                }
            }
        }
    }

    async fn one_by_one(&mut self, changes: &[Change]) -> Result<Vec<Verdict>, StoreError> {
        let mut verdicts = Vec::with_capacity(changes.len());
        for change in changes {
            verdicts.push(match self.commit(&[change]).await {
                Ok(verdict) => only(verdict),
                Err(error) => Err(error),
            });
        }
        Ok(verdicts)
    }

    /// One transaction, made again if another was in its way.
    async fn commit(&mut self, changes: &[&Change]) -> Result<Vec<Verdict>, StoreError> {
        #[cfg(test)]
        self.groups.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let session = match self.session.take().filter(|session| !session.is_closed()) {
            Some(session) => session,
            None => self.pool.dial().await?,
        };
        let done = again(|| async {
            let done = group::apply(&session, &self.pool, changes, &self.time, self.shard).await;
            if done.is_err() && !session.is_closed() {
                // Should even this fail, the session is of no use any more.
                session.batch("ROLLBACK").await?;
            }
            done
        })
        .await;
        // After an error of the connection nothing it remembers can be trusted.
        if !matches!(done, Err(StoreError::Unavailable(_))) {
            self.session = Some(session);
        }
        let (verdicts, heard) = done?;
        self.bell.ring(heard);
        Ok(verdicts)
    }
}

/// The answer to one change.
pub(super) fn only(mut verdicts: Vec<Verdict>) -> Verdict {
    verdicts.pop().unwrap_or_else(|| Err(StoreError::Corrupt("a change was not answered".into())))
}
