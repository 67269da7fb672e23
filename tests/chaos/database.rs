//! The database server of a run, as something that is struck.

use std::ops::Range;
use std::time::Duration;

use anyhow::Result;

use super::victim::Victim;
use crate::support::postgres::Database;

impl Victim for Database {
    fn name(&self) -> &'static str {
        "postgres"
    }

    fn quiet(&self) -> Range<Duration> {
        Duration::from_secs(6)..Duration::from_secs(22)
    }

    fn kill9(&self) -> Result<()> {
        self.cluster().kill9();
        Ok(())
    }

    fn start(&self) -> Result<()> {
        Ok(self.cluster().restart()?)
    }

    fn suspend(&self) -> Result<()> {
        Ok(self.cluster().suspend()?)
    }

    fn wake(&self) -> Result<()> {
        Ok(self.cluster().wake()?)
    }
}
