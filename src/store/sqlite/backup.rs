//! Copies of the file: one of a store in use, and one that is to become a store.

use std::fs::{self, File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rusqlite::Connection;

use super::error::{missing, of_another_kind, of_the_system};
use super::open::{connect_to_read, recognize};
use crate::engine::ports::store::StoreError;

/// Copies the store at `path` as it is at one moment into the new file `to`, for this user only. A worker may use the store
/// meanwhile; what it commits during the copy is not in it.
///
/// # Errors
/// `Unavailable` if `to` exists or one of the files cannot be used; `Corrupt` if the store or the copy is not sound.
pub fn back_up(path: &Path, to: &Path) -> Result<(), StoreError> {
    of_another_kind(path)?;
    if !path.exists() {
        return Err(missing(path));
    }
    let store = connect_to_read(path)?;
    recognize(&store)?;
    create(to)?;
    let copied = (|| {
        // One transaction that reads, whatever the worker writes meanwhile.
        store.execute("VACUUM INTO ?1", [to.to_string_lossy()])?;
        sync(to)?;
        sound(to)
    })();
    if copied.is_err() {
        let _ = fs::remove_file(to);
    }
    copied
}

/// Copies a backup into the new file `to`, which can then be opened as a store.
///
/// # Errors
/// As for [`back_up`].
pub fn unpack(backup: &Path, to: &Path) -> Result<(), StoreError> {
    sound(backup)?;
    back_up(backup, to)
}

/// An empty file, for this user only.
fn create(to: &Path) -> Result<(), StoreError> {
    let created = OpenOptions::new().write(true).create_new(true).mode(0o600).open(to);
    created.map(drop).map_err(|e| of_the_system("cannot create", to, &e))
}

/// The file and its name are on disk.
fn sync(file: &Path) -> Result<(), StoreError> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for path in [file, folder] {
        File::open(path).and_then(|open| open.sync_all()).map_err(|e| of_the_system("cannot sync", path, &e))?;
    }
    Ok(())
}

/// Fails if SQLite finds the file damaged, or it is not a store.
fn sound(path: &Path) -> Result<(), StoreError> {
    let conn = connect_to_read(path)?;
    recognize(&conn)?;
    match check(&conn)?.as_str() {
        "ok" => Ok(()),
        found => Err(StoreError::Corrupt(format!("{} is damaged: {found}", path.display()))),
    }
}

fn check(conn: &Connection) -> Result<String, StoreError> {
    Ok(conn.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt as _;

    use super::super::Sqlite;
    use super::*;

    #[test]
    fn a_store_in_use_is_copied_for_this_user_only_and_nothing_is_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy, back) = (dir.path().join("s.db"), dir.path().join("copy"), dir.path().join("back.db"));
        let _in_use = Sqlite::open(&path).unwrap();
        back_up(&path, &copy).unwrap();
        assert_eq!(fs::metadata(&copy).unwrap().permissions().mode() & 0o777, 0o600);
        let error = back_up(&path, &copy).unwrap_err();
        assert!(matches!(&error, StoreError::Unavailable(why) if why.contains("cannot create")), "{error}");
        unpack(&copy, &back).unwrap();
        Sqlite::open(&back).unwrap();
    }

    #[test]
    fn what_is_damaged_or_no_store_is_neither_copied_nor_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let (path, copy, back) = (dir.path().join("s.db"), dir.path().join("copy"), dir.path().join("back.db"));
        drop(Sqlite::open(&path).unwrap());
        back_up(&path, &copy).unwrap();
        let mut bytes = fs::read(&copy).unwrap();
        let middle = bytes.len() / 2;
        bytes[middle..middle + 4_096].fill(0xa5);
        fs::write(&copy, bytes).unwrap();
        assert!(unpack(&copy, &back).is_err());
        fs::write(&copy, "no database").unwrap();
        assert!(unpack(&copy, &back).is_err());
        Connection::open(dir.path().join("other.db")).unwrap().execute_batch("CREATE TABLE t (x)").unwrap();
        let error = back_up(&dir.path().join("other.db"), &back).unwrap_err();
        assert!(error.to_string().contains("not one of crossgrant"), "{error}");
        assert!(!back.exists(), "a copy that failed leaves nothing");
    }
}
