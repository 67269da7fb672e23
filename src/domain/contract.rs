//! The job contract: a message becomes a job, or the list of everything that is wrong with it.
//!
//! Every fault says where (a JSON Pointer into the body, or `amqp:` and a property), what is wrong and what would be
//! right. Nothing here depends on time, policy or version, so the same message always gets the same answer.

pub mod moment;
mod schema;

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Serialize;
use serde_json::{Map, Value, json};

pub use self::schema::{BEYOND, Beyond, schema, whole_schema};
use super::batch::{BatchTerms, MAX_BATCH, OnFailure};
use super::code::Code;
use super::ids::{AccountUid, BadName, BatchId, CenId, InstanceId, JobId, Region};
use super::instance::{Cen, Instance, InstanceType};
use super::job::{Attachments, Job, Kind, Mode};
use super::nearest::did_you_mean;
use super::order_type::OrderType;
use super::reply_to::reply_to_fault;
use super::strict_json::{self, shown};

/// The largest body of a job, in bytes.
pub const MAX_BODY: usize = 64 * 1024;
/// The largest body of a message that brings all jobs of a batch, in bytes: twice what a thousand of them need. Only the queue
/// of batches is read so far, and few of its messages at a time.
pub const MAX_BATCH_BODY: usize = 1024 * 1024;
/// The most faults that are listed of one message.
const MAX_FAULTS: usize = 50;
/// All of them together, in bytes of JSON. A rejection is stored with its faults and an event that has them too, and a client that
/// may publish can have messages rejected without end. They are also a header of the copy of the message, and all headers of a
/// message have to fit into one frame of AMQP.
const MAX_FAULTS_BYTES: usize = 6 << 10;
/// The longest text of all faults together, in bytes.
const MAX_SUMMARY: usize = 1 << 10;
/// The longest text of one, in characters.
const MAX_TEXT: usize = 300;
const MAX_LABELS: usize = 16;
const MAX_LABEL_KEY: usize = 64;
const MAX_LABEL_VALUE: usize = 256;

const FIELDS: [&str; 11] =
    ["id", "kind", "instance", "cen", "order_type", "options", "not_before", "not_after", "mode", "batch", "labels"];

/// One thing that is wrong with a message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Fault {
    /// A JSON Pointer, or `amqp:` and the name of a property.
    pub at: String,
    /// What sort of thing is wrong.
    pub code: Code,
    /// What is wrong, and what would be right.
    pub message: String,
}

impl fmt::Display for Fault {
    /// Where and what; the pointer to the whole body is empty, and is not shown.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { at, message, .. } = self;
        if at.is_empty() { f.write_str(message) } else { write!(f, "{at}: {message}") }
    }
}

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
pub fn parse(body: &[u8], envelope: &Envelope<'_>) -> Result<Job, Vec<Fault>> {
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
pub fn parse_whole(body: &[u8], envelope: &Envelope<'_>) -> Result<Vec<Job>, Vec<Fault>> {
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
        Ok(other) => Err(fault(Code::JobNotJson, format!("a job is a JSON object, not {}", sort(&other)))),
        Err(why) => Err(fault(Code::JobNotJson, format!("the body is not valid JSON: {why}"))),
    }
}

#[derive(Default)]
struct Faults {
    list: Vec<Fault>,
    bytes: usize,
    /// The place in the message of the job that is read.
    within: String,
}

impl Faults {
    fn add(&mut self, at: &str, code: Code, message: impl Into<String>) {
        let within = if at.starts_with("amqp:") { "" } else { &self.within };
        let fault = Fault { at: format!("{within}{at}"), code, message: cut(message.into()) };
        let bytes = self.bytes + json!(fault).to_string().len();
        if self.list.is_empty() || (self.list.len() < MAX_FAULTS && bytes <= MAX_FAULTS_BYTES) {
            self.list.push(fault);
            self.bytes = bytes;
        }
    }

    fn envelope(&mut self, envelope: &Envelope<'_>) {
        if let Some(why) = envelope.reply_to.and_then(|queue| reply_to_fault(queue, envelope.reserved)) {
            self.add("amqp:reply_to", Code::JobBadReplyTo, why);
        }
        // Headers that cannot be read are left out: a job needs none.
        for name in envelope.unreadable.iter().filter(|name| *name != "headers") {
            let what = if name == "properties" { "they end where they should not" } else { "it is not UTF-8" };
            self.add(&format!("amqp:{name}"), Code::JobUnreadable, format!("{what}; send text in UTF-8"));
        }
    }

