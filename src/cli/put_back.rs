//! `put-back`: has the broker move the messages that it gave up back to the queue of jobs.

use super::args::PutBackArgs;
use super::exit::{CliError, Exit};
use super::{broker, output};
use crate::broker::{PutBack, count_dead_lettered, put_back as move_back};
use crate::config::Config;

/// Puts them back: those that are there now, or the oldest of them.
pub(super) async fn put_back(args: &PutBackArgs, config: &Config) -> Result<Exit, CliError> {
    let settings = broker::settings(config);
    let kept = count_dead_lettered(&settings).await?;
    let PutBack { moved, unbound } = move_back(&settings, wanted(kept, args)?).await?;
    output::line(&format!("messages put back: {moved} of {kept}"))?;
    if !unbound.is_empty() {
        let (exchange, queue) = (settings.topology.jobs_exchange(), settings.topology.jobs_queue());
        let keys: Vec<String> = unbound.iter().map(|key| format!("{key:?}")).collect();
        output::note(&format!(
            "the worker makes no binding for the routing key {}: such a message arrives once the exchange {exchange} is bound \
             to the queue {queue} with its key; see `rabbitmqctl list_bindings`",
            keys.join(", ")
        ));
    }
    Ok(Exit::Ok)
}

/// How many to put back, of those that are kept.
fn wanted(kept: u32, args: &PutBackArgs) -> Result<u32, CliError> {
    match args.limit {
        Some(limit) => Ok(limit.min(kept)),
        None if kept <= 1 || args.expect_count == Some(kept) => Ok(kept),
        None => {
            let found = match args.expect_count {
                Some(expected) => format!("messages to put back: {kept}, not {expected}; nothing was done"),
                None => format!("messages to put back: {kept}; nothing was done"),
            };
            let how = format!("To put all of them back: crossgrant put-back --expect-count {kept}");
            Err(CliError::failed(format!("{found}. {how}")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn many_are_put_back_only_by_their_number_or_a_limit() {
        let wanted = |kept, limit, expect_count| wanted(kept, &PutBackArgs { limit, expect_count });
        assert_eq!(wanted(0, None, None).unwrap(), 0);
        assert_eq!(wanted(1, None, None).unwrap(), 1);
        assert_eq!(wanted(2, None, Some(2)).unwrap(), 2);
        assert_eq!(wanted(9, Some(3), None).unwrap(), 3);
        assert_eq!(wanted(2, Some(3), None).unwrap(), 2);
        let error = wanted(2, None, None).unwrap_err();
        assert!(error.message.ends_with("crossgrant put-back --expect-count 2"), "{error}");
        let error = wanted(2, None, Some(3)).unwrap_err();
        assert!(error.message.starts_with("messages to put back: 2, not 3; nothing was done"), "{error}");
    }
}
