//! `simulate`: a cloud of one's own.

use std::sync::Arc;

use super::args::SimulateArgs;
use super::exit::{Exit, Failure};
use super::signals::Signals;
use super::{output, world};
use crate::clock::SystemClock;
use crate::domain::Code;
use crate::simulator;

/// Serves a simulated cloud until told to stop. Standard output gets its URL once it listens.
pub(super) async fn simulate(args: &SimulateArgs) -> Result<Exit, Failure> {
    let (world, _) = world::read(args.world.as_deref())?;
    let mut signals = Signals::listen()?;
    let mut told = Ok(());
    let stop = async move {
        signals.next().await;
    };
    let bound = |address| told = output::line(&format!("http://{address}"));
    simulator::run(args.listen, world, args.hour, Arc::new(SystemClock), bound, stop).await.map_err(|error| {
        Failure::usage(format!("cannot listen on {}: {error}", args.listen)).code(Code::CannotListen)
    })?;
    told.map(|()| Exit::Ok)
}
