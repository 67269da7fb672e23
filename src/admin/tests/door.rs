//! The door over HTTP, with an intake behind it instead of a broker.

mod feed;

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use http::HeaderMap;

use super::*;
use crate::admin::testing::{START, at, engine_by};
use crate::clock::{Clock, ManualClock};
use crate::domain::Requester;
use crate::engine::policy::Policy;
use crate::engine::ports::door::{DoorMessage, DoorPublisher, NotPublished};
use crate::engine::ports::mail::Incoming;

/// What becomes of a message that is published.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// The intake has it at once.
    Through,
    /// It stays in the queue.
    Queued,
    /// The broker does not take it.
    NotTaken,
    /// The broker does not confirm it.
    Unconfirmed,
}

struct Queue {
    inbox: Inbox,
    way: Mutex<Way>,
    published: Mutex<Vec<DoorMessage>>,
}

#[async_trait]
impl DoorPublisher for Queue {
    async fn publish(&self, message: &DoorMessage) -> Result<(), NotPublished> {
        let way = *self.way.lock().unwrap();
        self.published.lock().unwrap().push(message.clone());
        let incoming = Incoming {
            body: message.body.clone(),
            routing_key: self.routing_key(&message.body),
            message_id: Some(message.message_id.clone()),
            user_id: Some(message.requester.to_string()),
            reply_to: message.reply_to.clone(),
            ..Incoming::default()
        };
        match way {
            Way::Through => self.inbox.take(vec![incoming]).await.map_err(|error| NotPublished::NotTaken(error.why)),
            Way::Queued => Ok(()),
            Way::NotTaken => Err(NotPublished::NotTaken("no broker can be reached".into())),
            Way::Unconfirmed => Err(NotPublished::Unconfirmed("the connection is gone".into())),
        }
    }

    fn routing_key(&self, _: &[u8]) -> String {
        "crossgrant.jobs".into()
    }
}

struct House {
    worker: TestWorker,
    queue: Arc<Queue>,
    clock: Arc<ManualClock>,
}

/// An answer: its status, its headers, and its body.
type Said = (u16, HeaderMap, String);

async fn house() -> House {
    let metrics = Arc::new(Metrics::new());
    let clock = Arc::new(ManualClock::new(at(START)));
    let engine = engine_by(clock.clone(), metrics.engine()).await;
    let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
    let queue = Arc::new(Queue { inbox, way: Mutex::new(Way::Through), published: Mutex::default() });
    let token = |name: &str| AdminToken {
        name: name.into(),
        role: AdminRole::Submitter,
        secret: format!("s3cr3t-of-{name}").into(),
        requesters: vec![],
    };
    let others = AdminRole::ALL.into_iter().filter(|role| *role != AdminRole::Submitter).map(|role| AdminToken {
        name: role.to_string(),
        role,
        secret: secret(role).into(),
        requesters: vec![],
    });
    let tokens = AdminTokens::new([token("bot"), token("ann")].into_iter().chain(others));
    let (stop, stopping) = watch::channel(false);
    let parts = AdminParts { engine: engine.clone(), metrics, broker: None, tokens, hosts: vec![], stopping };
    let admin = Admin::made(parts, None, Some(queue.clone()));
    House { worker: TestWorker { engine, router: admin.router(), stop }, queue, clock }
}

