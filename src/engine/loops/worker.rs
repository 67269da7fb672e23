//! The worker: claims what is due, and for each job decides, commits and acts until it rests, by an [`Execution`] of it.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::clock::later;
use crate::domain::{AccountUid, JobUid, Requester};
use crate::engine::decide::decision::{Next, Observation};
use crate::engine::loops::execution::{Execution, STORE_PAUSE};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::account::RefusedCredential;
use crate::engine::ports::store::{Claimed, StoreError, Turns};
use crate::engine::ports::trace::within;
use crate::engine::record::Record;

/// How much a worker takes on at a time.
#[derive(Debug, Clone, Copy)]
pub struct Capacity {
    /// The most jobs in work.
    pub jobs: usize,
    /// How long a stop waits for jobs in work to come to rest.
    pub drain: Duration,
}

/// Of the slots of a worker, this part is kept from any one requester, and at least one slot, so that another does not wait
/// until a job of it rests. A worker is seldom short of slots, and often of calls that the cloud takes.
const FOR_OTHERS: usize = 8;
/// The pause until the next claim while a requester has all the slots that one may have: its next job is due and must not be
/// asked for in vain all the time. What becomes due for another meanwhile waits no longer than this.
const FULL_PAUSE: Duration = Duration::from_millis(200);

/// The jobs in work, with their requesters. They are never claimed again, whatever the clocks say of
/// their leases: a write of theirs may be under way.
#[derive(Debug, Clone, Default)]
struct InHand(Arc<Mutex<BTreeMap<JobUid, Requester>>>);

/// Keeps a job in hand for as long as its task lasts, however that ends.
struct Held(InHand, JobUid);

impl InHand {
    fn jobs(&self) -> MutexGuard<'_, BTreeMap<JobUid, Requester>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a requester has as many jobs in work as one may have.
    fn somebody_has(&self, most: usize) -> bool {
        let turns = Turns { in_hand: self.jobs().clone(), ..Turns::default() };
        turns.in_work().values().any(|jobs| *jobs >= most)
    }

    fn take(&self, record: &Record) -> Held {
        self.jobs().insert(record.uid, record.requester.clone());
        Held(self.clone(), record.uid)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.jobs().remove(&self.1);
    }
}

/// What a worker remembers between two claims.
#[derive(Default)]
struct Claims {
    in_hand: InHand,
    /// Whose job was claimed last.
    after: Option<Requester>,
    /// When the store was last asked for the next due time.
    asked: Option<Duration>,
}

/// The shortest pause between two claims that find nothing.
const SHORTEST_PAUSE: Duration = Duration::from_millis(5);
/// The shortest pause between two questions for the next due time: the store looks at every lease to answer.
const ASK_PAUSE: Duration = Duration::from_millis(20);

/// Works until `stop` says true, then waits up to `drain` for the jobs in work to come to rest. Jobs that do not are cut
/// off, as in a crash; returns how many.
pub async fn work(engine: Arc<Engine>, capacity: Capacity, mut stop: watch::Receiver<bool>) -> usize {
    let mut jobs = JoinSet::new();
    match engine.store.reclaim(&engine.holder).await {
        Ok(0) => {}
        Ok(count) => tracing::info!(leases = count, "leases of an earlier run reclaimed"),
        Err(error) => tracing::error!(%error, "cannot reclaim the leases of an earlier run; waits until they expire"),
    }
    let mut claims = Claims::default();
    while !*stop.borrow() {
        while jobs.try_join_next().is_some() {}
        let pause = match fill(&engine, capacity, &mut jobs, &mut claims).await {
            Ok(pause) => pause,
            Err(error) => {
                tracing::error!(%error, "cannot claim jobs; tries again");
                Some(STORE_PAUSE)
            }
        };
        let pause = pause.into_iter().chain(engine.tell_more_parked()).min();
        engine.rounds.send_modify(|rounds| *rounds += 1);
        tokio::select! {
            () = engine.clock.pause(pause) => {}
            () = engine.work.notified() => {}
            _ = jobs.join_next(), if !jobs.is_empty() => {}
            _ = stop.changed() => {}
        }
    }
    let waiting = jobs.len();
    let drained = tokio::time::timeout(capacity.drain, async { while jobs.join_next().await.is_some() {} }).await;
    match drained {
        Ok(()) => tracing::info!(jobs = waiting, "every job in work came to rest"),
        Err(_) => tracing::warn!(
            jobs = jobs.len(),
            "the drain time is over; jobs still in work are cut off and taken up again after their lease"
        ),
    }
    jobs.len()
}

