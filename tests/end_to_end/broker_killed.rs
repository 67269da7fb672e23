//! `kill -9` of the broker, in mid-run.

use crossgrant::simulator::{Fault, FaultKind};

use super::{HOUR, MODIFY, UPDATE, completes_once, lonely_site, operations};
use crate::support::plant::{ATTACHED, HELD, NOT_GRANTED};
use crate::support::site::{Options, early_in_the_hour, job, until};

#[test]
fn between_the_two_writes_of_a_payer_change() {
    let site = lonely_site(&Options::default());
    site.cloud.inject(Fault::new(UPDATE, FaultKind::HangBefore));
    let worker = site.worker();
    site.rabbit.remember_queues().unwrap();
    site.mail.submit_all(&[job("change", "payer-change", ATTACHED), job("grant", "grant", NOT_GRANTED)]);
    site.cloud.wait_held(UPDATE);
    site.rabbit.kill9();
    // Work goes on without it.
    site.cloud.mend();
    site.cloud.wait_ledger(4);
    site.rabbit.restart().unwrap();

    completes_once(&site, &worker, "change");
    completes_once(&site, &worker, "grant");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
    assert_eq!(operations(&site, NOT_GRANTED).len(), 1);
    // And it takes jobs again.
    site.mail.submit(&job("next", "payer-change", HELD));
    completes_once(&site, &worker, "next");
}

#[test]
fn so_that_the_end_cannot_leave_and_then_the_worker_too() {
    let site = lonely_site(&Options::default());
    let worker = site.worker();
    site.rabbit.remember_queues().unwrap();
    early_in_the_hour(&site, 4);
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    site.mail.event("waiting", "change");
    site.rabbit.kill9();
    let ended = until("completed in the store", || worker.terminal_ids("change").pop());
    worker.process.kill9();
    site.rabbit.restart().unwrap();
    let quiet = site.mail.terminal_ids("change");

    let worker = site.worker();
    let end = completes_once(&site, &worker, "change");
    assert_eq!(end["id"], ended.as_str(), "the event of before, under its own id");
    assert!(quiet.is_empty(), "{quiet:?} was said before there was a worker to say it");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
}
