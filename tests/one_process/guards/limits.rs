//! What an hourly limit parks, and what it lets pass.

use std::time::Duration;

use crossgrant::engine::loops::worker;

use super::*;

const MODIFY: &str = "ModifyGrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50001 PayByResourceOwner";
const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute tr-attach-nls9fzkfat89340001 PayByResourceOwner";

#[tokio::test]
async fn the_21st_revoke_of_an_hour_parks_before_any_write_and_goes_on_once_approved() {
    let plant = guarded(21, HourlyLimits::default()).await;
    let uids = revokes(&plant, 0..21).await;
    let (last, others) = uids.split_last().unwrap();
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    assert!(states(&plant, others).await.iter().all(|state| *state == State::Completed));
    let record = plant.record(*last).await;
    assert_eq!((record.state(), record.writes.len(), record.begun_at), (State::Parked, 0, None));
    assert!(record.after.as_ref().is_some_and(|after| after.granted), "what it saw is known");
    assert_eq!(write_calls(&plant), 20);
    assert_eq!(plant.said(*last).await, ["accepted", "parked"]);
    let data = plant.events(*last).await.pop().unwrap()["data"].clone();
    assert_eq!((&data["reason"], &data["half_done"]), (&json!("needs-approval"), &json!(false)));
    let sentence = data["message"].as_str().unwrap();
    let begun = format!("revokes in {CEN} begun within the last hour: 20; `[limits] revokes_per_cen` allows 20");
    assert!(sentence.starts_with(&begun), "{sentence}");

    let passes = plant.job(grant("g", &network(20))).await;
    plant.work().await;
    assert_eq!(
        plant.record(passes).await.phase.ending().unwrap().reason,
        Reason::AlreadySatisfied,
        "the next one passes"
    );

    let declined = plant.engine.command(*last, Command::Resume).await.unwrap_err();
    assert!(declined.to_string().contains("`crossgrant approve`"), "{declined}");
    let approved_at = plant.clock.now();
    plant.engine.command(*last, Command::Approve).await.unwrap();
    plant.work().await;
    assert_eq!(write_calls(&plant), 20, "an empty list from before it rested confirms none of now");
    plant.run_on().await;
    assert_eq!(plant.record(*last).await.state(), State::Completed);
    assert_eq!(plant.record(*last).await.approved_at, Some(approved_at));
    assert_eq!(plant.effects().len(), 21);
}

/// A network is attached while its revoke waits to be approved, and the first list after that is empty by a fault.
#[tokio::test]
async fn an_empty_look_from_before_the_rest_does_not_let_one_new_one_be_believed() {
    let plant = guarded(1, limits(0, 1)).await;
    let uid = revokes(&plant, 0..1).await[0];
    plant.run_on().await;
    assert!(plant.record(uid).await.needs_approval());
    let attach = json!({"attach": {"transit_router": ROUTER, "instance": network(0)}});
    plant.cloud.change(serde_json::from_value(attach).unwrap()).unwrap();
    plant.clock.advance(Duration::from_secs(60));
    for list in ["ListTransitRouterVpcAttachments", "DescribeCenAttachedChildInstances"] {
        plant.cloud.inject(InjectedFault::new(list, FaultKind::EmptyList));
    }
    plant.engine.command(uid, Command::Approve).await.unwrap();
    plant.run_on().await;
    let record = plant.record(uid).await;
    assert_eq!((record.state(), record.phase.ending().unwrap().reason), (State::Failed, Reason::Attached));
    assert_eq!(write_calls(&plant), 0, "no revoke of what is attached is asked for");
}

