//! One connection: how it is opened, how it is, and how long to wait before the next.
//!
//! Every call has a time limit of ours. The library has none for its handshake (a frozen broker would hold it for
//! ever) and none for calls on a connection that the broker has blocked.

use std::future::Future;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::{AsFd, BorrowedFd};
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_util::{Stream, StreamExt};
use lapin::tcp::OwnedTLSConfig;
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, Event};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::error::BrokerError;
use super::settings::BrokerSettings;

const BACKOFF_FIRST: Duration = Duration::from_millis(50);
const BACKOFF_CAP: Duration = Duration::from_secs(2);

/// What a connection is for: its name at the broker, and how large a frame may be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    Consumer,
    Publisher,
    Submit,
    Events,
    Doctor,
}

impl Role {
    fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Publisher => "publisher",
            Self::Submit => "submit",
            Self::Events => "events",
            Self::Doctor => "doctor",
        }
    }

    /// The `frame_max` to ask for in `connection.tune` (AMQP 0-9-1), in bytes, unless the URL has its own. The library
    /// keeps 32 frames of memory for each direction of a connection, so it is no more than is needed: the headers of a
    /// message have to fit, for they are never split. Those of others may be as large as RabbitMQ's default allows. Ours
    /// are small; the largest are the faults of a rejected message, and `domain/contract.rs` bounds them.
    fn frame_max(self) -> u32 {
        match self {
            Self::Publisher | Self::Submit => 32 << 10,
            Self::Consumer | Self::Events | Self::Doctor => 128 << 10,
        }
    }
}

/// How a connection is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Open,
    Blocked(String),
    Broken(String),
}

/// A connection with a task that listens to what happens to it, busy or idle.
pub(super) struct Wire {
    pub(super) conn: Connection,
    pub(super) health: watch::Receiver<Health>,
    /// The user the broker knows us as.
    pub(super) user: String,
    listener: JoinHandle<()>,
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl Wire {
    /// Opens a connection to the first broker of the list that answers, beginning with the one at `last_good`.
    /// `on_health` is called with every change.
    pub(super) async fn open(
        settings: &BrokerSettings,
        role: Role,
        last_good: &AtomicUsize,
        on_health: impl Fn(&Health) + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let count = settings.urls.len();
        let first = last_good.load(Relaxed);
        let mut tries = Vec::new();
        for index in (0..count).map(|i| (first + i) % count) {
            let uri = parse(settings, role, index)?;
            let at = format!("{}:{}", uri.authority.host, uri.authority.port);
            match dial(settings, role, uri).await {
                Ok(conn) => {
                    last_good.store(index, Relaxed);
                    return Ok(Self::over(conn, on_health));
                }
                Err(e) => tries.push(format!("{at}: {e}")),
            }
        }
        if tries.is_empty() {
            tries.push("no URL is configured".into());
        }
        Err(BrokerError::Unreachable { tries })
    }

    fn over(conn: Connection, on_health: impl Fn(&Health) + Send + 'static) -> Self {
        let events: Pin<Box<dyn Stream<Item = Event> + Send>> = Box::pin(conn.events_listener());
        let (sender, health) = watch::channel(Health::Open);
        let user = conn.status().username();
        Self { user, conn, health, listener: tokio::spawn(listen(events, sender, on_health)) }
    }

    /// Returns when the connection is broken, with the reason.
    pub(super) async fn broken(&self) -> BrokerError {
        let mut health = self.health.clone();
        match health.wait_for(|h| matches!(h, Health::Broken(_))).await.as_deref() {
            Ok(Health::Broken(why)) => BrokerError::Ended { why: why.clone() },
            _ => BrokerError::Ended { why: "the connection is closed".into() },
        }
    }

    /// Says goodbye, so that the broker has processed all we sent. Best effort.
    pub(super) async fn close(self, limit: Duration) {
        let _ = within(limit, "connection.close", self.conn.close(200, "done".into())).await;
    }
}

async fn listen(
    mut events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    health: watch::Sender<Health>,
    on_health: impl Fn(&Health),
) {
    while let Some(event) = events.next().await {
        let now = match event {
            Event::ConnectionBlocked(reason) => Health::Blocked(reason),
            Event::ConnectionUnblocked => Health::Open,
            // The end of one channel only; its user hears of it as well.
            Event::Error(e) if e.is_amqp_soft_error() => continue,
            Event::Error(e) => Health::Broken(e.to_string()),
            _ => continue,
        };
        let last = matches!(now, Health::Broken(_));
        if *health.borrow() != now {
            on_health(&now);
        }
        health.send_replace(now);
        if last {
            return;
        }
    }
}

fn parse(settings: &BrokerSettings, role: Role, index: usize) -> Result<AMQPUri, BrokerError> {
    let mut uri: AMQPUri = settings.urls[index]
        .expose_secret()
        .parse()
        .map_err(|why: String| BrokerError::Url { number: index + 1, why })?;
    let heartbeat = u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX);
    uri.query.heartbeat.get_or_insert(heartbeat);
    uri.query.frame_max.get_or_insert(role.frame_max());
    Ok(uri)
}

