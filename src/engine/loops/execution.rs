//! The execution of a leased job: every read, commit and write that is made for it.
//!
//! Each is made only under the lease of the job. A write begins only if the lease lasts long enough for it, and the lease is
//! checked again directly before the first byte ([`WritePermit`]), against a clock that runs through suspend. Between that check
//! and the byte remain instructions that no check can cover; so a worker that takes a lease over looks before it writes.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::clock::later;
use crate::domain::{AccountUid, Kind, Mode, Operation, TraceContext};
use crate::engine::decide::decision::{Decision, Next, Observation, decide};
use crate::engine::guards::Pause;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::action::Side;
use crate::engine::ports::cloud::{Answer, CloudError, Failure, NoRoom};
use crate::engine::ports::crash_points::CrashPoint;
use crate::engine::ports::store::{Claimed, Committed, Filter, Lease, LeaseUse, StoreError};
use crate::engine::ports::trace::{Span, during, within};
use crate::engine::ports::urgency::{OnBehalf, Priority, Urgency};
use crate::engine::ports::write_permit::WritePermit;
use crate::engine::record::{Record, State, Write};
use crate::engine::seen::{Reads, Seen};
use crate::engine::spans::{about, write_context};
use crate::workflow::{Call, Class, Definition};

/// Pause after a store that could not be used.
pub(super) const STORE_PAUSE: Duration = Duration::from_secs(1);

/// A `Date` has whole seconds, and is followed if it is more than two off: a write may have been carried out so much later.
const DATE_STEP: Duration = Duration::from_secs(3);

/// A job in work, under its lease.
pub(super) struct Execution<'a> {
    engine: &'a Engine,
    record: Arc<Record>,
    lease: Lease,
    deadline: Duration,
    /// The operation that room in the budget is taken for.
    room: Option<Operation>,
}

/// A decision, with room in the budget for the write that it commits to.
enum Decided {
    /// It stands, and is to be committed.
    Stands(Box<Decision>),
    /// The budget has no room for its write in time: the job rests until there is some.
    Rests,
    /// The job was changed meanwhile.
    Conflict,
}

/// How many parked jobs are told at most that another one begins before them: they change in the commit with which it begins.
const MOST_OVERTAKEN: usize = 20;

/// How often a decision is made anew because the job was changed meanwhile: by a command, a pause, a limit.
const DECISIONS: u32 = 3;

impl<'a> Execution<'a> {
    /// Of a job just claimed. `deadline` is the end of its lease by the uptime clock.
    pub(super) fn new(engine: &'a Engine, claimed: Claimed, deadline: Duration) -> Self {
        Self { engine, record: Arc::new(claimed.record), lease: claimed.lease, deadline, room: None }
    }

    /// The record as it was committed last.
    pub(super) fn record(&self) -> &Record {
        &self.record
    }

    /// Decides, commits, and says what to do then. [`Next::Rest`] also when this worker has nothing more to do for the job:
    /// it was taken over, or it ended.
    pub(super) async fn decide(
        &mut self,
        definition: &Definition,
        mut observation: Observation,
    ) -> Result<Next, StoreError> {
        for _ in 0..DECISIONS {
            let (committed, decided, next) = match self.decided(definition, &observation).await? {
                Decided::Rests => return Ok(Next::Rest),
                Decided::Stands(decision) if !decision.commit => {
                    self.record = Arc::new(decision.record);
                    return Ok(decision.next);
                }
                Decided::Stands(decision) => {
                    let next = decision.next;
                    let (committed, decided) = self.commit(*decision).await?;
                    (committed, decided, next)
                }
                Decided::Conflict => (Committed::Conflict, Arc::clone(&self.record), Next::Rest),
            };
            match committed {
                Committed::Done if self.engine.crash_points.cut(CrashPoint::AfterCommit) => return Ok(Next::Rest),
                Committed::Done => return Ok(next),
                Committed::OverLimit(begun) => {
                    self.keep_look(&decided);
                    let most = self.engine.policy.get().limits().of(self.record.job.kind).unwrap_or_default();
                    observation = Observation::OverLimit { begun, most };
                }
                Committed::Locked(other) => {
                    self.keep_look(&decided);
                    observation = Observation::Locked(other);
                }
                // `None`: it was unpaused meanwhile, and the same decision can be committed now.
                Committed::Paused => {
                    if let Some(pause) = self.pause().await? {
                        self.keep_look(&decided);
                        observation = Observation::Paused(pause);
                    }
                }
                Committed::Conflict if self.reload(&mut observation).await? => {}
                Committed::Conflict => break,
            }
        }
        self.tell_taken_over(&observation);
        Ok(Next::Rest)
    }

