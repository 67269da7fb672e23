//! The clock of the worker's machine, or of the database's, is set while a write is under way.

use std::time::Duration;

use crossgrant::simulator::{FaultKind, InjectedFault};

use super::{GRANT, REVOKE, answers, completes_once, operations, site};
use crate::support::clock_set::SetClock;
use crate::support::crew::holder;
use crate::support::crossgrant;
use crate::support::plant::{NOT_GRANTED, UNATTACHED};
use crate::support::postgres::Cluster;
use crate::support::process::Process;
use crate::support::site::{Options, SHORT_LEASES, Site, Worker, another, job, passes, until};

/// Seconds; the clock is behind where they are negative.
const AHEAD: [i64; 4] = [100, 3 * 86_400, -600, -3 * 86_400];

fn worker_by(site: &Site, clock: &SetClock) -> Worker {
    let args = ["--config", site.config(), "serve"];
    let worker = site.worker_by(Process::start_with("the worker", crossgrant(), &args, &clock.environment()));
    worker.until_ready(true);
    worker
}

#[test]
fn a_revoke_in_flight_is_made_once_whatever_the_clock_of_the_machine_is_set_to() {
    let play = |ahead: i64| {
        let (site, clock) = (site(&Options { more: 1, ..Options::default() }), SetClock::new());
        let worker = worker_by(&site, &clock);
        site.cloud.inject(InjectedFault::new(REVOKE, FaultKind::HangBefore));
        site.mail.submit(&job("change", "payer-change", UNATTACHED));
        site.cloud.wait_held(REVOKE);
        clock.set(ahead);
        // The worker claims what it can, meanwhile; its reads fail a few times, and are made again in time.
        site.cloud.inject(InjectedFault::new("*", FaultKind::Http { status: 503 }).only(NOT_GRANTED).times(3));
        site.mail.submit_all(&[job("other", "grant", &another(0)), job("tried", "grant", NOT_GRANTED)]);
        for id in ["other", "tried"] {
            completes_once(&site, &worker, id);
        }
        // To the second, but for what a `Date` tells.
        let off = if ahead < 0 { "behind" } else { "ahead of" };
        let says = |off_by: i64| format!("this machine's clock is {} s {off} the cloud's", ahead.abs() + off_by);
        let said = |line: &str| (-2..=2).any(|off_by| line.contains(&says(off_by))).then_some(());
        worker.process.line(&says(0), said);
        site.cloud.mend();
        completes_once(&site, &worker, "change");
        assert_eq!(operations(&site, UNATTACHED), [REVOKE, GRANT], "{ahead}");
        assert_eq!(answers(&site, REVOKE), "1 fault:hang_before", "{ahead}");
    };
    std::thread::scope(|all| AHEAD.map(|ahead| all.spawn(move || play(ahead))).map(|played| played.join().unwrap()));
}

#[test]
fn a_worker_that_lives_keeps_its_jobs_whatever_the_clock_of_the_database_is_set_to() {
    let cluster = Cluster::with_clock(SetClock::new());
    // The clock is one for all of them.
    for ahead in AHEAD {
        let database = cluster.database();
        cluster.clock().set(0);
        let site = site(&Options { timing: LEASES, database: Some(&database), ..Options::default() });
        let (worker, other) = (site.worker(), site.colleague("colleague"));
        site.cloud.inject(InjectedFault::new(REVOKE, FaultKind::HangBefore));
        site.mail.submit(&job("change", "payer-change", UNATTACHED));
        site.cloud.wait_held(REVOKE);
        cluster.clock().set(ahead);
        let noticed = "the clock of the database was set";
        for worker in [&worker, &other] {
            worker.process.line(noticed, |line| line.contains(noticed).then_some(()));
        }
        site.mail.submit(&job("other", "grant", NOT_GRANTED));
        completes_once(&site, &worker, "other");
        site.cloud.mend();
        completes_once(&site, &worker, "change");
        assert_eq!(operations(&site, UNATTACHED), [REVOKE, GRANT], "{ahead}");
        assert_eq!(answers(&site, REVOKE), "1 fault:hang_before", "{ahead}");
        let mut lines = worker.process.lines().into_iter().chain(other.process.lines());
        assert!(!lines.any(|line| line.contains("it was taken over")), "{ahead}");
    }
}

/// A request may take longer than the workers need to notice that the clock of the database was set.
const LEASES: &str = r#"
request-timeout = "12s"
lease = "36s"
settle = "1s"
settle-poll = "100ms"
attachments-recheck = "500ms"
"#;

#[test]
fn what_a_dead_worker_held_is_taken_over_although_the_clock_of_the_database_was_set_back() {
    let cluster = Cluster::with_clock(SetClock::new());
    let database = cluster.database();
    let site = site(&Options { timing: SHORT_LEASES, database: Some(&database), ..Options::default() });
    let (worker, other) = (site.worker(), site.colleague("colleague"));
    site.cloud.inject(InjectedFault::new(GRANT, FaultKind::HangBefore));
    site.mail.submit(&job("grant", "grant", NOT_GRANTED));
    site.cloud.wait_held(GRANT);
    let (dies, lives) = if holder(&database) == "colleague" { (other, worker) } else { (worker, other) };
    dies.process.kill9();
    cluster.clock().set(-3 * 86_400);
    site.cloud.mend();
    until("the other takes it over", || lives.terminal_ids("grant").pop().map(drop));
    completes_once(&site, &lives, "grant");
    assert_eq!(operations(&site, NOT_GRANTED), [GRANT]);
}

/// A request may take longer than another worker, with short leases, needs to judge the lease under which it is made.
const LONG_LEASES: &str = r#"
request-timeout = "25s"
lease = "75s"
settle = "1s"
settle-poll = "100ms"
attachments-recheck = "500ms"
"#;
/// Two looks of a worker at the clock of the database, and one of [`SHORT_LEASES`].
const JUDGED: Duration = Duration::from_secs(14);

#[test]
fn a_worker_with_short_leases_ends_no_long_one() {
    let cluster = Cluster::with_clock(SetClock::new());
    for ahead in [0, 200] {
        let database = cluster.database();
        cluster.clock().set(0);
        let site = site(&Options { timing: LONG_LEASES, database: Some(&database), ..Options::default() });
        let worker = site.worker();
        site.cloud.inject(InjectedFault::new(REVOKE, FaultKind::HangBefore));
        site.mail.submit(&job("change", "payer-change", UNATTACHED));
        site.cloud.wait_held(REVOKE);
        let other = site.colleague_with("colleague", SHORT_LEASES);
        cluster.clock().set(ahead);
        passes(&site, JUDGED);
        assert_eq!(holder(&database), "worker", "{ahead}");
        site.cloud.mend();
        completes_once(&site, &worker, "change");
        assert_eq!(operations(&site, UNATTACHED), [REVOKE, GRANT], "{ahead}");
        let mut lines = worker.process.lines().into_iter().chain(other.process.lines());
        assert!(!lines.any(|line| line.contains("it was taken over")), "{ahead}");
    }
}
