//! The port of the admin API. Any user of the machine can take it while the worker restarts, and must not keep the worker from its
//! work by that: it works without the API and tries again until it has the port.

use std::io::{self, ErrorKind};
use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::clock::Clock;
use crate::domain::Code;

/// Before the first try, and before the tries after it each twice as long as before: who only passes by is gone in a second.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
/// The longest pause: a minute without the API is no more than a probe allows, and the log has one line a minute.
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// The port, or `None` if another program has it.
///
/// # Errors
/// If trying again would not help: the address is not this machine's, or the user may not listen there.
pub async fn bind(address: SocketAddr) -> io::Result<Option<TcpListener>> {
    match TcpListener::bind(address).await {
        Ok(listener) => Ok(Some(listener)),
        Err(error) if error.kind() == ErrorKind::AddrInUse => Ok(None),
        Err(error) => Err(error),
    }
}

/// The port, as soon as the program that has it has left it; `None` once `stop` says true.
pub async fn await_port(
    address: SocketAddr,
    clock: &dyn Clock,
    stop: &mut watch::Receiver<bool>,
) -> Option<TcpListener> {
    let mut pause = FIRST_PAUSE;
    loop {
        tracing::error!(
            admin.address = %address,
            code = %Code::CannotListen,
            "another program uses the address of the admin API: the worker works without it, and tries again in {pause:?}"
        );
        tokio::select! {
            () = clock.sleep(pause) => {}
            _ = stop.wait_for(|stop| *stop) => return None,
        }
        match TcpListener::bind(address).await {
            Ok(listener) => {
                tracing::info!(admin.address = %address, "the admin API has its address");
                return Some(listener);
            }
            Err(error) => tracing::debug!(%error, "cannot listen"),
        }
        pause = (pause * 2).min(LONGEST_PAUSE);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::admin::testing::{START, at};
    use crate::clock::{ManualClock, until};

    /// How long the next sleeper has yet to sleep, once there is one.
    async fn asleep_for(clock: &ManualClock) -> Duration {
        loop {
            match clock.next_wake().filter(|at| *at > clock.now()) {
                Some(at) => return until(clock.now(), at),
                None => tokio::task::yield_now().await,
            }
        }
    }

    #[tokio::test]
    async fn a_port_that_another_has_is_waited_for() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = other.local_addr().unwrap();
        assert!(bind(address).await.unwrap().is_none());
        let clock = Arc::new(ManualClock::new(at(START)));
        let (_stop, mut stopped) = watch::channel(false);
        let waiting = tokio::spawn({
            let clock = Arc::clone(&clock);
            async move { await_port(address, &*clock, &mut stopped).await }
        });
        for pause in [1, 2, 4, 8, 16, 32, 60, 60] {
            assert_eq!(asleep_for(&clock).await, Duration::from_secs(pause));
            clock.advance(Duration::from_secs(pause));
        }
        asleep_for(&clock).await;
        drop(other);
        clock.advance(LONGEST_PAUSE);
        let listener = waiting.await.unwrap().unwrap();
        assert_eq!(listener.local_addr().unwrap(), address);
    }

    #[tokio::test]
    async fn a_stop_ends_the_wait_and_a_wrong_address_is_not_waited_for() {
        let other = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let clock = ManualClock::new(at(START));
        let (_stop, mut stopped) = watch::channel(true);
        assert!(await_port(other.local_addr().unwrap(), &clock, &mut stopped).await.is_none());
        // An address for documents (RFC 5737), which no machine has.
        let error = bind("192.0.2.1:9180".parse().unwrap()).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::AddrNotAvailable);
    }
}
