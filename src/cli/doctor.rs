//! `doctor`: checks whether a worker with this configuration can work, and tells how to fix each fault. The broker and the
//! cloud are only read.

mod accounts;
mod broker;
mod cloud;
mod database;
mod finding;
mod local;
mod permissions;
mod probe;
mod refusal;
mod service;
#[cfg(test)]
mod tests;
mod webhooks;

use std::sync::Arc;

use self::cloud::{CloudScope, cloud};
use self::database::database;
use self::finding::{DoctorFinding, failed, fault, fine, print};
use self::local::local;
use super::args::DoctorArgs;
use super::engine::CloudAccess;
use super::exit::{CliError, Exit};
use super::input;
use crate::clock::{Clock, SystemClock};
use crate::config::{Config, Warning};
use crate::domain::Code;
use crate::webhook;

/// The broker closes a channel to tell that a queue is missing or differs. The library logs that as an error, and a finding
/// reports it, as it does of a credential that is refused.
pub(super) const LOG_FILTER: &str = "warn,lapin::channel=off,lapin::io_loop=off,crossgrant::cloud::watch=off";

/// Runs every check; with `--probe` only the probe.
pub(super) async fn doctor(
    args: &DoctorArgs,
    config: impl FnOnce() -> Result<Config, CliError>,
) -> Result<Exit, CliError> {
    if let Some(file) = &args.probe {
        return probe::probes(&input::jobs(file)?, args.json, config()?).await;
    }
    let jobs = args.job.as_deref().map(input::jobs).transpose()?.unwrap_or_default();
    let findings = match config() {
        Err(error) => vec![failed("configuration", error, "correct it; deploy/crossgrant.toml shows every key")],
        Ok(config) => {
            let clock: Arc<dyn Clock> = Arc::new(SystemClock);
            let mut findings = configuration(&config);
            findings.extend(local(&config).await);
            findings.extend(database(&config).await);
            findings.extend(broker::broker(&config).await);
            findings.extend(webhooks::webhooks(&config, &webhook::system()).await);
            match CloudAccess::configured(&config) {
                Ok(access) => {
                    let uids = config.accounts.keys().cloned().collect();
                    let scope = CloudScope { uids, allow: &config.allow, cen: args.cen.as_ref(), jobs: &jobs };
                    findings.extend(cloud(access, &clock, &scope).await);
                }
                Err(error) => findings.push(failed("accounts", error, "configure the accounts and their keys")),
            }
            findings
        }
    };
    findings.iter().try_for_each(|finding| print(finding, args.json))?;
    Ok(if findings.iter().any(DoctorFinding::is_fault) { Exit::Failed } else { Exit::Ok })
}

/// What `serve` warns of as well: a worker works with it, and the message says what to do.
fn warned(warning: &Warning) -> DoctorFinding {
    DoctorFinding { ok: None, code: Some(warning.code), ..fine("configuration", &warning.message) }
}

fn configuration(config: &Config) -> Vec<DoctorFinding> {
    let mut findings: Vec<DoctorFinding> = config.warnings.iter().map(warned).collect();
    if config.allow.is_empty() {
        let says = "there is no [[allow]] rule, so every job is refused";
        findings.push(fault("policy", Code::ConfigNoRule, says, "add [[allow]] rules: who may ask for what"));
    }
    if findings.is_empty() {
        let (accounts, rules) = (config.accounts.len(), config.allow.len());
        findings.push(fine("configuration", format!("accounts: {accounts}, allow-rules: {rules}")));
    }
    findings
}
