mod answers;
mod door;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use futures_util::FutureExt;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use super::access::Access;
use super::routes::routes;
use super::testing::{engine, incoming, secret, tokens};
use super::*;
use crate::broker::BrokerState;
use crate::engine::loops::intake::Inbox;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Intake, Lane};
use crate::engine::ports::store::{Outbox, OutboxPage, SetAside, Settlement};
use crate::telemetry::Metrics;

/// The header of a request with the token of that role.
fn bearer(role: AdminRole) -> String {
    format!("Bearer {}", secret(role))
}

struct TestWorker {
    engine: Arc<Engine>,
    router: Router,
    stop: watch::Sender<bool>,
}

async fn worker(jobs: &[(&str, &str)]) -> TestWorker {
    worker_with(tokens(), jobs).await
}

async fn worker_with(tokens: AdminTokens, jobs: &[(&str, &str)]) -> TestWorker {
    let metrics = Arc::new(Metrics::new());
    let engine = engine(metrics.engine()).await;
    let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
    for (user, id) in jobs {
        inbox.take(vec![incoming(user, id)]).await.unwrap();
    }
    let (stop, stopping) = watch::channel(false);
    let hosts = vec!["crossgrant.internal".to_owned()];
    let admin = Admin::new(AdminParts { engine: engine.clone(), metrics, broker: None, tokens, hosts, stopping });
    TestWorker { engine, router: admin.router(), stop }
}

impl TestWorker {
    async fn ask(&self, method: &str, path: &str, authorization: Option<&str>) -> (StatusCode, String) {
        let headers: Vec<(&str, &str)> = authorization.map(|value| ("authorization", value)).into_iter().collect();
        self.ask_with(method, path, &headers).await
    }

