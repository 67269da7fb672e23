//! The verbs that a step can call, as the registry of actions describes them.

use crate::domain::words;

words! {
    /// Whose credentials a step acts with. The resource account owns the network instance, the transit-router account owns the
    /// CEN.
    pub enum ActsAs {
        /// Writes as the owner of the network instance.
        Resource = "resource",
        /// Writes as the owner of the CEN.
        TransitRouter = "transit-router",
        /// Reads in both accounts, writes in neither.
        Readers = "readers",
    }
}

/// What the check of a definition has to know of a verb.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct VerbSpec {
    /// The word a step calls it by.
    pub name: &'static str,
    /// Whose credentials it needs; the `as` of a step must say the same.
    pub acts_as: ActsAs,
    /// Whether it changes the cloud. Only such a verb can be undone or be an undo.
    pub writes: bool,
    /// The ways in which it can succeed; `&["done"]` for a verb that does not branch. Never empty.
    pub outcomes: &'static [&'static str],
}

/// The verbs the embedded definitions call, for tests that have no registry.
#[cfg(test)]
pub(super) mod samples {
    use super::{ActsAs, VerbSpec};

    const fn reads(name: &'static str, outcomes: &'static [&'static str]) -> VerbSpec {
        VerbSpec { name, acts_as: ActsAs::Readers, writes: false, outcomes }
    }

    const fn writes(name: &'static str, acts_as: ActsAs) -> VerbSpec {
        VerbSpec { name, acts_as, writes: true, outcomes: &["done"] }
    }

    pub const VERBS: [VerbSpec; 11] = [
        reads("survey-grant", &["absent", "satisfied"]),
        reads("survey-revoke", &["absent", "unattached", "attached"]),
        reads("survey-payer", &["satisfied", "pending", "attached", "unattached"]),
        writes("grant", ActsAs::Resource),
        writes("revoke", ActsAs::Resource),
        writes("modify-grant", ActsAs::Resource),
        writes("update-attachments", ActsAs::TransitRouter),
        writes("delete-attachments", ActsAs::TransitRouter),
        reads("confirm-granted", &["done"]),
        reads("confirm-revoked", &["done"]),
        reads("confirm-payer", &["effective", "pending"]),
    ];
}
