//! What each workflow does to the cloud, and what it says, in every situation of a VPC.

use crate::support::outbox::WholeOutbox as _;
use std::time::Duration;

use crossgrant::clock::later;
use crossgrant::domain::Reason;
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::decide::decision::{Next, Observation, decide};
use crossgrant::engine::loops::retention::forget_once;
use crossgrant::engine::ports::cloud::Listing;
use crossgrant::engine::ports::store::{Filter, Taken};
use crossgrant::engine::record::State;
use crossgrant::engine::seen::Seen;
use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::json;

use crate::support::plant::{
    ATTACHED, CEN_OWNER, HELD, NOT_GRANTED, Plant, RESOURCE, UNATTACHED, grant, payer_change, revoke, with,
};

const MODIFY: &str = "ModifyGrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50001 PayByResourceOwner";
const UPDATE: &str = "UpdateTransitRouterVpcAttachmentAttribute tr-attach-nls9fzkfat89340001 PayByResourceOwner";

#[tokio::test]
async fn a_grant_is_made_read_back_and_announced() {
    let plant = Plant::new().await;
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    plant.run().await;
    assert_eq!(plant.effects(), ["GrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50003 PayByCenOwner"]);
    assert_eq!(plant.said(uid).await, ["accepted", "completed"]);
    let completed = plant.events(uid).await.pop().unwrap();
    assert_eq!(completed["data"]["reason"], "done");
    assert_eq!(completed["subject"], NOT_GRANTED);
    assert_eq!(completed["data"]["before"]["granted"], false);
    assert_eq!(completed["data"]["after"]["order_type"], "PayByCenOwner");
    assert_eq!(completed["data"]["attach"]["id"], NOT_GRANTED);
    let request_id = plant.cloud.ledger()[0].request_id.clone().unwrap();
    assert_eq!(completed["data"]["writes"][0]["request_id"], request_id, "the auditor finds the write");
}

#[tokio::test]
async fn what_is_so_already_is_not_written() {
    let plant = Plant::new().await;
    let same = plant.job(grant("g", UNATTACHED)).await;
    let other = plant.job(with(grant("h", UNATTACHED), "order_type", json!("PayByResourceOwner"))).await;
    let payer = plant.job(payer_change("p", ATTACHED, "PayByCenOwner")).await;
    let absent = plant.job(revoke("r", NOT_GRANTED)).await;
    plant.run().await;
    assert_eq!(plant.effects(), Vec::<String>::new());
    for (uid, reason) in [
        (same, Reason::AlreadySatisfied),
        (other, Reason::PayerDiffers),
        (payer, Reason::AlreadySatisfied),
        (absent, Reason::AlreadyAbsent),
    ] {
        assert_eq!(plant.record(uid).await.phase.ending().unwrap().reason, reason);
    }
}

#[tokio::test]
async fn a_revoke_of_an_attached_instance_is_refused_unless_attachments_may_be_deleted() {
    let plant = Plant::new().await;
    let refused = plant.job(revoke("r", HELD)).await;
    plant.run().await;
    let record = plant.record(refused).await;
    assert_eq!((record.state(), record.phase.ending().unwrap().reason), (State::Failed, Reason::Attached));
    assert_eq!(plant.effects(), Vec::<String>::new());

    let deleted = plant.job(with(revoke("s", HELD), "options", json!({"attachments": "delete"}))).await;
    plant.run().await;
    assert_eq!(plant.record(deleted).await.state(), State::Completed);
    assert_eq!(
        plant.effects(),
        [
            "DeleteTransitRouterVpcAttachment tr-attach-nls9fzkfat89340005",
            "RevokeInstanceFromTransitRouter vpc-bp1h8vbrbcgohcju50005"
        ]
    );
}

