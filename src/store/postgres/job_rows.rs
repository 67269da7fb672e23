//! The statements that write many jobs at once. They take an array for each column.

use uuid::Uuid;

use super::change::{JobUpdate, LeaseUpdate};
use super::connection::{Pipeline, Values};
use super::error::PgError;
use super::lease_clock::now_us;
use crate::engine::ports::store::StoreError;
use crate::engine::record::Record;
use crate::store::row::{self, Indexed, QueuePlace};

pub(super) const INSERT: &str = "INSERT INTO jobs (uid, requester, job_id, kind, state, ended, instance_id, instance_type,
      cen_id, cen_owner, accepted_us, finished_us, due_us, swept, record, revision, turn, is_first, counted_as, begun_us,
      held, instance_owner, batch)
    SELECT * FROM unnest($1::uuid[], $2::text[], $3::text[], $4::text[], $5::text[], $6::bool[], $7::text[], $8::text[],
      $9::text[], $10::text[], $11::int8[], $12::int8[], $13::int8[], $14::bool[], $15::text[], $16::int8[], $17::int8[],
      $18::bool[], $19::text[], $20::int8[], $21::text[], $22::text[], $23::uuid[])";

pub(super) const UPDATE: &str = concat!(
    "UPDATE jobs j SET state = n.state, ended = n.ended, finished_us = n.finished_us, due_us = n.due_us,
       swept = n.swept, record = n.record, revision = n.revision, turn = n.turn, is_first = n.is_first,
       counted_as = n.counted_as, begun_us = n.begun_us, held = n.held, locks = n.locks,
       lease_holder = CASE WHEN n.freed THEN NULL ELSE j.lease_holder END,
       lease_until_us = CASE WHEN n.freed THEN 0 ELSE coalesce(n.until_us, ",
    now_us!(),
    " + n.length_us, j.lease_until_us) END,
       lease_length_us = CASE WHEN n.freed THEN 0 ELSE coalesce(n.length_us, j.lease_length_us) END
     FROM unnest($1::uuid[], $2::text[], $3::bool[], $4::int8[], $5::int8[], $6::bool[], $7::text[], $8::int8[],
       $9::int8[], $10::bool[], $11::bool[], $12::int8[], $13::int8[], $14::text[], $15::int8[], $16::text[],
       $17::bool[])
       AS n(uid, state, ended, finished_us, due_us, swept, record, revision, turn, is_first, freed, until_us, length_us,
         counted_as, begun_us, held, locks)
     WHERE j.uid = n.uid"
);

/// A row as it is to be written.
struct NewRow<'a> {
    uid: Uuid,
    columns: Indexed<'a>,
    record: String,
    place: QueuePlace,
}

impl<'a> NewRow<'a> {
    fn of(record: &'a Record, place: QueuePlace) -> Result<Self, StoreError> {
        Ok(Self { uid: record.uid.0, columns: row::index(record)?, record: row::write(record)?, place })
    }
}

/// One column of many rows.
macro_rules! column {
    ($rows:ident, $row:pat => $value:expr) => {
        &$rows.iter().map(|$row| $value).collect::<Vec<_>>()
    };
}

/// Inserts new jobs, each with its place. [`INSERT`] must be prepared.
pub(super) async fn insert(
    pipeline: Pipeline<'_>,
    jobs: impl Iterator<Item = (&Record, QueuePlace)>,
) -> Result<(), PgError> {
    let rows = jobs.map(|(record, place)| NewRow::of(record, place)).collect::<Result<Vec<_>, _>>()?;
    if rows.is_empty() {
        return Ok(());
    }
    let values: Values<'_> = &[
        column!(rows, row => row.uid),
        column!(rows, row => row.columns.requester),
        column!(rows, row => row.columns.job_id),
        column!(rows, row => row.columns.kind.as_str()),
        column!(rows, row => row.columns.state.as_str()),
        column!(rows, row => row.columns.ended),
        column!(rows, row => row.columns.instance_id),
        column!(rows, row => row.columns.instance_type.as_str()),
        column!(rows, row => row.columns.cen_id),
        column!(rows, row => row.columns.cen_owner),
        column!(rows, row => row.columns.accepted_us),
        column!(rows, row => row.columns.finished_us),
        column!(rows, row => row.columns.due_us),
        column!(rows, row => row.columns.swept),
        column!(rows, row => row.record.as_str()),
        column!(rows, row => row.columns.revision),
        column!(rows, row => row.place.turn),
        column!(rows, row => row.place.is_first),
        column!(rows, row => row.columns.counted_as.as_deref()),
        column!(rows, row => row.columns.begun_us),
        column!(rows, row => row.columns.held),
        column!(rows, row => row.columns.instance_owner),
        column!(rows, row => row.columns.batch.map(|batch| batch.0)),
    ];
    pipeline.execute(INSERT, values).await
}

/// Updates jobs, each with its place. [`UPDATE`] must be prepared.
pub(super) async fn update(pipeline: Pipeline<'_>, jobs: &[(&JobUpdate, QueuePlace)]) -> Result<(), PgError> {
    let rows = jobs.iter().map(|(job, place)| NewRow::of(&job.record, *place)).collect::<Result<Vec<_>, _>>()?;
    let end = |job: &JobUpdate| match job.lease {
        LeaseUpdate::Prolonged(end) => Some(end),
        LeaseUpdate::Unchanged | LeaseUpdate::Released => None,
    };
    let values: Values<'_> = &[
        column!(rows, row => row.uid),
        column!(rows, row => row.columns.state.as_str()),
        column!(rows, row => row.columns.ended),
        column!(rows, row => row.columns.finished_us),
        column!(rows, row => row.columns.due_us),
        column!(rows, row => row.columns.swept),
        column!(rows, row => row.record.as_str()),
        column!(rows, row => row.columns.revision),
        column!(rows, row => row.place.turn),
        column!(rows, row => row.place.is_first),
        column!(jobs, (job, _) => job.lease == LeaseUpdate::Released),
        column!(jobs, (job, _) => end(job).and_then(|end| end.until_us)),
        column!(jobs, (job, _) => end(job).and_then(|end| end.length_us)),
        column!(rows, row => row.columns.counted_as.as_deref()),
        column!(rows, row => row.columns.begun_us),
        column!(rows, row => row.columns.held),
        column!(jobs, (job, _) => job.locks),
    ];
    pipeline.execute(UPDATE, values).await
}