/// Claims what is due. Returns after how long to look again; `None` if only a notification brings more.
async fn fill(
    engine: &Arc<Engine>,
    capacity: Capacity,
    jobs: &mut JoinSet<()>,
    claims: &mut Claims,
) -> Result<Option<Duration>, StoreError> {
    let free = capacity.jobs.saturating_sub(jobs.len());
    if free == 0 {
        return Ok(None);
    }
    let (now, uptime) = (engine.clock.now(), engine.clock.uptime());
    let kept = if capacity.jobs > 1 { (capacity.jobs / FOR_OTHERS).max(1) } else { 0 };
    let (in_hand, after) = (claims.in_hand.jobs().clone(), claims.after.clone());
    let turns = Turns { in_hand, after, most: capacity.jobs - kept };
    let claimed = engine.store.claim_in_turn(&engine.holder, now, later(now, engine.kept()), free, &turns).await?;
    let full = claimed.len() == free;
    if let Some(last) = claimed.last() {
        claims.after = Some(last.record.requester.clone());
    }
    for claimed in claimed {
        let (engine, deadline) = (Arc::clone(engine), uptime + engine.lease());
        let held = claims.in_hand.take(&claimed.record);
        jobs.spawn(async move {
            let _held = held;
            let span = engine.span_of(&claimed.record);
            if let Err(error) = within(span, run(&engine, claimed, deadline)).await {
                tracing::error!(%error, "job released: the store could not be used; it is taken up again when its lease ends");
            }
        });
    }
    if full {
        return Ok(None);
    }
    if claims.in_hand.somebody_has(turns.most) {
        return Ok(Some(FULL_PAUSE));
    }
    if let Some(asked) = claims.asked.filter(|asked| uptime < *asked + ASK_PAUSE) {
        return Ok(Some((asked + ASK_PAUSE).saturating_sub(uptime)));
    }
    claims.asked = Some(uptime);
    let next = engine.store.next_due().await?;
    Ok(next.map(|at| crate::clock::until(engine.clock.now(), at).max(SHORTEST_PAUSE)))
}

/// Works on one claimed job until it rests. `deadline` is the end of its lease on the uptime clock.
pub async fn run(engine: &Engine, claimed: Claimed, deadline: Duration) -> Result<(), StoreError> {
    if engine.ends_with_its_batch(&claimed).await? {
        return Ok(());
    }
    let policy = engine.policy.get();
    let refusal = policy.refuses(&claimed.record.requester, &claimed.record.job);
    let accepted = claimed.record.accepted_at;
    let gone = |uid: &AccountUid| engine.cloud.refusal(uid).filter(RefusedCredential::is_not_configured);
    let held = |uid: &AccountUid| gone(uid).is_some_and(|gone| accepted <= gone.since);
    let objections = policy.objections_but(&claimed.record.job, held);
    let mut execution = Execution::new(engine, claimed, deadline);
    let paused = execution.pause().await?;
    let mut observation = Observation::TakenUp { refusal, objections, paused };
    loop {
        let (definition, unusable) = engine.definition_of(execution.record()).await?;
        if let Some(why) = unusable {
            observation = Observation::Undefined { why };
        }
        let next = execution.decide(&definition, observation).await?;
        let step = definition.step(&execution.record().step).and_then(|step| step.call());
        observation = match next {
            Next::Rest | Next::AwaitRoom => return Ok(()),
            Next::Look(reads) => execution.look(reads, step).await?,
            Next::Write(place) => match execution.write(place, step).await {
                Some(answer) => Observation::Answered { write: place, answer },
                None => return Ok(()),
            },
        };
    }
}
