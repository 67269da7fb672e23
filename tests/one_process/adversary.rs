//! Situations that are made to mislead: lagging reads, halves of changes, cancels at the wrong moment, answers with codes
//! that no table knows.

use std::time::Duration;

use crossgrant::domain::Reason;
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::plant::{
    ATTACHED, CEN, HELD, NOT_GRANTED, Plant, ROUTER, Stock, UNATTACHED, grant, in_memory_and_in_a_database,
    payer_change, revoke, with,
};

pub const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute";
pub const REVOKE: &str = "RevokeInstanceFromTransitRouter";

in_memory_and_in_a_database! {
    a_refusal_with_an_unknown_code_is_believed_after_looking_and_not_repeated_for_hours,
    an_undo_does_not_take_a_lagging_read_for_its_own_success,
    an_undone_job_whose_hour_is_past_is_not_completed_by_the_next_one,
    a_grant_that_was_attached_meanwhile_is_not_revoked_by_a_cancel,
    what_cannot_be_taken_back_is_never_said_to_be,
    a_cancel_after_the_last_write_of_a_replacement_is_declined,
    an_undo_touches_only_what_the_job_wrote,
    a_grant_that_goes_right_after_a_write_ends_the_job_and_leaves_nothing_to_put_back,
    a_revoke_ends_though_the_grant_goes_before_its_attachments,
    a_grant_that_another_hand_replaced_is_not_put_back,
    a_pinned_call_that_this_program_lacks_parks_the_job,
    a_payer_that_was_in_force_all_along_did_not_take_effect_at_the_hour,
    an_ecr_is_granted_and_revoked_also_where_the_cen_side_knows_no_ecr,
    a_write_whose_answer_was_lost_is_not_forgotten_over_a_later_refusal_of_it,
}

fn change(plant: &Plant, change: Value) {
    plant.cloud.change(serde_json::from_value::<OutsideChange>(change).unwrap()).unwrap();
}

fn forbidden() -> FaultKind {
    FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() }
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}Z").parse().unwrap()
}

/// What the cloud itself holds: the order type of a grant, and what is in effect.
pub fn payer(plant: &Plant, instance: &str) -> Option<(String, String)> {
    let state = plant.cloud.state();
    let grants = state["grants"].as_array().unwrap();
    let grant = grants.iter().find(|g| g["instance"] == instance && g["cen"] == CEN)?;
    let text = |field: &str| grant[field].as_str().unwrap().to_owned();
    Some((text("order_type"), text("effective_order_type")))
}

async fn a_refusal_with_an_unknown_code_is_believed_after_looking_and_not_repeated_for_hours(stock: Stock) {
    let plant = Plant::on(stock).await;
    let unknown = FaultKind::Error { http: 400, code: "SimUnknownRefusal".into(), message: String::new() };
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", unknown).times(1_000));
    let vbr = "vbr-bp1svadp4lq38janc0001";
    let mut job = grant("g", vbr);
    job["instance"]["type"] = json!("VBR");
    let uid = plant.job(job).await;
    plant.run_until(at("10:25:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(
        (record.state(), record.phase.ending().map(|e| e.reason)),
        (State::Failed, Some(Reason::RefusedByCloud)),
        "{}",
        record.why
    );
    assert!(record.why.contains("SimUnknownRefusal"), "{}", record.why);
    let calls = plant.cloud.calls();
    assert_eq!(calls.iter().filter(|c| c.operation.starts_with("Grant")).count(), 1);
}

async fn an_undo_does_not_take_a_lagging_read_for_its_own_success(stock: Stock) {
    let plant = Plant::on(stock).await;
    let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "20s", "DescribeGrantRulesToResource": "20s"}});
    plant.cloud.patch_switches(lag).unwrap();
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.work().await;
    assert_eq!(plant.effects().len(), 1, "the grant is modified, and does not show it yet");
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Cancelled);
    let cen_owner = "PayByCenOwner".to_owned();
    assert_eq!(payer(&plant, ATTACHED), Some((cen_owner.clone(), cen_owner)), "{:?}", plant.effects());
}

async fn an_undone_job_whose_hour_is_past_is_not_completed_by_the_next_one(stock: Stock) {
    let plant = Plant::on(stock).await;
    plant.cloud.inject(InjectedFault::new(UPDATE, FaultKind::DropAfter));
    plant
        .cloud
        .inject(InjectedFault::new("ListTransitRouterVpcAttachments", FaultKind::HtmlError).after(2).times(1_000));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("10:59:00")).await;
    plant.clock.advance_to(at("11:00:01"));
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.cloud.clear_faults();
    plant.run_until(at("11:59:00")).await;
    assert_eq!(plant.record(uid).await.state(), State::Waiting);
    plant.clock.advance_to(at("12:00:10"));
    let next = plant.job(payer_change("q", ATTACHED, "PayByResourceOwner")).await;
    plant.work().await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Cancelled, "{}", record.why);
    plant.run().await;
    assert_eq!(plant.record(next).await.state(), State::Completed);
}

