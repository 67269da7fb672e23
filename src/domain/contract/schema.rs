//! The job contract as a JSON Schema (2020-12), made of what the reader of messages uses: its names, words and limits.
//!
//! What the schema refuses the reader refuses. The other way round there are rules that a schema cannot say: [`BEYOND`].

use serde_json::{Map, Value, json};

use super::moment;
use super::reader::{FIELDS, MAX_LABEL_KEY, MAX_LABEL_VALUE, MAX_LABELS};
use crate::domain::batch::{MAX_BATCH, OnFailure};
use crate::domain::code::Code;
use crate::domain::ids::{AccountUid, BatchId, CenId, InstanceId, JobId, Region};
use crate::domain::instance::InstanceType;
use crate::domain::job::{Attachments, Kind, Mode};
use crate::domain::order_type::OrderType;

/// A rule that no schema says: a message that breaks it is rejected although its body fits the schema.
#[derive(Debug, Clone, Copy)]
pub struct Beyond {
    /// The code of the fault.
    pub code: Code,
    /// Where the fault is: a JSON Pointer, or `amqp:` and a property. The empty pointer is the whole body, and no other one is
    /// meant by it.
    pub at: &'static str,
    /// The rule.
    pub rule: &'static str,
}

/// Text without control characters.
const PLAIN: &str = "^[^\\x00-\\x1f\\x7f-\\x9f]*$";

/// Every rule that the schema does not say.
pub const BEYOND: [Beyond; 23] = {
    const fn beyond(code: Code, at: &'static str, rule: &'static str) -> Beyond {
        Beyond { code, at, rule }
    }
    [
        beyond(Code::JobTooLarge, "", "The body has at most 64 KiB, and one with all jobs of a batch 1 MiB."),
        beyond(Code::JobNotJson, "", "The body is JSON in UTF-8, and no object in it has a key twice."),
        beyond(Code::JobNotJson, "amqp:content_encoding", "The body is not compressed."),
        beyond(Code::JobMissingField, "/id", "Without an id, the message has a message_id."),
        beyond(Code::JobBadValue, "amqp:message_id", "A message_id that stands for the id has the shape of one."),
        beyond(
            Code::JobWrongType,
            "/instance/owner",
            "An owner that is a number is written without fraction and exponent: some writers lose its last digits.",
        ),
        beyond(Code::JobWrongType, "/cen/owner", "The same."),
        beyond(
            Code::JobBadValue,
            "/not_before",
            "Its month has the day; a validator that checks `format` sees that too.",
        ),
        beyond(Code::JobBadValue, "/not_after", "The same."),
        beyond(Code::JobBadValue, "/batch/size", "It is written without fraction and exponent."),
        beyond(Code::JobBadValue, "/batch/not_after", "Its month has the day."),
        beyond(Code::JobNeverBegins, "/not_after", "It is not before `not_before`."),
        beyond(
            Code::JobBadLabel,
            "/labels",
            "The limits of keys and values are bytes in UTF-8; the schema counts characters.",
        ),
        beyond(Code::JobBatchDiffers, "/batch", "All jobs of a batch say the same in it."),
        beyond(Code::JobBatchFull, "/batch/id", "The batch has fewer jobs than its size says."),
        beyond(Code::JobBatchClosed, "/batch/id", "The batch has not ended, and its `not_after` has not passed."),
        beyond(Code::JobRoutingKey, "amqp:routing_key", "A routing key that begins with `job.` goes on with the kind."),
        beyond(
            Code::JobBadReplyTo,
            "amqp:reply_to",
            "It is the name of a queue, and of none of the worker's own, or the URL of a webhook, which begins with https://.",
        ),
        beyond(
            Code::JobReplyToNotAllowed,
            "amqp:reply_to",
            "The policy lets the requester have its answers sent there.",
        ),
        beyond(Code::JobUnreadable, "amqp:", "Properties of the message are text in UTF-8."),
        beyond(Code::JobBadUser, "amqp:user_id", "It is printable ASCII, and does not begin with `http:`."),
        beyond(Code::JobBadSignature, "amqp:headers/x-crossgrant-signature", "It is the requester's, and not too old."),
        beyond(Code::JobIdReused, "/id", "The requester has not used it for another request."),
    ]
};

