//! Events as they are printed: on a terminal a line for people, elsewhere the JSON object as it was published.

use std::io::IsTerminal;

use jiff::Timestamp;
use serde_json::Value;

use super::moments::Moments;
use super::terminal::{columns, folded};
use crate::domain::TYPE_PREFIX;

/// How events are printed.
pub(super) struct EventLines {
    /// For people.
    readable: bool,
}

impl EventLines {
    /// For what goes to standard output.
    pub fn on_stdout() -> Self {
        Self { readable: std::io::stdout().is_terminal() }
    }

    /// The lines of an event, given as its JSON text: for people as many as its sentence takes on this terminal, else one.
    pub fn of(&self, event: &str) -> Vec<String> {
        let told = if self.readable {
            serde_json::from_str(event).ok().and_then(|event| told(&event, &Moments::on_stdout()))
        } else {
            None
        };
        match told {
            Some(told) => folded(vec![told], columns(std::io::stdout()), INDENT),
            None => vec![event.to_owned()],
        }
    }
}

/// The width of the time and the word that a line begins with.
const INDENT: usize = 22;

/// When, of which job or batch, what happened, and why. `None` if it is no event of one.
fn told(event: &Value, moments: &Moments) -> Option<String> {
    let data = event.get("data")?;
    let text = |name: &str| data.get(name).and_then(Value::as_str);
    let time: Timestamp = event.get("time")?.as_str()?.parse().ok()?;
    let kind = event.get("type")?.as_str()?.strip_prefix(TYPE_PREFIX)?;
    if let Some(what) = kind.strip_prefix("batch.") {
        let id = data.get("batch")?.get("id")?.as_str()?;
        return Some(format!("{}  {what:<10}  batch {id}{}", moments.clock(time), counted(data)));
    }
    let what = kind.strip_prefix("job.")?;
    let job = data.get("job");
    let of_job = |name: &str| job.and_then(|job| job.get(name)).and_then(Value::as_str);
    let kind = of_job("kind").map(|kind| format!("{kind} ")).unwrap_or_default();
    let batch = text("batch_id").filter(|_| text("job_id").is_none()).map(|id| format!("batch {id}"));
    let id = of_job("id").or_else(|| text("job_id")).map(str::to_owned).or(batch);
    let id = id.unwrap_or_else(|| "?".to_owned());
    let says =
        text("message").filter(|message| !message.is_empty() && *message != what).map(|message| format!(": {message}"));
    let says = says.unwrap_or_default();
    let reason =
        text("reason").filter(|_| what != "completed").map(|reason| format!(" ({reason})")).unwrap_or_default();
    Some(format!("{}  {what:<10}  {kind}{id}{says}{reason}", moments.clock(time)))
}

/// How many jobs of a batch are in which state, where that is told.
fn counted(data: &Value) -> String {
    let states = data.get("states").and_then(Value::as_object);
    let each: Vec<String> = states.into_iter().flatten().map(|(state, jobs)| format!("{jobs} {state}")).collect();
    if each.is_empty() { String::new() } else { format!(": {}", each.join(", ")) }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::moments::tests::piped;
    use super::*;

    const AT: &str = "2026-11-21T10:20:06.123456789Z";

    #[test]
    fn a_person_reads_when_of_which_job_what_and_why() {
        let event =
            |kind: &str, data: Value| json!({"type": format!("crossgrant.job.{kind}"), "time": AT, "data": data});
        let job = json!({"kind": "payer-change", "id": "NET-1"});
        for (event, line) in [
            (event("accepted", json!({"job": job, "message": "accepted"})), "10:20:06  accepted    payer-change NET-1"),
            (
                event("failed", json!({"job": job, "message": "it is attached", "reason": "attached"})),
                "10:20:06  failed      payer-change NET-1: it is attached (attached)",
            ),
            (
                event("completed", json!({"job": job, "message": "granted", "reason": "done"})),
                "10:20:06  completed   payer-change NET-1: granted",
            ),
            (
                event("rejected", json!({"job_id": "NET-2", "message": "/kind: missing", "reason": "invalid"})),
                "10:20:06  rejected    NET-2: /kind: missing (invalid)",
            ),
            (event("rejected", json!({"job_id": null, "message": "no JSON"})), "10:20:06  rejected    ?: no JSON"),
            (
                event("rejected", json!({"job_id": null, "batch_id": "MOVE-7", "message": "no"})),
                "10:20:06  rejected    batch MOVE-7: no",
            ),
        ] {
            assert_eq!(told(&event, &piped()).as_deref(), Some(line));
        }
        let batch =
            |kind: &str, data: Value| json!({"type": format!("crossgrant.batch.{kind}"), "time": AT, "data": data});
        let begun = batch("accepted", json!({"batch": {"id": "MOVE-7", "size": 3}}));
        assert_eq!(told(&begun, &piped()).as_deref(), Some("10:20:06  accepted    batch MOVE-7"));
        let states = json!({"completed": 2, "failed": 1});
        let ended = batch("ended", json!({"batch": {"id": "MOVE-7", "size": 3}, "states": states}));
        assert_eq!(
            told(&ended, &piped()).as_deref(),
            Some("10:20:06  ended       batch MOVE-7: 2 completed, 1 failed")
        );
        assert_eq!(told(&json!({"type": "other", "time": AT, "data": {}}), &piped()), None);
    }

    #[test]
    fn a_program_reads_what_was_published() {
        let text = r#"{"type":"crossgrant.job.accepted","time":"2026-11-21T10:20:06Z","data":{}}"#;
        assert_eq!(EventLines { readable: false }.of(text), [text]);
        assert_eq!(EventLines { readable: true }.of("{}"), ["{}"]);
        assert_ne!(EventLines { readable: true }.of(text), [text]);
    }
}
