//! A person approves what a limit has parked, over the admin HTTP.

use axum::body::Body;
use crossgrant::admin::{Admin, AdminParts, AdminRole, AdminToken, AdminTokens};
use crossgrant::domain::Requester;
use crossgrant::telemetry::Metrics;
use http::{Request, StatusCode};
use http_body_util::BodyExt;
use tokio::sync::watch;
use tower::ServiceExt;

use super::*;

/// The admin HTTP of a worker, with a token of an approver that stands for the requester `anonymous`, and one that does not.
fn admin(plant: &Plant) -> axum::Router {
    let (_stop, stopping) = watch::channel(false);
    let metrics = Arc::new(Metrics::new());
    let token = |name: &str, requesters| AdminToken {
        name: name.into(),
        role: AdminRole::Approver,
        secret: name.into(),
        requesters,
    };
    let tokens = AdminTokens::new([token("ann", vec![]), token("bot-owner", vec![Requester::anonymous()])]);
    let (engine, hosts) = (plant.engine.clone(), vec![]);
    Admin::new(AdminParts { engine, metrics, broker: None, tokens, hosts, stopping }).router()
}

async fn ask_as(token: &str, admin: axum::Router, method: &str, path: &str) -> (StatusCode, Value) {
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("authorization", format!("Bearer {token}"))
        .body(Body::empty())
        .unwrap();
    let response = admin.oneshot(request).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap())
}

async fn ask(plant: &Plant, method: &str, path: &str) -> (StatusCode, Value) {
    ask_as("ann", admin(plant), method, path).await
}

#[tokio::test]
async fn many_are_approved_only_by_their_number() {
    let plant = guarded(4, limits(1, 0)).await;
    let uids = revokes(&plant, 0..4).await;
    let payer = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let parked = [State::Completed, State::Parked, State::Parked, State::Parked];
    assert_eq!(states(&plant, &uids).await, parked);
    let (_, all) = ask(&plant, "GET", "/v1/bulk/approve?limit=1").await;
    assert_eq!((&all["total"], all["jobs"].as_array().unwrap().len()), (&json!(4), 1));

    let (code, status) = ask(&plant, "GET", "/v1/status").await;
    let needs: Vec<_> =
        status["needs"].as_array().unwrap().iter().map(|need| (&need["count"], &need["command"])).collect();
    let revokes = json!(format!("crossgrant approve --kind revoke --cen {CEN} --expect-count 3"));
    let payers = json!(format!("crossgrant approve --kind payer-change --blames {RESOURCE} --expect-count 1"));
    assert_eq!((code, needs), (StatusCode::OK, vec![(&json!(3), &revokes), (&json!(1), &payers)]), "{status}");
    assert_eq!(status["jobs"], json!({"completed": 1, "parked": 4}));

    for (path, status, said) in [
        ("kind=revoke&expect=2", StatusCode::CONFLICT, "jobs that match: 3, not 2; nothing was done"),
        ("expect=3", StatusCode::CONFLICT, "jobs that match: 4, not 3"),
        ("kind=revoke", StatusCode::BAD_REQUEST, "expect=<count> is missing; jobs that match: 3"),
        ("state=queued&expect=1", StatusCode::CONFLICT, "jobs that match: 0, not 1"),
        ("knd=revoke&expect=3", StatusCode::BAD_REQUEST, "did you mean kind?"),
        ("expect=4&reason=needs-approval", StatusCode::BAD_REQUEST, "for=needs-approval"),
    ] {
        let (code, body) = ask(&plant, "POST", &format!("/v1/bulk/approve?{path}")).await;
        assert_eq!(code, status, "{path}: {body}");
        assert!(body["message"].as_str().unwrap().contains(said), "{path}: {body}");
    }
    assert_eq!(states(&plant, &uids).await, parked, "nothing was changed");

    let (code, body) = ask(&plant, "POST", "/v1/jobs/anonymous%2Fr1/approve?by=Ann&reason=CHG-1").await;
    assert_eq!((code, &body["state"]), (StatusCode::OK, &json!("queued")), "{body}");
    let said = plant.events(uids[1]).await.pop().unwrap();
    let command =
        json!({"command": "approve", "at": body["approved_at"], "authority": "ann", "by": "Ann", "reason": "CHG-1"});
    assert_eq!((&said["type"], &said["data"]["command"]), (&json!("crossgrant.job.approved"), &command));
    assert_eq!(said["data"]["message"], "approved by Ann (token ann): CHG-1");

    let (code, body) = ask(&plant, "POST", "/v1/bulk/approve?kind=revoke&expect=2&reason=CHG-2").await;
    let all = json!({"done": 2, "declined": [], "left": 0});
    assert_eq!((code, body), (StatusCode::OK, all));
    assert_eq!(plant.record(uids[2]).await.commands[0].mandate.reason.as_deref(), Some("CHG-2"));
    plant.run_until(at("2026-11-21T10:40:00Z")).await;
    assert_eq!(states(&plant, &uids).await, [State::Completed; 4]);
    assert_eq!(plant.record(payer).await.state(), State::Parked, "it was not among them");

    let (code, body) = ask(&plant, "POST", "/v1/bulk/resume?state=parked,completed&expect=5").await;
    assert_eq!((code, &body["done"]), (StatusCode::OK, &json!(0)), "{body}");
    let codes: Vec<_> = body["declined"].as_array().unwrap().iter().map(|job| job["code"].as_str().unwrap()).collect();
    assert_eq!(codes, ["declined"; 5]);
}

