//! Explains a job to an operator: why it is in its state, until when, and what happens next. Pure.

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::domain::{AccountUid, JobUid, whole_second};
use crate::engine::record::{Ending, Phase, Record, State, Turn, Undo};

/// What an operator is told of a job.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Explanation {
    /// Why the job is in its state, in one sentence.
    pub why: String,
    /// When something happens next by itself. `None` when that is now or never, or when another job decides it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
    /// When it parks if the tries of its step bring no progress until then.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub gives_up: Option<Timestamp>,
    /// What happens next, or what a person can do, in one sentence.
    pub next: String,
    /// The job on the same instance that comes first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub blocker: Option<JobUid>,
}

/// Explains a job at `now`. `first` is the first job in the queue of its instance, which may be the job itself;
/// `can_cancel` tells whether a cancel would be carried out.
pub fn explain(record: &Record, first: Option<&Record>, can_cancel: bool, now: Timestamp) -> Explanation {
    match &record.phase {
        Phase::Queued(Turn::Held { account, .. }) | Phase::Running(Turn::Held { account, .. }) => {
            held(record, account, now)
        }
        Phase::Queued(_) => queued(record, first.filter(|first| first.uid != record.uid), now),
        Phase::Running(_) => running(record, now),
        Phase::Waiting { .. } => waiting(record, now),
        Phase::Parked { ending, .. } => parked(record, ending, can_cancel),
        Phase::Ended { state, ending, .. } => ended(*state, ending),
    }
}

impl Explanation {
    /// The same, for who may not see the job that comes first.
    pub fn blocked_by_another(self) -> Self {
        let why = "a job of another requester on the same instance comes first".into();
        Self { why, next: "starts when that job has ended or waits for the hour".into(), blocker: None, ..self }
    }

    /// The same, of a job behind one that cannot be read, for the reason `why`.
    pub fn behind_unreadable(self, first: JobUid, why: &str) -> Self {
        let why = format!("the job that comes first on the same instance cannot be read: {why}");
        let next = format!("starts when the row of job {first} was mended; `crossgrant explain unreadable` says how");
        Self { why, next, until: None, blocker: Some(first), ..self }
    }

    /// The same, of a job one of whose accounts is refused: the sentence that says so, and what to do. A job that waits for a person or has ended
    /// does not wait for that.
    pub fn held(self, record: &Record, refused: Option<(String, &str)>) -> Self {
        let goes_on = matches!(record.state(), State::Queued | State::Running | State::Waiting);
        match refused.filter(|_| goes_on && record.phase.held().is_none()) {
            Some((why, mends)) => {
                let mut next = mends.to_owned();
                if record.has_written() {
                    next.push_str(
                        ". If it will not be taken again, see in both accounts how the instance stands, then `release` lets \
                         the other jobs on it go on",
                    );
                }
                Self { why, until: None, gives_up: None, next, ..self }
            }
            None => self,
        }
    }
}

fn held(record: &Record, account: &AccountUid, now: Timestamp) -> Explanation {
    let next = match record.job.not_after {
        Some(at) => format!(
            "starts after `crossgrant unpause {account}`; fails as expired if that is not by {}",
            whole_second(at)
        ),
        None => format!("starts after `crossgrant unpause {account}`"),
    };
    explanation(record.why.clone(), record.phase.due().filter(|due| *due > now), next)
}

fn queued(record: &Record, blocker: Option<&Record>, now: Timestamp) -> Explanation {
    let due = record.phase.due().filter(|due| *due > now);
    if let Some(until) = due {
        let why = if record.why.is_empty() {
            format!("the job asks not to start before {}", whole_second(until))
        } else {
            record.why.clone()
        };
        return explanation(why, Some(until), "then it queues behind the other jobs on its instance");
    }
    let Some(first) = blocker else {
        return explanation("it is the first job on its instance", None, "starts as soon as a worker has room");
    };
    let job = format!("job {} ({} {})", first.job.id, first.job.kind, first.state().as_str());
    let (why, next) = if first.phase.held().is_some() {
        let why = format!("{job} on the same instance comes first, and {}", first.why);
        (why, format!("starts when job {} has ended or waits for the hour", first.job.id))
    } else if first.is_half_done() {
        let why = format!("{job} on the same instance is parked half done, and must be put right first");
        let id = &first.job.id;
        (why, format!("starts when job {id} has ended: `resume` or `cancel` that job, or `release` its instance"))
    } else {
        let next = format!("starts when job {} has ended or waits for the hour", first.job.id);
        (format!("{job} on the same instance comes first"), next)
    };
    Explanation { why, until: None, gives_up: None, next, blocker: Some(first.uid) }
}

