//! Reads of jobs: one by its name, or many by a filter.

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::connection::{Connection, Values};
use super::error::PgError;
use crate::domain::{CenId, InstanceId, JobId, JobUid, Requester};
use crate::engine::ports::store::{Filter, REQUESTERS_ASKED, UnreadableRow};
use crate::engine::record::{Record, State};
use crate::store::row;
use crate::store::unreadable::{Page, Table, UnreadableRows, further};

pub(super) async fn load(conn: &Connection, uid: JobUid) -> Result<Option<Record>, PgError> {
    let row = conn.query_opt("SELECT record FROM jobs WHERE uid = $1", &[&uid.0]).await?;
    Ok(row.map(|row| row::read(uid, row.get(0))).transpose()?)
}

pub(super) async fn find(conn: &Connection, requester: &Requester, id: &JobId) -> Result<Option<Record>, PgError> {
    let sql = "SELECT j.uid, j.record FROM keys k JOIN jobs j ON j.uid = k.uid
        WHERE k.requester = $1 AND k.job_id = $2";
    let row = conn.query_opt(sql, &[&requester.as_str(), &id.as_str()]).await?;
    Ok(row.map(|row| row::read(JobUid(row.get(0)), row.get(1))).transpose()?)
}

pub(super) async fn find_by_id(conn: &Connection, rows: &UnreadableRows, id: &JobId) -> Result<Vec<Record>, PgError> {
    // The index is by requester first: one step for each of them, not for each job.
    let sql = "WITH RECURSIVE requesters (name, number) AS (
            SELECT min(requester), 1 FROM keys
            UNION ALL
            SELECT (SELECT min(requester) FROM keys WHERE requester > name), number + 1
            FROM requesters WHERE name IS NOT NULL AND number < $1)
        SELECT j.uid, j.record FROM requesters
        JOIN keys k ON k.requester = name AND k.job_id = $2
        JOIN jobs j ON j.uid = k.uid";
    let most = i32::try_from(REQUESTERS_ASKED).unwrap_or(i32::MAX);
    Ok(readable(many(conn, rows, sql, &[&most, &id.as_str()]).await?))
}

pub(super) async fn waiting_on(
    conn: &Connection,
    rows: &UnreadableRows,
    instance: &InstanceId,
    cen: &CenId,
) -> Result<Vec<Record>, PgError> {
    let sql = "SELECT uid, record FROM jobs WHERE state = 'waiting' AND instance_id = $1 AND cen_id = $2
        ORDER BY accepted_us, uid";
    Ok(readable(many(conn, rows, sql, &[&instance.as_str(), &cen.as_str()]).await?))
}

pub(super) async fn list(conn: &Connection, rows: &UnreadableRows, filter: &Filter) -> Result<Vec<Record>, PgError> {
    let (mut filter, mut records) = (filter.clone(), Vec::new());
    loop {
        let page = page(conn, rows, &filter).await?;
        let Some((last, missing)) = further(&mut records, page, filter.limit) else { return Ok(records) };
        (filter.before, filter.limit) = (Some(last), missing);
    }
}

async fn page(conn: &Connection, rows: &UnreadableRows, filter: &Filter) -> Result<Page<Record>, PgError> {
    let Some(states) = filter.possible_states() else { return in_state(conn, rows, filter, None).await };
    // For one state the rows come from an index in order, up to the limit. One query for several would sort all of them.
    let mut page = Vec::new();
    for state in states {
        page.extend(in_state(conn, rows, filter, Some(state)).await?);
    }
    page.sort_unstable_by_key(|(uid, _)| std::cmp::Reverse(*uid));
    page.dedup_by_key(|(uid, _)| *uid);
    page.truncate(filter.limit);
    Ok(page)
}

