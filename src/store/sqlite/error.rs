//! What an error of SQLite means to the engine: whether it may help to try again.

use std::path::Path;

use rusqlite::{Error, ErrorCode};

use crate::domain::Code;
use crate::engine::ports::store::StoreError;

impl From<Error> for StoreError {
    fn from(error: Error) -> Self {
        match error.sqlite_error_code() {
            Some(
                ErrorCode::DiskFull
                | ErrorCode::SystemIoFailure
                | ErrorCode::DatabaseBusy
                | ErrorCode::DatabaseLocked
                | ErrorCode::ReadOnly
                | ErrorCode::CannotOpen
                | ErrorCode::PermissionDenied
                | ErrorCode::OutOfMemory
                | ErrorCode::OperationAborted
                | ErrorCode::OperationInterrupted
                | ErrorCode::FileLockingProtocolFailed,
            ) => Self::Unavailable(error.to_string()),
            Some(ErrorCode::TooBig | ErrorCode::TypeMismatch | ErrorCode::ConstraintViolation) => {
                Self::Refused(error.to_string())
            }
            _ => Self::Corrupt(error.to_string()),
        }
    }
}

/// An error of a whole group. A constraint that fails only at the physical commit says nothing about any one transaction
/// of the group, so all errors but a damaged file are worth another try.
pub(super) fn of_the_group(error: Error) -> StoreError {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => StoreError::Corrupt(error.to_string()),
        _ => StoreError::Unavailable(error.to_string()),
    }
}

/// An error of the operating system.
pub(super) fn of_the_system(what: &str, path: &Path, error: &std::io::Error) -> StoreError {
    StoreError::Unavailable(format!("{what} {}: {error}", path.display()))
}

/// Fails if there is something at `path` that is no file, or a link that leads nowhere. If there is nothing, all is well.
pub(super) fn of_another_kind(path: &Path) -> Result<(), StoreError> {
    let at = path.display();
    match path.metadata() {
        Ok(found) if found.is_file() => Ok(()),
        Ok(found) => {
            let is = if found.is_dir() { "a folder" } else { "no file of data" };
            let why = format!(
                "{at} is {is}; set `[store] path` to the file that holds the store, such as /var/lib/crossgrant/crossgrant.db"
            );
            Err(StoreError::Unusable(Code::StoreNotAFile, why))
        }
        Err(_) if path.is_symlink() => Err(StoreError::Unusable(
            Code::StoreMissing,
            format!("{at} is a link that leads nowhere; mount what it leads to, or set `[store] path` to another file"),
        )),
        Err(_) => Ok(()),
    }
}

/// There is no store at `path`, and none is made by what is asked for.
pub(super) fn missing(path: &Path) -> StoreError {
    let why = format!("there is no store at {}; `[store] path` names another file, perhaps", path.display());
    StoreError::Unusable(Code::StoreMissing, why)
}