    fn jobs(&mut self, fields: &Map<String, Value>, envelope: &Envelope<'_>) -> Option<Vec<Job>> {
        self.unknown("", fields, &["batch", "jobs"]);
        let Some(Value::Array(jobs)) = fields.get("jobs") else {
            self.add("/jobs", Code::JobWrongType, "jobs is a list of jobs");
            return None;
        };
        let size = u32::try_from(jobs.len()).ok().filter(|size| (1..=MAX_BATCH).contains(size));
        if size.is_none() {
            self.add("/jobs", Code::JobBadValue, format!("a batch has 1 to {MAX_BATCH} jobs, not {}", jobs.len()));
        }
        let terms = self.object(fields, "batch").and_then(|fields| {
            self.unknown("/batch", fields, &["id", "on_failure", "not_after"]);
            self.terms(fields, size)
        });
        let alone = Envelope { message_id: None, routing_key: "", ..*envelope };
        let (mut read, mut places) = (Vec::with_capacity(jobs.len()), BTreeMap::new());
        for (place, job) in jobs.iter().enumerate() {
            self.within = format!("/jobs/{place}");
            let Value::Object(fields) = job else {
                self.add("", Code::JobWrongType, format!("a job is an object, not {}", sort(job)));
                continue;
            };
            if fields.contains_key("batch") {
                self.add("/batch", Code::JobUnknownField, "the message says the batch of all its jobs, once");
            }
            let Some(job) = self.job(fields, &alone) else { continue };
            if let Some(first) = places.insert(job.id.clone(), place) {
                self.add("/id", Code::JobIdReused, format!("the job at /jobs/{first} has this id too"));
            }
            read.push(Job { batch: terms.clone(), ..job });
        }
        self.within.clear();
        terms.map(|_| read)
    }

    fn job(&mut self, fields: &Map<String, Value>, envelope: &Envelope<'_>) -> Option<Job> {
        self.unknown("", fields, &FIELDS);
        let id = self.id(fields, envelope);
        let kind = self.word(fields, "", "kind", Kind::ALL.map(Kind::as_str), Kind::parse, true);
        let instance = self.instance(fields);
        let cen = self.cen(fields);
        let asked = self.word(fields, "", "order_type", OrderType::ALL.map(OrderType::as_str), OrderType::parse, false);
        let mode = self.word(fields, "", "mode", Mode::ALL.map(Mode::as_str), Mode::parse, false);
        let not_before = self.time(fields, "", "not_before");
        let not_after = self.time(fields, "", "not_after");
        if not_before.zip(not_after).is_some_and(|(from, to)| from > to) {
            self.add(
                "/not_after",
                Code::JobNeverBegins,
                "not_after is before not_before, so the job could never begin",
            );
        }
        let batch = self.batch(fields);
        let labels = self.labels(fields);
        let attachments = self.options(fields, kind);
        let has_order_type = fields.contains_key("order_type");
        let type_asked =
            fields.get("instance").and_then(|i| i.get("type")).and_then(Value::as_str).and_then(InstanceType::parse);
        self.payer(kind, type_asked, has_order_type);
        if let Some(kind) = kind {
            self.routing_key(kind, envelope.routing_key);
        }
        let (kind, instance) = (kind?, instance?);
        let order_type = match (kind, instance.kind) {
            (Kind::Revoke, _) | (Kind::Grant, InstanceType::CCN) => None,
            (Kind::Grant, _) => Some(asked.unwrap_or(OrderType::PayByCenOwner)),
            (Kind::PayerChange, _) => Some(asked?),
        };
        Some(Job {
            id: id?,
            kind,
            instance,
            cen: cen?,
            order_type,
            attachments,
            not_before,
            not_after,
            mode: mode.unwrap_or_default(),
            batch,
            labels,
        })
    }

    fn id(&mut self, fields: &Map<String, Value>, envelope: &Envelope<'_>) -> Option<JobId> {
        let checked = |id: &str| JobId::parse(id).map_err(|BadName(why)| why);
        match (fields.get("id"), envelope.message_id) {
            (Some(Value::String(id)), _) => checked(id).map_err(|why| self.add("/id", Code::JobBadValue, why)).ok(),
            (Some(other), _) => {
                self.add("/id", Code::JobWrongType, format!("the id is a string, not {}", sort(other)));
                None
            }
            (None, Some(id)) => checked(id).map_err(|why| self.add("amqp:message_id", Code::JobBadValue, why)).ok(),
            (None, None) => {
                self.add("/id", Code::JobMissingField, "a job needs an id: here, or as the message_id of the message");
                None
            }
        }
    }

