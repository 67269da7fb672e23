//! Reading jobs: one, or many by what they have in common.

use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::error::Fault;
use super::session::{Session, Values};
use crate::domain::{CenId, InstanceId, JobId, JobUid, Requester};
use crate::engine::ports::store::Filter;
use crate::engine::record::{Record, State};
use crate::store::row;

/// One job.
pub(super) async fn load(session: &Session, uid: JobUid) -> Result<Option<Record>, Fault> {
    let row = session.query_opt("SELECT record FROM jobs WHERE uid = $1", &[&uid.0]).await?;
    Ok(row.map(|row| row::read(uid, row.get(0))).transpose()?)
}

/// One job by its requester's name of it.
pub(super) async fn find(session: &Session, requester: &Requester, id: &JobId) -> Result<Option<Record>, Fault> {
    let sql = "SELECT j.uid, j.record FROM keys k JOIN jobs j ON j.uid = k.uid
        WHERE k.requester = $1 AND k.job_id = $2";
    Ok(many(session, sql, &[&requester.as_str(), &id.as_str()]).await?.pop())
}

/// The waiting jobs of this instance in this CEN, oldest first.
pub(super) async fn waiting_on(session: &Session, instance: &InstanceId, cen: &CenId) -> Result<Vec<Record>, Fault> {
    let sql = "SELECT uid, record FROM jobs WHERE state = 'waiting' AND instance_id = $1 AND cen_id = $2
        ORDER BY accepted_us, uid";
    many(session, sql, &[&instance.as_str(), &cen.as_str()]).await
}

/// Jobs, newest first.
pub(super) async fn list(session: &Session, filter: &Filter) -> Result<Vec<Record>, Fault> {
    let [first, rest @ ..] = filter.states.as_slice() else { return in_state(session, filter, None).await };
    let mut records = in_state(session, filter, Some(*first)).await?;
    // State by state: each is a walk along an index that ends at the limit, where one query for all would sort them all.
    for state in rest {
        records.extend(in_state(session, filter, Some(*state)).await?);
    }
    records.sort_unstable_by_key(|record| std::cmp::Reverse(record.uid));
    records.dedup_by_key(|record| record.uid);
    records.truncate(filter.limit);
    Ok(records)
}

async fn in_state(session: &Session, filter: &Filter, state: Option<State>) -> Result<Vec<Record>, Fault> {
    let mut clauses = Clauses::default();
    let (from, uid) = match &filter.label {
        Some((name, value)) => {
            clauses.push("l.name = ", name.as_bytes());
            clauses.push("l.value = ", value.as_bytes());
            ("labels l JOIN jobs j ON j.uid = l.uid", "l.uid")
        }
        None => ("jobs j", "j.uid"),
    };
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
    if let Some(before) = filter.before {
        clauses.push(if filter.label.is_some() { "l.uid < " } else { "j.uid < " }, before.0);
    }
    let Clauses { sql, mut values } = clauses;
    values.push(Box::new(row::limit(filter.limit)));
    let sql = format!("SELECT j.uid, j.record FROM {from} WHERE true{sql} ORDER BY {uid} DESC LIMIT ${}", values.len());
    let values: Vec<&(dyn ToSql + Sync)> = values.iter().map(|value| &**value as &(dyn ToSql + Sync)).collect();
    many(session, &sql, &values).await
}

/// Conditions with their values.
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

async fn many(session: &Session, sql: &str, values: Values<'_>) -> Result<Vec<Record>, Fault> {
    let rows = session.query(sql, values).await?;
    let read = |row: &tokio_postgres::Row| row::read(JobUid(row.get::<_, Uuid>(0)), row.get(1));
    Ok(rows.iter().map(read).collect::<Result<_, _>>()?)
}
