//! Batches: what their requester is told, and what stops them.

mod crashes;

use std::collections::BTreeMap;
use std::time::Duration;

use crossgrant::clock::later;
use crossgrant::domain::{BatchId, JobUid};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::mail::Incoming;
use crossgrant::engine::ports::store::{Filter, Taken};
use crossgrant::engine::record::State;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::outbox::WholeOutbox as _;
use crate::support::plant::{ATTACHED, HELD, NOT_GRANTED, Plant, UNATTACHED, grant, payer_change, revoke, with};

/// The job as one of batch `b` of `size`.
fn member(job: Value, size: u32) -> Value {
    with(job, "batch", json!({"id": "b", "size": size}))
}

fn stopping(job: Value, size: u32) -> Value {
    with(job, "batch", json!({"id": "b", "size": size, "on_failure": "stop"}))
}

/// The job that ends as failed: the instance is still attached.
fn failing(id: &str) -> Value {
    revoke(id, HELD)
}

fn minute(minutes: u64) -> Timestamp {
    later("2026-11-21T10:20:00Z".parse().unwrap(), Duration::from_secs(60 * minutes))
}

/// The one batch of a plant.
async fn batch(plant: &Plant) -> JobUid {
    let [batch] = &plant.store().batches(false, None, 9).await.unwrap()[..] else { panic!("there is one batch") };
    batch.uid
}

/// The events of the batch: type and data.
async fn told(plant: &Plant) -> Vec<(String, Value)> {
    let events = plant.events(batch(plant).await).await;
    let told = events.into_iter().map(|mut event| {
        let kind = event["type"].as_str().unwrap().trim_start_matches("crossgrant.batch.").to_owned();
        (kind, event["data"].take())
    });
    told.collect()
}

async fn kinds(plant: &Plant) -> Vec<String> {
    told(plant).await.into_iter().map(|(kind, _)| kind).collect()
}

/// What the end of the batch says.
async fn end(plant: &Plant) -> Value {
    let (kind, data) = told(plant).await.pop().unwrap();
    assert_eq!(kind, "ended", "{data}");
    data
}

/// The fault that a message is rejected for: where, and its code.
async fn fault(plant: &Plant, job: &Value) -> (String, String) {
    let Taken::Rejected(uid) = plant.send(job).await else { panic!("{job} is rejected") };
    let event = plant.events(uid).await.pop().unwrap();
    let fault = &event["data"]["faults"][0];
    (fault["at"].as_str().unwrap().into(), fault["code"].as_str().unwrap().into())
}

#[tokio::test]
async fn a_batch_is_told_once_what_became_of_all_its_jobs() {
    let plant = Plant::new().await;
    let jobs = [grant("new", NOT_GRANTED), grant("old", UNATTACHED), failing("attached")].map(|job| member(job, 3));
    for (n, job) in jobs.iter().enumerate() {
        let message = Incoming {
            body: job.to_string().into(),
            routing_key: "crossgrant.jobs".into(),
            reply_to: Some("answers".into()),
            correlation_id: Some(format!("c{n}")),
            ..Incoming::default()
        };
        plant.inbox.accept(vec![message.clone(), message]).await.unwrap();
    }
    plant.run_on().await;
    plant.run_on().await;
    assert_eq!(kinds(&plant).await, ["accepted", "ended"]);
    let end = end(&plant).await;
    let expected = json!({
        "completed": {"done": 1, "already-satisfied": 1},
        "failed": {"attached": 1},
    });
    assert_eq!(end["jobs"], expected, "{end}");
    assert_eq!((&end["accepted"], &end["missing"], &end["not_listed"]), (&json!(3), &json!(0), &json!(0)));
    assert_eq!(end["batch"], json!({"id": "b", "size": 3, "on_failure": "go-on"}));
    let [failed] = &end["not_completed"].as_array().unwrap()[..] else { panic!("{end}") };
    assert_eq!((&failed["id"], &failed["reason"]), (&json!("attached"), &json!("attached")));
    assert!(failed["message"].as_str().unwrap().contains("attach") && end["api_calls"].as_u64() > Some(3), "{end}");
    let queued = plant.store().queued(0, 1000).await;
    let id = format!("{}.2", batch(&plant).await);
    let ends: Vec<_> = queued.iter().filter(|row| row.outgoing.message_id == id).collect();
    let places: Vec<&str> = ends.iter().map(|row| row.outgoing.routing_key.as_str()).collect();
    assert_eq!(places, ["batch.ended", "answers"], "the queue is told once, though three jobs named it");
}

