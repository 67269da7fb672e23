//! Writes: when an intent is committed, what an answer means, and what a look means while an intent is outstanding.
//!
//! The race: grant and revoke carry no ClientToken, reads may lag behind writes, and a write whose answer was lost may still
//! land. So "not shown" means "not done" only once `settle` has passed since the last send could have ended, and only if both
//! witnesses agree; until then the job looks again. A write with a ClientToken may be sent again at once: the token is the
//! same, so it cannot take effect twice.

use jiff::Timestamp;
use uuid::Uuid;

use crate::clock::later;
use crate::domain::{EventType, Kind, Operation, Reason, whole_second};
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::ports::action::{Action, Intended};
use crate::engine::record::{Image, Judged, Outcome, Overtaker, Record, State, Write};
use crate::engine::seen::{Reads, Seen};
use crate::workflow::{Call, Class, Finding, Refused};

impl Deciding<'_> {
    /// A step wants a write. Whether it may be sent now depends on the outcome of the last one like it.
    pub(super) fn wants(&mut self, call: &Call, intended: Intended, seen: &Seen, rivals: &[Record]) -> Next {
        let Some(place) = self.last_write(&intended.resource) else {
            return self.begin(intended, rivals);
        };
        let write = self.record.writes[place].clone();
        match write.outcome {
            Outcome::Refused { retry: true, .. } => self.send_again(place),
            Outcome::Refused { unclassified: true, at, .. } if seen.at < later(at, self.context.policies.settle) => {
                self.poll(format!("looks whether {} took effect although it was refused", write.operation))
            }
            Outcome::Refused { ref code, ref message, unclassified, at, .. } => {
                let text = format!("{} was refused: {code}: {message}", write.operation);
                self.believe(place);
                if call.refused == Refused::Retry && self.record.has_written() {
                    self.reopen(place);
                    return self.again(&call.retry, text);
                }
                let judged = self.judged(&write);
                let class = judged.as_ref().map(|judged| judged.class);
                let action = self.action(call);
                // What counts is when it was refused: in that hour, or when it was over for sure.
                let cool =
                    later(later(self.record.trying_since, self.context.hour.length()), self.context.policies.settle);
                if class == Some(Class::Unknown) && action.is_some_and(Action::changes_payer) && at < cool {
                    return self.cool_down(place, text, cool);
                }
                if let Some(Judged { finding: Some(Finding::Instance), meaning, .. }) = judged
                    && !self.record.has_written()
                {
                    let finding = format!("{}: {meaning}", text.trim_end_matches('.'));
                    return self.refused(Reason::PreflightFailed, finding.clone(), vec![finding]);
                }
                let parks_for = match class {
                    Some(Class::Held) => Some(Reason::CredentialRefused),
                    Some(Class::Account) => Some(Reason::AccountNotReady),
                    _ => None,
                };
                if let Some(reason) = parks_for.filter(|_| !self.record.has_written() && self.record.undo.is_none()) {
                    return self.park(reason, format!("account {}: {text}", write.account));
                }
                let behind = action.and_then(|action| action.unforeseeable(&self.view(), code, !unclassified));
                self.refused(Reason::RefusedByCloud, text, behind.map(str::to_owned).into_iter().collect())
            }
            Outcome::Unknown if write.client_token.is_some() => self.send_again(place),
            Outcome::Unknown => {
                // What counts is when the look began: the state it shows may be as old as that.
                if seen.at < later(self.over_by(&write), self.context.policies.settle) {
                    self.poll(format!("it is not known yet whether {} took effect", write.operation))
                } else if seen.covers(Reads::WITNESSES) {
                    self.send_again(place)
                } else {
                    // With what the step itself must see, or the two would ask for each other's look for ever.
                    let needs = self.action(call).map_or(Reads::ALL, |action| action.reads(&self.view()));
                    Next::Look(needs.and(Reads::WITNESSES))
                }
            }
            Outcome::Accepted { at, .. } | Outcome::Seen { at } => {
                let why = format!("{} was accepted and does not show yet", write.operation);
                if self.now < later(at, self.context.policies.settle) {
                    self.poll(why)
                } else {
                    self.again("busy", why)
                }
            }
        }
    }

    /// Commits to a write that was not made before. With the first write a job begins: expiry is tested, and older jobs that
    /// wait on the same grant give way in the same commit.
    fn begin(&mut self, intended: Intended, rivals: &[Record]) -> Next {
        if let Some(at) = self.record.restored_at {
            return self.waits_after_restore(intended.operation, at);
        }
        if self.record.writes.is_empty() {
            if self.is_expired() {
                return self.expire();
            }
            // The look it follows from, not the first there was: a job may have stood still in between.
            self.record.before = self.record.after.clone().or(self.record.before.take());
        }
        if !self.record.has_written() {
            self.supersede(rivals);
            self.overtake(rivals);
            self.begins();
        }
        let generation = self.record.generation;
        let token = intended.operation.takes_client_token().then(|| self.client_token(&intended));
        self.record.writes.push(Write {
            step: self.record.step.clone(),
            operation: intended.operation,
            account: intended.operation.account(&self.record.job).clone(),
            resource: intended.resource,
            order_type: intended.order_type,
            undo: self.record.undo.is_some(),
            generation,
            client_token: token,
            sends: 0,
            unsettled: false,
            intended_at: self.now,
            outcome: Outcome::Unknown,
        });
        self.send_again(self.record.writes.len() - 1)
    }

    /// Marks the commit as the beginning of the job, which an hourly limit or a pause may refuse.
    fn begins(&mut self) {
        self.begins = true;
        self.record.begun_at = Some(self.now);
    }

    /// Parks instead of a write: after the backup that the store was put back from, this job may have made it, and another may
    /// have taken it back.
    fn waits_after_restore(&mut self, operation: Operation, at: Timestamp) -> Next {
        let message = format!(
            "it would call {operation}, but the store was put back from a backup at {at}, and what happened after that backup \
             is not known"
        );
        self.park(Reason::Restored, message)
    }

    fn send_again(&mut self, place: usize) -> Next {
        if let Some(at) = self.record.restored_at {
            return self.waits_after_restore(self.record.writes[place].operation, at);
        }
        if self.is_expired() {
            return self.expire();
        }
        if !self.record.has_written() {
            self.begins();
        }
        let write = &mut self.record.writes[place];
        write.unsettled |= write.sends > 0 && write.outcome == Outcome::Unknown && write.client_token.is_some();
        write.sends += 1;
        write.intended_at = self.now;
        write.outcome = Outcome::Unknown;
        let operation = write.operation;
        self.record.attempts += 1;
        self.record.calls += 1;
        self.record.phase.rest_until(self.now);
        self.record.why = format!("calls {operation}");
        self.commit = true;
        Next::Write(place)
    }

    /// Tries a refused payer change again. The cloud allows none within an hour of the last change or of the attaching, and no
    /// page names the code (API §K). The caller has checked that it was refused before `until`, when that hour is over for sure.
    /// Publishes `waiting` at the first such try if the other half is written.
    fn cool_down(&mut self, place: usize, text: String, until: Timestamp) -> Next {
        self.reopen(place);
        let half = self.tells_half_done(0);
        self.again(
            "state",
            format!(
                "{half}{text}; asks again until {}, as a payer may not change twice in an hour",
                whole_second(until)
            ),
        )
    }

    /// Publishes `waiting` at the `nth` try in a row if one half of a payer change is written and the other has to wait.
    /// Returns how the sentence about it begins.
    pub(super) fn tells_half_done(&mut self, nth: u32) -> &'static str {
        if !self.record.has_written() {
            return "";
        }
        if self.record.attempt == nth {
            self.says.push(EventType::Waiting);
        }
        "half done: "
    }

    /// Lets a refused write be sent again.
    fn reopen(&mut self, place: usize) {
        if let Outcome::Refused { retry, .. } = &mut self.record.writes[place].outcome {
            *retry = true;
        }
    }

    /// The same for every send of one write; another for another value, after a resume and in an undo.
    fn client_token(&self, intended: &Intended) -> String {
        let value = intended.order_type.map_or("", |order_type| order_type.as_str());
        let (step, generation) = (&self.record.step, self.record.generation);
        let name = format!("{step}/{}/{}/{value}/{generation}", intended.operation, intended.resource);
        Uuid::new_v5(&self.record.uid.0, name.as_bytes()).to_string()
    }

    /// The last write of this step to `resource`, in this direction, that still counts: of this generation, or with an
    /// unknown outcome. Returns its index.
    fn last_write(&self, resource: &str) -> Option<usize> {
        let (step, undo, generation) = (&self.record.step, self.record.undo.is_some(), self.record.generation);
        self.record.writes.iter().rposition(|w| {
            w.step == *step
                && w.resource == resource
                && w.undo == undo
                && (w.generation == generation || w.outcome == Outcome::Unknown)
        })
    }

    /// When the last send of a write had ended at the latest, on any worker.
    fn over_by(&self, write: &Write) -> Timestamp {
        later(write.intended_at, self.context.policies.attempt())
    }

    /// Rests if a write may still land. In an undo also if one that landed may not be shown yet: a look that lags shows the
    /// state before the write, which is just what the undo waits for.
    pub(super) fn unsettled_rest(&mut self, seen: &Seen) -> Option<Next> {
        let settle = self.context.policies.settle;
        let undoing = self.record.undo.is_some();
        let since = |write: &Write| match write.outcome {
            Outcome::Unknown => Some(self.over_by(write)),
            Outcome::Refused { unclassified: true, at, .. } => Some(at),
            Outcome::Accepted { at, .. } | Outcome::Seen { at } if undoing && !write.undo => Some(at),
            _ => None,
        };
        let unsettled = self.record.writes.iter().filter_map(since).any(|since| seen.at < later(since, settle));
        unsettled.then(|| self.poll("the last write may not be shown yet".into()))
    }

    /// Whether a look is late enough to show every write that landed.
    pub(super) fn is_settled(&self, seen: &Seen) -> bool {
        self.settled_at().is_none_or(|settled| seen.at >= settled)
    }

    /// From when on a look shows every write that landed; `None` if there is nothing to wait for.
    pub(super) fn settled_at(&self) -> Option<Timestamp> {
        let since = |write: &Write| match write.outcome {
            Outcome::Unknown => Some(self.over_by(write)),
            Outcome::Accepted { at, .. } | Outcome::Seen { at } => Some(at),
            Outcome::Refused { unclassified: true, at, .. } => Some(at),
            Outcome::Refused { .. } => None,
        };
        let last = self.record.writes.iter().filter_map(since).max();
        last.map(|last| later(last, self.context.policies.settle))
    }

    /// Looks again after `settle-poll`. Not a failed try.
    fn poll(&mut self, why: String) -> Next {
        self.record.phase.rest_until(later(self.now, self.context.policies.settle_poll));
        self.record.why = why;
        Next::Rest
    }

    /// When the last write was answered or seen, by the clock of this machine.
    pub(super) fn last_write_at(&self) -> Option<Timestamp> {
        let at = |write: &Write| match write.outcome {
            Outcome::Accepted { at, .. } | Outcome::Seen { at } => Some(at),
            Outcome::Unknown => Some(write.intended_at),
            Outcome::Refused { .. } => None,
        };
        self.record.writes.iter().filter_map(at).max()
    }

    /// The `Date` of the last answer to a write.
    pub(super) fn last_accepted(&self) -> Option<Timestamp> {
        let date = |write: &Write| match write.outcome {
            Outcome::Accepted { at, date, .. } => Some(date.unwrap_or(at)),
            _ => None,
        };
        self.record.writes.iter().filter_map(date).max()
    }

    /// A newer payer change or revoke takes over from jobs that wait on the same grant. If the hour of such a job has come, the
    /// look of this job tells first whether its change has taken effect.
    fn supersede(&mut self, rivals: &[Record]) {
        if self.record.job.kind == Kind::Grant || self.record.undo.is_some() {
            return;
        }
        for rival in rivals.iter().filter(|rival| rival.state() == State::Waiting) {
            let mut old = Deciding::new(self.context, rival.clone(), self.now);
            match self.shows_effective(rival) {
                Some(after) => {
                    let at = after.at;
                    old.record.after = Some(after);
                    // What waited to be back where it was is undone by this, not completed.
                    old.effective(at);
                }
                None => {
                    let message = format!("job {} took over before the change took effect", self.record.uid);
                    old.finish(State::Superseded, Reason::SupersededByNewer, message, vec![]);
                }
            }
            let record = old.record;
            self.also.extend(old.says.into_iter().map(|said| (record.clone(), said)));
        }
    }

    /// Earlier jobs that are parked are told that this one begins before them.
    fn overtake(&mut self, rivals: &[Record]) {
        let Record { uid, requester, job, .. } = &self.record;
        let (id, requester, kind) = (job.id.clone(), requester.clone(), job.kind);
        let overtaker = Overtaker { uid: *uid, id, requester, kind, at: self.now };
        let told = |rival: &Record| rival.overtaken_by.as_ref().is_some_and(|by| by.uid == overtaker.uid);
        for rival in rivals.iter().filter(|rival| rival.state() == State::Parked && !told(rival)) {
            let record = Record { overtaken_by: Some(overtaker.clone()), ..rival.clone() };
            self.also.push((record, EventType::Overtaken));
        }
    }

    /// The last image of this job, if it shows in force what `rival` waits for, and was taken after the hour of `rival`.
    fn shows_effective(&self, rival: &Record) -> Option<Image> {
        let (wait, after) = (rival.wait.as_ref()?, self.record.after.as_ref()?);
        let in_force = wait.expected_at <= self.now
            && after.at >= wait.expected_at
            && after.order_type == Some(wait.goal)
            && after.effective_order_type == Some(wait.goal);
        in_force.then(|| after.clone())
    }
}
