//! One job through the real engine and store, with a stub and a broker in this process.

use std::sync::Mutex;

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::cloud::TransportError;
use crossgrant::engine::ports::mail::{Delivered, Lane, Outgoing, PublishError, Publisher};
use crossgrant::engine::ports::store::{Filter, Taken};
use crossgrant::engine::record::Outcome;
use serde_json::{Value, json};
use tokio::sync::mpsc;

use super::*;

/// A request: where it went, its idempotency key, its body, and what was committed of the job's writes when it came.
type Request = (String, String, Value, Vec<Outcome>);

/// Answers as the peers' stub does, keeps what it was asked, and looks into the store meanwhile.
struct Stub {
    store: Arc<dyn Store>,
    asked: Mutex<Vec<Request>>,
}

#[async_trait]
impl Transport for Stub {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let key = request.headers()["idempotency-key"].to_str().unwrap().to_owned();
        let body = serde_json::from_slice(request.body()).unwrap();
        let records = self.store.list(&Filter { limit: 1, ..Filter::default() }).await.unwrap();
        let outcomes = records[0].writes.iter().map(|write| write.outcome.clone()).collect();
        let mut asked = self.asked.lock().unwrap();
        asked.push((request.uri().to_string(), key, body, outcomes));
        Ok(http::Response::new(json!({"ok": true, "ref": format!("R{}", asked.len())}).to_string().into()))
    }
}

struct Sent(mpsc::UnboundedSender<Outgoing>);

#[async_trait]
impl Publisher for Sent {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        batch.iter().for_each(|outgoing| self.0.send(outgoing.clone()).unwrap());
        Ok(vec![Delivered::Confirmed; batch.len()])
    }
}

/// Takes one message in twice and returns what the stub was asked and the completion.
async fn one_job() -> (Vec<Request>, Outgoing) {
    let store = Arc::new(Sqlite::in_memory().unwrap());
    let stub = Arc::new(Stub { store: store.clone(), asked: Mutex::default() });
    let engine = engine(store, Arc::new(SystemClock), stub.clone(), "http://stub".into()).await.unwrap();
    let message = json!({"jobId": "J17-0", "member": "M0"}).to_string().into_bytes();
    let taken = jobs::take(&engine, vec![message.clone(), message]).await.unwrap();
    let [Taken::New(first), Taken::Repeated(second)] = taken[..] else { panic!("{taken:?}") };
    assert_eq!(first, second);
    let (sender, mut sent) = mpsc::unbounded_channel();
    let (_stop, stopped) = watch::channel(false);
    let publisher = Arc::new(Completions(Sent(sender)));
    let finished = async {
        tokio::select! {
        _ = work(Arc::clone(&engine), CAPACITY, stopped.clone()) => panic!("it was not told to stop"),
        () = outbox::publish(Arc::clone(&engine), publisher, Lane::Replies, stopped) => panic!("it was not told to stop"),
        completion = sent.recv() => completion.unwrap(),
        }
    };
    let completion = tokio::time::timeout(Duration::from_secs(60), finished).await.expect("it ends");
    let asked = stub.asked.lock().unwrap().clone();
    (asked, completion)
}

#[tokio::test]
async fn a_job_makes_its_four_posts_in_order_each_committed_and_says_so() {
    let (asked, completion) = one_job().await;
    let input = json!({"jobId": "J17-0", "member": "M0"});
    for (n, (uri, key, body, outcomes)) in (1..).zip(&asked) {
        // The intent of this POST, and the answer to every one before it.
        let [answers @ .., Outcome::Unknown] = &outcomes[..] else { panic!("{outcomes:?}") };
        assert!(answers.len() + 1 == n && answers.iter().all(|answer| matches!(answer, Outcome::Accepted { .. })));
        let prev = if n == 1 { Value::Null } else { json!({"ok": true, "ref": format!("R{}", n - 1)}) };
        assert_eq!(uri, &format!("http://stub/step/{n}"));
        assert_eq!(*body, json!({"step": n, "input": input, "prev": prev}));
        assert_eq!(asked.iter().filter(|(_, other, ..)| other == key).count(), 1, "{asked:?}");
    }
    assert_eq!(asked.len(), 4);
    assert_eq!((completion.exchange.as_str(), completion.routing_key.as_str()), ("", "done"));
    let said: Value = serde_json::from_slice(&completion.body).unwrap();
    assert_eq!((&said["jobId"], &said["event"]["data"]["state"]), (&json!("J17-0"), &json!("completed")));
    assert_eq!(said["event"]["data"]["writes"].as_array().unwrap().len(), 4);
}