impl House {
    async fn ask(&self, method: &str, path: &str, token: &str, headers: &[(&str, &str)], body: &str) -> Said {
        let mut request = Request::builder().method(method).uri(path);
        request = request.header("authorization", format!("Bearer {token}"));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let response = self.worker.router.clone().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, headers, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn submit(&self, headers: &[(&str, &str)], body: &Value) -> (u16, Value) {
        let (status, _, body) = self.ask("POST", "/v1/jobs", "s3cr3t-of-bot", headers, &body.to_string()).await;
        (status, serde_json::from_str(&body).unwrap())
    }

    async fn get(&self, token: &str, path: &str) -> (u16, Value) {
        let (status, _, body) = self.ask("GET", path, token, &[], "").await;
        (status, serde_json::from_str(&body).unwrap_or_default())
    }

    /// Does something while time passes.
    async fn in_time<T>(&self, doing: impl Future<Output = T>) -> T {
        let passing = async {
            loop {
                tokio::task::yield_now().await;
                if let Some(next) = self.clock.next_wake() {
                    self.clock.advance_to(next);
                }
            }
        };
        tokio::select! {
            done = doing => done,
            () = passing => unreachable!("time does not end"),
        }
    }

    fn is(&self, way: Way) {
        *self.queue.way.lock().unwrap() = way;
    }

    fn published(&self) -> usize {
        self.queue.published.lock().unwrap().len()
    }
}

fn job(id: &str, instance: u32) -> Value {
    json!({
        "id": id, "kind": "grant",
        "instance": {
            "type": "VPC", "id": format!("vpc-bp1more{instance:012}"), "region": "cn-hangzhou", "owner": "1688000000000001"
        },
        "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
    })
}

fn batch(id: &str, jobs: u32) -> Value {
    let jobs: Vec<Value> = (0..jobs).map(|n| job(&format!("{id}/{n}"), n)).collect();
    json!({"batch": {"id": id}, "jobs": jobs})
}

#[tokio::test]
async fn a_job_that_is_sent_again_is_accepted_once_under_its_id() {
    let house = house().await;
    let (status, headers, body) =
        house.ask("POST", "/v1/jobs", "s3cr3t-of-bot", &[("traceparent", "00-1")], &job("NET-1", 1).to_string()).await;
    let posted: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (status, &posted["state"], &posted["requester"]),
        (202, &json!("accepted"), &json!("http:bot")),
        "{body}"
    );
    assert_eq!(headers["location"], posted["at"].as_str().unwrap());
    let (status, view) = house.get("s3cr3t-of-bot", posted["at"].as_str().unwrap()).await;
    assert_eq!((status, &view["job"]["uid"], &view["job"]["job"]["id"]), (200, &posted["uid"], &json!("NET-1")));
    assert_eq!(house.queue.published.lock().unwrap()[0].traceparent.as_deref(), Some("00-1"));

    for (headers, body) in [
        (vec![], job("NET-1", 1)),
        (vec![("idempotency-key", "\"NET-1\"")], {
            let mut body = job("NET-1", 1);
            body.as_object_mut().unwrap().remove("id");
            body
        }),
    ] {
        let (status, again) = house.submit(&headers, &body).await;
        assert_eq!((status, &again["state"], &again["uid"]), (202, &json!("repeated"), &posted["uid"]));
    }
    let (status, refused) = house.submit(&[], &job("NET-1", 2)).await;
    assert_eq!((status, &refused["code"]), (422, &json!("job-refused")), "{refused}");
    assert_eq!(refused["faults"][0]["code"], "job-id-reused");
    assert_eq!(house.published(), 1, "what the store knows is not published");

    // Another token is another requester, and its ids are its own.
    let (status, _, body) = house.ask("POST", "/v1/jobs", "s3cr3t-of-ann", &[], &job("NET-1", 2).to_string()).await;
    assert!(status == 202 && body.contains("http:ann"), "{body}");
}

#[tokio::test]
async fn a_batch_is_accepted_as_a_whole() {
    let house = house().await;
    let message = batch("MOVE-7", 300);
    let (status, posted) = house.submit(&[("idempotency-key", "MOVE-7")], &message).await;
    assert_eq!((status, &posted["jobs"], &posted["state"]), (202, &json!(300), &json!("accepted")), "{posted}");
    let (status, view) = house.get("s3cr3t-of-bot", "/v1/batches/MOVE-7").await;
    assert_eq!((status, &view["batch"]["uid"], &view["batch"]["accepted"]), (200, &posted["uid"], &json!(300)));
    assert_eq!(house.submit(&[], &message).await.1["state"], "repeated");
    let mut other = message.clone();
    other["batch"]["on_failure"] = json!("stop");
    let (status, refused) = house.submit(&[], &other).await;
    assert_eq!((status, &refused["faults"][0]["code"]), (422, &json!("job-batch-differs")));
    let (status, refused) = house.submit(&[], &batch("MOVE-7", 299)).await;
    assert_eq!((status, &refused["faults"][0]["at"]), (422, &json!("/batch")));
    assert_eq!(house.published(), 1);
}

