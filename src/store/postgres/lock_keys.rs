//! The keys of advisory locks: every lock that workers take beside those of rows, in one place, so that no two have the same key.
//!
//! A key has two numbers: a class and a number within it. All workers must agree on them, whatever their version.

use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};

use crate::engine::ports::mail::Lane;
use crate::engine::ports::store::Group;

/// The class of locks that end with a transaction, or with a migration: "CrGr", and one more.
pub(super) const TRANSACTION_CLASS: i32 = 0x4372_4773;

/// The class of locks that end with the connection of a worker's listener: "CrGr", and two more.
pub(super) const WORKER_CLASS: i32 = 0x4372_4774;

/// How many locks the queues of instances share. A server has room for about six thousand locks at once, and one sweep may
/// change thousands of queues. With these there are never more, and two queues seldom share one.
const QUEUE_LOCKS: u32 = 1024;

/// In the transaction class. Transactions in which a job begins share it; one that pauses an account takes it alone.
pub(super) const PAUSES: i32 = 1 << 16;

/// In the transaction class. The worker that changes the schema takes it alone.
pub(super) const MIGRATION: i32 = 1 << 20;

/// In the transaction class. A transaction that gives numbers to events of the feed takes it alone.
pub(super) const NUMBERING: i32 = 1 << 19;

/// In the transaction class. A transaction that settles messages of this lane takes it alone.
pub(super) fn settling(lane: Lane) -> i32 {
    match lane {
        Lane::Events => 1 << 18,
        Lane::Replies => (1 << 18) + 1,
    }
}

/// The keys of the transaction class for queues of instances, and for what jobs are counted as: without repetition, in
/// the order in which every transaction takes them.
pub(super) fn of_names<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<i32> {
    let key = |name: &str| {
        let number = u32::from_be_bytes(first_bytes(name)) % QUEUE_LOCKS;
        i32::try_from(number).expect("there are not that many")
    };
    names.into_iter().map(key).collect::<BTreeSet<_>>().into_iter().collect()
}

/// Held by every worker at once, to be counted.
pub(super) fn presence() -> i32 {
    of_worker("worker", "")
}

/// Held by the one worker of this name.
pub(super) fn name(worker: &str) -> i32 {
    of_worker("name", worker)
}

/// Held by the worker that publishes this lane.
pub(super) fn outbox(lane: Lane) -> i32 {
    match lane {
        Lane::Events => of_worker("outbox", ""),
        Lane::Replies => of_worker("outbox", "replies"),
    }
}

/// Held by the worker that calls webhooks.
pub(super) fn webhooks() -> i32 {
    of_worker("outbox", "webhooks")
}

/// Held by the worker that takes messages from the broker.
pub(super) fn intake() -> i32 {
    of_worker("intake", "")
}

/// Held by the worker that sweeps this group.
pub(super) fn group(group: &Group) -> i32 {
    of_worker("sweep", &format!("{} {} {}", group.cen.owner, group.cen.id, group.kind.as_str()))
}

/// Not a lock: which of the `shards` parts of the counts this worker writes to.
pub(super) fn shard(worker: &str, shards: i16) -> i16 {
    let shard = of_worker("shard", worker).rem_euclid(shards.into());
    i16::try_from(shard).expect("there are not that many")
}

fn of_worker(sort: &str, name: &str) -> i32 {
    i32::from_be_bytes(first_bytes(&format!("{sort} {name}")))
}

fn first_bytes(text: &str) -> [u8; 4] {
    let hash = Sha256::digest(text.as_bytes());
    [hash[0], hash[1], hash[2], hash[3]]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountUid, Cen, CenId, InstanceType};

    /// A worker of another version has the same locks.
    #[test]
    fn keys_never_change() {
        let cen = Cen {
            id: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            owner: AccountUid::parse("1250123456123456").unwrap(),
        };
        let swept = group(&Group { cen, kind: InstanceType::VPC });
        assert_eq!(
            [presence(), name("w1"), outbox(Lane::Events), intake(), swept, shard("w1", 64).into()],
            [-1912097226, -1630057445, 1273829582, -1711881263, -945260907, 16]
        );
        let names =
            of_names(["vpc-bp1h8vbrbcgohcju50001", "revoke cen-44m0p68spvlrqq0001", "vpc-bp1h8vbrbcgohcju50001"]);
        assert_eq!(names, [357, 591]);
        assert_eq!(
            [TRANSACTION_CLASS, WORKER_CLASS, PAUSES, NUMBERING, MIGRATION],
            [0x4372_4773, 0x4372_4774, 65_536, 524_288, 1_048_576]
        );
        assert_eq!(Lane::ALL.map(settling), [262_144, 262_145]);
        assert!(i64::from(QUEUE_LOCKS) < i64::from(PAUSES));
    }
}
