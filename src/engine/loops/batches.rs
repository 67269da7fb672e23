//! Batches: told how far they have come, stopped when they are to, and ended once.
//!
//! A batch is looked at when one of its jobs has ended, and otherwise once a minute. Two workers, or one that was killed and
//! comes back, find the same from the same rows, and the batch is changed by compare-and-set: one of them tells its end.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;

use crate::domain::JobUid;
use crate::engine::batch::{Batch, Stopped, Tally, failed};
use crate::engine::batch_events::Summary;
use crate::engine::decide::batch::{BatchStep, batch_step, stopped};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::crash_points::CrashPoint;
use crate::engine::ports::store::{BatchChange, Claimed, Committed, Filter, LeaseUse, OutboundMessage, StoreError};
use crate::engine::record::{Record, State};

/// Between two looks at all open batches: what another worker has ended, or was ended just before a crash, is found by it.
const LOOK_PAUSE: Duration = Duration::from_secs(60);
/// After a store that could not be used.
const STORE_PAUSE: Duration = Duration::from_secs(1);
/// How many batches, or jobs of one, are read at once.
const AT_ONCE: usize = 100;

/// Follows the batches until `stop` says true.
pub async fn follow(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut all_at = engine.clock.uptime();
    while !*stop.borrow() {
        let uptime = engine.clock.uptime();
        let looked = if uptime >= all_at {
            all_at = uptime + LOOK_PAUSE;
            engine.look_at_batches().await.map(drop)
        } else {
            engine.look_at_turned_batches().await
        };
        let pause = match looked {
            Ok(()) => all_at.saturating_sub(engine.clock.uptime()),
            Err(error) => {
                tracing::error!(%error, "cannot look at the batches; tries again");
                all_at = uptime;
                STORE_PAUSE
            }
        };
        tokio::select! {
            () = engine.clock.sleep(pause) => {}
            () = engine.batches.added() => {}
            _ = stop.changed() => {}
        }
    }
}

impl Engine {
    /// Looks at every batch that has not ended. Returns when one of them is to be looked at although no job has moved.
    pub async fn look_at_batches(&self) -> Result<Option<Timestamp>, StoreError> {
        self.batches.take();
        let (mut before, mut next) = (None, None);
        loop {
            let page = self.store.batches(true, before, AT_ONCE).await?;
            for batch in &page {
                let due = self.look_at_batch(batch.uid).await?;
                next = [next, due].into_iter().flatten().min();
            }
            match page.last() {
                Some(last) if page.len() == AT_ONCE => before = Some(last.uid),
                _ => return Ok(next),
            }
        }
    }

    /// Looks at the batches of which a job has ended.
    async fn look_at_turned_batches(&self) -> Result<(), StoreError> {
        for uid in self.batches.take() {
            self.look_at_batch(uid).await?;
        }
        Ok(())
    }

    /// Does what is to be done about a batch. Returns when to look again.
    async fn look_at_batch(&self, uid: JobUid) -> Result<Option<Timestamp>, StoreError> {
        loop {
            let Some((batch, tally)) = self.store.batch(uid).await? else { return Ok(None) };
            if batch.ended_at.is_some() {
                return Ok(None);
            }
            if batch.stopped.is_some() && self.stop_jobs(&batch).await? > 0 {
                continue;
            }
            let now = self.clock.now();
            let done = match batch_step(&batch, &tally, now) {
                BatchStep::Rest(due) => return Ok(Some(due)),
                BatchStep::Tell => self.tell(batch, &tally, now).await?,
                BatchStep::Stop => self.stop(batch, &tally, now).await?,
                BatchStep::End => self.end(batch, &tally, now).await?,
            };
            if !done {
                return Ok(None);
            }
        }
    }

    async fn tell(&self, mut batch: Batch, tally: &Tally, now: Timestamp) -> Result<bool, StoreError> {
        let said = self.announcer.batch_progress(&mut batch, tally, now);
        (batch.told, batch.told_at) = (tally.states.clone(), now);
        self.commit_batch(batch, tally, vec![said]).await
    }

    async fn stop(&self, mut batch: Batch, tally: &Tally, now: Timestamp) -> Result<bool, StoreError> {
        let states = State::ALL.into_iter().filter(|state| failed(*state)).collect();
        let filter = Filter { batch: Some(batch.uid), states, limit: 1, ..Filter::default() };
        let Some(job) = self.store.list(&filter).await?.pop() else { return Ok(false) };
        tracing::warn!(batch.id = %batch.terms.id, job.id = %job.job.id, "a job of the batch failed; the batch stops");
        batch.stopped = Some(Stopped { at: now, job: job.job.id });
        self.commit_batch(batch, tally, vec![]).await
    }

