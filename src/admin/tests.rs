use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use secrecy::SecretString;
use serde_json::Value;
use tokio::sync::watch;
use tower::ServiceExt;

use super::testing::{engine, incoming};
use super::*;
use crate::broker::BrokerState;
use crate::engine::loops::intake::Inbox;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::Intake;
use crate::telemetry::Metrics;

struct TestWorker {
    engine: Arc<Engine>,
    router: Router,
    stop: watch::Sender<bool>,
}

async fn worker(token: Option<&str>, jobs: &[(&str, &str)]) -> TestWorker {
    let metrics = Arc::new(Metrics::new());
    let engine = engine(metrics.clone()).await;
    let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
    for (user, id) in jobs {
        inbox.take(vec![incoming(user, id)]).await.unwrap();
    }
    let (stop, stopping) = watch::channel(false);
    let token = token.map(SecretString::from);
    let admin = Admin::new(AdminParts { engine: engine.clone(), metrics, broker: None, token, stopping });
    TestWorker { engine, router: admin.router(), stop }
}

impl TestWorker {
    async fn ask(&self, method: &str, path: &str, token: Option<&str>) -> (StatusCode, String) {
        let mut request = Request::builder().method(method).uri(path);
        if let Some(token) = token {
            request = request.header("authorization", token);
        }
        let response = self.router.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        let status = response.status();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn get(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.ask("GET", path, None).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    async fn post(&self, path: &str) -> (StatusCode, Value) {
        let (status, body) = self.ask("POST", path, None).await;
        (status, serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}")))
    }

    async fn listed(&self, query: &str) -> Vec<String> {
        let (status, page) = self.get(&format!("/v1/jobs?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{query}: {page}");
        page["jobs"].as_array().unwrap().iter().map(|job| job["job"]["id"].as_str().unwrap().to_owned()).collect()
    }
}

#[tokio::test]
async fn jobs_are_listed_newest_first_by_what_was_asked() {
    let worker = worker(None, &[("ticketing", "NET-1"), ("bot", "NET-2"), ("bot", "NET-3")]).await;
    assert_eq!(worker.listed("").await, ["NET-3", "NET-2", "NET-1"]);
    assert_eq!(worker.listed("requester=ticketing").await, ["NET-1"]);
    assert_eq!(worker.listed("label=ticket=NET-2").await, ["NET-2"]);
    assert_eq!(worker.listed("state=waiting,parked").await, Vec::<String>::new());
    assert_eq!(worker.listed("state=queued&kind=payer-change&limit=1").await, ["NET-3"]);
    let (_, page) = worker.get("/v1/jobs?limit=2").await;
    assert_eq!(page["next"], page["jobs"][1]["uid"]);
    let before = page["next"].as_str().unwrap();
    assert_eq!(worker.listed(&format!("limit=2&before={before}")).await, ["NET-1"]);
}

#[tokio::test]
async fn a_filter_that_cannot_be_meant_is_refused() {
    let worker = worker(None, &[]).await;
    for (query, hint) in [
        ("stat=queued", "did you mean state?"),
        ("state=queud", "must be one of queued"),
        ("kind=gift", "payer-change"),
        ("instance=x", "vpc-"),
        ("label=x", "label=name=value"),
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
    let worker = worker(None, &[("ticketing", "NET-1"), ("ticketing", "NET-2/a")]).await;
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
        ("/v1/jobs/NET-1", StatusCode::BAD_REQUEST),
        ("/v2/jobs", StatusCode::NOT_FOUND),
    ] {
        let (status, body) = worker.get(path).await;
        assert!(status == expected && body["message"].is_string(), "{path}: {status} {body}");
    }
}

#[tokio::test]
async fn a_command_is_carried_out_or_declined_with_the_reason() {
    let worker = worker(None, &[("ticketing", "NET-1")]).await;
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

#[tokio::test]
async fn with_a_token_nothing_is_told_without_it() {
    let worker = worker(Some("s3cr3t"), &[("ticketing", "NET-1")]).await;
    let guarded = [
        ("GET", "/metrics"),
        ("GET", "/v1/jobs"),
        ("GET", "/v1/jobs/ticketing%2FNET-1"),
        ("POST", "/v1/jobs/ticketing%2FNET-1/resume"),
        ("POST", "/v1/jobs/ticketing%2FNET-1/approve"),
        ("POST", "/v1/approvals?expect=0"),
        ("GET", "/v1/accounts/paused"),
        ("POST", "/v1/accounts/1688000000000001/pause?by=x&reason=y"),
        ("POST", "/v1/jobs/ticketing%2FNET-1/cancel"),
    ];
    for (method, path) in guarded {
        for wrong in
            [None, Some("Bearer s3cr3"), Some("Bearer s3cr3tt"), Some("Basic s3cr3t"), Some("Bearer"), Some("")]
        {
            let (status, body) = worker.ask(method, path, wrong).await;
            assert_eq!(status, StatusCode::UNAUTHORIZED, "{path} with {wrong:?}: {body}");
        }
        let (status, body) = worker.ask(method, path, Some("Bearer s3cr3t")).await;
        assert_ne!(status, StatusCode::UNAUTHORIZED, "{path}: {body}");
    }
    // Probes have no secrets, and learn none.
    assert_eq!(worker.ask("GET", "/healthz", None).await.0, StatusCode::OK);
    worker.stop.send_replace(true);
    let (status, body) = worker.ask("GET", "/readyz", None).await;
    assert!(status == StatusCode::SERVICE_UNAVAILABLE && !body.contains("detail"), "{status} {body}");
    assert!(worker.ask("GET", "/readyz", Some("bearer s3cr3t")).await.1.contains("told to stop"));
}

#[tokio::test]
async fn readiness_names_each_check() {
    let metrics = Arc::new(Metrics::new());
    let engine = engine(metrics.clone()).await;
    let broker = Some(Arc::new(BrokerState::new(engine.clock.clone())));
    let (stop, stopping) = watch::channel(false);
    let admin = |broker| {
        let (engine, metrics, stopping) = (engine.clone(), metrics.clone(), stopping.clone());
        Admin::new(AdminParts { engine, metrics, broker, token: None, stopping })
    };
    let down = |readiness: &Readiness| -> Vec<String> {
        readiness.checks.iter().filter(|check| !check.ok).map(|check| check.name.clone()).collect()
    };
    let ready = admin(None).readiness().await;
    assert!(ready.ready && ready.checks.len() == 5, "{ready:?}");
    let unconnected = admin(broker).readiness().await;
    assert!(!unconnected.ready);
    assert_eq!(down(&unconnected), ["broker-consume", "broker-publish"]);
    assert!(unconnected.checks.iter().any(|c| c.detail.as_deref().is_some_and(|d| d.contains("down since"))));
    stop.send_replace(true);
    assert_eq!(down(&admin(None).readiness().await), ["running"]);
}

#[tokio::test]
async fn metrics_count_what_the_store_holds() {
    let worker = worker(None, &[("ticketing", "NET-1"), ("ticketing", "NET-1")]).await;
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
}

#[tokio::test]
async fn an_account_is_paused_listed_and_unpaused() {
    let worker = worker(None, &[]).await;
    let path = "/v1/accounts/1688000000000001";
    let (status, pause) = worker.post(&format!("{path}/pause?by=ann&reason=an+incident")).await;
    assert_eq!((status, &pause["since"], &pause["by"]), (StatusCode::OK, &testing::START.into(), &"ann".into()));
    assert_eq!(worker.get("/v1/accounts/paused").await.1["accounts"], Value::from(vec![pause]));
    let (status, body) = worker.post(&format!("{path}/pause?by=bob&reason=other")).await;
    assert_eq!(status, StatusCode::CONFLICT);
    assert!(
        body["message"].as_str().unwrap().contains("is paused since 2026-11-21T10:20:00Z by ann: an incident"),
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
