//! A clock that real programs go by and a test can set: see `clock_set.c`.

use std::fs::{self, File, OpenOptions, Permissions};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;
use std::process::Command;

/// The wall clock of the programs that are started with [`SetClock::environment`].
pub struct SetClock {
    ahead: File,
    environment: [(&'static str, String); 2],
    _dir: tempfile::TempDir,
}

impl SetClock {
    /// A clock that is right.
    pub fn new() -> Self {
        // Not below the directory of the build: a database server runs as another user, who must be able to read it.
        let dir = tempfile::Builder::new().prefix("crossgrant-clock-").tempdir().unwrap();
        fs::set_permissions(dir.path(), Permissions::from_mode(0o755)).unwrap();
        let (library, path) = (dir.path().join("clock_set.so"), dir.path().join("ahead"));
        let source = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/support/clock_set.c");
        let built = Command::new("cc").args(["-O2", "-shared", "-fPIC", "-o"]).arg(&library).arg(source).status();
        assert!(built.expect("the linker of Rust is a C compiler").success());
        let ahead = OpenOptions::new().write(true).create_new(true).open(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let environment =
            [("LD_PRELOAD", library.display().to_string()), ("CLOCK_SET_AHEAD", path.display().to_string())];
        let clock = Self { ahead, environment, _dir: dir };
        clock.set(0);
        clock
    }

    /// Sets it so many seconds ahead of the true time.
    pub fn set(&self, ahead: i64) {
        self.ahead.write_all_at(&ahead.to_ne_bytes(), 0).unwrap();
    }

    /// What makes a program go by it.
    pub fn environment(&self) -> [(&str, &str); 2] {
        self.environment.each_ref().map(|(name, value)| (*name, value.as_str()))
    }
}
