//! Loading: both sources are read, then every setting. A configuration comes of it only if all of them can be used.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use super::error::ConfigError;
use super::profile::ProfileFor;
use super::raw_settings::RawSettings;
use super::settings::{Config, ConfigFor};
use super::source::Source;
use super::{read, secrets};
use crate::document::{Location, Problem};
use crate::domain::Code;

/// The permissions of the group and of every user to write.
const OTHERS_WRITE: u32 = 0o022;

impl Config {
    /// The file that is read when none is named: that of the machine, or else that of the working directory.
    ///
    /// # Errors
    /// If the one of the working directory is not the caller's own: it would say where keys and tokens are sent.
    pub fn default_file() -> Result<Option<PathBuf>, ConfigError> {
        let machine = Path::new("/etc/crossgrant/crossgrant.toml");
        if machine.exists() { Ok(Some(machine.to_owned())) } else { own_file_in(Path::new(".")) }
    }

    /// Reads `path`, if one is given, with `env` over it, and the files that these name.
    ///
    /// # Errors
    /// Every mistake, one line each.
    pub fn load(path: Option<&Path>, env: impl Iterator<Item = (String, String)>) -> Result<Self, ConfigError> {
        Self::load_for(ConfigFor::Everything, path, env, &[])
    }

    /// The same for one purpose, with profiles in the place of the credentials that are configured for some accounts.
    ///
    /// # Errors
    /// Every mistake, one line each.
    pub fn load_for(
        purpose: ConfigFor,
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
        let mut raw = RawSettings { file, env, purpose, problems, warnings };
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

/// The `crossgrant.toml` of a folder, if there is one.
fn own_file_in(at: &Path) -> Result<Option<PathBuf>, ConfigError> {
    let path = at.join("crossgrant.toml");
    // A link and what it leads to may belong to different users.
    let (Ok(link), Ok(file), Ok(folder)) = (path.symlink_metadata(), path.metadata(), at.metadata()) else {
        return Ok(None);
    };
    let caller = rustix::process::geteuid().as_raw();
    let owners = [link.uid(), file.uid()];
    let open = |what: &str, mode: u32, at: &str| {
        format!("other users can {what} (mode {:03o}); `chmod go-w {at}` ends that", mode & 0o7777)
    };
    let why = if owners != [caller; 2] {
        format!("it belongs to another user (uid {}, and you are {caller})", file.uid())
    } else if ![caller, 0].contains(&folder.uid()) {
        format!("its folder belongs to another user (uid {}, and you are {caller})", folder.uid())
    } else if file.mode() & OTHERS_WRITE != 0 {
        open("write it", file.mode(), &path.display().to_string())
    } else if folder.mode() & OTHERS_WRITE != 0 {
        open("put another one into its folder", folder.mode(), &at.display().to_string())
    } else {
        return Ok(Some(path));
    };
    let message =
        format!("this file is not read without being named: {why}. If you trust it, pass --config {}", path.display());
    let location = Location::File(path.display().to_string());
    Err(ConfigError::new(vec![Problem { location, code: Code::ConfigForeignFile, message }]))
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    use super::*;

    #[test]
    fn a_file_of_the_working_directory_is_read_only_if_it_is_the_callers_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("crossgrant.toml");
        let refused = || own_file_in(folder.path()).unwrap_err().to_string();
        assert_eq!(own_file_in(folder.path()).unwrap(), None);

        fs::write(&path, "").unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        assert_eq!(own_file_in(folder.path()).unwrap().as_ref(), Some(&path));
        for mode in [0o666, 0o664, 0o646] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let mend = format!("(mode {mode:o}); `chmod go-w {}`", path.display());
            assert!(refused().contains("write it") && refused().contains(&mend), "{}", refused());
        }
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        for mode in [0o777, 0o775, 0o1777] {
            fs::set_permissions(folder.path(), Permissions::from_mode(mode)).unwrap();
            let mend = format!("(mode {mode:o}); `chmod go-w {}`", folder.path().display());
            assert!(refused().contains("into its folder") && refused().contains(&mend), "{}", refused());
        }
        fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
        assert_eq!(own_file_in(folder.path()).unwrap().as_ref(), Some(&path));
        if rustix::process::geteuid().is_root() {
            chown(folder.path(), Some(65534), None).unwrap();
            assert!(refused().contains("its folder belongs to another user (uid 65534"), "{}", refused());
            chown(folder.path(), Some(0), None).unwrap();
        }

        fs::remove_file(&path).unwrap();
        symlink("/proc/1/status", &path).unwrap();
        if rustix::process::geteuid().is_root() {
            fs::remove_file(&path).unwrap();
            fs::write(&path, "").unwrap();
            chown(&path, Some(65534), None).unwrap();
        }
        assert!(refused().contains("another user") && refused().contains("--config"), "{}", refused());
    }
}
