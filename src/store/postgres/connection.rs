//! A connection, with statements that are prepared on it once.
//!
//! Futures of one connection that are polled together are pipelined: the server gets all their statements before it has
//! answered the first. Statements that are prepared are sent in the order in which their futures are first polled.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row, SimpleQueryMessage, Statement};

use super::error::PgError;
use crate::engine::ports::store::StoreError;

/// An answer that is not there by then will not come: the server's own limits are shorter.
const ANSWER: Duration = Duration::from_secs(45);

/// The id of the transaction.
pub(super) const TRANSACTION_ID: &str = "SELECT pg_current_xact_id()::text";

/// The parameters of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

pub(super) struct Connection {
    client: Client,
    /// The server's process for it: what a notification names as its sender.
    pub(super) process: i32,
    prepared: Mutex<HashMap<String, Statement>>,
    /// The locks of [`WORKER_CLASS`](super::lock_keys::WORKER_CLASS) that it holds until it ends.
    pub(super) locks: tokio::sync::Mutex<HashSet<i32>>,
}

impl Connection {
    /// Wraps a client whose connection is set up.
    pub(super) fn new(client: Client, process: i32) -> Self {
        Self { client, process, prepared: Mutex::default(), locks: tokio::sync::Mutex::default() }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Prepares statements, as a [`Pipeline`] needs them.
    pub(super) async fn prepare(&self, statements: &[&str]) -> Result<(), PgError> {
        for sql in statements {
            self.statement(sql).await?;
        }
        Ok(())
    }

    async fn statement(&self, sql: &str) -> Result<Statement, PgError> {
        if let Some(statement) = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return Ok(statement.clone());
        }
        let statement = within(self.client.prepare(sql)).await?;
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, PgError> {
        let statement = self.statement(sql).await?;
        within(self.client.query(&statement, values)).await
    }

    pub(super) async fn query_opt(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, PgError> {
        let statement = self.statement(sql).await?;
        within(self.client.query_opt(&statement, values)).await
    }

    pub(super) async fn query_one(&self, sql: &str, values: Values<'_>) -> Result<Row, PgError> {
        let statement = self.statement(sql).await?;
        within(self.client.query_one(&statement, values)).await
    }

    /// Returns how many rows the statement has changed.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<usize, PgError> {
        let statement = self.statement(sql).await?;
        let rows = within(self.client.execute(&statement, values)).await?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// The server's process that answers at this moment. It is asked without preparing a statement: a pooler that gives each
    /// transaction another session would let that one execute what this one has prepared.
    pub(super) async fn present_process(&self) -> Result<Option<i32>, PgError> {
        let answer = within(self.client.simple_query("SELECT pg_backend_pid()")).await?;
        let pid = answer.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0),
            _ => None,
        });
        Ok(pid.and_then(|pid| pid.parse().ok()))
    }

    /// To send several statements at once.
    pub(super) fn pipeline(&self) -> Pipeline<'_> {
        Pipeline(self)
    }

    /// Executes statements without parameters, however long they take. All later ones may take as long.
    pub(super) async fn patient_batch(&self, sql: &str) -> Result<(), PgError> {
        self.client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Executes statements without parameters.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), PgError> {
        within(self.client.batch_execute(sql)).await
    }
}

/// A connection on which only prepared statements are sent. Each is sent when its future is first polled, so statements that
/// are joined are sent in the order of the join. One that still had to be prepared would be sent after those that depend
/// on it, and is refused.
#[derive(Clone, Copy)]
pub(super) struct Pipeline<'a>(&'a Connection);

impl Pipeline<'_> {
    fn statement(self, sql: &str) -> Result<Statement, PgError> {
        let prepared = self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        prepared.ok_or_else(|| StoreError::Corrupt(format!("a statement is not prepared: {sql}")).into())
    }

    pub(super) async fn query(self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, PgError> {
        let statement = self.statement(sql)?;
        within(self.0.client.query(&statement, values)).await
    }

    /// The rows of a query; no rows, and no query, if it is known that there are none.
    pub(super) async fn query_unless(self, none: bool, sql: &str, values: Values<'_>) -> Result<Vec<Row>, PgError> {
        if none { Ok(Vec::new()) } else { self.query(sql, values).await }
    }

    pub(super) async fn execute(self, sql: &str, values: Values<'_>) -> Result<(), PgError> {
        let statement = self.statement(sql)?;
        within(self.0.client.execute(&statement, values)).await.map(drop)
    }

    /// Begins a transaction; returns its id, by which its outcome can be asked for.
    pub(super) async fn begin(self) -> Result<String, PgError> {
        let (begun, id) = tokio::join!(biased; self.0.batch("BEGIN"), self.query(TRANSACTION_ID, &[]));
        begun?;
        id?.first().map(|row| row.get(0)).ok_or_else(|| StoreError::Corrupt("the transaction has no id".into()).into())
    }

    /// Sends `writes` and directly behind them `COMMIT`. If the server refuses one of them, or one cannot be sent, the
    /// transaction is undone.
    pub(super) async fn commit(self, writes: impl Future<Output = Result<(), PgError>>) -> Result<(), PgError> {
        let mut writes = pin!(writes);
        match poll_fn(|cx| Poll::Ready(writes.as_mut().poll(cx))).await {
            Poll::Ready(Err(error)) => {
                self.0.batch("ROLLBACK").await?;
                Err(error)
            }
            Poll::Ready(Ok(())) => self.0.batch("COMMIT").await,
            Poll::Pending => {
                let (written, committed) = tokio::join!(biased; writes, self.0.batch("COMMIT"));
                written.and(committed)
            }
        }
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, PgError> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Unavailable(format!("the database gave no answer within {ANSWER:?}")).into()),
    }
}
