//! What the files may say, what is refused, and with which words.

mod definitions;
mod error_table;
mod policies;
