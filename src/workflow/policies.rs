//! Retry policies and timings: the embedded `policies.toml`. A file of an operator may override single keys of it.

use std::collections::BTreeMap;
use std::time::Duration;

use super::retry_policy::RetryPolicy;
use crate::document::{Codes, Located, Problem, Reader, Table};

/// Retries and time limits. They are live: a change applies to running jobs too. What concerns the billing hour is meant for
/// the real hour and scaled with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Policies {
    /// By name. `read`, `write`, `busy`, `state` and `unclear` are always there.
    pub retry: BTreeMap<String, RetryPolicy>,
    /// How long reads may lag behind a write: until then an unchanged read does not prove that a write whose answer was lost
    /// had no effect.
    pub settle: Duration,
    /// Time between two looks within `settle`.
    pub settle_poll: Duration,
    /// Time between two empty answers before they are believed.
    pub attachments_recheck: Duration,
    /// How long after the expected hour the event `overdue` of a waiting payer change is published.
    pub overdue_after: Duration,
    /// How long after the expected hour a waiting payer change parks.
    pub give_up_after: Duration,
    /// When the sweep looks again after the top of the hour, while something due is still pending. Ascending.
    pub sweep_offsets: Vec<Duration>,
    /// How long a lease on a job lasts; at least three times `request_timeout`.
    pub lease: Duration,
    /// Time limit of one request to the cloud.
    pub request_timeout: Duration,
    /// How long the cloud may refuse the keys of an account, renewed or not, before the job parks.
    pub keys_patience: Duration,
}

impl Policies {
    /// Reads the embedded file and over it a file of an operator, as path and text. Reports every problem of both.
    pub fn load(embedded: &str, overriding: Option<(&str, &str)>) -> Result<Self, Vec<Problem>> {
        let lower = Reader::new("workflows/policies.toml", embedded, Codes::WORKFLOW);
        let upper = overriding.map(|(file, text)| Reader::new(file, text, Codes::WORKFLOW));
        let lower_table = lower.document();
        let upper_table = upper.as_ref().and_then(Reader::document);
        let policies = lower_table.as_ref().and_then(|table| {
            let upper_root = upper.as_ref().zip(upper_table.as_ref()).map(|(reader, table)| Table::root(reader, table));
            read(&Overlay { lower: Table::root(&lower, table), upper: upper_root })
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

    /// The longest that a job which is worked on puts itself off. Only a cloud that asks for more patience, or a budget that
    /// many calls wait for, makes it longer.
    pub fn longest_rest(&self) -> Duration {
        let caps = self.retry.values().map(RetryPolicy::cap);
        caps.chain([self.settle_poll, self.attachments_recheck]).max().unwrap_or_default()
    }

    /// The policy of that name.
    pub fn retry(&self, name: &str) -> Option<&RetryPolicy> {
        self.retry.get(name)
    }

    /// For an attachment that the cloud is changing.
    pub fn busy(&self) -> &RetryPolicy {
        self.retry("busy").expect("no policies are loaded without `busy`")
    }

    /// For a resource whose state makes the cloud refuse the call (class `state`, API §D.3).
    pub fn state(&self) -> &RetryPolicy {
        self.retry("state").expect("no policies are loaded without `state`")
    }
}

const RETRY_KEYS: [&str; 5] = ["initial", "factor", "cap", "jitter", "give-up"];
/// The policies that definitions and the engine name.
const RETRY_NAMES: [&str; 5] = ["read", "write", "busy", "state", "unclear"];
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

fn read(root: &Overlay<'_, '_>) -> Option<Policies> {
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

fn read_retry(retry: &Overlay<'_, '_>) -> Option<BTreeMap<String, RetryPolicy>> {
    retry.only(&RETRY_NAMES);
    let policies: Vec<_> =
        RETRY_NAMES.iter().map(|name| Some(((*name).to_owned(), read_policy(retry, name)?))).collect();
    policies.into_iter().collect()
}

fn read_policy(retry: &Overlay<'_, '_>, name: &str) -> Option<RetryPolicy> {
    let policy = retry.table(name)?;
    policy.only(&RETRY_KEYS);
    let initial = policy.duration("initial");
    let factor = policy.find("factor", Table::number);
    let cap = policy.duration("cap");
    let jitter = policy.find("jitter", Table::number);
    let give_up = policy.duration("give-up");
    let made = RetryPolicy::new(initial?, factor?.value, cap?, jitter?.value, give_up?);
    made.map_err(|bad| policy.report(&[bad.key(), "initial"], &format!("{bad} in retry policy `{name}`"))).ok()
}

/// A table of the embedded file, and the operator's table of the same name over it.
struct Overlay<'r, 'a> {
    lower: Table<'r, 'a>,
    upper: Option<Table<'r, 'a>>,
}

impl<'r, 'a> Overlay<'r, 'a> {
    fn only(&self, known: &[&str]) {
        self.lower.only(known);
        if let Some(upper) = &self.upper {
            upper.only(known);
        }
    }

    /// The embedded file must have the table; the operator's may.
    fn table(&self, key: &str) -> Option<Self> {
        let lower = self.lower.requires(key).then(|| self.lower.table(key))??;
        Some(Self { lower, upper: self.upper.as_ref().and_then(|upper| upper.table(key)) })
    }

    /// The operator's value, else the embedded one, which has to be there. Where the operator's cannot be read, which fails the
    /// whole load, the embedded one is used so that more problems are found.
    fn find<T>(&self, key: &str, read: impl Fn(&Table<'r, 'a>, &str) -> Option<Located<T>>) -> Option<Located<T>> {
        let upper = self.upper.as_ref().and_then(|upper| read(upper, key));
        upper.or_else(|| self.lower.requires(key).then(|| read(&self.lower, key))?)
    }

    fn duration(&self, key: &str) -> Option<Duration> {
        self.find(key, Table::duration).map(|span| span.value)
    }

    /// Reports at the first of `keys` that the operator wrote, since that made it wrong; else in the embedded file.
    fn report(&self, keys: &[&str], message: &str) {
        let written = |table: &Table<'r, 'a>| keys.iter().find_map(|key| table.at(key));
        let upper = self.upper.as_ref().and_then(|upper| Some((upper, written(upper)?)));
        let (table, at) = upper.unwrap_or_else(|| (&self.lower, written(&self.lower).unwrap_or(self.lower.at)));
        table.reader.report(at, table.reader.codes.bad_value, message);
    }
}
