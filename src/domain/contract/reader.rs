//! Reads the fields of a job and of a whole batch.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use super::super::batch::{BatchTerms, MAX_BATCH, OnFailure};
use super::super::code::Code;
use super::super::ids::{BadName, BatchId, CenId, InstanceId, JobId, Region};
use super::super::instance::{Cen, Instance, InstanceType};
use super::super::job::{Attachments, Job, Kind, Mode};
use super::super::order_type::OrderType;
use super::super::reply_to::reply_to_fault;
use super::super::strict_json::shown;
use super::Envelope;
use super::fault::Faults;
use super::fields::{escape, sort};

pub(super) const MAX_LABELS: usize = 16;
pub(super) const MAX_LABEL_KEY: usize = 64;
pub(super) const MAX_LABEL_VALUE: usize = 256;

pub(super) const FIELDS: [&str; 11] =
    ["id", "kind", "instance", "cen", "order_type", "options", "not_before", "not_after", "mode", "batch", "labels"];

impl Faults {
    pub(super) fn envelope(&mut self, envelope: &Envelope<'_>) {
        if let Some(why) = envelope.reply_to.and_then(|queue| reply_to_fault(queue, envelope.reserved)) {
            self.add("amqp:reply_to", Code::JobBadReplyTo, why);
        }
        // Headers that cannot be read are left out: a job needs none.
        for name in envelope.unreadable.iter().filter(|name| *name != "headers") {
            let what = if name == "properties" { "they end where they should not" } else { "it is not UTF-8" };
            self.add(&format!("amqp:{name}"), Code::JobUnreadable, format!("{what}; send text in UTF-8"));
        }
    }

    pub(super) fn jobs(&mut self, fields: &Map<String, Value>, envelope: &Envelope<'_>) -> Option<Vec<Job>> {
        self.unknown("", fields, &["batch", "jobs"]);
        if let Some(said) = envelope.routing_key.strip_prefix("job.") {
            let said = shown(said);
            let message = format!(
                "the routing key says {said:?} and the body brings all jobs of a batch: publish it with the key batch"
            );
            self.add("amqp:routing_key", Code::JobRoutingKey, message);
        }
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

    pub(super) fn job(&mut self, fields: &Map<String, Value>, envelope: &Envelope<'_>) -> Option<Job> {
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
}
