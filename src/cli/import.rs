//! `import terraform`: the grants and attachments of a Terraform state, beside what the cloud shows of them and which jobs a
//! worker knows. Only reads: neither the state, nor the cloud, nor the worker is changed.

mod known;
mod owned;
mod page;
mod shown;
mod state;
#[cfg(test)]
mod tests;
mod verdict;

use std::collections::HashMap;
use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;

use self::known::{Jobs, WorkerJobs};
use self::owned::{Listed, owned};
use self::page::Row;
use self::shown::{CloudLists, Shown};
use self::state::{MAX_BYTES, State};
use super::args::{ImportCommand, ImportTerraformArgs};
use super::client::AdminClient;
use super::engine::{CloudAccess, accounts, catalog};
use super::exit::{CliError, Exit};
use super::output;
use crate::clock::{Clock, SystemClock};
use crate::cloud::Unobserved;
use crate::config::Config;
use crate::domain::{Code, Hour};
use crate::engine::ports::cloud::Readers;

/// The most grants and attachments that are listed: each is a question to the worker.
const MAX_ROWS: usize = 10_000;

/// Lists what another tool owns.
pub(super) async fn import(
    command: &ImportCommand,
    config: impl FnOnce() -> Result<Config, CliError>,
) -> Result<Exit, CliError> {
    let ImportCommand::Terraform(args) = command;
    let state = read(&args.state)?;
    let listed = owned(&state, &args.cen);
    if listed.len() > MAX_ROWS {
        let message =
            format!("the state has {} grants and attachments; {MAX_ROWS} can be listed at once", listed.len());
        return Err(CliError::usage(message).code(Code::BadTerraformState));
    }
    let (access, worker) = around(args, config)?;
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let catalog = catalog(&access.overrides)?;
    let readers: Arc<dyn Readers> = Arc::new(accounts(access, &catalog, &clock, Arc::new(Unobserved))?);
    let rows = rows(listed, readers.as_ref(), WorkerJobs::new(worker)).await;
    let lines = match args.json {
        true => rows.iter().map(|row| page::object(row, state.format).to_string()).collect(),
        false => page::page(&rows, state.format),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    let unknown = rows.iter().find_map(|row| match &row.jobs {
        Jobs::Unknown(why) => Some(why),
        Jobs::Known(_) => None,
    });
    if let Some(why) = unknown {
        tracing::warn!("which jobs there are is not known: {why}");
    }
    Ok(if rows.iter().all(Row::is_whole) { Exit::Ok } else { Exit::Failed })
}

/// The cloud to look at, and the worker to ask, or why none is asked. A cloud without accounts answers nothing.
fn around(
    args: &ImportTerraformArgs,
    config: impl FnOnce() -> Result<Config, CliError>,
) -> Result<(CloudAccess, Result<AdminClient, String>), CliError> {
    if let Some(world) = &args.cloud.simulate {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let access = CloudAccess::simulated(world.as_deref(), Hour::REAL, clock)?;
        return Ok((access, Err("no worker is asked about a simulated cloud".into())));
    }
    let config = config()?;
    let worker = AdminClient::of(&args.worker, &config)?;
    Ok((CloudAccess::of(&config), Ok(worker)))
}

async fn rows(listed: Vec<Listed>, readers: &dyn Readers, mut worker: WorkerJobs) -> Vec<Row> {
    let mut lists = CloudLists::new(readers);
    let mut first: HashMap<_, String> = HashMap::new();
    let mut rows = Vec::with_capacity(listed.len());
    for listed in listed {
        let (shown, jobs, again) = match &listed.owned {
            Err(_) => (Shown::NotAsked, Jobs::Known(Default::default()), None),
            Ok(owned) => {
                let thing = (owned.instance.clone(), owned.cen.clone(), owned.part.as_str(), owned.attached_by.clone());
                let again = first.get(&thing).cloned();
                first.entry(thing).or_insert_with(|| listed.address.clone());
                (lists.of(owned).await, worker.of(owned).await, again)
            }
        };
        let verdict = verdict::judge(&listed, &shown, &jobs, again.as_deref());
        rows.push(Row { listed, shown, jobs, verdict });
    }
    rows
}

/// Reads a state from a file, or from standard input for `-`.
fn read(file: &Path) -> Result<State, CliError> {
    let (name, opened): (String, std::io::Result<Box<dyn Read>>) = match file == Path::new("-") {
        true => ("standard input".into(), Ok(Box::new(std::io::stdin()))),
        false => (file.display().to_string(), File::open(file).map(|file| Box::new(file) as _)),
    };
    let mut bytes = Vec::new();
    let taken = opened.and_then(|state| state.take(MAX_BYTES as u64 + 1).read_to_end(&mut bytes));
    taken.map_err(|error| CliError::usage(format!("cannot read {name}: {error}")).code(Code::FileUnreadable))?;
    let bad = |why: String| CliError::usage(format!("{name}: {why}")).code(Code::BadTerraformState);
    if bytes.len() > MAX_BYTES {
        return Err(bad(format!("it has more than {} MiB", MAX_BYTES / 1024 / 1024)));
    }
    state::read(&bytes).map_err(bad)
}
