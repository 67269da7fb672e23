//! What became of a commit whose answer was lost.
//!
//! The connection broke after `COMMIT` was sent: the server may have done it or not, and to say "nothing was changed"
//! could be wrong. The server remembers the outcome of a transaction by its number, so it is asked, on a new connection,
//! for as long as it takes: nobody who waits for the answer could do anything better without it.

use std::time::Duration;

use super::pool::Pool;
use crate::clock::{Clock as _, SystemClock};
use crate::engine::ports::store::StoreError;

/// Between two questions. A server that does not know yet is about to; one that is away comes back in seconds.
const PAUSE: Duration = Duration::from_millis(100);

/// What became of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    /// It is on disk.
    Committed,
    /// Nothing of it is.
    Undone,
}

/// Asks until there is an answer.
pub(super) async fn of(number: &str, pool: &Pool) -> Outcome {
    let mut told = false;
    loop {
        match ask(number, pool).await {
            Ok(Some(outcome)) => {
                tracing::info!(transaction = number, ?outcome, "found out what became of a commit");
                return outcome;
            }
            Ok(None) => {}
            Err(error) if told => tracing::debug!(%error, "cannot ask for the outcome of a commit yet"),
            Err(error) => {
                tracing::warn!(transaction = number, %error, "the answer to a commit was lost; asks until it is known");
                told = true;
            }
        }
        SystemClock.sleep(PAUSE).await;
    }
}

/// `None` while its session still runs at the server.
async fn ask(number: &str, pool: &Pool) -> Result<Option<Outcome>, StoreError> {
    let session = pool.dial().await?;
    match session.query_one("SELECT pg_xact_status($1::text::xid8)", &[&number]).await.map_err(StoreError::from) {
        Ok(row) => Ok(match row.get::<_, Option<&str>>(0) {
            Some("committed") => Some(Outcome::Committed),
            Some("in progress") => None,
            _ => Some(Outcome::Undone),
        }),
        // A number that this server never gave out: it is a copy that took over and had not got the commit.
        Err(StoreError::Corrupt(_)) => Ok(Some(Outcome::Undone)),
        Err(error) => Err(error),
    }
}
