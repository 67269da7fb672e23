//! What is in deploy/ fits the program.

mod image;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;

use crossgrant::domain::{CalledAs, Operation, Product};
use serde_json::{Value, json};

use crate::support::crossgrant;

const FILES: [&str; 3] = ["resource-account.json", "transit-router-account.json", "transit-router-account-detach.json"];

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

/// What a policy calls an operation. Those of STS need no permission of the account itself.
fn permission(operation: Operation) -> Option<String> {
    let prefix = match operation.product() {
        Product::Cbn => "cen",
        Product::Smartag => "smartag",
        Product::Vpc => "vpc",
        Product::Sts => return None,
    };
    Some(format!("{prefix}:{operation}"))
}

#[test]
fn each_policy_allows_the_operations_that_are_called_as_its_account_and_no_other() {
    let cuts = |operation: Operation| ["Delete", "Detach"].iter().any(|verb| operation.as_str().starts_with(verb));
    let needed = |is: &dyn Fn(Operation) -> bool| -> BTreeSet<String> {
        Operation::ALL.iter().copied().filter(|operation| is(*operation)).filter_map(permission).collect()
    };
    let either = |operation: Operation, account: CalledAs| [account, CalledAs::Either].contains(&operation.called_as());
    let [resource, cen, detach] = FILES.map(actions);
    assert_eq!(resource, needed(&|operation| either(operation, CalledAs::Resource)));
    assert_eq!(cen, needed(&|operation| either(operation, CalledAs::TransitRouter) && !cuts(operation)));
    assert_eq!(detach, needed(&cuts), "what cuts traffic is apart");
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

fn unit() -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("deploy/systemd/crossgrant.service")).unwrap()
}

#[test]
fn the_unit_bounds_descriptors_memory_and_core_files() {
    for line in ["LimitNOFILE=8192", "MemoryMax=1G", "LimitCORE=0", "UMask=0077", "NoNewPrivileges=yes"] {
        assert!(unit().lines().any(|l| l == line), "{line}");
    }
}

/// `systemd-analyze` reads the unit as the manager does. The program is not installed here, so it is told of ours.
#[test]
fn the_unit_is_one_that_systemd_takes() {
    let analyze = |words: &[&str]| Command::new("systemd-analyze").args(words).output();
    if analyze(&["--version"]).is_err() {
        println!("NOT TESTED: there is no systemd-analyze here");
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crossgrant.service");
    let says = |unit: &str| {
        std::fs::write(&path, unit.replace("/usr/local/bin/crossgrant", crossgrant().to_str().unwrap())).unwrap();
        let done = analyze(&["verify", "--man=no", path.to_str().unwrap()]).unwrap();
        let text = String::from_utf8_lossy(&done.stderr).into_owned();
        let of_ours: Vec<&str> = text.lines().filter(|line| line.contains("crossgrant.service")).collect();
        (done.status.success(), of_ours.join("\n"))
    };
    assert_eq!(says(&unit()), (true, String::new()));
    let (_, text) = says(&unit().replace("WatchdogSec=120", "WatchdogSec=often"));
    assert!(text.contains("Failed to parse sec value"), "a fault is found: {text}");
}