#[tokio::test]
async fn what_is_wrong_is_said_before_anything_is_published() {
    let house = house().await;
    let mut wrong = job("NET-1", 1);
    wrong["knd"] = json!("grant");
    wrong["cen"]["id"] = json!("cen-");
    let (status, refused) = house.submit(&[], &wrong).await;
    assert_eq!((status, &refused["code"]), (422, &json!("job-refused")));
    let at: Vec<&str> =
        refused["faults"].as_array().unwrap().iter().map(|fault| fault["at"].as_str().unwrap()).collect();
    assert_eq!(at, ["/knd", "/cen/id"]);
    for (headers, body, at, says) in [
        (vec![("idempotency-key", "NET-2")], job("NET-1", 1).to_string(), "header:idempotency-key", "\"NET-2\""),
        (vec![("idempotency-key", "\"NET-2")], job("NET-1", 1).to_string(), "header:idempotency-key", "quotes"),
        (vec![], json!([job("NET-1", 1)]).to_string(), "", "an array"),
        (vec![], "{".to_owned(), "", "not valid JSON"),
        (vec![], format!("{}\"{}", "{\"id\":", "x".repeat(64 << 10)), "", "at most 65536"),
        (vec![], "x".repeat((1 << 20) + 1), "", "1048576 bytes"),
    ] {
        let (status, _, body) = house.ask("POST", "/v1/jobs", "s3cr3t-of-bot", &headers, &body).await;
        let refused: Value = serde_json::from_str(&body).unwrap();
        let fault = &refused["faults"][0];
        assert!(
            status == 422 && fault["at"] == at && fault["message"].as_str().unwrap().contains(says),
            "{at}: {body}"
        );
    }
    let two = [("idempotency-key", "a"), ("idempotency-key", "a")];
    assert_eq!(house.submit(&two, &job("a", 1)).await.0, 400);

    let rule = toml::from_str("requesters = ['http:ann', 'bot']").unwrap();
    house.worker.engine.policy.set(Policy::new(vec![rule], BTreeMap::new()));
    let (status, refused) = house.submit(&[], &job("NET-1", 1)).await;
    assert_eq!((status, &refused["code"]), (403, &json!("not-allowed")));
    assert!(refused["message"].as_str().unwrap().contains("no rule of the policy allows http:bot"), "{refused}");
    assert_eq!(house.published(), 0);
}

#[tokio::test]
async fn a_webhook_gets_the_end_where_a_rule_allows_its_host() {
    let house = house().await;
    let rule = "requesters = ['http:bot']\nwebhook_hosts = ['hooks.example.com']";
    let policy = Policy::new(vec![toml::from_str(rule).unwrap()], BTreeMap::new());
    let hour = Some(Duration::from_secs(3600));
    for (on, to, status, says) in [
        (None, "https://hooks.example.com/a", 403, "no [webhook]"),
        (hour, "https://other.example.com/a", 403, "allowed are hooks.example.com"),
        (hour, "answers", 422, "header:reply-to"),
        (hour, "https://user@hooks.example.com/", 422, "header:reply-to"),
    ] {
        house.worker.engine.policy.set(policy.clone().with_webhooks(on));
        let (answered, refused) = house.submit(&[("reply-to", to)], &job("NET-1", 1)).await;
        assert!(answered == status && refused.to_string().contains(says), "{to}: {refused}");
    }
    assert_eq!(house.published(), 0);
    let two = [("reply-to", "https://hooks.example.com/a"), ("reply-to", "https://hooks.example.com/b")];
    assert_eq!(house.submit(&two, &job("NET-1", 1)).await.0, 400);

    let (_, posted) = house.submit(&[("reply-to", "https://hooks.example.com/a")], &job("NET-1", 1)).await;
    assert_eq!(posted["state"], "accepted", "{posted}");
    let cancelled = house.ask("POST", "/v1/jobs/NET-1/cancel", &secret(AdminRole::Operator), &[], "").await;
    assert_eq!(cancelled.0, 200, "{}", cancelled.2);
    let (_, again) = house.submit(&[("reply-to", "https://hooks.example.com/b?secret")], &job("NET-1", 1)).await;
    assert_eq!((&again["state"], &again["uid"]), (&json!("repeated"), &posted["uid"]));
    let (_, view) = house.get("s3cr3t-of-bot", "/v1/jobs/NET-1").await;
    let hosts: Vec<&str> = view["webhooks"].as_array().unwrap().iter().map(|w| w["host"].as_str().unwrap()).collect();
    assert_eq!(hosts, ["hooks.example.com"; 2], "the end went to the first, and once more to the second");
    assert!(!view["webhooks"].to_string().contains("secret"), "the path is the receiver's own");
    assert_eq!((&view["webhooks"][0]["tries"], &view["webhooks"][0]["next_try"]), (&json!(0), &Value::Null));
}

