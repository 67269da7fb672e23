//! Retry policies and timings: the embedded `policies.toml`, single keys of which an operator's own file may override.

use std::collections::BTreeMap;
use std::time::Duration;

use super::document::{Located, Reader, Table};
use super::problem::Problem;
use super::retry_policy::RetryPolicy;
use crate::domain::Code;

/// The live settings of time. Those that concern the billing hour are meant for the real hour and are scaled with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    /// By name. `read`, `write`, `busy` and `state` are always there.
    pub retry: BTreeMap<String, RetryPolicy>,
    /// How long an unchanged read proves nothing after a write whose answer was lost.
    pub settle: Duration,
    /// How often to look while settling.
    pub settle_poll: Duration,
    /// How long after an empty answer that matters the next must be asked for the two to be believed.
    pub attachments_recheck: Duration,
    /// How long after the expected hour a waiting payer change is called overdue, once.
    pub overdue_after: Duration,
    /// How long after the expected hour a waiting payer change parks.
    pub give_up_after: Duration,
    /// When, after the top of the hour, to sweep again while something due is still pending. Ascending.
    pub sweep_offsets: Vec<Duration>,
    /// How long a lease lasts; at least three times `request_timeout`.
    pub lease: Duration,
    /// Of one request to the cloud.
    pub request_timeout: Duration,
    /// How long the cloud may refuse the keys of an account, renewed or not, before a job parks.
    pub keys_patience: Duration,
}

impl Policies {
    /// Reads the embedded file and an operator's own `(file, text)` over it. All findings are reported together.
    pub fn load(embedded: &str, overriding: Option<(&str, &str)>) -> Result<Self, Vec<Problem>> {
        let lower = Reader::new("workflows/policies.toml", embedded);
        let upper = overriding.map(|(file, text)| Reader::new(file, text));
        let lower_table = lower.document();
        let upper_table = upper.as_ref().and_then(Reader::document);
        let policies = lower_table.as_ref().and_then(|table| {
            let upper_root = upper.as_ref().zip(upper_table.as_ref()).map(|(reader, table)| Table::root(reader, table));
            read(&Layers { lower: Table::root(&lower, table), upper: upper_root })
        });
        let mut problems = lower.into_problems();
        problems.extend(upper.map(Reader::into_problems).unwrap_or_default());
        match policies {
            Some(policies) if problems.is_empty() => Ok(policies),
            _ => Err(problems),
        }
    }

    /// How long one attempt at a write may last: a request, and the check of the identity that may come before it. A
    /// lease, which is at least three requests long, has room for two.
    pub fn attempt(&self) -> Duration {
        self.request_timeout * 3 / 2
    }

    /// The policy of that name.
    pub fn retry(&self, name: &str) -> Option<&RetryPolicy> {
        self.retry.get(name)
    }

    /// While an attachment is being changed by the cloud.
    pub fn busy(&self) -> &RetryPolicy {
        self.retry("busy").expect("no policies are loaded without `busy`")
    }

    /// While a resource is in a state in which the cloud refuses the call (class S, API §D.3).
    pub fn state(&self) -> &RetryPolicy {
        self.retry("state").expect("no policies are loaded without `state`")
    }
}

const RETRY_KEYS: [&str; 5] = ["initial", "factor", "cap", "jitter", "give-up"];
/// Those that definitions and the engine name.
const RETRY_NAMES: [&str; 4] = ["read", "write", "busy", "state"];
const TIMING_KEYS: [&str; 9] = [
    "request-timeout",
    "lease",
    "keys-patience",
    "settle",
    "settle-poll",
    "attachments-recheck",
    "overdue-after",
    "give-up-after",
    "sweep-offsets",
];