async fn a_grant_that_was_attached_meanwhile_is_not_revoked_by_a_cancel(stock: Stock) {
    let plant = Plant::on(stock).await;
    plant.cloud.patch_switches(json!({"read_lag": {"DescribeGrantRulesToCen": "20s"}})).unwrap();
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    plant.work().await;
    assert_eq!(plant.record(uid).await.state(), State::Running);
    change(&plant, json!({"attach": {"transit_router": ROUTER, "instance": NOT_GRANTED}}));
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(
        (record.state(), record.phase.ending().map(|e| e.reason)),
        (State::Parked, Some(Reason::HalfDone)),
        "{}",
        record.why
    );
    assert!(record.why.contains("attached"), "{}", record.why);
    change(&plant, json!({"detach": {"cen": CEN, "instance": NOT_GRANTED}}));
    plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Cancelled);
    assert_eq!(payer(&plant, NOT_GRANTED), None);
}

async fn what_cannot_be_taken_back_is_never_said_to_be(stock: Stock) {
    let plant = Plant::on(stock).await;
    plant.cloud.inject(InjectedFault::new(REVOKE, forbidden()));
    let uid = plant.job(with(revoke("r", HELD), "options", json!({"attachments": "delete"}))).await;
    plant.run_until(at("10:40:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(
        (record.state(), record.phase.ending().map(|e| e.reason)),
        (State::Parked, Some(Reason::HalfDone)),
        "{}",
        record.why
    );
    let declined = plant.engine.command(uid, Command::Cancel, "tests").await;
    assert!(declined.is_err(), "the attachment is deleted for good");
    plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Completed, "{}", record.why);
    assert_eq!(payer(&plant, HELD), None);
}

async fn a_cancel_after_the_last_write_of_a_replacement_is_declined(stock: Stock) {
    let plant = Plant::on(stock).await;
    plant.cloud.patch_switches(json!({"read_lag": {"DescribeGrantRulesToCen": "10s"}})).unwrap();
    let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    let mut declined = 0;
    for _ in 0..60 {
        plant.work().await;
        let record = plant.record(uid).await;
        if record.writes.iter().any(|w| w.step == "grant") && !record.state().is_terminal() {
            declined += usize::from(plant.engine.command(uid, Command::Cancel, "tests").await.is_err());
        }
        plant.clock.advance(Duration::from_secs(1));
    }
    plant.run().await;
    assert!(declined > 0);
    assert_eq!(plant.record(uid).await.state(), State::Completed, "{}", plant.record(uid).await.why);
}

async fn a_grant_that_goes_right_after_a_write_ends_the_job_and_leaves_nothing_to_put_back(stock: Stock) {
    for cancelled in [false, true] {
        let plant = Plant::on(stock).await;
        let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "8s", "DescribeGrantRulesToResource": "1s"}});
        plant.cloud.patch_switches(lag).unwrap();
        let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
        plant.work().await;
        assert_eq!(plant.effects().len(), 1, "the grant is modified, and does not show it yet");
        change(&plant, json!({"revoke": {"cen": CEN, "instance": ATTACHED}}));
        if cancelled {
            plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
        }
        plant.run_until(at("10:30:00")).await;
        let record = plant.record(uid).await;
        let ending = (record.state(), record.phase.ending().map(|ending| ending.reason));
        assert_eq!(ending, (State::Failed, Some(Reason::GrantGone)), "cancelled: {cancelled}: {}", record.why);
        assert_eq!(plant.effects().len(), 1, "{:?}", plant.effects());
    }
}

async fn a_revoke_ends_though_the_grant_goes_before_its_attachments(stock: Stock) {
    let plant = Plant::on(stock).await;
    let uid = plant.job(with(revoke("r", HELD), "options", json!({"attachments": "delete"}))).await;
    plant.script.cut_at(CrashPoint::BeforeWrite, 0);
    plant.work().await;
    change(&plant, json!({"revoke": {"cen": CEN, "instance": HELD}}));
    plant.run_until(at("10:40:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Completed, "{}", record.why);
    assert_eq!(plant.effects().len(), 1, "its attachment is deleted: {:?}", plant.effects());
}

async fn a_grant_that_another_hand_replaced_is_not_put_back(stock: Stock) {
    let plant = Plant::on(stock).await;
    let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "8s", "DescribeGrantRulesToResource": "1s"}});
    plant.cloud.patch_switches(lag).unwrap();
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    plant.work().await;
    assert_eq!(plant.effects().len(), 1, "it is granted, and does not show it yet");
    change(&plant, json!({"grant": {"cen": CEN, "instance": NOT_GRANTED, "order_type": "PayByResourceOwner"}}));
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.run_until(at("10:40:00")).await;
    let record = plant.record(uid).await;
    let ending = (record.state(), record.phase.ending().map(|ending| ending.reason));
    assert_eq!(ending, (State::Failed, Some(Reason::Overridden)), "{}", record.why);
    assert_eq!(plant.effects().len(), 1, "{:?}", plant.effects());
}

