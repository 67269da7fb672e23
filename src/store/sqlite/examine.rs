//! Whether a worker could use a file, found out without a change: for a program that only checks.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use rustix::fs::{Access, access};

use super::error::{of_another_kind, of_the_system};
use super::held_file::HeldFile;
use super::{open, outbox};
use crate::engine::ports::store::StoreError;

/// Reads the file and its version, which a worker raises when it starts.
///
/// # Errors
/// As those of opening it.
pub(super) fn examine(path: &Path) -> Result<usize, StoreError> {
    of_another_kind(path)?;
    // Without the file beside it no worker has ever used it under this name, and to lock it would create that file.
    let held = HeldFile::is_known(path).then(|| HeldFile::take(path, false)).transpose()?;
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    for place in [path, folder] {
        access(place, Access::READ_OK | Access::WRITE_OK)
            .map_err(|e| of_the_system("cannot write", place, &e.into()))?;
    }
    let conn = to_read(path)?;
    let found = open::version(&conn)?;
    if let Some(held) = &held
        && found > 0
    {
        held.has_not_gone_back(outbox::last_number(&conn)?)?;
    }
    Ok(found)
}

/// A reader creates the files of a write-ahead log and cannot remove them. Where there is none, a worker has closed the file
/// well, and nothing writes to it now: then it can be read without.
fn to_read(path: &Path) -> Result<Connection, StoreError> {
    let mut log = path.as_os_str().to_owned();
    log.push("-wal");
    if Path::new(&log).exists() {
        return open::connect_to_read(path);
    }
    let name: String = path.to_string_lossy().chars().map(escaped).collect();
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(format!("file:{name}?immutable=1"), flags)?)
}

/// A character of a path as it stands in a URI.
fn escaped(c: char) -> String {
    match c {
        '%' | '?' | '#' => format!("%{:02X}", c as u32),
        c => c.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::fs;

    use super::*;
    use crate::store::Sqlite;

    /// Every file with its content.
    fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
        let each = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap());
        each.map(|entry| (entry.file_name().into_string().unwrap(), fs::read(entry.path()).unwrap())).collect()
    }

    #[test]
    fn nothing_is_changed_not_even_an_old_schema() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("50% off? #1.db");
        drop(Sqlite::open(&path).unwrap());
        let before = files(dir.path());
        assert_eq!(Sqlite::examine(&path).unwrap(), Sqlite::SCHEMA);
        assert_eq!(files(dir.path()), before);

        let old = dir.path().join("old.db");
        let conn = Connection::open(&old).unwrap();
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; {} PRAGMA user_version = 1; PRAGMA application_id = {}",
            open::MIGRATIONS[0],
            open::APPLICATION_ID
        ))
        .unwrap();
        drop(conn);
        let before = files(dir.path());
        assert_eq!(Sqlite::examine(&old).unwrap(), 1);
        assert_eq!(files(dir.path()), before);
    }

    #[test]
    fn what_keeps_a_worker_from_it_is_found() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.db");
        let held = Sqlite::open(&path).unwrap();
        assert!(Sqlite::examine(&path).unwrap_err().to_string().contains("another crossgrant process"));
        drop(held);
        for (text, says) in [("no database at all, but a text that is long enough", "not a database"), ("", "")] {
            let other = dir.path().join("other.db");
            fs::write(&other, text).unwrap();
            match Sqlite::examine(&other) {
                Ok(found) => assert_eq!((found, text), (0, "")),
                Err(error) => assert!(error.to_string().contains(says), "{error}"),
            }
        }
    }
}
