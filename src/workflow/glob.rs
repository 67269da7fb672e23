//! `*` patterns.
