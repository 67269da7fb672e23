//! Between records and rows: what every store writes and reads alike.

use std::collections::BTreeMap;
use std::ops::RangeInclusive;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::later;
use crate::domain::{AccountUid, BadName, BatchId, Cen, CenId, InstanceType, JobUid, Kind, Reason, Requester};
use crate::engine::batch::Batch;
use crate::engine::decide::delivery::LONGEST_DELAY;
use crate::engine::decide::webhook;
use crate::engine::guards::{Pause, counted_as};
use crate::engine::ports::mail::Outgoing;
use crate::engine::ports::store::{Group, Outlook, Rejected, StoreError};
use crate::engine::record::{Record, State};

/// How many further `reply_to` a job's terminal event goes to. A later one still gets the latest event at once.
pub(super) const MAX_FOLLOWERS: usize = 32;

/// When a reply is due that stays behind another one, which its queue has refused.
pub(super) const BEHIND: i64 = i64::MAX;

/// Due times, in microseconds, so far ahead that only a clock that has since stepped back can have set them: no message is
/// put off for this long.
pub(super) fn put_off_too_far(now: Timestamp) -> RangeInclusive<i64> {
    not_before(later(now, LONGEST_DELAY * 2))..=BEHIND - 1
}

/// The same for messages to webhooks.
pub(super) fn webhook_put_off_too_far(now: Timestamp) -> RangeInclusive<i64> {
    not_before(later(now, webhook::LONGEST_DELAY * 2))..=BEHIND - 1
}

/// The columns that are taken from a record, and from nothing else, so that they can always be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Indexed<'a> {
    pub(super) requester: &'a str,
    pub(super) job_id: &'a str,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) ended: bool,
    pub(super) instance_id: &'a str,
    pub(super) instance_owner: &'a str,
    pub(super) instance_type: InstanceType,
    pub(super) cen_id: &'a str,
    pub(super) cen_owner: &'a str,
    pub(super) accepted_us: i64,
    pub(super) finished_us: Option<i64>,
    pub(super) due_us: Option<i64>,
    pub(super) swept: bool,
    pub(super) counted_as: Option<String>,
    pub(super) begun_us: Option<i64>,
    pub(super) held: Option<&'a str>,
    pub(super) batch: Option<JobUid>,
    pub(super) revision: i64,
}

/// Takes the columns of `record`.
pub(super) fn index(record: &Record) -> Result<Indexed<'_>, StoreError> {
    Ok(Indexed {
        requester: record.requester.as_str(),
        job_id: record.job.id.as_str(),
        kind: record.job.kind,
        state: record.state(),
        ended: record.state().is_terminal(),
        instance_id: record.job.instance.id.as_str(),
        instance_owner: record.job.instance.owner.as_str(),
        instance_type: record.job.instance.kind,
        cen_id: record.job.cen.id.as_str(),
        cen_owner: record.job.cen.owner.as_str(),
        accepted_us: at_or_before(record.accepted_at),
        finished_us: record.phase.finished_at().map(at_or_before),
        due_us: record.phase.due().map(not_before),
        swept: record.is_swept(),
        counted_as: record.begun_at.and_then(|_| counted_as(&record.job)),
        begun_us: record.begun_at.map(at_or_before),
        held: record.phase.held().map(|account| account.as_str()),
        batch: record.batch(),
        revision: revision(record.revision)?,
    })
}

/// A revision as a column.
pub(super) fn revision(revision: u64) -> Result<i64, StoreError> {
    i64::try_from(revision).map_err(|_| StoreError::Corrupt(format!("there is no revision {revision}")))
}

/// Stands in `set_by` between what the operator said and the name of the token. The admin API takes no control character in
/// the former, and names have none.
const UNIT_SEPARATOR: char = '\u{1f}';

/// Who has set a pause, as one text.
pub(super) fn set_by(pause: &Pause) -> String {
    match &pause.authority {
        Some(authority) => format!("{}{UNIT_SEPARATOR}{authority}", pause.by),
        None => pause.by.clone(),
    }
}

/// Whom the operator named, and the name of the token, from [`set_by`].
pub(super) fn setters(set_by: &str) -> (String, Option<String>) {
    match set_by.rsplit_once(UNIT_SEPARATOR) {
        Some((by, authority)) => (by.to_owned(), Some(authority.to_owned())),
        None => (set_by.to_owned(), None),
    }
}

/// A record as the text that is stored.
pub(super) fn write(record: &Record) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|e| StoreError::Corrupt(format!("job {} cannot be written: {e}", record.uid)))
}

