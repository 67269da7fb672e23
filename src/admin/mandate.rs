//! What is said with a command: by whom, and why.

use super::error::ApiError;
use super::query::{pairs, unknown};
use super::tokens::Authority;
use crate::engine::record::Mandate;

/// The parameters of every command.
pub(super) const SAID: [&str; 2] = ["by", "reason"];

/// The longest `by` and `reason`, in bytes. A record keeps twenty of each, and is written whole with every commit.
const LONGEST: usize = 500;

/// What is said with a command.
#[derive(Debug, Default)]
pub(super) struct Said {
    pub by: Option<String>,
    pub reason: Option<String>,
}

impl Said {
    /// Takes one of the parameters of [`SAID`]; false for another one.
    pub fn take(&mut self, key: &str, value: &str) -> Result<bool, ApiError> {
        let text = match key {
            "by" => &mut self.by,
            "reason" => &mut self.reason,
            _ => return Ok(false),
        };
        let value = value.trim();
        if value.is_empty() || value.len() > LONGEST || value.contains(char::is_control) {
            return Err(ApiError::BadRequest(format!("{key}=… must be one line of text, at most {LONGEST} bytes")));
        }
        *text = Some(value.to_owned());
        Ok(true)
    }

    /// The whole word of a command: its token, and what is said with it.
    pub fn with(self, authority: &Authority) -> Mandate {
        Mandate { authority: authority.token.clone(), by: self.by, reason: self.reason }
    }
}

/// Reads the query of a command that has no other parameters.
pub(super) fn read(query: Option<&str>) -> Result<Said, ApiError> {
    let mut said = Said::default();
    for (key, value) in pairs(query) {
        if !said.take(&key, &value)? {
            return Err(unknown(&key, &SAID));
        }
    }
    Ok(said)
}