    fn judge(&self, definition: &Definition, observation: &Observation) -> Decision {
        decide(&self.engine.context(definition), &self.record, observation, self.engine.clock.now())
    }

    /// Decides, and takes room in the budget for the write that the decision commits to, before it does: what was committed
    /// to and then had to wait might no longer be sent.
    async fn decided(&mut self, definition: &Definition, observation: &Observation) -> Result<Decided, StoreError> {
        let decision = self.judge(definition, observation);
        let Some((operation, account)) = self.needs_room(&decision) else {
            return Ok(Decided::Stands(Box::new(decision)));
        };
        let mut taken = self.room(&account, operation, self.engine.clock.uptime()).await;
        let mut waited = false;
        while let Err(NoRoom { opens_in }) = taken {
            let no_room = Observation::NoRoom { operation, account: account.clone(), opens_in, waited };
            let waits = self.judge(definition, &no_room);
            let next = waits.next;
            // This commit renews the lease for the wait.
            if self.commit(waits).await?.0 != Committed::Done {
                return Ok(Decided::Conflict);
            }
            if next != Next::AwaitRoom {
                return Ok(Decided::Rests);
            }
            let until = self.deadline.saturating_sub(self.engine.catalog.policies.attempt());
            taken = self.room(&account, operation, until).await;
            waited = true;
        }
        self.room = taken.ok().flatten();
        // After a wait another decision may follow from the same observation.
        Ok(Decided::Stands(Box::new(if waited { self.judge(definition, observation) } else { decision })))
    }

    /// The operation and account of the write that a decision commits to, unless room for it was taken already.
    fn needs_room(&self, decision: &Decision) -> Option<(Operation, AccountUid)> {
        let Next::Write(place) = decision.next else { return None };
        let write = decision.record.writes.get(place).filter(|_| self.room.is_none())?;
        Some((write.operation, write.account.clone()))
    }

    async fn room(&self, of: &AccountUid, operation: Operation, until: Duration) -> Result<Option<Operation>, NoRoom> {
        let urgency = Urgency { until: Some(until), ..self.of_requester() };
        urgency.scope(self.engine.cloud.room(of, operation)).await
    }

    /// Takes over what the job has become meanwhile, and what the jobs it would take over from have. False when it has ended.
    async fn reload(&mut self, observation: &mut Observation) -> Result<bool, StoreError> {
        match self.engine.store.load(self.record.uid).await? {
            Some(record) if !record.state().is_terminal() => self.record = Arc::new(record),
            _ => return Ok(false),
        }
        if let Observation::Looked { rivals, .. } = observation {
            *rivals = self.rivals().await?;
        }
        Ok(true)
    }

    /// What was observed could not be committed. By the cloud's own clock: what was done in time was seen by the worker that
    /// took over.
    fn tell_taken_over(&self, observation: &Observation) {
        let late = match observation {
            Observation::Answered { answer: Ok(answer), .. } => {
                answer.date.is_none_or(|at| later(at, DATE_STEP) > self.lease.until)
            }
            Observation::Answered { answer: Err(error), .. } => matches!(error.failure, Failure::Unanswered { .. }),
            _ => false,
        };
        if late {
            let job = &self.record.job;
            tracing::error!(
                job.uid = %self.record.uid, instance.id = %job.instance.id, cen.id = %job.cen.id,
                "a write may have been carried out after another worker took the job over; check what the instance is granted to"
            );
        } else {
            tracing::warn!(job.uid = %self.record.uid, "job released: it was taken over, or it ended meanwhile");
        }
    }

