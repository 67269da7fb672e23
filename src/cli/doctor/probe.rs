//! `doctor --probe`: compares the live cloud with what this program assumes about it at points that no document decides. Only
//! reads are sent, by the accounts of the given jobs.

mod judge;
mod look;
mod observation;
mod points;
mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use self::look::ProbeReader;
use self::observation::{PointObservation, PointVerdict};
use super::finding::{parsed, print};
use crate::cli::engine::{CloudAccess, accounts, catalog};
use crate::cli::exit::{CliError, Exit};
use crate::cli::output;
use crate::clock::{Clock, SystemClock};
use crate::cloud::{Accounts, Unobserved};
use crate::config::Config;
use crate::domain::{Code, Job};

/// Probes the cloud for each of these jobs and prints what it shows. Succeeds only if nothing differs.
pub(super) async fn probes(jobs: &[Bytes], json: bool, config: Config) -> Result<Exit, CliError> {
    if jobs.is_empty() {
        return Err(CliError::usage("there is no job to probe the cloud with").code(Code::NoJob));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let access = CloudAccess::configured(&config)?;
    let catalog = catalog(&access.overrides)?;
    let accounts = accounts(access, &catalog, &clock, Arc::new(Unobserved))?;
    let mut exit = Exit::Ok;
    for body in jobs {
        match parsed(body) {
            Ok(job) => {
                let probed = probe(&accounts, clock.as_ref(), &job).await;
                probed.lines(json).iter().try_for_each(|line| output::line(line))?;
                if probed.differs() {
                    exit = Exit::Failed;
                }
            }
            Err(faults) => {
                faults.iter().try_for_each(|fault| print(fault, json))?;
                exit = Exit::Failed;
            }
        }
    }
    Ok(exit)
}

/// What the cloud shows for one job.
struct JobProbe {
    id: String,
    /// The instance and the CEN, as text.
    about: String,
    observations: Vec<PointObservation>,
}

/// Sends the reads, and judges the answers.
async fn probe(accounts: &Accounts, clock: &dyn Clock, job: &Job) -> JobProbe {
    let (instance, cen) = (&job.instance, &job.cen);
    let looked = ProbeReader { accounts, clock }.look(instance, cen).await;
    let about = format!(
        "{} {} of account {}, and {} of account {}",
        instance.kind, instance.id, instance.owner, cen.id, cen.owner
    );
    JobProbe { id: job.id.to_string(), about, observations: judge::judge(&looked) }
}

impl JobProbe {
    /// Whether any point differs from the assumption.
    fn differs(&self) -> bool {
        self.observations.iter().any(PointObservation::differs)
    }

    /// One JSON object per line, or the text for people.
    fn lines(&self, json: bool) -> Vec<String> {
        if json {
            return self.observations.iter().map(|seen| seen.json(&self.id).to_string()).collect();
        }
        let count = |is: fn(&PointVerdict) -> bool| self.observations.iter().filter(|seen| is(&seen.verdict)).count();
        let agree = count(|verdict| matches!(verdict, PointVerdict::Agrees(_)));
        let differ = count(|verdict| matches!(verdict, PointVerdict::Differs(_)));
        let unclear = self.observations.len() - agree - differ;
        let mut lines = vec![format!("Job {}: {}", self.id, self.about)];
        lines.extend(self.observations.iter().flat_map(PointObservation::lines));
        lines.push(format!("{agree} points agree, {differ} differ, {unclear} cannot be told. See docs/cloud.md."));
        lines
    }
}
