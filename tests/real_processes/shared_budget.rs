//! Workers of one database share the budgets of calls: together they call as often as one may.

use std::time::Duration;

use crossgrant::clock::{Clock, SystemClock, until};
use serde_json::Value;

use super::{GRANT, completes_once, site};
use crate::support::postgres::Cluster;
use crate::support::site::{Options, Site, Worker, another, job};

const JOBS: usize = 32;
/// Calls a second of each operation that writes.
const RATE: f64 = 2.0;
/// The longest that a worker goes on with a part of the budget that another has left, and something for the machine.
const NOTICED: Duration = Duration::from_secs(5 + 5);

/// Waits until a worker says how many workers share the budgets.
fn shared_by(worker: &Worker, workers: u64) {
    worker.process.line(&format!("that {workers} share the budgets"), |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "rate limits shared" && line["workers"] == workers).then_some(())
    });
}

/// Grants further networks. Returns how many calls a second that took, and the most of any two seconds.
fn grants(site: &Site, worker: &Worker, from: usize, count: usize) -> (f64, f64) {
    let jobs: Vec<_> = (from..from + count).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect();
    site.mail.submit_all(&jobs);
    for n in from..from + count {
        completes_once(site, worker, &format!("grant-{n}"));
    }
    let calls = site.cloud.ledger().into_iter().filter(|entry| entry.operation == GRANT).skip(from);
    let at: Vec<_> = calls.map(|entry| entry.at).collect();
    assert_eq!(at.len(), count);
    let seconds = |from, to| until(from, to).as_secs_f64();
    let most = (0..count).map(|n| at[n..].iter().take_while(|to| seconds(at[n], **to) < 2.0).count()).max().unwrap();
    (count as f64 / seconds(at[0], at[count - 1]), most as f64 / 2.0)
}

#[test]
fn together_they_keep_to_it_and_one_that_is_left_has_it_all() {
    let database = Cluster::shared().database();
    let budget = format!("reads_per_second = 100\nwrites_per_second = {RATE:.0}\nburst = 1");
    // Fewer jobs at a time than there are: what a worker has claimed it does with its own part.
    let worker = "concurrency = 4";
    let options = Options { more: JOBS, budget: &budget, worker, database: Some(&database), ..Options::default() };
    let site = site(&options);
    let (one, other) = (site.worker(), site.colleague("colleague"));
    shared_by(&one, 2);
    let (rate, most) = grants(&site, &one, 0, JOBS / 2);
    println!("two workers: {rate:.1} calls a second, at most {most:.1} in any two seconds");
    assert!(rate > 0.6 * RATE && most <= RATE + 1.5, "{rate} {most}");
    for worker in [&one, &other] {
        let ours = format!("crossgrant_cloud_calls_total{{operation=\"{GRANT}\"");
        assert!(worker.get("/metrics").body.contains(&ours), "both called");
    }

    let killed = SystemClock.uptime();
    other.process.kill9();
    shared_by(&one, 1);
    let noticed = SystemClock.uptime() - killed;
    let (rate, most) = grants(&site, &one, JOBS / 2, JOBS / 2);
    println!("one that is left, after {noticed:?}: {rate:.1} calls a second, at most {most:.1}");
    assert!(noticed < NOTICED, "{noticed:?}");
    assert!(rate > 0.6 * RATE && most <= RATE + 1.5, "{rate} {most}");
}
