//! What is in deploy/ fits the program.

use std::collections::BTreeSet;
use std::path::Path;

use crossgrant::cloud::OPERATIONS;
use serde_json::Value;

fn actions(file: &str) -> BTreeSet<String> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/ram").join(file);
    let policy: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    let statements = policy["Statement"].as_array().unwrap().iter();
    let actions = statements.flat_map(|statement| statement["Action"].as_array().unwrap());
    actions.map(|action| action.as_str().unwrap().to_owned()).collect()
}

#[test]
fn the_policies_allow_every_operation_that_is_called_and_no_other() {
    let files = ["resource-account.json", "transit-router-account.json", "transit-router-account-detach.json"];
    let [resource, cen, detach] = files.map(actions);
    let all: Vec<&str> = [&resource, &cen, &detach].into_iter().flatten().map(String::as_str).collect();
    let allowed: BTreeSet<&str> = all.iter().map(|action| action.split_once(':').unwrap().1).collect();
    assert_eq!(all.len(), allowed.len(), "each is in one of them");
    // Those of STS need no permission of the account itself.
    let sts = ["AssumeRole", "AssumeRoleWithOIDC", "GetCallerIdentity"];
    let called: BTreeSet<&str> = OPERATIONS.iter().copied().filter(|operation| !sts.contains(operation)).collect();
    assert_eq!(allowed, called);
    let cuts = |action: &String| action.contains(":Delete") || action.contains(":Detach");
    assert!(detach.iter().all(cuts) && !cen.iter().any(cuts), "what cuts traffic is apart");
}
