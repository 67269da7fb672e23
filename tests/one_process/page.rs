//! The page over many jobs, and for `make browser`: a whole worker and its simulated cloud in this process, with jobs
//! in every state that operators see.

mod recorded;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use crossgrant::admin::{Admin, AdminParts, AdminRole, AdminToken, AdminTokens};
use crossgrant::clock::{Clock as _, SystemClock};
use crossgrant::page;
use crossgrant::telemetry::Metrics;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::json;
use tokio::sync::watch;
use tower::ServiceExt;

use crate::support::plant::{Plant, effect, payer_change};

/// The secret of each token is its name with this before it.
const SECRET: &str = "browser-";

/// The admin API and the page of a plant. They live as long as the sender.
fn served(plant: &Plant) -> (Router, watch::Sender<bool>) {
    let (stop, stopping) = watch::channel(false);
    let token = |name: &str, role| AdminToken {
        name: name.into(),
        role,
        secret: format!("{SECRET}{name}").into(),
        requesters: vec![],
    };
    let tokens = AdminTokens::new([
        token("finance", AdminRole::Reader),
        token("night-shift", AdminRole::Operator),
        token("change-board", AdminRole::Approver),
    ]);
    let (engine, metrics) = (plant.engine.clone(), Arc::new(Metrics::new()));
    let admin = Admin::new(AdminParts { engine, metrics, broker: None, tokens, hosts: vec![], stopping });
    (page::router(admin, false), stop)
}

async fn entered(router: &Router) -> String {
    let request = Request::post("/login").body(Body::from(format!("token={SECRET}finance"))).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    answer.headers()["set-cookie"].to_str().unwrap().split(';').next().unwrap().to_owned()
}

