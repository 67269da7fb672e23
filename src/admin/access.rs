//! For whom a path is.

use super::tokens::AdminRole;

/// For whom a path is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// For everybody, without a token: it shows nothing of jobs, and changes nothing.
    Open,
    /// For tokens of this role and those above it.
    Needs(AdminRole),
    /// For every token; that of a submitter sees what it has submitted, and nothing else.
    Own,
    /// For tokens of submitters alone.
    Submits,
}

impl Access {
    /// The lowest role that may call it; `None` for everybody.
    pub fn lowest(self) -> Option<AdminRole> {
        match self {
            Self::Open => None,
            Self::Needs(role) => Some(role),
            Self::Own | Self::Submits => Some(AdminRole::Submitter),
        }
    }

    /// Whether a token of this role may call it.
    pub fn admits(self, role: AdminRole) -> bool {
        match self {
            Self::Open | Self::Own => true,
            Self::Needs(needed) => role >= needed,
            Self::Submits => role == AdminRole::Submitter,
        }
    }

    /// Whether it changes something, so that what was begun is to be carried out to its end.
    pub fn changes(self) -> bool {
        match self {
            Self::Open | Self::Own => false,
            Self::Needs(role) => role > AdminRole::Reader,
            Self::Submits => true,
        }
    }
}
