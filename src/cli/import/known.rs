//! What a running worker knows of an instance: its jobs.

use serde::Serialize;

use super::owned::Owned;
use crate::admin::JobPage;
use crate::cli::client::AdminClient;

/// The most jobs that are read of one instance, the newest first.
const LIMIT: usize = 100;

/// The jobs of a worker on one grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Jobs {
    Known(KnownJobs),
    /// Why they are not known.
    Unknown(String),
}

/// Some jobs, or none.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub(super) struct KnownJobs {
    /// How many there are, up to a hundred.
    pub count: usize,
    /// Those that have not ended, such as `tickets/NET-4312/1`.
    pub open: Vec<String>,
    /// The newest one, such as `grant tickets/NET-4312/1 completed`.
    pub newest: Option<String>,
}

/// Asks a worker. Once it cannot be asked, it is not asked again.
pub(super) struct WorkerJobs {
    worker: Result<AdminClient, String>,
}

impl WorkerJobs {
    /// The worker, or why there is none to ask.
    pub fn new(worker: Result<AdminClient, String>) -> Self {
        Self { worker }
    }

    /// The jobs on the instance in its CEN.
    pub async fn of(&mut self, owned: &Owned) -> Jobs {
        let path = format!("/v1/jobs?instance={}&cen={}&limit={LIMIT}", owned.instance, owned.cen);
        let page = match &self.worker {
            Ok(worker) => worker.get::<JobPage>(&path).await,
            Err(why) => return Jobs::Unknown(why.clone()),
        };
        match page {
            Ok(page) => Jobs::Known(known(&page)),
            Err(error) => {
                self.worker = Err(error.message.clone());
                Jobs::Unknown(error.message)
            }
        }
    }
}

fn known(page: &JobPage) -> KnownJobs {
    let jobs = page.jobs.iter().map(|row| &row.job);
    let open = jobs.clone().filter(|job| !job.state().is_terminal());
    KnownJobs {
        count: page.jobs.len(),
        open: open.map(|job| format!("{}/{}", job.requester, job.job.id)).collect(),
        newest: jobs
            .clone()
            .next()
            .map(|job| format!("{} {}/{} {}", job.job.kind, job.requester, job.job.id, job.state())),
    }
}
