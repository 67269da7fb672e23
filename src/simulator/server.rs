//! The HTTP server: one listener for all products. The host decides nothing; `x-acs-version` and `x-acs-action` do.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{Request, State};
use axum::response::Response;
use axum::routing::any;
use axum::serve::ListenerExt;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::handle::Simulator;
use super::served::Served;
use super::world::World;
use super::{answering, control, envelope, metadata};
use crate::clock::Clock;
use crate::domain::Hour;

/// Binds `listen`, passes the address it got to `bound`, and serves a simulated cloud until `stop`.
///
/// # Errors
/// When the address cannot be bound.
pub async fn run(
    listen: SocketAddr,
    world: World,
    hour: Hour,
    clock: Arc<dyn Clock>,
    bound: impl FnOnce(SocketAddr),
    stop: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let listener = TcpListener::bind(listen).await?;
    let address = listener.local_addr()?;
    tracing::info!(%address, %hour, "simulated cloud listening");
    bound(address);
    Simulator::new(world, hour, clock).serve(listener, stop).await
}

impl Simulator {
    /// The routes of everything that the simulator answers, for a caller in the same process.
    pub fn router(&self) -> Router {
        self.router_until(None)
    }

    /// Serves until `stop`. The connections of requests that a fault still holds are then closed without an answer.
    ///
    /// # Errors
    /// Those of the listener.
    pub async fn serve(self, listener: TcpListener, stop: impl Future<Output = ()> + Send + 'static) -> io::Result<()> {
        let (stopping, stopped) = watch::channel(false);
        let router = self.router_until(Some(stopped));
        let listener = listener.tap_io(|connection| {
            if let Err(error) = connection.set_nodelay(true) {
                tracing::debug!(%error, "TCP_NODELAY not set");
            }
        });
        let stop = async move {
            stop.await;
            stopping.send_replace(true);
        };
        axum::serve(listener, router).with_graceful_shutdown(stop).await
    }

    fn router_until(&self, stop: Option<watch::Receiver<bool>>) -> Router {
        let served = Served { simulator: self.clone(), stop };
        Router::new()
            .route("/", any(answer))
            .nest("/_sim", control::routes())
            .nest("/latest", metadata::routes())
            .with_state(served)
    }
}

/// Dates the answer by the simulator's clock: clients reckon the next hour from it.
async fn answer(State(served): State<Served>, request: Request) -> Response {
    let response = answering::respond(&served, request).await;
    envelope::dated(response, served.simulator.clock().now())
}

#[cfg(test)]
mod tests;
