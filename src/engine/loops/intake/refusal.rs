//! Why a message is refused that can be read: for what the store holds, or because the broker has given it up.

use crate::domain::contract::Fault;
use crate::domain::{Code, Reason};
use crate::engine::decide::door::reused;
use crate::engine::ports::mail::DeadLettered;
use crate::engine::ports::store::{Arrival, Misfit, Taken};
use crate::engine::record::Record;

/// What the store answers of a request that is no new job and no repetition, and that it has not rejected itself.
pub(super) const MISFITS: [Taken; 4] =
    [Taken::TooMany, Taken::Misfit(Misfit::Differs), Taken::Misfit(Misfit::Full), Taken::Misfit(Misfit::Closed)];

/// Why a valid request is rejected for what the store holds already.
pub(super) fn refusal(arrival: &Arrival, taken: Taken) -> (Reason, Fault) {
    let Record { requester, job, .. } = &*arrival.record;
    let fault = |at: &str, code, message| Fault { at: at.into(), code, message };
    let batch = || job.batch.as_ref().map(|terms| format!("the batch {} of {requester}", terms.id)).unwrap_or_default();
    match taken {
        Taken::TooMany => {
            let message = format!(
                "{requester} has {most} jobs on {id} that have not begun to write, and `[limits] unbegun_per_instance` \
                 allows no more; submit this one again when one of them has begun or ended",
                most = arrival.most_unbegun.unwrap_or_default(),
                id = job.instance.id,
            );
            (Reason::TooMany, fault("/instance/id", Code::JobTooMany, message))
        }
        Taken::Reused(_) => (Reason::IdReused, reused(requester, job)),
        Taken::Misfit(Misfit::Full) => {
            let message = format!("{} has all its jobs; take a new batch id", batch());
            (Reason::Invalid, fault("/batch/id", Code::JobBatchFull, message))
        }
        Taken::Misfit(Misfit::Closed) => {
            let message = format!(
                "{} takes no job any more: its `not_after` has passed, or it has ended; take a new batch id",
                batch()
            );
            (Reason::Invalid, fault("/batch/id", Code::JobBatchClosed, message))
        }
        _ => {
            let message = format!("{} was begun with other terms; all its jobs say the same in `batch`", batch());
            (Reason::Invalid, fault("/batch", Code::JobBatchDiffers, message))
        }
    }
}

/// The fault of a message that brings all jobs of a batch, of which no rule allows the one at this place.
pub(super) fn not_allowed(place: usize, why: String) -> Fault {
    Fault { at: format!("/jobs/{place}"), code: Code::JobNotAllowed, message: why }
}

/// The fault of a message that the broker has dead-lettered.
pub(super) fn given_up(dead_lettered: &DeadLettered) -> Fault {
    let why = match dead_lettered.reason.as_str() {
        "expired" => "it waited in the queue for longer than its `expiration`, or the queue's, allows".to_owned(),
        "delivery_limit" => {
            "the broker delivered it as often as the queue allows, and no worker acknowledged it".to_owned()
        }
        other => format!("the broker's reason is {other:?}"),
    };
    Fault {
        at: "amqp:x-death".into(),
        code: Code::JobDeadLettered,
        message: format!("the broker gave the message up: {why}. Send it again, or have it put back"),
    }
}
