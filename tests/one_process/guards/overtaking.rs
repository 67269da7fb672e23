//! A job that is parked before it wrote anything lets later ones pass, and is told.

use super::*;

#[tokio::test]
async fn a_job_that_another_one_overtakes_is_told() {
    let plant = guarded(2, limits(5, 0)).await;
    let first = plant.job(payer_change("first", &network(0), "PayByResourceOwner")).await;
    let elsewhere = plant.job(payer_change("elsewhere", &network(1), "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:25:00Z")).await;
    assert_eq!(states(&plant, &[first, elsewhere]).await, [State::Parked; 2]);
    let revoke = plant.job(revoke("second", &network(0))).await;
    let later = plant.job(payer_change("later", &network(0), "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:40:00Z")).await;
    assert_eq!(plant.record(revoke).await.state(), State::Completed);

    assert_eq!(plant.said(first).await, ["accepted", "parked", "overtaken"]);
    let record = plant.record(first).await;
    let by = record.overtaken_by.clone().unwrap();
    assert_eq!((by.uid, by.id.as_str(), Some(by.at)), (revoke, "second", plant.record(revoke).await.begun_at));
    let event = plant.events(first).await.pop().unwrap();
    assert_eq!((&event["data"]["overtaken_by"], &event["data"]["state"]), (&json!(by), &json!("parked")));
    for other in [elsewhere, later] {
        assert_eq!(plant.record(other).await.overtaken_by, None, "it is on another instance, or was asked for later");
    }
    plant.engine.command(first, Command::Approve, "tests").await.unwrap();
    plant.run_until(at("2026-11-21T10:50:00Z")).await;
    assert_eq!(plant.record(first).await.phase.ending().unwrap().reason, Reason::NotGranted, "the revoke came first");
    assert_eq!(plant.said(first).await, ["accepted", "parked", "overtaken", "approved", "failed"]);
}

#[tokio::test]
async fn a_plan_overtakes_no_job() {
    let plant = guarded(1, limits(5, 0)).await;
    let first = plant.job(payer_change("first", &network(0), "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:25:00Z")).await;
    plant.job(with(revoke("plan", &network(0)), "mode", json!("plan"))).await;
    plant.run_until(at("2026-11-21T10:40:00Z")).await;
    assert_eq!(plant.said(first).await, ["accepted", "parked"]);
}
