//! Dead messages as text for people.

use serde_json::Value;

use crate::admin::Undeliverable;
use crate::engine::ports::store::Rejected;

/// An undelivered message in one line.
pub(crate) fn undelivered_line(message: &Undeliverable) -> String {
    let Undeliverable { number, message_id, exchange, routing_key, reason, tries, .. } = message;
    let to = if exchange.is_empty() { format!("queue {routing_key}") } else { format!("{exchange} {routing_key}") };
    let tries = match tries {
        0 => String::new(),
        1 => " (tried once)".to_owned(),
        tries => format!(" (tried {tries} times)"),
    };
    format!("{number}  {message_id}  to {to}  {reason}{tries}")
}

/// The faults of a rejection: the place of each, and what is to be said.
pub(crate) fn faults(rejected: &Rejected) -> Vec<(&str, String)> {
    let faults = rejected.reasons.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|fault| {
        let text = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or("?");
        // Of the whole body.
        let at = if text("at").is_empty() { String::new() } else { format!("{}: ", text("at")) };
        (text("at"), format!("{at}{} [{}]", text("message"), text("code")))
    });
    faults.collect()
}

/// The faults of a rejection, one a line.
pub(super) fn fault_lines(rejected: &Rejected) -> impl Iterator<Item = String> {
    faults(rejected).into_iter().map(|(_, says)| says).chain(not_listed(rejected))
}

/// How many faults are not listed, if any.
pub(super) fn not_listed(rejected: &Rejected) -> Option<String> {
    let more = rejected.faults_not_listed;
    (more > 0).then(|| format!("and {more} more, which are not listed"))
}

/// What a rejected message is about: its job, or its batch, as far as either can be read.
pub(super) fn about(rejected: &Rejected) -> String {
    let of = |id: &str| format!("{}/{id}", rejected.requester);
    match (&rejected.job_id, &rejected.batch_id) {
        (Some(job), Some(batch)) => format!("{} of batch {batch}", of(job)),
        (Some(job), None) => of(job),
        (None, Some(batch)) => format!("batch {}", of(batch.as_str())),
        (None, None) => of("?"),
    }
}
