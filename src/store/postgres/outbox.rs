//! The outbox: messages that are still to be published. Those to webhooks are told from replies by what their queue begins with:
//! `"https:0` is the first text after all that begin with `"https://`.

use jiff::Timestamp;
use tokio_postgres::Row;

use super::connection::Connection;
use super::error::PgError;
use super::lock_keys::{self, TRANSACTION_CLASS};
use super::outbound;
use crate::engine::ports::mail::Lane;
use crate::engine::ports::store::{Outbox, OutboxPage, OutboxRow, SetAside, Settlement, StoreError};
use crate::store::row;

/// Of the messages that `{which}` selects, as many as a page takes.
const PAGE: &str = "WITH due AS ({which}),
    page AS (
      SELECT number, sum(size) OVER (ORDER BY number) - size AS before
      FROM (SELECT number, coalesce(octet_length(e.body), octet_length(due.body)) AS size
            FROM due LEFT JOIN events e ON e.uid = due.uid AND e.sequence = due.sequence
            ORDER BY number LIMIT $1) AS sizes)
    SELECT m.number, m.address, m.about, m.body, o.tries
    FROM page JOIN mail m ON m.number = page.number JOIN outbox o ON o.number = page.number
    WHERE before = 0 OR before + octet_length(m.body) <= $2 ORDER BY m.number";

/// Messages that no queue has refused: those of the numbers in `$4` that have appeared, and those after number `$3`.
const FRESH: &str = "
    (SELECT number, uid, sequence, body FROM outbox o WHERE {lane} AND due_us IS NULL AND number = ANY ($4) AND number <= $3)
    UNION ALL
    (SELECT number, uid, sequence, body FROM outbox o WHERE {lane} AND due_us IS NULL AND number > $3
     ORDER BY number LIMIT $1)";

/// Messages that were put off and are due.
const PUT_OFF: &str = "SELECT number, uid, sequence, body FROM outbox o
    WHERE {lane} AND due_us IS NOT NULL AND (due_us <= $3 OR due_us BETWEEN $4 AND $5) ORDER BY number LIMIT $1";

const EVENTS: &str = "queue IS NULL";
const REPLIES: &str = "queue IS NOT NULL AND NOT (queue >= '\"https://' AND queue < '\"https:0')";
/// Of these a reply comes only if its queue has refused no other.
const FRESH_REPLIES: &str = "queue IS NOT NULL AND NOT (queue >= '\"https://' AND queue < '\"https:0')
    AND NOT EXISTS (SELECT 1 FROM outbox w WHERE w.queue = o.queue AND w.due_us IS NOT NULL)";

/// The next messages of a page, and of fresh ones those of the numbers in `missing` that have appeared; in order.
pub(super) async fn page(conn: &Connection, page: OutboxPage, missing: &[i64]) -> Result<Vec<OutboxRow>, PgError> {
    let (limit, bytes) = (row::limit(page.messages), row::limit(page.bytes));
    let rows = match page.which {
        Outbox::Fresh(after) => {
            let lane = if page.lane == Lane::Events { EVENTS } else { FRESH_REPLIES };
            let sql = PAGE.replace("{which}", FRESH).replace("{lane}", lane);
            conn.query(&sql, &[&limit, &bytes, &after, &missing]).await?
        }
        Outbox::PutOff(now) => {
            let sql = PAGE.replace("{which}", PUT_OFF).replace("{lane}", kind(page.lane));
            let (now, far) = (row::at_or_before(now), row::put_off_too_far(now));
            conn.query(&sql, &[&limit, &bytes, &now, far.start(), far.end()]).await?
        }
    };
    Ok(rows.iter().map(outbox_row).collect::<Result<_, StoreError>>()?)
}

/// A message from the columns number, address, about, body and tries.
pub(super) fn outbox_row(row: &Row) -> Result<OutboxRow, StoreError> {
    let tries = u32::try_from(row.get::<_, i32>(4)).unwrap_or_default();
    let (number, outgoing) = outbound::numbered(row)?;
    Ok(OutboxRow { number, outgoing, tries })
}

fn kind(lane: Lane) -> &'static str {
    match lane {
        Lane::Events => EVENTS,
        Lane::Replies => REPLIES,
    }
}

pub(super) async fn next_retry(conn: &Connection, lane: Lane) -> Result<Option<Timestamp>, PgError> {
    let sql = format!("SELECT min(due_us) FROM outbox WHERE {} AND due_us IS NOT NULL", kind(lane));
    let row = conn.query_one(&sql, &[]).await?;
    Ok(row.get::<_, Option<i64>>(0).map(row::time))
}

