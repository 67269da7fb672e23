//! A plan foretells what the job would do: whatever it names is what carrying it out writes, and it writes nothing itself.

use std::sync::Arc;

use crossgrant::engine::record::State;
use serde_json::{Value, json};

use crate::support::plant::{ATTACHED, HELD, NOT_GRANTED, Plant, UNATTACHED, grant, payer_change, revoke, with};

/// The calls of a `planned` event, as the ledger words them.
fn foretold(planned: &Value) -> Vec<String> {
    let calls = planned["data"]["plan"].as_array().unwrap().iter();
    let text = |call: &Value, name: &str| call[name].as_str().map(str::to_owned);
    calls
        .map(|call| {
            let words = ["operation", "resource", "order_type"].map(|name| text(call, name));
            words.into_iter().flatten().collect::<Vec<_>>().join(" ")
        })
        .collect()
}

#[tokio::test]
async fn what_a_plan_names_is_what_the_job_writes() {
    let deleting = with(revoke("r", HELD), "options", json!({"attachments": "delete"}));
    for (job, accounts, effective_from) in [
        (grant("g", NOT_GRANTED), vec!["1688000000000001"], None),
        (grant("g", UNATTACHED), vec![], None),
        (revoke("r", UNATTACHED), vec!["1688000000000001"], None),
        (deleting, vec!["1250123456123456", "1688000000000001"], None),
        (
            payer_change("p", ATTACHED, "PayByResourceOwner"),
            vec!["1688000000000001", "1250123456123456"],
            Some("2026-11-21T11:00:00Z"),
        ),
        (payer_change("p", UNATTACHED, "PayByResourceOwner"), vec!["1688000000000001"; 2], None),
    ] {
        let plant = Plant::new().await;
        let uid = plant.job(with(with(job.clone(), "mode", json!("plan")), "id", json!("plan"))).await;
        plant.run().await;
        assert_eq!(plant.record(uid).await.state(), State::Planned, "{job}");
        assert_eq!(plant.effects(), Vec::<String>::new(), "a plan writes nothing");
        let planned = plant.events(uid).await.pop().unwrap();
        let of: Vec<&str> =
            planned["data"]["plan"].as_array().unwrap().iter().map(|call| call["account"].as_str().unwrap()).collect();
        assert_eq!(of, accounts, "{job}");
        assert_eq!(planned["data"]["effective_from"].as_str(), effective_from, "{job}");

        let uid = plant.job(job.clone()).await;
        plant.run().await;
        let record = plant.record(uid).await;
        assert_eq!(record.state(), State::Completed, "{job}");
        assert_eq!(foretold(&planned), plant.effects(), "{job}");
        let (then, now) = (&planned["data"]["after"], record.after.unwrap());
        assert_eq!(then["granted"], now.granted, "{job}");
        assert_eq!(then["order_type"], json!(now.order_type), "{job}");
        assert_eq!(then["effective_order_type"].as_str(), now.effective_order_type.map(|o| o.as_str()), "{job}");
    }
}

#[tokio::test]
async fn a_change_that_waits_for_its_hour_is_foretold_without_calls() {
    let plant = Plant::new().await;
    plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run_until("2026-11-21T10:40:00Z".parse().unwrap()).await;
    let uid = plant.job(with(payer_change("q", ATTACHED, "PayByResourceOwner"), "mode", json!("plan"))).await;
    plant.run_until("2026-11-21T10:41:00Z".parse().unwrap()).await;
    let planned = plant.events(uid).await.pop().unwrap();
    assert_eq!(foretold(&planned), Vec::<String>::new());
    assert_eq!(planned["data"]["effective_from"], "2026-11-21T11:00:00Z");
    assert_eq!(planned["data"]["before"]["effective_order_type"], "PayByCenOwner");
    assert_eq!(planned["data"]["after"]["effective_order_type"], "PayByResourceOwner");
}

#[tokio::test]
async fn a_plan_needs_readers_only() {
    let plant = Plant::new().await;
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    let record = plant.record(uid).await;
    let readers: Arc<dyn crossgrant::engine::ports::cloud::Readers> = plant.engine.cloud.clone();
    let definition = plant.engine.definition(&record.definition).await.unwrap();
    let rules = plant.engine.context(&definition);
    let planned =
        crossgrant::engine::loops::plan::plan(readers.as_ref(), plant.clock.as_ref(), &rules, vec![], record).await;
    assert_eq!((planned.state(), planned.plan.unwrap().calls.len()), (State::Planned, 2));
    assert_eq!(plant.effects(), Vec::<String>::new());
}
