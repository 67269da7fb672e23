//! Dead messages, grouped by what is wrong with them. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::dead_filter::codes;
use super::dead_view::Undeliverable;
use crate::domain::Requester;
use crate::engine::ports::store::Rejected;

/// The most groups of an answer. Each client may have queues of its own, and senders may be many.
const MOST_GROUPS: usize = 100;

/// The answer to `GET /v1/dead`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadGroups {
    /// How many rejected messages match.
    pub rejected: u64,
    /// How many undeliverable messages match.
    pub undeliverable: u64,
    /// Rejected messages by requester and the code of the first fault, then undeliverable ones by address and cause; the largest
    /// groups first.
    pub groups: Vec<DeadGroup>,
    /// How many messages are in groups beyond those.
    pub others: u64,
}

/// Dead messages with one cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadGroup {
    /// `rejected` or `undeliverable`.
    pub what: String,
    /// How many there are.
    pub count: u64,
    /// The code of the first fault; or why it could not be published: `no-queue`, `refused`, `unconfirmed`,
    /// `unpublishable`, `webhook-failed` or `webhook-gone`.
    pub cause: String,
    /// Who sent the rejected messages.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub requester: Option<Requester>,
    /// The queue, or the exchange, that the undeliverable messages are for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// What one of them says.
    pub says: String,
    /// When the oldest of them was, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// When the newest of them was, if that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub newest: Option<Timestamp>,
    /// What to type. It shows one of the rejected messages; the undeliverable ones it counts, with the command that is to be confirmed.
    pub command: String,
}

/// What the messages of a group have in common.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Key {
    Rejected(Requester, String),
    Undeliverable(String, String),
}

/// Groups, as messages are added.
#[derive(Debug, Default)]
pub(super) struct Grouping {
    groups: BTreeMap<Key, DeadGroup>,
    others: u64,
    rejected: u64,
    undeliverable: u64,
}

/// How many groups are kept while messages are read. With a hundred times as many as are shown, the largest are among them.
const MOST_KEPT: usize = 100 * MOST_GROUPS;

impl Grouping {
    pub fn add_rejected(&mut self, rejected: &Rejected) {
        self.rejected += 1;
        let cause = codes(rejected).next().unwrap_or("?").to_owned();
        let key = Key::Rejected(rejected.requester.clone(), cause.clone());
        self.add(key, Some(rejected.at), || {
            let first = rejected.reasons.get(0);
            let text = |name| first.and_then(|fault| fault.get(name)?.as_str()).unwrap_or("?");
            DeadGroup {
                what: "rejected".into(),
                count: 0,
                cause,
                requester: Some(rejected.requester.clone()),
                to: None,
                says: format!("{}: {}", text("at"), text("message")),
                oldest: None,
                newest: None,
                command: format!("crossgrant dead show {}", rejected.uid),
            }
        });
    }

    pub fn add_undeliverable(&mut self, message: &Undeliverable) {
        self.undeliverable += 1;
        let Undeliverable { exchange, routing_key, cause, reason, time, number, .. } = message;
        let to = if exchange.is_empty() { routing_key } else { exchange };
        self.add(Key::Undeliverable(to.clone(), cause.clone()), *time, || DeadGroup {
            what: "undeliverable".into(),
            count: 0,
            cause: cause.clone(),
            requester: None,
            to: Some(to.clone()),
            says: reason.clone(),
            oldest: None,
            newest: None,
            command: match is_plain(to) {
                true => format!("crossgrant dead replay --to {to} --for {cause}"),
                // A shell would read a stranger's text.
                false => format!("crossgrant dead show {number}"),
            },
        });
    }

    fn add(&mut self, key: Key, at: Option<Timestamp>, make: impl FnOnce() -> DeadGroup) {
        if self.groups.len() >= MOST_KEPT && !self.groups.contains_key(&key) {
            self.others += 1;
            return;
        }
        let group = self.groups.entry(key).or_insert_with(make);
        group.count += 1;
        group.oldest = group.oldest.into_iter().chain(at).min();
        group.newest = group.newest.into_iter().chain(at).max();
    }

