//! `backup` and `restore`: copies of the store's file, and what a store may do that was put back from one.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::{BackupArgs, RestoreArgs};
use super::exit::{CliError, Exit};
use super::{output, store};
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StoreConfig};
use crate::domain::Code;
use crate::engine::loops::restored;
use crate::engine::ports::store::StoreError;
use crate::store::{Sqlite, back_up, unpack};

/// What is appended to the name of the store while it is put back.
const PARTLY: &str = ".restoring";

/// Copies the store into a new file, also while a worker uses it.
pub(super) fn backup(args: &BackupArgs, config: &Config) -> Result<Exit, CliError> {
    let path = file(config, "copy it with `pg_dump`")?;
    if args.file.exists() {
        return Err(
            CliError::usage(format!("{} exists already: name a new file", args.file.display())).code(Code::FileExists)
        );
    }
    back_up(path, &args.file)?;
    let bytes = fs::metadata(&args.file).map(|file| file.len()).unwrap_or_default();
    output::line(&format!("{}: {bytes} bytes, a sound copy of {}", args.file.display(), path.display()))?;
    Ok(Exit::Ok)
}

/// Puts a backup in the place of the store, which must be away, or takes the store as it was found. Its jobs park before they
/// write.
pub(super) async fn restore(args: &RestoreArgs, config: &Config) -> Result<Exit, CliError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let jobs = match &args.file {
        None => restored::mark(store::open(&config.store, &clock, true).await?.as_ref(), clock.now()).await?,
        Some(backup) => {
            let path = file(config, "put it back with `pg_restore`, and then run `crossgrant restore --as-found`")?;
            put_back(backup, path, clock.as_ref()).await?
        }
    };
    output::line(&format!(
        "{} is put back; jobs that will park before they write: {jobs}",
        store::place(&config.store)
    ))?;
    Ok(Exit::Ok)
}

async fn put_back(backup: &Path, path: &Path, clock: &dyn Clock) -> Result<usize, CliError> {
    if let Some(there) = beside(path, ["", "-wal", "-shm"]).into_iter().find(|file| file.exists()) {
        let advice = "stop the worker, move the files of the store away, and repeat";
        return Err(CliError::failed(format!("{} exists", there.display())).hint(advice));
    }
    let partly = beside(path, [PARTLY]).remove(0);
    let leftovers = beside(&partly, ["", ".lock", "-wal", "-shm"]);
    let remove = || leftovers.iter().for_each(|file| drop(fs::remove_file(file)));
    // What an interrupted restore has left.
    remove();
    let marked = async {
        unpack(backup, &partly)?;
        let store = Sqlite::open_as_found(&partly)?;
        let jobs = restored::mark(&store, clock.now()).await?;
        drop(store);
        fs::rename(&partly, path).map_err(|error| {
            StoreError::Unavailable(format!("cannot rename {} to {}: {error}", partly.display(), path.display()))
        })?;
        // Notes that this file is the store from now on.
        drop(Sqlite::open_as_found(path)?);
        Ok::<usize, StoreError>(jobs)
    };
    let marked = marked.await;
    remove();
    Ok(marked?)
}

/// The store's file.
fn file<'a>(config: &'a Config, otherwise: &str) -> Result<&'a Path, CliError> {
    match &config.store {
        StoreConfig::File(path) => Ok(path),
        StoreConfig::Database(settings) => {
            Err(CliError::usage(format!("the store is the PostgreSQL database {}", settings.place())).hint(otherwise))
        }
    }
}

fn beside<const N: usize>(path: &Path, suffixes: [&str; N]) -> Vec<PathBuf> {
    let with = |suffix: &str| {
        let mut name = path.as_os_str().to_owned();
        name.push(suffix);
        PathBuf::from(name)
    };
    suffixes.into_iter().map(with).collect()
}
