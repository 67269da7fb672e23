//! Between records and rows, whatever the database.

use jiff::Timestamp;

use crate::domain::{InstanceType, JobUid, Kind};
use crate::engine::guards::counted_as;
use crate::engine::ports::store::StoreError;
use crate::engine::record::{Record, State};

/// What the store indexes of a record. Taken from the record alone, so that a row can always be made again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Indexed<'a> {
    pub(super) requester: &'a str,
    pub(super) job_id: &'a str,
    pub(super) kind: Kind,
    pub(super) state: State,
    pub(super) ended: bool,
    pub(super) instance_id: &'a str,
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
    pub(super) revision: i64,
}

/// What the store indexes of `record`.
pub(super) fn index(record: &Record) -> Result<Indexed<'_>, StoreError> {
    Ok(Indexed {
        requester: record.requester.as_str(),
        job_id: record.job.id.as_str(),
        kind: record.job.kind,
        state: record.state(),
        ended: record.state().is_terminal(),
        instance_id: record.job.instance.id.as_str(),
        instance_type: record.job.instance.kind,
        cen_id: record.job.cen.id.as_str(),
        cen_owner: record.job.cen.owner.as_str(),
        accepted_us: at_or_before(record.accepted_at),
        finished_us: record.phase.finished_at().map(at_or_before),
        due_us: record.due().map(not_before),
        swept: record.is_swept(),
        counted_as: record.begun_at.and_then(|_| counted_as(&record.job)),
        begun_us: record.begun_at.map(at_or_before),
        held: record.phase.held().map(|account| account.as_str()),
        revision: i64::try_from(record.revision)
            .map_err(|_| StoreError::Corrupt(format!("job {} has revision {}", record.uid, record.revision)))?,
    })
}

/// The text of a record.
pub(super) fn write(record: &Record) -> Result<String, StoreError> {
    serde_json::to_string(record).map_err(|e| StoreError::Corrupt(format!("job {} cannot be written: {e}", record.uid)))
}

/// A record from its text.
pub(super) fn read(uid: JobUid, text: &str) -> Result<Record, StoreError> {
    serde_json::from_str(text).map_err(|e| StoreError::Corrupt(format!("job {uid} cannot be read: {e}")))
}

/// A time that something must not happen before, rounded up: `now` rounded down is past it only when `now` is.
pub(super) fn not_before(at: Timestamp) -> i64 {
    micros(at.as_nanosecond().saturating_add(999))
}

/// A time that is or was, rounded down.
pub(super) fn at_or_before(at: Timestamp) -> i64 {
    micros(at.as_nanosecond())
}

fn micros(nanos: i128) -> i64 {
    i64::try_from(nanos.div_euclid(1000)).expect("the years of a timestamp have four digits")
}

/// A time from its row.
pub(super) fn time(micros: i64) -> Timestamp {
    Timestamp::from_microsecond(micros).unwrap_or(if micros < 0 { Timestamp::MIN } else { Timestamp::MAX })
}

/// A limit, as SQL wants it.
pub(super) fn limit(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

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
