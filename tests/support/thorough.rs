//! What takes minutes has two forms: `make test` runs an even share of its cases, and `make thorough` all of them.

/// Whether the `n`th case is run: each, or one of so many.
pub fn runs(n: usize, one_of: usize) -> bool {
    is() || n.is_multiple_of(one_of)
}

/// Whether everything is run.
pub fn is() -> bool {
    std::env::var_os("CROSSGRANT_THOROUGH").is_some()
}
