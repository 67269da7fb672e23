//! Opens connections: address, TLS, and how each is set up.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::poll_fn;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use tokio::sync::mpsc;
use tokio_postgres::config::{Host, SslMode};
use tokio_postgres::error::SqlState;
use tokio_postgres::{AsyncMessage, Client, Config, NoTls};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::connection::Connection;
use super::preconditions::shared_sessions;
use super::settings::{PostgresSettings, place};
use crate::domain::{Code, causes};
use crate::engine::ports::store::StoreError;

/// How every connection is set up.
///
/// A statement beyond `statement_timeout` is stuck: the longest, a page of the sweep or a piece of retention, take
/// milliseconds. A transaction that makes others wait beyond `lock_timeout` is stuck too; its own limits end it first.
/// An idle transaction is that of a dead client, since ours wait for nothing in between, and it holds locks.
/// The server sends keepalives, because what a dead client holds is not free before it is known to be dead.
/// Every statement has its index. A plan that was made when the tables were empty is kept for a while. Without these
/// settings it would read whole tables, and of full ones a hash join would read every row.
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

/// How long opening may take altogether, over all hosts of the URL.
const LIMIT: Duration = Duration::from_secs(45);

/// The first version with `pg_current_xact_id`, which tells whether a commit was made although its answer was lost.
const OLDEST_VERSION: i32 = 13;

/// Notifications that wait to be read. They are a few bits each, so more would add nothing.
const WAITING: usize = 64;

/// A notification: the process id of the connection that sent it, and its payload.
pub(super) type Notification = (i32, String);

/// Opens connections to one database.
#[derive(Clone)]
pub(super) struct Connector {
    config: Arc<Config>,
    tls: Option<Arc<ClientConfig>>,
}

impl Connector {
    /// Fails if the URL or the certificates cannot be used.
    pub(super) fn new(settings: &PostgresSettings) -> Result<Self, StoreError> {
        let config = settings.config()?;
        let local = config.get_hosts().iter().all(|host| matches!(host, Host::Unix(_)));
        let tls = if local || config.get_ssl_mode() == SslMode::Disable {
            None
        } else {
            Some(Arc::new(trust(settings.ca_pem.as_deref())?))
        };
        Ok(Self { config: Arc::new(config), tls })
    }

    /// The database, without its secrets.
    pub(super) fn place(&self) -> String {
        place(&self.config)
    }

    /// Opens the first connection for statements. What is wrong with the configuration is `Unusable`.
    pub(super) async fn connect_first(&self) -> Result<Connection, StoreError> {
        self.open(None).await
    }

    /// Opens a connection for statements, to a database that has been open: what has changed there can be changed back.
    pub(super) async fn connect(&self) -> Result<Connection, StoreError> {
        self.open(None).await.map_err(for_now)
    }

    /// Opens a connection that also receives notifications.
    pub(super) async fn connect_to_listen(&self) -> Result<(Connection, mpsc::Receiver<Notification>), StoreError> {
        let (notify, notifications) = mpsc::channel(WAITING);
        Ok((self.open(Some(notify)).await.map_err(for_now)?, notifications))
    }

    async fn open(&self, notify: Option<mpsc::Sender<Notification>>) -> Result<Connection, StoreError> {
        let unavailable =
            |why: String| StoreError::Unavailable(format!("cannot connect to the database {}: {why}", self.place()));
        let opened = tokio::time::timeout(LIMIT, async {
            let client = match &self.tls {
                Some(tls) => drive(self.config.connect(MakeRustlsConnect::new((**tls).clone())).await?, notify),
                None => drive(self.config.connect(NoTls).await?, notify),
            };
            client.batch_execute(SET_UP).await?;
            let sql = "SELECT pg_backend_pid(), current_setting('server_version_num')::int";
            let row = client.query_one(sql, &[]).await?;
            Ok::<_, tokio_postgres::Error>((client, row.get(0), row.get::<_, i32>(1)))
        });
        let opened = opened.await.map_err(|_| unavailable("no answer".into()))?;
        let (client, process, version) = opened.map_err(|error| match unusable(error.code()) {
            _ if is_of_another_session(error.code()) => shared_sessions(),
            Some((code, advice)) => {
                let place = self.place();
                StoreError::Unusable(code, format!("the database {place} cannot be used: {}; {advice}", causes(&error)))
            }
            None => unavailable(causes(&error)),
        })?;
        if version / 10_000 < OLDEST_VERSION {
            let why = format!("it is PostgreSQL {}, and at least {OLDEST_VERSION} is needed", version / 10_000);
            return Err(unavailable(why));
        }
        Ok(Connection::new(client, process))
    }
}