    fn instance(&mut self, fields: &Map<String, Value>) -> Option<Instance> {
        let fields = self.object(fields, "instance")?;
        let at = "/instance";
        self.unknown(at, fields, &["type", "id", "region", "owner"]);
        let kind =
            self.word(fields, at, "type", InstanceType::ALL.map(InstanceType::as_str), InstanceType::parse, true);
        let id = self.name(fields, at, "id", InstanceId::parse);
        let region = self.name(fields, at, "region", Region::parse);
        let owner = self.owner(fields, at);
        if let (Some(kind), Some(id)) = (kind, &id)
            && !id.as_str().starts_with(kind.prefix())
        {
            let message = format!("{id} is not the id of a {kind}; those begin with {:?}", kind.prefix());
            self.add("/instance/id", Code::JobTypeMismatch, message);
            return None;
        }
        Some(Instance { kind: kind?, id: id?, region: region?, owner: owner? })
    }

    fn cen(&mut self, fields: &Map<String, Value>) -> Option<Cen> {
        let fields = self.object(fields, "cen")?;
        self.unknown("/cen", fields, &["id", "owner"]);
        let id = self.name(fields, "/cen", "id", CenId::parse);
        let owner = self.owner(fields, "/cen");
        Some(Cen { id: id?, owner: owner? })
    }

    fn batch(&mut self, fields: &Map<String, Value>) -> Option<BatchTerms> {
        fields.get("batch")?;
        let fields = self.object(fields, "batch")?;
        self.unknown("/batch", fields, &["id", "size", "on_failure", "not_after"]);
        let size = self.batch_size(fields);
        self.terms(fields, size)
    }

    /// The terms of a batch of `size`.
    fn terms(&mut self, fields: &Map<String, Value>, size: Option<u32>) -> Option<BatchTerms> {
        let at = "/batch";
        let id = self.name(fields, at, "id", BatchId::parse);
        let words = OnFailure::ALL.map(OnFailure::as_str);
        let on_failure = self.word(fields, at, "on_failure", words, OnFailure::parse, false).unwrap_or_default();
        let not_after = self.time(fields, at, "not_after");
        Some(BatchTerms { id: id?, size: size?, on_failure, not_after })
    }

    fn batch_size(&mut self, fields: &Map<String, Value>) -> Option<u32> {
        let at = "/batch/size";
        let Some(given) = fields.get("size") else {
            self.add(at, Code::JobMissingField, "size is missing: how many jobs the batch has");
            return None;
        };
        let size =
            given.as_u64().and_then(|size| u32::try_from(size).ok()).filter(|size| (1..=MAX_BATCH).contains(size));
        match (given, size) {
            (Value::Number(_), None) => {
                self.add(at, Code::JobBadValue, format!("a batch has 1 to {MAX_BATCH} jobs, as a whole number"));
            }
            (other, None) => {
                self.add(at, Code::JobWrongType, format!("size is a whole number, not {}", sort(other)));
            }
            (_, Some(_)) => {}
        }
        size
    }

    fn payer(&mut self, kind: Option<Kind>, of: Option<InstanceType>, given: bool) {
        match (kind, of, given) {
            (Some(Kind::Revoke), _, true) => self.add("/order_type", Code::JobNoPayer, "a revoke has no order_type"),
            (Some(Kind::Grant), Some(InstanceType::CCN), true) => {
                self.add("/order_type", Code::JobNoPayer, "the grant of a CCN has no payer; leave order_type away");
            }
            (Some(Kind::PayerChange), Some(InstanceType::CCN), _) => {
                self.add("/kind", Code::JobNoPayer, "a CCN has no payer that could be changed");
            }
            (Some(Kind::PayerChange), _, false) => {
                self.add(
                    "/order_type",
                    Code::JobPayerMissing,
                    "a payer-change needs an order_type: PayByCenOwner or PayByResourceOwner",
                );
            }
            _ => {}
        }
    }

