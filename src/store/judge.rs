//! What a store decides from what it has read. Every store decides the same, so it is written here once; pure.

use crate::domain::{Code, JobUid};
use crate::engine::batch::Batch;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{Committed, EventKey, LeaseUse, Misfit, StoreError, Taken, Whole};
use crate::engine::record::{Record, State};
use crate::store::row;

/// The result of one change among others.
pub(super) type ChangeResult = Result<Committed, StoreError>;

/// The columns of a job that a change is compared with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Compared<'a> {
    pub(super) revision: i64,
    pub(super) state: &'a str,
    pub(super) lease_holder: Option<&'a str>,
    pub(super) lease_token: i64,
}

/// The compare-and-set: the state that a job leaves if it may become `record`, committed under `lease`. `None` is a
/// conflict: another holds the lease, or `record` was not decided on the stored revision.
///
/// # Errors
/// `Corrupt` if there is no conflict and the transition is not in the table.
pub(super) fn compare(stored: Compared<'_>, record: &Record, lease: &LeaseUse) -> Result<Option<State>, StoreError> {
    let holds = match lease {
        LeaseUse::Keep(lease, _) | LeaseUse::Release(lease) => {
            stored.lease_holder == Some(lease.holder.as_str()) && stored.lease_token == lease.token
        }
        LeaseUse::None => true,
    };
    if !holds || u64::try_from(stored.revision).map(|revision| revision + 1) != Ok(record.revision) {
        return Ok(None);
    }
    let (uid, to) = (record.uid, record.state());
    let from = State::parse(stored.state)
        .ok_or_else(|| StoreError::Corrupt(format!("job {uid} is in the unknown state {}", stored.state)))?;
    if !from.may_become(to) {
        let why = format!("job {uid} is {} and may not become {}", from.as_str(), to.as_str());
        return Err(StoreError::Corrupt(why));
    }
    Ok(Some(from))
}

/// Makes a refusal a conflict, and logs it: one refused change must not fail those that are committed with it.
pub(super) fn refusal_as_conflict(uid: JobUid, result: ChangeResult) -> ChangeResult {
    match result {
        Err(StoreError::Refused(error) | StoreError::Corrupt(error)) => {
            tracing::error!(job.uid = %uid, error, "the store refused a change");
            Ok(Committed::Conflict)
        }
        other => other,
    }
}

/// Whether a job may begin to write after `begun` others, where the hourly limit is `most`.
pub(super) fn admit(begun: i64, most: u32) -> Committed {
    let begun = begun.unsigned_abs();
    if begun < u64::from(most) { Committed::Done } else { Committed::OverLimit(begun) }
}

/// Lets an event be published again under its key if it is the one that is stored, by message id and body.
///
/// # Errors
/// `Corrupt` if it is another: a receiver that has seen the first would take the second for a repetition.
pub(super) fn same_event(
    EventKey { uid, sequence, .. }: EventKey,
    (message_id, body): (&str, &[u8]),
    outgoing: &Outgoing,
) -> Result<(), StoreError> {
    if message_id == outgoing.message_id && body == outgoing.body.as_ref() {
        return Ok(());
    }
    Err(StoreError::Corrupt(format!("event {sequence} of {uid} is stored with other content")))
}

/// The columns of a batch that a job which names it is compared with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct StoredBatch {
    pub(super) terms: String,
    pub(super) size: u32,
    pub(super) members: u32,
    pub(super) closes_us: i64,
    pub(super) ended: bool,
}

impl StoredBatch {
    /// A batch that has no job yet.
    pub(super) fn of(batch: &Batch) -> Result<Self, StoreError> {
        let closes_us = row::not_before(batch.closes_at);
        Ok(Self { terms: row::terms(batch)?, size: batch.terms.size, members: 0, closes_us, ended: false })
    }
}

/// Why a job that would make `asked` does not get into the batch that is there; `None` if it does.
pub(super) fn fit(stored: &StoredBatch, asked: &Batch) -> Result<Option<Misfit>, StoreError> {
    Ok(if stored.terms != row::terms(asked)? {
        Some(Misfit::Differs)
    } else if stored.members >= stored.size {
        Some(Misfit::Full)
    } else if stored.ended || row::at_or_before(asked.accepted_at) >= stored.closes_us {
        Some(Misfit::Closed)
    } else {
        None
    })
}

/// What became of messages that are to be taken together.
pub(super) fn whole(taken: Vec<Taken>) -> Whole {
    let fits = |taken: &Taken| matches!(taken, Taken::New(_) | Taken::Repeated(_));
    if taken.iter().all(fits) {
        return Whole::Taken(taken);
    }
    Whole::Refused(taken.into_iter().enumerate().filter(|(_, taken)| !fits(taken)).collect())
}

/// How many migrations a database has seen, if this program knows them all.
///
/// # Errors
/// `Unusable` if a newer program has written it.
pub(super) fn schema(found: i64, known: usize) -> Result<usize, StoreError> {
    usize::try_from(found).ok().filter(|found| *found <= known).ok_or_else(|| {
        let why = format!(
            "the schema of the store is version {found}, written by a newer program; this one knows versions up to {known}. \
             Start the newer program, or put back the backup that was made before the upgrade"
        );
        StoreError::Unusable(Code::StoreNewer, why)
    })
}

#[cfg(test)]
mod tests;
