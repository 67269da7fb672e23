//! What the description of the API says is what the API does.

use serde_json::json;

use super::*;
use crate::admin::api::operations;
use crate::schema::document;

/// The path of an operation about the job or the account of the test worker.
fn path_of(path: &str) -> String {
    path.replace("{reference}", "ticketing%2FNET-1").replace("{uid}", "1688000000000001")
}

#[test]
fn every_route_is_described() {
    let described = operations();
    let described: Vec<_> = described.iter().map(|operation| (operation.method, operation.path)).collect();
    let all: Vec<_> = routes().iter().map(|route| (route.method, route.path)).collect();
    assert_eq!(described, all, "src/admin/api.rs has a row for each route");
    let names: std::collections::BTreeSet<_> = operations().iter().map(|operation| operation.name).collect();
    assert_eq!(names.len(), all.len(), "each operation has a name of its own");
}

#[tokio::test]
async fn every_path_takes_the_parameters_that_are_described() {
    let worker = worker(&[("ticketing", "NET-1")]).await;
    worker.takes_in_batch(&[("ticketing", "NET-2")], "NET-1").await;
    let token = bearer(AdminRole::Approver);
    let mut asked = 0;
    for operation in operations() {
        let (method, path) = (operation.method.to_ascii_uppercase(), path_of(operation.path));
        let (_, body) = worker.ask(&method, &format!("{path}?no-such=1"), Some(&token)).await;
        let Some((_, known)) = body.split_once("there is no parameter no-such (known: ") else {
            assert!(operation.takes.is_empty(), "{method} {path}: {body}");
            continue;
        };
        let known: Vec<&str> = known.split(')').next().unwrap().split(", ").collect();
        assert!(operation.takes.iter().all(|name| known.contains(name)), "{method} {path}: {known:?}");
        // A list refuses what is said with a command, and a command of many is not paged.
        let left: Vec<_> = known.iter().filter(|name| !operation.takes.contains(name)).collect();
        let of_bulk = ["expect", "by", "reason", "limit"];
        let counts_too = path.contains("/bulk/") || path == "/v1/events/replay";
        assert!(left.iter().all(|name| counts_too && of_bulk.contains(name)), "{method} {path}: {left:?}");
        asked += 1;
    }
    assert!(asked > 15, "{asked}");
}

#[tokio::test]
async fn every_answer_has_the_schema_that_is_described() {
    let openapi = document("openapi").unwrap();
    let validator = |schema: &Value| {
        let mut schema = schema.clone();
        schema["components"] = openapi["components"].clone();
        jsonschema::draft202012::options().build(&schema).unwrap()
    };
    let worker = worker(&[("ticketing", "NET-1"), ("ticketing", "NET-2")]).await;
    worker.engine.store.settle(Lane::Events, &Settlement::default()).await.unwrap();
    let token = bearer(AdminRole::Approver);
    let mut good = Vec::new();
    for operation in operations() {
        let query = match operation.name {
            "pauseAccount" => "?by=ann&reason=an+incident",
            "cancelJobs" | "resumeJobs" | "approveJobs" => "?expect=0&requester=nemo",
            "dropUndeliverable" | "replayUndeliverable" => "?expect=0",
            _ => "",
        };
        let path = path_of(operation.path) + query;
        let (status, body) = worker.ask(&operation.method.to_ascii_uppercase(), &path, Some(&token)).await;
        let described = &openapi["paths"][operation.path][operation.method]["responses"];
        let described = match status.as_u16() {
            200 => &described["200"]["content"],
            503 if operation.name == "ready" => &described["503"]["content"],
            _ => &described["4XX"]["content"],
        };
        let Some(json) = described.get("application/json") else {
            assert!(body.ends_with('\n'), "{path}: {body}");
            continue;
        };
        let value: Value = serde_json::from_str(&body).unwrap_or_else(|_| panic!("{path}: {body}"));
        let faults: Vec<String> = validator(&json["schema"]).iter_errors(&value).map(|e| e.to_string()).collect();
        assert_eq!(faults, Vec::<String>::new(), "{path}: {value:#}");
        if status == StatusCode::OK {
            good.push(operation.name);
        }
    }
    // The others are declined, as the jobs stand: nothing is parked, and this worker has no configuration.
    for name in [
        "status",
        "listJobs",
        "showJob",
        "cancelJob",
        "cancelJobs",
        "wouldApprove",
        "listAccounts",
        "pauseAccount",
        "listPaused",
    ] {
        assert!(good.contains(&name), "{name} is not among {good:?}");
    }
    let nothing = validator(&json!({"$ref": "#/components/schemas/JobPage"}));
    assert!(!nothing.is_valid(&json!({"jobs": [{}], "next": null})), "a row without its fields is seen");
}
