//! Reads jobs from a file or from standard input: JSON objects one after another, or an array of them. Each is passed on
//! as it was written, so that its faults are found where every job is checked.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::exit::CliError;
use crate::domain::contract::{self, Envelope, FaultList};
use crate::domain::{Code, Job};

/// The requester of jobs that come without a broker, which would name a verified user.
pub(super) const REQUESTER: &str = "local";
/// The prefix of exchange and queue names, as a worker with a broker would use it.
pub(super) const PREFIX: &str = "crossgrant";

/// Reads the jobs of a file, or of standard input for `-`.
pub(super) fn jobs(file: &Path) -> Result<Vec<Bytes>, CliError> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text =
        text.map_err(|error| CliError::usage(format!("cannot read {name}: {error}")).code(Code::FileUnreadable))?;
    split(&text).map_err(|why| CliError::usage(format!("{name}: {why}")).code(Code::NotJson))
}

/// The jobs of a message: one, or all of its batch, each without the batch. What is no good message stays as it is.
pub(super) fn each(message: Bytes) -> Vec<Bytes> {
    match contract::is_whole(&message).then(|| serde_json::from_slice::<Value>(&message)) {
        Some(Ok(Value::Object(mut fields))) => match fields.remove("jobs") {
            Some(Value::Array(jobs)) => jobs.iter().map(|job| Bytes::from(job.to_string())).collect(),
            _ => vec![message],
        },
        _ => vec![message],
    }
}

/// The jobs in a text, each as it was written.
fn split(text: &str) -> Result<Vec<Bytes>, String> {
    let mut jobs = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut from = 0;
    while let Some(value) = values.next() {
        let value = value.map(|_| text[from..values.byte_offset()].trim());
        from = values.byte_offset();
        let written = value.map_err(|error| format!("not valid JSON: {error}"))?;
        if written.starts_with('[') {
            let items: Vec<Value> = serde_json::from_str(written).map_err(|error| error.to_string())?;
            jobs.extend(items.iter().map(|item| Bytes::from(item.to_string())));
        } else {
            jobs.push(Bytes::copy_from_slice(written.as_bytes()));
        }
    }
    Ok(jobs)
}

/// Parses a job by the contract, as if it had come with its own routing key.
pub(super) fn parse(job: &[u8]) -> Result<Job, FaultList> {
    let key = routing_key(job);
    let envelope = Envelope { routing_key: &key, reserved: PREFIX, ..Envelope::default() };
    contract::parse(job, &envelope)
}

/// A text field of a job; `None` when it is missing or no text, or the job is no object.
pub(super) fn field(job: &[u8], name: &str) -> Option<String> {
    let value: Value = serde_json::from_slice(job).ok()?;
    value.get(name)?.as_str().map(ToOwned::to_owned)
}

/// The routing key of a job. A job without a usable kind gets a key under which the worker rejects it with all its faults.
pub(super) fn routing_key(job: &[u8]) -> String {
    let word = |kind: &String| !kind.is_empty() && kind.bytes().all(|b| b.is_ascii_lowercase() || b == b'-');
    let kind = field(job, "kind").filter(word);
    format!("job.{}", kind.as_deref().unwrap_or("unknown"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn jobs_stand_alone_after_each_other_or_in_an_array() {
        let one = [Bytes::from_static(b"{\"id\": 1, \"id\": 2}")];
        assert_eq!(split("{\"id\": 1, \"id\": 2}\n").unwrap(), one, "as it was written");
        assert_eq!(split("{\n\"a\":\n1}\n{\"b\":2}{}").unwrap(), ["{\n\"a\":\n1}", "{\"b\":2}", "{}"]);
        assert_eq!(split(" [{\"a\":1}, {}] ").unwrap(), ["{\"a\":1}", "{}"]);
        assert_eq!(split(" \n").unwrap(), Vec::<Bytes>::new());
        assert!(split("{}\n{\"a\"").unwrap_err().contains("line 2"));
    }

    #[test]
    fn a_message_with_all_jobs_of_a_batch_is_each_of_them() {
        let one = Bytes::from_static(b"{\"id\": 1e2}");
        assert_eq!(each(one.clone()), std::slice::from_ref(&one));
        let whole = Bytes::from_static(b"{\"batch\": {\"id\": \"b\"}, \"jobs\": [{\"id\": \"a\"}, {\"id\": \"b\"}]}");
        assert_eq!(each(whole), ["{\"id\":\"a\"}", "{\"id\":\"b\"}"]);
        let odd = Bytes::from_static(b"{\"jobs\": 7}");
        assert_eq!(each(odd.clone()), [odd]);
    }

    #[test]
    fn a_job_is_addressed_by_its_kind() {
        assert_eq!(routing_key(b"{\"kind\": \"payer-change\"}"), "job.payer-change");
        for bad in [&b"{}"[..], b"[]", b"{\"kind\": 1}", b"{\"kind\": \"a b\"}", b"{\"kind\": \"\"}"] {
            assert_eq!(routing_key(bad), "job.unknown");
        }
    }

    #[test]
    fn the_examples_are_jobs() {
        for text in [
            include_str!("../../examples/payer-change.json"),
            include_str!("../../examples/grant.json"),
            include_str!("../../examples/revoke.json"),
        ] {
            parse(&split(text).unwrap()[0]).unwrap();
        }
    }
}
