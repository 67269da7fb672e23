//! What a store decides from what it has read. Every store decides the same, so it is written here once; pure.

use crate::domain::JobUid;
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{Committed, EventKey, LeaseUse, StoreError};
use crate::engine::record::{Record, State};

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

/// How many migrations a database has seen, if this program knows them all.
///
/// # Errors
/// `Corrupt` if a newer program has written it.
pub(super) fn schema(found: i64, known: usize) -> Result<usize, StoreError> {
    usize::try_from(found).ok().filter(|found| *found <= known).ok_or_else(|| {
        StoreError::Corrupt(format!(
            "its schema is version {found}, written by a newer program; this one knows versions up to {known}"
        ))
    })
}

#[cfg(test)]
mod tests;
