//! The trace of a job: what its record says of it, as spans. A wait of days is no span, but two short ones with a link.

use jiff::Timestamp;

use crate::domain::{JobTrace, JobUid, Sampling, TraceContext};
use crate::engine::ports::mail::{Incoming, TYPE};
use crate::engine::ports::store::OutboundMessage;
use crate::engine::ports::trace::{Span, SpanKind};
use crate::engine::record::{Outcome, Record, State, Write};

/// The word for RabbitMQ in `messaging.system`.
pub const RABBITMQ: &str = "rabbitmq";

impl Record {
    /// The trace of the job.
    pub fn trace(&self, sampling: Sampling) -> JobTrace {
        JobTrace::new(self.uid, self.origin.traceparent.as_deref(), sampling)
    }
}

/// The span of a send of a write. The calls that it makes are under it.
pub fn write_context(accepted: TraceContext, place: usize, sends: u32) -> TraceContext {
    accepted.of(&format!("write {place}.{sends}"))
}

/// The span of the event of a job with this number. The event carries it.
pub fn event_context(accepted: TraceContext, sequence: u32) -> TraceContext {
    accepted.of(&format!("event {sequence}"))
}

/// A message that was taken in, as the job with this uid or as a rejection, from the queue `queue`.
pub fn taken(uid: JobUid, incoming: &Incoming, trace: JobTrace, queue: String, now: Timestamp) -> Span {
    // One that is delivered again is the same span: its uid says when it came first.
    let unix = uid.0.get_timestamp().map(|at| at.to_unix());
    let began = unix.and_then(|(seconds, nanos)| Timestamp::new(seconds.try_into().ok()?, nanos.try_into().ok()?).ok());
    let mut span = Span::accepted(trace, began.unwrap_or(now))
        .with("messaging.system", RABBITMQ)
        .with("messaging.operation.type", "process")
        .with("messaging.operation.name", "process")
        .with("messaging.destination.name", queue.clone())
        .with("messaging.rabbitmq.destination.routing_key", incoming.routing_key.clone())
        .with("crossgrant.job.uid", uid.to_string());
    span.name = format!("process {queue}").into();
    span.ended = now.max(span.began);
    let id = incoming.message_id.clone().map(|id| ("messaging.message.id", id.into()));
    let correlation = incoming.correlation_id.clone().map(|id| ("messaging.message.conversation_id", id.into()));
    span.attributes.extend(id.into_iter().chain(correlation));
    span
}

/// A span of a job, with what it is about.
pub fn about(
    record: &Record,
    context: TraceContext,
    accepted: TraceContext,
    name: &'static str,
    at: Timestamp,
) -> Span {
    let job = &record.job;
    Span::new(context, Some(accepted), name, at)
        .with("crossgrant.job.uid", record.uid.to_string())
        .with("crossgrant.job.id", job.id.to_string())
        .with("crossgrant.job.kind", job.kind.as_str())
        .with("crossgrant.requester", record.requester.as_str().to_owned())
        .with("crossgrant.instance.id", job.instance.id.to_string())
        .with("crossgrant.cen.id", job.cen.id.to_string())
}

/// What a commit tells of: the writes whose outcome it knows, a wait that begins or ends, and its events.
///
/// `read` is the span that the commit is made in: if it is of another trace, one read was made for many jobs.
pub fn of_commit(
    before: &Record,
    after: &Record,
    events: &[OutboundMessage],
    accepted: TraceContext,
    read: Option<TraceContext>,
    now: Timestamp,
) -> Vec<Span> {
    if !accepted.sampled {
        return vec![];
    }
    let writes = after.writes.iter().enumerate().flat_map(|(place, write)| {
        let was = before.writes.get(place);
        let lost = was.filter(|was| was.outcome == Outcome::Unknown && was.sends < write.sends);
        let known = write.outcome != Outcome::Unknown && was.is_none_or(|was| was.outcome != write.outcome);
        let lost = lost.map(|was| written(after, accepted, place, was, now));
        lost.into_iter().chain(known.then(|| written(after, accepted, place, write, now)))
    });
    let waits = wait(before, after, accepted, read, now);
    let events = events.iter().filter_map(|message| event(after, accepted, message, now));
    writes.chain(waits).chain(events).collect()
}