/// What only the intake knows, it says by a rejection; the answer has it all the same.
#[tokio::test]
async fn a_rejection_by_the_intake_is_the_answer() {
    let house = house().await;
    house.worker.engine.policy.set(Policy::everybody().with_unbegun(Some(1)));
    assert_eq!(house.submit(&[], &job("NET-1", 1)).await.0, 202);
    for round in 0..2 {
        let (status, refused) = house.submit(&[], &job("NET-2", 1)).await;
        assert_eq!((status, &refused["faults"][0]["code"]), (422, &json!("job-too-many")), "{round}: {refused}");
    }
    // Of a body as large as this the intake keeps the beginning.
    let large = batch("MOVE-8", 500);
    assert!(large.to_string().len() > 64 << 10);
    let (status, refused) = house.submit(&[], &large).await;
    assert_eq!((status, &refused["faults"][0]["code"]), (422, &json!("job-too-many")), "{refused}");
    // An earlier rejection of the same job is not taken for that of this message.
    house.worker.engine.policy.set(Policy::everybody());
    house.is(Way::Queued);
    assert_eq!(house.in_time(house.submit(&[], &job("NET-2", 1))).await.1["state"], "published");
    house.is(Way::Through);
    assert_eq!(house.submit(&[], &job("NET-2", 1)).await.1["state"], "accepted");
}

#[tokio::test]
async fn the_answer_says_what_is_known_of_a_message() {
    let house = house().await;
    for (way, status, code) in [(Way::NotTaken, 503, "no-broker"), (Way::Unconfirmed, 504, "not-confirmed")] {
        house.is(way);
        let (answered, headers, body) =
            house.ask("POST", "/v1/jobs", "s3cr3t-of-bot", &[], &job("NET-1", 1).to_string()).await;
        assert!(answered == status && body.contains(&format!("\"{code}\"")), "{answered} {body}");
        assert_eq!(headers["retry-after"], "2");
    }
    // In the queue, and no worker comes to it.
    house.is(Way::Queued);
    let asked = job("a b/1", 1);
    let (status, posted) = house.in_time(house.submit(&[], &asked)).await;
    assert_eq!((status, &posted["state"], &posted["uid"]), (202, &json!("published"), &Value::Null));
    assert_eq!(posted["at"], "/v1/jobs/http%3Abot%2Fa%20b%2F1");
    house.is(Way::Through);
    assert_eq!(house.submit(&[], &job("a b/1", 1)).await.1["state"], "accepted");
    assert_eq!(house.get("s3cr3t-of-bot", posted["at"].as_str().unwrap()).await.0, 200);
}

#[tokio::test]
async fn a_submitter_sees_what_it_has_submitted_and_nothing_else() {
    let house = house().await;
    let (_, own) = house.submit(&[], &job("NET-1", 1)).await;
    let (_, _, body) = house.ask("POST", "/v1/jobs", "s3cr3t-of-ann", &[], &job("NET-2", 1).to_string()).await;
    let other: Value = serde_json::from_str(&body).unwrap();
    house.ask("POST", "/v1/jobs", "s3cr3t-of-ann", &[], &batch("MOVE-8", 2).to_string()).await;
    let uid = |posted: &Value| posted["uid"].as_str().unwrap().to_owned();
    for path in [uid(&own), "NET-1".into(), "http:bot%2FNET-1".into()] {
        for more in ["", "/events"] {
            assert_eq!(house.get("s3cr3t-of-bot", &format!("/v1/jobs/{path}{more}")).await.0, 200, "{path}{more}");
        }
    }
    let uid_of_batch = Requester::at_door("ann").map(|ann| crate::domain::BatchId::parse("MOVE-8").unwrap().uid(&ann));
    for path in [
        format!("/v1/jobs/{}", uid(&other)),
        "/v1/jobs/NET-2".into(),
        "/v1/jobs/http:ann%2FNET-2".into(),
        format!("/v1/batches/{}", uid_of_batch.unwrap()),
        "/v1/batches/MOVE-8".into(),
        "/v1/batches/http:ann%2FMOVE-8".into(),
    ] {
        for more in ["", "/events"] {
            let (status, said) = house.get("s3cr3t-of-bot", &format!("{path}{more}")).await;
            assert_eq!((status, &said["code"]), (404, &json!("not-found")), "{path}{more}: {said}");
            let reader = house.get(&secret(AdminRole::Reader), &format!("{path}{more}")).await.0;
            assert_eq!(reader, 200, "{path}{more}");
        }
    }
    // Nor by the job that comes first on the instance.
    let (_, view) = house.get("s3cr3t-of-ann", "/v1/jobs/NET-2").await;
    assert_eq!(view["explanation"]["blocker"], Value::Null);
    assert_eq!(view["explanation"]["why"], "a job of another requester on the same instance comes first");
    assert!(!view.to_string().contains("NET-1"), "{view}");
    for path in ["/v1/jobs", "/v1/batches", "/v1/status", "/v1/rejections"] {
        let (status, said) = house.get("s3cr3t-of-bot", path).await;
        assert_eq!((status, &said["code"]), (403, &json!("forbidden")), "{path}");
    }
    // Who sees everything does not submit.
    for role in [AdminRole::Reader, AdminRole::Operator, AdminRole::Approver] {
        let (status, _, said) = house.ask("POST", "/v1/jobs", &secret(role), &[], &job("NET-3", 3).to_string()).await;
        assert!(status == 403 && said.contains("needs the role submitter"), "{role}: {said}");
    }
}

