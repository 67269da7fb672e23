//! The machine's clock is set, forward and back, by a second and by three days, before, in and after a write: nothing is
//! written twice, nothing ends otherwise, and nothing takes longer than without.

mod away;
mod scene;
mod wrong_from_the_start;

use std::time::Duration;

use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault};
use jiff::SignedDuration;

use crate::support::plant::{ATTACHED, Stock, UNATTACHED, in_memory_and_in_a_database, payer_change};
use scene::{REVOKE, Scene, at};

in_memory_and_in_a_database! {
    a_revoke_in_flight_is_not_made_again,
    no_step_at_any_moment_changes_what_is_written_how_it_ends_or_when,
}

const STEPS: [SignedDuration; 12] = [
    SignedDuration::from_secs(1),
    SignedDuration::from_secs(30),
    SignedDuration::from_secs(100),
    SignedDuration::from_mins(10),
    SignedDuration::from_hours(1),
    SignedDuration::from_hours(72),
    SignedDuration::from_secs(-1),
    SignedDuration::from_secs(-30),
    SignedDuration::from_secs(-100),
    SignedDuration::from_mins(-10),
    SignedDuration::from_hours(-1),
    SignedDuration::from_hours(-72),
];

/// How much later than another a job may be tried again for the sixth time: each has its own jitter.
const JITTER: Duration = Duration::from_secs(10);

/// When the clock is set.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Moment {
    /// The first look is under way.
    BeforeIntent,
    /// The intent is committed, and the write is not sent.
    BeforeSend,
    InFlight,
    /// The answer is there, and not committed.
    Answered,
    /// The answer was lost, and it is not known yet whether the write took effect.
    InSettle,
    /// A look failed several times, and is made again in a while.
    InRetry,
    /// Both sides are written.
    InHour,
}

const MOMENTS: [Moment; 7] = [
    Moment::BeforeIntent,
    Moment::BeforeSend,
    Moment::InFlight,
    Moment::Answered,
    Moment::InSettle,
    Moment::InRetry,
    Moment::InHour,
];

/// What a job came to: what was written, how it ended, and how long it took in truth.
type Course = (Vec<String>, State, Duration);

async fn course(stock: Stock, moment: Moment, by: SignedDuration) -> Course {
    let scene = Scene::on(stock, SignedDuration::ZERO).await;
    match moment {
        Moment::BeforeSend => scene.steps_at(CrashPoint::BeforeSend, by),
        Moment::Answered => scene.steps_at(CrashPoint::AfterWrite, by),
        _ => {}
    }
    let held = match moment {
        Moment::BeforeIntent => Some("DescribeGrantRulesToResource"),
        Moment::InFlight => Some(REVOKE),
        _ => None,
    };
    if let Some(operation) = held {
        scene.cloud.inject(InjectedFault::new(operation, FaultKind::HangBefore));
    }
    let at_last = match moment {
        Moment::InSettle => {
            scene.cloud.inject(InjectedFault::new(REVOKE, FaultKind::DropBefore));
            Some("10:20:20")
        }
        Moment::InRetry => {
            let fault = InjectedFault::new("DescribeGrantRulesToResource", FaultKind::Http { status: 503 });
            scene.cloud.inject(fault.times(5));
            Some("10:20:12")
        }
        Moment::InHour => Some("10:40:00"),
        _ => None,
    };
    let instance = if moment == Moment::InHour { ATTACHED } else { UNATTACHED };
    scene.job(payer_change("NET-1", instance, "PayByResourceOwner")).await;
    if let Some(operation) = held {
        scene.run_until_held(operation).await;
        scene.machine.step(by);
        // As when another job comes in: it looks for work.
        scene.wake();
        scene.run_for(Duration::from_secs(8)).await;
        scene.cloud.release();
    }
    if let Some(time) = at_last {
        scene.run_to(at(time)).await;
        scene.machine.step(by);
    }
    let ended = scene.run_to_the_end().await;
    (scene.effects(), ended, scene.took())
}

async fn a_revoke_in_flight_is_not_made_again(stock: Stock) {
    let course = course(stock, Moment::InFlight, SignedDuration::from_secs(100)).await;
    let writes =
        [format!("{REVOKE} {UNATTACHED}"), format!("GrantInstanceToTransitRouter {UNATTACHED} PayByResourceOwner")];
    assert_eq!((course.0.as_slice(), course.1), (&writes[..], State::Completed));
}

async fn no_step_at_any_moment_changes_what_is_written_how_it_ends_or_when(stock: Stock) {
    let mut wrong = Vec::new();
    for moment in MOMENTS {
        let without = course(stock, moment, SignedDuration::ZERO).await;
        assert_eq!(without.1, State::Completed, "{moment:?}");
        assert_eq!(without.0.len(), 2, "{moment:?}: {:?}", without.0);
        // A database takes longer, and the worker is the same.
        let steps = STEPS.iter().filter(|step| matches!(stock, Stock::Memory) || step.abs().as_secs() % 100 == 0);
        for by in steps {
            let with = course(stock, moment, *by).await;
            let stalled = with.2 > without.2 + JITTER;
            if with.0 != without.0 || with.1 != without.1 || stalled {
                wrong.push(format!("{moment:?} {by:#}: {with:?} instead of {without:?}"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} of them:\n{}", wrong.len(), wrong.join("\n"));
}
