//! The feed of all events. An event is written without a number, because transactions do not commit in the order in which they
//! take numbers. Who reads the feed gives them first: one transaction at a time numbers what is committed.

use uuid::Uuid;

use super::connection::Connection;
use super::error::PgError;
use super::lock_keys::{NUMBERING, TRANSACTION_CLASS};
use crate::domain::JobUid;
use crate::engine::ports::feed::{FEED_SCAN, Feed, FeedEvent, FeedPage};
use crate::engine::ports::store::KeptEvent;
use crate::store::feed::{FeedRow, choose};
use crate::store::row;

/// What retention is deleting is left out: to wait for it, holding rows that it waits for, would be a circle.
const NUMBER: &str = "WITH next AS MATERIALIZED (
      SELECT uid, sequence FROM feed WHERE number IS NULL ORDER BY arrival LIMIT $1 FOR UPDATE SKIP LOCKED),
    numbered AS MATERIALIZED (
      SELECT next.uid, next.sequence, nextval('feed_numbers') AS number
      FROM (SELECT f.uid, f.sequence FROM next JOIN feed f USING (uid, sequence) ORDER BY f.arrival) AS next)
    UPDATE feed f SET number = n.number FROM numbered n WHERE f.uid = n.uid AND f.sequence = n.sequence";

/// Of these events, in order, as many as have `$4` bytes together, and the first that was left, without its body.
const BODIES: &str = "WITH sized AS (
      SELECT n.number, e.uid, e.sequence, sum(octet_length(e.body)) OVER (ORDER BY n.number) AS upto,
        row_number() OVER (ORDER BY n.number) AS place
      FROM unnest($1::int8[], $2::uuid[], $3::int4[]) AS n(number, uid, sequence)
        JOIN events e ON e.uid = n.uid AND e.sequence = n.sequence),
    kept AS (SELECT * FROM sized WHERE upto <= $4 OR place = 1)
    SELECT k.number, e.uid, e.sequence, e.body FROM kept k JOIN events e ON e.uid = k.uid AND e.sequence = k.sequence
    UNION ALL
    (SELECT number, uid, sequence, NULL FROM sized WHERE upto > $4 AND place > 1 ORDER BY number LIMIT 1)
    ORDER BY number";

/// Whether there are events without a number.
pub(super) async fn unnumbered(conn: &Connection) -> Result<bool, PgError> {
    Ok(conn.query_one("SELECT EXISTS (SELECT FROM feed WHERE number IS NULL)", &[]).await?.get(0))
}

/// Gives numbers to some of the events that have none. Returns to how many.
pub(super) async fn number(conn: &Connection) -> Result<usize, PgError> {
    conn.query("SELECT pg_advisory_xact_lock($1, $2)", &[&TRANSACTION_CLASS, &NUMBERING]).await?;
    conn.execute(NUMBER, &[&row::limit(FEED_SCAN)]).await
}

/// The same, and the last number under the lock, when all of those that were given can be read.
pub(super) async fn number_and_end(conn: &Connection) -> Result<(usize, i64), PgError> {
    Ok((number(conn).await?, end(conn).await?))
}

pub(super) async fn page(conn: &Connection, page: &FeedPage) -> Result<Feed, PgError> {
    let sql = "SELECT number, uid, sequence, requester FROM feed WHERE number > $1 ORDER BY number LIMIT $2";
    let rows = conn.query(sql, &[&page.after, &row::limit(FEED_SCAN)]).await?;
    let scanned = rows.iter().map(|row| FeedRow {
        number: row.get(0),
        uid: row.get::<_, Uuid>(1),
        sequence: row.get(2),
        requester: row.get(3),
    });
    let chosen = choose(page, scanned.collect());
    let numbers: Vec<i64> = chosen.rows.iter().map(|row| row.number).collect();
    let uids: Vec<Uuid> = chosen.rows.iter().map(|row| row.uid).collect();
    let sequences: Vec<i32> = chosen.rows.iter().map(|row| row.sequence).collect();
    let (mut events, mut left) = (Vec::new(), None);
    if !numbers.is_empty() {
        for row in conn.query(BODIES, &[&numbers, &uids, &sequences, &row::limit(page.bytes)]).await? {
            let (number, uid, sequence) = (row.get(0), JobUid(row.get(1)), row.get::<_, i32>(2).unsigned_abs());
            match row.get::<_, Option<Vec<u8>>>(3) {
                Some(body) => {
                    let event = KeptEvent { uid, sequence, text: row::event_text(uid, body)? };
                    events.push(FeedEvent { number, event });
                }
                None => left = Some(number),
            }
        }
    }
    Ok(chosen.page(events, left, end(conn).await?))
}

/// The highest number that was ever given. While another transaction gives numbers it may be ahead of what can be read, unless the
/// lock is held.
pub(super) async fn end(conn: &Connection) -> Result<i64, PgError> {
    // A role with no more than USAGE may ask this, and may not read the sequence as a table.
    let sql = "SELECT coalesce(pg_sequence_last_value('feed_numbers'::regclass), 0)";
    Ok(conn.query_one(sql, &[]).await?.get(0))
}