#[tokio::test]
async fn payer_changes_are_counted_by_account_and_what_ends_without_a_write_is_not() {
    let plant = guarded(2, limits(1, 1)).await;
    let with_plan = with(revoke("plan", &network(0)), "mode", json!("plan"));
    let unwritten = [
        plant.job(with_plan).await,
        plant.job(revoke("absent", NOT_GRANTED)).await,
        plant.job(revoke("attached", HELD)).await,
        plant.job(payer_change("same", UNATTACHED, "PayByCenOwner")).await,
    ];
    plant.run_on().await;
    let ends = states(&plant, &unwritten).await;
    assert_eq!(ends, [State::Planned, State::Completed, State::Failed, State::Completed]);
    let first = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    let revoked = revokes(&plant, 0..1).await;
    plant.run_on().await;
    assert_eq!(states(&plant, &[first, revoked[0]]).await, [State::Completed; 2], "none of those took a place");

    let calls = plant.cloud.total_calls();
    let second = plant.job(payer_change("q", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let record = plant.record(second).await;
    let begun = format!("payer changes of instances of account {RESOURCE} begun within the last hour: 1; ");
    assert!(record.needs_approval() && record.why.starts_with(&begun), "{}", record.why);
    assert_eq!(u64::from(record.calls), plant.cloud.total_calls() - calls, "the call it did not make is not counted");
    let granted = plant.job(grant("g", NOT_GRANTED)).await;
    plant.work().await;
    assert_eq!(plant.record(granted).await.state(), State::Completed, "a grant is under no limit");
}

#[tokio::test]
async fn the_hour_rolls_and_does_not_begin_by_itself_what_is_parked() {
    let plant = guarded(4, limits(1, 50)).await;
    let first = revokes(&plant, 0..2).await;
    plant.run_until(at("2026-11-21T11:19:59Z")).await;
    plant.clock.advance_to(at("2026-11-21T11:19:59Z"));
    let early = revokes(&plant, 2..3).await;
    plant.work().await;
    plant.clock.advance_to(at("2026-11-21T11:20:00Z"));
    let late = revokes(&plant, 3..4).await;
    plant.run().await;
    let uids = [first, early, late].concat();
    assert_eq!(states(&plant, &uids).await, [State::Completed, State::Parked, State::Parked, State::Completed]);
    plant.engine.command(uids[1], Command::Cancel).await.unwrap();
    assert_eq!(plant.record(uids[1]).await.state(), State::Cancelled);
    assert_eq!(write_calls(&plant), 2);
}

#[tokio::test]
async fn of_jobs_that_race_for_the_last_places_no_more_begin_than_there_are() {
    let plant = guarded(10, limits(3, 50)).await;
    let uids = revokes(&plant, 0..10).await;
    let until = crossgrant::clock::later(plant.clock.now(), plant.engine.lease());
    let claimed = plant.store().claim("plant", plant.clock.now(), until, 10, &[]).await.unwrap();
    assert_eq!(claimed.len(), 10);
    let deadline = plant.clock.uptime() + plant.engine.lease();
    futures_util::future::join_all(claimed.into_iter().map(|claimed| worker::run(&plant.engine, claimed, deadline)))
        .await;
    plant.run_until(at("2026-11-21T10:30:00Z")).await;
    let states = states(&plant, &uids).await;
    assert_eq!(states.iter().filter(|state| **state == State::Completed).count(), 3, "{states:?}");
    assert_eq!(states.iter().filter(|state| **state == State::Parked).count(), 7, "{states:?}");
    assert_eq!(write_calls(&plant), 3);
}

#[tokio::test]
async fn neither_limit_nor_pause_stops_a_job_between_halves() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.db");
    let plant = Plant::with(&world(0), open(&path), None).await;
    plant.cloud.inject(InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", FaultKind::Conflict).times(3));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.work().await;
    assert_eq!(plant.effects(), [MODIFY]);
    pause(&plant, RESOURCE).await;
    pause(&plant, CEN_OWNER).await;
    let plant = plant.restarted(limited(limits(0, 0)), || open(&path)).await;
    plant.run_until(at("2026-11-21T10:59:00Z")).await;
    assert_eq!(plant.effects(), [MODIFY, UPDATE]);
    assert_eq!(plant.record(uid).await.state(), State::Waiting);
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed, "a sweep only reads");
}

#[tokio::test]
async fn neither_stops_a_network_from_being_granted_again() {
    let plant = guarded(0, limits(20, 1)).await;
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", FaultKind::Conflict).times(3));
    let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    plant.run_on().await;
    assert_eq!(plant.effects().len(), 1, "it is revoked and not granted yet");
    pause(&plant, RESOURCE).await;
    let store = plant.engine.store.clone();
    let plant = plant.restarted(limited(limits(0, 0)), || store).await;
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
    assert_eq!(plant.effects().len(), 2);
}

#[tokio::test]
async fn what_was_begun_is_counted_over_a_restart_and_an_approval_lasts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("jobs.db");
    let plant = Plant::with(&world(3), open(&path), None).await;
    let uids = revokes(&plant, 0..2).await;
    plant.run_on().await;
    let plant = plant.restarted(limited(limits(2, 50)), || open(&path)).await;
    let third = revokes(&plant, 2..3).await[0];
    plant.run_on().await;
    assert!(plant.record(third).await.needs_approval());
    assert_eq!(states(&plant, &uids).await, [State::Completed; 2]);

    let refusal = FaultKind::Throttle { retry_after_ms: None };
    plant.cloud.inject(InjectedFault::new("RevokeInstanceFromTransitRouter", refusal));
    plant.engine.command(third, Command::Approve).await.unwrap();
    plant.work().await;
    assert!(!plant.record(third).await.has_written(), "its write was refused, so it begins once more");
    plant.run_until(at("2026-11-21T10:50:00Z")).await;
    assert_eq!(plant.record(third).await.state(), State::Completed);
}
