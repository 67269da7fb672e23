//! What the nodes of one cluster find each other by: an epmd of our own, and the cookie that they share.

use std::fs::File;
use std::io::{self, Read};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use super::{POLL, kill_group, mortal, spawn};

/// It listens within milliseconds; this is for a machine with other things to do.
const LIMIT: Duration = Duration::from_secs(30);

/// A running epmd. Dropping it kills it.
pub struct Epmd {
    port: u16,
    cookie: String,
    process: Child,
}

impl Epmd {
    #[allow(clippy::disallowed_methods)] // another process's port gives no notice when it opens
    pub fn start() -> io::Result<Self> {
        let [port] = free_ports()?;
        let mut seed = [0; 16];
        File::open("/dev/urandom")?.read_exact(&mut seed)?;
        let cookie = seed.iter().map(|byte| format!("{byte:02x}")).collect();
        let mut command = mortal(Path::new("epmd"));
        command.args(["-address", "127.0.0.1"]).env("ERL_EPMD_PORT", port.to_string()).stderr(Stdio::null());
        let mut epmd = Self { port, cookie, process: spawn(command, Stdio::null())? };
        let began = std::time::Instant::now();
        while TcpStream::connect(local(port)).is_err() {
            let ended = epmd.process.try_wait()?;
            if ended.is_some() || began.elapsed() > LIMIT {
                return Err(io::Error::other(format!("epmd does not listen on port {port} (ended: {ended:?})")));
            }
            std::thread::sleep(POLL);
        }
        Ok(epmd)
    }

    /// What the nodes ask for each other's ports.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What a node must know to talk to another.
    pub fn cookie(&self) -> &str {
        &self.cookie
    }
}

impl Drop for Epmd {
    fn drop(&mut self) {
        kill_group(&mut self.process);
    }
}

/// Free ports below the range that the system takes for outgoing connections.
pub fn free_ports<const N: usize>() -> io::Result<[u16; N]> {
    static NEXT: AtomicU32 = AtomicU32::new(0);
    let (mut ports, mut held) = ([0; N], Vec::new());
    // Processes that start at the same time begin far apart.
    let start = std::process::id().wrapping_mul(97);
    while held.len() < N {
        let step = NEXT.fetch_add(1, Ordering::Relaxed);
        if step > 12_000 {
            return Err(io::Error::other("no free port between 20000 and 32000"));
        }
        let port = 20_000 + u16::try_from(start.wrapping_add(step) % 12_000).expect("less than 12000");
        if let Ok(listener) = TcpListener::bind(local(port)) {
            ports[held.len()] = port;
            held.push(listener);
        }
    }
    Ok(ports)
}

pub fn local(port: u16) -> SocketAddr {
    (Ipv4Addr::LOCALHOST, port).into()
}
