//! `simulate`: serves a simulated cloud.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::SimulateArgs;
use super::exit::{CliError, Exit};
use super::signals::Signals;
use super::{output, world};
use crate::clock::SystemClock;
use crate::domain::Code;
use crate::simulator;

/// Serves it until told to stop. Prints its URL once it listens.
pub(super) async fn simulate(args: &SimulateArgs) -> Result<Exit, CliError> {
    let (world, _) = world::read(args.world.as_ref().or(args.world_option.as_ref()).map(PathBuf::as_path))?;
    let mut signals = Signals::listen()?;
    let mut printed = Ok(());
    let stop = async move {
        signals.next().await;
    };
    let bound = |address| printed = output::line(&format!("http://{address}"));
    simulator::run(args.listen, world, args.hour, Arc::new(SystemClock), bound, stop).await.map_err(|error| {
        CliError::usage(format!("cannot listen on {}: {error}", args.listen)).code(Code::CannotListen)
    })?;
    printed.map(|()| Exit::Ok)
}