fn running(record: &Record, now: Timestamp) -> Explanation {
    let step = &record.step;
    let until = record.phase.due().filter(|due| *due > now);
    let why = match &record.undo {
        Some(undo) if record.why.is_empty() || record.why.ends_with(&undo.message) => cause(undo),
        Some(undo) => format!("{}; now: {}", cause(undo), record.why),
        None if record.why.is_empty() => format!("a worker is working on step {step}"),
        None => record.why.clone(),
    };
    let next = match (&record.undo, until) {
        (Some(undo), _) => {
            let again = if until.is_some() && record.attempt > 0 { "tries again: " } else { "" };
            let Undo { ends, reason, .. } = undo;
            format!("{again}{}, then ends as {} ({reason})", puts_back(record), ends.as_str())
        }
        (None, Some(_)) if record.attempt > 0 => {
            format!("then it tries step {step} again (try {})", record.attempt + 1)
        }
        (None, Some(_)) => format!("then it checks step {step} again"),
        (None, None) => format!("a worker is working on step {step} now"),
    };
    let gives_up = record.gives_up_at.filter(|_| until.is_some() && record.attempt > 0);
    Explanation { gives_up, ..explanation(why, until, next) }
}

/// Why a job goes back.
fn cause(undo: &Undo) -> String {
    format!("it goes back, because {}", undo.message.trim_end_matches('.'))
}

/// What the present step of a job that goes back does.
fn puts_back(record: &Record) -> String {
    let payer = record.before.as_ref().and_then(|before| before.order_type);
    let undone = record.writes.iter().rfind(|write| !write.undo && write.step == record.step);
    match (undone, payer) {
        // Of the calls that name a payer, those with a ClientToken change that of a grant or an attachment that is there.
        (Some(write), Some(payer)) if write.order_type.is_some() && write.operation.takes_client_token() => {
            format!("puts {payer} back in account {}", write.account)
        }
        (Some(write), _) => format!("undoes {} in account {}", write.operation, write.account),
        (None, _) => "puts back what was written".to_owned(),
    }
}

fn waiting(record: &Record, now: Timestamp) -> Explanation {
    let Some(wait) = &record.wait else {
        return explanation(record.why.clone(), record.phase.due(), "then it reads the cloud again");
    };
    let goal = wait.goal;
    let why = if wait.overdue {
        format!("{goal} is written, and is overdue: it should be in force since {}", whole_second(wait.expected_at))
    } else {
        format!("{goal} is written and takes effect at {}", whole_second(wait.expected_at))
    };
    let until = record.phase.due().unwrap_or(wait.expected_at);
    let until = (until > now).then_some(until);
    let next = if wait.doubt {
        "the sweep got no clear answer, so the job itself reads both accounts".to_owned()
    } else {
        format!("then the sweep checks whether {goal} is in force, and repeats that until it is")
    };
    explanation(why, until, next)
}

