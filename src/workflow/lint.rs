//! Checks across the steps of a definition.
