//! The intake: a message that the store refuses is rejected alone, and what is kept of a rejected one.

use std::sync::Arc;

use bytes::Bytes;
use crossgrant::engine::loops::intake::{BODY_LENGTH, KEPT_BODY};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::mail::{DeadLettered, Incoming, WholeBody};
use crossgrant::engine::ports::store::{OutboxRow, Store, Taken};
use crossgrant::store::Sqlite;
use rusqlite::Connection;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::outbox::WholeOutbox as _;
use crate::support::plant::{NOT_GRANTED, Plant, grant};

/// A worker on a file that refuses what these triggers refuse.
async fn plant(triggers: &str) -> (Plant, TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crossgrant.db");
    let store = Sqlite::open(&path).unwrap();
    Connection::open(&path).unwrap().execute_batch(triggers).unwrap();
    (Plant::with(include_str!("../../examples/world.toml"), Arc::new(store), None).await, dir)
}

fn message(id: &str) -> Incoming {
    Incoming {
        body: Bytes::from(grant(id, NOT_GRANTED).to_string()),
        routing_key: "job.grant".into(),
        message_id: Some(format!("message of {id}")),
        reply_to: Some("answers".into()),
        user_id: Some("bot".into()),
        ..Incoming::default()
    }
}

async fn outbox(plant: &Plant) -> Vec<OutboxRow> {
    plant.store().queued(0, 100).await
}

/// The event of the one rejection.
async fn event(plant: &Plant) -> Value {
    let outbox = outbox(plant).await;
    let events = outbox.iter().filter(|m| m.outgoing.routing_key == "job.rejected");
    let [event] = events.collect::<Vec<_>>()[..] else { panic!("one rejection: {outbox:?}") };
    serde_json::from_slice(&event.outgoing.body).unwrap()
}

const REFUSE_JOB: &str = "CREATE TRIGGER odd BEFORE INSERT ON jobs WHEN NEW.job_id = 'odd'
    BEGIN SELECT RAISE(ABORT, 'a text it cannot hold'); END;";

#[tokio::test]
async fn a_message_that_the_store_refuses_is_rejected_alone() {
    let (plant, _dir) = plant(REFUSE_JOB).await;
    let batch = ["a", "odd", "b"].map(message).to_vec();
    let taken = plant.inbox.accept(batch.clone()).await.unwrap();
    let [Taken::New(_), Taken::Rejected(odd), Taken::New(_)] = taken[..] else { panic!("{taken:?}") };
    let data = event(&plant).await["data"].clone();
    assert_eq!(
        (&data["reason"], &data["job_id"], &data["requester"]),
        (&json!("invalid"), &json!("odd"), &json!("bot"))
    );
    assert_eq!(data["faults"][0]["code"], "job-not-storable");
    assert!(!data.to_string().contains("cannot hold"), "the words of the store are for the log: {data}");
    let outbox = outbox(&plant).await;
    let copy = outbox.iter().find(|m| m.outgoing.routing_key == "crossgrant.dead").unwrap();
    assert_eq!(copy.outgoing.body, batch[1].body);
    assert!(outbox.iter().any(|m| m.outgoing.routing_key == "answers"), "its sender is told");
    let again = plant.inbox.accept(batch).await.unwrap();
    assert!(matches!(again[..], [Taken::Repeated(_), Taken::Rejected(same), Taken::Repeated(_)] if same == odd));
}

#[tokio::test]
async fn if_even_its_rejection_is_refused_one_without_its_texts_is_stored() {
    let refuse_both = format!(
        "{REFUSE_JOB} CREATE TRIGGER odd_too BEFORE INSERT ON rejections WHEN NEW.job_id = 'odd'
         BEGIN SELECT RAISE(ABORT, 'a text it cannot hold'); END;"
    );
    let (plant, _dir) = plant(&refuse_both).await;
    let odd = message("odd");
    let taken = plant.inbox.accept(vec![odd.clone(), message("a")]).await.unwrap();
    assert!(matches!(taken[..], [Taken::Rejected(_), Taken::New(_)]), "{taken:?}");
    let data = event(&plant).await["data"].clone();
    assert_eq!((&data["job_id"], &data["requester"]), (&Value::Null, &json!("anonymous")));
    let said = data["faults"][0]["message"].as_str().unwrap();
    assert!(said.contains(&WholeBody::of(&odd.body).sha256), "it can be known by its digest: {said}");
    let outbox = outbox(&plant).await;
    let copy = outbox.iter().find(|m| m.outgoing.routing_key == "crossgrant.dead").unwrap();
    assert_eq!(copy.outgoing.body, odd.body);
    assert!(!format!("{:?}", copy.outgoing.headers).contains("odd"), "{:?}", copy.outgoing.headers);
}

