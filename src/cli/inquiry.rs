//! Asks the worker again and again how jobs stand, beside something that goes on without the answers.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::task::AbortHandle;

use super::args::WorkerArgs;
use super::client::AdminClient;
use super::follow::KnownJob;
use crate::admin::{JobPage, JobRow};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;

/// How often. A page takes the worker less than a tenth of a second.
const EVERY: Duration = Duration::from_secs(5);
/// The most jobs of one answer.
const MOST: usize = 1000;

/// The answers. Dropping it ends the questions.
pub(super) struct Inquiry {
    answers: mpsc::Receiver<Vec<KnownJob>>,
    asking: Option<AbortHandle>,
}

impl Inquiry {
    /// Asks the worker of the configuration about the newest `jobs` jobs. Nothing is ever answered if no such worker can be asked.
    pub fn begin(config: &Config, jobs: usize) -> Self {
        let (found, answers) = mpsc::channel(1);
        let worker = AdminClient::of(&WorkerArgs::default(), config).ok();
        let asking = worker.map(|worker| tokio::spawn(ask(worker, jobs.min(MOST), found)).abort_handle());
        Self { answers, asking }
    }

    /// The next answer.
    pub async fn next(&mut self) -> Vec<KnownJob> {
        match self.answers.recv().await {
            Some(answer) => answer,
            None => std::future::pending().await,
        }
    }
}

impl Drop for Inquiry {
    fn drop(&mut self) {
        self.asking.iter().for_each(AbortHandle::abort);
    }
}

/// Ends when the receiver is gone. A question that fails is asked again: the worker may be away for a moment.
async fn ask(worker: AdminClient, jobs: usize, found: mpsc::Sender<Vec<KnownJob>>) {
    loop {
        let page = worker.get::<JobPage>(&format!("/v1/jobs?state=queued,running,waiting,parked&limit={jobs}")).await;
        match page {
            Ok(page) => {
                if found.send(page.jobs.into_iter().map(known).collect()).await.is_err() {
                    return;
                }
            }
            Err(error) => tracing::debug!(%error, "the worker is not asked how the jobs stand"),
        }
        SystemClock.sleep(EVERY).await;
    }
}

fn known(JobRow { job, explanation }: JobRow) -> KnownJob {
    let (state, held) = (job.state(), job.phase.held().is_some());
    KnownJob { uid: job.uid, state, held, next: explanation.until, why: explanation.why }
}
