//! What the files may say, what is refused, and with which words.

mod definitions;
mod error_table;
mod policies;
mod published;

use crate::document::Problem;

/// Problems as they are shown, without their codes.
fn shown(found: &[Problem]) -> Vec<String> {
    found.iter().map(|problem| problem.to_string().rsplit_once(" [").unwrap().0.to_owned()).collect()
}
