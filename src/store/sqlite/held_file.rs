//! The database file, held by this process: from before SQLite opens it until SQLite has closed it, no other process has it
//! under any name, and it stays the file that its path leads to.
//!
//! A path is not a file. A file that is removed, replaced, linked or mounted under a running worker would take jobs in that
//! no restart finds again, so the worker looks before it answers ([`HeldFile::check`]).

use std::fs::{self, DirBuilder, File, OpenOptions, TryLockError};
use std::os::unix::fs::{DirBuilderExt as _, FileExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Mutex;

use rustix::fs::{AtFlags, CWD, Statx, StatxAttributes, StatxFlags, statx};

use super::error::{of_another_kind, of_the_system};
use crate::domain::Code;
use crate::engine::ports::store::StoreError;

/// The file and what belongs to it.
#[derive(Debug)]
pub(super) struct HeldFile {
    path: PathBuf,
    /// Locked. It must not be closed while SQLite has the file open: that would end SQLite's own locks (POSIX), as they
    /// belong to the process.
    file: File,
    /// Locked too, by name. It is never deleted: while another process waits for it, that would let two processes in. It
    /// holds the number of the last outbound message, as text: the store has been at least so far.
    beside: File,
    seen: Mutex<Seen>,
}

/// How the file was left by the last commit of this process, and the files beside it. `None` before it is known.
#[derive(Debug, Default)]
struct Seen {
    content: Option<Content>,
    /// The write-ahead log and its index, as long as a connection is open.
    companions: [Option<Inode>; 2],
    last_number: Option<i64>,
    /// Why it is lost: for the rest of the process, also if everything is put back.
    lost: Option<String>,
}

/// A file, whatever its name. Device and number.
type Inode = ((u32, u32), u64);
/// Size, and time of the last change, of the content.
type Content = (u64, (i64, u32));

/// What is appended to the name of the database, for the file that is locked by name.
const LOCK: &str = ".lock";
/// What SQLite appends to the name of a database, for the write-ahead log and its index.
const COMPANIONS: [&str; 2] = ["-wal", "-shm"];

impl HeldFile {
    /// Locks the file, and creates it with its directory if it does not exist, for this user only. `as_found` accepts a file
    /// that is older than it was, or none where one was.
    ///
    /// # Errors
    /// `Unusable` if it is no file, or its folder cannot be made; `Unavailable` if another process has it; `Lost` if there was a file and is none, or it has a second name under which
    /// another process could have it.
    pub(super) fn take(path: &Path, as_found: bool) -> Result<Self, StoreError> {
        let path = real(path)?;
        let beside = open(&with_suffix(&path, LOCK))?;
        lock(&beside, &path)?;
        if as_found {
            beside.set_len(0).map_err(|e| of_the_system("cannot write beside", &path, &e))?;
        }
        if !path.exists() {
            has_not_gone_back(&path, None)?;
        }
        // Before SQLite opens it, and held until SQLite has closed it.
        let file = open(&path)?;
        lock(&file, &path)?;
        let held = Self { path, file, beside, seen: Mutex::default() };
        let found = held.is_there()?;
        held.has_one_name(&found)?;
        let folder = held.path.parent().and_then(|folder| stat(folder).ok());
        if let Some(why) = too_open(&held.path, found.stx_mode, folder.map(|folder| folder.stx_mode)) {
            tracing::warn!("{why}");
        }
        Ok(held)
    }

    /// Whether a worker has used the file of this name.
    pub(super) fn is_known(path: &Path) -> bool {
        real(path).is_ok_and(|path| with_suffix(&path, LOCK).exists())
    }

    /// Where it really is.
    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The bytes of the file and of those beside it.
    pub(super) fn size(&self) -> u64 {
        let files = std::iter::once("").chain(COMPANIONS).map(|suffix| with_suffix(&self.path, suffix));
        files.filter_map(|file| file.metadata().ok()).map(|file| file.len()).sum()
    }

    /// Notes the files beside it, after SQLite has opened them.
    pub(super) fn opened(&self) {
        self.seen().companions =
            COMPANIONS.map(|suffix| stat(&with_suffix(&self.path, suffix)).ok().map(|s| inode(&s)));
    }

    /// Forgets what was noted: SQLite may have tidied up when it closed the file.
    pub(super) fn closed(&self) {
        let mut seen = self.seen();
        (seen.content, seen.companions) = Default::default();
    }

    /// Notes how a commit of this process has left it. Nothing but the writer may change it.
    pub(super) fn written(&self) {
        self.seen().content = stat(&self.path).ok().map(|file| content(&file));
    }

    /// Fails if the file is no longer the one that was opened.
    ///
    /// # Errors
    /// `Lost`; then nothing that was answered since may be trusted to be there, and the process must end.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        self.checked(|| self.is_the_same().map(drop))
    }

    /// The same, and fails if another program has written to it. Only for the writer, between its commits: a commit also
    /// changes the file, before it is noted.
    pub(super) fn check_content(&self) -> Result<(), StoreError> {
        self.checked(|| {
            let now = content(&self.is_the_same()?);
            if self.seen().content.is_some_and(|before| before != now) {
                return Err(self.lost("another program wrote to it; an older copy was put over it, perhaps"));
            }
            Ok(())
        })
    }

    /// Once lost, it stays lost.
    fn checked(&self, look: impl FnOnce() -> Result<(), StoreError>) -> Result<(), StoreError> {
        if let Some(why) = &self.seen().lost {
            return Err(StoreError::Lost(why.clone()));
        }
        let looked = look();
        if let Err(StoreError::Lost(why)) = &looked {
            self.seen().lost = Some(why.clone());
        }
        looked
    }

    fn is_the_same(&self) -> Result<Statx, StoreError> {
        let file = self.is_there()?;
        self.has_one_name(&file)?;
        let companions = self.seen().companions;
        for (suffix, before) in COMPANIONS.iter().zip(companions) {
            let now = stat(&with_suffix(&self.path, suffix)).ok().map(|file| inode(&file));
            if before.is_some() && now != before {
                return Err(self.lost(&format!("the file beside it that ends in {suffix} was removed or replaced")));
            }
        }
        Ok(file)
    }

    /// Notes the number of the last outbound message, which only grows.
    pub(super) fn reached(&self, number: i64) -> Result<(), StoreError> {
        let mut seen = self.seen();
        if seen.last_number.is_none_or(|before| number > before) {
            // The text never gets shorter.
            let written = self.beside.write_all_at(format!("{number}\n").as_bytes(), 0);
            written.map_err(|e| of_the_system("cannot write beside", &self.path, &e))?;
            seen.last_number = Some(number);
        }
        Ok(())
    }

    /// Fails if the store has been further than `number`, so that what is there now is older, or another.
    pub(super) fn has_not_gone_back(&self, number: i64) -> Result<(), StoreError> {
        has_not_gone_back(&self.path, Some(number))
    }

    fn is_there(&self) -> Result<Statx, StoreError> {
        let ours = statx(&self.file, "", AtFlags::EMPTY_PATH, StatxFlags::BASIC_STATS);
        let ours = ours.map_err(|e| of_the_system("cannot look at", &self.path, &e.into()))?;
        match stat(&self.path) {
            Ok(found) if inode(&found) == inode(&ours) => Ok(found),
            Ok(_) => Err(self.lost("another file was put in its place")),
            Err(rustix::io::Errno::NOENT) => Err(self.lost("it was removed or renamed")),
            Err(e) => Err(of_the_system("cannot look at", &self.path, &e.into())),
        }
    }

    /// Under a second name, another process would not find the write-ahead log, and would destroy the file.
    fn has_one_name(&self, file: &Statx) -> Result<(), StoreError> {
        if file.stx_nlink > 1 {
            let why = format!("it has {} names (hard links): remove all but one", file.stx_nlink);
            return Err(self.lost(&why));
        }
        if file.stx_attributes.contains(StatxAttributes::MOUNT_ROOT) {
            return Err(self.lost("the file alone is mounted here: mount its folder instead"));
        }
        Ok(())
    }

    fn lost(&self, why: &str) -> StoreError {
        StoreError::Lost(format!("{}: {why}", self.path.display()))
    }

    fn seen(&self) -> std::sync::MutexGuard<'_, Seen> {
        self.seen.lock().expect("no holder of this lock panics")
    }
}