async fn seen(router: &Router, cookie: &str, path: &str) -> String {
    let request = Request::get(path).header("cookie", cookie).body(Body::empty()).unwrap();
    let answer = router.clone().oneshot(request).await.unwrap();
    assert_eq!(answer.status(), StatusCode::OK, "{path}");
    String::from_utf8(answer.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

async fn filled(jobs: usize) -> Plant {
    let plant = Plant::new().await;
    let instance = |n: usize| format!("vpc-bp1page{n:010}");
    for from in (0..jobs).step_by(1000) {
        let messages = (from..jobs.min(from + 1000)).map(|n| {
            let body = payer_change(&format!("MOVE-{n}"), &instance(n), "PayByResourceOwner").to_string();
            crossgrant::engine::ports::mail::Incoming {
                body: body.into(),
                routing_key: "crossgrant.jobs".into(),
                ..Default::default()
            }
        });
        plant.inbox.accept(messages.collect()).await.unwrap();
    }
    plant
}

/// How long `/jobs` takes, slowest of a hundred but five, and the bytes of its longest page.
async fn measured(jobs: usize) -> (Duration, usize) {
    let plant = filled(jobs).await;
    let (router, _stop) = served(&plant);
    let cookie = entered(&router).await;
    let (mut times, mut longest) = (Vec::new(), 0);
    for n in 0..100 {
        let path = [
            "/jobs",
            "/jobs?state=queued",
            "/jobs?kind=payer-change&older-than=1s",
            "/jobs?cen=cen-44m0p68spvlrqq0001",
        ][n % 4];
        plant.clock.advance(Duration::from_secs(2));
        let began = SystemClock.uptime();
        let text = seen(&router, &cookie, path).await;
        times.push(SystemClock.uptime().saturating_sub(began));
        longest = longest.max(text.len());
    }
    times.sort();
    (times[94], longest)
}

#[tokio::test]
async fn a_page_of_jobs_has_a_bound_whatever_their_number() {
    let (_, bytes) = measured(2000).await;
    assert!(bytes < 150_000, "{bytes} bytes");
}

/// For a release: `cargo test --release --test promises -- --ignored --nocapture one_process::page::a_hundred_thousand_jobs`.
#[tokio::test]
#[ignore = "a minute, and a figure of a release alone"]
async fn a_hundred_thousand_jobs_are_listed_in_a_moment() {
    let (p95, bytes) = measured(100_000).await;
    println!("{}", json!({"jobs": 100_000, "p95_ms": p95.as_secs_f64() * 1e3, "bytes": bytes}));
    assert!(p95 < Duration::from_millis(50) && bytes < 150_000, "{p95:?}, {bytes} bytes");
}

/// What the browser's tests look for (tests/outside/page): the address, and what it shows.
const LOOKED_FOR: [(&str, &str); 20] = [
    ("/", "half-done"),
    ("/", "needs-approval"),
    ("/", "overdue"),
    ("/", "The next hour begins at"),
    ("/jobs?state=queued&held=true", "NET-4315"),
    ("/jobs?state=running", "NET-4317"),
    ("/jobs?state=running", "NET-4314"),
    ("/jobs?state=queued", "NET-4316"),
    ("/jobs?state=waiting", "MOVE-0"),
    ("/jobs?state=waiting", "NET-4306"),
    ("/jobs?half-done=true", "NET-4312"),
    ("/jobs?for=gave-up", "NET-4301"),
    ("/jobs?state=completed", "NET-4310"),
    ("/jobs?state=failed", "NET-4308"),
    ("/jobs?state=planned", "NET-4307"),
    ("/jobs?state=superseded", "NET-4304"),
    ("/jobs?state=cancelled", "GONE-4"),
    ("/approvals", "GONE-7"),
    ("/dead", "NET-4313"),
    ("/batches", "MOVE-OCTOBER"),
];

#[tokio::test]
async fn the_jobs_for_the_browser_are_in_the_states_that_it_looks_for() {
    let plant = recorded::everything().await;
    let (router, _stop) = served(&plant);
    let cookie = entered(&router).await;
    for (path, part) in LOOKED_FOR {
        let text = seen(&router, &cookie, path).await;
        assert!(text.contains(part), "{part} is not in {path}: {text}");
    }
    let plant = recorded::strange().await;
    let (router, _stop) = served(&plant);
    let cookie = entered(&router).await;
    for path in ["/", "/jobs", "/dead"] {
        let text = seen(&router, &cookie, path).await;
        assert!(text.contains("onerror") && !text.contains("<img"), "{path}: {text}");
    }
}

/// What a plant has done to its cloud, as a line for each.
fn with_effects(plant: &Plant, page: Router) -> Router {
    let cloud = plant.cloud.clone();
    let effects = axum::routing::get(move || {
        let effects: Vec<String> =
            cloud.ledger().iter().filter(|entry| entry.operation != "hour").map(effect).collect();
        async move { axum::Json(effects) }
    });
    Router::new().route("/_effects", effects).fallback_service(page)
}

/// For tests/outside/page: serves the page for as long as the browser's tests run, and what was done to the simulated cloud at
/// `/_effects`. From the port of `CROSSGRANT_PAGE` on: a worker whose clock stands, so that all pictures of it are the same; one that
/// goes on with the machine's clock; one that strangers have written to; and one without a job.
#[tokio::test]
#[ignore = "make browser"]
async fn open_for_a_browser() {
    let first: u16 = std::env::var("CROSSGRANT_PAGE").map_or(19187, |port| port.parse().unwrap());
    let plants =
        [recorded::everything().await, recorded::everything().await, recorded::strange().await, Plant::new().await];
    plants[3].run_on().await;
    let served: Vec<_> = plants.iter().map(served).collect();
    // The last one answers when all do.
    for ((port, plant), (page, _)) in (first..).zip(&plants).zip(&served) {
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let router = with_effects(plant, page.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }
    let (began, goes) = (SystemClock.uptime(), &plants[1]);
    while SystemClock.uptime().saturating_sub(began) < Duration::from_secs(600) {
        SystemClock.sleep(Duration::from_millis(100)).await;
        goes.clock.advance(Duration::from_millis(100));
        goes.work().await;
    }
}
