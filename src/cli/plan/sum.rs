//! What many plans come to: how many jobs would do what, with how many calls, and for how long.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::super::moments::Moments;
use super::job_plan::{JobPlan, Planning};
use crate::cloud::Limits;
use crate::domain::{AccountUid, Kind, Operation, Reason, spoken};
use crate::engine::guards::{HourlyLimits, counted_as, setting};
use crate::engine::record::State;

/// The sum of the plans so far.
#[derive(Default)]
pub(super) struct Sum {
    /// Jobs that would change something, and with how many calls.
    would: BTreeMap<Kind, (usize, usize)>,
    /// The calls of each account and operation, each of which has a limit of its own.
    calls: BTreeMap<(AccountUid, Operation), u32>,
    refused: BTreeMap<&'static str, usize>,
    unclear: BTreeMap<&'static str, usize>,
    nothing: usize,
    invalid: usize,
    /// How many jobs would change something, by what an hourly limit counts.
    counted: BTreeMap<(Kind, String), usize>,
    /// At which hours new payers would be in force, and of how many jobs.
    hours: BTreeMap<Timestamp, usize>,
    /// What was found, each once, and of how many jobs.
    findings: BTreeMap<String, usize>,
}

/// How many findings are told of all jobs together.
const FINDINGS: usize = 20;

impl Sum {
    /// Adds a plan.
    pub fn add(&mut self, planning: &Planning) {
        let Ok(JobPlan { admitted, record }) = planning else {
            self.invalid += 1;
            return;
        };
        let reason = record.phase.ending().map_or(Reason::GaveUp, |ending| ending.reason);
        let calls = record.plan.as_ref().map(|plan| plan.calls.as_slice()).unwrap_or_default();
        // Those of a planned job begin with its calls.
        let listed = if record.state() == State::Planned { calls.len() } else { 0 };
        for finding in record.phase.ending().into_iter().flat_map(|ending| &ending.findings).skip(listed) {
            *self.findings.entry(finding.clone()).or_default() += 1;
        }
        match record.state() {
            _ if admitted.is_err() => *self.refused.entry(Reason::RefusedByPolicy.as_str()).or_default() += 1,
            State::Planned if calls.is_empty() => self.nothing += 1,
            State::Planned => {
                let (jobs, all) = self.would.entry(record.job.kind).or_default();
                *jobs += 1;
                *all += calls.len();
                if let Some(key) = counted_as(&record.job) {
                    *self.counted.entry((record.job.kind, key)).or_default() += 1;
                }
                if let Some(hour) = record.plan.as_ref().and_then(|plan| plan.effective_from) {
                    *self.hours.entry(hour).or_default() += 1;
                }
                for call in calls {
                    *self.calls.entry((call.account.clone(), call.operation)).or_default() += 1;
                }
            }
            State::Failed => *self.refused.entry(reason.as_str()).or_default() += 1,
            _ => *self.unclear.entry(reason.as_str()).or_default() += 1,
        }
    }

    /// How many plans were added.
    pub fn jobs(&self) -> usize {
        let would: usize = self.would.values().map(|(jobs, _)| jobs).sum();
        let others: usize = self.refused.values().chain(self.unclear.values()).sum();
        would + others + self.nothing + self.invalid
    }

    /// Whether each of the jobs would come to what it asks for.
    pub fn all_would_be_done(&self) -> bool {
        self.refused.is_empty() && self.unclear.is_empty() && self.invalid == 0
    }

    /// One line. How long it takes is told where calls have limits.
    pub fn text(&self, limits: Option<&Limits>) -> String {
        let mut parts: Vec<String> = self
            .would
            .iter()
            .map(|(kind, (jobs, calls))| format!("{jobs} would {} ({})", verb(*kind), many(*calls)))
            .collect();
        if let ([part], Some(time)) = (parts.as_mut_slice(), limits.and_then(|limits| self.time(limits))) {
            *part = format!("{}, {time})", part.trim_end_matches(')'));
        } else if let Some(time) = limits.and_then(|limits| self.time(limits)) {
            parts.push(format!("together {time}"));
        }
        parts.extend(reasons("refused", &self.refused));
        parts.extend(reasons("unclear", &self.unclear));
        parts.extend((self.nothing > 0).then(|| format!("{} nothing to do", self.nothing)));
        parts.extend((self.invalid > 0).then(|| format!("{} not a valid job", self.invalid)));
        format!("{} jobs: {}", self.jobs(), parts.join(", "))
    }

    /// What is to be said besides: when new payers would be in force, what an hourly limit keeps back, and each thing that was found.
    pub fn more(&self, hourly: &HourlyLimits, moments: &Moments) -> Vec<String> {
        let hours = self.hours.iter().map(|(hour, jobs)| {
            format!("{jobs} in force from {}, if they are accepted now and begin before it", moments.say(*hour))
        });
        let kept = self.counted.iter().filter_map(|((kind, key), jobs)| {
            let (most, setting) = (hourly.of(*kind)? as usize, setting(*kind)?);
            let over = jobs.checked_sub(most).filter(|over| *over > 0)?;
            Some(format!(
                "{over} of {jobs} wait for approval: `[limits] {setting}` lets {most} begin within an hour ({key})"
            ))
        });
        let mut findings: Vec<(&String, &usize)> = self.findings.iter().collect();
        findings.sort_by_key(|(_, jobs)| std::cmp::Reverse(**jobs));
        let more = findings.len().saturating_sub(FINDINGS);
        let told = findings.into_iter().take(FINDINGS).map(|(finding, jobs)| match jobs {
            1 => format!("1 job: {finding}"),
            jobs => format!("{jobs} jobs: {finding}"),
        });
        let more = (more > 0).then(|| format!("and {more} other findings, each with its job above"));
        hours.chain(kept).chain(told).chain(more).collect()
    }

