//! A job in work, and the right to it: every read, commit and write that is made for it.
//!
//! An act is made only under the job's lease. A write is begun only if the lease has room for it, and the lease is checked
//! again directly before its first byte ([`Leave`]), against a clock that runs through suspend; between that check and the
//! byte there remain the instructions that no check can cover, which is why whoever takes a lease over looks before it
//! writes.

use std::sync::Arc;
use std::time::Duration;

use crate::clock::later;
use crate::domain::Kind;
use crate::engine::decide::decision::{Decision, Next, Observation, decide};
use crate::engine::guards::Pause;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::action::{Reads, Seen, Side};
use crate::engine::ports::cloud::{Answer, CloudError, Failure, NoRoom};
use crate::engine::ports::crash_points::CrashPoint;
use crate::engine::ports::store::{Claimed, Committed, Lease, LeaseUse, StoreError};
use crate::engine::ports::urgency::{Priority, Urgency};
use crate::engine::ports::write_permit::Leave;
use crate::engine::record::{Record, State, Write};
use crate::workflow::{Call, Definition};

/// After a store that could not be used, before asking it again.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A job in work, and the right to it.
pub(super) struct Execution<'a> {
    engine: &'a Engine,
    record: Arc<Record>,
    lease: Lease,
    deadline: Duration,
    /// What room was taken for in the budget, for the next write.
    room: Option<&'static str>,
}

/// What became of the wish for room in a budget.
enum Room {
    /// The decision stands.
    Taken,
    /// It took a while: to be decided anew.
    Waited,
    /// The job rests until there is some.
    PutDown,
    /// The job was changed meanwhile.
    Conflict,
}

impl<'a> Execution<'a> {
    /// On a job just claimed. `deadline` is the end of its lease on the uptime clock.
    pub(super) fn new(engine: &'a Engine, claimed: Claimed, deadline: Duration) -> Self {
        Self { engine, record: Arc::new(claimed.record), lease: claimed.lease, deadline, room: None }
    }

    /// The job, as it was committed last.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Decides and commits. `None` when the job is no longer ours, found no room for its write, or the test cut us here.
    pub(super) async fn decide(
        &mut self,
        definition: &Definition,
        observation: &mut Observation,
    ) -> Result<Option<Next>, StoreError> {
        let mut conflicts = 0;
        // A command may change the job meanwhile; then the observation is judged once more, by what it is now.
        while conflicts < 3 {
            let now = self.engine.clock.now();
            let decision = decide(&self.engine.context(definition), &self.record, observation, now);
            match self.room(definition, &decision).await? {
                Room::Taken if !decision.commit => {
                    self.record = Arc::new(decision.record);
                    return Ok(Some(decision.next));
                }
                Room::Waited => continue,
                Room::PutDown => return Ok(None),
                Room::Taken => {
                    let next = decision.next;
                    let (committed, decided) = self.commit(decision).await?;
                    match committed {
                        Committed::Done => {
                            return Ok((!self.engine.crash_points.cut(CrashPoint::AfterCommit)).then_some(next));
                        }
                        Committed::OverLimit(begun) => {
                            self.keep_look(&decided);
                            let most = self.engine.policy.limits().of(self.record.job.kind).unwrap_or_default();
                            *observation = Observation::OverLimit { begun, most };
                            conflicts += 1;
                            continue;
                        }
                        Committed::Paused => {
                            if let Some(pause) = self.pause().await? {
                                self.keep_look(&decided);
                                *observation = Observation::Paused(pause);
                            }
                            conflicts += 1;
                            continue;
                        }
                        Committed::Conflict => {}
                    }
                }
                Room::Conflict => {}
            }
            conflicts += 1;
            match self.engine.store.load(self.record.uid).await? {
                Some(record) if !record.state().is_terminal() => self.record = Arc::new(record),
                _ => break,
            }
            // Or it was one of the jobs it takes over from that moved on.
            if let Observation::Looked { rivals, .. } = observation {
                *rivals = self.rivals().await?;
            }
        }
        // By the cloud's own clock: what was done in time was seen by whoever took over.
        let late = match observation {
            Observation::Answered { answer: Ok(answer), .. } => answer.date.is_some_and(|at| at > self.lease.until),
            Observation::Answered { answer: Err(error), .. } => matches!(error.failure, Failure::Unanswered { .. }),
            _ => false,
        };
        if late {
            let job = &self.record.job;
            tracing::error!(
                job.uid = %self.record.uid, instance.id = %job.instance.id, cen.id = %job.cen.id,
                "a write may have been carried out after its job was another's; see what the instance is granted to"
            );
        } else {
            tracing::warn!(job.uid = %self.record.uid, "the job was taken over or ended meanwhile; puts it down");
        }
        Ok(None)
    }

