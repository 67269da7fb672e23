//! A plan without a worker or a store. It is handed readers only, so it cannot write.

use crate::clock::{Clock, until};
use crate::domain::Mode;
use crate::engine::decide::decision::{Context, Next, Observation, decide};
use crate::engine::look::looker::{Looker, SharedReads};
use crate::engine::ports::cloud::Readers;
use crate::engine::record::{EmptySince, Record};

/// How often a look may ask for a wider one.
const LOOKS: usize = 8;

/// Answers a job as a plan: the record ends `planned`, with the writes that would follow, or `failed`, with everything that
/// is in the way, `objections` included. In any other state there is no answer at the moment, and `why` says the cause.
pub async fn plan(
    readers: &dyn Readers,
    clock: &dyn Clock,
    context: &Context<'_>,
    objections: Vec<String>,
    mut record: Record,
) -> Record {
    record.job.mode = Mode::Plan;
    let mut observation = Observation::TakenUp { refusal: None, objections, paused: None };
    let shared = SharedReads::default();
    let looker = Looker { cloud: readers, shared: &shared, clock, classes: context.classes };
    for _ in 0..LOOKS {
        let decision = decide(context, &record, &observation, clock.now());
        record = decision.record;
        let Next::Look(reads) = decision.next else {
            // Waits for the second look at an empty answer, and for nothing else.
            let again = record.phase.due().filter(|_| record.empty_since != EmptySince::default());
            let Some(at) = again else { break };
            clock.sleep(until(clock.now(), at)).await;
            observation = Observation::TakenUp { refusal: None, objections: vec![], paused: None };
            continue;
        };
        if !record.objections.is_empty() {
            let (seen, unread) = looker.look_in_part(&record.job, reads).await;
            observation = Observation::SeenInPart { seen, unread, asked: reads };
            continue;
        }
        observation = match looker.look(&record.job, reads).await {
            Ok(seen) => Observation::Looked { seen, rivals: vec![] },
            Err(error) => Observation::LookFailed(error),
        };
    }
    record
}