/// A send of a write, from its intent to the moment at which its outcome is known.
fn written(record: &Record, accepted: TraceContext, place: usize, write: &Write, now: Timestamp) -> Span {
    let context = write_context(accepted, place, write.sends);
    let mut span = about(record, context, accepted, "write", write.intended_at)
        .with("crossgrant.step", write.step.clone())
        .with("crossgrant.cloud.operation", write.operation.as_str())
        .with("cloud.account.id", write.account.to_string())
        .with("crossgrant.resource.id", write.resource.clone())
        .with("crossgrant.write.undo", write.undo)
        .with("crossgrant.write.sends", write.sends);
    span.name = format!("write {}", write.operation).into();
    let (outcome, request_id, ended, error) = match &write.outcome {
        Outcome::Unknown => ("unknown", None, now, Some("unanswered".to_owned())),
        Outcome::Accepted { request_id, at, .. } => ("accepted", Some(request_id), *at, None),
        Outcome::Refused { code, request_id, at, .. } => ("refused", request_id.as_ref(), *at, Some(code.clone())),
        Outcome::Seen { at } => ("seen", None, *at, None),
    };
    span.ended = ended.max(span.began);
    span.error = error.map(Into::into);
    let span = span.with("crossgrant.write.outcome", outcome);
    match request_id {
        Some(id) => span.with("crossgrant.cloud.request_id", id.clone()),
        None => span,
    }
}

/// The beginning of a wait for the hour, or its end, which has a link to the beginning.
fn wait(
    before: &Record,
    after: &Record,
    accepted: TraceContext,
    read: Option<TraceContext>,
    now: Timestamp,
) -> Option<Span> {
    let waits = |record: &Record| record.state() == State::Waiting;
    let (wait, begins) = match (waits(before), waits(after)) {
        (false, true) => (after.wait.as_ref()?, true),
        (true, false) => (before.wait.as_ref()?, false),
        _ => return None,
    };
    let begun = accepted.of(&format!("wait {}", wait.since));
    let span = if begins {
        about(after, begun, accepted, "wait for the hour", now)
    } else {
        let ended = accepted.of(&format!("waited {} {}", wait.since, after.revision));
        let mut span =
            about(after, ended, accepted, "end of the wait", now).with("crossgrant.job.state", after.state().as_str());
        span.began = after.effective_seen.map_or(now, |seen| seen.min(now));
        span.links.extend([Some(begun), read.filter(|read| read.trace != accepted.trace)].into_iter().flatten());
        span
    };
    Some(
        span.with("crossgrant.wait.expected_at", wait.expected_at.to_string())
            .with("crossgrant.wait.goal", wait.goal.as_str()),
    )
}

