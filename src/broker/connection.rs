//! One connection: how it is opened, and how it is.
//!
//! The library has no time limit for its handshake, and a frozen broker would hold it for ever; so opening has one here.

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
use lapin::{AsyncTcpStream, Connection, ConnectionProperties, ConnectionStatus, Event};
use secrecy::ExposeSecret;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::call::within;
use super::error::{ACCESS_REFUSED, BrokerError, NOT_ALLOWED, reply_code};
use super::filter::{FilteredStream, FilteredTokio, Kept};
use super::settings::BrokerSettings;
use super::state::Link;
use crate::domain::contract::{MAX_BATCH_BODY, MAX_BODY};
use crate::domain::{Code, without_secrets};
use crate::engine::ports::mail::Lane;

/// What a connection is for. It decides the name at the broker and the size of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum ConnectionPurpose {
    Consumer,
    Publisher(Lane),
    Submit,
    Events,
    Doctor,
    DeadLettered,
    Door,
}

impl ConnectionPurpose {
    fn name(self) -> &'static str {
        match self {
            Self::Consumer => "consumer",
            Self::Publisher(Lane::Events) => "publisher",
            Self::Publisher(Lane::Replies) => "replies",
            Self::Submit => "submit",
            Self::Events => "events",
            Self::Doctor => "doctor",
            Self::DeadLettered => "dead-lettered",
            Self::Door => "door",
        }
    }

    /// The `frame_max` to ask for in `connection.tune` (AMQP 0-9-1), in bytes, unless the URL has its own. The library
    /// keeps 32 frames of memory for each direction of a connection, so a frame is no larger than needed. The headers of
    /// a message must fit into one frame. Other programs may send headers as large as RabbitMQ's default allows. The
    /// worker's own are small: the largest are the faults of a rejected message, which `domain/contract.rs` bounds.
    fn frame_max(self) -> u32 {
        match self {
            Self::Publisher(_) | Self::Submit | Self::Door => 32 << 10,
            Self::Consumer | Self::Events | Self::Doctor | Self::DeadLettered => 128 << 10,
        }
    }

    /// How much of the body of a message is kept. Anybody may send any size to the worker, which reads no more of a job, or of a
    /// batch, than this. The other connections get what the worker has published.
    fn body_kept(self) -> Kept {
        match self {
            Self::Consumer | Self::DeadLettered => Kept { usual: MAX_BODY, of_batches: MAX_BATCH_BODY },
            Self::Publisher(_) | Self::Submit | Self::Events | Self::Doctor | Self::Door => {
                Kept { usual: usize::MAX, of_batches: usize::MAX }
            }
        }
    }
}

/// Whether a connection can be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Health {
    Open,
    /// The broker takes nothing from publishers, for this reason.
    Blocked(String),
    /// It is gone, for this reason; with the broker's reply code if the broker closed it.
    Broken(String, Option<u16>),
}

impl Health {
    /// The condition to report, and the error if it is one.
    pub fn link(&self) -> (Link, Option<String>) {
        match self {
            Self::Open => (Link::Connected, None),
            Self::Blocked(reason) => (Link::Blocked { reason: reason.clone() }, None),
            Self::Broken(why, _) => (Link::Down, Some(why.clone())),
        }
    }
}

/// An AMQP connection, and a task that follows its health, busy or idle.
pub(super) struct BrokerConnection {
    pub amqp: Connection,
    pub health: watch::Receiver<Health>,
    /// The user that the broker has authenticated.
    pub user: String,
    listener: JoinHandle<()>,
}

impl Drop for BrokerConnection {
    fn drop(&mut self) {
        self.listener.abort();
    }
}

