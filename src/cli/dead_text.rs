//! Dead messages as text for people.

use serde_json::Value;

use crate::admin::Undeliverable;
use crate::engine::ports::store::Rejected;

/// An undelivered message in one line.
pub(crate) fn undelivered_line(message: &Undeliverable) -> String {
    let Undeliverable { number, message_id, exchange, routing_key, reason, tries, .. } = message;
    let to = if exchange.is_empty() { format!("queue {routing_key}") } else { format!("{exchange} {routing_key}") };
    let tries = if *tries == 0 { String::new() } else { format!(" (tried {tries} times)") };
    format!("{number}  {message_id}  to {to}  {reason}{tries}")
}

/// The faults of a rejection: the place of each, and what is to be said.
pub(crate) fn faults(rejected: &Rejected) -> Vec<(&str, String)> {
    let faults = rejected.reasons.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|fault| {
        let text = |name: &str| fault.get(name).and_then(Value::as_str).unwrap_or("?");
        (text("at"), format!("{}: {} [{}]", text("at"), text("message"), text("code")))
    });
    faults.collect()
}

/// The faults of a rejection, one a line.
pub(super) fn fault_lines(rejected: &Rejected) -> impl Iterator<Item = String> {
    faults(rejected).into_iter().map(|(_, says)| says)
}