    /// Commits a decision. Returns the record of it too, committed or not.
    async fn commit(&mut self, decision: Decision) -> Result<(Committed, Arc<Record>), StoreError> {
        let (now, uptime) = (self.engine.clock.now(), self.engine.clock.uptime());
        let until = later(now, self.engine.kept());
        let rests = decision.next == Next::Rest;
        let lease = self.lease.clone();
        let lease = if rests { LeaseUse::Release(lease) } else { LeaseUse::Keep(lease, until) };
        let (change, moved) = self.engine.change(&self.record, decision, lease, now);
        let record = Arc::clone(&change.record);
        loop {
            match self.engine.store.commit(change.clone()).await {
                Ok(Committed::Done) => break,
                Ok(other) => return Ok((other, record)),
                // A commit may hold the answer to a write, so it is tried as long as the lease lasts; without it the next look
                // has to find out.
                Err(StoreError::Unavailable(why)) if self.engine.clock.uptime() < self.deadline => {
                    tracing::error!(job.uid = %record.uid, error = why, "cannot commit; tries again while the lease lasts");
                    self.engine.clock.sleep(STORE_PAUSE).await;
                }
                Err(error) => return Err(error),
            }
        }
        self.lease.until = until;
        self.deadline = uptime + self.engine.lease();
        if record.state().is_terminal() {
            tracing::info!(
                job.uid = %record.uid, job.id = %record.job.id, job.kind = %record.job.kind, cen.id = %record.job.cen.id,
                instance.id = %record.job.instance.id, job.state = record.state().as_str(), "{}", record.why
            );
        }
        self.record = Arc::clone(&record);
        self.engine.moved(&moved);
        if rests {
            // The next job in the queue of its instance may begin.
            self.engine.work.notify_one();
        }
        Ok((Committed::Done, record))
    }

    /// Keeps what the look showed, although the first write was not allowed.
    fn keep_look(&mut self, decided: &Record) {
        let record = Arc::make_mut(&mut self.record);
        // The decision counted the write, which is not made.
        record.calls = decided.calls.saturating_sub(1);
        record.before.clone_from(&decided.before);
        record.after.clone_from(&decided.after);
        record.unchecked.clone_from(&decided.unchecked);
    }

    /// The pause that the job is held by, if there is one.
    pub(super) async fn pause(&self) -> Result<Option<Pause>, StoreError> {
        if !self.record.may_be_held() {
            return Ok(None);
        }
        let pauses = self.engine.store.pauses().await?;
        Ok(pauses.into_iter().find(|pause| pause.touches(&self.record.job)))
    }

