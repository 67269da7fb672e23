//! Why a method of the store failed.

use crate::domain::Code;

/// Why a method of the store failed.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StoreError {
    /// It cannot be opened as it is configured, and waiting does not help. Only opening says so.
    #[error("{1}")]
    Unusable(Code, String),
    /// Nothing was changed, and it may work later: disk full, file locked, connection lost.
    #[error("the store cannot be used at the moment: {0}")]
    Unavailable(String),
    /// What was to be stored is not taken, for what is in it. The same will be refused again, and other things will not.
    #[error("the store refuses this: {0}")]
    Refused(String),
    /// What is stored cannot be read, or what was to be stored contradicts it: a damaged file, rows of a newer version.
    #[error("the store holds something unreadable: {0}")]
    Corrupt(String),
    /// The store is not the one that it was: its file was removed, replaced, or put back to an older state. Nothing may be
    /// answered any more, and the process must end.
    #[error("the store is not what it was: {0}")]
    Lost(String),
}

impl StoreError {
    /// The code under which operators find it explained.
    pub fn code(&self) -> Code {
        match self {
            Self::Unusable(code, _) => *code,
            Self::Unavailable(_) => Code::StoreUnavailable,
            Self::Refused(_) => Code::StoreRefused,
            Self::Corrupt(_) => Code::StoreCorrupt,
            Self::Lost(_) => Code::StoreLost,
        }
    }
}
