//! What a request at the door asks for, and whether the store has it: as this request, as another one under the same id, or not.

use std::collections::BTreeMap;

use crate::domain::contract::{self, Envelope, Fault, FaultList};
use crate::domain::{BatchTerms, Code, Job, JobId, JobUid, Requester};
use crate::engine::policy::Policy;
use crate::engine::record::Record;

/// Where faults of the header `Reply-To` are.
pub const REPLY_TO: &str = "header:reply-to";

/// What is asked for: one job, or all jobs of a batch, which have the same terms.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Asked {
    /// One job. It may belong to a batch, of which it is one message.
    Job(Box<Job>),
    /// Jobs that are accepted together or not at all.
    Batch(BatchTerms, Vec<Job>),
}

/// How the store stands to a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing {
    /// It has not all of it, and nothing that contradicts it.
    Unknown,
    /// It has accepted it: the uid of the job or of the batch.
    Accepted(JobUid),
    /// Under the same id it has something else.
    Differs(FaultList),
}

impl Asked {
    /// Reads a body by the contract of messages.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn read(body: &[u8], reply_to: Option<&str>) -> Result<Self, FaultList> {
        let envelope = Envelope { reply_to, ..Envelope::default() };
        if !contract::is_whole(body) {
            let job = contract::parse(body, &envelope).map_err(|faults| of_http(faults, false))?;
            return Ok(Self::Job(Box::new(job)));
        }
        let jobs = contract::parse_whole(body, &envelope).map_err(|faults| of_http(faults, true))?;
        let terms = jobs.first().and_then(|job| job.batch.clone()).expect("a batch has a job, and each has its terms");
        Ok(Self::Batch(terms, jobs))
    }

    /// All jobs.
    pub fn jobs(&self) -> &[Job] {
        match self {
            Self::Job(job) => std::slice::from_ref(job),
            Self::Batch(_, jobs) => jobs,
        }
    }

    /// The requester's name of the job or of the batch.
    pub fn id(&self) -> &str {
        match self {
            Self::Job(job) => job.id.as_str(),
            Self::Batch(terms, _) => terms.id.as_str(),
        }
    }

    /// Why the policy lets the requester not have this; of several jobs the first that is refused, and how many there are.
    pub fn refused(&self, requester: &Requester, policy: &Policy) -> Option<String> {
        let refusal = |(place, job)| Some((place, policy.refuses(requester, job)?.1));
        let mut refused = self.jobs().iter().enumerate().filter_map(refusal);
        let (place, why) = refused.next()?;
        Some(match (self, refused.count()) {
            (Self::Job(_), _) => why,
            (Self::Batch(..), 0) => format!("/jobs/{place}: {why}"),
            (Self::Batch(..), more) => format!("/jobs/{place}: {why}; and {more} more"),
        })
    }

    /// Compares with what the store has: the job under the id, or the jobs of the batch.
    pub fn standing(&self, requester: &Requester, known: &[Record]) -> Standing {
        match self {
            Self::Job(job) => match known.first() {
                None => Standing::Unknown,
                Some(record) if record.job.digest() == job.digest() => Standing::Accepted(record.uid),
                Some(_) => Standing::Differs(vec![reused(requester, job)].into()),
            },
            Self::Batch(terms, jobs) => batch(terms, jobs, requester, known),
        }
    }
}

fn batch(terms: &BatchTerms, jobs: &[Job], requester: &Requester, known: &[Record]) -> Standing {
    if known.iter().any(|record| record.job.batch.as_ref() != Some(terms)) {
        let message = format!(
            "the batch {} of {requester} was begun with other terms, or another number of jobs; take a new batch id",
            terms.id
        );
        return Standing::Differs(vec![Fault { at: "/batch".into(), code: Code::JobBatchDiffers, message }].into());
    }
    let known: BTreeMap<&JobId, &Record> = known.iter().map(|record| (&record.job.id, record)).collect();
    let (mut accepted, mut differ) = (0, Vec::new());
    for (place, job) in jobs.iter().enumerate() {
        match known.get(&job.id) {
            Some(record) if record.job.digest() == job.digest() => accepted += 1,
            Some(_) => {
                let fault = reused(requester, job);
                differ.push(Fault { at: format!("/jobs/{place}{}", fault.at), ..fault });
            }
            None => {}
        }
    }
    match differ.is_empty() {
        true if accepted == jobs.len() => Standing::Accepted(terms.uid(requester)),
        true => Standing::Unknown,
        false => Standing::Differs(contract::listed(differ)),
    }
}

/// The fault of a request whose id stands for another one.
pub fn reused(requester: &Requester, job: &Job) -> Fault {
    let or_batch = if job.batch.is_some() { ", or with another `batch`" } else { "" };
    let id = job.id.as_str();
    let message =
        format!("the id {id:?} was used by {requester} before, for another request{or_batch}; take a new one");
    Fault { at: "/id".into(), code: Code::JobIdReused, message }
}