/// Fails if the file that was at `path` has been further than `number`; with `None` there is no file now.
fn has_not_gone_back(path: &Path, number: Option<i64>) -> Result<(), StoreError> {
    let text = fs::read_to_string(with_suffix(path, LOCK)).unwrap_or_default();
    let Ok(before) = text.trim().parse::<i64>() else { return Ok(()) };
    let now = match number {
        Some(now) if now >= before => return Ok(()),
        Some(now) => {
            format!("it is now at outbound message {now} and was at {before}: an older copy was put in its place")
        }
        None => "there was a file, and now there is none".to_owned(),
    };
    Err(StoreError::Lost(format!(
        "{}: {now}. Jobs that it does not know would be forgotten, whatever they have written to the cloud. Put the right file \
         back; or accept what is there: `crossgrant serve --accept-store`",
        path.display()
    )))
}

/// The path without links, so that each name of the file leads to the same lock. Creates the directory.
fn real(path: &Path) -> Result<PathBuf, StoreError> {
    of_another_kind(path)?;
    let resolve = |path: &Path| fs::canonicalize(path).map_err(|e| of_the_system("cannot resolve", path, &e));
    if path.symlink_metadata().is_ok() {
        return resolve(path);
    }
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let created = DirBuilder::new().recursive(true).mode(0o700).create(folder);
    created.map_err(|e| {
        let why = format!(
            "the folder {} of the store cannot be made: {e}; make it, for the user of the worker",
            folder.display()
        );
        StoreError::Unusable(Code::StoreMissing, why)
    })?;
    Ok(resolve(folder)?.join(path.file_name().unwrap_or_default()))
}

fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// Opens a file, and creates it if it does not exist, for this user only. SQLite gives the files beside it the same mode.
fn open(path: &Path) -> Result<File, StoreError> {
    let options = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path);
    options.map_err(|e| of_the_system("cannot open", path, &e))
}

fn lock(file: &File, path: &Path) -> Result<(), StoreError> {
    match file.try_lock() {
        Ok(()) => Ok(()),
        Err(TryLockError::WouldBlock) => {
            Err(StoreError::Unavailable(format!("another crossgrant process uses {}", path.display())))
        }
        Err(TryLockError::Error(e)) => Err(of_the_system("cannot lock", path, &e)),
    }
}

/// What other users can do with a file of these modes, and how to end that. One that a worker has made is for its user alone, but
/// a file may have been restored, or its folder made, by hand.
fn too_open(path: &Path, file: u16, folder: Option<u16>) -> Option<String> {
    let at = path.display();
    if file & 0o077 != 0 {
        return Some(format!(
            "other users can use the store {at} (mode {:03o}), and read every job: run `chmod 600` on it and the files beside it",
            file & 0o7777
        ));
    }
    folder.filter(|mode| mode & 0o022 != 0).map(|mode| {
        format!(
            "other users can replace the store {at}, because they can write its folder (mode {:03o}): run `chmod 700` on the folder",
            mode & 0o7777
        )
    })
}

fn stat(path: &Path) -> rustix::io::Result<Statx> {
    statx(CWD, path, AtFlags::empty(), StatxFlags::BASIC_STATS)
}

fn inode(file: &Statx) -> Inode {
    ((file.stx_dev_major, file.stx_dev_minor), file.stx_ino)
}

fn content(file: &Statx) -> Content {
    (file.stx_size, (file.stx_mtime.tv_sec, file.stx_mtime.tv_nsec))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_store_that_others_can_use_or_replace_is_warned_of() {
        let at = Path::new("/var/lib/jobs.db");
        for (file, folder, says) in [
            (0o100_600, Some(0o40_700), None),
            (0o100_600, Some(0o40_755), None),
            (0o100_600, None, None),
            (0o100_644, Some(0o40_700), Some("(mode 644), and read every job: run `chmod 600`")),
            (0o100_660, Some(0o40_700), Some("(mode 660)")),
            (0o100_600, Some(0o40_775), Some("replace the store /var/lib/jobs.db")),
            (0o100_600, Some(0o41_777), Some("(mode 1777): run `chmod 700` on the folder")),
        ] {
            let why = too_open(at, file, folder);
            assert_eq!(why.is_some(), says.is_some(), "{file:o} {folder:?}: {why:?}");
            assert!(why.is_none_or(|why| why.contains(says.unwrap())), "{file:o} {folder:?}");
        }
    }

    #[test]
    fn a_commit_that_is_not_noted_yet_is_no_harm_to_those_who_only_look() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("crossgrant.db");
        let held = HeldFile::take(&path, false).unwrap();
        held.written();
        fs::write(&path, "what a checkpoint writes").unwrap();
        held.check().unwrap();
        held.written();
        held.check_content().unwrap();
        fs::write(&path, "what another program writes").unwrap();
        assert!(matches!(held.check_content(), Err(StoreError::Lost(_))));
        assert!(matches!(held.check(), Err(StoreError::Lost(_))), "once lost, it stays lost");
    }
}