#[tokio::test]
async fn events_are_given_after_a_number_and_none_is_missed() {
    let house = house().await;
    house.submit(&[], &job("NET-1", 1)).await;
    let path = "/v1/jobs/NET-1/events";
    let (_, first) = house.get("s3cr3t-of-bot", path).await;
    assert_eq!((&first["after"], &first["ended"]), (&json!(1), &json!(false)));
    assert_eq!(first["events"][0]["type"], "crossgrant.job.accepted");
    let (_, none) = house.get("s3cr3t-of-bot", &format!("{path}?after=1")).await;
    assert_eq!((&none["after"], &none["events"]), (&json!(1), &json!([])));
    for bad in ["after=x", "after=-1", "since=1h"] {
        assert_eq!(house.get("s3cr3t-of-bot", &format!("{path}?{bad}")).await.0, 400, "{bad}");
    }

    // A stream begins after the number that its reader has seen, tells what happens, and ends with the last event.
    let stream = [("accept", "text/event-stream"), ("last-event-id", "1")];
    let following = house.ask("GET", path, "s3cr3t-of-bot", &stream, "");
    let happening = async {
        while house.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        let cancelled = house.ask("POST", "/v1/jobs/NET-1/cancel", &secret(AdminRole::Operator), &[], "").await;
        assert_eq!(cancelled.0, 200, "{}", cancelled.2);
        house.clock.advance(Duration::from_secs(1));
    };
    let ((status, headers, text), ()) = tokio::join!(following, happening);
    assert_eq!((status, headers["content-type"].to_str().unwrap()), (200, "text/event-stream"));
    assert!(text.starts_with("retry: 1000\n\nid: 2\ndata: {") && text.ends_with("}\n\n"), "{text}");
    assert!(text.contains("crossgrant.job.cancelled") && !text.contains("job.accepted"), "{text}");
    let (_, rest) = house.get("s3cr3t-of-bot", &format!("{path}?after=1")).await;
    assert_eq!((&rest["after"], &rest["ended"]), (&json!(2), &json!(true)));
    let seen = [("accept", "text/event-stream"), ("last-event-id", "2")];
    assert_eq!(house.ask("GET", path, "s3cr3t-of-bot", &seen, "").await.0, 204, "it need not be asked for again");
}

#[tokio::test]
async fn a_stream_ends_after_a_while_and_when_the_worker_stops_and_there_are_not_many() {
    let house = house().await;
    house.submit(&[], &job("NET-1", 1)).await;
    let stream = [("accept", "text/event-stream"), ("last-event-id", "1")];
    let path = "/v1/jobs/NET-1/events";
    let began = house.clock.now();
    let silent = house.in_time(house.ask("GET", path, "s3cr3t-of-bot", &stream, "")).await.2;
    assert_eq!(silent, "retry: 1000\n\n:\n\n:\n\n");
    assert_eq!(house.clock.now().duration_since(began).as_secs(), 25);

    let many = async || {
        let mut open = Vec::new();
        for _ in 0..16 {
            open.push(house.ask("GET", path, "s3cr3t-of-bot", &stream, ""));
        }
        futures_util::future::join_all(open).await
    };
    let one_more = async {
        while house.clock.sleepers() < 16 {
            tokio::task::yield_now().await;
        }
        let refused = house.ask("GET", path, "s3cr3t-of-bot", &stream, "").await;
        house.worker.stop.send_replace(true);
        refused
    };
    let (ended, (status, _, said)) = tokio::join!(many(), one_more);
    assert!(status == 429 && said.contains("\"busy\""), "{said}");
    assert!(ended.iter().all(|(status, _, text)| *status == 200 && text == "retry: 1000\n\n"));
}
