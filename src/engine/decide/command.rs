//! What an operator can command a job: cancel, resume, approve and release.

use jiff::Timestamp;

use crate::domain::{EventType, Reason, whole_second, words};
use crate::engine::decide::decision::{Context, Deciding, Decision, Next};
use crate::engine::record::{Commanded, Ending, Mandate, Phase, Record, State, Turn, Undo};

words! {
    /// A command of an operator to a job.
    pub enum Command {
        /// End it: at once if nothing was written, by an undo if only part was written.
        Cancel = "cancel",
        /// Go on with a parked job from its current step.
        Resume = "resume",
        /// Begin a job that an hourly limit has parked.
        Approve = "approve",
        /// Let the other jobs on the instance of a half-done job go on.
        Release = "release",
    }
}

/// Why a command is declined, in one sentence that says what is possible instead.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Declined(pub String);

/// Decides on a command at `now`, given on the word of `mandate`.
pub fn command(
    context: &Context<'_>,
    record: &Record,
    command: Command,
    mandate: &Mandate,
    now: Timestamp,
) -> Result<Decision, Declined> {
    let mut deciding = Deciding::new(context, record.clone(), now);
    if record.state().is_terminal() {
        return Err(Declined(format!("the job has ended: {}", record.state().as_str())));
    }
    let commanded = Commanded { command: command.as_str().to_owned(), at: now, mandate: mandate.clone() };
    deciding.record.commanded(commanded);
    // Only who has read what it would write lets it write. To all others a job of a restored store says so first.
    if record.phase.ending().is_some_and(|ending| ending.reason == Reason::Restored) {
        deciding.record.restored_at = None;
    }
    let by = mandate.to_string();
    match command {
        Command::Cancel => cancel(deciding, &by),
        Command::Resume => resume(deciding, &by),
        Command::Approve => approve(deciding, &by),
        Command::Release => release(deciding, &by),
    }
}

fn cancel(mut deciding: Deciding<'_>, by: &str) -> Result<Decision, Declined> {
    let record = &deciding.record;
    let message = format!("cancelled {by}");
    if record.wait.is_some() && !record.is_half_done() {
        return Err(Declined(
            "both writes are made, and the change takes effect by itself; to go back, submit the opposite payer-change"
                .into(),
        ));
    }
    if !record.has_written() {
        let next = deciding.finish(State::Cancelled, Reason::CancelledByOperator, message, vec![]);
        return Ok(deciding.into_decision(next));
    }
    if record.undo.is_some() {
        return Err(Declined("it is being undone already".into()));
    }
    if !deciding.can_go_back() {
        return Err(Declined("something it wrote is out already and cannot be taken back; let it end".into()));
    }
    // A parked job has no way to be worked on but through the queue.
    if record.state() == State::Parked {
        deciding.record.phase = Phase::Queued(Turn::Due(deciding.now));
    }
    deciding.says.push(EventType::Cancelling);
    let next = deciding.go_back(Undo { ends: State::Cancelled, reason: Reason::CancelledByOperator, message });
    Ok(deciding.into_decision(next))
}

fn resume(mut deciding: Deciding<'_>, by: &str) -> Result<Decision, Declined> {
    if deciding.record.state() != State::Parked {
        return Err(Declined(format!(
            "only a parked job can be resumed; this one is {}",
            deciding.record.state().as_str()
        )));
    }
    if deciding.record.needs_approval() {
        return Err(Declined("an hourly limit has parked it; `crossgrant approve` lets it begin".into()));
    }
    deciding.record.phase = Phase::Queued(Turn::Due(deciding.now));
    deciding.record.generation += 1;
    if let Some(wait) = &mut deciding.record.wait {
        wait.since = deciding.now;
        wait.unmet_since = None;
    }
    deciding.record.why = format!("resumed {by}");
    deciding.says.push(EventType::Resumed);
    deciding.progress();
    Ok(deciding.into_decision(Next::Rest))
}

fn approve(mut deciding: Deciding<'_>, by: &str) -> Result<Decision, Declined> {
    let record = &mut deciding.record;
    if !record.needs_approval() {
        let state = record.state().as_str();
        return Err(Declined(format!(
            "only a job that an hourly limit has parked can be approved; this one is {state}"
        )));
    }
    record.phase = Phase::Queued(Turn::Due(deciding.now));
    record.approved_at = Some(deciding.now);
    record.why = format!("approved {by}");
    deciding.says.push(EventType::Approved);
    deciding.progress();
    Ok(deciding.into_decision(Next::Rest))
}

/// Only once nothing that the job has sent can take effect any more, or fail to show: then what the cloud shows to the other
/// jobs is how the instance stands. Whether that is as it should be, the operator has seen.
fn release(mut deciding: Deciding<'_>, by: &str) -> Result<Decision, Declined> {
    let record = &deciding.record;
    let refused = record.has_written() && record.keys_refused_since.is_some();
    let ending = match &record.phase {
        Phase::Parked { ending, half_done: true } => ending.clone(),
        // It waits for a credential as long as that is refused, which may be for ever.
        Phase::Queued(_) | Phase::Running(_) if refused => {
            Ending { reason: Reason::CredentialRefused, message: record.why.clone(), findings: vec![] }
        }
        _ => {
            return Err(Declined(format!(
                "only a job that is parked half done, or has written and waits for a refused credential, keeps its instance; \
                 this one is {}",
                record.state().as_str()
            )));
        }
    };
    if let Some(settled) = deciding.settled_at().filter(|settled| *settled > deciding.now) {
        return Err(Declined(format!(
            "what it sent may still take effect, or not be shown yet; release it after {}",
            whole_second(settled)
        )));
    }
    let message = format!("{}; its instance was released {by}", ending.message.trim_end_matches('.'));
    let ending = Ending { message: message.clone(), ..ending };
    deciding.record.phase = Phase::Parked { ending, half_done: false };
    deciding.record.why = message;
    deciding.says.push(EventType::Parked);
    Ok(deciding.into_decision(Next::Rest))
}
