use std::sync::atomic::{AtomicUsize, Ordering};

use jiff::Timestamp;
use tokio::task::{JoinHandle, yield_now};

use super::*;
use crate::clock::ManualClock;
use crate::domain::Requester;

const READ: Operation = Operation::DescribeGrantRulesToCen;
const WRITE: Operation = Operation::GrantInstanceToTransitRouter;

fn account(last: char) -> AccountUid {
    AccountUid::parse(format!("168800000000000{last}")).unwrap()
}

/// A budget of one call a second, and the order in which callers were served.
#[derive(Clone)]
struct Counter {
    clock: Arc<ManualClock>,
    budget: Arc<Budget>,
    served: Arc<Mutex<Vec<(&'static str, Duration)>>>,
    failed: Arc<AtomicUsize>,
}

impl Counter {
    fn new() -> Self {
        let limits = Limits { reads_per_second: 1, writes_per_second: 1, burst: 1, operations: BTreeMap::new() };
        Self {
            clock: Arc::new(ManualClock::new(Timestamp::UNIX_EPOCH)),
            budget: Arc::new(Budget::new(Some(limits))),
            served: Arc::default(),
            failed: Arc::default(),
        }
    }

    async fn comes(&self, name: &'static str, priority: Priority) -> JoinHandle<Result<Passed, UsedUp>> {
        self.comes_until(name, Urgency { priority, ..Urgency::default() }).await
    }

    /// A caller on behalf of a requester.
    async fn comes_for(&self, name: &'static str, requester: &str) -> JoinHandle<Result<Passed, UsedUp>> {
        let on_behalf = OnBehalf::of(&Requester::parse(requester).unwrap());
        self.comes_until(name, Urgency { on_behalf, ..Urgency::default() }).await
    }

    /// A caller, which is in the queue when this returns.
    async fn comes_until(&self, name: &'static str, urgency: Urgency) -> JoinHandle<Result<Passed, UsedUp>> {
        let me = self.clone();
        let caller = tokio::spawn(async move {
            let passed = me.budget.pass(me.clock.as_ref(), &account('1'), READ, urgency).await;
            match passed {
                Ok(_) => me.served.lock().unwrap().push((name, me.clock.uptime())),
                Err(_) => drop(me.failed.fetch_add(1, Ordering::SeqCst)),
            }
            passed
        });
        let_all_wait().await;
        caller
    }

    /// Lets `seconds` pass, one at a time.
    async fn seconds(&self, seconds: usize) {
        for _ in 0..seconds {
            self.clock.advance(Duration::from_secs(1));
            let_all_wait().await;
        }
    }

    fn names(&self) -> Vec<&'static str> {
        self.served.lock().unwrap().iter().map(|(name, _)| *name).collect()
    }
}

/// Lets every task of this thread go on until it waits.
async fn let_all_wait() {
    for _ in 0..20 {
        yield_now().await;
    }
}

#[tokio::test]
async fn equals_are_served_in_the_order_they_came_and_jobs_before_the_sweep() {
    let counter = Counter::new();
    counter.comes("first", Priority::Job).await;
    counter.comes("sweep", Priority::Sweep).await;
    for name in ["a", "b", "c"] {
        counter.comes(name, Priority::Job).await;
    }
    counter.seconds(2).await;
    counter.comes("late", Priority::Job).await;
    counter.seconds(3).await;
    assert_eq!(counter.names(), ["first", "a", "b", "c", "late", "sweep"]);
    let times: Vec<u64> = counter.served.lock().unwrap().iter().map(|(_, at)| at.as_secs()).collect();
    assert_eq!(times, [0, 1, 2, 3, 4, 5]);
}

#[tokio::test]
async fn requesters_take_turns_however_many_calls_one_of_them_has() {
    let counter = Counter::new();
    for name in ["m1", "m2", "m3", "m4", "m5", "m6"] {
        counter.comes_for(name, "mallory").await;
    }
    for (name, requester) in [("a1", "ann"), ("a2", "ann"), ("b1", "bob")] {
        counter.comes_for(name, requester).await;
    }
    counter.seconds(2).await;
    assert_eq!(counter.names(), ["m1", "a1", "b1"], "one that comes late is in the round that is served");
    counter.comes_for("c1", "carl").await;
    counter.seconds(8).await;
    assert_eq!(counter.names(), ["m1", "a1", "b1", "c1", "m2", "a2", "m3", "m4", "m5", "m6"]);
}

#[tokio::test]
async fn a_turn_that_was_not_used_is_given_back() {
    let counter = Counter::new();
    counter.comes_for("first", "mallory").await;
    for _ in 0..50 {
        let gone = counter.comes_for("gone", "ann").await;
        gone.abort();
        let_all_wait().await;
    }
    for name in ["m2", "m3"] {
        counter.comes_for(name, "mallory").await;
    }
    counter.comes_for("a1", "ann").await;
    counter.seconds(3).await;
    assert_eq!(counter.names(), ["first", "a1", "m2", "m3"]);
}

#[test]
fn requesters_whose_turn_is_over_are_forgotten() {
    let mut rounds = Rounds::default();
    for n in 0..10_000 {
        let requester = Requester::parse(format!("requester-{n}")).unwrap();
        let round = rounds.join(OnBehalf::of(&requester));
        rounds.served(round + 1);
    }
    assert!(rounds.last.len() <= FORGOTTEN_ABOVE + 1, "{}", rounds.last.len());
}