async fn an_undo_touches_only_what_the_job_wrote(stock: Stock) {
    let plant = Plant::on(stock).await;
    change(&plant, json!({"attach": {"transit_router": ROUTER, "instance": ATTACHED}}));
    // Somebody began the change by hand: the grant has the new payer, the attachments the old one.
    plant.somebody_sets(ATTACHED, "order_type", "PayByResourceOwner");
    plant.cloud.patch_switches(json!({"update_before_grant": "ok"})).unwrap();
    plant.cloud.inject(InjectedFault::new(UPDATE, forbidden()).after(1));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("10:59:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Failed, "{}", record.why);
    let effects = plant.effects();
    assert_eq!(effects.len(), 2, "{effects:?}");
    assert_eq!(effects[0].replace("PayByResourceOwner", "PayByCenOwner"), effects[1], "there and back");
}

async fn a_pinned_call_that_this_program_lacks_parks_the_job(stock: Stock) {
    let plant = Plant::on(stock).await;
    let text = include_str!("../../workflows/grant.toml").replace("confirm-granted", "confirm-by-telegram");
    plant.store().put_definition("of-another-version", "grant", &text).await.unwrap();
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    let mut record = plant.record(uid).await;
    record.definition = "of-another-version".into();
    record.step = "confirm".into();
    record.revision += 1;
    use crossgrant::engine::ports::store::{Change as StoreChange, LeaseUse};
    let change = StoreChange {
        record: record.into(),
        lease: LeaseUse::None,
        outbound: vec![],
        also: vec![],
        admission: None,
        intends: false,
    };
    plant.store().commit(change).await.unwrap();
    plant.run_until(at("10:30:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(
        (record.state(), record.phase.ending().map(|e| e.reason)),
        (State::Parked, Some(Reason::UnknownCall)),
        "{}",
        record.why
    );
}

async fn a_payer_that_was_in_force_all_along_did_not_take_effect_at_the_hour(stock: Stock) {
    let plant = Plant::on(stock).await;
    plant.job(payer_change("there", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until(at("10:30:00")).await;
    let back = plant.job(payer_change("back", ATTACHED, "PayByCenOwner")).await;
    plant.run().await;
    let event = plant.events(back).await.pop().unwrap();
    assert_eq!(event["type"], "crossgrant.job.completed");
    assert_eq!(event["data"]["effective_at"], Value::Null, "billing never left PayByCenOwner");
    assert_eq!(event["data"]["effective_between"], Value::Null);
}

async fn an_ecr_is_granted_and_revoked_also_where_the_cen_side_knows_no_ecr(stock: Stock) {
    for shown in ["rules", "empty", "error"] {
        let plant = Plant::on(stock).await;
        plant.cloud.patch_switches(json!({"ecr_to_cen": shown})).unwrap();
        let ecr = |mut job: Value| {
            job["instance"]["type"] = json!("ECR");
            job
        };
        let id = "ecr-n78omt2qsko06y0001";
        let first = plant.job(ecr(grant("g", id))).await;
        plant.run().await;
        assert_eq!(plant.record(first).await.state(), State::Completed, "{shown}: {}", plant.record(first).await.why);
        let second = plant.job(ecr(payer_change("p", id, "PayByResourceOwner"))).await;
        let third = plant.job(ecr(revoke("r", id))).await;
        plant.run().await;
        assert_eq!(plant.record(second).await.state(), State::Completed, "{shown}: {}", plant.record(second).await.why);
        assert_eq!(plant.record(third).await.state(), State::Completed, "{shown}: {}", plant.record(third).await.why);
    }
}

async fn a_write_whose_answer_was_lost_is_not_forgotten_over_a_later_refusal_of_it(stock: Stock) {
    let throttle = FaultKind::Throttle { retry_after_ms: Some(60_000) };
    for later in [throttle, forbidden()] {
        let plant = Plant::on(stock).await;
        let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "25s", "DescribeGrantRulesToResource": "25s"}});
        plant.cloud.patch_switches(lag).unwrap();
        plant.cloud.inject(InjectedFault::new("ModifyGrantInstanceToTransitRouter", FaultKind::DropAfter));
        plant.cloud.inject(InjectedFault::new("ModifyGrantInstanceToTransitRouter", later.clone()));
        let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
        plant.run_until(at("10:20:20")).await;
        let write = plant.record(uid).await.writes[0].clone();
        assert_eq!((write.sends, write.may_have_landed()), (2, true), "{later:?}: {write:?}");
        plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
        plant.run().await;
        assert_eq!(plant.record(uid).await.state(), State::Cancelled, "{later:?}");
        let cen_owner = "PayByCenOwner".to_owned();
        assert_eq!(payer(&plant, ATTACHED), Some((cen_owner.clone(), cen_owner)), "{:?}", plant.effects());
    }
}
