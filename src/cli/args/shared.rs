//! Options that several commands for a running worker have.

use clap::Args;

/// Where the running worker is.
#[derive(Debug, Default, Args)]
pub struct WorkerArgs {
    /// URL of the worker's admin API [default: `[admin] listen`].
    #[arg(long, display_order = 900, value_name = "URL")]
    pub admin: Option<String>,
    /// Name of the [[admin.token]] to use [default: `[admin] token`, else the token that a worker makes beside its SQLite
    /// store, else the only [[admin.token]]].
    #[arg(long = "as", display_order = 900, value_name = "NAME")]
    pub token_name: Option<String>,
}

/// What is said with a command. It is kept and told with the name of the token, which alone is verified.
#[derive(Debug, Default, Args)]
pub struct MandateArgs {
    /// Your name.
    #[arg(long, value_name = "NAME", env = "USER", hide_env_values = true)]
    pub by: Option<String>,
    /// Why the command is given.
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

impl MandateArgs {
    /// What is said, with the names of the parameters.
    pub fn pairs(&self) -> Vec<(&'static str, &str)> {
        let said = [("by", &self.by), ("reason", &self.reason)];
        let said = said.into_iter().filter_map(|(name, text)| Some((name, text.as_deref()?)));
        // An environment can have an empty USER.
        said.filter(|(name, text)| *name != "by" || !text.trim().is_empty()).collect()
    }
}