    async fn ask_with(&self, method: &str, path: &str, headers: &[(&str, &str)]) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.ask("GET", path, Some(&bearer(AdminRole::Reader))).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    async fn post(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.ask("POST", path, Some(&bearer(AdminRole::Approver))).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    /// Takes in jobs of batches of two, in this order.
    async fn takes_in_batch(&self, jobs: &[(&str, &str)], batch: &str) {
        let inbox = Inbox::new(self.engine.clone(), "crossgrant", "crossgrant.dead");
        for (user, id) in jobs {
            let mut message = incoming(user, id);
            let mut body: Value = serde_json::from_slice(&message.body).unwrap();
            body["batch"] = json!({"id": batch, "size": 2});
            message.body = body.to_string().into();
            inbox.take(vec![message]).await.unwrap();
        }
    }

    async fn listed(&self, query: &str) -> Vec<String> {
        let (status, page) = self.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {page}");
        page["jobs"].as_array().unwrap().iter().map(|job| job["job"]["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_what_was_asked() {
    let worker = worker(&[("ticketing", "NET-1"), ("bot", "NET-2"), ("bot", "NET-3")]).await;
    assert_eq!(worker.listed("").await, ["NET-3", "NET-2", "NET-1"]);
    assert_eq!(worker.listed("requester=ticketing").await, ["NET-1"]);
    assert_eq!(worker.listed("label=ticket=NET-2").await, ["NET-2"]);
    assert_eq!(worker.listed("state=waiting,parked").await, Vec::<String>::new());
    assert_eq!(worker.listed("state=queued&kind=payer-change&limit=1").await, ["NET-3"]);
    let (_, page) = worker.get("/v1/jobs?limit=2").await;
    assert_eq!(page["next"], page["jobs"][1]["uid"]);
    let before = page["next"].as_str().unwrap();
    assert_eq!(worker.listed(&format!("limit=2&before={before}")).await, ["NET-1"]);
    worker.post("/v1/jobs/ticketing%2FNET-1/cancel").await;
    assert_eq!(worker.listed("for=cancelled-by-operator").await, ["NET-1"]);
    assert_eq!(worker.listed("account=1250123456123456&older-than=1s").await, Vec::<String>::new());
    assert_eq!(worker.listed("account=1250123456123456&since=1h&state=queued").await, ["NET-3", "NET-2"]);
}

#[tokio::test]
async fn a_batch_is_found_by_each_of_its_names_and_narrows_every_list() {
    let worker = worker(&[("ticketing", "NET-9")]).await;
    worker.takes_in_batch(&[("ticketing", "NET-1"), ("ticketing", "NET-2"), ("bot", "NET-3")], "MOVE/7").await;
    assert_eq!(worker.listed("batch=ticketing/MOVE/7").await, ["NET-2", "NET-1"]);
    let (_, view) = worker.get("/v1/batches/bot%2FMOVE%2F7").await;
    assert_eq!((&view["batch"]["accepted"], &view["batch"]["states"]), (&json!(1), &json!({"queued": 1})));
    assert_eq!(view["events"][0]["type"], "crossgrant.batch.accepted");
    let uid = view["batch"]["uid"].as_str().unwrap();
    assert_eq!(worker.listed(&format!("batch={uid}")).await, ["NET-3"]);
    let (status, why) = worker.get("/v1/batches/MOVE%2F7").await;
    assert_eq!((status, &why["code"]), (StatusCode::CONFLICT, &json!("ambiguous")));
    let (status, why) = worker.get("/v1/jobs?batch=MOVE-8").await;
    assert_eq!((status, &why["code"]), (StatusCode::NOT_FOUND, &json!("not-found")));

    let (_, page) = worker.get("/v1/batches?limit=1").await;
    assert_eq!((page["batches"].as_array().unwrap().len(), &page["next"]), (1, &page["batches"][0]["uid"]));
    let (_, done) = worker.post("/v1/bulk/cancel?batch=ticketing/MOVE/7&expect=2").await;
    assert_eq!(done["done"], 2, "{done}");
    worker.engine.look_at_batches().await.unwrap();
    let (_, page) = worker.get("/v1/batches?open=true").await;
    let open: Vec<&Value> = page["batches"].as_array().unwrap().iter().map(|batch| &batch["requester"]).collect();
    assert_eq!(open, ["bot"]);
    assert_eq!(worker.get("/v1/batches?opn=true").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn a_list_explains_a_job_like_its_page() {
    let worker = worker(&[("ticketing", "NET-1"), ("ticketing", "NET-2")]).await;
    let (_, page) = worker.get("/v1/jobs").await;
    for row in page["jobs"].as_array().unwrap() {
        let (_, view) = worker.get(&format!("/v1/jobs/{}", row["uid"].as_str().unwrap())).await;
        assert_eq!(row["explanation"], view["explanation"]);
    }
    assert!(page["jobs"][0]["explanation"]["why"].as_str().unwrap().contains("job NET-1"), "{page}");
}

#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_refused() {
    let worker = worker(&[]).await;
    for (query, hint) in [
        ("stat=queued", "did you mean state?"),
        ("state=queud", "must be one of queued"),
        ("kind=gift", "payer-change"),
        ("instance=x", "vpc-"),
        ("label=x", "must be name=value, such as ticket=NET-4312"),
        ("limit=0", "from 1 to 1000"),
        ("before=x", "uid"),
    ] {
        let (status, body) = worker.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!((status, &body["code"]), (StatusCode::BAD_REQUEST, &"bad-request".into()), "{query}");
        assert!(body["message"].as_str().unwrap().contains(hint), "{query}: {body}");
    }
}

#[tokio::test]
async fn a_job_is_shown_with_its_blocker_and_events_under_either_name() {
    let worker = worker(&[("ticketing", "NET-1"), ("ticketing", "NET-2/a")]).await;
    let (status, by_name) = worker.get("/v1/jobs/ticketing%2FNET-2%2Fa").await;
    assert_eq!(status, StatusCode::OK, "{by_name}");
    let (_, by_uid) = worker.get(&format!("/v1/jobs/{}", by_name["job"]["uid"].as_str().unwrap())).await;
    assert_eq!(by_name, by_uid);
    let (_, first) = worker.get("/v1/jobs/ticketing%2FNET-1").await;
    assert_eq!(by_name["explanation"]["blocker"], first["job"]["uid"]);
    assert_eq!(first["explanation"]["blocker"], Value::Null);
    assert_eq!(first["events"][0]["type"], "crossgrant.job.accepted");
    for (path, expected) in [
        ("/v1/jobs/ticketing%2FNET-9", StatusCode::NOT_FOUND),
        ("/v1/jobs/018f0000-0000-7000-8000-000000000000", StatusCode::NOT_FOUND),
        ("/v1/jobs/NET-1", StatusCode::OK),
        ("/v1/jobs/NET%0A1", StatusCode::BAD_REQUEST),
        ("/v2/jobs", StatusCode::NOT_FOUND),
    ] {
        let (status, body) = worker.get(path).await;
        assert!(status == expected && body["message"].is_string() != status.is_success(), "{path}: {status} {body}");
    }
    assert_eq!(
        worker.get("/v1/jobs/NET-2%2Fa").await.1["job"]["job"]["id"],
        "NET-2/a",
        "an id alone, with a slash in it"
    );
}

#[tokio::test]
async fn an_id_alone_is_enough_where_only_one_requester_has_it() {
    let worker =
        worker(&[("ticketing", "NET-1"), ("bot", "NET-1"), ("bot", "ticketing/NET-1"), ("bot", "NET-2")]).await;
    let (status, body) = worker.get("/v1/jobs/NET-1").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"ambiguous".into()));
    assert!(body["message"].as_str().unwrap().contains("(id NET-1 of requester bot)"), "{body}");
    let (_, named) = worker.get("/v1/jobs/ticketing%2FNET-1").await;
    assert_eq!(named["job"]["requester"], "ticketing", "no other requester can take its name away");
    assert_eq!(worker.get("/v1/jobs/NET-2").await.1["job"]["requester"], "bot");
    assert_eq!(worker.get("/v1/jobs/NET-3").await.0, StatusCode::NOT_FOUND);
}

#[tokio::test]
async fn a_command_on_many_jobs_touches_what_the_list_shows_and_nothing_else() {
    let worker = worker(&[("ticketing", "NET-1"), ("bot", "NET-2"), ("bot", "NET-3"), ("bot", "NET-4")]).await;
    worker.post("/v1/jobs/NET-4/cancel").await;
    assert_eq!(worker.listed("requester=bot&state=queued").await, ["NET-3", "NET-2"]);
    let (_, found) = worker.get("/v1/bulk/cancel?requester=bot").await;
    assert_eq!((&found["total"], found["jobs"].as_array().unwrap().len()), (&2.into(), 2));
    let (status, body) = worker.post("/v1/bulk/cancel?requester=bot&expect=3").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"conflict".into()), "{body}");
    let (status, body) = worker.post("/v1/bulk/cancel?requester=bot&expect=2&by=ann&reason=wrong+file").await;
    assert_eq!((status, &body["done"]), (StatusCode::OK, &2.into()), "{body}");
    assert_eq!(worker.listed("for=cancelled-by-operator").await, ["NET-4", "NET-3", "NET-2"]);
    assert_eq!(worker.listed("state=queued").await, ["NET-1"]);
    let (_, view) = worker.get("/v1/jobs/NET-3").await;
    let end = view["events"].as_array().unwrap().last().unwrap();
    let command = &end["data"]["command"];
    assert_eq!(
        (&command["by"], &command["reason"], &command["authority"]),
        (&"ann".into(), &"wrong file".into(), &"approver".into())
    );
    for (query, hint) in [
        ("by=&expect=1", "one line of text"),
        ("reason=a%0Ab&expect=1", "one line of text"),
        ("job=x&expect=1", "no parameter job"),
    ] {
        let (status, body) = worker.post(&format!("/v1/bulk/cancel?{query}")).await;
        assert!(
            status == StatusCode::BAD_REQUEST && body["message"].as_str().unwrap().contains(hint),
            "{query}: {body}"
        );
    }
    let (status, _) = worker.get("/v1/bulk/cancel?expect=1").await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "a GET changes nothing");
}