    /// Takes room in the budget for the write that a decision commits to, before it does: what was committed to and then
    /// had to wait might no longer be sent.
    async fn room(&mut self, definition: &Definition, decision: &Decision) -> Result<Room, StoreError> {
        let Next::Write(place) = decision.next else { return Ok(Room::Taken) };
        if self.room.is_some() {
            return Ok(Room::Taken);
        }
        let Some(write) = decision.record.writes.get(place) else { return Ok(Room::Taken) };
        let (operation, account) = (write.operation.clone(), write.account.clone());
        let engine = self.engine;
        let room = async |until: Duration| {
            let urgency = Urgency { priority: Priority::Job, until: Some(until), room: None };
            urgency.scope(engine.cloud.room(&account, &operation)).await
        };
        let mut taken = room(engine.clock.uptime()).await;
        let mut waited = false;
        while let Err(NoRoom { opens_in }) = taken {
            let (operation, account) = (operation.clone(), account.clone());
            let none = Observation::NoRoom { operation, account, opens_in, waited };
            // With a lease renewed for the wait.
            let decision = decide(&engine.context(definition), &self.record, &none, engine.clock.now());
            let next = decision.next;
            if self.commit(decision).await?.0 != Committed::Done {
                return Ok(Room::Conflict);
            }
            if next != Next::AwaitRoom {
                return Ok(Room::PutDown);
            }
            taken = room(self.deadline.saturating_sub(engine.catalog.policies.attempt())).await;
            waited = true;
        }
        self.room = taken.ok().flatten();
        Ok(if waited { Room::Waited } else { Room::Taken })
    }

