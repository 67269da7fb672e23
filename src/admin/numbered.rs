//! An event with its number.

use serde_json::Value;

/// An event with the number that a reader goes on after.
pub(super) struct Numbered<N> {
    pub number: N,
    pub text: String,
}

impl<N> Numbered<N> {
    /// The event as JSON. One that cannot be read is not left out.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|_| Value::from(self.text.as_str()))
    }
}
