//! What the service manager is told that started this process (systemd's `Type=notify`): that the worker is ready, that it
//! lives, how it is, that it reads its configuration again, and that it stops.
//!
//! A timer would go on in a worker that does nothing any more. So the loop that claims jobs is woken, and only when it has
//! come round, with the store asked, the manager hears that the worker lives. A store or a broker that is down is no reason
//! to end the worker: the loop comes round then, too.

use std::convert::Infallible;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::time::{ClockId, clock_gettime};

use crate::admin::Admin;
use crate::domain::visible;
use crate::engine::loops::shared::Engine;

/// Between two looks at a worker that is not ready yet: as fresh as the answers of its checks.
const STARTING: Duration = Duration::from_secs(1);
/// Between two looks at one that is, where the manager has no watchdog.
const RUNNING: Duration = Duration::from_secs(20);
/// A watchdog hears of the worker this often within its time, so that one late word is no end.
const WORDS: u32 = 3;

/// The service manager, if there is one.
#[derive(Debug, Default)]
pub(super) struct ServiceManager {
    /// Where it listens: a path, or `@` and an abstract name.
    socket: Option<OsString>,
    /// It ends the worker after so long without a word.
    watchdog: Option<Duration>,
    /// What it was told last.
    heard: Mutex<Heard>,
}

/// What the manager has heard of the life of the worker.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
enum Heard {
    #[default]
    Nothing,
    Ready,
    Stopping,
}

impl ServiceManager {
    /// The one that the environment names (sd_notify(3), sd_watchdog_enabled(3)).
    pub fn of_this_process() -> Self {
        Self::named_by(|name| std::env::var_os(name), std::process::id())
    }

    fn named_by(variable: impl Fn(&str) -> Option<OsString>, process: u32) -> Self {
        let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
        let watched = number("WATCHDOG_PID").is_none_or(|watched| watched == u64::from(process));
        let watchdog = number("WATCHDOG_USEC").filter(|span| watched && *span > 0).map(Duration::from_micros);
        let socket = variable("NOTIFY_SOCKET").filter(|socket| !socket.is_empty());
        Self { socket, watchdog, heard: Mutex::default() }
    }

    /// Tells it of a worker from its start on.
    pub async fn accompany(&self, engine: &Engine, worker: &Admin) -> Infallible {
        if self.socket.is_none() {
            return std::future::pending().await;
        }
        loop {
            let readiness = worker.readiness().await;
            if readiness.ready {
                break;
            }
            self.tell(&format!("STATUS=starting; {}", visible(&readiness.failed())));
            engine.clock.sleep(STARTING).await;
        }
        self.now(Heard::Ready, "READY=1\nSTATUS=ready");
        let pause = self.watchdog.map_or(RUNNING, |watchdog| watchdog / WORDS);
        loop {
            come_round(engine, pause).await;
            self.tell("WATCHDOG=1");
            let readiness = worker.readiness().await;
            let status = if readiness.ready { "ready".into() } else { format!("not ready; {}", readiness.failed()) };
            self.tell(&format!("STATUS={}", visible(&status)));
            engine.clock.sleep(pause).await;
        }
    }

    /// Tells it that the worker stops, and how long that may take: the manager waits for longer than it would, if need be.
    pub fn stopping(&self, longest: Duration) {
        let state = format!("STOPPING=1\nSTATUS=stopping\nEXTEND_TIMEOUT_USEC={}", longest.as_micros());
        self.now(Heard::Stopping, &state);
    }

    /// Tells it that the worker reads its configuration again, until [`Self::reloaded`]. The protocol asks for the time of the
    /// kernel's clock that the manager goes by; nothing here is decided by it.
    pub fn reloading(&self) {
        let now = clock_gettime(ClockId::Monotonic);
        let microseconds = now.tv_sec * 1_000_000 + now.tv_nsec / 1_000;
        self.tell_between(&format!("RELOADING=1\nMONOTONIC_USEC={microseconds}"));
    }