    /// Commits; returns the record that was to be committed, too.
    async fn commit(&mut self, decision: Decision) -> Result<(Committed, Arc<Record>), StoreError> {
        let (now, uptime) = (self.engine.clock.now(), self.engine.clock.uptime());
        let until = later(now, self.engine.kept());
        let rests = decision.next == Next::Rest;
        let lease = self.lease.clone();
        let lease = if rests { LeaseUse::Release(lease) } else { LeaseUse::Keep(lease, until) };
        let (change, moved) = self.engine.change(decision, lease, now);
        let record = Arc::clone(&change.record);
        loop {
            match self.engine.store.commit(change.clone()).await {
                Ok(Committed::Done) => break,
                Ok(other) => return Ok((other, record)),
                // What was just done in the cloud is worth waiting for; without it the next look has to find out.
                Err(StoreError::Unavailable(why)) if self.engine.clock.uptime() < self.deadline => {
                    tracing::error!(job.uid = %record.uid, error = why, "cannot commit; tries again while the lease lasts");
                    self.engine.clock.sleep(STORE_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.lease.until = until;
        self.deadline = uptime + self.engine.lease();
        if record.state().is_terminal() || record.state() == State::Parked {
            tracing::info!(
                job.uid = %record.uid, job.id = %record.job.id, job.kind = %record.job.kind, cen.id = %record.job.cen.id,
                instance.id = %record.job.instance.id, job.state = record.state().as_str(), "{}", record.why
            );
        }
        self.record = Arc::clone(&record);
        self.engine.moved(&moved);
        if rests {
            // Whoever stood behind it in the line of its instance may begin.
            self.engine.work.notify_one();
        }
        Ok((Committed::Done, record))
    }

    /// What was just looked at stays known, though the beginning that followed from it was not allowed.
    fn keep_look(&mut self, decided: &Record) {
        let record = Arc::make_mut(&mut self.record);
        // One call is the write that is not made.
        record.calls = decided.calls.saturating_sub(1);
        record.before.clone_from(&decided.before);
        record.after.clone_from(&decided.after);
        record.unchecked.clone_from(&decided.unchecked);
    }

    /// The pause that keeps the job back, if there is one.
    pub(super) async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        if !self.record.may_be_held() {
            return Ok(None);
        }
        let pauses = self.engine.store.pauses().await?;
        Ok(pauses.into_iter().find(|pause| pause.touches(&self.record.job)))
    }

    /// Reads the cloud. Room that was taken for a write which is not made now is given up.
    pub(super) async fn look(&mut self, reads: Reads, step: Option<&Call>) -> Result<Observation, StoreError> {
        self.room = None;
        let engine = self.engine;
        let began = engine.clock.uptime();
        // A look that outlasts the lease could never be committed.
        let room = self.deadline.saturating_sub(began + engine.catalog.policies.request_timeout);
        let limit = step.map_or(room, |call| call.timeout.min(room));
        let (looker, job) = (engine.looker(), &self.record.job);
        if !self.record.objections.is_empty() {
            let look = looker.look_in_part(job, reads);
            let looked = tokio::time::timeout(limit, self.urgency(began, limit).scope(look)).await;
            let (seen, unread) = looked.unwrap_or_else(|_| {
                (Seen::nothing(engine.clock.now()), vec![format!("a look took longer than {limit:?}")])
            });
            return Ok(Observation::SeenInPart { seen, unread, asked: reads });
        }
        let look = looker.look(job, reads);
        let looked = tokio::time::timeout(limit, self.urgency(began, limit).scope(look)).await.unwrap_or_else(|_| {
            let failure = Failure::Unanswered { why: format!("a look took longer than {limit:?}") };
            Err(CloudError { operation: "look".into(), failure, request_id: None, retry_after: None })
        });
        let what = if looked.is_ok() { "look" } else { "look-failed" };
        engine.observer.tried(
            self.record.job.kind,
            &self.record.step,
            what,
            engine.clock.uptime().saturating_sub(began),
        );
        let seen = match looked {
            Ok(seen) => seen,
            Err(error) => return Ok(Observation::LookFailed(error)),
        };
        Ok(Observation::Looked { seen, rivals: self.rivals().await? })
    }

    /// The jobs that wait on the same grant. Only one that has not written yet can take over from them, or share their
    /// hour; and no grant does either.
    async fn rivals(&self) -> Result<Vec<Record>, StoreError> {
        if self.record.has_written() || self.record.job.kind == Kind::Grant {
            return Ok(vec![]);
        }
        let job = &self.record.job;
        let waiting = self.engine.store.waiting_on(&job.instance.id, &job.cen.id).await?;
        Ok(waiting.into_iter().filter(|rival| rival.uid != self.record.uid).collect())
    }

    /// Makes the write whose intent was just committed. `None`: not made, because the lease may run out under it.
    pub(super) async fn write(&mut self, place: usize, step: Option<&Call>) -> Option<Result<Answer<()>, CloudError>> {
        let (engine, room) = (self.engine, self.room.take());
        let (write, call) = (self.record.writes.get(place)?, step?);
        if engine.crash_points.cut(CrashPoint::BeforeWrite) {
            return None;
        }
        let began = engine.clock.uptime();
        if began + self.limit(call) >= self.deadline {
            tracing::warn!(job.uid = %self.record.uid, "the lease may run out under the call; does not make it");
            return None;
        }
        let leave = Leave::new(Arc::clone(&engine.clock), Arc::clone(&engine.crash_points), self.deadline);
        let mut answer = Arc::clone(&leave).scope(self.send(write, call, room)).await;
        if engine.crash_points.twice() {
            answer = Arc::clone(&leave).scope(self.send(write, call, room)).await;
        }
        if leave.was_refused() {
            tracing::warn!(job.uid = %self.record.uid, "the lease ran out before the call could be sent; does not make it");
            return None;
        }
        if engine.crash_points.cut(CrashPoint::AfterWrite) {
            return None;
        }
        let what = if answer.is_ok() { "write" } else { "write-failed" };
        engine.observer.tried(
            self.record.job.kind,
            &self.record.step,
            what,
            engine.clock.uptime().saturating_sub(began),
        );
        match &answer {
            Ok(answer) => tracing::info!(
                job.uid = %self.record.uid, cloud.operation = %write.operation, cloud.request_id = %answer.request_id,
                account.uid = %write.account, resource.id = %write.resource, "wrote"
            ),
            Err(error) => tracing::warn!(
                job.uid = %self.record.uid, cloud.operation = %write.operation, account.uid = %write.account,
                resource.id = %write.resource, %error, "a write failed"
            ),
        }
        Some(answer)
    }

    /// How long calls that may take `limit` may wait for their budget: what a request can take is kept for it, so that
    /// one that waited in vain is known not to have been sent.
    fn urgency(&self, began: Duration, limit: Duration) -> Urgency {
        let request = self.engine.catalog.policies.request_timeout;
        Urgency { priority: Priority::Job, until: Some(began + limit.saturating_sub(request)), room: None }
    }

    async fn send(&self, write: &Write, call: &Call, room: Option<&'static str>) -> Result<Answer<()>, CloudError> {
        let verb = if write.undo { call.undo.as_deref().unwrap_or_default() } else { &call.verb };
        let unanswered = |why: String| CloudError {
            operation: write.operation.clone(),
            failure: Failure::Unanswered { why },
            request_id: None,
            retry_after: None,
        };
        let job = &self.record.job;
        let act = async {
            match self.engine.registry.get(verb).map(|action| action.side()) {
                Some(Side::Resource(action)) => {
                    let client = self.engine.cloud.resource_writer(&job.instance.owner).await?;
                    action.act(client.as_ref(), job, write).await
                }
                Some(Side::TransitRouter(action)) => {
                    let client = self.engine.cloud.transit_router_writer(&job.cen.owner).await?;
                    action.act(client.as_ref(), job, write).await
                }
                Some(Side::Readers) | None => Err(CloudError {
                    failure: Failure::NotSent { why: format!("{verb:?} does not write") },
                    ..unanswered(String::new())
                }),
            }
        };
        let limit = self.limit(call);
        let urgency = Urgency { room, ..self.urgency(self.engine.clock.uptime(), limit) };
        match tokio::time::timeout(limit, urgency.scope(act)).await {
            Ok(answer) => answer,
            Err(_) => Err(unanswered(format!("no answer within {limit:?}"))),
        }
    }

    /// How long one attempt at a write may last.
    fn limit(&self, call: &Call) -> Duration {
        call.timeout.min(self.engine.catalog.policies.attempt())
    }
}
