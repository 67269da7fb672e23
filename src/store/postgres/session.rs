//! One connection: how it is opened, and statements that are prepared on it once.
//!
//! Futures of one session that are polled together are pipelined: the server gets all of them before it has answered the
//! first. They are sent in the order in which they are polled first, given that they are prepared.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::Poll;
use std::time::Duration;

use futures_util::future::poll_fn;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls, Row, Statement};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::error::Fault;
use super::settings::{Place, PostgresSettings, causes};
use crate::engine::ports::store::StoreError;

/// What every session is set to.
///
/// A statement that takes longer is stuck: the longest, a page of the sweep or a piece of forgetting, take milliseconds.
/// A lock that long is held by one who is stuck; his own limit frees it first.
/// A transaction whose client has gone quiet holds locks: its client is dead, for ours waits for nothing in between.
/// The server asks after a silent client, for what a dead one holds is not free before it is known to be dead.
/// Every statement has its index. A plan that was made when the tables were empty is kept for a while, and without these
/// it would read whole tables: into a full one, a join by a hash costs as much as all there is.
/// `synchronous_commit` is only ever raised: what was answered is on disk.
const SET_UP: &str = "\
    SET search_path = crossgrant; SET timezone = 'UTC'; SET jit = off; \
    SET enable_seqscan = off; SET enable_bitmapscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; \
    SET statement_timeout = '30s'; SET lock_timeout = '15s'; SET idle_in_transaction_session_timeout = '10s'; \
    SET default_transaction_isolation = 'read committed'; \
    SET tcp_keepalives_idle = 15; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3; \
    SET tcp_user_timeout = '30s'; \
    SELECT set_config('synchronous_commit', 'on', false) \
    WHERE current_setting('synchronous_commit') IN ('off', 'local')";

/// An answer that takes longer than the server's own limits does not come.
const ANSWER: Duration = Duration::from_secs(45);

/// The first version with `pg_current_xact_id`, by which a commit whose answer was lost is found again.
const OLDEST: i32 = 13;

/// The number of the transaction.
pub(super) const NUMBER: &str = "SELECT pg_current_xact_id()::text";

/// Values of a statement.
pub(super) type Values<'a> = &'a [&'a (dyn ToSql + Sync)];

/// A connection.
pub(super) struct Session {
    client: Client,
    /// The server's process for it.
    pub(super) process: i32,
    prepared: Mutex<HashMap<String, Statement>>,
    /// Advisory locks that it holds until it ends.
    pub(super) locks: tokio::sync::Mutex<HashSet<i32>>,
}

/// Opens sessions.
#[derive(Clone)]
pub(super) struct Dialer {
    config: Arc<Config>,
    tls: Option<Arc<ClientConfig>>,
}

impl Dialer {
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let config = settings.config()?;
        let local = config.get_hosts().iter().all(|host| matches!(host, tokio_postgres::config::Host::Unix(_)));
        let tls = if local || config.get_ssl_mode() == tokio_postgres::config::SslMode::Disable {
            None
        } else {
            Some(Arc::new(trust(settings.ca_pem.as_deref())?))
        };
        Ok(Self { config: Arc::new(config), tls })
    }

    /// The database, without its secrets.
    pub(super) fn place(&self) -> String {
        Place((*self.config).clone()).to_string()
    }

    /// Opens a session; what others notify goes to `heard`.
    pub(super) async fn dial(&self, heard: Option<mpsc::Sender<(i32, String)>>) -> Result<Session, StoreError> {
        let unavailable =
            |why: String| StoreError::Unavailable(format!("cannot connect to the database {}: {why}", self.place()));
        let opened = tokio::time::timeout(ANSWER, async {
            let client = match &self.tls {
                Some(tls) => {
                    let (client, connection) = self.config.connect(MakeRustlsConnect::new((**tls).clone())).await?;
                    drive(connection, heard);
                    client
                }
                None => {
                    let (client, connection) = self.config.connect(NoTls).await?;
                    drive(connection, heard);
                    client
                }
            };
            client.batch_execute(SET_UP).await?;
            let sql = "SELECT pg_backend_pid(), current_setting('server_version_num')::int";
            let row = client.query_one(sql, &[]).await?;
            Ok::<_, tokio_postgres::Error>((client, row.get(0), row.get::<_, i32>(1)))
        });
        let opened = opened.await.map_err(|_| unavailable("no answer".into()))?;
        let (client, process, version) = opened.map_err(|error| unavailable(causes(&error)))?;
        if version / 10_000 < OLDEST {
            return Err(unavailable(format!("it is PostgreSQL {}, and {OLDEST} is needed", version / 10_000)));
        }
        Ok(Session { client, process, prepared: Mutex::default(), locks: tokio::sync::Mutex::default() })
    }
}