#[tokio::test]
async fn of_jobs_that_are_too_many_only_the_one_is_rejected_otherwise_that_the_store_refuses() {
    let refuse = "CREATE TRIGGER odd BEFORE INSERT ON rejections WHEN NEW.job_id = 'odd'
        BEGIN SELECT RAISE(ABORT, 'a text it cannot hold'); END;";
    let (plant, dir) = plant(refuse).await;
    let again = || Arc::new(Sqlite::open(&dir.path().join("crossgrant.db")).unwrap()) as Arc<dyn Store>;
    let plant = plant.restarted(Policy::everybody().with_unbegun(Some(1)), again).await;
    let batch = ["first", "a", "odd", "b"].map(message).to_vec();
    let taken = plant.inbox.accept(batch.clone()).await.unwrap();
    let [Taken::New(_), Taken::Rejected(a), Taken::Rejected(odd), Taken::Rejected(_)] = taken[..] else {
        panic!("{taken:?}")
    };
    let reason = async |uid| plant.events(uid).await[0]["data"]["reason"].clone();
    assert_eq!((reason(a).await, reason(odd).await), (json!("too-many"), json!("invalid")));
    let last = outbox(&plant).await.len();
    assert_eq!(plant.inbox.accept(batch).await.unwrap()[1..], taken[1..], "the same again, and the same rejections");
    assert!(outbox(&plant).await.len() > last, "each is answered");
}

#[tokio::test]
async fn a_store_that_cannot_be_written_is_no_fault_of_a_message() {
    let (plant, dir) = plant("").await;
    let other = Connection::open(dir.path().join("crossgrant.db")).unwrap();
    other.execute_batch("ALTER TABLE labels RENAME TO elsewhere").unwrap();
    let mut labelled = message("a");
    let mut job = grant("a", NOT_GRANTED);
    job["labels"] = json!({"ticket": "NET-1"});
    labelled.body = Bytes::from(job.to_string());
    let held = plant.inbox.accept(vec![labelled.clone()]).await;
    assert!(held.is_err(), "{held:?}");
    other.execute_batch("ALTER TABLE elsewhere RENAME TO labels").unwrap();
    assert!(matches!(plant.inbox.accept(vec![labelled]).await.unwrap()[..], [Taken::New(_)]));
}

#[tokio::test]
async fn of_a_large_body_the_beginning_the_length_and_the_digest_are_kept() {
    let (plant, _dir) = plant("").await;
    let body = |last: u8| Bytes::from([vec![b'['; 10 << 20], vec![last]].concat());
    let batch = [b'1', b'2'].map(|last| Incoming { body: body(last), ..message("large") });
    let taken = plant.inbox.accept(batch.to_vec()).await.unwrap();
    let [Taken::Rejected(one), Taken::Rejected(other)] = taken[..] else { panic!("{taken:?}") };
    assert_ne!(one, other, "messages that differ only beyond what is kept are two");
    let outbox = outbox(&plant).await;
    let copies: Vec<_> = outbox.iter().filter(|m| m.outgoing.routing_key == "crossgrant.dead").collect();
    assert_eq!(copies.len(), 2);
    for (copy, last) in copies.iter().zip([b'1', b'2']) {
        assert_eq!(copy.outgoing.body, body(last)[..64 << 10]);
        let header = |name: &str| copy.outgoing.headers[&format!("x-crossgrant-{name}")].clone();
        let WholeBody { length, sha256 } = WholeBody::of(&body(last));
        assert_eq!((header("body-length"), header("body-sha256")), (length.to_string(), sha256));
        assert!(header("reasons").contains("the body has 10485761 bytes; a job has at most 65536"));
    }
}

#[tokio::test]
async fn a_copy_tells_everything_that_the_message_said() {
    let (plant, _dir) = plant("").await;
    let bad = Incoming {
        body: Bytes::from_static(b"\x1f\x8b\x08\x00"),
        content_type: Some("application/json".into()),
        content_encoding: Some("gzip".into()),
        kind: Some("grant".into()),
        timestamp: Some(1_700_000_000),
        priority: Some(3),
        app_id: Some("portal".into()),
        ..message("packed")
    };
    plant.inbox.accept(vec![bad]).await.unwrap();
    let fault = event(&plant).await["data"]["faults"][0].clone();
    assert_eq!(fault["at"], "amqp:content_encoding");
    assert!(fault["message"].as_str().unwrap().contains("\"gzip\" is not taken"), "{fault}");
    let outbox = outbox(&plant).await;
    let copy = &outbox.iter().find(|m| m.outgoing.routing_key == "crossgrant.dead").unwrap().outgoing;
    assert_eq!(copy.content_type, "application/json");
    for (name, value) in [
        ("content-encoding", "gzip"),
        ("type", "grant"),
        ("timestamp", "1700000000"),
        ("priority", "3"),
        ("app-id", "portal"),
        ("routing-key", "job.grant"),
        ("user-id", "bot"),
    ] {
        assert_eq!(copy.headers[&format!("x-crossgrant-{name}")], value);
    }
}