#[tokio::test]
async fn progress_is_told_at_most_once_a_minute() {
    let plant = Plant::new().await;
    plant.job(member(payer_change("p", ATTACHED, "PayByResourceOwner"), 3)).await;
    plant.job(member(grant("g", NOT_GRANTED), 3)).await;
    plant.run_until(minute(5)).await;
    plant.job(member(grant("h", UNATTACHED), 3)).await;
    plant.run().await;
    assert_eq!(kinds(&plant).await, ["accepted", "progress", "progress", "ended"]);
    let told = told(&plant).await;
    assert_eq!(told[1].1["states"], json!({"waiting": 1, "completed": 1}));
    assert_eq!(told[2].1["states"], json!({"waiting": 1, "completed": 2}));
    let end = end(&plant).await;
    let hour = json!("2026-11-21T11:00:00Z");
    assert_eq!((&end["first_effective_at"], &end["last_effective_at"]), (&hour, &hour), "{end}");
}

#[tokio::test]
async fn once_a_job_fails_a_batch_that_stops_begins_no_other() {
    let plant = Plant::new().await;
    let begun = plant.job(stopping(payer_change("begun", ATTACHED, "PayByResourceOwner"), 4)).await;
    plant.run_on().await;
    let later = with(grant("later", NOT_GRANTED), "not_before", json!(minute(30)));
    let unbegun = plant.job(stopping(later, 4)).await;
    plant.job(stopping(failing("bad"), 4)).await;
    plant.run_until(minute(2)).await;
    let late = plant.job(stopping(grant("late", UNATTACHED), 4)).await;
    plant.work().await;
    for uid in [unbegun, late] {
        let record = plant.record(uid).await;
        assert_eq!(record.state(), State::Cancelled, "{}", record.why);
        assert_eq!(record.why, "the batch b stops, because its job bad ended without its result");
    }
    assert_eq!(plant.record(begun).await.state(), State::Waiting, "what has begun goes on");
    plant.run().await;
    assert_eq!(plant.record(begun).await.state(), State::Completed);
    let end = end(&plant).await;
    let expected = json!({"completed": {"done": 1}, "failed": {"attached": 1}, "cancelled": {"batch-stopped": 2}});
    assert_eq!((&end["jobs"], &end["stopped"]["job"]), (&expected, &json!("bad")));
}

#[tokio::test]
async fn jobs_that_do_not_come_in_time_are_not_waited_for() {
    let plant = Plant::new().await;
    let terms = json!({"id": "b", "size": 3, "not_after": minute(10)});
    let in_time = |job| with(job, "batch", terms.clone());
    plant.job(in_time(grant("1", NOT_GRANTED))).await;
    plant.job(in_time(grant("2", UNATTACHED))).await;
    plant.run_until(minute(9)).await;
    assert!(!kinds(&plant).await.contains(&"ended".to_owned()));
    plant.run_until(minute(11)).await;
    let end = end(&plant).await;
    assert_eq!((&end["accepted"], &end["missing"]), (&json!(2), &json!(1)));
    let late = in_time(grant("3", HELD));
    assert_eq!(fault(&plant, &late).await, ("/batch/id".into(), "job-batch-closed".into()));
}

#[tokio::test]
async fn a_batch_whose_jobs_never_come_ends_after_a_day() {
    let plant = Plant::new().await;
    plant.job(member(grant("1", NOT_GRANTED), 2)).await;
    plant.run_until(minute(24 * 60 - 1)).await;
    assert!(!kinds(&plant).await.contains(&"ended".to_owned()));
    plant.run_until(minute(24 * 60 + 1)).await;
    assert_eq!(end(&plant).await["missing"], 1);
}

