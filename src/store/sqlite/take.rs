//! Taking messages in: exactly one job for each idempotency key.
//!
//! The key of each message is looked up in the transaction that would insert it, so that a repetition within one batch is
//! seen like any other.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::batches::{self, Told};
use super::row::{self, QueuePlace, Uid};
use super::transaction::SharedTransaction;
use super::{instance_queue, outbound};
use crate::domain::BatchId;
use crate::engine::ports::store::{Arrival, Message, NewBatch, Rejection, StoreError, Taken};
use crate::engine::record::{Origin, Record};

pub(super) fn take(tx: &SharedTransaction<'_>, messages: &[Message]) -> Result<Vec<Taken>, StoreError> {
    let mut told = Told::new();
    messages
        .iter()
        .map(|message| match message {
            Message::Arrival(arrival) => take_job(tx, arrival, &mut told),
            Message::Rejection(rejection) => {
                reject(tx, rejection)?;
                Ok(Taken::Rejected(rejection.uid))
            }
        })
        .collect()
}

fn take_job(tx: &SharedTransaction<'_>, arrival: &Arrival, told: &mut Told) -> Result<Taken, StoreError> {
    let record = &arrival.record;
    let known = tx
        .prepare_cached("SELECT uid, digest FROM keys WHERE requester = ?1 AND job_id = ?2")?
        .query_row([record.requester.as_str(), record.job.id.as_str()], |row| {
            Ok((row.get::<_, Uid>(0)?.0, row.get::<_, String>(1)?))
        })
        .optional()?;
    match known {
        None if instance_queue::is_full(tx, record, arrival.most_unbegun)? => Ok(Taken::TooMany),
        None => {
            if let Some(misfit) = arrival.batch.as_ref().map(|batch| batches::join(tx, batch)).transpose()?.flatten() {
                return Ok(Taken::Misfit(misfit));
            }
            insert(tx, record, &arrival.digest)?;
            outbound::add_follower(tx, record.uid, &record.origin)?;
            outbound::add(tx, record.uid, &arrival.outbound)?;
            follow_batch(tx, arrival, told)?;
            Ok(Taken::New(record.uid))
        }
        Some((uid, digest)) if digest == arrival.digest => {
            outbound::repeat_latest(tx, uid, &record.origin)?;
            outbound::add_follower(tx, uid, &record.origin)?;
            follow_batch(tx, arrival, told)?;
            Ok(Taken::Repeated(uid))
        }
        Some(_) => {
            reject(tx, &arrival.reused)?;
            Ok(Taken::Reused(arrival.reused.uid))
        }
    }
}

fn follow_batch(tx: &SharedTransaction<'_>, arrival: &Arrival, told: &mut Told) -> Result<(), StoreError> {
    let Some(NewBatch { batch, .. }) = arrival.batch.as_deref() else { return Ok(()) };
    batches::follow(tx, batch.uid, &batch.origin, told)
}

fn insert(tx: &SharedTransaction<'_>, record: &Record, digest: &str) -> Result<(), StoreError> {
    let (columns, uid) = (row::index(record)?, Uid(record.uid));
    let in_queue = record.phase.in_queue();
    let place = if in_queue { instance_queue::enter(tx, &columns)? } else { QueuePlace::OUTSIDE };
    tx.prepare_cached(
        "INSERT INTO jobs (uid, requester, job_id, kind, state, ended, instance_id, instance_type, cen_id, cen_owner,
           accepted_us, finished_us, due_us, swept, record, revision, turn, is_first, counted_as, begun_us, held,
           instance_owner, batch)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
           ?20, ?21, ?22, ?23)",
    )?
    .execute(params![
        uid,
        columns.requester,
        columns.job_id,
        columns.kind.as_str(),
        columns.state.as_str(),
        columns.ended,
        columns.instance_id,
        columns.instance_type.as_str(),
        columns.cen_id,
        columns.cen_owner,
        columns.accepted_us,
        columns.finished_us,
        columns.due_us,
        columns.swept,
        row::write(record)?,
        columns.revision,
        place.turn,
        place.is_first,
        columns.counted_as,
        columns.begun_us,
        columns.held,
        columns.instance_owner,
        columns.batch.map(Uid),
    ])?;
    tx.prepare_cached("INSERT INTO keys (requester, job_id, uid, digest, created_us) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![columns.requester, columns.job_id, uid, digest, columns.accepted_us])?;
    let mut label = tx.prepare_cached("INSERT INTO labels (name, value, uid) VALUES (?1, ?2, ?3)")?;
    for (name, value) in &record.job.labels {
        label.execute(params![name, value, uid])?;
    }
    tx.count(record.job.kind, record.state(), 1);
    Ok(())
}

/// A rejection's uid is derived from its message, so one that is stored already is the same message again. It is answered
/// again and stored once.
fn reject(tx: &Connection, rejection: &Rejection) -> Result<(), StoreError> {
    let uid = rejection.uid;
    let new =
        tx.prepare_cached(
            "INSERT INTO rejections (uid, at_us, requester, job_id, reasons, batch_id, not_listed)
             VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7) ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            Uid(uid),
            row::at_or_before(rejection.at),
            rejection.requester.as_str(),
            rejection.job_id,
            rejection.reasons,
            rejection.batch_id.as_ref().map(BatchId::as_str),
            rejection.faults_not_listed,
        ])? == 1;
    if new {
        rejection.kept.iter().try_for_each(|message| outbound::keep(tx, uid, message))?;
        outbound::add(tx, uid, &rejection.outbound)?;
    } else {
        outbound::repeat_latest(tx, uid, &Origin::default())?;
    }
    if rejection.origin.reply_to.is_some() { outbound::repeat_latest(tx, uid, &rejection.origin) } else { Ok(()) }
}
