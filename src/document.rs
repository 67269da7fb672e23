//! TOML files that people write, read key by key. serde would stop at the first mistake; here all of them are reported
//! at once, each with its line, what would be right, and the name that was probably meant.
//!
//! The configuration and everything in `workflows/` are read with this.

mod names;
mod problem;
mod reader;
mod table;
pub mod value;

pub use names::{hint, list};
pub use problem::{Location, Problem};
pub use reader::{Codes, Located, Reader};
pub use table::Table;