#[tokio::test]
async fn the_sweep_gets_its_share_however_many_jobs_there_are() {
    let counter = Counter::new();
    counter.comes("first", Priority::Job).await;
    counter.comes("sweep", Priority::Sweep).await;
    counter.comes("sweep", Priority::Sweep).await;
    for _ in 0..20 {
        counter.comes("job", Priority::Job).await;
    }
    counter.seconds(18).await;
    let sweeps: Vec<usize> =
        counter.names().iter().enumerate().filter(|(_, n)| **n == "sweep").map(|(i, _)| i).collect();
    assert_eq!(sweeps, [8, 16], "one in eight, and no more");
}

#[tokio::test]
async fn a_call_that_is_dropped_in_the_queue_has_taken_nothing_and_delays_no_other() {
    let counter = Counter::new();
    counter.comes("first", Priority::Job).await;
    let gone = [counter.comes("gone", Priority::Job).await, counter.comes("gone too", Priority::Job).await];
    counter.comes("next", Priority::Job).await;
    for caller in &gone {
        caller.abort();
    }
    let_all_wait().await;
    counter.seconds(1).await;
    assert_eq!(counter.names(), ["first", "next"]);
    assert_eq!(counter.clock.sleepers(), 0);
}

#[tokio::test]
async fn a_call_that_cannot_be_served_in_time_fails_at_once() {
    let counter = Counter::new();
    let until = |seconds| Urgency { until: Some(Duration::from_millis(seconds)), ..Urgency::default() };
    counter.comes("first", Priority::Job).await;
    let at_once = counter.comes_until("impatient", until(500)).await;
    let opens_in = Duration::from_secs(1);
    assert_eq!(
        at_once.await.unwrap(),
        Err(UsedUp { waited: Duration::ZERO, opens_in, ahead: 0 }),
        "it would be first, and late"
    );
    counter.comes("a", Priority::Job).await;
    let behind = counter.comes_until("behind", until(1_500)).await;
    counter.seconds(1).await;
    counter.clock.advance(Duration::from_millis(500));
    let_all_wait().await;
    let error = behind.await.unwrap().unwrap_err();
    assert!(error.waited <= Duration::from_millis(1_500));
    counter.comes("b", Priority::Job).await;
    counter.seconds(1).await;
    assert_eq!(counter.names(), ["first", "a", "b"]);
    assert_eq!(counter.failed.load(Ordering::SeqCst), 2);
}

#[tokio::test]
async fn a_throttled_operation_waits_as_long_as_was_asked_and_no_other_does() {
    let counter = Counter::new();
    let pass = |uid, operation| {
        let urgency = Urgency { until: Some(counter.clock.uptime()), ..Urgency::default() };
        let (budget, clock) = (counter.budget.clone(), counter.clock.clone());
        async move { budget.pass(clock.as_ref(), &account(uid), operation, urgency).await.is_ok() }
    };
    assert!(pass('1', READ).await);
    let rate =
        counter.budget.throttled(&account('1'), READ, Duration::ZERO, Duration::ZERO, Some(Duration::from_secs(9)));
    assert_eq!(rate, Some(0.5));
    assert!(pass('1', WRITE).await && pass('2', READ).await);
    counter.clock.advance(Duration::from_millis(8_999));
    assert!(!pass('1', READ).await);
    counter.clock.advance(Duration::from_millis(1));
    assert!(pass('1', READ).await);
}

#[test]
fn reads_and_writes_have_limits_and_an_operation_its_own() {
    let operations = BTreeMap::from([(READ, 20)]);
    let limits = Limits { operations, ..Limits::default() };
    let keys = [Operation::AssumeRole, Operation::AssumeRoleWithOIDC, Operation::GetCallerIdentity];
    assert_eq!(keys.map(|operation| limits.of(operation)), [20, 5, 5]);
    let of = [Operation::ListTransitRouterVpcAttachments, WRITE, READ].map(|operation| limits.of(operation));
    assert_eq!(of, [5, 2, 20]);
}

#[tokio::test]
async fn other_limits_hold_for_what_is_called_already_and_for_what_is_not() {
    let limits =
        |rate| Limits { reads_per_second: rate, writes_per_second: rate, burst: 1, operations: BTreeMap::new() };
    let clock = ManualClock::new(Timestamp::UNIX_EPOCH);
    let budget = Budget::new(Some(limits(4)));
    let rate = async |operation| budget.pass(&clock, &account('1'), operation, Urgency::default()).await.unwrap().rate;
    assert_eq!(rate(READ).await, Some(4.0));
    budget.share(2, &clock);
    budget.limit(&limits(10), &clock);
    clock.advance(Duration::from_secs(10));
    assert_eq!((rate(READ).await, rate(WRITE).await), (Some(5.0), Some(5.0)), "a half of the new rate");
    assert_eq!(budget.limits(), Some(limits(10)));
    let report = budget.report(&account('1'), clock.uptime()).unwrap();
    assert_eq!((report.reads_per_second, report.writes_per_second, report.slowed), (5.0, 5.0, BTreeMap::new()));
    budget.throttled(&account('1'), READ, clock.uptime(), clock.uptime(), None);
    let report = budget.report(&account('1'), clock.uptime()).unwrap();
    assert_eq!(report.slowed, BTreeMap::from([(READ, 2.5)]));

    let endless = Budget::new(None);
    endless.limit(&limits(1), &clock);
    assert_eq!(endless.limits(), None);
}