fn parked(record: &Record, ending: &Ending, can_cancel: bool) -> Explanation {
    let stopped = format!("{} ({})", ending.message.trim_end_matches('.'), ending.reason);
    let why = match &record.undo {
        Some(undo) => format!("{}; going back stopped: {stopped}", cause(undo)),
        None => stopped,
    };
    if let Some(undo) = record.undo.as_ref().filter(|_| record.is_half_done()) {
        let next = format!(
            "half done, and other jobs on the instance wait. Remove the cause, then `resume` goes on going back: it {}, then \
             ends as {}. `cancel` does nothing more, because the job goes back already",
            puts_back(record),
            undo.ends.as_str()
        );
        return explanation(why, None, further(ending, &next));
    }
    let next = if record.needs_approval() {
        "`approve` starts it, `cancel` ends it. Nothing was written, and it does not start by itself in the next hour"
    } else if record.is_half_done() && !can_cancel {
        "half done, and other jobs on the instance wait. Remove the cause, then `resume` goes on to what the job asks for. It \
         cannot be cancelled, because not everything that was written can be put back. If the cause cannot be removed, see in \
         both accounts how the instance stands, then `release` lets the other jobs go on"
    } else if record.is_half_done() {
        "half done, and other jobs on the instance wait. Remove the cause, then `resume` goes on to what the job asks for, or \
         `cancel` puts back what was written"
    } else if record.has_written() && record.wait.is_none() {
        "an operator has released its instance, and what it wrote stands as it is. `resume` goes on from here"
    } else if record.wait.is_some() {
        "remove the cause, then `resume` continues the wait. Both writes are made, so it cannot be cancelled"
    } else {
        "remove the cause, then `resume` goes on from here, or `cancel` ends it. Nothing is half done"
    };
    explanation(why, None, further(ending, next))
}

fn ended(state: State, ending: &Ending) -> Explanation {
    let next = match state {
        State::Failed => further(ending, "nothing; to try again, submit a new job with a new id"),
        State::Cancelled => "nothing; to try again, submit a new job with a new id".into(),
        State::Superseded => "nothing; a newer job on the same grant replaced it".into(),
        _ => "nothing; the job has ended".into(),
    };
    explanation(ending.message.clone(), None, next)
}

/// Adds where to read more about the reason.
fn further(ending: &Ending, next: &str) -> String {
    format!("{next}. More: `crossgrant explain {}`", ending.reason)
}

