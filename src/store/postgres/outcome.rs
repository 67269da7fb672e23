//! The outcome of a commit whose answer was lost.
//!
//! The connection broke after `COMMIT` was sent. The server may have committed or not, and to answer "nothing was changed"
//! could be wrong. The server remembers the outcome of a transaction by its id, so it is asked on a new connection, for as
//! long as that takes: a caller could do nothing better without the answer.

use std::time::Duration;

use super::error::PgError;
use super::pool::Pool;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::ports::store::StoreError;

/// How long to wait between two questions. A transaction still in progress ends within moments; a server that is away is back in seconds.
const PAUSE: Duration = Duration::from_millis(100);

/// What a commit comes to that ended with `error`: if its answer was lost, it may have been made all the same.
pub(super) async fn resolve(error: PgError, transaction_id: &str, pool: &Pool) -> Result<(), PgError> {
    match error {
        PgError::Other(StoreError::Unavailable(why)) => match find_out(transaction_id, pool).await {
            CommitOutcome::Committed => Ok(()),
            CommitOutcome::Undone => Err(StoreError::Unavailable(why).into()),
        },
        // The server has refused it, so nothing of it is on disk.
        error => Err(error),
    }
}

/// How a transaction ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum CommitOutcome {
    /// All of it is on disk.
    Committed,
    /// Nothing of it is.
    Undone,
}

/// Asks until there is an answer.
async fn find_out(transaction_id: &str, pool: &Pool) -> CommitOutcome {
    let mut warned = false;
    loop {
        match ask(transaction_id, pool).await {
            Ok(Some(outcome)) => {
                tracing::info!(transaction = transaction_id, ?outcome, "found out the outcome of a commit");
                return outcome;
            }
            Ok(None) => {}
            Err(error) if warned => tracing::debug!(%error, "cannot find out the outcome of a commit yet"),
            Err(error) => {
                let transaction = transaction_id;
                tracing::warn!(transaction, %error, "the answer to a commit was lost; asks for its outcome until it is known");
                warned = true;
            }
        }
        SystemClock.sleep(PAUSE).await;
    }
}

/// `None` while the server still works on the transaction.
async fn ask(transaction_id: &str, pool: &Pool) -> Result<Option<CommitOutcome>, StoreError> {
    let conn = pool.connect().await?;
    let status = conn.query_one("SELECT pg_xact_status($1::text::xid8)", &[&transaction_id]).await;
    match status.map_err(StoreError::from) {
        Ok(row) => Ok(match row.get::<_, Option<&str>>(0) {
            Some("committed") => Some(CommitOutcome::Committed),
            Some("in progress") => None,
            _ => Some(CommitOutcome::Undone),
        }),
        // This server has never given out such an id: it is a copy that took over and did not get the commit.
        Err(StoreError::Refused(_)) => Ok(Some(CommitOutcome::Undone)),
        Err(error) => Err(error),
    }
}
