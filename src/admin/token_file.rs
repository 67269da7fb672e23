//! The token that a worker makes beside an SQLite store, for commands of the same user on the same machine.
//!
//! It is made anew at every start. A program of another user that takes the worker's address while no worker runs is sent the
//! old one, which is worth nothing once the worker runs again.

use std::fs::{OpenOptions, remove_file, rename};
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use rustix::io::Errno;
use secrecy::SecretString;
use uuid::Uuid;

use super::tokens::{AdminRole, AdminToken, LOCAL};

/// Longer than any token that a worker makes. No more of the file is read.
const LONGEST: u64 = 1024;

/// Why the token cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum BadTokenFile {
    /// There is no file.
    #[error("there is no {}", .0.display())]
    Absent(PathBuf),
    /// It is another user's.
    #[error("{} belongs to another user", .0.display())]
    Denied(PathBuf),
    /// It is not what a worker makes there.
    #[error("{} {why}", .path.display())]
    Unfit {
        /// The file.
        path: PathBuf,
        /// What is wrong with it, and what to do.
        why: String,
    },
}

/// Where the token of a store is: `<store>.token`.
pub fn beside(store: &Path) -> PathBuf {
    let mut name = store.as_os_str().to_owned();
    name.push(".token");
    name.into()
}

/// Makes a token and writes it to `path`, for this user only. The caller holds the lock of the store, so only one process does
/// this. The file appears whole, and in the place of a link, not through it.
pub fn make(path: &Path) -> io::Result<AdminToken> {
    // Each has 122 random bits of the system.
    let secret = format!("{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple());
    let mut new = path.as_os_str().to_owned();
    new.push(".new");
    let new = PathBuf::from(new);
    match remove_file(&new) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&new)?;
    writeln!(file, "{secret}")?;
    file.sync_all()?;
    rename(&new, path)?;
    Ok(AdminToken { name: LOCAL.to_owned(), role: AdminRole::Approver, secret: secret.into(), requesters: vec![] })
}

/// Reads the token.
///
/// # Errors
/// Also if others can read the file, or it is a link, or it is neither the caller's nor of the user whose folder it is in: then
/// somebody else may know the token, or have chosen it.
pub fn read(path: &Path) -> Result<SecretString, BadTokenFile> {
    let unfit = |why: String| BadTokenFile::Unfit { path: path.to_owned(), why };
    let links = i32::try_from(OFlags::NOFOLLOW.bits() | OFlags::NONBLOCK.bits()).expect("flags are small");
    let file = OpenOptions::new().read(true).custom_flags(links).open(path).map_err(|error| match error.kind() {
        ErrorKind::NotFound => BadTokenFile::Absent(path.to_owned()),
        ErrorKind::PermissionDenied => BadTokenFile::Denied(path.to_owned()),
        _ if error.raw_os_error() == Some(Errno::LOOP.raw_os_error()) => {
            unfit("is a symbolic link, which no worker makes; remove it and restart the worker".into())
        }
        _ => unfit(format!("cannot be read: {error}")),
    })?;
    let meta = file.metadata().map_err(|error| unfit(format!("cannot be read: {error}")))?;
    if !meta.is_file() {
        return Err(unfit("is not a regular file; remove it and restart the worker".into()));
    }
    let folder = path.parent().and_then(|folder| folder.metadata().ok()).map(|folder| folder.uid());
    if !is_owner(meta.uid(), rustix::process::geteuid().as_raw(), folder) {
        return Err(unfit(format!(
            "belongs to a user (uid {}) who is neither you nor the owner of its folder; remove it and restart the worker",
            meta.uid()
        )));
    }
    if meta.mode() & 0o077 != 0 {
        let mode = meta.mode() & 0o7777;
        return Err(unfit(format!(
            "can be used by others (mode {mode:03o}); restart the worker, which makes a new one"
        )));
    }
    let mut secret = String::new();
    file.take(LONGEST).read_to_string(&mut secret).map_err(|error| unfit(format!("cannot be read: {error}")))?;
    match secret.trim_end() {
        "" => Err(unfit("is empty; restart the worker, which makes a new one".into())),
        secret => Ok(secret.into()),
    }
}

/// Whether a file of this owner is one that a worker of the caller, or of the user whose `folder` it is in, has made. The root user
/// reads the files of every user.
fn is_owner(owner: u32, caller: u32, folder: Option<u32>) -> bool {
    owner == caller || Some(owner) == folder
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use secrecy::ExposeSecret;

    use super::*;

    fn place() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = beside(&dir.path().join("jobs.db"));
        (dir, path)
    }

    #[test]
    fn it_is_long_private_and_new_each_time() {
        let (dir, path) = place();
        let made = make(&path).unwrap();
        assert_eq!(path.file_name().unwrap(), "jobs.db.token");
        assert_eq!(
            (made.name.as_str(), made.role, made.secret.expose_secret().len()),
            ("local", AdminRole::Approver, 64)
        );
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o7777, 0o600);
        assert_eq!(read(&path).unwrap().expose_secret(), made.secret.expose_secret());
        // What a crash has left in the way.
        fs::write(dir.path().join("jobs.db.token.new"), "half").unwrap();
        let again = make(&path).unwrap();
        assert_ne!(again.secret.expose_secret(), made.secret.expose_secret());
        assert_eq!(read(&path).unwrap().expose_secret(), again.secret.expose_secret());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1);
    }

    #[test]
    fn it_is_not_written_through_a_link() {
        let (dir, path) = place();
        let precious = dir.path().join("precious");
        fs::write(&precious, "as it was").unwrap();
        for link in [path.clone(), dir.path().join("jobs.db.token.new")] {
            symlink(&precious, &link).unwrap();
            let made = make(&path).unwrap();
            assert_eq!(fs::read_to_string(&precious).unwrap(), "as it was");
            assert!(fs::symlink_metadata(&path).unwrap().is_file());
            assert_eq!(read(&path).unwrap().expose_secret(), made.secret.expose_secret());
        }
    }

    #[test]
    fn one_of_a_third_user_is_refused() {
        assert!(is_owner(7, 7, Some(0)) && is_owner(7, 0, Some(7)) && is_owner(0, 0, Some(7)));
        assert!(!is_owner(8, 0, Some(7)) && !is_owner(8, 7, Some(7)) && !is_owner(8, 0, None));
        let (_dir, path) = place();
        make(&path).unwrap();
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&path, Some(65534), None).unwrap();
            let says = read(&path).unwrap_err().to_string();
            assert!(says.contains("(uid 65534)") && says.contains("restart the worker"), "{says}");
        }
    }

    #[test]
    fn one_that_others_can_have_read_or_written_is_refused() {
        let (dir, path) = place();
        assert!(matches!(read(&path), Err(BadTokenFile::Absent(_))));
        make(&path).unwrap();
        for mode in [0o640, 0o604, 0o660, 0o622] {
            fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            let says = read(&path).unwrap_err().to_string();
            assert!(
                says.contains("can be used by others") && says.contains(path.to_str().unwrap()),
                "{mode:o}: {says}"
            );
        }
        let kept = dir.path().join("kept");
        make(&kept).unwrap();
        fs::remove_file(&path).unwrap();
        symlink(&kept, &path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("symbolic link"));
        fs::remove_file(&path).unwrap();
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path).unwrap();
        assert!(read(&path).unwrap_err().to_string().contains("is empty"));
    }
}
