//! `put-back`: has the broker move the messages that it gave up back to the queue of jobs.

use super::args::PutBackArgs;
use super::exit::{CliError, Exit};
use super::{broker, output};
use crate::broker::{PutBack, count_dead_lettered, put_back as move_back};
use crate::config::Config;
use crate::domain::Code;

/// Puts them back: those that are there now, or the oldest of them.
pub(super) async fn put_back(args: &PutBackArgs, config: &Config) -> Result<Exit, CliError> {
    let settings = broker::settings(config);
    let kept = count_dead_lettered(&settings).await?;
    let PutBack { moved, unbound } = move_back(&settings, wanted(kept, args)?).await?;
    output::line(&format!("messages put back: {moved} of {kept}"))?;
    if !unbound.is_empty() {
        let (exchange, queue) = (settings.topology.jobs_exchange(), settings.topology.jobs_queue());
        let keys: Vec<String> = unbound.iter().map(|key| format!("{key:?}")).collect();
        eprintln!(
            "the worker makes no binding for the routing key {}: such a message arrives once the exchange {exchange} is bound \
             to the queue {queue} with its key; see `rabbitmqctl list_bindings`",
            keys.join(", ")
        );
    }
    Ok(Exit::Ok)
}

/// How many to put back, of those that are kept.
fn wanted(kept: u32, args: &PutBackArgs) -> Result<u32, CliError> {
    match args.limit {
        Some(limit) => Ok(limit.min(kept)),
        None if kept <= 1 || args.yes => Ok(kept),
        None => {
            let why = format!("this would put all {kept} messages back; confirm with --yes, or take some with --limit");
            Err(CliError::failed(why).code(Code::NeedsYes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_put_back_only_with_yes_or_a_limit() {
        let wanted = |kept, limit, yes| wanted(kept, &PutBackArgs { limit, yes });
        assert_eq!(wanted(0, None, false).unwrap(), 0);
        assert_eq!(wanted(1, None, false).unwrap(), 1);
        assert_eq!(wanted(2, None, true).unwrap(), 2);
        assert_eq!(wanted(9, Some(3), false).unwrap(), 3);
        assert_eq!(wanted(2, Some(3), false).unwrap(), 2);
        assert_eq!(wanted(2, None, false).unwrap_err().code, Code::NeedsYes);
    }
}