    /// Makes a look. Gives up room that was taken for a write.
    pub(super) async fn look(&mut self, reads: Reads, step: Option<&Call>) -> Result<Observation, StoreError> {
        self.room = None;
        let engine = self.engine;
        let began = engine.clock.uptime();
        // A look that outlasts the lease could never be committed.
        let room = self.deadline.saturating_sub(began + engine.catalog.policies.request_timeout);
        let limit = step.map_or(room, |call| call.timeout.min(room));
        let (looker, job) = (engine.looker(), &self.record.job);
        let span = self.span(&format!("look {began:?} of {}", engine.holder));
        if !self.record.objections.is_empty() {
            let look = looker.look_in_part(job, reads);
            let looked = tokio::time::timeout(limit, within(span, self.urgency(began, limit).scope(look))).await;
            self.tell_look(span, began, looked.is_err().then(|| "unanswered".into()));
            let (seen, unread) = looked.unwrap_or_else(|_| {
                (Seen::nothing(engine.clock.now()), vec![format!("a look took longer than {limit:?}")])
            });
            return Ok(Observation::SeenInPart { seen, unread, asked: reads });
        }
        // What one account reads is of no use without the other.
        if let Some(refused) =
            [&job.instance.owner, &job.cen.owner].map(|uid| engine.cloud.admits(uid)).into_iter().find_map(Result::err)
        {
            return Ok(Observation::LookFailed(refused));
        }
        let look = looker.look(job, reads);
        let look = within(span, self.urgency(began, limit).scope(look));
        let looked = tokio::time::timeout(limit, look).await.unwrap_or_else(|_| {
            let failure = Failure::Unanswered { why: format!("a look took longer than {limit:?}") };
            Err(CloudError::new(None, failure))
        });
        let what = match &looked {
            Ok(_) => "look",
            Err(error) if error.is_deferred() => "look-deferred",
            Err(_) => "look-failed",
        };
        engine.observer.tried(
            self.record.job.kind,
            &self.record.step,
            what,
            engine.clock.uptime().saturating_sub(began),
        );
        self.tell_look(span, began, looked.as_ref().err().map(CloudError::word));
        let seen = match looked {
            Ok(seen) => seen,
            Err(error) => return Ok(Observation::LookFailed(error)),
        };
        Ok(Observation::Looked { seen, rivals: self.rivals().await? })
    }

    /// The span of something that is done for the job now.
    fn span(&self, what: &str) -> Option<TraceContext> {
        self.engine.span_of(&self.record).map(|accepted| accepted.of(what))
    }

    fn tell_look(&self, span: Option<TraceContext>, began: Duration, error: Option<Cow<'static, str>>) {
        let (engine, record) = (self.engine, &self.record);
        let (Some(context), Some(accepted)) = (span.filter(|span| span.sampled), engine.span_of(record)) else {
            return;
        };
        let look = about(record, context, accepted, "look", engine.clock.at(began));
        let look = look.with("crossgrant.step", record.step.clone());
        engine.observer.span(Span { ended: engine.clock.now(), error, ..look });
    }

    /// The jobs that a job meets when it begins: the earlier ones on the instance that are parked and let it pass, and those that
    /// wait on the same grant, of the same two accounts. Only a job that has not written can take over from the latter or share
    /// their hour, and no job of kind grant does either.
    async fn rivals(&self) -> Result<Vec<Record>, StoreError> {
        if self.record.has_written() {
            return Ok(vec![]);
        }
        let mut rivals = self.overtaken().await?;
        if self.record.job.kind != Kind::Grant {
            rivals.extend(self.waiting_on_the_grant().await?);
        }
        Ok(rivals)
    }

    /// The jobs on the instance, of the same owner, that were accepted before this one, are parked and do not block it. A plan
    /// overtakes no job.
    async fn overtaken(&self) -> Result<Vec<Record>, StoreError> {
        let Record { uid, job, .. } = &*self.record;
        if job.mode == Mode::Plan {
            return Ok(vec![]);
        }
        let (states, instance) = (vec![State::Parked], Some(job.instance.id.clone()));
        let parked = Filter { states, instance, before: Some(*uid), limit: MOST_OVERTAKEN, ..Filter::default() };
        let parked = self.engine.store.list(&parked).await?;
        let passed = |other: &Record| other.job.instance.owner == job.instance.owner && !other.phase.in_queue();
        Ok(parked.into_iter().filter(passed).collect())
    }