#[tokio::test]
async fn a_payer_change_of_an_attached_instance_completes_only_when_the_new_payer_is_effective() {
    let plant = Plant::new().await;
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:59:59Z".parse().unwrap()).await;
    assert_eq!(plant.effects(), [MODIFY, UPDATE]);
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Waiting);
    assert_eq!(record.wait.unwrap().expected_at.to_string(), "2026-11-21T11:00:00Z");
    assert_eq!(plant.said(uid).await, ["accepted", "waiting"]);
    let calls = plant.cloud.total_calls();
    plant.run().await;
    assert_eq!(plant.said(uid).await, ["accepted", "waiting", "completed"]);
    assert_eq!(plant.cloud.total_calls(), calls + 1, "one call confirms it");
    let data = plant.events(uid).await.pop().unwrap()["data"].clone();
    assert_eq!(data["before"]["effective_order_type"], "PayByCenOwner");
    assert_eq!(data["after"]["effective_order_type"], "PayByResourceOwner");
    assert_eq!(data["effective_at"], "2026-11-21T11:00:00Z");
}

#[tokio::test]
async fn a_payer_change_of_an_unattached_instance_replaces_the_grant() {
    let plant = Plant::new().await;
    let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    assert_eq!(
        plant.effects(),
        [
            "RevokeInstanceFromTransitRouter vpc-bp1h8vbrbcgohcju50002",
            "GrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50002 PayByResourceOwner"
        ]
    );
    assert_eq!(plant.record(uid).await.state(), State::Completed);
}

#[tokio::test]
async fn lagging_reads_delay_and_never_repeat_a_write() {
    let plant = Plant::new().await;
    let lag = json!({"read_lag": {"DescribeGrantRulesToCen": "8s", "DescribeGrantRulesToResource": "12s"}});
    plant.cloud.patch_switches(lag).unwrap();
    let first = plant.job(grant("g", NOT_GRANTED)).await;
    let second = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    assert_eq!(plant.record(first).await.state(), State::Completed);
    assert_eq!(plant.record(second).await.state(), State::Completed);
    let mut effects = plant.effects();
    effects.sort();
    effects.dedup();
    assert_eq!(effects.len(), 3, "{effects:?}");
    assert_eq!(plant.effects().len(), 3);
}

#[tokio::test]
async fn an_answer_that_was_lost_is_looked_for_and_not_repeated_before_settle() {
    for (kind, sends) in [(FaultKind::DropAfter, 1), (FaultKind::DropBefore, 2)] {
        let plant = Plant::new().await;
        plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", kind.clone()));
        let uid = plant.job(grant("g", NOT_GRANTED)).await;
        plant.run().await;
        let record = plant.record(uid).await;
        assert_eq!(record.state(), State::Completed, "{kind:?}: {}", record.why);
        assert_eq!(plant.effects().len(), 1, "{kind:?}");
        assert_eq!(record.writes[0].sends, sends, "{kind:?}");
        if sends == 2 {
            let calls = plant.cloud.calls();
            let at: Vec<_> = calls.iter().filter(|c| c.operation.starts_with("Grant")).map(|c| c.at).collect();
            assert!(at[1].duration_since(at[0]).as_secs() >= 30, "a repeated call only after settle: {at:?}");
        }
    }
}

#[tokio::test]
async fn a_look_that_began_before_settle_proves_nothing_however_late_it_ends() {
    let plant = Plant::new().await;
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", FaultKind::DropBefore));
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    plant.work().await;
    let record = plant.record(uid).await;
    let (definition, _) = plant.engine.definition_of(&record).await.unwrap();
    let policies = &plant.engine.catalog.policies;
    let settled = later(record.writes[0].intended_at, policies.attempt() + policies.settle);
    let next = |seen_at| {
        let none = || Some(Listing { items: vec![], complete: true });
        let seen = Seen { cen_rule: none(), resource_rules: none(), ..Seen::nothing(seen_at) };
        let looked = Observation::Looked { seen, rivals: vec![] };
        decide(&plant.engine.context(&definition), &record, &looked, later(settled, Duration::from_secs(40))).next
    };
    assert_eq!(next(later(settled, Duration::from_secs(1))), Next::Write(0));
    assert_eq!(next(record.writes[0].intended_at), Next::Rest);
}