async fn dial(settings: &BrokerSettings, role: Role, uri: AMQPUri) -> Result<Connection, BrokerError> {
    let failed = |source| BrokerError::Call { call: "connect", source };
    let name = format!("{} {}", settings.name, role.name());
    let properties = ConnectionProperties::default().with_connection_name(name.as_str().into());
    let hatch = Hatch::default();
    let dialled = async {
        let host = (uri.authority.host.clone(), uri.authority.port);
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(host).await.map_err(lapin::Error::from)?.collect();
        let tls = OwnedTLSConfig { identity: None, cert_chain: settings.ca_pem.clone() };
        let socket = hatch.0.clone();
        let runtime = lapin::runtime::default_runtime()?;
        let reactor = runtime.clone();
        let connect = async move |uri: AMQPUri, _| {
            let stream = AsyncTcpStream::connect(&reactor, addresses.clone()).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                Hatch::guard(&socket, plain.get_ref().as_fd())?;
            }
            match uri.scheme {
                AMQPScheme::AMQP => Ok(stream),
                AMQPScheme::AMQPS => Ok(stream.into_tls(&uri.authority.host, tls.as_ref()).await?),
            }
        };
        Connection::connector(uri, runtime, connect, properties).await
    };
    match tokio::time::timeout(settings.connect_timeout, dialled).await {
        Ok(Ok(conn)) => {
            hatch.disarm();
            Ok(conn)
        }
        Ok(Err(source)) => Err(failed(source)),
        Err(_) => Err(BrokerError::Timeout { call: "connect", after: settings.connect_timeout }),
    }
}

/// A way out of a handshake. The library's thread and socket outlive a connect that is given up, for as long as the
/// other side keeps silent; so a second handle of the socket is kept, and dropping the hatch shuts the socket down.
#[derive(Default)]
struct Hatch(Arc<Mutex<Socket>>);

#[derive(Default)]
enum Socket {
    #[default]
    None,
    Open(TcpStream),
    GivenUp,
}

impl Hatch {
    fn guard(socket: &Mutex<Socket>, fd: BorrowedFd<'_>) -> io::Result<()> {
        let mut socket = socket.lock().expect("no holder of this lock panics");
        match *socket {
            Socket::GivenUp => Err(io::ErrorKind::TimedOut.into()),
            _ => {
                *socket = Socket::Open(TcpStream::from(fd.try_clone_to_owned()?));
                Ok(())
            }
        }
    }

    fn disarm(&self) {
        *self.0.lock().expect("no holder of this lock panics") = Socket::None;
    }
}