#[tokio::test]
async fn a_command_is_carried_out_or_declined_with_the_reason() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    let (status, body) = worker.post("/v1/jobs/ticketing%2FNET-1/resume").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"declined".into()));
    assert!(body["message"].as_str().unwrap().contains("only a parked job can be resumed"), "{body}");
    let (status, body) = worker.post("/v1/jobs/ticketing%2FNET-1/cancel").await;
    assert_eq!((status, &body["state"]), (StatusCode::OK, &"cancelled".into()), "{body}");
    let stored = worker.engine.store.load(body["uid"].as_str().unwrap().parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(stored.state().as_str(), "cancelled");
    assert_eq!(worker.post("/v1/jobs/ticketing%2FNET-1/cancel").await.0, StatusCode::CONFLICT);
    assert_eq!(worker.post("/v1/jobs/ticketing%2FNET-2/cancel").await.0, StatusCode::NOT_FOUND);
    assert_eq!(worker.get("/v1/jobs/ticketing%2FNET-1/cancel").await.0, StatusCode::METHOD_NOT_ALLOWED);
}

/// The rows of the table in `admin.rs`, which is for readers and is what the API must be: method, path, and the lowest role.
fn table() -> Vec<(&'static str, &'static str, Option<AdminRole>)> {
    let row = |line: &'static str| {
        let mut cells = line.strip_prefix("//! | `")?.split(" | ");
        let (method, path) = cells.next()?.trim_end_matches('`').split_once(' ')?;
        let needs = match cells.next()? {
            "nothing" => None,
            role => Some(AdminRole::parse(role).unwrap_or_else(|| panic!("{line}"))),
        };
        Some((method, path, needs))
    };
    include_str!("../admin.rs").lines().filter_map(row).collect()
}

