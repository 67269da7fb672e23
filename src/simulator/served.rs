//! What every request handler is given, and how a request is held.

use tokio::sync::watch;

use super::handle::Simulator;

/// A simulator, and whether the server in front of it is stopping.
#[derive(Clone)]
pub(super) struct Served {
    pub(super) simulator: Simulator,
    /// `None` for a router that is called without a server.
    pub(super) stop: Option<watch::Receiver<bool>>,
}

impl Served {
    /// Returns when the server is to stop. A router without a server never stops.
    pub(super) async fn stopping(&self) {
        match self.stop.clone() {
            Some(mut stop) => drop(stop.wait_for(|stop| *stop).await),
            None => std::future::pending().await,
        }
    }

    /// Holds a request until the release; false if the server stops first.
    pub(super) async fn hold(&self, operation: &str) -> bool {
        let mut releases = self.simulator.releases();
        let _held = HeldRequest::new(&self.simulator, operation);
        tokio::select! {
            released = releases.changed() => released.is_ok(),
            () = self.stopping() => false,
        }
    }
}

/// Counts a held request. A client that gives up drops the handler and this guard with it, so the count stays right.
struct HeldRequest<'a>(&'a Simulator, &'a str);

impl<'a> HeldRequest<'a> {
    fn new(simulator: &'a Simulator, operation: &'a str) -> Self {
        simulator.with(|state, _| {
            *state.held.entry(operation.to_owned()).or_default() += 1;
            state.events += 1;
        });
        Self(simulator, operation)
    }
}

impl Drop for HeldRequest<'_> {
    fn drop(&mut self) {
        self.0.with(|state, _| {
            if let Some(count) = state.held.get_mut(self.1) {
                *count -= 1;
            }
            state.held.retain(|_, count| *count > 0);
            state.events += 1;
        });
    }
}