    /// Tells it that the configuration was read again, and whether it could be used.
    pub fn reloaded(&self, taken_over: bool) {
        let status = if taken_over {
            "the configuration was read again"
        } else {
            "the configuration cannot be used, and nothing was changed; the log says why"
        };
        self.tell_between(&format!("READY=1\nSTATUS={status}"));
    }

    /// Tells it what changes the life of the worker.
    fn now(&self, heard: Heard, state: &str) {
        let mut last = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        *last = heard;
        self.tell(state);
    }

    /// Tells it something while the worker is ready. Before, READY=1 would end a start that still waits for the broker; after,
    /// it would contradict STOPPING=1.
    fn tell_between(&self, state: &str) {
        let heard = self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        if *heard == Heard::Ready {
            self.tell(state);
        }
    }

    fn tell(&self, state: &str) {
        let told = self.socket.as_deref().map_or(Ok(()), |socket| send(socket, state));
        if let Err(error) = told {
            tracing::warn!(%error, "cannot tell the service manager of this worker");
        }
    }
}

/// Returns when the loop that claims jobs has come round. Says so if that takes longer than `usual`.
async fn come_round(engine: &Engine, usual: Duration) {
    let mut rounds = engine.rounds.subscribe();
    engine.work.notify_one();
    let mut late = false;
    loop {
        tokio::select! {
            // The sender lives as long as the engine.
            _ = rounds.changed() => return,
            () = engine.clock.sleep(usual), if !late => {
                tracing::error!(
                    after.seconds = usual.as_secs_f64(),
                    "the loop that claims jobs does not come round; the service manager is not told that the worker lives"
                );
                late = true;
            }
        }
    }
}