#[tokio::test]
async fn every_path_asks_for_the_role_that_the_table_says() {
    let mut said: Vec<_> = table().into_iter().map(|(_, path, role)| (path, role)).collect();
    let mut found: Vec<_> = routes().into_iter().map(|route| (route.path, route.access.lowest())).collect();
    said.sort();
    found.sort();
    assert_eq!(said, found, "the table in admin.rs and the routes");

    let worker = worker(&[]).await;
    worker.takes_in_batch(&[("ticketing", "NET-1"), ("http:submitter", "NET-1")], "NET-1").await;
    for (method, path, needs) in table() {
        let access = routes().into_iter().find(|route| (route.method, route.path) == (&*method.to_lowercase(), path));
        let submits = access.unwrap().access == Access::Submits;
        for has in AdminRole::ALL.into_iter().map(Some).chain([None]) {
            let own = if has == Some(AdminRole::Submitter) { "http:submitter%2FNET-1" } else { "ticketing%2FNET-1" };
            let path = path.replace("{reference}", own).replace("{uid}", "1688000000000001");
            let (status, body) = worker.ask(method, &path, has.map(bearer).as_deref()).await;
            let refusal = match (needs, has) {
                (Some(_), None) => Some((StatusCode::UNAUTHORIZED, "unauthorized")),
                (_, Some(AdminRole::Submitter)) if submits => Some((StatusCode::FORBIDDEN, "door-closed")),
                _ if submits => Some((StatusCode::FORBIDDEN, "forbidden")),
                (Some(needs), Some(has)) if has < needs => Some((StatusCode::FORBIDDEN, "forbidden")),
                _ => None,
            };
            let body: Value = serde_json::from_str(&body).unwrap_or_default();
            match refusal {
                Some((expected, code)) => {
                    assert_eq!((status, &body["code"]), (expected, &code.into()), "{method} {path}")
                }
                None => {
                    assert!(![401, 403, 404, 405].contains(&status.as_u16()), "{method} {path} as {has:?}: {status}")
                }
            }
        }
    }
}

#[tokio::test]
async fn a_token_that_is_not_known_is_no_token() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    let right = secret(AdminRole::Approver);
    for wrong in [
        format!("Bearer {right}x"),
        format!("Bearer {}", &right[1..]),
        format!("Basic {right}"),
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        String::new(),
    ] {
        let (status, body) = worker.ask("POST", "/v1/jobs/ticketing%2FNET-1/cancel", Some(&wrong)).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}: {body}");
    }
    // Probes have no secrets, and learn none.
    worker.stop.send_replace(true);
    let (status, body) = worker.ask("GET", "/readyz", Some("Bearer x")).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && !body.contains("detail"), "{status} {body}");
    assert!(worker.ask("GET", "/readyz", Some(&bearer(AdminRole::Reader))).await.1.contains("told to stop"));
}