#[tokio::test]
async fn a_permanent_refusal_of_the_second_write_undoes_the_first() {
    let plant = Plant::new().await;
    let refusal = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    plant.cloud.inject(InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", refusal));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!((record.state(), record.phase.ending().unwrap().reason), (State::Failed, Reason::RefusedByCloud));
    let undo = "ModifyGrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50001 PayByCenOwner";
    assert_eq!(plant.effects(), [MODIFY, undo]);
    assert_eq!(record.after.unwrap().order_type.unwrap().as_str(), "PayByCenOwner", "the undo was read back");
}

/// What an account lacks is no fault of the jobs, so it costs none of them.
#[tokio::test]
async fn a_first_write_that_is_refused_for_what_the_account_lacks_parks_its_jobs_and_resume_carries_them_out() {
    for (code, reason) in [
        ("Forbidden.RAM", Reason::CredentialRefused),
        ("NoPermission.AliyunServiceRoleForCEN", Reason::AccountNotReady),
        ("Forbbiden.TransitRouterServiceNotOpen", Reason::AccountNotReady),
        ("InvalidAccountStatus.NotEnoughBalance", Reason::AccountNotReady),
    ] {
        let plant = Plant::new().await;
        let refusal = FaultKind::Error { http: 403, code: code.into(), message: "not authorized".into() };
        plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", refusal).times(100));
        let first = plant.job(grant("g", NOT_GRANTED)).await;
        let behind = plant.job(revoke("r", NOT_GRANTED)).await;
        plant.run().await;
        let record = plant.record(first).await;
        let ending = record.phase.ending().unwrap();
        assert_eq!((record.state(), ending.reason), (State::Parked, reason), "{code}");
        let says = format!("account {RESOURCE}: GrantInstanceToTransitRouter was refused: {code}");
        assert!(!record.is_half_done() && ending.message.contains(&says), "{}", ending.message);
        assert_eq!(plant.record(behind).await.state(), State::Completed, "it holds up no other job");
        assert_eq!(plant.said(first).await.last().unwrap(), "parked");
        assert_eq!(plant.effects(), [] as [&str; 0]);

        plant.cloud.clear_faults();
        plant.engine.command(first, Command::Resume, "tests").await.unwrap();
        plant.run().await;
        assert_eq!(plant.record(first).await.state(), State::Completed);
        assert_eq!(plant.effects(), [format!("GrantInstanceToTransitRouter {NOT_GRANTED} PayByCenOwner")]);
    }
}

#[tokio::test]
async fn a_look_that_is_refused_for_what_the_account_lacks_parks_the_job_under_that_account() {
    let unpaid = || FaultKind::Error {
        http: 403,
        code: "InvalidAccountStatus.NotEnoughBalance".into(),
        message: "The account has no balance.".into(),
    };
    for (read, account) in [("DescribeGrantRulesToCen", CEN_OWNER), ("DescribeGrantRulesToResource", RESOURCE)] {
        let plant = Plant::new().await;
        plant.cloud.inject(InjectedFault::new(read, unpaid()).times(u32::MAX));
        let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
        plant.run().await;
        let record = plant.record(uid).await;
        let ending = record.phase.ending().unwrap();
        assert_eq!((record.state(), ending.reason), (State::Parked, Reason::AccountNotReady), "{read}");
        assert!(!record.is_half_done() && ending.message.starts_with(&format!("account {account}: {read}")));
        plant.cloud.clear_faults();
        plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
        plant.run().await;
        assert_eq!(plant.record(uid).await.state(), State::Completed);
        assert_eq!(plant.effects().len(), 2);
    }
    // Half done it goes the way of every permanent refusal.
    let plant = Plant::new().await;
    plant.cloud.inject(InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", unpaid()));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!((record.state(), record.phase.ending().unwrap().reason), (State::Failed, Reason::RefusedByCloud));
    assert_eq!(record.after.unwrap().order_type.unwrap().as_str(), "PayByCenOwner", "the undo was read back");
}

#[tokio::test]
async fn a_network_never_stays_revoked_quietly() {
    let plant = Plant::new().await;
    let refusal = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", refusal).times(5));
    let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
    assert_eq!(plant.effects().len(), 2);
}

/// The grant was taken away and may not be made again: nothing of that waits for hours until it is seen.
#[tokio::test]
async fn a_refusal_between_two_writes_is_found_as_half_done() {
    for (http, code) in
        [(403, "Forbidden.RAM"), (400, "Forbbiden.TransitRouterServiceNotOpen"), (400, "Throttling.User")]
    {
        let plant = Plant::new().await;
        let refusal = FaultKind::Error { http, code: code.into(), message: "no".into() };
        plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", refusal).times(100_000));
        let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
        plant.run_until("2026-11-21T10:25:00Z".parse().unwrap()).await;
        let record = plant.record(uid).await;
        assert_eq!((record.state(), plant.effects().len()), (State::Running, 1), "{code}: {}", record.why);
        let half_done = Filter { half_done: Some(true), limit: 10, ..Filter::default() };
        let found = plant.engine.find(&half_done).await.unwrap().jobs;
        assert_eq!(found.iter().map(|record| record.uid).collect::<Vec<_>>(), [uid], "{code}: {}", record.why);
        plant.cloud.clear_faults();
        plant.run().await;
        assert_eq!(plant.record(uid).await.state(), State::Completed, "{code}");
        assert_eq!(plant.engine.find(&half_done).await.unwrap().jobs.len(), 0);
    }
}

#[tokio::test]
async fn a_job_that_cannot_finish_its_second_half_parks_half_done_and_blocks_the_line() {
    let plant = Plant::new().await;
    let refusal = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    plant.cloud.inject(InjectedFault::new("GrantInstanceToTransitRouter", refusal).times(100_000));
    let uid = plant.job(payer_change("p", UNATTACHED, "PayByResourceOwner")).await;
    let next = plant.job(grant("next", UNATTACHED)).await;
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Parked);
    let parked = plant.events(uid).await.pop().unwrap();
    assert_eq!((&parked["type"], &parked["data"]["half_done"]), (&json!("crossgrant.job.parked"), &json!(true)));
    assert_eq!(plant.record(next).await.state(), State::Queued, "no job passes a half-done one");
    assert_eq!(
        plant.store().first_in_queue(&record.job.instance).await.unwrap(),
        Some(uid),
        "and `show` names the blocker"
    );

    plant.cloud.clear_faults();
    plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
    assert_eq!(plant.record(next).await.phase.ending().unwrap().reason, Reason::PayerDiffers);
}

#[tokio::test]
async fn cancel_between_the_writes_undoes_and_while_waiting_is_refused() {
    let plant = Plant::new().await;
    let fault = InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", FaultKind::Conflict).times(3);
    plant.cloud.inject(fault);
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.work().await;
    assert_eq!(plant.effects(), [MODIFY]);
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(
        (record.state(), record.phase.ending().unwrap().reason),
        (State::Cancelled, Reason::CancelledByOperator)
    );
    let undo = "ModifyGrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50001 PayByCenOwner";
    assert_eq!(plant.effects(), [MODIFY, undo]);

    plant.cloud.clear_faults();
    let uid = plant.job(payer_change("q", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:50:00Z".parse().unwrap()).await;
    let declined = plant.engine.command(uid, Command::Cancel, "tests").await.unwrap_err();
    assert!(declined.to_string().contains("opposite payer-change"), "{declined}");
}

#[tokio::test]
async fn an_undo_after_the_hour_waits_for_the_next_one() {
    let plant = Plant::new().await;
    // The second write takes effect and its answer is lost, and no worker can look before the hour strikes.
    plant.cloud.inject(InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", FaultKind::DropAfter));
    plant
        .cloud
        .inject(InjectedFault::new("ListTransitRouterVpcAttachments", FaultKind::HtmlError).after(2).times(1_000));
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:59:00Z".parse().unwrap()).await;
    assert_eq!(plant.record(uid).await.state(), State::Running);
    plant.clock.advance_to("2026-11-21T11:00:01Z".parse().unwrap());
    plant.engine.command(uid, Command::Cancel, "tests").await.unwrap();
    plant.cloud.clear_faults();
    plant.run_until("2026-11-21T11:30:00Z".parse().unwrap()).await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Waiting, "{}", record.why);
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Cancelled, "{}", record.why);
    assert_eq!(record.after.unwrap().effective_order_type.unwrap().as_str(), "PayByCenOwner");
}

#[tokio::test]
async fn an_identical_request_of_another_requester_ends_with_the_first_under_its_own_id() {
    let plant = Plant::new().await;
    let change = payer_change("NET-1", ATTACHED, "PayByResourceOwner");
    let mut uids = vec![];
    for requester in ["tickets", "bots"] {
        let Taken::New(uid) = plant.send_as(Some(requester), &change).await else { panic!("{requester}") };
        uids.push(uid);
    }
    plant.run().await;
    for (uid, requester) in uids.iter().zip(["tickets", "bots"]) {
        let record = plant.record(*uid).await;
        assert_eq!((record.state(), record.requester.as_str()), (State::Completed, requester), "{}", record.why);
        assert_eq!(plant.said(*uid).await.iter().filter(|said| *said == "completed").count(), 1);
    }
    assert_eq!(plant.effects().len(), 2, "written once on each side: {:?}", plant.effects());
}

#[tokio::test]
async fn a_newer_change_supersedes_a_waiting_one_with_its_own_first_intent() {
    let plant = Plant::new().await;
    let old = plant.job(payer_change("old", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:40:00Z".parse().unwrap()).await;
    assert_eq!(plant.record(old).await.state(), State::Waiting);
    let same = plant.job(payer_change("same", ATTACHED, "PayByResourceOwner")).await;
    let refused = plant.job(revoke("refused", ATTACHED)).await;
    let planned = plant.job(with(payer_change("plan", ATTACHED, "PayByCenOwner"), "mode", json!("plan"))).await;
    plant.run_until("2026-11-21T10:41:00Z".parse().unwrap()).await;
    assert_eq!(plant.record(old).await.state(), State::Waiting, "plans and refusals supersede nothing");
    assert_eq!(plant.record(refused).await.state(), State::Failed);
    assert_eq!(plant.record(planned).await.state(), State::Planned);
    assert_eq!(plant.record(same).await.state(), State::Waiting, "an identical request is answered by the same end");
    let new = plant.job(payer_change("new", ATTACHED, "PayByCenOwner")).await;
    plant.run().await;
    assert_eq!(plant.record(old).await.state(), State::Superseded);
    assert_eq!(plant.record(same).await.state(), State::Superseded);
    assert_eq!(plant.record(new).await.state(), State::Completed);
    assert_eq!(plant.said(old).await.last().unwrap(), "superseded");
    assert_eq!(plant.effects().len(), 4);
}

#[tokio::test]
async fn a_waiting_job_whose_hour_is_past_is_looked_at_before_it_is_superseded() {
    let plant = Plant::new().await;
    let old = plant.job(payer_change("old", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:59:00Z".parse().unwrap()).await;
    plant.clock.advance_to("2026-11-21T11:00:30Z".parse().unwrap());
    let new = plant.job(payer_change("new", ATTACHED, "PayByCenOwner")).await;
    plant.work().await;
    assert_eq!(plant.record(old).await.state(), State::Completed, "it had taken effect");
    plant.run().await;
    assert_eq!(plant.record(new).await.state(), State::Completed);
}

#[tokio::test]
async fn jobs_on_one_instance_run_in_order_and_a_waiting_one_lets_the_next_pass() {
    let plant = Plant::new().await;
    let first = plant.job(grant("a", NOT_GRANTED)).await;
    let second = plant.job(payer_change("b", NOT_GRANTED, "PayByResourceOwner")).await;
    let third = plant.job(revoke("c", NOT_GRANTED)).await;
    plant.run().await;
    assert_eq!(
        plant.effects(),
        [
            "GrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50003 PayByCenOwner",
            "RevokeInstanceFromTransitRouter vpc-bp1h8vbrbcgohcju50003",
            "GrantInstanceToTransitRouter vpc-bp1h8vbrbcgohcju50003 PayByResourceOwner",
            "RevokeInstanceFromTransitRouter vpc-bp1h8vbrbcgohcju50003",
        ]
    );
    for uid in [first, second, third] {
        assert_eq!(plant.record(uid).await.state(), State::Completed);
    }
}

#[tokio::test]
async fn expiry_is_tested_before_the_first_write_and_never_after() {
    let plant = Plant::new().await;
    let late = with(grant("late", NOT_GRANTED), "not_after", json!("2026-11-21T10:19:00Z"));
    let late = plant.job(late).await;
    let early = with(grant("early", NOT_GRANTED), "not_before", json!("2026-11-21T12:00:00Z"));
    let early = plant.job(early).await;
    let begun = with(payer_change("p", ATTACHED, "PayByResourceOwner"), "not_after", json!("2026-11-21T10:20:30Z"));
    let begun = plant.job(begun).await;
    plant.run_until("2026-11-21T11:30:00Z".parse().unwrap()).await;
    assert_eq!(plant.record(late).await.phase.ending().unwrap().reason, Reason::Expired);
    assert_eq!(plant.record(begun).await.state(), State::Completed);
    assert_eq!(plant.record(early).await.state(), State::Queued);
    assert_eq!(plant.effects().len(), 2);
    plant.run().await;
    let record = plant.record(early).await;
    assert_eq!(record.state(), State::Completed);
    assert!(record.writes[0].intended_at >= "2026-11-21T12:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn somebody_elses_change_while_waiting_is_said_and_never_completed() {
    let plant = Plant::new().await;
    let overridden = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:40:00Z".parse().unwrap()).await;
    plant.somebody_sets(ATTACHED, "order_type", "PayByCenOwner");
    plant.run().await;
    let record = plant.record(overridden).await;
    assert_eq!((record.state(), record.phase.ending().unwrap().reason), (State::Failed, Reason::Overridden));
}

#[tokio::test]
async fn a_change_that_never_takes_effect_is_overdue_once_and_then_parks() {
    let plant = Plant::new().await;
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:40:00Z".parse().unwrap()).await;
    // What the cloud shows stays as it was.
    plant.cloud.patch_switches(json!({"read_lag": {}})).unwrap();
    plant.cloud.inject(InjectedFault::new("DescribeGrantRulesToCen", FaultKind::Empty).times(1_000_000));
    plant.run().await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Parked, "{}", record.why);
    assert_eq!(plant.said(uid).await, ["accepted", "waiting", "overdue", "parked"]);
    assert!(!record.is_half_done(), "both writes are made: it does not block the line");
    plant.cloud.clear_faults();
    plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
    plant.run().await;
    assert_eq!(plant.record(uid).await.state(), State::Completed);
}

#[tokio::test]
async fn waiting_costs_nothing_and_checking_is_shared() {
    let plant = Plant::new().await;
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:30:00Z".parse().unwrap()).await;
    let calls = plant.cloud.total_calls();
    plant.clock.advance(Duration::from_secs(20 * 60));
    plant.work().await;
    assert_eq!(plant.cloud.total_calls(), calls, "a waiting job makes no call before its hour");
    assert_eq!(plant.record(uid).await.state(), State::Waiting);
}

#[tokio::test]
async fn an_id_is_remembered_for_as_long_as_it_is_kept_and_then_free() {
    let plant = Plant::new().await;
    let keep = Duration::from_secs(400 * 86_400);
    let uid = plant.job(grant("g", NOT_GRANTED)).await;
    plant.run().await;
    let said: Vec<i64> = plant.store().queued(0, 100).await.iter().map(|queued| queued.number).collect();
    plant.store().mark(&said, &[]).await;
    plant.clock.advance(keep - Duration::from_secs(60));
    assert_eq!(forget_once(&plant.engine, keep).await.unwrap(), 0);
    assert_eq!(plant.send(&grant("g", NOT_GRANTED)).await, Taken::Repeated(uid));
    let said: Vec<i64> = plant.store().queued(0, 100).await.iter().map(|queued| queued.number).collect();
    plant.store().mark(&said, &[]).await;
    plant.clock.advance(Duration::from_secs(120));
    assert_eq!(forget_once(&plant.engine, keep).await.unwrap(), 1);
    assert!(matches!(plant.send(&grant("g", NOT_GRANTED)).await, Taken::New(_)));
}
