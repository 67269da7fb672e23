//! What an error of PostgreSQL means to the engine: whether it may help to try again, and whether the store does so itself.

use tokio_postgres::Error;
use tokio_postgres::error::SqlState;

use crate::domain::causes;
use crate::engine::ports::store::StoreError;

/// Why a statement or a transaction failed.
#[derive(Debug)]
pub(super) enum PgError {
    /// Another transaction was in the way, and the server has undone this one. It can be repeated at once ([`retry`]).
    Collided(StoreError),
    /// Any other reason; the caller decides.
    Other(StoreError),
}

impl From<PgError> for StoreError {
    fn from(error: PgError) -> Self {
        let (PgError::Collided(error) | PgError::Other(error)) = error;
        error
    }
}

impl From<StoreError> for PgError {
    fn from(error: StoreError) -> Self {
        Self::Other(error)
    }
}

impl From<Error> for PgError {
    fn from(error: Error) -> Self {
        let code = error.code().cloned();
        let text = causes(&error);
        match code {
            Some(code) if code == SqlState::T_R_DEADLOCK_DETECTED || code == SqlState::T_R_SERIALIZATION_FAILURE => {
                Self::Collided(StoreError::Unavailable(text))
            }
            Some(code) if is_about_the_data(&code) => Self::Other(StoreError::Refused(text)),
            Some(code) if is_about_the_schema(&code) => Self::Other(StoreError::Corrupt(text)),
            _ => Self::Other(StoreError::Unavailable(text)),
        }
    }
}

/// Whether other data would have been taken: a text that the database cannot hold, a constraint, a limit of the program.
fn is_about_the_data(code: &SqlState) -> bool {
    ["22", "23", "54"].contains(&class(code))
}

/// Whether the same statement would fail tomorrow as well, whatever the data: the schema is wrong, or pages are damaged.
fn is_about_the_schema(code: &SqlState) -> bool {
    let damaged = *code == SqlState::DATA_CORRUPTED || *code == SqlState::INDEX_CORRUPTED;
    // An operator can grant a missing privilege.
    let mendable = *code == SqlState::INSUFFICIENT_PRIVILEGE;
    damaged || (["21", "42"].contains(&class(code)) && !mendable)
}

fn class(code: &SqlState) -> &str {
    code.code().get(..2).unwrap_or_default()
}

/// How often a transaction is tried while others collide with it.
const TRIES: usize = 5;

/// Runs a transaction, and runs it again if another collided with it.
pub(super) async fn retry<T, F>(mut transaction: impl FnMut() -> F + Send) -> Result<T, StoreError>
where
    F: Future<Output = Result<T, PgError>> + Send,
{
    for _ in 1..TRIES {
        match transaction().await {
            Err(PgError::Collided(error)) => tracing::debug!(%error, "two transactions collided; repeats this one"),
            other => return Ok(other?),
        }
    }
    Ok(transaction().await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_in_a_message_is_held_against_it() {
        for (code, data, schema) in [
            ("22P05", true, false),  // a character that the encoding of the database does not have
            ("22021", true, false),  // bytes that are no text
            ("23505", true, false),  // a key that is there
            ("23514", true, false),  // a check
            ("54000", true, false),  // a limit of the program
            ("42P01", false, true),  // no such table
            ("XX001", false, true),  // a damaged page
            ("42501", false, false), // a missing privilege
            ("08006", false, false), // the connection
            ("25006", false, false), // read-only
            ("53100", false, false), // disk full
            ("53200", false, false), // out of memory
            ("57P01", false, false), // an operator ends the session
            ("58030", false, false), // the file system
        ] {
            let state = SqlState::from_code(code);
            assert_eq!((is_about_the_data(&state), is_about_the_schema(&state)), (data, schema), "{code}");
        }
    }
}