#[tokio::test]
async fn a_job_that_does_not_fit_into_its_batch_is_rejected_and_told_why() {
    let plant = Plant::new().await;
    plant.job(member(grant("1", NOT_GRANTED), 1)).await;
    let other = member(grant("2", UNATTACHED), 2);
    assert_eq!(fault(&plant, &other).await, ("/batch".into(), "job-batch-differs".into()));
    let more = member(grant("3", UNATTACHED), 1);
    assert_eq!(fault(&plant, &more).await, ("/batch/id".into(), "job-batch-full".into()));
    plant.send_as(Some("somebody-else"), &more).await;
    assert_eq!(plant.store().batches(false, None, 9).await.unwrap().len(), 2, "each requester has its own");
}

#[tokio::test]
async fn the_jobs_of_one_message_are_taken_all_or_none() {
    let plant = Plant::new().await;
    plant.job(grant("used", NOT_GRANTED)).await;
    let jobs = |ids: [&str; 3]| {
        let jobs = [grant(ids[0], NOT_GRANTED), payer_change(ids[1], ATTACHED, "PayByResourceOwner"), failing(ids[2])];
        json!({"batch": {"id": "b"}, "jobs": jobs})
    };
    let clash = jobs(["1", "used", "3"]);
    assert_eq!(fault(&plant, &clash).await, ("/jobs/1/id".into(), "job-id-reused".into()));
    let mut bad = jobs(["1", "2", "1"]);
    bad["jobs"][1]["instance"]["id"] = json!("cen-x");
    assert_eq!(fault(&plant, &bad).await, ("/jobs/1/instance/id".into(), "job-bad-value".into()));
    bad["jobs"][1] = bad["jobs"][0].clone();
    assert_eq!(fault(&plant, &bad).await, ("/jobs/1/id".into(), "job-id-reused".into()));
    for empty in [json!({"batch": {"id": "b"}, "jobs": []}), json!({"batch": {"id": "b"}, "jobs": {}})] {
        assert_eq!(fault(&plant, &empty).await.0, "/jobs");
    }
    let sized = json!({"batch": {"id": "b", "size": 3}, "jobs": jobs(["1", "2", "3"])["jobs"]});
    assert_eq!(fault(&plant, &sized).await, ("/batch/size".into(), "job-unknown-field".into()));
    let by_kind = Incoming {
        body: jobs(["1", "2", "3"]).to_string().into(),
        routing_key: "job.grant".into(),
        ..Incoming::default()
    };
    let taken = plant.inbox.accept(vec![by_kind]).await.unwrap();
    let [Taken::Rejected(uid)] = taken[..] else { panic!("the routing key says another thing: {taken:?}") };
    let rejected = plant.events(uid).await.pop().unwrap();
    assert_eq!(rejected["data"]["faults"][0]["at"], "amqp:routing_key");
    assert_eq!((&rejected["data"]["batch_id"], &rejected["data"]["job_id"]), (&json!("b"), &Value::Null));
    assert_eq!(plant.store().counts().await.unwrap().jobs.values().sum::<u64>(), 1, "none of them is taken");

    let message = Incoming {
        body: jobs(["1", "2", "3"]).to_string().into(),
        routing_key: "batch".into(),
        reply_to: Some("answers".into()),
        ..Incoming::default()
    };
    let taken = plant.inbox.accept(vec![message.clone(), message]).await.unwrap();
    let uid = batch(&plant).await;
    assert_eq!(taken, [Taken::New(uid), Taken::Repeated(uid)]);
    plant.run().await;
    let end = end(&plant).await;
    assert_eq!((&end["accepted"], &end["batch"]["size"]), (&json!(3), &json!(3)));
    let replies = plant.store().queued(0, 1000).await.into_iter().filter(|row| row.outgoing.routing_key == "answers");
    let last = format!("{uid}.{}", kinds(&plant).await.len());
    let replies: Vec<String> = replies.map(|row| row.outgoing.message_id).collect();
    assert_eq!(replies, [last], "the batch answers, and none of its jobs");
}

