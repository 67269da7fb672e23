//! Changes, decided in memory: every one by compare-and-set on the revision it was decided on, and on the lease it is made
//! under.
//!
//! The transaction has locked the rows of a whole group of changes and read what is compared. What follows is decided here,
//! change by change in their order, without a statement: so one that is not allowed disturbs no other, and the group is
//! written by the same few statements as one change.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use tokio_postgres::Row;
use uuid::Uuid;

use super::guards::{Counted, Guards};
use super::line::{Ends, Place};
use super::outbound::Post;
use super::time::{End, Time};
use crate::engine::ports::store::{Change, Committed, LeaseUse, OutboundMessage, StoreError, Wakeup};
use crate::engine::record::{Record, State};
use crate::store::row;

/// The rows of a group, and what becomes of them.
pub(super) struct Ledger<'a> {
    rows: HashMap<Uuid, Entry>,
    ends: Ends,
    locked: &'a HashSet<String>,
    pub(super) post: Post,
    guards: Guards,
    time: &'a Time,
}

/// A row: what is compared, and what must be known to set the rest.
#[derive(Clone)]
struct Entry {
    revision: i64,
    state: String,
    kind: String,
    instance: String,
    place: Place,
    holder: Option<String>,
    token: i64,
    was_first: bool,
    /// What it was counted as, and is now.
    counted: (Counted, Counted),
    next: Option<Box<Next>>,
}

/// What a row becomes.
#[derive(Clone)]
pub(super) struct Next {
    pub(super) record: Arc<Record>,
    pub(super) lease: LeaseNext,
}

/// What becomes of its lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LeaseNext {
    /// It stays as it is.
    Same,
    /// It is prolonged.
    Until(End),
    /// It is given up.
    Free,
}

/// Why a change was not decided.
pub(super) enum Undecided {
    /// It enters a line that is not locked: all must be locked before anything else, so the transaction begins anew.
    Line(String),
    /// It is not allowed.
    Error(StoreError),
}

impl From<StoreError> for Undecided {
    fn from(error: StoreError) -> Self {
        Self::Error(error)
    }
}

/// What is written: each row with its place.
pub(super) struct Written<'a> {
    /// Rows that change.
    pub(super) changed: Vec<(&'a Next, Place)>,
    /// Rows that become the first of their line, and change in nothing else.
    pub(super) first: Vec<Uuid>,
    /// By kind and state, how many jobs more.
    pub(super) census: BTreeMap<(&'a str, &'a str), i64>,
    /// What others should look for.
    pub(super) heard: Wakeup,
}

impl<'a> Ledger<'a> {
    /// A ledger of these rows; the lines in `locked` are locked.
    pub(super) fn new(
        rows: &[Row],
        ends: Ends,
        locked: &'a HashSet<String>,
        post: Post,
        guards: Guards,
        time: &'a Time,
    ) -> Self {
        let entry = |row: &Row| {
            let place = Place { turn: row.get("turn"), is_first: row.get("is_first") };
            let counted = Counted { counted_as: row.get("counted_as"), begun_us: row.get("begun_us") };
            let entry = Entry {
                counted: (counted.clone(), counted),
                revision: row.get("revision"),
                state: row.get("state"),
                kind: row.get("kind"),
                instance: row.get("instance_id"),
                place,
                holder: row.get("lease_holder"),
                token: row.get("lease_token"),
                was_first: place.is_first,
                next: None,
            };
            (row.get("uid"), entry)
        };
        Self { rows: rows.iter().map(entry).collect(), ends, locked, post, guards, time }
    }

    /// Applies one change, whole or not at all.
    pub(super) fn apply(&mut self, change: &Change) -> Result<Committed, Undecided> {
        let mark = self.post.mark();
        let mut before = Vec::new();
        let others = self.rows.iter().filter(|(uid, _)| **uid != change.record.uid.0);
        let others = others.map(|(_, entry)| (&entry.counted.0, &entry.counted.1));
        let begins = change.begins.map(|begins| self.guards.test(&change.record, begins, others));
        let also = change.also.iter().map(|(record, outbound)| (record, &LeaseUse::None, outbound));
        for (record, hold, outbound) in std::iter::once((&change.record, &change.hold, &change.outbound)).chain(also) {
            let applied = match self.apply_one(record, hold, outbound, &mut before) {
                Ok(Committed::Done) => Ok(begins.unwrap_or(Committed::Done)),
                other => other,
            };
            if !matches!(applied, Ok(Committed::Done)) {
                self.post.back_to(mark);
                while let Some((uid, entry)) = before.pop() {
                    self.rows.insert(uid, entry);
                }
                return applied;
            }
        }
        Ok(Committed::Done)
    }