    pub fn groups(self) -> DeadGroups {
        let Self { groups, others, rejected, undeliverable } = self;
        let mut groups: Vec<(Key, DeadGroup)> = groups.into_iter().collect();
        let is_rejected = |key: &Key| matches!(key, Key::Rejected(..));
        groups.sort_by_key(|(key, group)| (!is_rejected(key), std::cmp::Reverse(group.count)));
        let mut groups: Vec<DeadGroup> = groups.into_iter().map(|(_, group)| group).collect();
        let beyond = groups.split_off(groups.len().min(MOST_GROUPS));
        let others = others + beyond.iter().map(|group| group.count).sum::<u64>();
        DeadGroups { rejected, undeliverable, groups, others }
    }
}

/// Whether a shell reads a name as it stands, and no command as an option.
fn is_plain(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"._:@/-".contains(&byte);
    !name.is_empty() && !name.starts_with('-') && name.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record};

    fn rejected(id: &str, requester: &str, code: &str, time: &str) -> Rejected {
        Rejected {
            uid: record(id).uid,
            at: at(time),
            requester: Requester::parse(requester).unwrap(),
            job_id: None,
            batch_id: None,
            faults_not_listed: 0,
            reasons: serde_json::json!([{"at": "/kind", "code": code, "message": "is missing"}, {"code": "job-other"}]),
        }
    }

    fn reply(number: i64, to: &str, time: Option<&str>) -> Undeliverable {
        Undeliverable {
            number,
            message_id: "m".into(),
            exchange: String::new(),
            routing_key: to.into(),
            reason: "no queue takes it".into(),
            cause: "no-queue".into(),
            tries: 0,
            time: time.map(at),
        }
    }

    #[test]
    fn messages_with_one_cause_are_one_group_and_rejections_come_first() {
        let mut grouping = Grouping::default();
        for (id, requester, code, time) in [
            ("1", "bot", "job-missing-field", "2026-11-21T10:02:00Z"),
            ("2", "bot", "job-missing-field", "2026-11-21T10:01:00Z"),
            ("3", "cat", "job-missing-field", "2026-11-21T10:00:00Z"),
        ] {
            grouping.add_rejected(&rejected(id, requester, code, time));
        }
        for number in 4..9 {
            grouping.add_undeliverable(&reply(number, "answers", Some("2026-11-21T09:00:00Z")));
        }
        grouping.add_undeliverable(&reply(9, "$(reboot)", None));
        let groups = grouping.groups();
        assert_eq!((groups.rejected, groups.undeliverable, groups.others), (3, 6, 0));
        let said: Vec<_> = groups.groups.iter().map(|g| (g.count, g.cause.as_str(), g.command.clone())).collect();
        assert_eq!(
            said,
            [
                (2, "job-missing-field", format!("crossgrant dead show {}", record("1").uid)),
                (1, "job-missing-field", format!("crossgrant dead show {}", record("3").uid)),
                (5, "no-queue", "crossgrant dead replay --to answers --for no-queue".into()),
                (1, "no-queue", "crossgrant dead show 9".into()),
            ]
        );
        let bot = &groups.groups[0];
        let times = (bot.oldest, bot.newest);
        assert_eq!(times, (Some(at("2026-11-21T10:01:00Z")), Some(at("2026-11-21T10:02:00Z"))));
        assert_eq!(bot.says, "/kind: is missing");
        assert_eq!((groups.groups[3].oldest, groups.groups[3].newest), (None, None));
    }

    #[test]
    fn there_are_no_more_groups_than_fit_on_a_page() {
        let mut grouping = Grouping::default();
        for number in 0..20_000 {
            grouping.add_undeliverable(&reply(number, &format!("q{number}"), None));
            grouping.add_undeliverable(&reply(number, "large", None));
        }
        let groups = grouping.groups();
        assert_eq!((groups.groups.len(), groups.groups[0].count), (MOST_GROUPS, 20_000));
        let shown: u64 = groups.groups.iter().map(|group| group.count).sum();
        assert_eq!(shown + groups.others, groups.undeliverable);
    }
}
