//! Loops of a worker on a clock that is moved whenever nothing else moves: simulated minutes in real seconds, with every
//! call at the instant at which it would have been made.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::SeqCst};
use std::task::{Context, Poll, Wake, Waker};
use std::thread::Thread;

use async_trait::async_trait;
use crossgrant::clock::{Clock, ManualClock};
use crossgrant::domain::{AccountUid, BatchId, CenId, Instance, InstanceId, JobId, JobUid, Requester};
use crossgrant::engine::batch::{Batch, Tally};
use crossgrant::engine::guards::Pause;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::*;
use crossgrant::engine::record::Record;
use jiff::Timestamp;
use tokio::sync::watch;

/// More turns than any chain of tasks waking each other is long.
const TURNS: usize = 24;

/// A store that knows how many of its operations are under way: they run on threads, which a runtime without anything
/// else to do does not wait for.
pub struct Counted {
    store: Arc<dyn Store>,
    running: AtomicUsize,
    begun: AtomicUsize,
    /// Whether nothing can be settled.
    unsettling: AtomicBool,
    /// Whether nothing can be written.
    full: AtomicBool,
    /// Whether an operation is over before anything else goes on, so that the same always happens in the same order.
    atomic: bool,
    /// How many operations may have changed something.
    changes: AtomicUsize,
    /// Before this is open nothing is begun.
    gate: Option<watch::Receiver<bool>>,
}

/// The operations that only read, or give a lease.
const READS: [&str; 34] = [
    "batch",
    "batches",
    "batches_by_id",
    "next_due",
    "next_sweep",
    "swept_groups",
    "swept",
    "load",
    "find",
    "find_by_id",
    "waiting_on",
    "first_in_queue",
    "list",
    "events",
    "outbox",
    "next_retry",
    "rejections",
    "rejection",
    "jobs_between",
    "kept_events",
    "undeliverable",
    "definition",
    "pauses",
    "outlook",
    "counts",
    "claim_in_turn",
    "release_group",
    "put_definition",
    "size",
    "probe",
    "waiting_webhooks",
    "rejections_of",
    "feed",
    "feed_end",
];

/// Those of them that write all the same.
const GIVE: [&str; 4] = ["claim_in_turn", "release_group", "put_definition", "probe"];

struct Running<'a>(&'a AtomicUsize);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

impl Counted {
    pub fn new(store: impl Store) -> Arc<Self> {
        Arc::new(Self {
            store: Arc::new(store),
            running: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            unsettling: AtomicBool::new(false),
            full: AtomicBool::new(false),
            atomic: false,
            changes: AtomicUsize::new(0),
            gate: None,
        })
    }

    /// The same store, as a process has it that stands still whenever the gate is shut.
    pub fn behind(self: &Arc<Self>, gate: watch::Receiver<bool>) -> Arc<Self> {
        Arc::new(Self {
            store: self.clone(),
            running: AtomicUsize::new(0),
            begun: AtomicUsize::new(0),
            unsettling: AtomicBool::new(false),
            full: AtomicBool::new(false),
            atomic: false,
            changes: AtomicUsize::new(0),
            gate: Some(gate),
        })
    }

    /// The same, of which every operation is over before anything else goes on.
    pub fn atomic(store: impl Store) -> Arc<Self> {
        let mut counted = Arc::into_inner(Self::new(store)).unwrap();
        counted.atomic = true;
        Arc::new(counted)
    }

    /// How many operations may have changed something.
    pub fn changes(&self) -> usize {
        self.changes.load(SeqCst)
    }

    /// From now on published messages can be settled, or cannot.
    pub fn settles(&self, can: bool) {
        self.unsettling.store(!can, SeqCst);
    }

    /// From now on nothing can be written, or it can again.
    pub fn fills(&self, full: bool) {
        self.full.store(full, SeqCst);
    }

    /// Whether nothing can be written.
    pub fn is_full(&self) -> bool {
        self.full.load(SeqCst)
    }

    fn runs(&self) -> Running<'_> {
        self.begun.fetch_add(1, SeqCst);
        self.running.fetch_add(1, SeqCst);
        Running(&self.running)
    }

    /// Returns once every task of this thread waits for the clock, or for nothing. Needs a runtime of one thread.
    pub async fn idle(&self) {
        let mut quiet = 0;
        let mut begun = self.begun.load(SeqCst);
        while quiet < TURNS {
            tokio::task::yield_now().await;
            let now = self.begun.load(SeqCst);
            quiet = if now == begun && self.running.load(SeqCst) == 0 { quiet + 1 } else { 0 };
            begun = now;
        }
    }

    /// Moves the clock to whatever happens next, until nothing does any more.
    pub async fn run_out(&self, clock: &ManualClock) {
        self.run_until(clock, || false).await;
    }

    /// Moves the clock to whatever happens next, until it is done or nothing happens any more.
    pub async fn run_until(&self, clock: &ManualClock, done: impl Fn() -> bool) {
        loop {
            self.idle().await;
            if done() {
                return;
            }
            let Some(next) = clock.next_wake() else { return };
            assert!(next > clock.now(), "a sleeper that is due does not wake");
            clock.advance_to(next);
        }
    }
}

/// Returns once a gate is open, or is gone.
pub async fn open(gate: &watch::Receiver<bool>) {
    let _ = gate.clone().wait_for(|open| *open).await;
}