/// What is wrong, in words of HTTP.
fn of_http(faults: FaultList, whole: bool) -> FaultList {
    faults.map(|fault| match (&*fault.at, fault.code) {
        ("/batch" | "/batch/id", Code::JobMissingField) if whole => Fault {
            message: "a batch needs an id: in `batch` of the body, or as the header Idempotency-Key".into(),
            ..fault
        },
        ("/id", Code::JobMissingField) => {
            Fault { message: "a job needs an id: here, or as the header Idempotency-Key".into(), ..fault }
        }
        (at, Code::JobMissingField) if at.starts_with("/jobs/") && at.ends_with("/id") => {
            Fault { message: "each job of a batch needs an id of its own".into(), ..fault }
        }
        ("amqp:reply_to", _) => Fault { at: REPLY_TO.into(), ..fault },
        _ => fault,
    })
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;
    use serde_json::{Value, json};
    use uuid::Uuid;

    use super::*;

    fn job(id: &str, instance: u32) -> Value {
        json!({
            "id": id, "kind": "grant",
            "instance": {
                "type": "VPC", "id": format!("vpc-bp1more{instance:012}"), "region": "cn-hangzhou", "owner": "1688000000000001"
            },
            "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
        })
    }

    fn asked(body: &Value) -> Asked {
        Asked::read(body.to_string().as_bytes(), None).unwrap()
    }

    fn requester() -> Requester {
        Requester::at_door("bot").unwrap()
    }

    /// The jobs, as the store has them.
    fn known(asked: &Asked) -> Vec<Record> {
        let record = |job: &Job| {
            Record::new(JobUid(Uuid::new_v4()), requester(), job.clone(), "d", "survey", Timestamp::UNIX_EPOCH)
        };
        asked.jobs().iter().map(record).collect()
    }

    #[test]
    fn a_job_is_known_under_its_id_as_what_it_is() {
        let one = asked(&job("NET-1", 1));
        let mut there = known(&one);
        assert_eq!(one.standing(&requester(), &[]), Standing::Unknown);
        assert_eq!(one.standing(&requester(), &there), Standing::Accepted(there[0].uid));
        there[0].job.labels.insert("note".into(), "labels are no part of what is asked".into());
        assert_eq!(one.standing(&requester(), &there), Standing::Accepted(there[0].uid));
        let Standing::Differs(faults) = asked(&job("NET-1", 2)).standing(&requester(), &there) else {
            panic!("another instance is another request")
        };
        assert!(faults[0].code == Code::JobIdReused && faults[0].message.contains("\"NET-1\""), "{faults:?}");
    }

    #[test]
    fn a_batch_is_accepted_once_all_its_jobs_are() {
        let message = |terms: Value, second: Value| json!({"batch": terms, "jobs": [job("a", 1), second]});
        let batch = asked(&message(json!({"id": "MOVE-7"}), job("b", 2)));
        let there = known(&batch);
        let uid = there[0].batch().unwrap();
        assert_eq!(batch.standing(&requester(), &there), Standing::Accepted(uid));
        assert_eq!(batch.standing(&requester(), &there[..1]), Standing::Unknown);
        assert_eq!(batch.standing(&requester(), &[]), Standing::Unknown);
        for (terms, second, at, code) in [
            (json!({"id": "MOVE-7"}), job("b", 3), "/jobs/1/id", Code::JobIdReused),
            (json!({"id": "MOVE-7", "on_failure": "stop"}), job("b", 2), "/batch", Code::JobBatchDiffers),
        ] {
            let Standing::Differs(faults) = asked(&message(terms, second)).standing(&requester(), &there) else {
                panic!("{at}")
            };
            assert_eq!((faults[0].at.as_str(), faults[0].code, faults.len()), (at, code, 1));
        }
    }

    #[test]
    fn what_is_wrong_is_said_in_words_of_http() {
        let mut body = job("NET-1", 1);
        body.as_object_mut().unwrap().remove("id");
        let faults = Asked::read(body.to_string().as_bytes(), None).unwrap_err();
        assert!(faults[0].at == "/id" && faults[0].message.contains("Idempotency-Key"), "{faults:?}");
        let faults = Asked::read(json!([job("NET-1", 1)]).to_string().as_bytes(), None).unwrap_err();
        assert_eq!(faults[0].code, Code::JobNotJson);
        for (body, at) in [
            (json!({"jobs": [job("a", 1)]}), "/batch"),
            (json!({"batch": {"on_failure": "stop"}, "jobs": [job("a", 1)]}), "/batch/id"),
        ] {
            let faults = Asked::read(body.to_string().as_bytes(), None).unwrap_err();
            assert!(faults[0].at == at && faults[0].message.contains("Idempotency-Key"), "{faults:?}");
        }
        let faults = Asked::read(job("NET-1", 1).to_string().as_bytes(), Some("https://")).unwrap_err();
        assert_eq!((faults[0].at.as_str(), faults[0].code), (REPLY_TO, Code::JobBadReplyTo));
    }

    #[test]
    fn the_policy_is_asked_for_every_job() {
        let rule = "requesters = ['http:bot']\ncens = ['cen-44m0p68spvlrqq0001']";
        let policy = |rule: &str| Policy::new(vec![toml::from_str(rule).unwrap()], BTreeMap::new());
        let batch = asked(&json!({"batch": {"id": "b"}, "jobs": [job("a", 1), job("b", 2)]}));
        assert_eq!(batch.refused(&requester(), &policy(rule)), None);
        let none = batch.refused(&requester(), &policy("requesters = ['bot']")).unwrap();
        assert!(
            none.starts_with("/jobs/0: no rule of the policy allows http:bot") && none.ends_with("; and 1 more"),
            "{none}"
        );
        assert_eq!(asked(&job("a", 1)).refused(&requester(), &policy("requesters = ['*']")), None);
    }
}