/// A record from the text that is stored.
pub(super) fn read(uid: JobUid, text: &str) -> Result<Record, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("job {uid} cannot be read: {e}")))
}

/// What all jobs of a batch say of it, as the text that is compared.
pub(super) fn terms(batch: &Batch) -> Result<String, StoreError> {
    json(batch.uid, &batch.terms)
}

/// A batch as the text that is stored.
pub(super) fn write_batch(batch: &Batch) -> Result<String, StoreError> {
    json(batch.uid, batch)
}

fn json(uid: JobUid, part: &impl Serialize) -> Result<String, StoreError> {
    serde_json::to_string(part).map_err(|e| StoreError::Corrupt(format!("batch {uid} cannot be written: {e}")))
}

/// A batch from the text that is stored.
pub(super) fn read_batch(uid: JobUid, text: &str) -> Result<Batch, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("batch {uid} cannot be read: {e}")))
}

/// A state from its word.
pub(super) fn state(word: &str) -> Result<State, StoreError> {
    State::parse(word).ok_or_else(|| StoreError::Corrupt(format!("unknown state {word}")))
}

/// Microseconds of an instant before which nothing may happen: rounded up, so that nothing happens early.
pub(super) fn not_before(at: Timestamp) -> i64 {
    micros(at.as_nanosecond().saturating_add(999))
}

/// Microseconds of an instant that is now or past: rounded down.
pub(super) fn at_or_before(at: Timestamp) -> i64 {
    micros(at.as_nanosecond())
}

fn micros(nanos: i128) -> i64 {
    i64::try_from(nanos.div_euclid(1000)).expect("the years of a timestamp have four digits")
}

/// An instant from its microseconds.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// The value of a `LIMIT`.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// Whose event a message carries, by the header that every event has.
pub(super) fn requester(outgoing: &Outgoing) -> &str {
    outgoing.headers.get("requester").map_or("", String::as_str)
}

/// The text of a stored event.
pub(super) fn event_text(uid: JobUid, body: Vec<u8>) -> Result<String, StoreError> {
    String::from_utf8(body).map_err(|error| StoreError::Corrupt(format!("an event of {uid} is no text: {error}")))
}

/// A stored rejection. `reasons` is JSON.
pub(super) fn rejected(
    uid: JobUid,
    at_us: i64,
    requester: &str,
    job_id: Option<String>,
    reasons: &str,
    (batch_id, not_listed): (Option<String>, i64),
) -> Result<Rejected, StoreError> {
    let unreadable = |why: String| StoreError::Corrupt(format!("rejection {uid}: {why}"));
    let requester = Requester::parse(requester).map_err(|error| unreadable(error.to_string()))?;
    let reasons = serde_json::from_str(reasons).map_err(|error| unreadable(error.to_string()))?;
    let batch_id = batch_id.map(BatchId::parse).transpose().map_err(|error| unreadable(error.to_string()))?;
    let faults_not_listed = u32::try_from(not_listed).unwrap_or(u32::MAX);
    Ok(Rejected { uid, at: time(at_us), requester, job_id, batch_id, reasons, faults_not_listed })
}

/// What comes before the reason in the text of a record that is parked. No text inside of a record reads like it, because its
/// quotes are escaped there.
pub(super) const ENDING: &str = "\"ending\":{\"reason\":\"";
/// The length of [`ENDING`].
pub(super) const ENDING_LENGTH: i32 = 20;
/// How many characters after [`ENDING`] hold every reason, with the quote that ends it.
pub(super) const REASON_LENGTH: i32 = 40;

/// The reason at the beginning of a part of a record that comes after [`ENDING`].
pub(super) fn reason(text: &str) -> Option<Reason> {
    Reason::parse(text.split_once('"')?.0)
}

/// Counts parked jobs by reason and whether they are half done. `total` are all; those that were not read count without a reason.
pub(super) fn count_parked(read: &[(Option<Reason>, bool)], total: u64) -> BTreeMap<(Option<Reason>, bool), u64> {
    let mut parked = BTreeMap::new();
    for key in read {
        *parked.entry(*key).or_default() += 1;
    }
    let unread = total.saturating_sub(read.len() as u64);
    if unread > 0 {
        *parked.entry((None, false)).or_default() += unread;
    }
    parked
}

/// The uid of an account that is a column.
pub(super) fn account(uid: &str) -> Result<AccountUid, StoreError> {
    AccountUid::parse(uid).map_err(|error| StoreError::Corrupt(error.to_string()))
}

/// What is known of the jobs of a state.
pub(super) fn outlook(state: &str, jobs: i64, due_us: Option<i64>, oldest_us: i64) -> Result<Outlook, StoreError> {
    Ok(Outlook {
        state: self::state(state)?,
        jobs: jobs.unsigned_abs(),
        due: due_us.map(time),
        oldest: time(oldest_us),
    })
}

