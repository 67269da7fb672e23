//! Reads of jobs: one by its name, or many by a filter.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Params, params_from_iter};

use super::row::{self, Uid};
use crate::domain::{CenId, InstanceId, JobId, JobUid, Requester};
use crate::engine::ports::store::{Filter, REQUESTERS_ASKED, StoreError, UnreadableRow};
use crate::engine::record::{Record, State};
use crate::store::unreadable::{Page, Table, UnreadableRows, further};

pub(super) fn load(conn: &Connection, uid: JobUid) -> Result<Option<Record>, StoreError> {
    let text = conn
        .prepare_cached("SELECT record FROM jobs WHERE uid = ?1")?
        .query_row([Uid(uid)], |row| row.get::<_, String>(0))
        .optional()?;
    text.map(|text| row::read(uid, &text)).transpose()
}

pub(super) fn find(conn: &Connection, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError> {
    let uid = conn
        .prepare_cached("SELECT uid FROM keys WHERE requester = ?1 AND job_id = ?2")?
        .query_row([requester.as_str(), id.as_str()], |row| row.get::<_, Uid>(0))
        .optional()?;
    uid.map_or(Ok(None), |uid| load(conn, uid.0))
}

pub(super) fn find_by_id(conn: &Connection, rows: &UnreadableRows, id: &JobId) -> Result<Vec<Record>, StoreError> {
    // The index is by requester first: one step for each of them, not for each job.
    let sql = "WITH RECURSIVE requesters (name) AS (
            SELECT min(requester) FROM keys
            UNION ALL
            SELECT (SELECT min(requester) FROM keys WHERE requester > name) FROM requesters WHERE name IS NOT NULL
            LIMIT ?1)
        SELECT j.uid, j.record FROM requesters
        CROSS JOIN keys k ON k.requester = name AND k.job_id = ?2
        CROSS JOIN jobs j ON j.uid = k.uid";
    Ok(readable(many(conn, rows, sql, (REQUESTERS_ASKED, id.as_str()))?))
}

pub(super) fn waiting_on(
    conn: &Connection,
    rows: &UnreadableRows,
    instance: &InstanceId,
    cen: &CenId,
) -> Result<Vec<Record>, StoreError> {
    let sql = "SELECT uid, record FROM jobs WHERE state = 'waiting' AND instance_id = ?1 AND cen_id = ?2
         ORDER BY accepted_us, uid";
    Ok(readable(many(conn, rows, sql, [instance.as_str(), cen.as_str()])?))
}

pub(super) fn list(conn: &Connection, rows: &UnreadableRows, filter: &Filter) -> Result<Vec<Record>, StoreError> {
    let (mut filter, mut records) = (filter.clone(), Vec::new());
    loop {
        let page = page(conn, rows, &filter)?;
        let Some((last, missing)) = further(&mut records, page, filter.limit) else { return Ok(records) };
        (filter.before, filter.limit) = (Some(last), missing);
    }
}

fn page(conn: &Connection, rows: &UnreadableRows, filter: &Filter) -> Result<Page<Record>, StoreError> {
    let Some(states) = filter.possible_states() else { return in_state(conn, rows, filter, None) };
    // For one state the rows come from an index in order, up to the limit. One query for several would sort all of them.
    let mut page = Vec::new();
    for state in states {
        page.extend(in_state(conn, rows, filter, Some(state))?);
    }
    page.sort_unstable_by_key(|(uid, _)| std::cmp::Reverse(*uid));
    page.dedup_by_key(|(uid, _)| *uid);
    page.truncate(filter.limit);
    Ok(page)
}

/// Reads the rows once more that could not be read, in case they were mended or are gone.
pub(super) fn unreadable(conn: &Connection, rows: &UnreadableRows) -> Result<Vec<UnreadableRow>, StoreError> {
    for (table, sql) in [
        (Table::Jobs, "SELECT record FROM jobs WHERE uid = ?1"),
        (Table::Batches, "SELECT record FROM batches WHERE uid = ?1"),
    ] {
        for uid in rows.of(table) {
            let text = conn.prepare_cached(sql)?.query_row([Uid(uid)], |row| row.get::<_, String>(0)).optional()?;
            match (table, text) {
                (_, None) => rows.gone(table, uid),
                (Table::Jobs, Some(text)) => drop(rows.job(uid, &text)),
                (Table::Batches, Some(text)) => drop(rows.batch(uid, &text)),
            }
        }
    }
    Ok(rows.all())
}

