//! The verbs a step can call, as the registry of actions announces them.

use std::fmt;

/// Whose credentials a step acts with (API: the resource account owns the network instance, the transit-router account
/// owns the CEN).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Account {
    /// Writes as the owner of the network instance.
    Resource,
    /// Writes as the owner of the CEN.
    TransitRouter,
    /// Reads in both accounts, writes in neither.
    Readers,
}

impl Account {
    /// All of them.
    pub const ALL: [Self; 3] = [Self::Resource, Self::TransitRouter, Self::Readers];

    /// The word used in definitions.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Resource => "resource",
            Self::TransitRouter => "transit-router",
            Self::Readers => "readers",
        }
    }

    /// Reads the word used in definitions.
    pub fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|a| a.as_str() == text)
    }
}

impl fmt::Display for Account {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What a definition must know of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbSpec {
    /// The word a step calls it by.
    pub name: &'static str,
    /// The account it needs; a step's `as` must say the same.
    pub account: Account,
    /// Whether it changes anything. Only such a verb can be undone or be an undo.
    pub writes: bool,
    /// How it can end well; `&["done"]` for a verb that branches nowhere. Never empty.
    pub outcomes: &'static [&'static str],
}

/// The verbs the embedded definitions call, for tests that have no registry.
#[cfg(test)]
pub(super) mod samples {
    use super::{Account, VerbSpec};

    const fn reads(name: &'static str, outcomes: &'static [&'static str]) -> VerbSpec {
        VerbSpec { name, account: Account::Readers, writes: false, outcomes }
    }

    const fn writes(name: &'static str, account: Account) -> VerbSpec {
        VerbSpec { name, account, writes: true, outcomes: &["done"] }
    }

    pub const VERBS: [VerbSpec; 11] = [
        reads("survey-grant", &["absent", "satisfied"]),
        reads("survey-revoke", &["absent", "unattached", "attached"]),
        reads("survey-payer", &["satisfied", "pending", "attached", "unattached"]),
        writes("grant", Account::Resource),
        writes("revoke", Account::Resource),
        writes("modify-grant", Account::Resource),
        writes("update-attachments", Account::TransitRouter),
        writes("delete-attachments", Account::TransitRouter),
        reads("confirm-granted", &["done"]),
        reads("confirm-revoked", &["done"]),
        reads("confirm-payer", &["effective", "pending"]),
    ];
}