/// Runs an operation to its end on this thread.
fn at_once<T>(operation: impl Future<Output = T>) -> T {
    struct Parked(Thread);
    impl Wake for Parked {
        fn wake(self: Arc<Self>) {
            self.0.unpark();
        }
    }
    let waker = Waker::from(Arc::new(Parked(std::thread::current())));
    // Else the runtime would have it wait for other tasks, which do not go on meanwhile.
    let mut operation = pin!(tokio::task::unconstrained(operation));
    loop {
        match operation.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(done) => return done,
            Poll::Pending => std::thread::park(),
        }
    }
}

macro_rules! counted {
    ($(fn $name:ident($($argument:ident: $type:ty),*) -> $answer:ty;)*) => {
        #[async_trait]
        impl Store for Counted {
            $(async fn $name(&self, $($argument: $type),*) -> Result<$answer, StoreError> {
                if let Some(gate) = &self.gate {
                    open(gate).await;
                }
                let _running = self.runs();
                let name = stringify!($name);
                let writes = !READS.contains(&name) || GIVE.contains(&name);
                if name.starts_with("settle") && self.unsettling.load(SeqCst) || writes && self.is_full() {
                    return Err(StoreError::Unavailable("disk full".into()));
                }
                let operation = self.store.$name($($argument),*);
                let done = if self.atomic { at_once(operation) } else { operation.await };
                self.changes.fetch_add(usize::from(!READS.contains(&stringify!($name))), SeqCst);
                done
            })*
        }
    };
}

counted! {
    fn take(messages: Vec<Message>) -> Vec<Taken>;
    fn take_whole(messages: Vec<Message>) -> Whole;
    fn batch(uid: JobUid) -> Option<(Batch, Tally)>;
    fn batches(open: bool, before: Option<JobUid>, limit: usize) -> Vec<Batch>;
    fn batches_by_id(id: &BatchId) -> Vec<Batch>;
    fn commit_batch(change: BatchChange) -> Committed;
    fn claim_in_turn(holder: &str, now: Timestamp, until: Timestamp, limit: usize, turns: &Turns) -> Vec<Claimed>;
    fn bring_forward(now: Timestamp, latest: LatestDue, of: Option<&AccountUid>) -> usize;
    fn reclaim(holder: &str) -> usize;
    fn commit(change: Change) -> Committed;
    fn commit_all(changes: Vec<Change>) -> Vec<Committed>;
    fn next_due() -> Option<Timestamp>;
    fn next_sweep() -> Option<Timestamp>;
    fn swept_groups(now: Timestamp) -> Vec<(Group, usize)>;
    fn swept(group: &Group, now: Timestamp, after: Option<(InstanceId, JobUid)>, limit: usize) -> Vec<Record>;
    fn release_group(group: &Group) -> ();
    fn load(uid: JobUid) -> Option<Record>;
    fn find(requester: &Requester, id: &JobId) -> Option<Record>;
    fn find_by_id(id: &JobId) -> Vec<Record>;
    fn waiting_on(instance: &InstanceId, cen: &CenId) -> Vec<Record>;
    fn first_in_queue(instance: &Instance) -> Option<JobUid>;
    fn list(filter: &Filter) -> Vec<Record>;
    fn events(uid: JobUid) -> Vec<String>;
    fn outbox(page: OutboxPage) -> Vec<OutboxRow>;
    fn next_retry(lane: Lane) -> Option<Timestamp>;
    fn settle(lane: Lane, settlement: &Settlement) -> ();
    fn webhooks(now: Timestamp, limit: usize) -> Vec<OutboxRow>;
    fn next_webhook(now: Timestamp) -> Option<Timestamp>;
    fn waiting_webhooks(uid: JobUid, limit: usize) -> Vec<WaitingWebhook>;
    fn settle_webhooks(settlement: &Settlement) -> ();
    fn rejections(limit: usize, before: Option<JobUid>) -> Vec<Rejected>;
    fn rejections_of(batch: &BatchId, limit: usize) -> Vec<Rejected>;
    fn rejection(uid: JobUid) -> Option<RejectedMessage>;
    fn drop_rejections(uids: &[JobUid]) -> usize;
    fn jobs_between(since: Timestamp, until: Timestamp, after: Option<JobUid>, limit: usize) -> Vec<JobUid>;
    fn kept_events(uids: &[JobUid]) -> Vec<KeptEvent>;
    fn feed(page: &FeedPage) -> Feed;
    fn feed_end() -> i64;
    fn publish_again(events: &[(JobUid, u32)]) -> usize;
    fn undeliverable(after: i64, limit: usize) -> Vec<UndeliverableRow>;
    fn replay(numbers: &[i64]) -> usize;
    fn drop_undeliverable(numbers: &[i64]) -> usize;
    fn put_definition(digest: &str, name: &str, text: &str) -> ();
    fn definition(digest: &str) -> Option<(String, String)>;
    fn pause(pause: &Pause) -> bool;
    fn unpause(account: &AccountUid) -> bool;
    fn pauses() -> Vec<Pause>;
    fn outlook() -> Vec<Outlook>;
    fn counts() -> Counts;
    fn ages(late: Timestamp) -> Ages;
    fn size() -> u64;
    fn probe() -> ();
    fn prune(keys_before: Timestamp) -> usize;
    fn trim_rejections(most: usize) -> usize;
}