fn in_state(
    conn: &Connection,
    rows: &UnreadableRows,
    filter: &Filter,
    state: Option<State>,
) -> Result<Page<Record>, StoreError> {
    let uid = if filter.label.is_some() { "l.uid" } else { "j.uid" };
    let mut clauses = Clauses::default();
    let from = match &filter.label {
        Some((name, value)) => {
            clauses.equal("l.name", name);
            clauses.also_equal("l.value", value);
            "labels l CROSS JOIN jobs j ON j.uid = l.uid"
        }
        None => "jobs j",
    };
    // The condition that fewest jobs meet comes first: its index is used.
    if let Some(batch) = filter.batch {
        clauses.has("j.batch", Value::Blob(batch.0.as_bytes().to_vec()));
    }
    if let Some(instance) = &filter.instance {
        clauses.equal("j.instance_id", instance.as_str());
    }
    if let Some(cen) = &filter.cen {
        clauses.equal("j.cen_id", cen.as_str());
    }
    if let Some(state) = state {
        clauses.equal("j.state", state.as_str());
    }
    if let Some(requester) = &filter.requester {
        clauses.equal("j.requester", requester.as_str());
    }
    if let Some(kind) = filter.kind {
        clauses.equal("j.kind", kind.as_str());
    }
    let Clauses { mut sql, mut values } = clauses;
    // No index is for these.
    for account in filter.account.iter().chain(&filter.blames) {
        sql.push_str(" AND ? IN (j.instance_owner, j.cen_owner)");
        values.push(Value::Text(account.to_string()));
    }
    if filter.half_done == Some(true) {
        sql.push_str(" AND +j.turn IS NOT NULL");
    }
    if filter.held {
        sql.push_str(" AND +j.held IS NOT NULL");
    }
    for (condition, at) in [("j.accepted_us >= ?", filter.since), ("j.accepted_us < ?", filter.until)] {
        if let Some(at) = at {
            sql.push_str(&format!(" AND {condition}"));
            values.push(Value::Integer(row::at_or_before(at)));
        }
    }
    if let Some(before) = filter.before {
        sql.push_str(&format!(" AND {uid} < ?"));
        values.push(Value::Blob(before.0.as_bytes().to_vec()));
    }
    values.push(Value::Integer(row::limit(filter.limit)));
    let sql = format!("SELECT j.uid, j.record FROM {from} WHERE 1{sql} ORDER BY {uid} DESC LIMIT ?");
    many(conn, rows, &sql, params_from_iter(values))
}

/// Conditions of which only the first may choose the index. SQLite does not know how many rows share a value; the `+`
/// keeps it from preferring another index.
#[derive(Default)]
struct Clauses {
    sql: String,
    values: Vec<Value>,
}

impl Clauses {
    fn equal(&mut self, column: &str, value: &str) {
        self.has(column, Value::Text(value.to_owned()));
    }

    fn has(&mut self, column: &str, value: Value) {
        let sign = if self.values.is_empty() { "" } else { "+" };
        self.push(sign, column, value);
    }

    /// A condition on the second column of the same index.
    fn also_equal(&mut self, column: &str, value: &str) {
        self.push("", column, Value::Text(value.to_owned()));
    }

    fn push(&mut self, sign: &str, column: &str, value: Value) {
        self.sql.push_str(&format!(" AND {sign}{column} = ?"));
        self.values.push(value);
    }
}

fn many(
    conn: &Connection,
    unreadable: &UnreadableRows,
    sql: &str,
    params: impl Params,
) -> Result<Page<Record>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut page = Vec::new();
    while let Some(row) = rows.next()? {
        let uid = row.get::<_, Uid>(0)?.0;
        page.push((uid, unreadable.job(uid, &row.get::<_, String>(1)?)));
    }
    Ok(page)
}

fn readable(page: Page<Record>) -> Vec<Record> {
    page.into_iter().filter_map(|(_, record)| record).collect()
}
