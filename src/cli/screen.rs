//! Output that is shown once, or again and again until the user ends it.

use std::io::IsTerminal;
use std::time::Duration;

use super::exit::CliError;
use super::output;
use super::terminal::{columns, moves_cursor};
use crate::clock::{Clock, SystemClock};

/// How long what is watched stays on the screen: the worker keeps its answers for a second.
const EVERY: Duration = Duration::from_secs(2);
/// The width of a terminal that does not say.
const WIDTH: usize = 120;

/// Where the output goes.
pub(super) struct Screen {
    watch: bool,
    /// What was shown can be written over.
    clears: bool,
    shown: Vec<String>,
}

impl Screen {
    /// `watch` if it is shown more than once.
    pub fn new(watch: bool) -> Self {
        let clears = watch && std::io::stdout().is_terminal() && moves_cursor(std::env::var_os("TERM"));
        Self { watch, clears, shown: Vec::new() }
    }

    /// How many characters fit on a line: any number where there is no terminal.
    pub fn width(&self) -> usize {
        let stdout = std::io::stdout();
        if stdout.is_terminal() { columns(stdout).unwrap_or(WIDTH) } else { usize::MAX }
    }

    /// Shows these lines: on a terminal instead of those before, elsewhere below them and only if they are others.
    pub fn show(&mut self, lines: &[String]) -> Result<(), CliError> {
        if self.shown == lines {
            return Ok(());
        }
        if self.clears {
            output::lines("\x1b[H\x1b[2J")?;
        }
        lines.iter().try_for_each(|line| output::line(line))?;
        self.shown = lines.to_vec();
        Ok(())
    }

    /// Waits for the next time. False at once if it is shown once.
    pub async fn again(&self) -> bool {
        if self.watch {
            SystemClock.sleep(EVERY).await;
        }
        self.watch
    }
}