impl Beyond {
    /// Whether a fault with this code at this place is one of the rule.
    pub fn covers(&self, code: Code, at: &str) -> bool {
        let place = at == self.at
            || at.strip_prefix(self.at).is_some_and(|rest| rest.starts_with('/') || self.at.ends_with(':'));
        self.code == code && if self.at.is_empty() { at.is_empty() } else { place }
    }
}

/// The body of a job.
pub fn schema() -> Value {
    let all: Vec<Value> = InstanceType::ALL.into_iter().map(id_of).chain(of_kinds()).collect();
    let fields: Map<String, Value> = FIELDS.into_iter().map(|name| (name.to_owned(), field(name))).collect();
    let beyond = BEYOND.map(|Beyond { code, at, rule }| json!({"code": code, "at": at, "rule": rule}));
    json!({
        "title": "Job",
        "description": "The body of a job: what is asked for. Unknown fields are refused. The message says who asks and where the \
                        answer goes; see `asyncapi`.",
        "type": "object",
        "required": ["kind", "instance", "cen"],
        "additionalProperties": false,
        "properties": fields,
        "allOf": all,
        "x-crossgrant-beyond": beyond,
    })
}

/// The body of a message that brings the jobs of a batch.
pub fn whole_schema() -> Value {
    let mut job = schema();
    job["properties"].as_object_mut().expect("a job has fields").remove("batch");
    job["required"].as_array_mut().expect("a job has required fields").push("id".into());
    job["description"] = "A job, as in the schema `job`: with an id of its own, and without `batch`.".into();
    json!({
        "title": "Batch",
        "description": "The body of a message that brings all jobs of a batch: they are accepted, or rejected, together. No two of them \
                        have the same id, and the message has at most 1 MiB.",
        "type": "object",
        "required": ["batch", "jobs"],
        "additionalProperties": false,
        "properties": {
            "batch": batch(&["id", "on_failure", "not_after"]),
            "jobs": {"description": "The jobs.", "type": "array", "minItems": 1, "maxItems": MAX_BATCH, "items": job},
        },
    })
}

/// What is said of a batch, in these fields.
fn batch(names: &[&str]) -> Value {
    let field = |name: &str| match name {
        "id" => {
            text(BatchId::PATTERN, BatchId::LONGEST, "Your name of the batch. Each requester has names of its own.")
        }
        "size" => json!({
            "description": "How many jobs the batch has.",
            "type": "integer",
            "minimum": 1,
            "maximum": MAX_BATCH,
        }),
        "on_failure" => words(
            OnFailure::ALL.map(OnFailure::as_str),
            "What becomes of the others once a job has ended without its result: they go on (default), or those that have not begun \
             to write are cancelled.",
        ),
        "not_after" => time("Jobs that come later are rejected. Without it, the batch takes jobs for a day."),
        other => unreachable!("a field without a schema: {other}"),
    };
    let fields: Map<String, Value> = names.iter().map(|name| ((*name).to_owned(), field(name))).collect();
    let required: Vec<&&str> = names.iter().filter(|name| ["id", "size"].contains(*name)).collect();
    json!({
        "description": "The batch that the job belongs to. All jobs of a batch say the same.",
        "type": "object",
        "required": required,
        "additionalProperties": false,
        "properties": fields,
    })
}

