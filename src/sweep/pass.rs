//! One pass: read each group once, decide for every job of it, commit what was decided together.

use std::time::Duration;

use jiff::Timestamp;

use crate::domain::{InstanceId, JobUid};
use crate::engine::cen_rules::{Found, find};
use crate::engine::core::Core;
use crate::engine::decide::{Decision, Observation, decide};
use crate::engine::state::{Record, State};
use crate::engine::store::{Committed, Group, Hold, StoreError};
use crate::engine::urgency::{Priority, Urgency};
use crate::engine::waiting::decide_swept;

/// Jobs of a group that are held in memory and committed together.
const CHUNK: usize = 2_000;
/// How long a call waits for its budget, behind jobs. Beyond that the group is read at its next time.
const PATIENCE: Duration = Duration::from_secs(60);

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Jobs that were due.
    pub jobs: usize,
    /// Calls of `DescribeGrantRulesToCen`.
    pub calls: usize,
    /// Jobs that were confirmed.
    pub confirmed: usize,
    /// Groups whose reading failed; their jobs look again at their next time.
    pub failed: usize,
}

/// Looks at everything that is due now.
pub async fn pass(core: &Core) -> Result<Report, StoreError> {
    let (now, began) = (core.clock.now(), core.clock.uptime());
    let mut report = Report::default();
    for (group, _) in core.store.swept_groups(now).await? {
        sweep(core, &group, now, &mut report).await?;
    }
    if report.jobs > 0 {
        let took = core.clock.uptime().saturating_sub(began);
        core.observer.swept(report.jobs, report.calls, report.confirmed, took);
        tracing::info!(
            sweep.jobs = report.jobs,
            sweep.calls = report.calls,
            sweep.confirmed = report.confirmed,
            sweep.failed = report.failed,
            "swept"
        );
    }
    Ok(report)
}

async fn sweep(core: &Core, group: &Group, now: Timestamp, report: &mut Report) -> Result<(), StoreError> {
    let mut after: Option<(InstanceId, JobUid)> = None;
    loop {
        let records = core.store.swept(group, now, after.take(), CHUNK).await?;
        let Some(last) = records.last() else { return Ok(()) };
        let more = records.len() == CHUNK;
        after = Some((last.job.instance.id.clone(), last.uid));
        report.jobs += records.len();
        settle(core, group, records, report).await?;
        if !more {
            return Ok(());
        }
    }
}

/// Reads what answers for these jobs and commits what follows.
async fn settle(core: &Core, group: &Group, records: Vec<Record>, report: &mut Report) -> Result<(), StoreError> {
    let instances: Vec<InstanceId> = records.iter().map(|record| record.job.instance.id.clone()).collect();
    let told = match core.cloud.transit_router_reader(&group.cen.owner) {
        Ok(reader) => {
            let urgency =
                Urgency { priority: Priority::Sweep, until: Some(core.clock.uptime() + PATIENCE), room: None };
            let found = find(reader.as_ref(), core.clock.as_ref(), &group.cen, group.kind, &instances, None);
            let Found { told, calls, .. } = urgency.scope(found).await;
            report.calls += calls as usize;
            told
        }
        Err(error) => instances.into_iter().map(|id| (id, (core.clock.now(), Err(error.clone())))).collect(),
    };
    if let Some(error) = told.values().find_map(|(_, told)| told.as_ref().err()) {
        tracing::warn!(cen.id = %group.cen.id, account.uid = %group.cen.owner, %error, "cannot read the grants");
        report.failed += 1;
    }
    let now = core.clock.now();
    let mut decisions = Vec::with_capacity(records.len());
    for record in &records {
        // To confirm a wait takes no step of the definition.
        let (definition, _) = core.definition_of(record).await?;
        let rules = core.rules(&definition);
        decisions.push(match told.get(&record.job.instance.id) {
            Some((at, Ok(answer))) => {
                let rule = answer.value.items.iter().find(|rule| rule.cen == group.cen.id);
                decide_swept(&rules, record, rule, *at, now)
            }
            Some((_, Err(error))) => decide(&rules, record, &Observation::LookFailed(error.clone()), now),
            None => decide_swept(&rules, record, None, now, now),
        });
    }
    commit(core, decisions, now, report).await
}

async fn commit(core: &Core, decisions: Vec<Decision>, now: Timestamp, report: &mut Report) -> Result<(), StoreError> {
    let changes = decisions.iter().map(|decision| core.change(decision, Hold::None, now)).collect();
    let committed = core.store.commit_all(changes).await?;
    for (decision, committed) in decisions.iter().zip(committed) {
        // A conflict means that the job moved on meanwhile: superseded, or looked at by itself.
        if committed == Committed::Done {
            report.confirmed += usize::from(decision.record.state == State::Completed);
            core.committed(decision);
        }
    }
    core.work.notify_one();
    Ok(())
}
