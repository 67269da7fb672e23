//! `kill -9` of the broker, in mid-run.

use crossgrant::simulator::{FaultKind, InjectedFault};

use super::{HOUR, MODIFY, UPDATE, completes_once, lonely_place, operations};
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::plant::{ATTACHED, HELD, NOT_GRANTED};
use crate::support::site::{early_in_the_hour, job, until};

for_one_and_two! {
    between_the_two_writes_of_a_payer_change,
    so_that_the_end_cannot_leave_and_then_the_worker_too,
}

fn between_the_two_writes_of_a_payer_change(crew: Crew) {
    let site = lonely_place(crew);
    site.cloud.inject(InjectedFault::new(UPDATE, FaultKind::HangBefore));
    let staff = site.staff();
    let worker = staff.one();
    site.rabbit.remember_queues().unwrap();
    site.mail.submit_all(&[job("change", "payer-change", ATTACHED), job("grant", "grant", NOT_GRANTED)]);
    site.cloud.wait_held(UPDATE);
    site.rabbit.kill9();
    // Work goes on without it.
    site.cloud.mend();
    site.cloud.wait_ledger(4);
    site.rabbit.restart().unwrap();

    completes_once(&site, worker, "change");
    completes_once(&site, worker, "grant");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
    assert_eq!(operations(&site, NOT_GRANTED).len(), 1);
    // And it takes jobs again.
    site.mail.submit(&job("next", "payer-change", HELD));
    completes_once(&site, worker, "next");
}

fn so_that_the_end_cannot_leave_and_then_the_worker_too(crew: Crew) {
    let site = lonely_place(crew);
    let mut staff = site.staff();
    site.rabbit.remember_queues().unwrap();
    early_in_the_hour(&site, 4);
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    site.mail.event("waiting", "change");
    site.rabbit.kill9();
    let ended = until("completed in the store", || staff.one().terminal_ids("change").pop());
    staff.kill_all();
    site.rabbit.restart().unwrap();
    let quiet = site.mail.terminal_ids("change");

    let worker = staff.goes_on();
    let end = completes_once(&site, worker, "change");
    assert_eq!(end["id"], ended.as_str(), "the event of before, under its own id");
    assert!(quiet.is_empty(), "{quiet:?} was said before there was a worker to say it");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
}