impl BrokerConnection {
    /// Opens a connection to the first broker of the list that answers, beginning with the one at `last_good`.
    /// `on_health` is called with every change of its health.
    pub async fn open(
        settings: &BrokerSettings,
        purpose: ConnectionPurpose,
        last_good: &AtomicUsize,
        on_health: impl Fn(&Health) + Send + 'static,
    ) -> Result<Self, BrokerError> {
        let count = settings.urls.len();
        let first = last_good.load(Relaxed);
        let mut tries = Vec::new();
        for index in (0..count).map(|i| (first + i) % count) {
            let uri = parse(settings, purpose, index)?;
            let at = format!("{}:{}", uri.authority.host, uri.authority.port);
            let (user, vhost) = (uri.authority.userinfo.username.clone(), uri.vhost.clone());
            match dial(settings, purpose, uri).await {
                Ok(amqp) => {
                    last_good.store(index, Relaxed);
                    return Ok(Self::over(amqp, on_health));
                }
                Err(e) => {
                    let code = not_let_in(&e);
                    let what = match code {
                        Code::BrokerLogin => format!("the user {user:?} or its password is wrong: "),
                        Code::BrokerVhost => format!("the vhost {vhost:?} is not there for the user {user:?}: "),
                        Code::BrokerLimit => format!("the vhost {vhost:?} takes no more connections: "),
                        _ => String::new(),
                    };
                    tries.push((code, format!("{at}: {what}{e}")));
                }
            }
        }
        if tries.is_empty() {
            tries.push((Code::BrokerUnreachable, "no URL is configured".into()));
        }
        Err(BrokerError::unreachable(tries))
    }

    fn over(amqp: Connection, on_health: impl Fn(&Health) + Send + 'static) -> Self {
        let events: Pin<Box<dyn Stream<Item = Event> + Send>> = Box::pin(amqp.events_listener());
        let (sender, health) = watch::channel(Health::Open);
        let (user, status) = (amqp.status().username(), amqp.status().clone());
        Self { user, amqp, health, listener: tokio::spawn(listen(events, status, sender, on_health)) }
    }

    /// Returns when the connection is broken, with the reason.
    pub async fn broken(&self) -> BrokerError {
        let mut health = self.health.clone();
        match health.wait_for(|h| matches!(h, Health::Broken(..))).await.as_deref() {
            Ok(Health::Broken(why, _)) => BrokerError::Ended { why: why.clone() },
            _ => BrokerError::Ended { why: "the connection is closed".into() },
        }
    }

    /// Closes it in order, so that the broker has processed all that was sent. An error changes nothing.
    pub async fn close(self, limit: Duration) {
        let _ = within(limit, "connection.close", self.amqp.close(200, "done".into())).await;
    }
}

async fn listen(
    mut events: Pin<Box<dyn Stream<Item = Event> + Send>>,
    connection: ConnectionStatus,
    health: watch::Sender<Health>,
    on_health: impl Fn(&Health),
) {
    while let Some(event) = events.next().await {
        let now = match event {
            Event::ConnectionBlocked(reason) => Health::Blocked(reason),
            Event::ConnectionUnblocked => Health::Open,
            // Only one channel has ended; the next call on it fails. Its reply code can be one of those that AMQP has for
            // the end of a connection: ApsaraMQ answers 530 to too many calls.
            Event::Error(e) if e.is_amqp_soft_error() || connection.connected() => continue,
            Event::Error(e) => Health::Broken(e.to_string(), reply_code(&e)),
            _ => continue,
        };
        let last = matches!(now, Health::Broken(..));
        if *health.borrow() != now {
            on_health(&now);
        }
        health.send_replace(now);
        if last {
            return;
        }
    }
}

/// What is wrong with a URL of a broker, without the secrets in it; `None` if it can be used.
pub fn url_fault(url: &str) -> Option<String> {
    read_url(url).err()
}

fn read_url(url: &str) -> Result<AMQPUri, String> {
    // One of the parser's errors repeats the whole URL.
    url.parse().map_err(|why: String| why.replace(url, &without_secrets(url)))
}

