//! The commands of operators that were carried out on a job.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// A command that was carried out.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Commanded {
    /// Its word, such as `resume`.
    pub command: String,
    /// When it was carried out.
    pub at: Timestamp,
    /// The name of the token that it was given with.
    pub authority: String,
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
            let at = Timestamp::UNIX_EPOCH;
            keep(&mut commands, Commanded { command: "resume".into(), at, authority: n.to_string() });
        }
        assert_eq!((commands.len(), commands[0].authority.as_str()), (KEPT, "3"));
    }
}