impl Drop for Hatch {
    fn drop(&mut self) {
        let socket = std::mem::replace(&mut *self.0.lock().expect("no holder of this lock panics"), Socket::GivenUp);
        if let Socket::Open(stream) = socket {
            // Already closed is as good.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

/// Awaits a call to the broker, for `limit` at most.
pub(super) async fn within<T>(
    limit: Duration,
    call: &'static str,
    answer: impl Future<Output = lapin::Result<T>>,
) -> Result<T, BrokerError> {
    match tokio::time::timeout(limit, answer).await {
        Ok(Ok(value)) => Ok(value),
        Ok(Err(source)) => Err(BrokerError::Call { call, source }),
        Err(_) => Err(BrokerError::Timeout { call, after: limit }),
    }
}

/// Returns when `stop` says so, or when nobody is left who could.
pub(super) async fn stopped(stop: &watch::Receiver<bool>) {
    let _ = stop.clone().wait_for(|stop| *stop).await;
}

/// How long to wait before trying again: doubling from 50 ms to 2 s, with jitter, so that many workers do not fall
/// upon a broker that has just come back.
#[derive(Debug, Default)]
pub(super) struct Backoff {
    failures: u32,
}

impl Backoff {
    /// Counts one more.
    pub(super) fn failed(&mut self) {
        self.failures = self.failures.saturating_add(1);
    }

    /// Begins again.
    pub(super) fn reset(&mut self) {
        self.failures = 0;
    }

    /// How long to wait now; nothing when nothing has failed.
    pub(super) fn span(&self) -> Duration {
        let [low, high, ..] = uuid::Uuid::new_v4().into_bytes();
        wait(self.failures, f64::from(u16::from_le_bytes([low, high])) / f64::from(u16::MAX))
    }
}

/// The wait after `failures` in a row: half of it sure, the other half by `roll` in 0..=1.
fn wait(failures: u32, roll: f64) -> Duration {
    let Some(doublings) = failures.checked_sub(1) else { return Duration::ZERO };
    let full = BACKOFF_FIRST.saturating_mul(1 << doublings.min(16)).min(BACKOFF_CAP);
    full.mul_f64(0.5 + roll / 2.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

    #[test]
    fn waits_double_up_to_the_cap_and_jitter_never_exceeds_it() {
        assert_eq!(wait(0, 1.0), Duration::ZERO);
        assert_eq!(wait(1, 1.0), Duration::from_millis(50));
        assert_eq!(wait(1, 0.0), Duration::from_millis(25));
        assert_eq!(wait(4, 1.0), Duration::from_millis(400));
        assert_eq!(wait(40, 1.0), Duration::from_secs(2));
        assert_eq!(wait(u32::MAX, 0.0), Duration::from_secs(1));
    }

    #[tokio::test]
    async fn a_broker_that_never_answers_costs_neither_threads_nor_sockets() {
        let silent = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("amqp://u:p@{}/%2f", silent.local_addr().unwrap());
        let settings = BrokerSettings {
            urls: vec![SecretString::from(url)],
            connect_timeout: Duration::from_millis(50),
            ..BrokerSettings::default()
        };
        let first = AtomicUsize::new(0);
        let error = Wire::open(&settings, Role::Doctor, &first, |_| ()).await.err().unwrap().to_string();
        assert!(error.contains("no answer within"), "{error}");
        // Our side has hung up: what was sent is followed by the end.
        let (mut peer, _) = silent.accept().await.unwrap();
        let mut sent = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut peer, &mut sent);
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        assert_eq!(sent, b"AMQP\0\0\x09\x01");
    }

    #[tokio::test]
    async fn an_error_never_shows_the_password() {
        for url in
            ["amqp://u:hunter2@[broken/%2f", "http://u:hunter2@h/", "amqp://u:hunter2@127.0.0.1:1/%2f", "hunter2"]
        {
            let settings = BrokerSettings { urls: vec![SecretString::from(url)], ..BrokerSettings::default() };
            let e = Wire::open(&settings, Role::Doctor, &AtomicUsize::new(0), |_| ()).await.err().unwrap();
            assert!(!format!("{e} {e:?} {settings:?}").contains("hunter2"), "{e}");
        }
    }
}