#[tokio::test]
async fn without_any_token_commands_and_jobs_are_off() {
    let worker = worker_with(AdminTokens::default(), &[("ticketing", "NET-1")]).await;
    for (method, path, needs) in table() {
        let path = path.replace("{reference}", "ticketing%2FNET-1").replace("{uid}", "1688000000000001");
        let (status, body) = worker.ask(method, &path, Some("Bearer x")).await;
        match needs {
            None => assert_eq!(status, StatusCode::OK, "{path}: {body}"),
            Some(_) => assert!(status == StatusCode::FORBIDDEN && body.contains("[[admin.token]]"), "{path}: {body}"),
        }
    }
}

#[tokio::test]
async fn web_pages_are_refused_also_with_the_token() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    let token = bearer(AdminRole::Approver);
    let right = [("authorization", token.as_str()), ("host", "127.0.0.1:9180")];
    for (method, path) in [
        ("POST", "/v1/bulk/approve?expect=0"),
        ("POST", "/v1/accounts/1688000000000001/pause?by=x&reason=y"),
        ("GET", "/v1/jobs"),
        ("GET", "/metrics"),
        ("GET", "/readyz"),
    ] {
        for (name, value, code) in [
            ("origin", "http://evil.example", "foreign-origin"),
            ("origin", "null", "foreign-origin"),
            ("sec-fetch-site", "cross-site", "foreign-origin"),
            ("host", "evil.example:9180", "foreign-host"),
        ] {
            let (status, body) = worker.ask_with(method, path, &[&right[..], &[(name, value)]].concat()).await;
            let body: Value = serde_json::from_str(&body).unwrap();
            assert_eq!(
                (status, &body["code"]),
                (StatusCode::FORBIDDEN, &code.into()),
                "{method} {path} {name}: {value}"
            );
            assert!(body["message"].as_str().unwrap().contains(value), "{body}");
        }
    }
    assert_eq!(worker.engine.store.pauses().await.unwrap(), []);
    for host in ["crossgrant.internal:9180", "localhost", "[::1]:9180"] {
        let (status, body) = worker.ask_with("GET", "/v1/jobs", &[right[0], ("host", host)]).await;
        assert_eq!(status, StatusCode::OK, "{host}: {body}");
    }
    // A probe that were refused would have the worker killed.
    let (status, _) = worker.ask_with("GET", "/healthz", &[("host", "evil.example")]).await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn what_is_done_carries_the_name_of_the_token() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    let (_, job) = worker.post("/v1/jobs/ticketing%2FNET-1/cancel").await;
    let by = serde_json::json!([{"command": "cancel", "at": testing::START, "authority": "approver"}]);
    assert_eq!((&job["commands"], &job["why"]), (&by, &"cancelled by an operator (token approver)".into()));
    let (_, view) = worker.get("/v1/jobs/ticketing%2FNET-1").await;
    let end = view["events"].as_array().unwrap().last().unwrap();
    assert_eq!(end["data"]["message"], job["why"]);
    let pause = "/v1/accounts/1688000000000001/pause?by=ann&reason=why";
    let (_, pause) = worker.ask("POST", pause, Some(&bearer(AdminRole::Operator))).await;
    let pause: crate::engine::guards::Pause = serde_json::from_str(&pause).unwrap();
    assert_eq!((pause.by.as_str(), pause.authority.as_deref()), ("ann", Some("operator")));
    assert_eq!(worker.engine.store.pauses().await.unwrap(), [pause]);
}

#[tokio::test]
async fn a_command_whose_connection_ends_is_carried_out_and_told() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    worker.engine.work.notified().await;
    let request = Request::builder().method("POST").uri("/v1/jobs/ticketing%2FNET-1/cancel");
    let request = request.header("authorization", bearer(AdminRole::Operator)).body(Body::empty()).unwrap();
    assert!(worker.router.clone().oneshot(request).now_or_never().is_none(), "it is dropped before it is answered");
    let told = tokio::time::timeout(Duration::from_secs(20), worker.engine.work.notified()).await;
    assert!(told.is_ok(), "the loops are told");
    assert_eq!(worker.listed("state=cancelled").await, ["NET-1"]);
}

