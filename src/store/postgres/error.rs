//! What an error of PostgreSQL means to the engine: whether trying again may help, and whether it is ours to try.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use super::settings::causes;
use crate::engine::ports::store::StoreError;

/// Why a transaction was not made.
#[derive(Debug)]
pub(super) enum Fault {
    /// Another transaction was in its way, and the server undid this one: it can be made again at once.
    Collided(StoreError),
    /// Another reason, for the caller to judge.
    Store(StoreError),
}

impl From<Fault> for StoreError {
    fn from(fault: Fault) -> Self {
        let (Fault::Collided(error) | Fault::Store(error)) = fault;
        error
    }
}

impl From<StoreError> for Fault {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        let code = error.code().cloned();
        let text = causes(&error);
        match code {
            Some(code) if code == SqlState::T_R_DEADLOCK_DETECTED || code == SqlState::T_R_SERIALIZATION_FAILURE => {
                Self::Collided(StoreError::Unavailable(text))
            }
            Some(code) if is_about_the_data(&code) => Self::Store(StoreError::Corrupt(text)),
            _ => Self::Store(StoreError::Unavailable(text)),
        }
    }
}

/// Classes of errors that the same statement would meet again tomorrow: the data do not fit, a constraint says no, the
/// schema is not what it should be, or pages are damaged.
fn is_about_the_data(code: &SqlState) -> bool {
    let class = code.code().get(..2).unwrap_or_default();
    let damaged = *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED;
    // A right that is missing can be given, and a disk that was full has room again.
    let mendable = *code == SqlState::INSUFFICIENT_PRIVILEGE;
    damaged || (["21", "22", "23", "42", "54"].contains(&class) && !mendable)
}

/// So often a transaction that others were in the way of is made again.
const TRIES: usize = 5;

/// Makes a transaction, again if another was in its way.
pub(super) async fn again<T, F>(mut once: impl FnMut() -> F + Send) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, Fault>> + Send,
{
    for _ in 1..TRIES {
        match once().await {
            Err(Fault::Collided(error)) => tracing::debug!(%error, "two transactions collided; makes this one again"),
            other => return Ok(other?),
        }
    }
    Ok(once().await?)
}