/// What keeps a broker that answers from letting the user in, if that is it.
fn not_let_in(error: &BrokerError) -> Code {
    match error.reply_code() {
        Some(ACCESS_REFUSED) => Code::BrokerLogin,
        Some(NOT_ALLOWED) if error.tells_of_limit() => Code::BrokerLimit,
        Some(NOT_ALLOWED) => Code::BrokerVhost,
        _ => Code::BrokerUnreachable,
    }
}

fn parse(settings: &BrokerSettings, purpose: ConnectionPurpose, index: usize) -> Result<AMQPUri, BrokerError> {
    let url = settings.urls[index].expose_secret();
    let mut uri = read_url(url).map_err(|why| BrokerError::Url { number: index + 1, why })?;
    let heartbeat = u16::try_from(settings.heartbeat.as_secs()).unwrap_or(u16::MAX);
    uri.query.heartbeat.get_or_insert(heartbeat);
    uri.query.frame_max.get_or_insert(purpose.frame_max());
    Ok(uri)
}

async fn dial(settings: &BrokerSettings, purpose: ConnectionPurpose, uri: AMQPUri) -> Result<Connection, BrokerError> {
    let failed = |source| BrokerError::Call { call: "connect", source };
    let name = format!("{} {}", settings.name, purpose.name());
    let properties = ConnectionProperties::default().with_connection_name(name.as_str().into());
    let hatch = Hatch::default();
    let dialled = async {
        let host = (uri.authority.host.clone(), uri.authority.port);
        let addresses: Vec<SocketAddr> = tokio::net::lookup_host(host).await.map_err(lapin::Error::from)?.collect();
        let tls = OwnedTLSConfig { identity: None, cert_chain: settings.ca_pem.clone() };
        let socket = hatch.0.clone();
        let runtime = FilteredTokio::current();
        let reactor = runtime.clone();
        let connect = async move |uri: AMQPUri, _| {
            let stream = reactor.connect(addresses.clone()).await?;
            if let AsyncTcpStream::Plain(plain) = &stream {
                Hatch::guard(&socket, plain.get_ref().as_fd())?;
            }
            let stream = match uri.scheme {
                AMQPScheme::AMQP => stream,
                AMQPScheme::AMQPS => stream.into_tls(&uri.authority.host, tls.as_ref()).await?,
            };
            Ok(AsyncTcpStream::Plain(FilteredStream::new(stream, purpose.body_kept())))
        };
        Connection::connector(uri, runtime.into(), connect, properties).await
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

/// An escape hatch from the handshake. When a connect is given up, the library's thread and socket live on for as long as
/// the other side keeps silent. So a second handle of the socket is kept, and dropping the hatch shuts the socket down.
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
            // An error means that it is closed already.
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use secrecy::SecretString;

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
        let error = BrokerConnection::open(&settings, ConnectionPurpose::Doctor, &first, |_| ())
            .await
            .err()
            .unwrap()
            .to_string();
        assert!(error.contains("no answer within"), "{error}");
        // This side has hung up: the protocol header is followed by the end of the stream.
        let (mut peer, _) = silent.accept().await.unwrap();
        let mut sent = Vec::new();
        let read = tokio::io::AsyncReadExt::read_to_end(&mut peer, &mut sent);
        tokio::time::timeout(Duration::from_secs(20), read).await.unwrap().unwrap();
        assert_eq!(sent, b"AMQP\0\0\x09\x01");
    }

    #[tokio::test]
    async fn an_error_never_shows_the_password() {
        for url in [
            "amqp://u:hunter2@[broken/%2f",
            "http://u:hunter2@h/",
            "amqp://u:hunter2@127.0.0.1:1/%2f",
            "u:hunter2@h/",
            "hunter2",
        ] {
            let settings = BrokerSettings { urls: vec![SecretString::from(url)], ..BrokerSettings::default() };
            let e = BrokerConnection::open(&settings, ConnectionPurpose::Doctor, &AtomicUsize::new(0), |_| ())
                .await
                .err()
                .unwrap();
            assert!(!format!("{e} {e:?} {settings:?}").contains("hunter2"), "{e}");
        }
    }
}
