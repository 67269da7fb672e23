//! A plan of a CCN, whose writes are operations of another product: it tells the calls that the job then makes.

use std::process::Command;

use serde_json::{Value, json};

use crate::one_process::second_cloud::{CCN, Stands};
use crate::support::plant::Stock;
use crate::support::{crossgrant, scratch};

/// What `crossgrant plan` says of a job, in JSON and as text.
fn planned(world: &str, job: &Value) -> (Value, String) {
    let dir = tempfile::tempdir_in(scratch()).unwrap();
    let (file, begins) = (dir.path().join("job.json"), dir.path().join("world.toml"));
    std::fs::write(&file, job.to_string()).unwrap();
    std::fs::write(&begins, world).unwrap();
    let say = |json: &[&str]| {
        let output =
            Command::new(crossgrant()).arg("plan").args(json).arg(&file).arg("--simulate").arg(&begins).output();
        String::from_utf8(output.unwrap().stdout).unwrap()
    };
    (serde_json::from_str(&say(&["--json"])).unwrap(), say(&[]))
}

#[tokio::test]
async fn the_plan_of_a_ccn_tells_the_calls_that_the_job_makes() {
    let mut deleting = CCN.job("revoke");
    deleting["options"] = json!({"attachments": "delete"});
    for (stands, job, after) in [
        (Stands::NotGranted, CCN.job("grant"), true),
        (Stands::Granted, CCN.job("revoke"), false),
        (Stands::Attached, deleting, false),
        (Stands::Granted, CCN.job("grant"), true),
        (Stands::NotGranted, CCN.job("revoke"), false),
    ] {
        let (plan, text) = planned(&CCN.world(stands), &job);
        let calls = plan["plan"].as_array().unwrap();
        let told = |name: &str| calls.iter().map(|call| call[name].as_str().unwrap().to_owned()).collect::<Vec<_>>();
        assert_eq!((&plan["verdict"], &plan["after"]["granted"]), (&json!("planned"), &json!(after)), "{plan}");

        let plant = CCN.plant(Stock::Memory, stands).await;
        let uid = plant.job(job).await;
        plant.run().await;
        let ledger = plant.cloud.ledger();
        let operations: Vec<String> = ledger.iter().map(|entry| entry.operation.clone()).collect();
        let accounts: Vec<String> = ledger.iter().map(|entry| entry.account.as_ref().unwrap().to_string()).collect();
        assert_eq!((told("operation"), told("account")), (operations, accounts), "{plan}");
        assert_eq!(plant.record(uid).await.after.unwrap().granted, after);
        assert_eq!(text.contains("nothing would be written"), calls.is_empty(), "{text}");
        assert!(told("operation").iter().all(|operation| text.contains(operation)), "{text}");
    }
}