    async fn end(&self, mut batch: Batch, tally: &Tally, now: Timestamp) -> Result<bool, StoreError> {
        let mut summary = Summary::default();
        let mut before = None;
        loop {
            let page = self.jobs_of(&batch, vec![], before).await?;
            page.iter().for_each(|record| summary.add(record, &self.announcer));
            match page.last() {
                Some(last) if page.len() == AT_ONCE => before = Some(last.uid),
                _ => break,
            }
        }
        let said = self.announcer.batch_ended(&mut batch, tally, &summary, now);
        batch.ended_at = Some(now);
        tracing::info!(batch.id = %batch.terms.id, jobs = tally.members, failed = tally.failed(), "a batch has ended");
        let outcome = batch.outcome(tally);
        let ended = self.commit_batch(batch, tally, vec![said]).await?;
        if ended {
            self.observer.batch_ended(outcome);
        }
        Ok(ended)
    }

    /// Ends a job that was taken up if its batch has stopped. Returns whether it has.
    pub(super) async fn ends_with_its_batch(&self, claimed: &Claimed) -> Result<bool, StoreError> {
        let Claimed { record, lease } = claimed;
        let Some(uid) = record.batch().filter(|_| record.begun_at.is_none()) else { return Ok(false) };
        let Some(message) = self.store.batch(uid).await?.and_then(|(batch, _)| why_stopped(&batch)) else {
            return Ok(false);
        };
        let (definition, _) = self.definition_of(record).await?;
        let now = self.clock.now();
        let Some(decision) = stopped(&self.context(&definition), record, message, now) else { return Ok(false) };
        let (change, moved) = self.change(record, decision, LeaseUse::Release(lease.clone()), now);
        // A conflict means that another one has changed it, who looks at it then.
        if self.store.commit(change).await? == Committed::Done {
            self.moved(&moved);
        }
        Ok(true)
    }

    /// Ends the jobs of a stopped batch that have not begun to write. Returns how many.
    async fn stop_jobs(&self, batch: &Batch) -> Result<usize, StoreError> {
        let Some(message) = why_stopped(batch) else { return Ok(0) };
        let states = vec![State::Queued, State::Running, State::Parked];
        let (mut ended, mut before) = (0, None);
        loop {
            let page = self.jobs_of(batch, states.clone(), before).await?;
            let (mut changes, mut moves) = (Vec::new(), Vec::new());
            let now = self.clock.now();
            for record in &page {
                let (definition, _) = self.definition_of(record).await?;
                if let Some(decision) = stopped(&self.context(&definition), record, message.clone(), now) {
                    let (change, moved) = self.change(record, decision, LeaseUse::None, now);
                    changes.push(change);
                    moves.push(moved);
                }
            }
            // A conflict means that the job has moved on meanwhile, and it is looked at again.
            for (moved, committed) in moves.iter().zip(self.store.commit_all(changes).await?) {
                if committed == Committed::Done {
                    self.moved(moved);
                    ended += 1;
                }
            }
            match page.last() {
                Some(last) if page.len() == AT_ONCE => before = Some(last.uid),
                _ => break,
            }
        }
        self.work.notify_one();
        Ok(ended)
    }

    async fn jobs_of(
        &self,
        batch: &Batch,
        states: Vec<State>,
        before: Option<JobUid>,
    ) -> Result<Vec<Record>, StoreError> {
        let filter = Filter { batch: Some(batch.uid), states, before, limit: AT_ONCE, ..Filter::default() };
        self.store.list(&filter).await
    }

    /// Commits a batch as it becomes. False if somebody else has changed it, or if this worker was cut.
    async fn commit_batch(
        &self,
        mut batch: Batch,
        tally: &Tally,
        outbound: Vec<OutboundMessage>,
    ) -> Result<bool, StoreError> {
        batch.revision += 1;
        let said = !outbound.is_empty();
        let change = BatchChange { batch, members: tally.members, outbound };
        if self.store.commit_batch(change).await? != Committed::Done {
            return Ok(false);
        }
        if self.crash_points.cut(CrashPoint::AfterCommit) {
            return Ok(false);
        }
        if said {
            self.ring();
        }
        Ok(true)
    }
}

/// Why no job of a batch begins any more, if that is so.
fn why_stopped(batch: &Batch) -> Option<String> {
    let Stopped { job, .. } = batch.stopped.as_ref()?;
    Some(format!("the batch {} stops, because its job {job} ended without its result", batch.terms.id))
}
