//! A receiver of webhooks on the loopback, with TLS, that answers well or badly. It has a thread of its own for each connection, and
//! a certificate for `localhost` and `127.0.0.1` of the authority in [`CA`].

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::sync::{Arc, Condvar, Mutex};

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};

use super::process::LIMIT;

/// The certificate of the authority, in PEM.
pub const CA: &str = include_str!("tls/ca.pem");

/// What a receiver does with a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Manner {
    /// Answers this, after a status line's `HTTP/1.1 `, and closes.
    Says(String),
    /// Takes the request and closes without an answer.
    Leaves,
    /// Takes the request and never answers.
    Hangs,
    /// Answers well, with a body that does not end.
    Babbles,
    /// Takes the connection, and never says a word of TLS.
    Mute,
    /// Speaks, but no TLS.
    Plain,
}

impl Manner {
    /// Answers with a status and no body.
    pub fn status(status: u16) -> Self {
        Self::Says(format!("{status} X\r\ncontent-length: 0\r\n\r\n"))
    }
}

/// A request that was read whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Request {
    /// The first line.
    pub line: String,
    /// By their names in lower case.
    pub headers: BTreeMap<String, String>,
    pub body: Vec<u8>,
}

struct Shared {
    manner: Mutex<Manner>,
    requests: Mutex<Vec<Request>>,
    arrived: Condvar,
    connections: AtomicUsize,
    over: AtomicBool,
    tls: Arc<ServerConfig>,
}

pub struct Receiver {
    address: SocketAddr,
    shared: Arc<Shared>,
}

impl Receiver {
    pub fn new(manner: Manner) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let chain: Vec<_> =
            CertificateDer::pem_slice_iter(include_bytes!("tls/server.pem")).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(include_bytes!("tls/server.key")).unwrap();
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let tls = ServerConfig::builder_with_provider(provider).with_safe_default_protocol_versions().unwrap();
        let shared = Arc::new(Shared {
            manner: Mutex::new(manner),
            requests: Mutex::default(),
            arrived: Condvar::new(),
            connections: AtomicUsize::new(0),
            over: AtomicBool::new(false),
            tls: Arc::new(tls.with_no_client_auth().with_single_cert(chain, key).unwrap()),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if serving.over.load(SeqCst) {
                    return;
                }
                serving.connections.fetch_add(1, SeqCst);
                let (serving, socket) = (Arc::clone(&serving), socket.unwrap());
                // A caller that goes away is no fault of the receiver.
                std::thread::spawn(move || drop(serving.serve(socket)));
            }
        });
        Self { address, shared }
    }

    /// From now on.
    pub fn behaves(&self, manner: Manner) {
        *self.shared.manner.lock().unwrap() = manner;
    }

    /// A URL by its name, or by its address.
    pub fn url(&self, host: &str, path: &str) -> String {
        format!("https://{host}:{}{path}", self.address.port())
    }

    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections were made to it.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(SeqCst)
    }

    /// The requests that came, once there are so many.
    pub fn requests(&self, least: usize) -> Vec<Request> {
        let requests = self.shared.requests.lock().unwrap();
        let few = |requests: &mut Vec<Request>| requests.len() < least;
        let (requests, late) = self.shared.arrived.wait_timeout_while(requests, LIMIT, few).unwrap();
        assert!(!late.timed_out(), "too late: {least} requests; there are {}", requests.len());
        requests.clone()
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.shared.over.store(true, SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

impl Shared {
    fn serve(&self, mut socket: TcpStream) -> std::io::Result<()> {
        let manner = self.manner.lock().unwrap().clone();
        match manner {
            Manner::Mute => return until_it_leaves(&mut socket),
            Manner::Plain => return socket.write_all(b"no TLS here, only plain words of sufficient length"),
            _ => {}
        }
        let connection = ServerConnection::new(Arc::clone(&self.tls)).unwrap();
        let mut stream = BufReader::new(StreamOwned::new(connection, socket));
        let request = read(&mut stream)?;
        self.requests.lock().unwrap().push(request);
        self.arrived.notify_all();
        let mut stream = stream.into_inner();
        match manner {
            Manner::Says(answer) => stream.write_all(format!("HTTP/1.1 {answer}").as_bytes())?,
            Manner::Hangs => return until_it_leaves(&mut stream),
            Manner::Babbles => {
                stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n")?;
                loop {
                    stream.write_all(&[b'x'; 1 << 16])?;
                }
            }
            _ => {}
        }
        stream.conn.send_close_notify();
        stream.flush()
    }
}

fn until_it_leaves(stream: &mut impl Read) -> std::io::Result<()> {
    let mut some = [0; 1024];
    while stream.read(&mut some)? > 0 {}
    Ok(())
}

fn read(stream: &mut impl BufRead) -> std::io::Result<Request> {
    let mut lines = Vec::new();
    loop {
        let mut line = String::new();
        if stream.read_line(&mut line)? == 0 {
            return Err(std::io::ErrorKind::UnexpectedEof.into());
        }
        match line.trim_end() {
            "" => break,
            line => lines.push(line.to_owned()),
        }
    }
    let line = lines.remove(0);
    let headers: BTreeMap<String, String> = lines
        .iter()
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
        .collect();
    let mut body = vec![0; headers.get("content-length").map_or(0, |length| length.parse().unwrap())];
    stream.read_exact(&mut body)?;
    Ok(Request { line, headers, body })
}
