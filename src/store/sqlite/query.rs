//! Reading jobs: one, or many by what they have in common.

use rusqlite::types::Value;
use rusqlite::{Connection, OptionalExtension as _, Params, params_from_iter};

use super::row::{self, Uid};
use crate::domain::{CenId, InstanceId, JobId, JobUid, Requester};
use crate::engine::state::Record;
use crate::engine::store::{Filter, StoreError};

/// One job.
pub(super) fn load(conn: &Connection, uid: JobUid) -> Result<Option<Record>, StoreError> {
    let text = conn
        .prepare_cached("SELECT record FROM jobs WHERE uid = ?1")?
        .query_row([Uid(uid)], |row| row.get::<_, String>(0))
        .optional()?;
    text.map(|text| row::read(uid, &text)).transpose()
}

/// One job by its requester's name of it.
pub(super) fn find(conn: &Connection, requester: &Requester, id: &JobId) -> Result<Option<Record>, StoreError> {
    let uid = conn
        .prepare_cached("SELECT uid FROM keys WHERE requester = ?1 AND job_id = ?2")?
        .query_row([requester.as_str(), id.as_str()], |row| row.get::<_, Uid>(0))
        .optional()?;
    uid.map_or(Ok(None), |uid| load(conn, uid.0))
}

/// The waiting jobs of this instance in this CEN, oldest first.
pub(super) fn waiting_on(conn: &Connection, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, StoreError> {
    many(
        conn,
        "SELECT uid, record FROM jobs WHERE state = 'waiting' AND instance_id = ?1 AND cen_id = ?2
         ORDER BY accepted_us, uid",
        [instance.as_str(), cen.as_str()],
    )
}

/// Jobs, newest first.
pub(super) fn list(conn: &Connection, filter: &Filter) -> Result<Vec<Record>, StoreError> {
    // A label is the narrowest filter there is, and its index lies in the order wanted: start from it.
    let (from, uid) = match filter.label {
        Some(_) => ("labels l CROSS JOIN jobs j ON j.uid = l.uid", "l.uid"),
        None => ("jobs j", "j.uid"),
    };
    let mut sql = format!("SELECT j.uid, j.record FROM {from} WHERE 1");
    let mut values: Vec<Value> = Vec::new();
    let mut only = |clause: &str, value: Value| {
        sql.push_str(" AND ");
        sql.push_str(clause);
        values.push(value);
    };
    let text = |text: &str| Value::Text(text.to_owned());
    if let Some((name, value)) = &filter.label {
        only("l.name = ?", text(name));
        only("l.value = ?", text(value));
    }
    if let Some(kind) = filter.kind {
        only("j.kind = ?", text(kind.as_str()));
    }
    if let Some(instance) = &filter.instance {
        only("j.instance_id = ?", text(instance.as_str()));
    }
    if let Some(cen) = &filter.cen {
        only("j.cen_id = ?", text(cen.as_str()));
    }
    if let Some(requester) = &filter.requester {
        only("j.requester = ?", text(requester.as_str()));
    }
    if let Some(before) = filter.before {
        only(&format!("{uid} < ?"), Value::Blob(before.0.as_bytes().to_vec()));
    }
    if !filter.states.is_empty() {
        let marks = vec!["?"; filter.states.len()].join(", ");
        sql.push_str(&format!(" AND j.state IN ({marks})"));
        values.extend(filter.states.iter().map(|state| text(state.as_str())));
    }
    sql.push_str(&format!(" ORDER BY {uid} DESC LIMIT ?"));
    values.push(Value::Integer(row::limit(filter.limit)));
    many(conn, &sql, params_from_iter(values))
}

fn many(conn: &Connection, sql: &str, params: impl Params) -> Result<Vec<Record>, StoreError> {
    let mut statement = conn.prepare_cached(sql)?;
    let mut rows = statement.query(params)?;
    let mut records = Vec::new();
    while let Some(row) = rows.next()? {
        records.push(row::read(row.get::<_, Uid>(0)?.0, &row.get::<_, String>(1)?)?);
    }
    Ok(records)
}