fn read(root: &Layers<'_, '_>) -> Option<Policies> {
    root.only(&["retry", "timing"]);
    let retry = root.table("retry").and_then(|retry| read_retry(&retry));
    let timing = root.table("timing")?;
    timing.only(&TIMING_KEYS);
    let settle = timing.duration("settle");
    let settle_poll = timing.duration("settle-poll");
    let attachments_recheck = timing.duration("attachments-recheck");
    let overdue_after = timing.duration("overdue-after");
    let give_up_after = timing.duration("give-up-after");
    let lease = timing.duration("lease");
    let request_timeout = timing.duration("request-timeout");
    let keys_patience = timing.duration("keys-patience");
    let sweep_offsets = timing.find("sweep-offsets", Table::durations);
    let policies = Policies {
        retry: retry?,
        settle: settle?,
        settle_poll: settle_poll?,
        attachments_recheck: attachments_recheck?,
        keys_patience: keys_patience?,
        overdue_after: overdue_after?,
        give_up_after: give_up_after?,
        sweep_offsets: sweep_offsets?.value,
        lease: lease?,
        request_timeout: request_timeout?,
    };
    if policies.lease < 3 * policies.request_timeout {
        timing.report(&["lease", "request-timeout"], "`lease` must be at least three times `request-timeout`");
    }
    if policies.settle_poll > policies.settle {
        timing.report(&["settle-poll", "settle"], "`settle-poll` must not be longer than `settle`");
    }
    if policies.give_up_after < policies.overdue_after {
        timing.report(&["give-up-after", "overdue-after"], "`give-up-after` must not be shorter than `overdue-after`");
    }
    if !policies.sweep_offsets.is_sorted_by(|a, b| a < b) {
        timing.report(&["sweep-offsets"], "`sweep-offsets` must ascend");
    }
    Some(policies)
}

fn read_retry(retry: &Layers<'_, '_>) -> Option<BTreeMap<String, RetryPolicy>> {
    retry.only(&RETRY_NAMES);
    let policies: Vec<_> =
        RETRY_NAMES.iter().map(|name| Some(((*name).to_owned(), read_policy(retry, name)?))).collect();
    policies.into_iter().collect()
}

fn read_policy(retry: &Layers<'_, '_>, name: &str) -> Option<RetryPolicy> {
    let policy = retry.table(name)?;
    policy.only(&RETRY_KEYS);
    let initial = policy.duration("initial");
    let factor = policy.find("factor", Table::number);
    let cap = policy.duration("cap");
    let jitter = policy.find("jitter", Table::number);
    let give_up = policy.duration("give-up");
    let made = RetryPolicy::new(initial?, factor?.value, cap?, jitter?.value, give_up?);
    made.map_err(|bad| policy.report(&[bad.key(), "initial"], &format!("retry policy `{name}`: {bad}"))).ok()
}

/// A table of the embedded file with the operator's table of the same name over it.
struct Layers<'r, 'a> {
    lower: Table<'r, 'a>,
    upper: Option<Table<'r, 'a>>,
}

impl<'r, 'a> Layers<'r, 'a> {
    fn only(&self, known: &[&str]) {
        self.lower.only(known);
        if let Some(upper) = &self.upper {
            upper.only(known);
        }
    }

    /// The embedded file must have the table; the operator's may.
    fn table(&self, key: &str) -> Option<Self> {
        self.lower.required(key)?;
        let lower = self.lower.table(key)?.named(format!("`[{key}]`"));
        let upper =
            self.upper.as_ref().and_then(|upper| upper.table(key)).map(|upper| upper.named(format!("`[{key}]`")));
        Some(Self { lower, upper })
    }

    /// The operator's value, else the embedded one, else a report. A value that cannot be read is reported by `read`
    /// and spoils the whole load, so falling back to the embedded one then does no harm and finds more faults.
    fn find<T>(&self, key: &str, read: impl Fn(&Table<'r, 'a>, &str) -> Option<Located<T>>) -> Option<Located<T>> {
        let upper = self.upper.as_ref().and_then(|upper| read(upper, key));
        upper.or_else(|| {
            self.lower.required(key)?;
            read(&self.lower, key)
        })
    }

    fn duration(&self, key: &str) -> Option<Duration> {
        self.find(key, Table::duration).map(|span| span.value)
    }

    /// Reports where the operator wrote one of `keys`, for that is what made it wrong; else in the embedded file.
    fn report(&self, keys: &[&str], message: &str) {
        let written =
            |table: &Table<'r, 'a>| keys.iter().find_map(|key| table.value(key)).map(|value| value.span().start);
        let upper = self.upper.as_ref().and_then(|upper| Some((upper, written(upper)?)));
        let (table, at) = upper.unwrap_or_else(|| (&self.lower, written(&self.lower).unwrap_or(self.lower.at)));
        table.reader.report(at, Code::WorkflowBadValue, message);
    }
}