/// Sends one datagram, or fails at once: a manager that does not read must not hold the worker up.
fn send(socket: &OsStr, state: &str) -> io::Result<()> {
    let address = match socket.as_bytes() {
        [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
        _ => SocketAddr::from_pathname(socket)?,
    };
    let datagram = UnixDatagram::unbound()?;
    datagram.set_nonblocking(true)?;
    datagram.send_to_addr(state.as_bytes(), &address).map(drop)
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::*;
    use crate::admin::testing::{START, admin_of, at, engine_by};
    use crate::clock::ManualClock;
    use crate::engine::loops::worker::{Capacity, work};
    use crate::telemetry::Metrics;

    fn named(variables: &[(&str, &str)]) -> ServiceManager {
        let value = |name: &str| variables.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        ServiceManager::named_by(value, 7)
    }

    fn listening_at(path: PathBuf) -> ServiceManager {
        ServiceManager { socket: Some(path.into()), ..ServiceManager::default() }
    }

    /// Otherwise a hangup would end a start that still waits, or a stop would look like a start.
    #[test]
    fn of_a_reload_it_hears_only_between_ready_and_stopping() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = UnixDatagram::bind(&path).unwrap();
        socket.set_nonblocking(true).unwrap();
        let hears = || {
            let mut text = [0; 200];
            let length = socket.recv(&mut text).ok()?;
            Some(String::from_utf8_lossy(&text[..length]).into_owned())
        };
        let manager = listening_at(path);
        let reload = |taken_over| {
            manager.reloading();
            manager.reloaded(taken_over);
        };
        reload(true);
        assert_eq!(hears(), None, "it starts");
        manager.now(Heard::Ready, "READY=1");
        assert_eq!(hears().unwrap(), "READY=1");
        for (taken_over, says) in [(true, "STATUS=the configuration was read again"), (false, "nothing was changed")] {
            reload(taken_over);
            let (begins, ends) = (hears().unwrap(), hears().unwrap());
            let since = begins.strip_prefix("RELOADING=1\nMONOTONIC_USEC=").map(str::parse::<u64>);
            assert!(matches!(since, Some(Ok(1..))), "{begins}");
            assert!(ends.starts_with("READY=1\nSTATUS=") && ends.contains(says), "{ends}");
        }
        manager.stopping(Duration::from_secs(1));
        assert!(hears().unwrap().starts_with("STOPPING=1\n"));
        reload(true);
        assert_eq!(hears(), None, "it stops");
    }

    #[test]
    fn the_environment_names_it() {
        let all = [("NOTIFY_SOCKET", "/run/x"), ("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "7")];
        let manager = named(&all);
        assert_eq!((manager.socket, manager.watchdog), (Some("/run/x".into()), Some(Duration::from_secs(3))));
        for (variables, why) in [
            (&[("WATCHDOG_USEC", "3000000"), ("WATCHDOG_PID", "8")], "the watchdog is for another process"),
            (&[("WATCHDOG_USEC", "0"), ("WATCHDOG_PID", "7")], "no watchdog"),
            (&[("WATCHDOG_USEC", "soon"), ("NOTIFY_SOCKET", "")], "nothing that can be meant"),
        ] {
            let manager = named(variables);
            assert_eq!((manager.socket, manager.watchdog), (None, None), "{why}");
        }
    }

    #[test]
    fn an_abstract_socket_is_told_too_and_a_full_one_holds_nothing_up() {
        let name = format!("crossgrant-test-{}", std::process::id());
        let socket = UnixDatagram::bind_addr(&SocketAddr::from_abstract_name(&name).unwrap()).unwrap();
        let at = OsString::from(format!("@{name}"));
        send(&at, "READY=1").unwrap();
        let mut text = [0; 32];
        let length = socket.recv(&mut text).unwrap();
        assert_eq!(&text[..length], b"READY=1");
        let full = std::iter::repeat_with(|| send(&at, "WATCHDOG=1")).find_map(Result::err).unwrap();
        assert_eq!(full.kind(), io::ErrorKind::WouldBlock);
        drop(socket);
        assert!(send(&at, "STOPPING=1").is_err());
    }

    /// Without the loop that claims jobs the worker is ready, and does not live.
    #[tokio::test]
    async fn only_a_worker_that_comes_round_is_said_to_live() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("notify");
        let socket = tokio::net::UnixDatagram::bind(&path).unwrap();
        let manager = ServiceManager { watchdog: Some(Duration::from_secs(30)), ..listening_at(path) };
        let (clock, metrics) = (Arc::new(ManualClock::new(at(START))), Arc::new(Metrics::new()));
        let engine = engine_by(clock.clone(), metrics.engine()).await;
        let admin = admin_of(Arc::clone(&engine), metrics);
        let accompanied = tokio::spawn({
            let engine = Arc::clone(&engine);
            async move { manager.accompany(&engine, &admin).await }
        });
        let next = async || {
            let mut text = [0; 200];
            let length = socket.recv(&mut text).await.unwrap();
            String::from_utf8_lossy(&text[..length]).into_owned()
        };
        assert_eq!(next().await, "READY=1\nSTATUS=ready");
        for _ in 0..10 {
            clock.advance(Duration::from_secs(10));
            tokio::task::yield_now().await;
        }
        assert!(socket.try_recv(&mut [0; 200]).is_err(), "nothing shows that it lives");

        let (stop, stopped) = watch::channel(false);
        let working = tokio::spawn(work(engine, Capacity { jobs: 1, drain: Duration::ZERO }, stopped));
        assert_eq!((next().await, next().await), ("WATCHDOG=1".into(), "STATUS=ready".into()));
        // Once it sleeps, a third of the watchdog's time is a word.
        while clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        clock.advance(Duration::from_secs(9));
        tokio::task::yield_now().await;
        assert!(socket.try_recv(&mut [0; 200]).is_err());
        clock.advance(Duration::from_secs(1));
        assert_eq!(next().await, "WATCHDOG=1");
        stop.send_replace(true);
        working.await.unwrap();
        accompanied.abort();
    }
}
