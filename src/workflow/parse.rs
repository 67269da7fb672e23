//! From the text of a definition to a checked [`Definition`].

use super::definition::Definition;
use super::policies::Policies;
use super::problem::Problem;
use super::verb::VerbSpec;

/// See [`Definition::parse`].
pub(super) fn definition(
    _file: &str,
    _text: &str,
    _verbs: &[VerbSpec],
    _policies: &Policies,
) -> Result<Definition, Vec<Problem>> {
    todo!()
}
