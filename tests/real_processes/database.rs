//! Workers that share a database: `kill -9` of the database, and of one of them.

use std::sync::Arc;

use super::{GRANT, answers, completes_once, operations, site};
use crate::support::postgres::{Cluster, Database};
use crate::support::site::{Options, Site, another, job};

const JOBS: usize = 40;

fn submit(site: &Site) {
    let jobs: Vec<_> = (0..JOBS).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect();
    site.mail.submit_all(&jobs);
}

fn options(database: &Database) -> Options<'_> {
    Options { more: JOBS, database: Some(database), ..Options::default() }
}

#[test]
fn it_is_killed_in_the_midst_of_many_jobs() {
    let database = Arc::new(Cluster::start().unwrap()).database();
    let site = site(&options(&database));
    let worker = site.worker();
    submit(&site);
    site.cloud.wait_ledger(5);
    database.cluster().kill9();
    worker.until_ready(false);
    database.cluster().restart().unwrap();
    for n in 0..JOBS {
        completes_once(&site, &worker, &format!("grant-{n}"));
        assert_eq!(operations(&site, &another(n)), [GRANT]);
    }
    assert_eq!(answers(&site, GRANT), format!("{JOBS} OK"), "what was done was committed when that could be done");
}

#[test]
fn two_workers_share_the_jobs_and_each_is_killed_once() {
    let database = Cluster::shared().database();
    let site = site(&options(&database));
    let (one, other) = (site.worker(), site.colleague("colleague"));
    submit(&site);
    site.cloud.wait_ledger(4);
    one.process.kill9();
    site.cloud.wait_ledger(12);
    let one = site.worker();
    site.cloud.wait_ledger(16);
    other.process.kill9();
    let other = site.colleague("colleague");
    for n in 0..JOBS {
        completes_once(&site, if n % 2 == 0 { &one } else { &other }, &format!("grant-{n}"));
        assert_eq!(operations(&site, &another(n)), [GRANT]);
    }
    assert_eq!(answers(&site, GRANT), format!("{JOBS} OK"), "no call was made of what was done");
}

#[test]
fn a_second_worker_of_the_same_name_does_not_start() {
    let database = Cluster::shared().database();
    let site = site(&options(&database));
    let _one = site.worker();
    let double = crate::support::process::Process::start(
        "the double",
        crate::support::crossgrant(),
        &["--config", site.config(), "serve"],
    );
    let ended = double.end(crate::support::process::LIMIT).expect("it ends");
    assert!(!ended.success());
    assert!(double.lines().join("\n").contains("no two may have the same name"), "{:?}", double.lines());
}
