//! `doctor --probe`: what the live cloud shows of each point that no document settles, beside what this program takes for
//! true. Only reads are made, as the accounts of the given jobs.

mod judge;
mod look;
mod observation;
mod points;
mod read;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use bytes::Bytes;

use self::look::Asker;
use self::observation::{Observation, Verdict};
use super::{parsed, print};
use crate::cli::engine::{Access, accounts, catalog};
use crate::cli::exit::{Exit, Failure};
use crate::cli::output;
use crate::clock::{Clock, SystemClock};
use crate::cloud::{Accounts, Unobserved};
use crate::config::Config;
use crate::domain::{Code, Job};

/// Probes the cloud for each of these jobs and prints what it shows. Fine only if nothing differs.
pub(super) async fn probes(jobs: &[Bytes], json: bool, config: Config) -> Result<Exit, Failure> {
    if jobs.is_empty() {
        return Err(Failure::usage("there is no job to probe the cloud with").code(Code::NoJob));
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let access = Access::configured(&config)?;
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

/// What was seen for one job.
struct Probed {
    id: String,
    /// What it was asked about.
    about: String,
    observations: Vec<Observation>,
}

/// Asks the cloud, and judges the answers.
async fn probe(accounts: &Accounts, clock: &dyn Clock, job: &Job) -> Probed {
    let (instance, cen) = (&job.instance, &job.cen);
    let looked = Asker { accounts, clock }.look(instance, cen).await;
    let about = format!(
        "{} {} of account {}, and {} of account {}",
        instance.kind, instance.id, instance.owner, cen.id, cen.owner
    );
    Probed { id: job.id.to_string(), about, observations: judge::judge(&looked) }
}

impl Probed {
    /// Whether a point is not as it was taken to be.
    fn differs(&self) -> bool {
        self.observations.iter().any(Observation::differs)
    }

    /// One JSON object to a line, or lines for people.
    fn lines(&self, json: bool) -> Vec<String> {
        if json {
            return self.observations.iter().map(|seen| seen.json(&self.id).to_string()).collect();
        }
        let count = |is: fn(&Verdict) -> bool| self.observations.iter().filter(|seen| is(&seen.verdict)).count();
        let agree = count(|verdict| matches!(verdict, Verdict::Agrees(_)));
        let differ = count(|verdict| matches!(verdict, Verdict::Differs(_)));
        let unclear = self.observations.len() - agree - differ;
        let mut lines = vec![format!("Job {}: {}", self.id, self.about)];
        lines.extend(self.observations.iter().flat_map(Observation::lines));
        lines.push(format!("{agree} points agree, {differ} differ, {unclear} cannot be told. See docs/cloud.md."));
        lines
    }
}
