//! Somebody else acts between two calls of a job: it ends by itself, with the truth, and holds up no other.

use super::*;

in_memory_and_in_a_database! {
    the_old_payer_granted_between_revoke_and_grant_overrides_the_job_and_holds_up_no_other,
    what_is_detached_in_the_moment_of_modify_is_granted_anew,
    what_is_detached_in_the_moment_of_update_goes_on_to_the_hour,
    what_is_set_back_on_the_grant_before_the_update_is_left_to_whom_set_it,
    what_is_attached_before_the_revoke_is_not_revoked,
    a_cancel_between_revoke_and_grant_puts_the_old_grant_back,
    what_show_says_of_a_cancel_holds,
}

const MODIFY: &str = "ModifyGrantInstanceToTransitRouter";
const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute";
const GRANT: &str = "GrantInstanceToTransitRouter";
const REVOKE: &str = "RevokeInstanceFromTransitRouter";

/// A worker that is about to make this call: it was turned away once, and has not looked again.
async fn about_to(stock: Stock, stands: Stands, job: Value, operation: &str) -> (Plant, JobUid) {
    let plant = VPC.plant(stock, stands).await;
    plant.cloud.inject(InjectedFault::new(operation, FaultKind::Conflict));
    let uid = plant.job(job).await;
    for _ in 0..20 {
        plant.work().await;
        if plant.cloud.strikes(operation) > 0 {
            return (plant, uid);
        }
        plant.clock.advance(Duration::from_secs(1));
    }
    panic!("{operation} was not called: {}", plant.record(uid).await.why);
}

