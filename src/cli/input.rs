//! Jobs as people hand them in: one JSON object, several after each other, or an array. Each is passed on as it was
//! written, so that what is wrong with it is found where every job is checked.

use std::io::Read;
use std::path::Path;

use bytes::Bytes;
use serde::de::IgnoredAny;
use serde_json::Value;

use super::exit::Failure;
use crate::domain::Code;

/// Reads the jobs of a file, or of standard input for `-`.
pub(super) fn jobs(file: &Path) -> Result<Vec<Bytes>, Failure> {
    let name = if file == Path::new("-") { "standard input".to_owned() } else { file.display().to_string() };
    let text = if file == Path::new("-") {
        let mut text = String::new();
        std::io::stdin().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    let text =
        text.map_err(|error| Failure::usage(format!("cannot read {name}: {error}")).code(Code::FileUnreadable))?;
    split(&text).map_err(|why| Failure::usage(format!("{name}: {why}")).code(Code::NotJson))
}

/// The values of a text, each as it was written; those of an array one by one.
fn split(text: &str) -> Result<Vec<Bytes>, String> {
    let mut jobs = Vec::new();
    let mut values = serde_json::Deserializer::from_str(text).into_iter::<IgnoredAny>();
    let mut from = 0;
    while let Some(value) = values.next() {
        let value = value.map(|_| text[from..values.byte_offset()].trim());
        from = values.byte_offset();
        let written = value.map_err(|error| format!("this is not JSON: {error}"))?;
        if written.starts_with('[') {
            let items: Vec<Value> = serde_json::from_str(written).map_err(|error| error.to_string())?;
            jobs.extend(items.iter().map(|item| Bytes::from(item.to_string())));
        } else {
            jobs.push(Bytes::copy_from_slice(written.as_bytes()));
        }
    }
    Ok(jobs)
}

/// A text of the job that its message is addressed with; `None` when it has none, or is no object.
pub(super) fn field(job: &[u8], name: &str) -> Option<String> {
    let value: Value = serde_json::from_slice(job).ok()?;
    value.get(name)?.as_str().map(ToOwned::to_owned)
}

/// The routing key of a job. One without a usable kind goes where it will be rejected with everything that is wrong.
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
            let jobs = split(text).unwrap();
            let key = routing_key(&jobs[0]);
            let envelope = crate::domain::contract::Envelope {
                message_id: None,
                routing_key: &key,
                reply_to: None,
                reserved: "crossgrant",
            };
            crate::domain::contract::parse(&jobs[0], &envelope).unwrap();
        }
    }
}