/// Reads the rows once more that could not be read, in case they were mended or are gone.
pub(super) async fn unreadable(conn: &Connection, rows: &UnreadableRows) -> Result<Vec<UnreadableRow>, PgError> {
    for (table, sql) in [
        (Table::Jobs, "SELECT record FROM jobs WHERE uid = $1"),
        (Table::Batches, "SELECT record FROM batches WHERE uid = $1"),
    ] {
        for uid in rows.of(table) {
            match (table, conn.query_opt(sql, &[&uid.0]).await?) {
                (_, None) => rows.gone(table, uid),
                (Table::Jobs, Some(row)) => drop(rows.job(uid, row.get(0))),
                (Table::Batches, Some(row)) => drop(rows.batch(uid, row.get(0))),
            }
        }
    }
    Ok(rows.all())
}

async fn in_state(
    conn: &Connection,
    rows: &UnreadableRows,
    filter: &Filter,
    state: Option<State>,
) -> Result<Page<Record>, PgError> {
    let mut clauses = Clauses::default();
    let (from, uid) = match &filter.label {
        Some((name, value)) => {
            clauses.push("l.name = ", name.as_bytes());
            clauses.push("l.value = ", value.as_bytes());
            ("labels l JOIN jobs j ON j.uid = l.uid", "l.uid")
        }
        None => ("jobs j", "j.uid"),
    };
    if let Some(batch) = filter.batch {
        clauses.push("j.batch = ", batch.0);
    }
    if let Some(instance) = &filter.instance {
        clauses.push("j.instance_id = ", instance.as_str());
    }
    if let Some(cen) = &filter.cen {
        clauses.push("j.cen_id = ", cen.as_str());
    }
    if let Some(state) = state {
        clauses.push("j.state = ", state.as_str());
    }
    if let Some(requester) = &filter.requester {
        clauses.push("j.requester = ", requester.as_str());
    }
    if let Some(kind) = filter.kind {
        clauses.push("j.kind = ", kind.as_str());
    }
    for account in filter.account.iter().chain(&filter.blames) {
        clauses.values.push(Box::new(account.as_str()));
        let number = clauses.values.len();
        clauses.sql.push_str(&format!(" AND (j.instance_owner = ${number} OR j.cen_owner = ${number})"));
    }
    if filter.half_done == Some(true) {
        clauses.sql.push_str(" AND j.turn IS NOT NULL");
    }
    if filter.held {
        clauses.sql.push_str(" AND j.held IS NOT NULL");
    }
    if let Some(since) = filter.since {
        clauses.push("j.accepted_us >= ", row::at_or_before(since));
    }
    if let Some(until) = filter.until {
        clauses.push("j.accepted_us < ", row::at_or_before(until));
    }
    if let Some(before) = filter.before {
        clauses.push(if filter.label.is_some() { "l.uid < " } else { "j.uid < " }, before.0);
    }
    let Clauses { sql, mut values } = clauses;
    values.push(Box::new(row::limit(filter.limit)));
    let sql = format!("SELECT j.uid, j.record FROM {from} WHERE true{sql} ORDER BY {uid} DESC LIMIT ${}", values.len());
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    many(conn, rows, &sql, &values).await
}

/// Conditions, each with the value of its parameter.
#[derive(Default)]
struct Clauses<'a> {
    sql: String,
    values: Vec<Box<dyn ToSql + Sync + Send + 'a>>,
}

impl<'a> Clauses<'a> {
    fn push(&mut self, condition: &str, value: impl ToSql + Sync + Send + 'a) {
        self.values.push(Box::new(value));
        self.sql.push_str(&format!(" AND {condition}${}", self.values.len()));
    }
}

async fn many(
    conn: &Connection,
    unreadable: &UnreadableRows,
    sql: &str,
    values: Values<'_>,
) -> Result<Page<Record>, PgError> {
    let read = |row: &tokio_postgres::Row| {
        let uid = JobUid(row.get::<_, Uuid>(0));
        (uid, unreadable.job(uid, row.get(1)))
    };
    Ok(conn.query(sql, values).await?.iter().map(read).collect())
}

fn readable(page: Page<Record>) -> Vec<Record> {
    page.into_iter().filter_map(|(_, record)| record).collect()
}
