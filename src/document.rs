//! TOML files that people write, read key by key. serde would stop at the first mistake; here all of them are reported
//! at once, each with its line, what would be right, and the name that was probably meant.
//!
//! The configuration and everything in `workflows/` are read with this.

mod problem;
mod reader;
mod table;
pub mod value;

pub use problem::{Location, Problem};
pub use reader::{Codes, Located, Reader};
pub use table::Table;

/// `` `a`, `b`, `c` ``.
pub fn list<'a>(names: impl IntoIterator<Item = &'a str>) -> String {
    names.into_iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", ")
}

/// `` ; did you mean `name`? ``, or nothing.
pub fn hint<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> String {
    crate::domain::did_you_mean(word, known, "`")
}
