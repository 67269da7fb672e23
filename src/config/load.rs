//! Loading: both sources are read, then every setting. A configuration comes of it only if all of them can be used.

use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::profile::ProfileFor;
use super::raw_settings::RawSettings;
use super::settings::Config;
use super::source::Source;
use super::{read, secrets};
use crate::document::{Location, Problem};
use crate::domain::Code;

impl Config {
    /// The file that is read when none is named: the first of these that exists.
    pub const DEFAULT_FILES: [&str; 2] = ["./crossgrant.toml", "/etc/crossgrant/crossgrant.toml"];

    /// The first of [`Config::DEFAULT_FILES`] that exists.
    pub fn default_file() -> Option<PathBuf> {
        Self::DEFAULT_FILES.iter().map(PathBuf::from).find(|path| path.exists())
    }

    /// Reads `path`, if one is given, with `env` over it, and the files that these name.
    ///
    /// # Errors
    /// Every mistake, one line each.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        Self::load_with(path, env, &[])
    }

    /// The same, with profiles in the place of the credentials that are configured for some accounts.
    ///
    /// # Errors
    /// Every mistake, one line each.
    pub fn load_with(
        path: Option<&Path>,
        env: impl Iterator<Item = (String, String)>,
        profiles: &[ProfileFor],
    ) -> Result<Self, ConfigError> {
        let (mut problems, mut warnings) = (Vec::new(), Vec::new());
        let name = path.map(|path| path.display().to_string()).unwrap_or_default();
        let text = path.map(std::fs::read_to_string).transpose().map_err(|error| {
            let message = format!("cannot read this file: {error}");
            let location = Location::File(name.clone());
            ConfigError::new(vec![Problem { location, code: Code::ConfigUnreadable, message }])
        })?;
        let env = Source::environment(env, &mut warnings);
        let file = text.as_ref().map(|text| Source::file(&name, text, &mut problems)).unwrap_or_default();
        let mut raw = RawSettings { file, env, problems, warnings };
        if let Some(path) = path.filter(|_| secrets::are_in(&raw.file)) {
            raw.warn_if_open(path);
        }
        for profile in profiles {
            profile.replace(&mut raw);
        }
        let config = read::config(&mut raw);
        match raw.problems.is_empty() {
            true => Ok(Self { warnings: raw.warnings, ..config }),
            false => Err(ConfigError::new(raw.problems)),
        }
    }
}
