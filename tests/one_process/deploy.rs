//! What is in deploy/ fits the program.

use std::collections::BTreeSet;
use std::path::Path;

use crossgrant::cloud::OPERATIONS;
use serde_json::{Value, json};

const FILES: [&str; 3] = ["resource-account.json", "transit-router-account.json", "transit-router-account-detach.json"];

/// Reads that policies of an earlier version lack.
const NEWLY_NEEDED: [&str; 3] = ["CheckTransitRouterService", "DescribeCens", "ListTransitRouters"];

fn statements(file: &str) -> Vec<Value> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/ram").join(file);
    let policy: Value = serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
    policy["Statement"].as_array().unwrap().clone()
}

/// What a policy allows, but for the service-linked role, which is no operation of the worker.
fn actions(file: &str) -> BTreeSet<String> {
    let statements = statements(file);
    let actions = statements.iter().flat_map(|statement| statement["Action"].as_array().unwrap());
    let actions = actions.map(|action| action.as_str().unwrap().to_owned());
    actions.filter(|action| !action.starts_with("ram:")).collect()
}

#[test]
fn the_policies_allow_every_operation_that_is_called_and_no_other() {
    let [resource, cen, detach] = FILES.map(actions);
    let all: Vec<&str> = [&resource, &cen, &detach].into_iter().flatten().map(String::as_str).collect();
    let allowed: BTreeSet<&str> = all.iter().map(|action| action.split_once(':').unwrap().1).collect();
    let twice: Vec<&str> = resource.intersection(&cen).map(String::as_str).collect();
    assert_eq!(twice, ["cen:CheckTransitRouterService"], "which doctor asks as both; each other is in one of them");
    assert_eq!(all.len(), allowed.len() + twice.len());
    // Those of STS need no permission of the account itself.
    let sts = ["AssumeRole", "AssumeRoleWithOIDC", "GetCallerIdentity"];
    let called = OPERATIONS.iter().copied().chain(NEWLY_NEEDED);
    let called: BTreeSet<&str> = called.filter(|operation| !sts.contains(operation)).collect();
    assert_eq!(allowed, called);
    let cuts = |action: &String| action.contains(":Delete") || action.contains(":Detach");
    assert!(detach.iter().all(cuts) && !cen.iter().any(cuts), "what cuts traffic is apart");
}

/// Without it the first grant of an account is refused with `NoPermission.AliyunServiceRoleForCEN` (API §K).
#[test]
fn the_resource_account_may_make_the_service_linked_role_of_cen_and_no_other() {
    let makes_roles = |file: &str| -> Vec<Value> {
        let of_ram = |statement: &Value| statement["Action"].to_string().contains("ram:");
        statements(file).into_iter().filter(of_ram).collect()
    };
    let expected = json!({
        "Effect": "Allow",
        "Action": ["ram:CreateServiceLinkedRole"],
        "Resource": "*",
        "Condition": {"StringEquals": {"ram:ServiceName": "cen.aliyuncs.com"}},
    });
    let [resource, cen, detach] = FILES.map(makes_roles);
    assert_eq!(resource, [expected]);
    assert!(cen.is_empty() && detach.is_empty());
}