    fn options(&mut self, fields: &Map<String, Value>, kind: Option<Kind>) -> Attachments {
        if !fields.contains_key("options") {
            return Attachments::default();
        }
        let Some(options) = self.object(fields, "options") else { return Attachments::default() };
        let known: &[&str] = if kind == Some(Kind::Revoke) { &["attachments"] } else { &[] };
        self.unknown("/options", options, known);
        if known.is_empty() {
            return Attachments::default();
        }
        let words = Attachments::ALL.map(Attachments::as_str);
        self.word(options, "/options", "attachments", words, Attachments::parse, false).unwrap_or_default()
    }

    fn labels(&mut self, fields: &Map<String, Value>) -> BTreeMap<String, String> {
        let mut labels = BTreeMap::new();
        if !fields.contains_key("labels") {
            return labels;
        }
        let Some(given) = self.object(fields, "labels") else { return labels };
        if given.len() > MAX_LABELS {
            self.add(
                "/labels",
                Code::JobBadLabel,
                format!("there are {} labels; a job has at most {MAX_LABELS}", given.len()),
            );
        }
        for (key, value) in given {
            let at = format!("/labels/{}", escape(key));
            if key.is_empty() || key.len() > MAX_LABEL_KEY {
                self.add(&at, Code::JobBadLabel, format!("the key of a label has 1 to {MAX_LABEL_KEY} bytes"));
            }
            let is_controlled = |text: &str| text.contains(char::is_control);
            if is_controlled(key) || value.as_str().is_some_and(is_controlled) {
                self.add(
                    &at,
                    Code::JobBadLabel,
                    "the key and the value of a label have no control characters".to_owned(),
                );
            }
            match value {
                Value::String(text) if text.len() <= MAX_LABEL_VALUE => {
                    labels.insert(key.clone(), text.clone());
                }
                Value::String(_) => self.add(
                    &at,
                    Code::JobBadLabel,
                    format!("the value of a label has at most {MAX_LABEL_VALUE} bytes"),
                ),
                other => {
                    self.add(&at, Code::JobWrongType, format!("the value of a label is a string, not {}", sort(other)))
                }
            }
        }
        labels
    }

    fn routing_key(&mut self, kind: Kind, routing_key: &str) {
        let Some(said) = routing_key.strip_prefix("job.") else { return };
        if said != kind.as_str() {
            let said = shown(said);
            let message = format!("the routing key says {said:?} and the body says {:?}", kind.as_str());
            self.add("amqp:routing_key", Code::JobRoutingKey, message);
        }
    }

    fn object<'a>(&mut self, fields: &'a Map<String, Value>, name: &str) -> Option<&'a Map<String, Value>> {
        let at = format!("/{name}");
        match fields.get(name) {
            Some(Value::Object(object)) => Some(object),
            Some(other) => {
                self.add(&at, Code::JobWrongType, format!("{name} is an object, not {}", sort(other)));
                None
            }
            None => {
                self.add(&at, Code::JobMissingField, format!("a job needs {name}"));
                None
            }
        }
    }

    fn string<'a>(&mut self, fields: &'a Map<String, Value>, at: &str, name: &str, needed: bool) -> Option<&'a str> {
        let at = format!("{at}/{name}");
        match fields.get(name) {
            Some(Value::String(text)) => Some(text),
            Some(other) => {
                self.add(&at, Code::JobWrongType, format!("{name} is a string, not {}", sort(other)));
                None
            }
            None => {
                if needed {
                    self.add(&at, Code::JobMissingField, format!("{name} is missing"));
                }
                None
            }
        }
    }

    fn word<T>(
        &mut self,
        fields: &Map<String, Value>,
        at: &str,
        name: &str,
        words: impl IntoIterator<Item = &'static str>,
        parse: impl Fn(&str) -> Option<T>,
        needed: bool,
    ) -> Option<T> {
        let text = self.string(fields, at, name, needed)?;
        let word = parse(text);
        if word.is_none() {
            let words: Vec<&str> = words.into_iter().collect();
            let near = did_you_mean(text, words.iter().copied(), "\"");
            let message = format!("{:?} is none of {}{near}", shown(text), words.join(", "));
            self.add(&format!("{at}/{name}"), Code::JobUnknownWord, message);
        }
        word
    }

    fn name<T>(
        &mut self,
        fields: &Map<String, Value>,
        at: &str,
        name: &str,
        parse: impl Fn(String) -> Result<T, BadName>,
    ) -> Option<T> {
        let text = self.string(fields, at, name, true)?;
        parse(text.to_owned()).map_err(|BadName(why)| self.add(&format!("{at}/{name}"), Code::JobBadValue, why)).ok()
    }

    fn owner(&mut self, fields: &Map<String, Value>, at: &str) -> Option<AccountUid> {
        let text = match fields.get("owner") {
            // An integer that was read exactly; one written as a decimal fraction may have lost digits on its way.
            Some(Value::Number(number)) if number.is_u64() => number.to_string(),
            Some(Value::String(text)) => text.clone(),
            Some(other) => {
                self.add(
                    &format!("{at}/owner"),
                    Code::JobWrongType,
                    format!("an owner is an account uid, not {}", sort(other)),
                );
                return None;
            }
            None => {
                self.add(&format!("{at}/owner"), Code::JobMissingField, "owner is missing");
                return None;
            }
        };
        AccountUid::parse(text).map_err(|BadName(why)| self.add(&format!("{at}/owner"), Code::JobBadValue, why)).ok()
    }

    fn time(&mut self, fields: &Map<String, Value>, at: &str, name: &str) -> Option<Timestamp> {
        let text = self.string(fields, at, name, false)?;
        let time = moment::parse(text);
        if time.is_none() {
            let text = shown(text);
            let message = format!("{text:?} is not an RFC 3339 time such as \"2026-11-21T09:00:00Z\"");
            self.add(&format!("{at}/{name}"), Code::JobBadValue, message);
        }
        time
    }

    fn unknown(&mut self, at: &str, fields: &Map<String, Value>, known: &[&str]) {
        for name in fields.keys().filter(|name| !known.contains(&name.as_str())) {
            let near = did_you_mean(name, known.iter().copied(), "\"");
            let message = format!("there is no field {:?} here{near}", shown(name));
            self.add(&format!("{at}/{}", escape(name)), Code::JobUnknownField, message);
        }
    }
}

