//! `kill -9` of the worker, at the worst times.

use crossgrant::simulator::{FaultKind, InjectedFault};

use super::{GRANT, HOUR, MODIFY, REVOKE, RULES, UPDATE, answers, completes_once, operations, place, site};
use crate::support::crew::{Crew, for_one_and_two};
use crate::support::plant::{ATTACHED, UNATTACHED};
use crate::support::site::{Options, another, early_in_the_hour, job};

const PAYER: &str = "PayByResourceOwner";

for_one_and_two! {
    between_the_two_writes_of_a_payer_change,
    after_the_second_write_before_its_answer,
    between_the_revoke_and_the_grant_that_replaces_it,
    while_it_waits_for_the_hour_which_passes_without_it,
    when_it_has_seen_the_effect_and_not_yet_said_so,
}

fn between_the_two_writes_of_a_payer_change(crew: Crew) {
    let site = place(crew, Options::default());
    site.cloud.inject(InjectedFault::new(UPDATE, FaultKind::HangBefore));
    let mut staff = site.staff();
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    site.cloud.wait_held(UPDATE);
    staff.kill_one();
    assert_eq!(site.cloud.written(ATTACHED), [(MODIFY.to_owned(), Some(PAYER.to_owned()))]);
    site.cloud.mend();

    let worker = staff.goes_on();
    let end = completes_once(&site, worker, "change");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR], "each effect exactly once");
    assert_eq!((answers(&site, MODIFY), answers(&site, UPDATE)), ("1 OK".into(), "1 OK, 1 fault:hang_before".into()));
    assert_eq!(end["data"]["after"]["effective_order_type"], PAYER, "{end}");
}

fn after_the_second_write_before_its_answer(crew: Crew) {
    let site = place(crew, Options::default());
    site.cloud.inject(InjectedFault::new(UPDATE, FaultKind::HangAfter));
    let mut staff = site.staff();
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    site.cloud.wait_held(UPDATE);
    staff.kill_one();
    site.cloud.mend();

    let worker = staff.goes_on();
    completes_once(&site, worker, "change");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
    assert_eq!(answers(&site, MODIFY), "1 OK");
}

fn between_the_revoke_and_the_grant_that_replaces_it(crew: Crew) {
    // Neither call knows a ClientToken, so only looking tells whether the grant was made.
    let killed_at = |kind: FaultKind, calls: &str| {
        let site = place(crew, Options::default());
        site.cloud.inject(InjectedFault::new(GRANT, kind.clone()));
        let mut staff = site.staff();
        site.mail.submit(&job("replace", "payer-change", UNATTACHED));
        site.cloud.wait_held(GRANT);
        staff.kill_one();
        site.cloud.mend();

        let worker = staff.goes_on();
        completes_once(&site, worker, "replace");
        assert_eq!(operations(&site, UNATTACHED), [REVOKE, GRANT], "{kind:?}");
        assert_eq!((answers(&site, REVOKE), answers(&site, GRANT)), ("1 OK".into(), calls.into()));
    };
    // They mostly wait.
    std::thread::scope(|both| {
        both.spawn(|| killed_at(FaultKind::HangBefore, "1 OK, 1 fault:hang_before"));
        both.spawn(|| killed_at(FaultKind::HangAfter, "1 fault:hang_after"));
    });
}

fn while_it_waits_for_the_hour_which_passes_without_it(crew: Crew) {
    let site = place(crew, Options::default());
    let mut staff = site.staff();
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    site.mail.event("waiting", "change");
    staff.kill_one();
    site.cloud.wait_ledger(3);

    let worker = staff.goes_on();
    completes_once(&site, worker, "change");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
    assert_eq!((answers(&site, MODIFY), answers(&site, UPDATE)), ("1 OK".into(), "1 OK".into()));
}

fn when_it_has_seen_the_effect_and_not_yet_said_so(crew: Crew) {
    let site = place(crew, Options { hour: "10s", ..Options::default() });
    let mut staff = site.staff();
    early_in_the_hour(&site, 10);
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    site.mail.event("waiting", "change");
    site.cloud.inject(InjectedFault::new(RULES, FaultKind::HangAfter).times(10));
    site.cloud.wait_held(RULES);
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR], "it is the sweep that is held");
    staff.kill_one();
    assert!(site.mail.terminal_ids("change").is_empty());
    site.cloud.mend();

    let worker = staff.goes_on();
    completes_once(&site, worker, "change");
    assert_eq!(operations(&site, ATTACHED), [MODIFY, UPDATE, HOUR]);
}

#[test]
fn again_and_again_in_the_midst_of_many_jobs() {
    const JOBS: usize = 30;
    let site = site(&Options { more: JOBS, ..Options::default() });
    let jobs: Vec<_> = (0..JOBS).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect();
    let worker = site.worker();
    site.mail.submit_all(&jobs);
    site.cloud.wait_ledger(1);
    worker.process.kill9();
    for effects in [8, 16, 24] {
        let worker = site.start();
        site.cloud.wait_ledger(effects);
        worker.process.kill9();
    }
    let worker = site.worker();
    for n in 0..JOBS {
        completes_once(&site, &worker, &format!("grant-{n}"));
        assert_eq!(operations(&site, &another(n)), [GRANT]);
    }
    assert_eq!(answers(&site, GRANT), format!("{JOBS} OK"), "no call was made of what was done");
}