/// Of two who expect the same jobs at the same moment one commands them, at one worker or at two.
#[tokio::test]
async fn the_same_command_at_the_same_moment_is_carried_out_once() {
    for workers in 1..=2 {
        let plant = guarded(3, limits(0, 0)).await;
        let uids = revokes(&plant, 0..3).await;
        plant.run_until(at("2026-11-21T10:30:00Z")).await;
        let one = admin(&plant);
        let other = if workers == 1 { one.clone() } else { admin(&plant) };
        let ask = |admin| ask_as("ann", admin, "POST", "/v1/bulk/approve?expect=3");
        let ((first, _), (second, body)) = tokio::join!(ask(one), ask(other));
        assert_eq!((first, second), (StatusCode::OK, StatusCode::CONFLICT), "{workers}: {body}");
        for uid in uids {
            let approved =
                plant.events(uid).await.iter().filter(|event| event["type"] == "crossgrant.job.approved").count();
            assert_eq!((approved, plant.record(uid).await.commands.len()), (1, 1));
        }
    }
}

#[tokio::test]
async fn the_one_who_asked_for_a_job_does_not_approve_it_where_two_are_needed() {
    let plant = Plant::with_world(&world(2)).await;
    let store = plant.engine.store.clone();
    let plant = plant.restarted(limited(limits(0, 0)).with_two_persons(true), || store).await;
    let uids = revokes(&plant, 0..2).await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let own = |path: &'static str| ask_as("bot-owner", admin(&plant), "POST", path);
    let (code, body) = own("/v1/jobs/anonymous%2Fr0/approve").await;
    assert_eq!((code, &body["code"]), (StatusCode::CONFLICT, &json!("same-person")), "{body}");
    let (code, body) = own("/v1/bulk/approve?expect=2").await;
    assert_eq!((code, &body["done"]), (StatusCode::OK, &json!(0)));
    assert_eq!(
        (&body["declined"][0]["code"], &body["declined"][1]["code"]),
        (&json!("same-person"), &json!("same-person"))
    );
    assert_eq!(states(&plant, &uids).await, [State::Parked; 2]);
    assert_eq!(ask(&plant, "POST", "/v1/bulk/approve?expect=2").await.1["done"], json!(2));
    let (code, _) = own("/v1/jobs/anonymous%2Fr0/cancel").await;
    assert_eq!(code, StatusCode::OK, "it may cancel its own job");
}

#[tokio::test]
async fn the_jobs_of_a_batch_are_approved_together_and_only_by_their_number() {
    let plant = guarded(4, limits(1, 0)).await;
    let mut uids = Vec::new();
    for n in 0..3 {
        let job = revoke(&format!("r{n}"), &network(n));
        uids.push(plant.job(with(job, "batch", json!({"id": "b", "size": 3}))).await);
    }
    uids.push(plant.job(revoke("other", &network(3))).await);
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let parked = [State::Completed, State::Parked, State::Parked, State::Parked];
    assert_eq!(states(&plant, &uids).await, parked, "every job counts against the limit");
    let path = "/v1/bulk/approve?batch=anonymous/b";
    let (_, asked) = ask(&plant, "GET", path).await;
    assert_eq!(asked["total"], 2);
    for (said, refused) in [("", StatusCode::BAD_REQUEST), ("&expect=3", StatusCode::CONFLICT)] {
        assert_eq!(ask(&plant, "POST", &format!("{path}{said}")).await.0, refused);
    }
    let (_, done) = ask(&plant, "POST", &format!("{path}&expect=2")).await;
    assert_eq!(done["done"], 2, "{done}");
    plant.run_until(at("2026-11-21T10:40:00Z")).await;
    let approved = [State::Completed, State::Completed, State::Completed, State::Parked];
    assert_eq!(states(&plant, &uids).await, approved);
}
