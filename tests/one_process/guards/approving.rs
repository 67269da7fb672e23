//! A person approves what a limit has parked, over the admin HTTP.

use axum::body::Body;
use crossgrant::admin::{Admin, AdminParts, AdminRole, AdminToken, AdminTokens};
use crossgrant::telemetry::Metrics;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

use super::*;

/// Asks the admin HTTP of a worker.
async fn ask(plant: &Plant, method: &str, path: &str) -> (StatusCode, Value) {
    let (_stop, stopping) = watch::channel(false);
    let metrics = Arc::new(Metrics::new());
    let tokens =
        AdminTokens::new([AdminToken { name: "tests".into(), role: AdminRole::Approver, secret: "s3cr3t".into() }]);
    let (engine, hosts) = (plant.engine.clone(), vec![]);
    let admin = Admin::new(AdminParts { engine, metrics, broker: None, tokens, hosts, stopping });
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", "Bearer s3cr3t")
        .body(Body::empty())
        .unwrap();
    let response = admin.router().oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

#[tokio::test]
async fn many_are_approved_only_by_their_number() {
    let plant = guarded(4, limits(1, 0)).await;
    let uids = revokes(&plant, 0..4).await;
    let payer = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let parked = [State::Completed, State::Parked, State::Parked, State::Parked];
    assert_eq!(states(&plant, &uids).await, parked);
    let (_, all) = ask(&plant, "GET", "/v1/approvals?limit=1").await;
    assert_eq!((&all["total"], all["jobs"].as_array().unwrap().len()), (&json!(4), 1));

    for (path, status, said) in [
        ("kind=revoke&expect=2", StatusCode::CONFLICT, "jobs that need approval: 3, not 2; nothing was approved"),
        ("expect=3", StatusCode::CONFLICT, "jobs that need approval: 4, not 3"),
        ("kind=revoke", StatusCode::BAD_REQUEST, "expect=<count> is missing; jobs that need approval: 3"),
        ("job=anonymous/r1&expect=2", StatusCode::CONFLICT, "jobs that need approval: 1, not 2"),
        (
            "job=anonymous/r1&job=anonymous/r0",
            StatusCode::CONFLICT,
            "job anonymous/r0 is completed and needs no approval",
        ),
        ("job=anonymous/r1&kind=revoke&expect=1", StatusCode::BAD_REQUEST, "not both"),
        ("state=queued&expect=1", StatusCode::BAD_REQUEST, "all parked"),
        ("knd=revoke&expect=3", StatusCode::BAD_REQUEST, "did you mean kind?"),
    ] {
        let (code, body) = ask(&plant, "POST", &format!("/v1/approvals?{path}")).await;
        assert_eq!(code, status, "{path}: {body}");
        assert!(body["message"].as_str().unwrap().contains(said), "{path}: {body}");
    }
    assert_eq!(states(&plant, &uids).await, parked, "nothing was changed");

    let (code, body) = ask(&plant, "POST", "/v1/approvals?job=anonymous/r1").await;
    assert_eq!((code, &body["approved"]), (StatusCode::OK, &json!([uids[1]])));
    let (code, body) = ask(&plant, "POST", "/v1/approvals?kind=revoke&expect=2").await;
    assert_eq!((code, body["approved"].as_array().unwrap().len(), &body["left"]), (StatusCode::OK, 2, &json!(0)));
    plant.run_until(at("2026-11-21T10:40:00Z")).await;
    assert_eq!(states(&plant, &uids).await, [State::Completed; 4]);
    assert_eq!(plant.record(payer).await.state(), State::Parked, "it was not among them");
    let (code, body) = ask(&plant, "POST", &format!("/v1/jobs/{payer}/approve")).await;
    assert_eq!((code, &body["state"]), (StatusCode::OK, &json!("queued")), "{body}");
}