#[tokio::test]
async fn a_reference_that_is_that_of_two_jobs_is_refused() {
    let worker = worker(&[("a", "b/c"), ("a/b", "c"), ("a", "b")]).await;
    let (status, body) = worker.post("/v1/jobs/a%2Fb%2Fc/cancel").await;
    assert_eq!((status, &body["code"]), (StatusCode::CONFLICT, &"ambiguous".into()));
    let message = body["message"].as_str().unwrap();
    for said in ["names 2 jobs", "(id b/c of requester a)", "(id c of requester a/b)", "give the uid"] {
        assert!(message.contains(said), "{said}: {message}");
    }
    assert_eq!(worker.listed("state=cancelled").await, Vec::<String>::new(), "neither was cancelled");
    let uid = message.split(' ').find(|word| word.len() == 36).unwrap();
    assert_eq!(worker.post(&format!("/v1/jobs/{uid}/cancel")).await.0, StatusCode::OK);
    assert_eq!(worker.get("/v1/jobs/a%2Fb").await.0, StatusCode::OK, "there is only one way to read it");
}

#[tokio::test]
async fn readiness_names_each_check() {
    let metrics = Arc::new(Metrics::new());
    let engine = engine(metrics.engine()).await;
    let broker = Some(Arc::new(BrokerState::new(engine.clock.clone())));
    let (stop, stopping) = watch::channel(false);
    let admin = |broker| {
        let (engine, metrics, stopping) = (engine.clone(), metrics.clone(), stopping.clone());
        Admin::new(AdminParts { engine, metrics, broker, tokens: tokens(), hosts: vec![], stopping })
    };
    let down = |readiness: &Readiness| -> Vec<String> {
        readiness.checks.iter().filter(|check| !check.ok).map(|check| check.name.clone()).collect()
    };
    let ready = admin(None).readiness().await;
    let names: Vec<&str> = ready.checks.iter().map(|check| check.name.as_str()).collect();
    assert_eq!(names, ["running", "store", "definitions", "accounts", "clock", "outbox", "events"]);
    assert!(ready.ready, "{ready:?}");
    let unconnected = admin(broker).readiness().await;
    assert!(!unconnected.ready);
    assert_eq!(down(&unconnected), ["broker-consume", "broker-publish", "broker-reply"]);
    assert!(unconnected.checks.iter().any(|c| c.detail.as_deref().is_some_and(|d| d.contains("down since"))));
    stop.send_replace(true);
    assert_eq!(down(&admin(None).readiness().await), ["running"]);
}

/// To count reads every message that waits, and everybody may ask.
#[tokio::test]
async fn what_waits_is_counted_once_a_second_for_all_who_ask() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    let aside = |worker: &TestWorker| {
        let store = worker.engine.store.clone();
        async move {
            let lane = Lane::Events;
            let page = OutboxPage { lane, which: Outbox::Fresh(0), messages: 9, bytes: usize::MAX };
            let number = store.outbox(page).await.unwrap()[0].number;
            let aside = SetAside { number, reason: "no queue takes it".into(), tries: 0, given_up: false };
            store.settle(lane, &Settlement { undeliverable: vec![aside], ..Settlement::default() }).await.unwrap();
        }
    };
    let says =
        async |worker: &TestWorker| worker.get("/readyz").await.1.to_string().contains("undeliverable messages: 1");
    assert!(!says(&worker).await);
    aside(&worker).await;
    assert!(!says(&worker).await, "it was counted in this second, and the clock stands");
    let text = worker.ask("GET", "/metrics", None).await.1;
    assert!(text.contains("crossgrant_undeliverable_messages 0\n"), "{text}");

    let other = self::worker(&[("ticketing", "NET-1")]).await;
    aside(&other).await;
    assert!(says(&other).await, "a first question is answered anew");
}

