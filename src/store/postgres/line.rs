//! The line of an instance: jobs on one instance run one at a time, in the order in which they entered it.
//!
//! Only the first of a line is in the index that claims read, so a thousand jobs behind a blocked one cost a claim
//! nothing. The price is that whoever leaves must hand on the first place in the same transaction, and that two
//! transactions must not change one line together: each would see the other's job where it no longer is, and nobody would
//! be first. So whoever enters or leaves locks the line, before anything else and in one order for all.

use std::collections::{BTreeSet, HashMap};

use sha2::{Digest as _, Sha256};
use tokio_postgres::Row;
use uuid::Uuid;

use super::error::Fault;
use super::session::Session;
use crate::domain::{InstanceId, JobUid};

/// Lines that share a lock. The server has room for some six thousand locks at once, and one sweep may touch thousands
/// of lines; of these there are no more than this, whatever happens, and two lines share one seldom enough.
const LOCKS: u32 = 1024;

/// Locks lines until the end of the transaction, in the order given.
pub(super) const LOCK: &str = "SELECT pg_advisory_xact_lock($1, key) FROM unnest($2::int4[]) AS key";

/// The last turn of each line that is not empty.
pub(super) const LAST: &str = "SELECT * FROM (SELECT instance_id, (SELECT max(turn) FROM jobs j
      WHERE j.instance_id = n.instance_id AND turn IS NOT NULL) AS last FROM unnest($1::text[]) AS n(instance_id)) AS lines
    WHERE last IS NOT NULL";

/// The class of these advisory locks: "CrGr", and one more.
pub(super) const CLASS: i32 = 0x4372_4773;

/// The locks of these lines, and of whatever else is locked by its name, in the one order.
pub(super) fn keys<'a>(names: impl IntoIterator<Item = &'a str>) -> Vec<i32> {
    let keys: BTreeSet<i32> = names.into_iter().map(key).collect();
    keys.into_iter().collect()
}

fn key(name: &str) -> i32 {
    let hash = Sha256::digest(name.as_bytes());
    let number = u32::from_be_bytes([hash[0], hash[1], hash[2], hash[3]]) % LOCKS;
    i32::try_from(number).expect("there are not that many")
}

/// The place of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Place {
    /// Its number; `None` outside the line.
    pub(super) turn: Option<i64>,
    /// Whether nothing is before it.
    pub(super) is_first: bool,
}

impl Place {
    /// Not in the line, so nobody is in its way.
    pub(super) const OUTSIDE: Self = Self { turn: None, is_first: true };
}

/// The ends of lines, as far as they are locked.
#[derive(Default)]
pub(super) struct Ends {
    last: HashMap<String, i64>,
}

impl Ends {
    /// From rows of [`LAST`].
    pub(super) fn read(rows: &[Row]) -> Self {
        Self { last: rows.iter().map(|row| (row.get(0), row.get(1))).collect() }
    }

    /// The number of one that enters now: behind all others. Whether it is first depends on who has left meanwhile.
    pub(super) fn enter(&mut self, instance: &str) -> i64 {
        let last = self.last.entry(instance.to_owned()).or_insert(0);
        *last += 1;
        *last
    }

    /// Whether anybody was ever in it.
    pub(super) fn is_empty(&self, instance: &str) -> bool {
        !self.last.contains_key(instance)
    }
}

/// The first in the line of an instance.
pub(super) async fn head(session: &Session, instance: &InstanceId) -> Result<Option<JobUid>, Fault> {
    let sql = "SELECT uid FROM jobs WHERE instance_id = $1 AND turn IS NOT NULL ORDER BY turn LIMIT 1";
    let row = session.query_opt(sql, &[&instance.as_str()]).await?;
    Ok(row.map(|row| JobUid(row.get::<_, Uuid>(0))))
}
