//! `simulate`: serves a simulated cloud.

use std::path::PathBuf;
use std::sync::Arc;

use super::args::SimulateArgs;
use super::exit::{CliError, Exit};
use super::signals::Signals;
use super::{output, world};
use crate::clock::SystemClock;
use crate::domain::{Code, Hour};
use crate::simulator;

/// Serves it until told to stop. Prints its URL once it listens.
pub(super) async fn simulate(args: &SimulateArgs) -> Result<Exit, CliError> {
    let (world, _) = world::read(args.world.as_ref().or(args.world_option.as_ref()).map(PathBuf::as_path))?;
    let mut signals = Signals::listen()?;
    let mut printed = Ok(());
    let stop = async move {
        signals.next().await;
    };
    let bound = |address| {
        let url = format!("http://{address}");
        output::note("lines for the configuration of a worker:");
        configuration(&url, args.hour).iter().for_each(|line| output::note(line));
        printed = output::line(&url);
    };
    simulator::run(args.listen, world, args.hour, Arc::new(SystemClock), bound, stop).await.map_err(|error| {
        CliError::usage(format!("cannot listen on {}: {error}", args.listen)).code(Code::CannotListen)
    })?;
    printed.map(|()| Exit::Ok)
}

/// What a worker has to be configured with, line by line.
fn configuration(url: &str, hour: Hour) -> Vec<String> {
    let own = (hour != Hour::REAL).then(|| format!("hour = \"{}ms\"", hour.length().as_millis()));
    let products = ["cbn", "sts", "smartag", "vpc"].map(|product| format!("{product} = \"{url}\""));
    own.into_iter().chain(["[cloud.endpoints]".to_owned()]).chain(products).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_worker_is_told_every_endpoint_and_an_hour_that_is_not_the_clouds() {
        let real = configuration("http://127.0.0.1:1", Hour::REAL);
        assert_eq!((real.len(), real[0].as_str()), (5, "[cloud.endpoints]"));
        let short = configuration("http://127.0.0.1:1", Hour::new(Duration::from_secs(10)).unwrap());
        assert_eq!(short[..3], ["hour = \"10000ms\"", "[cloud.endpoints]", "cbn = \"http://127.0.0.1:1\""]);
    }
}