#[tokio::test]
async fn a_superseded_job_is_counted_as_one() {
    let plant = Plant::new().await;
    plant.job(member(payer_change("old", ATTACHED, "PayByResourceOwner"), 1)).await;
    plant.run_on().await;
    plant.job(payer_change("new", ATTACHED, "PayByCenOwner")).await;
    plant.run_on().await;
    assert_eq!(end(&plant).await["jobs"], json!({"superseded": {"superseded-by-newer": 1}}));
}

#[tokio::test]
async fn a_long_list_of_failed_jobs_is_cut_and_counted() {
    let plant = Plant::new().await;
    const MANY: u32 = 400;
    for n in 0..MANY {
        let mut job = with(grant(&format!("{n:0100}"), NOT_GRANTED), "not_after", json!("2026-11-21T10:00:00Z"));
        job["instance"]["id"] = json!(format!("vpc-{n:010}"));
        plant.job(member(job, MANY)).await;
    }
    plant.run_on().await;
    let end = end(&plant).await;
    let listed = end["not_completed"].as_array().unwrap().len();
    assert_eq!(end["jobs"], json!({"failed": {"expired": MANY}}));
    assert!(listed > 50 && end["not_listed"] == json!(MANY as usize - listed), "{listed}");
    assert!(end.to_string().len() < 80 << 10);
}

#[tokio::test]
async fn the_jobs_of_a_batch_are_listed() {
    let plant = Plant::new().await;
    plant.job(member(grant("1", NOT_GRANTED), 2)).await;
    plant.job(grant("2", UNATTACHED)).await;
    let filter = Filter { batch: Some(batch(&plant).await), limit: 9, ..Filter::default() };
    let found = plant.engine.find(&filter).await.unwrap().jobs;
    assert_eq!(found.iter().map(|record| record.job.id.as_str()).collect::<Vec<_>>(), ["1"]);
}

/// It is the answer of the door too: what is accepted as a whole is refused as a whole, and at once.
#[tokio::test]
async fn a_message_with_a_job_that_no_rule_allows_is_rejected_with_all_its_jobs() {
    let plant = Plant::new().await;
    let rule = toml::from_str("requesters = ['anonymous']\nkinds = ['grant']").unwrap();
    plant.engine.policy.set(Policy::new(vec![rule], BTreeMap::new()));
    let jobs: Vec<Value> = (0..300).map(|n| revoke(&format!("r-{n}"), HELD)).chain([grant("g", NOT_GRANTED)]).collect();
    let Taken::Rejected(uid) = plant.send(&json!({"batch": {"id": "MOVE-7"}, "jobs": jobs})).await else { panic!() };
    let data = plant.events(uid).await.pop().unwrap()["data"].take();
    let faults = data["faults"].as_array().unwrap();
    assert_eq!((&faults[0]["at"], &faults[0]["code"]), (&json!("/jobs/0"), &json!("job-not-allowed")));
    assert_eq!(faults.len() as u64 + data["faults_not_listed"].as_u64().unwrap(), 300);
    assert!(data["message"].as_str().unwrap().ends_with(" more"), "{}", data["message"]);
    assert_eq!((&data["batch_id"], &data["job_id"]), (&json!("MOVE-7"), &Value::Null));
    let [rejected] = &plant.store().rejections_of(&BatchId::parse("MOVE-7").unwrap(), 9).await.unwrap()[..] else {
        panic!()
    };
    assert_eq!(
        (rejected.uid, u64::from(rejected.faults_not_listed)),
        (uid, data["faults_not_listed"].as_u64().unwrap())
    );
    assert_eq!(plant.store().counts().await.unwrap().jobs.values().sum::<u64>(), 0, "none of them is taken");
    // One that was accepted is not rejected when it comes again under other rules.
    let granted = json!({"batch": {"id": "MOVE-8"}, "jobs": [grant("g", NOT_GRANTED)]});
    let Taken::New(uid) = plant.send(&granted).await else { panic!() };
    plant.engine.policy.set(Policy::new(vec![], BTreeMap::new()));
    assert_eq!(plant.send(&granted).await, Taken::Repeated(uid));
    // A single one is accepted, and ends refused: the rules that count are those of when it begins.
    assert!(matches!(plant.send(&revoke("alone", HELD)).await, Taken::New(_)));
}