/// The first uid that a job can have which was accepted at `at` or after it: a UUIDv7 begins with the milliseconds.
pub(super) fn first_uid(at: Timestamp) -> Uuid {
    Uuid::from_u128(u128::from(at.as_millisecond().unsigned_abs()) << 80)
}

/// What stands in the text of a record that waits and is overdue. No text inside of a record reads like it, because its quotes
/// are escaped there.
pub(super) const OVERDUE: &str = "\"overdue\":true";

/// When an event was said, from its body.
pub(super) fn said_at(body: &[u8]) -> Option<Timestamp> {
    #[derive(Deserialize)]
    struct Said {
        time: Timestamp,
    }
    serde_json::from_slice::<Said>(body).ok().map(|said| said.time)
}

/// What jobs are counted by.
pub(super) fn kind_and_state(kind: &str, state: &str) -> Result<(Kind, State), StoreError> {
    let unknown = || StoreError::Corrupt(format!("unknown kind {kind} or state {state}"));
    Kind::parse(kind).zip(State::parse(state)).ok_or_else(unknown)
}

/// A group of the sweep.
pub(super) fn group(cen_owner: &str, cen_id: &str, instance_type: &str) -> Result<Group, StoreError> {
    let unreadable = |error: BadName| StoreError::Corrupt(error.to_string());
    let owner = AccountUid::parse(cen_owner).map_err(unreadable)?;
    let id = CenId::parse(cen_id).map_err(unreadable)?;
    let unknown = || StoreError::Corrupt(format!("unknown instance type {instance_type}"));
    Ok(Group { cen: Cen { id, owner }, kind: InstanceType::parse(instance_type).ok_or_else(unknown)? })
}

/// Whether a job has the lock of its instance after a change: from an intent on, until it leaves its queue or everything it
/// wrote was refused. One that comes back to its queue gets it with its next intent; one that is half done, in any case.
pub(super) fn locks(had: bool, intends: bool, record: &Record) -> bool {
    record.phase.in_queue() && record.has_written() && (had || intends || record.is_half_done())
}

/// A job's place in the queue of its instance and owner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct QueuePlace {
    /// Jobs are worked on in the order of their turns; `None` outside the queue.
    pub(super) turn: Option<i64>,
    /// Whether no job is before it: it has the lowest turn, or is outside the queue.
    pub(super) is_first: bool,
}

impl QueuePlace {
    pub(super) const OUTSIDE: Self = Self { turn: None, is_first: true };

    /// The place after a change of the job; `None` if the change makes it enter the queue.
    pub(super) fn after(self, record: &Record) -> Option<Self> {
        match (self.turn, record.phase.in_queue()) {
            (None, true) => None,
            (Some(_), true) => Some(self),
            (_, false) => Some(Self::OUTSIDE),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reason_of_a_parked_job_is_found_in_its_text_whatever_else_it_holds() {
        use crate::admin::testing;
        use crate::engine::record::{Ending, Phase};
        assert_eq!(ENDING.len(), ENDING_LENGTH as usize);
        for parked in Reason::ALL {
            let mut record = testing::record("NET-1");
            let message = r#"said "ending":{"reason":"done" and more"#.to_owned();
            record.job.labels.insert("ending".into(), r#"{"reason":"done""#.into());
            record.why = message.clone();
            let ending = Ending { reason: parked, message, findings: vec![] };
            record.phase = Phase::Parked { ending, half_done: true };
            let text = write(&record).unwrap();
            let at = text.find(ENDING).unwrap() + ENDING.len();
            let end = text.len().min(at + REASON_LENGTH as usize);
            assert_eq!(reason(&text[at..end]), Some(parked));
        }
        assert_eq!((reason("{"), reason("unheard-of\"")), (None, None));
    }

    #[test]
    fn nothing_is_due_before_its_time() {
        let due: Timestamp = "2026-11-03T10:00:00.000000001Z".parse().unwrap();
        let just_before: Timestamp = "2026-11-03T10:00:00Z".parse().unwrap();
        assert!(not_before(due) > at_or_before(just_before));
        assert!(time(not_before(due)) >= due);
        let whole: Timestamp = "2026-11-03T10:00:00.000001Z".parse().unwrap();
        assert_eq!(time(not_before(whole)), whole);
        assert_eq!(time(not_before(Timestamp::MAX)), Timestamp::MAX);
        assert_eq!(time(not_before(Timestamp::MIN)), Timestamp::MIN);
    }
}