/// As many of the faults as a rejection lists.
pub fn listed(faults: impl IntoIterator<Item = Fault>) -> Vec<Fault> {
    let mut listed = Faults::default();
    for Fault { at, code, message } in faults {
        listed.add(&at, code, message);
    }
    listed.list
}

/// The faults as one text, for people: as many as fit into 1 KiB, and how many more there are.
pub fn summary(faults: &[Fault]) -> String {
    let mut text = String::new();
    for (place, fault) in faults.iter().enumerate() {
        let next = format!("{}{fault}", if place == 0 { "" } else { "; " });
        if place > 0 && text.len() + next.len() > MAX_SUMMARY {
            return format!("{text}; and {} more", faults.len() - place);
        }
        text.push_str(&next);
    }
    text
}

/// A text cut to the length of a fault.
fn cut(text: String) -> String {
    match text.char_indices().nth(MAX_TEXT) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

/// A name as a part of a JSON Pointer (RFC 6901 section 3).
fn escape(name: &str) -> String {
    shown(name).replace('~', "~0").replace('/', "~1")
}

fn sort(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) => "a number",
        Value::String(_) => "a string",
        Value::Array(_) => "an array",
        Value::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_rejection_stores_is_bounded() {
        let name = |n: usize| format!("{n:02}{}", "x".repeat(62));
        let fields: Map<String, Value> = (0..50).map(|n| (name(n), json!(1))).collect();
        let faults = parse(Value::Object(fields).to_string().as_bytes(), &Envelope::default()).unwrap_err();
        let bytes = json!(faults).to_string().len();
        assert!(bytes < MAX_FAULTS_BYTES + 200, "{bytes}");
        let text = summary(&faults);
        assert!(text.len() < MAX_SUMMARY + 20 && text.ends_with(" more"), "{} {text}", text.len());
        let listed = text.matches("there is no field").count();
        assert!(text.ends_with(&format!("; and {} more", faults.len() - listed)) && listed > 5, "{text}");
    }

    #[test]
    fn a_few_faults_are_all_in_the_text() {
        let fault = |at: &str| Fault { at: at.into(), code: Code::JobMissingField, message: "is missing".into() };
        assert_eq!(summary(&[fault("/id")]), "/id: is missing");
        assert_eq!(summary(&[fault("/id"), fault("/cen")]), "/id: is missing; /cen: is missing");
        assert_eq!(summary(&[fault("")]), "is missing", "of the whole body");
        assert_eq!(summary(&[]), "");
    }
}