/// Certificates that are trusted: these, or the machine's own.
fn trust(ca_pem: Option<&str>) -> Result<ClientConfig, StoreError> {
    let bad = |why: String| StoreError::Unavailable(format!("certificates to trust: {why}"));
    let mut roots = RootCertStore::empty();
    match ca_pem {
        Some(pem) => {
            for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
                let certificate = certificate.map_err(|error| bad(error.to_string()))?;
                roots.add(certificate).map_err(|error| bad(error.to_string()))?;
            }
            if roots.is_empty() {
                return Err(bad("the file holds none".into()));
            }
        }
        None => {
            // Some that cannot be read do not make the others worse.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Moves what comes and goes on a connection, until it ends.
fn drive<S, T>(mut connection: tokio_postgres::Connection<S, T>, heard: Option<mpsc::Sender<(i32, String)>>)
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(said))) => {
                    if let Some(heard) = &heard {
                        // When there is no room, as much is waiting to be looked at anyway.
                        let _ = heard.try_send((said.process_id(), said.payload().to_owned()));
                    }
                }
                Some(Ok(_)) => {}
                // Whoever waits for an answer on it hears of it.
                Some(Err(_)) | None => return,
            }
        }
    });
}

impl Session {
    /// Whether it has ended.
    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    /// Prepares statements, so that they can be pipelined.
    pub(super) async fn prepare(&self, statements: &[&str]) -> Result<(), Fault> {
        for sql in statements {
            self.statement(sql).await?;
        }
        Ok(())
    }

    async fn statement(&self, sql: &str) -> Result<Statement, Fault> {
        if let Some(statement) = self.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql) {
            return Ok(statement.clone());
        }
        let statement = within(self.client.prepare(sql)).await?;
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner).insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }

    /// The rows of a query.
    pub(super) async fn query(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.statement(sql).await?;
        within(self.client.query(&statement, values)).await
    }

    /// The row of a query that has one or none.
    pub(super) async fn query_opt(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Fault> {
        let statement = self.statement(sql).await?;
        within(self.client.query_opt(&statement, values)).await
    }

    /// The row of a query that has one.
    pub(super) async fn query_one(&self, sql: &str, values: Values<'_>) -> Result<Row, Fault> {
        let statement = self.statement(sql).await?;
        within(self.client.query_one(&statement, values)).await
    }

    /// Executes a statement; how many rows it touched.
    pub(super) async fn execute(&self, sql: &str, values: Values<'_>) -> Result<usize, Fault> {
        let statement = self.statement(sql).await?;
        let rows = within(self.client.execute(&statement, values)).await?;
        Ok(usize::try_from(rows).unwrap_or(usize::MAX))
    }

    /// This session, to send several statements at once.
    pub(super) fn pipeline(&self) -> Pipeline<'_> {
        Pipeline(self)
    }

    /// Executes statements without values, however long they take.
    pub(super) async fn patient_batch(&self, sql: &str) -> Result<(), Fault> {
        self.client.batch_execute("SET statement_timeout = 0; SET lock_timeout = 0").await?;
        Ok(self.client.batch_execute(sql).await?)
    }

    /// Executes statements without values.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Fault> {
        within(self.client.batch_execute(sql)).await
    }
}

/// A session whose statements are all prepared. Each is sent when its future is polled first, so those that are polled
/// together are in the order of their polling; one that still had to be prepared would come after what depends on it, and
/// is refused.
#[derive(Clone, Copy)]
pub(super) struct Pipeline<'a>(&'a Session);

impl Pipeline<'_> {
    fn statement(self, sql: &str) -> Result<Statement, Fault> {
        let prepared = self.0.prepared.lock().unwrap_or_else(PoisonError::into_inner).get(sql).cloned();
        prepared.ok_or_else(|| StoreError::Corrupt(format!("not prepared: {sql}")).into())
    }

    /// The rows of a query.
    pub(super) async fn query(self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        let statement = self.statement(sql)?;
        within(self.0.client.query(&statement, values)).await
    }

    /// The rows of a query, or none without asking.
    pub(super) async fn unless(self, nothing: bool, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Fault> {
        if nothing { Ok(Vec::new()) } else { self.query(sql, values).await }
    }

    /// Executes a statement.
    pub(super) async fn execute(self, sql: &str, values: Values<'_>) -> Result<(), Fault> {
        let statement = self.statement(sql)?;
        within(self.0.client.execute(&statement, values)).await.map(drop)
    }

    /// Admission a transaction; its number, by which its outcome can be asked for.
    pub(super) async fn begin(self) -> Result<String, Fault> {
        let (begun, number) = tokio::join!(biased; self.0.batch("BEGIN"), self.query(NUMBER, &[]));
        begun?;
        number?.first().map(|row| row.get(0)).ok_or_else(|| StoreError::Corrupt("no number".into()).into())
    }

    /// Sends `writes` and `COMMIT` behind them. What cannot even be sent is undone, and so is what the server refuses.
    pub(super) async fn commit(self, writes: impl Future<Output = Result<(), Fault>>) -> Result<(), Fault> {
        let mut writes = pin!(writes);
        match poll_fn(|cx| Poll::Ready(writes.as_mut().poll(cx))).await {
            Poll::Ready(Err(fault)) => {
                self.0.batch("ROLLBACK").await?;
                Err(fault)
            }
            Poll::Ready(Ok(())) => self.0.batch("COMMIT").await,
            Poll::Pending => {
                let (written, committed) = tokio::join!(biased; writes, self.0.batch("COMMIT"));
                written.and(committed)
            }
        }
    }
}

async fn within<T>(answer: impl Future<Output = Result<T, tokio_postgres::Error>>) -> Result<T, Fault> {
    match tokio::time::timeout(ANSWER, answer).await {
        Ok(answer) => Ok(answer?),
        Err(_) => Err(StoreError::Unavailable(format!("the database gave no answer within {ANSWER:?}")).into()),
    }
}
