//! One pass: reads each group once, decides for every job of it, and commits the decisions together.

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::attachments::GroupAttachments;
use super::urgency;
use crate::domain::{GrantRule, InstanceId, JobUid, Sampling, TraceContext};
use crate::engine::decide::decision::{Decision, Observation, decide};
use crate::engine::decide::waiting::{decide_swept, is_late};
use crate::engine::look::cen_rules::{CenSearch, FoundRules};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::cloud::Failure;
use crate::engine::ports::store::{Committed, Group, LeaseUse, StoreError};
use crate::engine::ports::trace::{Span, within};
use crate::engine::record::{Record, State};

/// Jobs of a group that are in memory at a time: some 25 KiB each, with their events. One page of the cloud answers for a
/// hundred jobs; what it shows of jobs that are not in memory yet is kept in a few bytes.
const CHUNK: usize = 50;
/// Groups in work at a time. Each account has its own budget, so a group that waits for room holds up no other; and changes
/// that groups commit at the same time share one commit of the store. With [`CHUNK`] this bounds the memory of a pass.
const AT_ONCE: usize = 16;

/// What a pass did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Report {
    /// Jobs that were due when the pass began.
    pub jobs: usize,
    /// Calls of `DescribeGrantRulesToCen`.
    pub calls: usize,
    /// Jobs whose new payer is in force: they ended `completed`.
    pub confirmed: usize,
    /// Groups whose reading failed; their jobs look again at their next time.
    pub failed: usize,
}

impl Report {
    fn and(self, other: Self) -> Self {
        Self {
            jobs: self.jobs + other.jobs,
            calls: self.calls + other.calls,
            confirmed: self.confirmed + other.confirmed,
            failed: self.failed + other.failed,
        }
    }
}