#[tokio::test]
async fn a_property_that_could_not_be_read_is_a_fault_and_headers_are_not() {
    let (plant, _dir) = plant("").await;
    let odd = |names: &[&str]| Incoming { unreadable: names.iter().map(ToString::to_string).collect(), ..message("a") };
    let taken = plant.inbox.accept(vec![odd(&["message_id", "headers"])]).await.unwrap();
    assert!(matches!(taken[..], [Taken::Rejected(_)]));
    let faults = event(&plant).await["data"]["faults"].clone();
    assert_eq!((&faults[0]["at"], &faults[0]["code"]), (&json!("amqp:message_id"), &json!("job-unreadable")));
    assert_eq!(faults.as_array().unwrap().len(), 1);
    assert!(matches!(plant.inbox.accept(vec![odd(&["headers"])]).await.unwrap()[..], [Taken::New(_)]));
}

#[tokio::test]
async fn what_the_broker_gave_up_is_told_to_its_sender_and_no_job() {
    let (plant, _dir) = plant("").await;
    let expired = Incoming { dead_lettered: Some(DeadLettered { reason: "expired".into() }), ..message("late") };
    let taken = plant.inbox.accept(vec![expired]).await.unwrap();
    assert!(matches!(taken[..], [Taken::Rejected(_)]));
    let data = event(&plant).await["data"].clone();
    assert_eq!((&data["reason"], &data["job_id"]), (&json!("dead-lettered"), &json!("late")));
    assert_eq!(data["faults"][0]["code"], "job-dead-lettered");
    assert!(data["message"].as_str().unwrap().contains("`expiration`"), "{data}");
    let queues: Vec<String> = outbox(&plant).await.into_iter().map(|m| m.outgoing.routing_key).collect();
    assert_eq!(queues, ["job.rejected", "answers"], "and no copy: the broker keeps the message");
    // Put back, it is a message like any other.
    assert!(matches!(plant.inbox.accept(vec![message("late")]).await.unwrap()[..], [Taken::New(_)]));
}

#[tokio::test]
async fn of_a_rejected_message_the_store_keeps_the_beginning_and_says_how_long_it_was() {
    let plant = Plant::new().await;
    let kept = async |incoming: Incoming| {
        let taken = plant.inbox.accept(vec![incoming]).await.unwrap();
        let [Taken::Rejected(uid)] = taken[..] else { panic!("{taken:?}") };
        plant.store().rejection(uid).await.unwrap().unwrap().kept.unwrap()
    };
    let body = |length: usize| {
        let mut text = "{\"no\": \"job\"}".to_owned();
        text.push_str(&" ".repeat(length - text.len()));
        Bytes::from(text)
    };
    let of = |body: Bytes| Incoming { body, ..message("R") };
    let length = |kept: &crossgrant::engine::ports::mail::Outgoing| kept.headers.get(BODY_LENGTH).cloned();
    let whole = kept(of(body(KEPT_BODY))).await;
    assert_eq!((whole.body.clone(), length(&whole)), (body(KEPT_BODY), None));
    assert_eq!(whole.headers["x-crossgrant-user-id"], "bot");
    assert!(!whole.headers.contains_key("x-crossgrant-reasons"), "they are kept once");
    let cut = kept(of(body(KEPT_BODY + 1))).await;
    assert_eq!((cut.body.clone(), length(&cut)), (body(KEPT_BODY), Some((KEPT_BODY + 1).to_string())));
    let large = Incoming { whole: Some(WholeBody { length: 15 << 20, sha256: "ab".into() }), ..of(body(64 << 10)) };
    let large = kept(large).await;
    assert_eq!((large.body.len(), length(&large)), (KEPT_BODY, Some((15 << 20).to_string())));
    let given_up = Incoming { dead_lettered: Some(DeadLettered { reason: "expired".into() }), ..message("G") };
    assert_eq!(kept(given_up).await.body, message("G").body, "also where the broker keeps it");
}