fn field(name: &str) -> Value {
    match name {
        "id" => text(
            JobId::PATTERN,
            JobId::LONGEST,
            "Your idempotency key. Each requester has keys of its own. Without it, the AMQP `message_id` is the key.",
        ),
        "kind" => words(Kind::ALL.map(Kind::as_str), "What is asked for."),
        "instance" => json!({
            "description": "The network instance.",
            "type": "object",
            "required": ["type", "id", "region", "owner"],
            "additionalProperties": false,
            "properties": {
                "type": words(InstanceType::ALL.map(InstanceType::as_str), "Its type."),
                "id": text(InstanceId::PATTERN, InstanceId::LONGEST, "Its id. It begins as ids of its type do."),
                "region": text(Region::PATTERN, Region::LONGEST, "The region it lies in."),
                "owner": owner("The account that owns it: the resource account."),
            },
        }),
        "cen" => json!({
            "description": "The CEN that it is granted to.",
            "type": "object",
            "required": ["id", "owner"],
            "additionalProperties": false,
            "properties": {
                "id": text(CenId::PATTERN, CenId::LONGEST, "Its id."),
                "owner": owner("The account that owns it: the transit-router account."),
            },
        }),
        "order_type" => words(
            OrderType::ALL.map(OrderType::as_str),
            "Who pays. A payer-change needs it; a grant uses PayByCenOwner without it; a revoke and the grant of a CCN have none.",
        ),
        "options" => json!({
            "description": "For a revoke only.",
            "type": "object",
            "additionalProperties": false,
            "properties": {
                "attachments": words(
                    Attachments::ALL.map(Attachments::as_str),
                    "What a revoke does about attachments that are still there: `refuse` (default) or `delete`, which cuts traffic.",
                ),
            },
        }),
        "not_before" => time("The job does not begin before it."),
        "not_after" => time("If nothing was written by then, the job fails as `expired`."),
        "mode" => {
            words(Mode::ALL.map(Mode::as_str), "`plan` only reads, and answers with the calls that would follow.")
        }
        "batch" => batch(&["id", "size", "on_failure", "not_after"]),
        "labels" => json!({
            "description": "Notes of yours, repeated in every event.",
            "type": "object",
            "maxProperties": MAX_LABELS,
            "propertyNames": {"minLength": 1, "maxLength": MAX_LABEL_KEY, "pattern": PLAIN},
            "additionalProperties": {"type": "string", "maxLength": MAX_LABEL_VALUE, "pattern": PLAIN},
        }),
        other => unreachable!("a field without a schema: {other}"),
    }
}

fn text(pattern: &str, longest: usize, says: &str) -> Value {
    json!({"description": says, "type": "string", "pattern": pattern, "maxLength": longest})
}

fn words<const N: usize>(words: [&'static str; N], says: &str) -> Value {
    json!({"description": says, "type": "string", "enum": words.as_slice()})
}

fn time(says: &str) -> Value {
    json!({"description": says, "type": "string", "format": "date-time", "pattern": moment::PATTERN})
}

/// An account, as a string or as a whole number.
fn owner(says: &str) -> Value {
    json!({
        "description": says,
        "type": ["string", "integer"],
        "pattern": AccountUid::PATTERN,
        "maxLength": AccountUid::LONGEST,
        "minimum": 1,
        "maximum": u64::MAX,
    })
}

/// The id of an instance of a type begins as such ids do.
fn id_of(of: InstanceType) -> Value {
    json!({
        "if": has("instance", "type", of.as_str()),
        "then": {"properties": {"instance": {"properties": {"id": {"pattern": format!("^{}", of.prefix())}}}}},
    })
}

/// What goes together with a kind, and with a CCN, which has no payer.
fn of_kinds() -> [Value; 4] {
    let kind = |kind: Kind| json!({"properties": {"kind": {"const": kind.as_str()}}, "required": ["kind"]});
    let ccn = has("instance", "type", InstanceType::CCN.as_str());
    let no_payer = json!({"properties": {"order_type": false}});
    [
        json!({"if": kind(Kind::Revoke), "then": no_payer, "else": {"properties": {"options": {"maxProperties": 0}}}}),
        json!({"if": {"allOf": [kind(Kind::Grant), ccn]}, "then": no_payer}),
        json!({"if": kind(Kind::PayerChange), "then": {"required": ["order_type"]}}),
        json!({"not": {"allOf": [kind(Kind::PayerChange), ccn]}}),
    ]
}

fn has(object: &str, name: &str, word: &str) -> Value {
    json!({
        "properties": {object: {"properties": {name: {"const": word}}, "required": [name]}},
        "required": [object],
    })
}
