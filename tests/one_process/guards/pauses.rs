//! Jobs of a paused account are held, and nothing is called for them.

use std::collections::BTreeMap;
use std::time::Duration;

use crossgrant::admin::explain;
use crossgrant::cloud::Limits;
use crossgrant::engine::loops::worker::{Capacity, work};
use tokio::sync::watch;

use super::*;
use crate::support::idle::Counted;

#[tokio::test]
async fn a_paused_account_is_left_alone_and_the_pause_survives_a_restart() {
    for uid in [RESOURCE, CEN_OWNER] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("jobs.db");
        let plant = Plant::with(&world(0), open(&path), None).await;
        pause(&plant, uid).await;
        let held = plant.job(grant("g", NOT_GRANTED)).await;
        let planned = plant.job(with(revoke("r", UNATTACHED), "mode", json!("plan"))).await;
        plant.run().await;
        assert_eq!(plant.cloud.total_calls(), 0, "not even a look");
        let plant = plant.restarted(Policy::everybody(), || open(&path)).await;
        plant.clock.advance(Duration::from_secs(3 * 86_400));
        plant.run().await;
        assert_eq!(plant.cloud.total_calls(), 0);
        for job in [held, planned] {
            let record = plant.record(job).await;
            let why = format!("account {uid} is paused since 2026-11-21T10:20:00Z by ann (token tests): an incident");
            assert_eq!((record.state(), &record.why, record.phase.due()), (State::Queued, &why, None));
            let shown = explain(&record, None, true, plant.clock.now());
            assert!(shown.why == why && shown.next.contains(&format!("crossgrant unpause {uid}")), "{shown:?}");
        }
        plant.engine.unpause(&account(uid), "tests").await.unwrap();
        plant.run_on().await;
        assert_eq!(states(&plant, &[held, planned]).await, [State::Completed, State::Planned]);
        assert_eq!(plant.said(held).await, ["accepted", "completed"]);
    }
}

#[tokio::test]
async fn a_held_job_begins_as_soon_as_its_account_is_unpaused() {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let plant = Plant::with(&world(0), store.clone(), None).await;
    pause(&plant, RESOURCE).await;
    let (stop, stopped) = watch::channel(false);
    let working =
        tokio::spawn(work(plant.engine.clone(), Capacity { jobs: 4, drain: Duration::from_secs(1) }, stopped));
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    store.run_out(&plant.clock).await;
    let began = plant.clock.now();
    assert_eq!(plant.record(uid).await.phase.held(), Some(&account(RESOURCE)));
    plant.engine.unpause(&account(RESOURCE), "tests").await.unwrap();
    store.run_until(&plant.clock, || !plant.effects().is_empty()).await;
    assert_eq!(plant.clock.now(), began, "the job did not wait for the clock");
    stop.send_replace(true);
    working.await.unwrap();
}

#[tokio::test]
async fn a_job_expires_while_its_account_is_paused_and_can_be_cancelled() {
    let plant = Plant::new().await;
    pause(&plant, RESOURCE).await;
    let not_after = json!("2026-11-21T11:00:00Z");
    let expires = plant.job(with(grant("a", NOT_GRANTED), "not_after", not_after)).await;
    let behind = plant.job(grant("b", NOT_GRANTED)).await;
    let other = plant.job(grant("c", UNATTACHED)).await;
    plant.run_until(at("2026-11-21T11:00:00Z")).await;
    assert_eq!(plant.record(expires).await.state(), State::Queued);
    plant.run().await;
    let record = plant.record(expires).await;
    assert_eq!((record.state(), record.phase.ending().unwrap().reason), (State::Failed, Reason::Expired));
    assert!(record.phase.finished_at().unwrap() < at("2026-11-21T11:00:01Z"), "{:?}", record.phase.finished_at());
    assert_eq!(
        plant.record(behind).await.phase.held(),
        Some(&account(RESOURCE)),
        "its turn came, and it is held as well"
    );
    plant.engine.command(other, Command::Cancel, "tests").await.unwrap();
    assert_eq!(plant.record(other).await.state(), State::Cancelled);
    assert_eq!(plant.record(other).await.phase.held(), None);
    assert_eq!(plant.cloud.total_calls(), 0);
}

#[tokio::test]
async fn a_pause_in_the_middle_of_a_look_stops_the_write_that_would_follow() {
    let store = Counted::new(Sqlite::in_memory().unwrap());
    let slow = Limits { reads_per_second: 1, writes_per_second: 20, burst: 1, operations: BTreeMap::new() };
    let plant = Plant::with(&world(0), store.clone(), Some(slow)).await;
    let (_stop, stopped) = watch::channel(false);
    tokio::spawn(work(plant.engine.clone(), Capacity { jobs: 4, drain: Duration::from_secs(1) }, stopped));
    // The first uses up the budget of reads, so the second waits for it in the middle of its look.
    plant.job(grant("a", UNATTACHED)).await;
    let uid = plant.job(grant("b", NOT_GRANTED)).await;
    store.idle().await;
    let looks = plant.cloud.total_calls();
    pause(&plant, CEN_OWNER).await;
    store.run_out(&plant.clock).await;
    assert!(plant.cloud.total_calls() > looks, "the look was under way");
    let record = plant.record(uid).await;
    assert_eq!((record.phase.held(), record.writes.len()), (Some(&account(CEN_OWNER)), 0));
    assert!(record.why.contains("is paused since"), "{}", record.why);
    assert_eq!(write_calls(&plant), 0);
    plant.engine.unpause(&account(CEN_OWNER), "tests").await.unwrap();
    store.run_out(&plant.clock).await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
}

#[tokio::test]
async fn an_account_that_is_not_configured_cannot_be_paused_by_mistake() {
    let plant = Plant::new().await;
    let store = plant.engine.store.clone();
    let sites = [RESOURCE, CEN_OWNER].map(|uid| (account(uid), crossgrant::domain::Site::China));
    let plant = plant.restarted(Policy::new(vec![], sites.into()), || store).await;
    let declined =
        plant.engine.pause(account("1688000000000009"), "ann".into(), "why".into(), "tests").await.unwrap_err();
    assert!(declined.to_string().contains("is it mistyped?"), "{declined}");
    pause(&plant, RESOURCE).await;
    assert_eq!(plant.store().pauses().await.unwrap().len(), 1);
}
