//! Taking messages in: a job exactly once for each idempotency key.
//!
//! The key is looked up in the transaction that would insert it, message by message, so that a repetition within one
//! batch is seen like any other.

use rusqlite::{Connection, OptionalExtension as _, params};

use super::line::{self, Place};
use super::outbound;
use super::row::{self, Uid};
use super::transaction::Transaction;
use crate::engine::ports::store::{Arrival, Message, Rejection, StoreError, Taken};
use crate::engine::record::{Origin, Record};

/// Takes messages in; one verdict each, in order.
pub(super) fn take(conn: &Transaction<'_>, messages: &[Message]) -> Result<Vec<Taken>, StoreError> {
    messages
        .iter()
        .map(|message| match message {
            Message::Arrival(arrival) => take_job(conn, arrival),
            Message::Rejection(rejection) => {
                reject(conn, rejection)?;
                Ok(Taken::Rejected(rejection.uid))
            }
        })
        .collect()
}

fn take_job(conn: &Transaction<'_>, arrival: &Arrival) -> Result<Taken, StoreError> {
    let record = &arrival.record;
    let known = conn
        .prepare_cached("SELECT uid, digest FROM keys WHERE requester = ?1 AND job_id = ?2")?
        .query_row([record.requester.as_str(), record.job.id.as_str()], |row| {
            Ok((row.get::<_, Uid>(0)?.0, row.get::<_, String>(1)?))
        })
        .optional()?;
    match known {
        None => {
            insert(conn, record, &arrival.digest)?;
            outbound::follow(conn, record.uid, &record.origin)?;
            outbound::post(conn, record.uid, &arrival.outbound)?;
            Ok(Taken::New(record.uid))
        }
        Some((uid, digest)) if digest == arrival.digest => {
            outbound::repeat(conn, uid, &record.origin)?;
            outbound::follow(conn, uid, &record.origin)?;
            Ok(Taken::Repeated(uid))
        }
        Some(_) => {
            reject(conn, &arrival.reused)?;
            Ok(Taken::Reused(arrival.reused.uid))
        }
    }
}

fn insert(conn: &Transaction<'_>, record: &Record, digest: &str) -> Result<(), StoreError> {
    let (of, uid) = (row::index(record)?, Uid(record.uid));
    let place = if record.phase.in_queue() { line::enter(conn, of.instance_id)? } else { Place::OUTSIDE };
    conn.prepare_cached(
        "INSERT INTO jobs (uid, requester, job_id, kind, state, ended, instance_id, instance_type, cen_id, cen_owner,
           accepted_us, finished_us, due_us, swept, record, revision, turn, is_first, counted_as, begun_us, held)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18, ?19,
           ?20, ?21)",
    )?
    .execute(params![
        uid,
        of.requester,
        of.job_id,
        of.kind.as_str(),
        of.state.as_str(),
        of.ended,
        of.instance_id,
        of.instance_type.as_str(),
        of.cen_id,
        of.cen_owner,
        of.accepted_us,
        of.finished_us,
        of.due_us,
        of.swept,
        row::write(record)?,
        of.revision,
        place.turn,
        place.is_first,
        of.counted_as,
        of.begun_us,
        of.held,
    ])?;
    conn.prepare_cached("INSERT INTO keys (requester, job_id, uid, digest, created_us) VALUES (?1, ?2, ?3, ?4, ?5)")?
        .execute(params![of.requester, of.job_id, uid, digest, of.accepted_us])?;
    let mut label = conn.prepare_cached("INSERT INTO labels (name, value, uid) VALUES (?1, ?2, ?3)")?;
    for (name, value) in &record.job.labels {
        label.execute(params![name, value, uid])?;
    }
    conn.count(record.job.kind, record.state(), 1);
    Ok(())
}

/// A rejection is named after its message: one that is there already is the same message, sent or delivered again. It
/// is answered again and kept once.
fn reject(conn: &Connection, rejection: &Rejection) -> Result<(), StoreError> {
    let uid = rejection.uid;
    let new =
        conn.prepare_cached(
            "INSERT INTO rejections (uid, at_us, requester, job_id, reasons) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT DO NOTHING",
        )?
        .execute(params![
            Uid(uid),
            row::at_or_before(rejection.at),
            rejection.requester.as_str(),
            rejection.job_id,
            rejection.reasons,
        ])? == 1;
    if new {
        outbound::post(conn, uid, &rejection.outbound)?;
    } else {
        outbound::repeat(conn, uid, &Origin::default())?;
    }
    if rejection.origin.reply_to.is_some() { outbound::repeat(conn, uid, &rejection.origin) } else { Ok(()) }
}