#[tokio::test]
async fn the_status_says_what_goes_on_and_which_account_is_paused() {
    let worker = worker(&[("ticketing", "NET-1"), ("ticketing", "NET-2")]).await;
    worker.post("/v1/accounts/1688000000000001/pause?by=ann&reason=an+incident").await;
    // A status of this second is not shown after a command.
    worker.get("/v1/status").await;
    worker.post("/v1/accounts/1688000000000001/unpause").await;
    let unpaused: Status = serde_json::from_value(worker.get("/v1/status").await.1).unwrap();
    assert_eq!(unpaused.accounts, []);
    worker.post("/v1/accounts/1688000000000001/pause?by=ann&reason=an+incident").await;
    let (status, body) = worker.get("/v1/status").await;
    assert_eq!(status, StatusCode::OK, "{body}");
    let read: Status = serde_json::from_value(body).unwrap();
    assert_eq!((read.needs.as_slice(), read.jobs.values().sum::<u64>()), ([].as_slice(), 2));
    let [queued] = read.goes_on.as_slice() else { panic!("{read:?}") };
    assert_eq!((queued.jobs, queued.until, queued.oldest), (2, None, testing::at(testing::START)));
    let [paused] = read.accounts.as_slice() else { panic!("{read:?}") };
    assert_eq!((paused.state.as_str(), paused.held), ("paused", Some(0)));
    assert_eq!(paused.detail, "by ann (token approver): an incident");
    worker.stop.send_replace(true);
}

#[tokio::test]
async fn metrics_count_what_the_store_holds() {
    let worker = worker(&[("ticketing", "NET-1"), ("ticketing", "NET-1")]).await;
    let (status, text) = worker.ask("GET", "/metrics", None).await;
    assert_eq!(status, StatusCode::OK);
    for line in [
        "crossgrant_jobs{kind=\"payer-change\",state=\"queued\"} 1",
        "crossgrant_messages_taken_total{what=\"new\"} 1",
        "crossgrant_messages_taken_total{what=\"repeated\"} 1",
        "crossgrant_store_usable 1",
    ] {
        assert!(text.lines().any(|l| l == line), "{line} is not in\n{text}");
    }
    // It is for everybody.
    for of_a_job in ["NET-1", "ticketing", "vpc-", "cen-"] {
        assert!(!text.contains(of_a_job), "{of_a_job}:\n{text}");
    }
}

#[tokio::test]
async fn an_account_is_paused_listed_and_unpaused() {
    let worker = worker(&[]).await;
    let path = "/v1/accounts/1688000000000001";
    let (status, pause) = worker.post(&format!("{path}/pause?by=ann&reason=an+incident")).await;
    assert_eq!((status, &pause["since"], &pause["by"]), (StatusCode::OK, &testing::START.into(), &"ann".into()));
    assert_eq!(worker.get("/v1/accounts/paused").await.1["accounts"], Value::from(vec![pause]));
    let (status, body) = worker.post(&format!("{path}/pause?by=bob&reason=other")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        body["message"]
            .as_str()
            .unwrap()
            .contains("is paused since 2026-11-21T10:20:00Z by ann (token approver): an incident"),
        "{body}"
    );
    let (status, readiness) = worker.get("/readyz").await;
    assert_eq!(status, StatusCode::OK, "a pause is no fault");
    assert!(readiness.to_string().contains("1 paused: 1688000000000001"), "{readiness}");
    assert!(worker.ask("GET", "/metrics", None).await.1.contains("crossgrant_paused_accounts 1\n"));

    let (status, body) = worker.post(&format!("{path}/unpause")).await;
    assert_eq!((status, &body["account"]), (StatusCode::OK, &"1688000000000001".into()));
    assert_eq!(worker.get("/v1/accounts/paused").await.1["accounts"], Value::Array(vec![]));
    let (status, body) = worker.post(&format!("{path}/unpause")).await;
    assert!(status == StatusCode::CONFLICT && body["message"].as_str().unwrap().contains("is not paused"), "{body}");
    for wrong in ["x/pause?by=a&reason=b", "1688000000000001/pause?by=a", "1688000000000001/pause?by=a&reason=b&for=1h"]
    {
        assert_eq!(worker.post(&format!("/v1/accounts/{wrong}")).await.0, StatusCode::BAD_REQUEST, "{wrong}");
    }
}