/// What a refused connection says of the configuration, and what to do.
fn unusable(code: Option<&SqlState>) -> Option<(Code, &'static str)> {
    let code = code?;
    // Class 28: who connects is not believed, or has no entry in pg_hba.conf. The last: it may not connect to this database.
    let login = code.code().starts_with("28") || *code == SqlState::INSUFFICIENT_PRIVILEGE;
    if login {
        let advice =
            "correct user and password in `[store] url`, or what the server lets in (pg_hba.conf, GRANT CONNECT)";
        return Some((Code::StoreLogin, advice));
    }
    let missing = *code == SqlState::INVALID_CATALOG_NAME;
    missing.then_some((
        Code::StoreMissing,
        "make it with `createdb --encoding UTF8 --locale C --template template0 NAME`, or correct the name in `[store] url`",
    ))
}

/// Whether the session does not know what was prepared on it, or knows already what was not: it is not the same as before.
fn is_of_another_session(code: Option<&SqlState>) -> bool {
    code.is_some_and(|code| [SqlState::INVALID_SQL_STATEMENT_NAME, SqlState::DUPLICATE_PSTATEMENT].contains(code))
}

fn for_now(error: StoreError) -> StoreError {
    match error {
        StoreError::Unusable(_, why) => StoreError::Unavailable(why),
        other => other,
    }
}

/// Trusts these certificates, or else those of the machine.
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
            // One that cannot be read does not make the others less trustworthy.
            roots.add_parsable_certificates(rustls_native_certs::load_native_certs().certs);
        }
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|error| bad(error.to_string()))?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

/// Moves the data of a client's connection until it ends.
fn drive<S, T>(
    (client, mut connection): (Client, tokio_postgres::Connection<S, T>),
    notify: Option<mpsc::Sender<Notification>>,
) -> Client
where
    S: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
    T: tokio::io::AsyncRead + tokio::io::AsyncWrite + Unpin + Send + 'static,
{
    tokio::spawn(async move {
        loop {
            match poll_fn(|cx| connection.poll_message(cx)).await {
                Some(Ok(AsyncMessage::Notification(message))) => {
                    if let Some(notify) = &notify {
                        // Without room, enough is waiting to be read anyway.
                        let _ = notify.try_send((message.process_id(), message.payload().to_owned()));
                    }
                }
                Some(Ok(_)) => {}
                // Each caller that waits for an answer on this connection gets the error.
                Some(Err(_)) | None => return,
            }
        }
    });
    client
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_configuration_has_wrong_is_unusable() {
        for (state, code) in [
            ("28P01", Some(Code::StoreLogin)),   // the password
            ("28000", Some(Code::StoreLogin)),   // no entry in pg_hba.conf, or no such role
            ("42501", Some(Code::StoreLogin)),   // no right to connect
            ("3D000", Some(Code::StoreMissing)), // no such database
            ("53300", None),                     // too many connections
            ("57P03", None),                     // it starts up
        ] {
            assert_eq!(unusable(Some(&SqlState::from_code(state))).map(|(code, _)| code), code, "{state}");
        }
        assert_eq!(unusable(None), None, "nothing answers");
        let other = |state| is_of_another_session(Some(&SqlState::from_code(state)));
        assert!(other("26000") && other("42P05") && !other("28P01") && !is_of_another_session(None));
        let lost = for_now(StoreError::Unusable(Code::StoreLogin, "x".into()));
        assert!(matches!(lost, StoreError::Unavailable(why) if why == "x"), "a running worker waits");
    }
}
