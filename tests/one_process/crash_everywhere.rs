//! The engine is cut at every point of every workflow, and every write is made twice: nothing is lost, nothing is done
//! twice, and one terminal event is said. In memory one worker starts again; of two that share a database the other takes
//! over.

use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::{Value, json};

use crate::support::plant::{
    ATTACHED, HELD, NOT_GRANTED, Plant, RESOURCE, Stock, UNATTACHED, grant, in_memory_and_in_a_database, payer_change,
    revoke, with,
};
use crate::support::thorough;

fn workflows() -> Vec<(&'static str, Value)> {
    let ccn = "ccn-n2935s1mnwv8i00001";
    let instance = json!({"type": "CCN", "id": ccn, "region": "cn-shanghai", "owner": RESOURCE});
    vec![
        ("grant of a CCN", with(grant("j", ccn), "instance", instance)),
        ("grant", grant("j", NOT_GRANTED)),
        ("revoke", revoke("j", UNATTACHED)),
        ("revoke with delete", with(revoke("j", HELD), "options", json!({"attachments": "delete"}))),
        ("payer change, attached", payer_change("j", ATTACHED, "PayByResourceOwner")),
        ("payer change, unattached", payer_change("j", UNATTACHED, "PayByResourceOwner")),
    ]
}

fn refusal() -> InjectedFault {
    let kind = FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: String::new() };
    InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", kind).times(1_000)
}

/// What happens without any fault: the effects, and the last event.
async fn undisturbed(job: &Value, refused: bool) -> (Vec<String>, String) {
    let plant = Plant::new().await;
    if refused {
        plant.cloud.inject(refusal());
    }
    let uid = plant.job(job.clone()).await;
    plant.run().await;
    (plant.effects(), plant.said(uid).await.pop().unwrap())
}

async fn cut_at_every(stock: Stock, point: CrashPoint, refused: bool) {
    let mut cuts = 0;
    let jobs = if refused { vec![("undone", payer_change("j", ATTACHED, "PayByResourceOwner"))] } else { workflows() };
    for (name, job) in jobs {
        let expected = undisturbed(&job, refused).await;
        // A database takes ten times as long.
        for nth in (0..).filter(|&nth| stock == Stock::Memory || thorough::runs(nth, 5)) {
            let plant = Plant::on(stock).await;
            if refused {
                plant.cloud.inject(refusal());
            }
            plant.script.cut_at(point, nth);
            let uid = plant.job(job.clone()).await;
            plant.run().await;
            if !plant.script.struck() {
                assert!(nth > 0, "{name} never passes {point:?}");
                break;
            }
            cuts += 1;
            let said = plant.said(uid).await;
            assert_eq!(plant.effects(), expected.0, "{name}, {point:?} {nth}: {:?}", plant.record(uid).await);
            assert_eq!(said.last(), Some(&expected.1), "{name}, {point:?} {nth}: {}", plant.record(uid).await.why);
            let ends = ["completed", "failed", "cancelled", "superseded", "planned"];
            assert_eq!(
                said.iter().filter(|e| ends.contains(&e.as_str())).count(),
                1,
                "{name}, {point:?} {nth}: {said:?}"
            );
        }
    }
    assert!(cuts > 0);
}

async fn cut_after_every_intent(stock: Stock) {
    cut_at_every(stock, CrashPoint::BeforeWrite, false).await;
    cut_at_every(stock, CrashPoint::BeforeSend, false).await;
}

async fn cut_after_every_write(stock: Stock) {
    cut_at_every(stock, CrashPoint::AfterWrite, false).await;
}

async fn cut_after_every_commit(stock: Stock) {
    cut_at_every(stock, CrashPoint::AfterCommit, false).await;
}

async fn cut_everywhere_in_an_undo(stock: Stock) {
    for point in [CrashPoint::BeforeWrite, CrashPoint::BeforeSend, CrashPoint::AfterWrite, CrashPoint::AfterCommit] {
        cut_at_every(stock, point, true).await;
    }
}

in_memory_and_in_a_database! {
    cut_after_every_intent,
    cut_after_every_write,
    cut_after_every_commit,
    cut_everywhere_in_an_undo,
}

#[tokio::test]
async fn every_write_twice_has_one_effect() {
    for (name, job) in workflows() {
        for (duplicate_grant, revoke_absent) in [("ok", "ok"), ("error", "error")] {
            let expected = undisturbed(&job, false).await;
            let plant = Plant::new().await;
            let switches = json!({"duplicate_grant": duplicate_grant, "revoke_absent": revoke_absent});
            plant.cloud.patch_switches(switches).unwrap();
            plant.script.every_write_twice();
            let uid = plant.job(job.clone()).await;
            plant.run().await;
            let effects: Vec<String> = plant.effects();
            assert_eq!(effects, expected.0, "{name}");
            assert_eq!(plant.said(uid).await.last(), Some(&expected.1), "{name}: {}", plant.record(uid).await.why);
        }
    }
}
