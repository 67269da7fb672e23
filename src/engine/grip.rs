//! A job in work, and the right to it: every read, commit and write that is made for it.
//!
//! An act is made only under the job's lease. A write is begun only if the lease has room for it, and the lease is checked
//! again directly before its first byte ([`Leave`]), against a clock that runs through suspend; between that check and the
//! byte there remain the instructions that no check can cover, which is why whoever takes a lease over looks before it
//! writes.

use std::sync::Arc;
use std::time::Duration;

use super::action::{Hand, Reads, Seen};
use super::cloud::{Answer, CloudError, Failure, NoRoom};
use super::core::Core;
use super::decide::{Decision, Next, Observation, decide};
use super::faults::Point;
use super::guards::Pause;
use super::leave::Leave;
use super::state::{Record, State, Write};
use super::store::{Claimed, Committed, Hold, Lease, StoreError};
use super::urgency::{Priority, Urgency};
use crate::clock::later;
use crate::domain::Kind;
use crate::workflow::{Call, Definition};

/// After a store that could not be used, before asking it again.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A job in work, and the right to it.
pub(super) struct Grip<'a> {
    core: &'a Core,
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

impl<'a> Grip<'a> {
    /// On a job just claimed. `deadline` is the end of its lease on the uptime clock.
    pub(super) fn new(core: &'a Core, claimed: Claimed, deadline: Duration) -> Self {
        Self { core, record: Arc::new(claimed.record), lease: claimed.lease, deadline, room: None }
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
            let now = self.core.clock.now();
            let decision = decide(&self.core.rules(definition), &self.record, observation, now);
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
                            return Ok((!self.core.faults.cut(Point::AfterCommit)).then_some(next));
                        }
                        Committed::OverLimit(begun) => {
                            self.keep_look(&decided);
                            let most = self.core.policy.limits().of(self.record.job.kind).unwrap_or_default();
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
            match self.core.store.load(self.record.uid).await? {
                Some(record) if !record.state.is_terminal() => self.record = Arc::new(record),
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
        let core = self.core;
        let room = async |until: Duration| {
            let urgency = Urgency { priority: Priority::Job, until: Some(until), room: None };
            urgency.scope(core.cloud.room(&account, &operation)).await
        };
        let mut taken = room(core.clock.uptime()).await;
        let mut waited = false;
        while let Err(NoRoom { opens_in }) = taken {
            let (operation, account) = (operation.clone(), account.clone());
            let none = Observation::NoRoom { operation, account, opens_in, waited };
            // With a lease renewed for the wait.
            let decision = decide(&core.rules(definition), &self.record, &none, core.clock.now());
            let next = decision.next;
            if self.commit(decision).await?.0 != Committed::Done {
                return Ok(Room::Conflict);
            }
            if next != Next::AwaitRoom {
                return Ok(Room::PutDown);
            }
            taken = room(self.deadline.saturating_sub(core.catalog.policies.attempt())).await;
            waited = true;
        }
        self.room = taken.ok().flatten();
        Ok(if waited { Room::Waited } else { Room::Taken })
    }

    /// Commits; returns the record that was to be committed, too.
    async fn commit(&mut self, decision: Decision) -> Result<(Committed, Arc<Record>), StoreError> {
        let (now, uptime) = (self.core.clock.now(), self.core.clock.uptime());
        let until = later(now, self.core.kept());
        let rests = decision.next == Next::Rest;
        let lease = self.lease.clone();
        let hold = if rests { Hold::Release(lease) } else { Hold::Keep(lease, until) };
        let (change, moved) = self.core.change(decision, hold, now);
        let record = Arc::clone(&change.record);
        loop {
            match self.core.store.commit(change.clone()).await {
                Ok(Committed::Done) => break,
                Ok(other) => return Ok((other, record)),
                // What was just done in the cloud is worth waiting for; without it the next look has to find out.
                Err(StoreError::Unavailable(why)) if self.core.clock.uptime() < self.deadline => {
                    tracing::error!(job.uid = %record.uid, error = why, "cannot commit; tries again while the lease lasts");
                    self.core.clock.sleep(STORE_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.lease.until = until;
        self.deadline = uptime + self.core.lease();
        if record.state.is_terminal() || record.state == State::Parked {
            tracing::info!(
                job.uid = %record.uid, job.id = %record.job.id, job.kind = %record.job.kind, cen.id = %record.job.cen.id,
                instance.id = %record.job.instance.id, job.state = record.state.as_str(), "{}", record.why
            );
        }
        self.record = Arc::clone(&record);
        self.core.moved(&moved);
        if rests {
            // Whoever stood behind it in the line of its instance may begin.
            self.core.work.notify_one();
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
        let pauses = self.core.store.pauses().await?;
        Ok(pauses.into_iter().find(|pause| pause.touches(&self.record.job)))
    }

    /// Reads the cloud. Room that was taken for a write which is not made now is given up.
    pub(super) async fn look(&mut self, reads: Reads, step: Option<&Call>) -> Result<Observation, StoreError> {
        self.room = None;
        let core = self.core;
        let began = core.clock.uptime();
        // A look that outlasts the lease could never be committed.
        let room = self.deadline.saturating_sub(began + core.catalog.policies.request_timeout);
        let limit = step.map_or(room, |call| call.timeout.min(room));
        let (looker, job) = (core.looker(), &self.record.job);
        if !self.record.objections.is_empty() {
            let look = looker.look_in_part(job, reads);
            let looked = tokio::time::timeout(limit, self.urgency(began, limit).scope(look)).await;
            let (seen, unread) = looked.unwrap_or_else(|_| {
                (Seen::nothing(core.clock.now()), vec![format!("a look took longer than {limit:?}")])
            });
            return Ok(Observation::SeenInPart { seen, unread, asked: reads });
        }
        let look = looker.look(job, reads);
        let looked = tokio::time::timeout(limit, self.urgency(began, limit).scope(look)).await.unwrap_or_else(|_| {
            let failure = Failure::Unanswered { why: format!("a look took longer than {limit:?}") };
            Err(CloudError { operation: "look".into(), failure, request_id: None, retry_after: None })
        });
        let what = if looked.is_ok() { "look" } else { "look-failed" };
        core.observer.tried(self.record.job.kind, &self.record.step, what, core.clock.uptime().saturating_sub(began));
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
        let waiting = self.core.store.waiting_on(&job.instance.id, &job.cen.id).await?;
        Ok(waiting.into_iter().filter(|rival| rival.uid != self.record.uid).collect())
    }

    /// Makes the write whose intent was just committed. `None`: not made, because the lease may run out under it.
    pub(super) async fn write(&mut self, place: usize, step: Option<&Call>) -> Option<Result<Answer<()>, CloudError>> {
        let (core, room) = (self.core, self.room.take());
        let (write, call) = (self.record.writes.get(place)?, step?);
        if core.faults.cut(Point::BeforeWrite) {
            return None;
        }
        let began = core.clock.uptime();
        if began + self.limit(call) >= self.deadline {
            tracing::warn!(job.uid = %self.record.uid, "the lease may run out under the call; does not make it");
            return None;
        }
        let leave = Leave::new(Arc::clone(&core.clock), Arc::clone(&core.faults), self.deadline);
        let mut answer = Arc::clone(&leave).scope(self.send(write, call, room)).await;
        if core.faults.twice() {
            answer = Arc::clone(&leave).scope(self.send(write, call, room)).await;
        }
        if leave.was_refused() {
            tracing::warn!(job.uid = %self.record.uid, "the lease ran out before the call could be sent; does not make it");
            return None;
        }
        if core.faults.cut(Point::AfterWrite) {
            return None;
        }
        let what = if answer.is_ok() { "write" } else { "write-failed" };
        core.observer.tried(self.record.job.kind, &self.record.step, what, core.clock.uptime().saturating_sub(began));
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
        let request = self.core.catalog.policies.request_timeout;
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
            match self.core.registry.get(verb).map(|action| action.hand()) {
                Some(Hand::Resource(action)) => {
                    let client = self.core.cloud.resource_writer(&job.instance.owner).await?;
                    action.act(client.as_ref(), job, write).await
                }
                Some(Hand::TransitRouter(action)) => {
                    let client = self.core.cloud.transit_router_writer(&job.cen.owner).await?;
                    action.act(client.as_ref(), job, write).await
                }
                Some(Hand::Readers) | None => Err(CloudError {
                    failure: Failure::NotSent { why: format!("{verb:?} does not write") },
                    ..unanswered(String::new())
                }),
            }
        };
        let limit = self.limit(call);
        let urgency = Urgency { room, ..self.urgency(self.core.clock.uptime(), limit) };
        match tokio::time::timeout(limit, urgency.scope(act)).await {
            Ok(answer) => answer,
            Err(_) => Err(unanswered(format!("no answer within {limit:?}"))),
        }
    }

    /// How long one attempt at a write may last.
    fn limit(&self, call: &Call) -> Duration {
        call.timeout.min(self.core.catalog.policies.attempt())
    }
}