    /// How long the calls take at least, and at which limit: that of the account and operation with the most to wait for.
    fn time(&self, limits: &Limits) -> Option<String> {
        let slowest = self.calls.iter().map(|((_, operation), calls)| {
            let rate = limits.of(*operation).max(1);
            (calls.div_ceil(rate), rate)
        });
        let (seconds, rate) = slowest.max()?;
        Some(format!("about {} at {rate}/s", spoken(Duration::from_secs(seconds.into()))))
    }
}

fn verb(kind: Kind) -> &'static str {
    match kind {
        Kind::Grant => "grant",
        Kind::Revoke => "revoke",
        Kind::PayerChange => "change the payer",
    }
}

fn many(calls: usize) -> String {
    if calls == 1 { "1 call".to_owned() } else { format!("{calls} calls") }
}

/// `2 refused: attached`, or with several reasons `3 refused: 2 attached, 1 not-granted`.
fn reasons(what: &str, jobs: &BTreeMap<&'static str, usize>) -> Option<String> {
    let all: usize = jobs.values().sum();
    let reasons: Vec<String> = match jobs.len() {
        0 => return None,
        1 => jobs.keys().map(|reason| (*reason).to_owned()).collect(),
        _ => jobs.iter().map(|(reason, jobs)| format!("{jobs} {reason}")).collect(),
    };
    Some(format!("{all} {what}: {}", reasons.join(", ")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::moments::tests::piped;

    fn account(uid: &str) -> AccountUid {
        AccountUid::parse(uid).unwrap()
    }

    #[test]
    fn the_sum_says_how_many_would_do_what_and_for_how_long() {
        let sum = Sum {
            would: [(Kind::Grant, (297, 297))].into(),
            calls: [((account("1688000000000001"), Operation::GrantInstanceToTransitRouter), 297)].into(),
            refused: [("attached", 2)].into(),
            nothing: 1,
            ..Sum::default()
        };
        assert!(!sum.all_would_be_done());
        assert_eq!(
            sum.text(Some(&Limits::default())),
            "300 jobs: 297 would grant (297 calls, about 2 min 29 s at 2/s), 2 refused: attached, 1 nothing to do"
        );
        assert_eq!(sum.text(None), "300 jobs: 297 would grant (297 calls), 2 refused: attached, 1 nothing to do");
    }

    #[test]
    fn what_waits_for_an_hour_or_an_approval_is_told_and_each_finding_once() {
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        let sum = Sum {
            counted: [
                ((Kind::PayerChange, "payer-change 1688000000000001".to_owned()), 60),
                ((Kind::Revoke, "revoke cen-1".to_owned()), 20),
            ]
            .into(),
            hours: [(at("2026-11-21T11:00:00Z"), 60)].into(),
            findings: [("it is attached".to_owned(), 2), ("another account".to_owned(), 1), ("seldom".to_owned(), 7)]
                .into(),
            ..Sum::default()
        };
        let expected = [
            "60 in force from 2026-11-21T11:00:00Z, if they are accepted now and begin before it",
            "10 of 60 wait for approval: `[limits] payer_changes_per_account` lets 50 begin within an hour (payer-change \
             1688000000000001)",
            "7 jobs: seldom",
            "2 jobs: it is attached",
            "1 job: another account",
        ];
        assert_eq!(sum.more(&HourlyLimits::default(), &piped()), expected);
        assert_eq!(sum.more(&HourlyLimits::NONE, &piped()).len(), 4);
        let many = Sum { findings: (0..30).map(|n| (format!("f{n}"), 1)).collect(), ..Sum::default() };
        let told = many.more(&HourlyLimits::NONE, &piped());
        assert!(told.len() == 21 && told[20].starts_with("and 10 other findings"), "{told:?}");
    }

    #[test]
    fn accounts_and_operations_go_on_beside_each_other_and_the_slowest_is_told() {
        let calls = [
            ((account("1688000000000001"), Operation::GrantInstanceToTransitRouter), 30),
            ((account("1688000000000002"), Operation::GrantInstanceToTransitRouter), 40),
            ((account("1688000000000001"), Operation::RevokeInstanceFromTransitRouter), 1),
        ];
        let sum = Sum {
            would: [(Kind::Grant, (70, 70)), (Kind::Revoke, (1, 1))].into(),
            calls: calls.into(),
            unclear: [("gave-up", 1), ("not-granted", 2)].into(),
            ..Sum::default()
        };
        let mut limits = Limits::default();
        let text = sum.text(Some(&limits));
        let said = "74 jobs: 70 would grant (70 calls), 1 would revoke (1 call), together about 20 s at 2/s, 3 unclear: 1 \
                    gave-up, 2 not-granted";
        assert_eq!(text, said);
        limits.operations.insert(Operation::RevokeInstanceFromTransitRouter, 1);
        limits.writes_per_second = 100;
        assert!(sum.text(Some(&limits)).contains("together about 1 s at 100/s"), "{}", sum.text(Some(&limits)));
        assert!(Sum { nothing: 1, ..Sum::default() }.all_would_be_done());
    }
}