async fn what_is_set_back_on_the_grant_before_the_update_is_left_to_whom_set_it(stock: Stock) {
    let (plant, uid) = about_to(stock, Stands::Attached, VPC.job("payer-change"), UPDATE).await;
    somebody(&plant, json!({"set_order_type": {"cen": CEN, "instance": VPC.id, "order_type": "PayByCenOwner"}}));
    plant.run_until(at("10:30:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Failed, Some(Reason::Overridden)), "{}", record.why);
    assert_eq!(plant.effects(), [format!("{MODIFY} {} PayByResourceOwner", VPC.id)]);
}

fn granted(payer: &str) -> Value {
    json!({"grant": {"cen": CEN, "instance": VPC.id, "order_type": payer}})
}

fn attached() -> Value {
    json!({"attach": {"transit_router": ROUTER, "instance": VPC.id}})
}

fn detached() -> Value {
    json!({"detach": {"cen": CEN, "instance": VPC.id}})
}

async fn the_old_payer_granted_between_revoke_and_grant_overrides_the_job_and_holds_up_no_other(stock: Stock) {
    let lag = json!({"DescribeGrantRulesToCen": "20s", "DescribeGrantRulesToResource": "20s"});
    // With reads that lag the grant is asked for, and refused or answered without effect.
    let cases = ["ok", "error"].into_iter().flat_map(|d| [json!({}), lag.clone()].map(|lag| (d, lag)));
    for (duplicate, read_lag) in share(stock, 3, cases) {
        let case = format!("duplicate_grant {duplicate}, {read_lag}");
        let (plant, uid) = about_to(stock, Stands::Granted, VPC.job("payer-change"), GRANT).await;
        switch(&plant, json!({"duplicate_grant": duplicate, "read_lag": read_lag}));
        somebody(&plant, granted("PayByCenOwner"));
        let mut next = VPC.job("payer-change");
        next["id"] = "next".into();
        let next = plant.job(next).await;
        plant.run_until(at("10:30:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Failed, Some(Reason::Overridden)), "{case}: {}", record.why);
        assert!(record.why.contains("somebody granted it meanwhile, with PayByCenOwner"), "{case}: {}", record.why);
        let record = plant.record(next).await;
        assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{case}: {}", record.why);
        assert_eq!(plant.said(uid).await, ["accepted", "failed"], "{case}");
    }
}

async fn what_is_detached_in_the_moment_of_modify_is_granted_anew(stock: Stock) {
    let codes = ["OperationDenied.InstanceNotAttached", "OperationFailed.SimNotAttached", "IncorrectStatus.Instance"];
    for code in share(stock, 3, codes) {
        let (plant, uid) = about_to(stock, Stands::Attached, VPC.job("payer-change"), MODIFY).await;
        plant.cloud.inject(InjectedFault::new(MODIFY, refusal(400, code)).times(100));
        somebody(&plant, detached());
        plant.run_until(at("10:40:00")).await;
        let record = plant.record(uid).await;
        assert_eq!(end(&record), (State::Completed, Some(Reason::Done)), "{code}: {}", record.why);
        assert_eq!(plant.effects(), [format!("{REVOKE} {}", VPC.id), format!("{GRANT} {} PayByResourceOwner", VPC.id)]);
    }
}

async fn what_is_detached_in_the_moment_of_update_goes_on_to_the_hour(stock: Stock) {
    for takes_effect in [true, false] {
        let (plant, uid) = about_to(stock, Stands::Attached, VPC.job("payer-change"), UPDATE).await;
        switch(&plant, json!({"unattached_takes_effect": takes_effect}));
        somebody(&plant, detached());
        plant.run_until(at("12:02:30")).await;
        let record = plant.record(uid).await;
        let right = if takes_effect { Reason::Done } else { Reason::Detached };
        assert_eq!(end(&record).1, Some(right), "{}", record.why);
        assert_eq!(plant.effects().len(), 1, "{:?}", plant.effects());
    }
}

async fn what_is_attached_before_the_revoke_is_not_revoked(stock: Stock) {
    let lag = json!({"ListTransitRouterVpcAttachments": "40s", "DescribeCenAttachedChildInstances": "40s"});
    // With lists that lag the revoke is asked for, and refused.
    for (kind, read_lag) in
        ["revoke", "payer-change"].into_iter().flat_map(|k| [json!({}), lag.clone()].map(|l| (k, l)))
    {
        let (plant, uid) = about_to(stock, Stands::Granted, VPC.job(kind), REVOKE).await;
        switch(&plant, json!({"read_lag": read_lag}));
        somebody(&plant, attached());
        plant.run_until(at("11:02:30")).await;
        let record = plant.record(uid).await;
        let (right, effects) = match kind {
            "revoke" => (Reason::Attached, 0),
            _ => (Reason::Done, 2),
        };
        assert_eq!(end(&record).1, Some(right), "{kind} {read_lag}: {}", record.why);
        let effects_were = plant.effects();
        assert_eq!(effects_were.len(), effects, "{kind} {read_lag}: {effects_were:?}");
        assert!(effects_were.iter().all(|effect| !effect.starts_with(REVOKE)), "{kind} {read_lag}: {effects_were:?}");
    }
}

async fn a_cancel_between_revoke_and_grant_puts_the_old_grant_back(stock: Stock) {
    let (plant, uid) = about_to(stock, Stands::Granted, VPC.job("payer-change"), GRANT).await;
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.run_until(at("10:40:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Cancelled, Some(Reason::CancelledByOperator)), "{}", record.why);
    assert_eq!(plant.effects(), [format!("{REVOKE} {}", VPC.id), format!("{GRANT} {} PayByCenOwner", VPC.id)]);
}

/// Takes a job to where it parks half done.
async fn parked(stock: Stock, stands: Stands, job: Value, fault: InjectedFault) -> (Plant, JobUid) {
    let plant = VPC.plant(stock, stands).await;
    plant.cloud.inject(fault);
    let uid = plant.job(job).await;
    plant.run_until(at("20:00:00")).await;
    let record = plant.record(uid).await;
    assert!(record.is_half_done(), "{:?} {}", record.state(), record.why);
    (plant, uid)
}

async fn what_show_says_of_a_cancel_holds(stock: Stock) {
    let forever = |operation: &str, kind| InjectedFault::new(operation, kind).times(1_000_000);
    let deleting = |mut job: Value| {
        job["options"] = json!({"attachments": "delete"});
        job
    };
    let cases = [
        (Stands::Granted, VPC.job("payer-change"), forever(GRANT, FaultKind::Conflict), true),
        (Stands::Granted, VPC.job("payer-change"), forever(GRANT, FaultKind::Empty), false),
        (Stands::Attached, deleting(VPC.job("revoke")), forever(REVOKE, refusal(403, "Forbidden.RAM")), false),
        (Stands::Attached, VPC.job("payer-change"), forever(UPDATE, FaultKind::Conflict), true),
    ];
    for (stands, job, fault, can) in share(stock, 3, cases) {
        let case = format!("{job} {fault:?}");
        let (plant, uid) = parked(stock, stands, job, fault).await;
        let record = plant.record(uid).await;
        let obeyed = plant.engine.would_obey(&record, Command::Cancel).await.unwrap();
        let shown = explain(&record, None, obeyed, plant.clock.now());
        assert_eq!(obeyed, can, "{case}: {shown:?}");
        assert_eq!(shown.next.contains("`cancel` puts back"), can, "{case}: {shown:?}");
        plant.cloud.clear_faults();
        let cancelled = plant.engine.command(uid, Command::Cancel, "tests").await;
        assert_eq!(cancelled.is_ok(), can, "{case}");
        if can {
            plant.run_until(at("23:00:00")).await;
            let record = plant.record(uid).await;
            assert_eq!(record.state(), State::Cancelled, "{case}: {}", record.why);
        }
    }
}

#[tokio::test]
async fn a_wait_that_is_half_done_can_be_cancelled() {
    let plant = VPC.plant(Stock::Memory, Stands::Attached).await;
    // The second write is missing, and is made after the hour.
    plant.cloud.inject(InjectedFault::new("ListTransitRouterVpcAttachments", FaultKind::EmptyList).after(1).times(2));
    let uid = plant.job(VPC.job("payer-change")).await;
    plant.run_until(at("11:30:00")).await;
    assert_eq!((plant.record(uid).await.state(), plant.effects().len()), (State::Waiting, 2));
    // Then somebody attaches it once more, with the old payer.
    somebody(&plant, attached());
    let old = json!({"cen": CEN, "instance": VPC.id, "attachment_order_type": "PayByCenOwner"});
    somebody(&plant, json!({"set_order_type": old}));
    plant.run_until(at("12:10:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Parked, Some(Reason::HalfDone)), "{}", record.why);
    assert!(record.is_half_done() && record.wait.is_some(), "{}", record.why);
    let obeyed = plant.engine.would_obey(&record, Command::Cancel).await.unwrap();
    let shown = explain(&record, None, obeyed, plant.clock.now());
    assert!(obeyed && shown.next.contains("`cancel` puts back"), "{shown:?}");
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.run_until(at("13:10:00")).await;
    let record = plant.record(uid).await;
    assert_eq!(end(&record), (State::Cancelled, Some(Reason::CancelledByOperator)), "{}", record.why);
    let grants = plant.cloud.state()["grants"].as_array().unwrap().clone();
    let grant = grants.iter().find(|grant| grant["instance"] == VPC.id).unwrap();
    assert_eq!(
        (&grant["order_type"], &grant["effective_order_type"]),
        (&json!("PayByCenOwner"), &json!("PayByCenOwner"))
    );
}