    async fn waiting_on_the_grant(&self) -> Result<Vec<Record>, StoreError> {
        let job = &self.record.job;
        let waiting = self.engine.store.waiting_on(&job.instance.id, &job.cen.id).await?;
        let same =
            |rival: &Record| rival.job.instance.owner == job.instance.owner && rival.job.cen.owner == job.cen.owner;
        Ok(waiting.into_iter().filter(|rival| rival.uid != self.record.uid && same(rival)).collect())
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
            tracing::warn!(job.uid = %self.record.uid, "write not sent: the lease may end before the answer");
            return None;
        }
        let permit = WritePermit::new(Arc::clone(&engine.clock), Arc::clone(&engine.crash_points), self.deadline);
        let accepted = engine.span_of(&self.record);
        let span = accepted.map(|accepted| write_context(accepted, place, write.sends));
        let mut answer = within(span, self.send(write, call, room, &permit)).await;
        if engine.crash_points.twice() {
            answer = within(span, self.send(write, call, room, &permit)).await;
        }
        if permit.was_refused() {
            tracing::warn!(job.uid = %self.record.uid, "write not sent: the lease ended first");
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
        during(span, || match &answer {
            Ok(answer) => tracing::info!(
                job.uid = %self.record.uid, cloud.operation = %write.operation, cloud.request_id = %answer.request_id,
                account.uid = %write.account, resource.id = %write.resource, "wrote"
            ),
            // What refuses the credential of an account is said once, of the account.
            Err(error) if matches!(error.class(&engine.catalog.classes), Class::Auth | Class::Credential) => {
                tracing::debug!(job.uid = %self.record.uid, account.uid = %write.account, %error, "a write was refused");
            }
            // What the account lacks is refused to all its jobs alike; the log warns of the first that parks for it.
            Err(error) if matches!(error.class(&engine.catalog.classes), Class::Account | Class::Held) => {
                tracing::info!(
                    job.uid = %self.record.uid, cloud.operation = %write.operation, account.uid = %write.account,
                    resource.id = %write.resource, %error, "a write was refused"
                );
            }
            Err(error) => tracing::warn!(
                job.uid = %self.record.uid, cloud.operation = %write.operation, account.uid = %write.account,
                resource.id = %write.resource, %error, "a write failed"
            ),
        });
        Some(answer)
    }

    /// How long calls that may take `limit` may wait for their budget. The time of one request is kept back, so that a call
    /// that waited in vain is known not to have been sent.
    fn urgency(&self, began: Duration, limit: Duration) -> Urgency {
        let request = self.engine.catalog.policies.request_timeout;
        Urgency { until: Some(began + limit.saturating_sub(request)), ..self.of_requester() }
    }

    fn of_requester(&self) -> Urgency {
        let on_behalf = OnBehalf::of(&self.record.requester);
        Urgency { priority: Priority::Job, on_behalf, until: None, room: None }
    }

    async fn send(
        &self,
        write: &Write,
        call: &Call,
        room: Option<Operation>,
        permit: &Arc<WritePermit>,
    ) -> Result<Answer<()>, CloudError> {
        let verb = if write.undo { call.undo.as_deref().unwrap_or_default() } else { &call.verb };
        let job = &self.record.job;
        let act = async {
            match self.engine.registry.get(verb).map(|action| action.side()) {
                Some(Side::Resource(action)) => {
                    let client = self.engine.cloud.resource_writer(&job.instance.owner, Arc::clone(permit)).await?;
                    action.act(client.as_ref(), job, write).await
                }
                Some(Side::TransitRouter(action)) => {
                    let client = self.engine.cloud.transit_router_writer(&job.cen.owner, Arc::clone(permit)).await?;
                    action.act(client.as_ref(), job, write).await
                }
                Some(Side::Readers) | None => {
                    Err(CloudError::not_sent(write.operation, format!("{verb:?} does not write")))
                }
            }
        };
        let limit = self.limit(call);
        let urgency = Urgency { room, ..self.urgency(self.engine.clock.uptime(), limit) };
        match tokio::time::timeout(limit, urgency.scope(act)).await {
            Ok(answer) => answer,
            Err(_) => {
                let failure = Failure::Unanswered { why: format!("no answer within {limit:?}") };
                Err(CloudError::new(write.operation, failure))
            }
        }
    }

    /// How long one send of a write may last.
    fn limit(&self, call: &Call) -> Duration {
        call.timeout.min(self.engine.catalog.policies.attempt())
    }
}