/// Two workers may settle at once, when one has just taken the lane over. One of them goes first: if a reply leaves while
/// others are put behind it, they have none before them, and nothing would ever free them.
pub(super) async fn settle(conn: &Connection, lane: Lane, settlement: &Settlement) -> Result<(), PgError> {
    let lock = "SELECT pg_advisory_xact_lock($1, $2)";
    conn.query(lock, &[&TRANSACTION_CLASS, &lock_keys::settling(lane)]).await?;
    leave(conn, &settlement.done, false).await?;
    let aside = &settlement.undeliverable;
    if !aside.is_empty() {
        let numbers: Vec<i64> = aside.iter().map(|aside| aside.number).collect();
        let reasons: Vec<&str> = aside.iter().map(|aside| aside.reason.as_str()).collect();
        let tries: Vec<i32> = aside.iter().map(|aside| i32::try_from(aside.tries).unwrap_or(i32::MAX)).collect();
        let sql = "INSERT INTO undeliverable (number, uid, address, about, body, reason, tries)
            SELECT m.number, m.uid, m.address, m.about, m.body, n.reason, n.tries
            FROM mail m JOIN unnest($1::int8[], $2::text[], $3::int4[]) AS n(number, reason, tries) USING (number)
            ON CONFLICT DO NOTHING";
        conn.execute(sql, &[&numbers, &reasons, &tries]).await?;
    }
    for given_up in [false, true] {
        let numbers = aside.iter().filter(|aside: &&SetAside| aside.given_up == given_up).map(|aside| aside.number);
        leave(conn, &numbers.collect::<Vec<i64>>(), given_up).await?;
    }
    for (number, due) in &settlement.refused {
        refuse(conn, *number, row::not_before(*due)).await?;
    }
    if !settlement.reasons.is_empty() {
        let (numbers, reasons): (Vec<i64>, Vec<&str>) =
            settlement.reasons.iter().map(|(number, why)| (*number, why.as_str())).unzip();
        let sql = "UPDATE outbox o SET reason = n.reason FROM unnest($1::int8[], $2::text[]) AS n(number, reason)
            WHERE o.number = n.number";
        conn.execute(sql, &[&numbers, &reasons]).await?;
    }
    Ok(())
}

/// Removes messages. Replies that stayed behind one of them because their queue had refused it are due; if it was given up,
/// each has one more chance.
async fn leave(conn: &Connection, numbers: &[i64], given_up: bool) -> Result<(), PgError> {
    if numbers.is_empty() {
        return Ok(());
    }
    let sql = "WITH gone AS (DELETE FROM outbox WHERE number = ANY ($1) RETURNING queue, tries)
        UPDATE outbox o SET due_us = 0, tries = CASE WHEN $2 THEN first.tries ELSE 0 END
        FROM (SELECT queue, max(tries) AS tries FROM gone WHERE tries > 0 AND queue IS NOT NULL GROUP BY queue) AS first
        WHERE o.queue = first.queue AND o.due_us = $3";
    conn.execute(sql, &[&numbers, &given_up, &row::BEHIND]).await.map(drop)
}

/// Frees replies that stay behind a message which is not there. Before `settle` took a lock, two workers that settled at once
/// could leave such replies, and nothing else would ever free them. Returns how many there were.
pub(super) async fn free_what_waits_for_nothing(conn: &Connection) -> Result<usize, PgError> {
    let lock = "SELECT pg_advisory_xact_lock($1, $2)";
    conn.query(lock, &[&TRANSACTION_CLASS, &lock_keys::settling(Lane::Replies)]).await?;
    let sql = "UPDATE outbox o SET due_us = 0
        WHERE o.due_us = $1 AND NOT EXISTS (
          SELECT FROM outbox w WHERE w.queue = o.queue AND w.due_us < $1 AND w.tries > 0)";
    conn.execute(sql, &[&row::BEHIND]).await
}

/// Puts a refused message off; a reply together with all others to its queue, which stay behind the first that was refused. Behind
/// a message to a webhook none stays.
async fn refuse(conn: &Connection, number: i64, due_us: i64) -> Result<(), PgError> {
    let sql = "WITH refused AS (
          SELECT number, CASE WHEN queue >= '\"https://' AND queue < '\"https:0' THEN NULL ELSE queue END AS queue
          FROM outbox WHERE number = $1::int8),
        first AS (
          SELECT coalesce(min(w.number), r.number) AS number, r.queue
          FROM refused r LEFT JOIN outbox w ON w.queue = r.queue AND w.due_us BETWEEN 1 AND $3::int8 - 1 AND w.number < r.number
          GROUP BY r.number, r.queue)
        UPDATE outbox o
        SET tries = o.tries + CASE WHEN o.number = first.number THEN 1 ELSE 0 END,
            due_us = CASE WHEN o.number = first.number THEN $2::int8 ELSE $3::int8 END
        FROM first
        WHERE (o.number = first.number AND o.number = $1::int8)
           OR (o.queue = first.queue AND o.number <> first.number AND (o.due_us IS NULL OR o.due_us < $3))";
    conn.execute(sql, &[&number, &due_us, &row::BEHIND]).await.map(drop)
}
