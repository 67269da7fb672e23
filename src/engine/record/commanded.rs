//! The commands of operators that were carried out on a job.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// On whose word a command is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mandate {
    /// The name of the token that the command came with. Only this is verified.
    pub authority: String,
    /// Whom the command named as its author, if it did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<String>,
    /// The reason given with the command.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
}

impl From<&str> for Mandate {
    /// The word of a token alone.
    fn from(authority: &str) -> Self {
        Self { authority: authority.to_owned(), by: None, reason: None }
    }
}

impl fmt::Display for Mandate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { authority, by, reason } = self;
        write!(f, "by {} (token {authority})", by.as_deref().unwrap_or("an operator"))?;
        reason.as_ref().map_or(Ok(()), |reason| write!(f, ": {reason}"))
    }
}

/// A command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Commanded {
    /// Its word, such as `resume`.
    pub command: String,
    /// When it was carried out.
    pub at: Timestamp,
    /// On whose word.
    #[serde(flatten)]
    pub mandate: Mandate,
}

/// How many of its commands a record keeps: it is written whole with every commit, and a job can be resumed for ever.
const KEPT: usize = 20;

/// Appends a command; drops the oldest where there are too many.
pub(super) fn keep(commands: &mut Vec<Commanded>, commanded: Commanded) {
    if commands.len() >= KEPT {
        commands.remove(0);
    }
    commands.push(commanded);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_latest_are_kept() {
        let mut commands = Vec::new();
        for n in 0..KEPT + 3 {
            let (at, mandate) = (Timestamp::UNIX_EPOCH, Mandate::from(n.to_string().as_str()));
            keep(&mut commands, Commanded { command: "resume".into(), at, mandate });
        }
        assert_eq!((commands.len(), commands[0].mandate.authority.as_str()), (KEPT, "3"));
    }

    #[test]
    fn a_command_without_a_name_is_read_and_one_with_a_name_says_it() {
        let of_a_token = r#"{"command":"resume","at":"2026-11-21T10:20:00Z","authority":"night-shift"}"#;
        let read: Commanded = serde_json::from_str(of_a_token).unwrap();
        assert_eq!(read.mandate.to_string(), "by an operator (token night-shift)");
        assert_eq!(serde_json::to_string(&read).unwrap(), of_a_token);
        let mandate = Mandate { by: Some("ann".into()), reason: Some("CHG-1".into()), ..read.mandate };
        assert_eq!(mandate.to_string(), "by ann (token night-shift): CHG-1");
        let full = Commanded { mandate, ..read };
        let text = serde_json::to_string(&full).unwrap();
        assert!(text.contains(r#""by":"ann","reason":"CHG-1""#), "{text}");
        assert_eq!(serde_json::from_str::<Commanded>(&text).unwrap(), full);
    }
}