/// Sweeps every group that is due now.
pub async fn pass(engine: &Engine) -> Result<Report, StoreError> {
    let (now, began) = (engine.clock.now(), engine.clock.uptime());
    let groups = engine.store.swept_groups(now).await?;
    let sweeps = stream::iter(groups).map(|(group, jobs)| sweep(engine, group, jobs, now)).buffer_unordered(AT_ONCE);
    // When one group fails the others go on to their end, so that the other loops hear of what they commit.
    let together = async |all: Result<Report, StoreError>, one: Result<Report, StoreError>| Ok(all?.and(one?));
    let report = sweeps.fold(Ok(Report::default()), together).await?;
    if report.jobs > 0 {
        let took = engine.clock.uptime().saturating_sub(began);
        engine.observer.swept(report.jobs, report.calls, report.confirmed, took);
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

/// Reads one group, of `jobs` due jobs, and commits what follows for each.
async fn sweep(engine: &Engine, group: Group, jobs: usize, now: Timestamp) -> Result<Report, StoreError> {
    let mut report = Report::default();
    let reader = engine.cloud.transit_router_reader(&group.cen.owner);
    let mut search = reader
        .as_ref()
        .map(|reader| CenSearch::new(reader.as_ref(), engine.clock.as_ref(), &group.cen, group.kind, None))
        .map_err(Clone::clone);
    let mut attachments = GroupAttachments::new(engine, &group);
    let span = engine.announcer.sampling.map(|of| read_span(&group, &engine.holder, of, now));
    let mut after: Option<(InstanceId, JobUid)> = None;
    loop {
        let records = engine.store.swept(&group, now, after.take(), CHUNK).await?;
        let Some(last) = records.last() else { break };
        after = Some((last.job.instance.id.clone(), last.uid));
        report.jobs += records.len();
        let instances: Vec<InstanceId> = records.iter().map(|record| record.job.instance.id.clone()).collect();
        let found = match &mut search {
            Ok(search) => {
                let found = search.find(&instances, jobs.saturating_sub(report.jobs));
                within(span, urgency(engine).scope(found)).await
            }
            Err(error) => instances.into_iter().map(|id| (id, (engine.clock.now(), Err(error.clone())))).collect(),
        };
        if report.failed == 0
            && let Some(error) = found.values().find_map(|(_, told)| told.as_ref().err())
        {
            // A refused credential is said once, of the account.
            if matches!(error.failure, Failure::AccountRefused { .. }) {
                tracing::debug!(cen.id = %group.cen.id, %error, "cannot read the grants");
            } else {
                tracing::warn!(cen.id = %group.cen.id, account.uid = %group.cen.owner, %error, "cannot read the grants");
            }
            report.failed = 1;
        }
        report.confirmed += within(span, confirm(engine, &group, records, &found, &mut attachments)).await?;
    }
    engine.store.release_group(&group).await?;
    report.calls = search.map_or(0, |search| search.calls() as usize);
    if let Some(context) = span.filter(|span| span.sampled) {
        let span = Span::new(context, None, "sweep", now)
            .with("crossgrant.cen.id", group.cen.id.to_string())
            .with("cloud.account.id", group.cen.owner.to_string())
            .with("crossgrant.sweep.jobs", u32::try_from(report.jobs).unwrap_or(u32::MAX))
            .with("crossgrant.sweep.confirmed", u32::try_from(report.confirmed).unwrap_or(u32::MAX));
        let error = (report.failed > 0).then(|| "unread".into());
        engine.observer.span(Span { ended: engine.clock.now(), error, ..span });
    }
    Ok(report)
}

/// The span in which a pass reads a group, of a trace of its own: it is read for many jobs.
fn read_span(group: &Group, holder: &str, of: Sampling, now: Timestamp) -> TraceContext {
    let all = TraceContext { trace: 1, span: 1, sampled: true }.of(&format!("sweep {} {holder} {now}", group.cen.id));
    let trace = u128::from(all.span) << 64 | u128::from(all.of("trace").span);
    TraceContext { trace, span: all.span, sampled: of.takes(trace) }
}

/// Commits what follows for these jobs from what was found. Returns how many it confirmed.
async fn confirm(
    engine: &Engine,
    group: &Group,
    records: Vec<Record>,
    found: &FoundRules,
    attachments: &mut GroupAttachments<'_>,
) -> Result<usize, StoreError> {
    if records.iter().any(|record| is_late(record, rule(group, record, found))) {
        attachments.read().await;
    }
    let now = engine.clock.now();
    let (mut changes, mut moves) = (Vec::with_capacity(records.len()), Vec::with_capacity(records.len()));
    for record in records {
        let decision = judge(engine, group, &record, found, attachments, now).await?;
        let (change, moved) = engine.change(&record, decision, LeaseUse::None, now);
        changes.push(change);
        moves.push(moved);
    }
    let committed = engine.store.commit_all(changes).await?;
    // A conflict means that the job moved on meanwhile: superseded, or looked at by itself.
    let done = moves.iter().zip(committed).filter(|(_, committed)| *committed == Committed::Done);
    let confirmed = done.map(|(moved, _)| {
        engine.moved(moved);
        usize::from(moved.state == State::Completed)
    });
    let confirmed = confirmed.sum();
    engine.work.notify_one();
    Ok(confirmed)
}

async fn judge(
    engine: &Engine,
    group: &Group,
    record: &Record,
    found: &FoundRules,
    attachments: &GroupAttachments<'_>,
    now: Timestamp,
) -> Result<Decision, StoreError> {
    // A wait is confirmed without any step, so a definition that this program cannot use does no harm here.
    let (definition, _) = engine.definition_of(record).await?;
    let context = engine.context(&definition);
    Ok(match found.get(&record.job.instance.id) {
        Some((at, Ok(_))) => {
            let rule = rule(group, record, found);
            let compared = is_late(record, rule).then(|| attachments.of(record)).flatten();
            decide_swept(&context, record.clone(), rule, compared.as_deref(), *at, now)
        }
        Some((_, Err(error))) => decide(&context, record, &Observation::LookFailed(error.clone()), now),
        None => decide_swept(&context, record.clone(), None, None, now, now),
    })
}

/// The grant rule of a job, among what was found.
fn rule<'a>(group: &Group, record: &Record, found: &'a FoundRules) -> Option<&'a GrantRule> {
    let (_, told) = found.get(&record.job.instance.id)?;
    told.as_ref().ok()?.value.items.iter().find(|rule| rule.cen == group.cen.id)
}