    fn apply_one(
        &mut self,
        record: &Arc<Record>,
        hold: &LeaseUse,
        outbound: &[OutboundMessage],
        before: &mut Vec<(Uuid, Entry)>,
    ) -> Result<Committed, Undecided> {
        let Some(entry) = self.rows.get_mut(&record.uid.0) else { return Ok(Committed::Conflict) };
        let holds = match hold {
            LeaseUse::Keep(lease, _) | LeaseUse::Release(lease) => {
                entry.holder.as_deref() == Some(lease.holder.as_str()) && entry.token == lease.token
            }
            LeaseUse::None => true,
        };
        if !holds || u64::try_from(entry.revision).map(|revision| revision + 1) != Ok(record.revision) {
            return Ok(Committed::Conflict);
        }
        let from = State::parse(&entry.state).ok_or_else(|| {
            StoreError::Corrupt(format!("job {} is in the unknown state {}", record.uid, entry.state))
        })?;
        if !from.may_become(record.state()) {
            return Err(Undecided::Error(StoreError::Corrupt(format!(
                "job {} is {} and may not become {}",
                record.uid,
                from.as_str(),
                record.state().as_str()
            ))));
        }
        let place = match (entry.place.turn, record.phase.in_queue()) {
            (None, true) if !self.locked.contains(&entry.instance) => {
                return Err(Undecided::Line(entry.instance.clone()));
            }
            // Whether it is first is found when all have entered or left.
            (None, true) => Place { turn: Some(self.ends.enter(&entry.instance)), is_first: false },
            (Some(_), true) => entry.place,
            (_, false) => Place::OUTSIDE,
        };
        let of = row::index(record)?;
        let (revision, counted) = (of.revision, Counted { counted_as: of.counted_as, begun_us: of.begun_us });
        before.push((record.uid.0, entry.clone()));
        let lease = match hold {
            LeaseUse::Keep(_, until) => LeaseNext::Until(self.time.prolonged(*until)),
            LeaseUse::Release(_) => LeaseNext::Free,
            LeaseUse::None => LeaseNext::Same,
        };
        let lease = match (&entry.next, lease) {
            (Some(earlier), LeaseNext::Same) => earlier.lease,
            _ => lease,
        };
        if lease == LeaseNext::Free {
            entry.holder = None;
        }
        entry.revision = revision;
        entry.counted.1 = counted;
        entry.state = record.state().as_str().to_owned();
        entry.place = place;
        entry.next = Some(Box::new(Next { record: Arc::clone(record), lease }));
        self.post.post(record.uid, outbound)?;
        Ok(Committed::Done)
    }

    /// Hands the first places on, now that all have entered or left.
    pub(super) fn settle(&mut self) {
        let mut first: HashMap<&str, i64> = HashMap::new();
        for entry in self.rows.values() {
            if let Some(turn) = entry.place.turn.filter(|_| self.locked.contains(&entry.instance)) {
                let lowest = first.entry(self.locked.get(&entry.instance).expect("it is in it")).or_insert(turn);
                *lowest = turn.min(*lowest);
            }
        }
        for entry in self.rows.values_mut() {
            if let (Some(turn), Some(lowest)) = (entry.place.turn, first.get(entry.instance.as_str())) {
                entry.place.is_first = turn == *lowest;
            }
        }
    }

    /// What is to be written. `states` are the states that the rows had.
    pub(super) fn written<'s>(&'s self, states: &'s HashMap<Uuid, String>) -> Written<'s> {
        let (mut changed, mut first) = (Vec::new(), Vec::new());
        let mut census: BTreeMap<(&str, &str), i64> = BTreeMap::new();
        let mut heard = Wakeup { mail: self.post.is_mail(), ..Wakeup::default() };
        for (uid, entry) in &self.rows {
            match &entry.next {
                Some(next) => {
                    changed.push((&**next, entry.place));
                    let was = states.get(uid).map_or("", String::as_str);
                    if was != entry.state {
                        *census.entry((&entry.kind, was)).or_default() -= 1;
                        *census.entry((&entry.kind, &entry.state)).or_default() += 1;
                    }
                    let swept = next.record.is_swept();
                    heard.hours |= swept;
                    // One that is kept is nobody else's.
                    let free = !matches!(next.lease, LeaseNext::Until(_)) && next.record.due().is_some() && !swept;
                    heard.work |= free && entry.place.is_first;
                }
                None if entry.place.is_first && !entry.was_first => {
                    first.push(*uid);
                    heard.work = true;
                }
                None => {}
            }
        }
        Written { changed, first, census, heard }
    }

    /// The states of the rows.
    pub(super) fn states(&self) -> HashMap<Uuid, String> {
        self.rows.iter().map(|(uid, entry)| (*uid, entry.state.clone())).collect()
    }
}
