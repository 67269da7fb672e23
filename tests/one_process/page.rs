//! The page over many jobs, and for `make browser`: a whole worker and its simulated cloud in this process, with jobs
//! in every state that operators see.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use crossgrant::admin::{Admin, AdminParts, AdminRole, AdminToken, AdminTokens};
use crossgrant::clock::{Clock as _, SystemClock, later};
use crossgrant::engine::guards::HourlyLimits;
use crossgrant::engine::policy::Policy;
use crossgrant::page;
use crossgrant::simulator::{FaultKind, InjectedFault};
use crossgrant::telemetry::Metrics;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use crate::support::plant::{
    ATTACHED, CEN, HELD, NOT_GRANTED, Plant, RESOURCE, ROUTER, effect, grant, payer_change, revoke, with,
};

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

/// More networks than the example world has, all granted; the first five are attached.
fn world(networks: usize) -> String {
    let one = |n: usize| {
        let id = network(n);
        format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n\
             [[grants]]\ncen = {CEN:?}\ninstance = {id:?}\norder_type = \"PayByCenOwner\"\n"
        )
    };
    // A payer change waits for the hour where it is attached.
    let attached = |n: usize| {
        let id = network(n);
        format!("\n[[attachments]]\nid = \"tr-attach-browsed{n:07}\"\ntransit_router = {ROUTER:?}\ninstance = {id:?}\n")
    };
    let networks: String = (0..networks).map(one).chain((0..5).map(attached)).collect();
    format!("{}{networks}", include_str!("../../examples/world.toml"))
}

fn network(n: usize) -> String {
    format!("vpc-bp1browsed{n:07}")
}

fn labelled(job: Value, ticket: &str) -> Value {
    with(job, "labels", json!({"ticket": ticket}))
}

/// Jobs that have ended, that wait, that need a person and that go on, each by what a worker does.
async fn recorded() -> Plant {
    let plant = Plant::with_world(&world(12)).await;
    plant.job(labelled(payer_change("NET-4310", HELD, "PayByResourceOwner"), "CHG-101")).await;
    plant.job(labelled(grant("NET-4311", NOT_GRANTED), "CHG-101")).await;
    plant.job(revoke("NET-4309", "vpc-bp1h8vbrbcgohcju59999")).await;
    plant.run().await;

    // One side is written, the other is refused, and so is the way back.
    let forbidden =
        || FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: "not authorized by RAM policy".into() };
    let always = |operation: &str| InjectedFault::new(operation, forbidden()).times(1_000);
    plant.cloud.inject(always("UpdateTransitRouterVpcAttachmentAttribute"));
    plant.cloud.inject(always("ModifyGrantInstanceToTransitRouter").after(1).only(ATTACHED));
    plant.job(labelled(payer_change("NET-4312", ATTACHED, "PayByResourceOwner"), "CHG-102")).await;
    plant.run_until(later(plant.clock.now(), Duration::from_secs(1_800))).await;
    plant.cloud.clear_faults();

    let limits = HourlyLimits { revokes_per_cen: Some(1), payer_changes_per_account: Some(3) };
    plant.engine.policy.set(Policy::everybody().limited(limits));
    for n in 0..5 {
        plant.job(labelled(payer_change(&format!("MOVE-{n}"), &network(n), "PayByResourceOwner"), "CHG-103")).await;
    }
    for n in 5..8 {
        plant.job(labelled(revoke(&format!("GONE-{n}"), &network(n)), "CHG-104")).await;
    }
    plant.run_until(later(plant.clock.now(), Duration::from_secs(120))).await;
    for n in 8..10 {
        plant.job(labelled(grant(&format!("NEXT-{n}"), &network(n)), "CHG-105")).await;
    }
    let bad = json!({"id": "NET-4313", "kind": "gift", "instance": {"type": "VPC", "id": "vpc-1"}});
    plant.send_as(Some("tickets"), &bad).await;
    for n in 0..2 {
        let batch = json!({"id": "MOVE-OCTOBER", "size": 3});
        plant.job(with(grant(&format!("B-{n}"), &network(10 + n)), "batch", batch)).await;
    }
    plant
}

#[tokio::test]
async fn the_jobs_for_the_browser_are_in_the_states_that_it_looks_for() {
    let plant = recorded().await;
    let (router, _stop) = served(&plant);
    let cookie = entered(&router).await;
    let now = seen(&router, &cookie, "/").await;
    for part in ["half-done", "needs-approval", "The next hour begins at"] {
        assert!(now.contains(part), "{part} is not in {now}");
    }
    assert!(seen(&router, &cookie, "/jobs?half-done=true").await.contains("NET-4312"));
    let waiting = seen(&router, &cookie, "/jobs?state=waiting").await;
    assert!(waiting.contains("MOVE-0"), "{waiting}");
    let approvals = seen(&router, &cookie, "/approvals").await;
    assert!(approvals.contains("MOVE-4") && approvals.contains("GONE-7"), "{approvals}");
    assert!(seen(&router, &cookie, "/dead").await.contains("NET-4313"));
    assert!(seen(&router, &cookie, "/batches").await.contains("MOVE-OCTOBER"));
}

/// For tests/outside/page: serves the page at the address of `CROSSGRANT_PAGE` for as long as the browser's tests run, and the ledger
/// of the simulated cloud at `/_effects`. Its clock goes with the machine's.
#[tokio::test]
#[ignore = "make browser"]
async fn open_for_a_browser() {
    let at = std::env::var("CROSSGRANT_PAGE").unwrap_or_else(|_| "127.0.0.1:19187".into());
    let plant = recorded().await;
    let (router, _stop) = served(&plant);
    let cloud = plant.cloud.clone();
    let effects = axum::routing::get(move || {
        let effects: Vec<String> =
            cloud.ledger().iter().filter(|entry| entry.operation != "hour").map(effect).collect();
        async move { axum::Json(effects) }
    });
    let router = Router::new().route("/_effects", effects).fallback_service(router);
    let listener = tokio::net::TcpListener::bind(&at).await.unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    let began = SystemClock.uptime();
    while SystemClock.uptime().saturating_sub(began) < Duration::from_secs(300) {
        SystemClock.sleep(Duration::from_millis(100)).await;
        plant.clock.advance(Duration::from_millis(100));
        plant.work().await;
    }
}
