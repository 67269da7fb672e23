//! This machine: the worker that runs here; if there is none, the address and the store that one would use.

use std::fmt::Display;
use std::path::Path;
use std::sync::Arc;

use tokio::net::TcpListener;

use super::finding::{DoctorFinding, failed, fault, fine};
use crate::admin::JobPage;
use crate::cli::args::WorkerArgs;
use crate::cli::client::AdminClient;
use crate::cli::exit::Exit;
use crate::cli::store;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, StoreConfig};
use crate::domain::Code;
use crate::engine::ports::store::StoreError;
use crate::store::Sqlite;

pub(super) async fn local(config: &Config) -> Vec<DoctorFinding> {
    let worker = match AdminClient::of(&WorkerArgs::default(), config) {
        Ok(worker) => worker,
        Err(error) => return vec![failed("admin", error, "correct `[admin] listen`")],
    };
    let answers = match worker.get::<JobPage>("/v1/jobs?limit=1").await {
        Ok(_) => fine("admin", format!("a worker answers at {}", worker.url())),
        Err(error) if error.exit == Exit::Unreachable => return vec![address(config).await, storage(config).await],
        Err(error) if error.code == Code::NotAWorker => {
            return vec![failed("admin", error, "stop that program, or set `[admin] listen` to another address")];
        }
        Err(error) => {
            let advice = format!("`crossgrant explain {}`", error.code);
            failed("admin", error, advice)
        }
    };
    let advice = format!("see {}/readyz and the worker's log", worker.url());
    let ready = match worker.readiness().await {
        Ok(readiness) if readiness.ready => fine("worker", "is ready: store, broker and definitions"),
        Ok(readiness) => {
            let says = format!("runs but is not ready: {}", readiness.failed());
            fault("worker", Code::WorkerNotReady, says, advice)
        }
        Err(error) => failed("worker", error, advice),
    };
    vec![answers, ready]
}

/// Whether a worker could listen at its address.
async fn address(config: &Config) -> DoctorFinding {
    let at = config.admin.listen;
    match TcpListener::bind(at).await {
        Ok(_) => fine("admin", format!("no worker runs here; {at} is free for one")),
        Err(error) => {
            let says = format!("cannot listen on {at}: {error}");
            fault("admin", Code::CannotListen, says, "set `[admin] listen` to a free address")
        }
    }
}

/// Whether a worker could use the store. A file is not created, and not changed.
async fn storage(config: &Config) -> DoctorFinding {
    if let StoreConfig::File(path) = &config.store {
        return if path.exists() { examined(path) } else { absent(path) };
    }
    let place = store::place(&config.store);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let probed = match store::open(&config.store, &clock, false).await {
        Ok(store) => store.probe().await,
        Err(error) => Err(error),
    };
    match probed {
        Ok(()) => fine("store", format!("{place} can be written and read")),
        Err(error) => unusable(place, &error),
    }
}

fn unusable(place: impl Display, error: &StoreError) -> DoctorFinding {
    let advice = format!("`crossgrant explain {}`", error.code());
    fault("store", error.code(), format!("{place}: {error}"), advice)
}

/// A file that is there.
fn examined(path: &Path) -> DoctorFinding {
    let place = path.display();
    match Sqlite::examine(path) {
        Ok(Sqlite::SCHEMA) => fine("store", format!("{place} can be written and read")),
        Ok(found) => {
            let ours = Sqlite::SCHEMA;
            let says =
                format!("{place} can be written and read; the worker brings its schema from version {found} to {ours}");
            fine("store", says)
        }
        Err(error) => unusable(place, &error),
    }
}

/// A file that the worker would create, with its directories.
fn absent(path: &Path) -> DoctorFinding {
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    let above = path.ancestors().skip(1).find(|above| above.exists());
    match above.map(|above| (above, above.metadata())) {
        Some((_, Ok(above))) if above.is_dir() && !above.permissions().readonly() => {
            fine("store", format!("{} does not exist yet; the worker creates it", path.display()))
        }
        above => {
            let above = above.map_or_else(|| path.display(), |(above, _)| above.display());
            let says = format!("{} cannot be created: {above} is no directory that can be written", path.display());
            fault("store", Code::StoreUnavailable, says, "set `[store] path` to a file that the worker can create")
        }
    }
}