fn explanation(why: impl Into<String>, until: Option<Timestamp>, next: impl Into<String>) -> Explanation {
    Explanation { why: why.into(), until, gives_up: None, next: next.into(), blocker: None }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record, write};
    use crate::domain::{Operation, OrderType, Reason};
    use crate::engine::record::{Image, Outcome, Wait, Write};

    const NOW: &str = "2026-11-21T10:20:00Z";

    fn of(record: &Record) -> Explanation {
        explain(record, None, true, at(NOW))
    }

    fn active(phase: impl Fn(Turn) -> Phase, due: &str) -> Record {
        Record { phase: phase(Turn::Due(at(due))), ..record("NET-1") }
    }

    fn parked(reason: Reason, half_done: bool) -> Record {
        Record { phase: Phase::Parked { ending: ending(reason), half_done }, ..record("NET-1") }
    }

    fn ended(state: State, reason: Reason) -> Record {
        Record { phase: Phase::Ended { state, ending: ending(reason), at: at(NOW) }, ..record("NET-1") }
    }

    fn written(record: Record) -> Record {
        let revoked = write(Operation::RevokeInstanceFromTransitRouter, Outcome::Unknown);
        Record { writes: vec![Write { step: "revoke".into(), ..revoked }], ..record }
    }

    fn wait(overdue: bool, doubt: bool) -> Option<Wait> {
        let goal = OrderType::PayByResourceOwner;
        let (expected_at, since) = (at("2026-11-21T11:00:00Z"), at(NOW));
        Some(Wait { goal, expected_at, since, last_pending: None, unmet_since: None, doubt, overdue })
    }

    fn ending(reason: Reason) -> Ending {
        Ending { reason, message: "the cloud said no.".into(), findings: vec![] }
    }

    #[test]
    fn a_queued_job_names_its_time_or_its_blocker_or_that_it_is_first() {
        let turn = Turn::NotBefore(at("2026-11-21T12:00:00Z"));
        let later = Record { phase: Phase::Queued(turn), why: String::new(), ..record("NET-1") };
        let said = of(&later);
        assert_eq!((said.until, said.blocker), (later.phase.due(), None));
        assert!(said.why.contains("not to start before 2026-11-21T12:00:00Z"), "{}", said.why);

        let queued = active(Phase::Queued, NOW);
        assert_eq!(explain(&queued, Some(&queued), true, at(NOW)).why, "it is the first job on its instance");

        let first = Record { phase: Phase::Running(Turn::Due(at(NOW))), ..record("NET-0") };
        let said = explain(&queued, Some(&first), true, at(NOW));
        assert_eq!((said.blocker, said.until), (Some(first.uid), None));
        assert!(
            said.why.contains("job NET-0 (payer-change running)") && said.why.contains("comes first"),
            "{}",
            said.why
        );

        let half = written(Record { uid: record("NET-0").uid, ..parked(Reason::HalfDone, true) });
        let said = explain(&queued, Some(&half), true, at(NOW));
        assert_eq!(said.blocker, Some(half.uid));
        assert!(said.why.contains("parked half done") && said.next.contains("`resume` or `cancel`"), "{said:?}");
    }

    #[test]
    fn a_running_job_says_whether_it_tries_again_and_when() {
        let busy = Record { why: "calls ModifyGrant".into(), ..active(Phase::Running, NOW) };
        assert_eq!((of(&busy).until, of(&busy).why.as_str()), (None, "calls ModifyGrant"));
        assert!(of(&busy).next.contains("is working on step survey now"));
        let gives_up_at = Some(at("2026-11-21T16:20:00Z"));
        let trying = Record { attempt: 1, gives_up_at, ..active(Phase::Running, "2026-11-21T10:21:00Z") };
        assert_eq!((of(&trying).until, of(&trying).gives_up), (trying.phase.due(), gives_up_at));
        assert!(of(&trying).next.contains("tries step survey again (try 2)"));
        let looking = Record { attempt: 0, ..trying };
        assert!(of(&looking).next.contains("checks step survey again"));
    }

    /// The grant is modified in the resource account, the other account has refused, and the job goes back.
    fn going_back(record: Record) -> Record {
        let refused =
            "UpdateTransitRouterVpcAttachmentAttribute was refused in account 1250123456123456: Forbidden.RAM";
        let undo = Undo { ends: State::Failed, reason: Reason::RefusedByCloud, message: refused.into() };
        let mut record = written(Record { undo: Some(undo), step: "modify-grant".into(), ..record });
        record.writes[0].step = "modify-grant".into();
        record.writes[0].operation = Operation::ModifyGrantInstanceToTransitRouter;
        record.writes[0].order_type = Some(OrderType::PayByResourceOwner);
        record.before = Some(Image {
            at: at(NOW),
            granted: true,
            order_type: Some(OrderType::PayByCenOwner),
            effective_order_type: Some(OrderType::PayByCenOwner),
            attachments: None,
        });
        record
    }

    #[test]
    fn a_job_that_goes_back_says_so_and_why_and_how_it_ends() {
        let why = "it goes back, because UpdateTransitRouterVpcAttachmentAttribute was refused in account 1250123456123456: \
                   Forbidden.RAM";
        let puts_back = "puts PayByCenOwner back in account 1688000000000001, then ends as failed (refused-by-cloud)";
        let back = going_back(Record { why: String::new(), ..active(Phase::Running, NOW) });
        assert_eq!((of(&back).why.as_str(), of(&back).next.as_str()), (why, puts_back));
        let again = "the last write may not be shown yet";
        let tries =
            Record { attempt: 2, why: again.into(), ..going_back(active(Phase::Running, "2026-11-21T10:21:00Z")) };
        assert_eq!(
            (of(&tries).why, of(&tries).next),
            (format!("{why}; now: {again}"), format!("tries again: {puts_back}"))
        );

        let parked = going_back(parked(Reason::HalfDone, true));
        let said = explain(&parked, None, false, at(NOW));
        assert_eq!(said.why, format!("{why}; going back stopped: the cloud said no (half-done)"));
        assert!(said.next.contains("`resume` goes on going back: it puts PayByCenOwner back"), "{said:?}");
        assert!(said.next.contains("`cancel` does nothing more"), "{said:?}");
    }

    #[test]
    fn a_waiting_job_names_its_hour() {
        let phase = Phase::Waiting { due: at("2026-11-21T11:00:00Z") };
        let waiting = Record { phase, wait: wait(false, false), ..record("NET-1") };
        let said = of(&waiting);
        assert_eq!(said.until, waiting.phase.due());
        assert!(said.why.contains("takes effect at 2026-11-21T11:00:00Z") && said.next.contains("sweep"), "{said:?}");
        let doubtful = Record { wait: wait(false, true), ..waiting.clone() };
        assert!(of(&doubtful).next.contains("reads both accounts"));
        let overdue = Record { wait: wait(true, false), ..waiting.clone() };
        assert!(of(&overdue).why.contains("overdue"));
        assert_eq!(explain(&waiting, None, false, at("2026-11-21T11:00:01Z")).until, None);
    }

    #[test]
    fn a_parked_job_says_what_a_person_can_do() {
        let said = of(&parked(Reason::GaveUp, false));
        assert_eq!(said.why, "the cloud said no (gave-up)");
        assert!(said.next.contains("`resume`") && said.next.contains("`cancel` ends it"), "{said:?}");
        assert!(said.next.ends_with("More: `crossgrant explain gave-up`"), "{said:?}");
        let half = written(parked(Reason::GaveUp, true));
        assert!(of(&half).next.starts_with("half done") && of(&half).next.contains("`cancel` puts back"));
        assert!(explain(&half, None, false, at(NOW)).next.contains("cannot be cancelled"));
        let waited = written(Record { wait: wait(true, false), ..parked(Reason::GaveUp, false) });
        assert!(of(&waited).next.contains("cannot be cancelled"));
    }

    #[test]
    fn a_job_that_a_guard_keeps_back_says_what_lets_it_begin() {
        let said = of(&parked(Reason::NeedsApproval, false)).next;
        assert!(said.starts_with("`approve` starts it") && !said.contains("resume"), "{said}");

        let account = AccountUid::parse("1688000000000001").unwrap();
        let why = "account 1688000000000001 is paused since then by ann: an incident";
        let turn = |expires| Phase::Queued(Turn::Held { account: account.clone(), expires });
        let held = Record { phase: turn(None), why: why.into(), ..record("NET-1") };
        let said = of(&held);
        assert_eq!((said.why.as_str(), said.until), (why, None));
        assert!(said.next.contains("`crossgrant unpause 1688000000000001`"), "{said:?}");
        let behind = explain(&record("NET-2"), Some(&held), true, at(NOW));
        assert!(behind.why.contains("comes first, and account 1688000000000001 is paused"), "{behind:?}");

        let mut expiring = Record { phase: turn(Some(at("2026-11-21T12:00:00.000001Z"))), ..held };
        expiring.job.not_after = Some(at("2026-11-21T12:00:00Z"));
        let said = of(&expiring);
        assert_eq!(said.until, expiring.phase.due());
        assert!(said.next.contains("fails as expired if that is not by 2026-11-21T12:00:00Z"), "{said:?}");
    }

    #[test]
    fn a_job_of_a_refused_account_says_so_as_long_as_it_goes_on_by_itself() {
        let why = "account 1688000000000001 is refused since then (SignatureDoesNotMatch); goes on by itself";
        let of = |record: &Record| of(record).held(record, Some((why.into(), "mend it"))).why;
        let wait = wait(false, false);
        let waiting = Record { phase: Phase::Waiting { due: at(NOW) }, wait, ..record("NET-1") };
        for record in [record("NET-1"), active(Phase::Running, NOW), waiting] {
            assert_eq!(of(&record), why);
        }
        for record in [parked(Reason::GaveUp, false), ended(State::Completed, Reason::Done)] {
            assert_ne!(of(&record), why);
        }
        let tries = Record { attempt: 1, gives_up_at: Some(at(NOW)), ..active(Phase::Running, "2026-11-21T10:21:00Z") };
        assert!(explain(&tries, None, true, at(NOW)).gives_up.is_some());
        assert_eq!(explain(&tries, None, true, at(NOW)).held(&tries, Some((why.into(), "mend it"))).gives_up, None);
    }

    #[test]
    fn an_ended_job_says_how_and_that_nothing_follows() {
        for state in State::ALL.into_iter().filter(|state| state.is_terminal()) {
            let said = of(&ended(state, Reason::Done));
            assert_eq!((said.why.as_str(), said.until), ("the cloud said no.", None));
            assert!(said.next.starts_with("nothing"), "{state:?}");
        }
        let refused = of(&ended(State::Failed, Reason::Attached)).next;
        assert!(refused.contains("new id") && refused.contains("`crossgrant explain attached`"), "{refused}");
    }
}
