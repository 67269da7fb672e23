//! A plan without a worker: one look, judged by the first step, and nothing kept. It is handed readers only, so there is
//! no write it could name.

use super::cen_rules::CenRules;
use super::cloud::Readers;
use super::decide::{Next, Observation, Rules, decide};
use super::look::{look, look_in_part};
use super::state::Record;
use crate::clock::Clock;
use crate::domain::Mode;

/// How often a look may ask for a wider one.
const LOOKS: usize = 5;

/// Answers a job as a plan: the record ends `planned`, with the calls that would follow, or `failed`, with everything that
/// is in the way, `objections` among it. In any other state it cannot be told at the moment, and `why` says the cause.
pub async fn plan(
    readers: &dyn Readers,
    clock: &dyn Clock,
    rules: &Rules<'_>,
    objections: Vec<String>,
    mut record: Record,
) -> Record {
    record.job.mode = Mode::Plan;
    let mut observation = Observation::TakenUp { refusal: None, objections, paused: None };
    let rules_of_cens = CenRules::default();
    for _ in 0..LOOKS {
        let decision = decide(rules, &record, &observation, clock.now());
        record = decision.record;
        let Next::Look(reads) = decision.next else { break };
        if !record.objections.is_empty() {
            let (seen, unread) = look_in_part(readers, &rules_of_cens, clock, rules.classes, &record.job, reads).await;
            observation = Observation::SeenInPart { seen, unread };
            continue;
        }
        observation = match look(readers, &rules_of_cens, clock, rules.classes, &record.job, reads).await {
            Ok(seen) => Observation::Looked { seen, rivals: vec![] },
            Err(error) => Observation::LookFailed(error),
        };
    }
    record
}
