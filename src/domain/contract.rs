//! The job contract: a message becomes a job, or the list of everything that is wrong with it.
//!
//! Every fault says where (a JSON Pointer into the body, or `amqp:` and a property), what is wrong and what would be
//! right. Nothing here depends on time, policy or version, so the same message always gets the same answer.

mod fault;
mod fields;
pub mod moment;
mod reader;
mod schema;

use serde_json::{Map, Value};

use self::fault::Faults;
pub use self::fault::{Fault, FaultList, listed, summary};
use self::fields::sort;
pub use self::schema::{BEYOND, Beyond, schema, whole_schema};
use super::code::Code;
use super::ids::{BatchId, JobId};
use super::job::Job;
use super::strict_json;

/// The largest body of a job, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest body of a message that brings all jobs of a batch, in bytes: twice what a thousand of them need. Only the queue
/// of batches is read so far, and few of its messages at a time.
pub const MAX_BATCH_BODY: usize = 1024 * 1024;

/// What comes with a body and takes part in its meaning.
#[derive(Debug, Clone, Copy, Default)]
pub struct Envelope<'a> {
    /// The job's id if the body has none.
    pub message_id: Option<&'a str>,
    /// `job.<kind>`, or whatever brought it to the queue directly.
    pub routing_key: &'a str,
    /// Where the requester waits for the end.
    pub reply_to: Option<&'a str>,
    /// How the body is encoded, as its sender says.
    pub content_encoding: Option<&'a str>,
    /// The length of the whole body in bytes, if only its beginning is there.
    pub whole_length: Option<u64>,
    /// The names of properties that could not be read as they came.
    pub unreadable: &'a [String],
    /// Queues whose names begin with this and a dot belong to the worker: no answer may go there.
    pub reserved: &'a str,
}

/// Reads a message.
pub fn parse(body: &[u8], envelope: &Envelope<'_>) -> Result<Job, FaultList> {
    let mut faults = Faults::default();
    faults.envelope(envelope);
    let job = match read(body, envelope, MAX_BODY) {
        Ok(fields) => faults.job(&fields, envelope),
        Err(fault) => {
            faults.add(&fault.at, fault.code, fault.message);
            None
        }
    };
    match job {
        Some(job) if faults.list.is_empty() => Ok(job),
        _ => Err(faults.list),
    }
}

/// Whether a message brings the jobs of a batch, all together.
pub fn is_whole(body: &[u8]) -> bool {
    const JOBS: &[u8] = b"\"jobs\"";
    body.windows(JOBS.len()).any(|part| part == JOBS) && read_text(body).is_ok_and(|fields| fields.contains_key("jobs"))
}

/// Reads a message that brings the jobs of a batch: all of them, or everything that is wrong with it.
pub fn parse_whole(body: &[u8], envelope: &Envelope<'_>) -> Result<Vec<Job>, FaultList> {
    let mut faults = Faults::default();
    faults.envelope(envelope);
    let jobs = match read(body, envelope, MAX_BATCH_BODY) {
        Ok(fields) => faults.jobs(&fields, envelope),
        Err(fault) => {
            faults.add(&fault.at, fault.code, fault.message);
            None
        }
    };
    match jobs {
        Some(jobs) if faults.list.is_empty() => Ok(jobs),
        _ => Err(faults.list),
    }
}

/// The id that a bad message seems to have, so that its sender finds it again.
pub fn id_of(body: &[u8], envelope: &Envelope<'_>) -> Option<String> {
    let id = read(body, envelope, MAX_BODY).ok().and_then(|fields| Some(fields.get("id")?.as_str()?.to_owned()));
    let id = id.or_else(|| envelope.message_id.map(str::to_owned))?;
    JobId::parse(id).ok().map(String::from)
}

/// The batch that a bad message seems to be about, whether it brings all jobs of it or one.
pub fn batch_of(body: &[u8]) -> Option<BatchId> {
    BatchId::parse(read_text(body).ok()?.get("batch")?.get("id")?.as_str()?).ok()
}

fn read(body: &[u8], envelope: &Envelope<'_>, longest: usize) -> Result<Map<String, Value>, Fault> {
    let fault = |code, message: String| Fault { at: String::new(), code, message };
    let length = envelope.whole_length.unwrap_or(body.len() as u64);
    if length > longest as u64 {
        let message = format!(
            "the body has {length} bytes; a job has at most {MAX_BODY}, and all jobs of a batch, sent with the routing key batch, \
             at most {MAX_BATCH_BODY}"
        );
        return Err(fault(Code::JobTooLarge, message));
    }
    read_text(body).map_err(|plain| match envelope.content_encoding.filter(|encoding| !is_plain(encoding)) {
        Some(encoding) => Fault {
            at: "amqp:content_encoding".into(),
            code: Code::JobNotJson,
            message: format!("the encoding {encoding:?} is not taken: send the body as JSON in UTF-8, not compressed"),
        },
        None => plain,
    })
}

/// Whether a `content_encoding` says nothing against JSON. Some clients name the character set there.
fn is_plain(encoding: &str) -> bool {
    ["", "identity", "utf-8", "utf8"].iter().any(|plain| encoding.eq_ignore_ascii_case(plain))
}

fn read_text(body: &[u8]) -> Result<Map<String, Value>, Fault> {
    let fault = |code, message: String| Fault { at: String::new(), code, message };
    let text = std::str::from_utf8(body).map_err(|error| {
        fault(Code::JobNotJson, format!("the body is not UTF-8 from byte {} on", error.valid_up_to()))
    })?;
    // Programs of Windows put a byte order mark before the text. RFC 8259, section 8.1, lets a reader pass over it.
    match strict_json::parse(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(Value::Object(fields)) => Ok(fields),
        Ok(Value::Array(_)) => {
            let how = "several jobs are one object with `batch` and `jobs`";
            Err(fault(Code::JobNotJson, format!("a job is a JSON object, not an array; {how}")))
        }
        Ok(other) => Err(fault(Code::JobNotJson, format!("a job is a JSON object, not {}", sort(&other)))),
        Err(why) => Err(fault(Code::JobNotJson, format!("the body is not valid JSON: {why}"))),
    }
}
