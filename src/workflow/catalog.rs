//! Everything `workflows/` holds, embedded in the binary and checked together.

use std::collections::BTreeMap;

use super::definition::Definition;
use super::errors::ErrorClasses;
use super::policies::Policies;
use super::problem::Problem;
use super::verb::VerbSpec;
use crate::domain::Kind;

/// A file of the operator's, already read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OverridingFile {
    /// Its path, for messages.
    pub file: String,
    /// Its text.
    pub text: String,
}

/// What an operator may override. Step definitions are not among it: they are what the crash tests prove.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Overrides {
    /// Single keys of `policies.toml`.
    pub policies: Option<OverridingFile>,
    /// Entries that come before those of `errors.toml`.
    pub errors: Option<OverridingFile>,
}

/// The definitions this binary brings along, with the live policies and error classes.
#[derive(Debug, Clone, PartialEq)]
pub struct Catalog {
    /// One for every kind.
    pub definitions: BTreeMap<Kind, Definition>,
    /// Live: they apply to running jobs too.
    pub policies: Policies,
    /// Live: they apply to running jobs too.
    pub classes: ErrorClasses,
}

impl Catalog {
    /// The embedded catalog, checked against the verbs there are. All findings are reported together.
    pub fn embedded(_verbs: &[VerbSpec], _overrides: &Overrides) -> Result<Self, Vec<Problem>> {
        todo!()
    }

    /// The definition that new jobs of this kind are pinned to.
    pub fn definition(&self, kind: Kind) -> &Definition {
        self.definitions.get(&kind).expect("the catalog holds a definition of every kind")
    }
}