/// An event as it is made. It goes out with this span, whenever the broker takes it.
fn event(record: &Record, accepted: TraceContext, message: &OutboundMessage, now: Timestamp) -> Option<Span> {
    let (key, outgoing) = (message.event.as_ref()?, &message.outgoing);
    let mut span = about(record, event_context(accepted, key.sequence), accepted, "create", now)
        .with("messaging.system", RABBITMQ)
        .with("messaging.operation.type", "create")
        .with("messaging.operation.name", "create")
        .with("messaging.destination.name", outgoing.exchange.clone())
        .with("messaging.rabbitmq.destination.routing_key", outgoing.routing_key.clone())
        .with("messaging.message.id", outgoing.message_id.clone())
        .with("crossgrant.event.type", outgoing.headers.get(TYPE).cloned().unwrap_or_default())
        .with("crossgrant.job.state", record.state().as_str());
    span.name = format!("create {}", outgoing.exchange).into();
    span.kind = SpanKind::Producer;
    if let Some(ending) = record.phase.ending() {
        let span = span.with("crossgrant.job.reason", ending.reason.as_str());
        let failed = matches!(record.state(), State::Failed | State::Parked);
        return Some(Span { error: failed.then(|| ending.reason.as_str().into()), ..span });
    }
    Some(span)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record, write};
    use crate::domain::{Operation, OrderType};
    use crate::engine::ports::trace::SpanValue;
    use crate::engine::record::{Phase, Wait};

    const ALL: Sampling = Sampling { ratio: 1.0 };

    fn told(before: &Record, after: &Record) -> Vec<Span> {
        of_commit(before, after, &[], after.trace(ALL).accepted, None, at("2026-11-21T10:30:00Z"))
    }

    fn with(outcome: Outcome, sends: u32) -> Record {
        let write = Write { sends, ..write(Operation::ModifyGrantInstanceToTransitRouter, outcome) };
        Record { writes: vec![write], ..record("NET-1") }
    }

    fn accepted() -> Outcome {
        Outcome::Accepted { request_id: "R-1".into(), at: at("2026-11-21T10:20:01Z"), date: None }
    }

    #[test]
    fn a_write_is_told_of_when_its_outcome_is_known() {
        let (bare, intended) = (record("NET-1"), with(Outcome::Unknown, 1));
        assert!(told(&bare, &intended).is_empty());
        let [span] = &told(&intended, &with(accepted(), 1))[..] else { panic!("one span") };
        assert_eq!((&*span.name, span.error.as_deref()), ("write ModifyGrantInstanceToTransitRouter", None));
        assert_eq!(span.context, write_context(bare.trace(ALL).accepted, 0, 1), "the calls of the send are under it");
        assert_eq!(span.ended, at("2026-11-21T10:20:01Z"));
        let id = ("crossgrant.cloud.request_id", SpanValue::from("R-1"));
        assert!(span.attributes.contains(&id), "{:?}", span.attributes);
        assert!(told(&with(accepted(), 1), &with(accepted(), 1)).is_empty(), "once");
    }

    #[test]
    fn a_send_that_got_no_answer_is_told_of_when_it_is_made_again() {
        let [lost] = &told(&with(Outcome::Unknown, 1), &with(Outcome::Unknown, 2))[..] else { panic!("one span") };
        assert_eq!(lost.error.as_deref(), Some("unanswered"));
        let [second] = &told(&with(Outcome::Unknown, 2), &with(accepted(), 2))[..] else { panic!("one span") };
        assert_ne!(lost.context.span, second.context.span);
    }

    #[test]
    fn a_wait_is_two_short_spans_with_a_link() {
        let due = at("2026-11-21T11:00:00Z");
        let wait = Wait {
            goal: OrderType::PayByResourceOwner,
            expected_at: due,
            since: at("2026-11-21T10:20:02Z"),
            last_pending: None,
            unmet_since: None,
            doubt: false,
            overdue: false,
        };
        let running = record("NET-1");
        let waiting = Record { phase: Phase::Waiting { due }, wait: Some(wait), ..record("NET-1") };
        let [begun] = &told(&running, &waiting)[..] else { panic!("one span") };
        assert!(told(&waiting, &waiting).is_empty());
        let [ended] = &told(&waiting, &Record { phase: running.phase.clone(), ..waiting.clone() })[..] else {
            panic!("one span")
        };
        assert_eq!(ended.links, [begun.context]);
        assert_eq!((begun.began, ended.began), (begun.ended, ended.ended));
        let sweep = TraceContext { trace: 9, span: 9, sampled: true };
        let accepted = running.trace(ALL).accepted;
        let read = of_commit(&waiting, &running, &[], accepted, Some(sweep), due);
        assert_eq!(read[0].links, [begun.context, sweep], "what read it for many jobs");
    }

    #[test]
    fn nothing_is_told_of_a_trace_that_is_not_recorded() {
        let quiet = record("NET-1").trace(Sampling { ratio: 0.0 }).accepted;
        assert!(
            of_commit(&with(Outcome::Unknown, 1), &with(accepted(), 1), &[], quiet, None, Timestamp::UNIX_EPOCH)
                .is_empty()
        );
    }
}
