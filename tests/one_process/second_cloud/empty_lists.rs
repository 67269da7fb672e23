//! A list that is empty for a moment: at whatever call, it leads to no other end than the full one.

use super::*;

const LISTS: [&str; 10] = [
    "ListTransitRouters",
    "ListTransitRouterVpcAttachments",
    "ListTransitRouterVbrAttachments",
    "ListTransitRouterVpnAttachments",
    "ListTransitRouterEcrAttachments",
    "DescribeCenAttachedChildInstances",
    "DescribeGrantRulesToCen",
    "DescribeGrantRulesToResource",
    "DescribeGrantRules",
    "DescribeVpnAttachments",
];

/// What one run came to.
#[derive(Debug, PartialEq, Eq)]
struct Run {
    end: (State, Option<Reason>),
    effects: Vec<String>,
    /// Writes that the cloud refused.
    refused: Vec<String>,
    granted: Value,
    attached: Value,
}

/// Runs a job against the cloud, in which `operation` answers with an empty list at its call `nth` and as many after that;
/// how often it struck.
async fn run(of: Subject, stands: Stands, job: &Value, fault: Option<(&str, u32, u32)>) -> (Run, u64) {
    let plant = of.plant(Stock::Memory, stands).await;
    if let Some((operation, nth, times)) = fault {
        plant.cloud.inject(InjectedFault::new(operation, FaultKind::EmptyList).after(nth).times(times));
    }
    let uid = plant.job(job.clone()).await;
    plant.run_until(at("12:30:00")).await;
    let record = plant.record(uid).await;
    let state = plant.cloud.state();
    let its = |what: &str| {
        let all = state[what].as_array().unwrap().iter().filter(|one| one["instance"] == of.id);
        all.map(|one| json!([one["order_type"], one["effective_order_type"]])).collect()
    };
    let writes = ["Grant", "Revoke", "Modify", "Update", "Delete", "Detach"];
    let counts = plant.cloud.counts().into_iter().filter(|count| count.code != "OK");
    let refused = counts.filter(|count| writes.iter().any(|write| count.operation.starts_with(write)));
    let refused = refused.map(|count| format!("{} {}", count.operation, count.code)).collect();
    let (granted, attached) = (its("grants"), its("attachments"));
    let strikes = fault.map_or(0, |(operation, ..)| plant.cloud.strikes(operation));
    (Run { end: end(&record), effects: plant.effects(), refused, granted, attached }, strikes)
}

/// Every job on an instance, and how it stands when it comes.
fn jobs(of: Subject) -> Vec<(Stands, Value)> {
    let mut all: Vec<(Stands, Value)> =
        Stands::ALL.into_iter().flat_map(|stands| of.kinds().iter().map(move |kind| (stands, of.job(kind)))).collect();
    let mut deleting = of.job("revoke");
    deleting["options"] = json!({"attachments": "delete"});
    all.push((Stands::Attached, deleting));
    all
}

#[tokio::test]
async fn one_empty_list_at_any_call_changes_nothing_of_what_is_written_or_told() {
    let mut cases = 0;
    for of in SUBJECTS {
        for (stands, job) in jobs(of) {
            let (right, _) = run(of, stands, &job, None).await;
            for operation in LISTS {
                for nth in (0..).filter(|&nth| thorough::runs(nth as usize, 3)) {
                    let (got, strikes) = run(of, stands, &job, Some((operation, nth, 1))).await;
                    if strikes == 0 {
                        break;
                    }
                    cases += 1;
                    assert_eq!(got, right, "{} {stands:?} {} {operation} {nth}", of.kind, job["kind"]);
                }
            }
        }
    }
    assert!(cases > if thorough::is() { 300 } else { 100 }, "{cases}");
}

/// Two are believed. What the cloud then refuses is looked at once more; nothing that is attached loses its grant or keeps
/// the old payer.
#[tokio::test]
async fn two_empty_lists_in_a_row_harm_nothing() {
    for of in SUBJECTS {
        for (stands, job) in jobs(of) {
            let right = Run { refused: vec![], ..run(of, stands, &job, None).await.0 };
            for operation in LISTS {
                for nth in (0..).filter(|&nth| thorough::runs(nth as usize + 2, 3)) {
                    let (got, strikes) = run(of, stands, &job, Some((operation, nth, 2))).await;
                    if strikes == 0 {
                        break;
                    }
                    let case = format!("{} {stands:?} {} {operation} {nth}: {got:?}", of.kind, job["kind"]);
                    assert!(got.refused.iter().all(|refused| refused.starts_with("RevokeInstanceFrom")), "{case}");
                    // DescribeVpnAttachments contradicts the two lists, and ends the job before it writes.
                    let contradicted = of == VPN && job["kind"] == "payer-change";
                    if contradicted && got.end == (State::Failed, Some(Reason::PreflightFailed)) {
                        assert!(got.effects.is_empty() && got.refused.is_empty(), "{case}");
                        continue;
                    }
                    assert_eq!(Run { refused: vec![], ..got }, right, "{case}");
                }
            }
        }
    }
}
