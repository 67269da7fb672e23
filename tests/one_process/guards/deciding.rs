//! What the engine decides of a pause and a limit, without a worker.

use crossgrant::actions;
use crossgrant::domain::Hour;
use crossgrant::engine::decide::decision::{Context, Decision, Next, Observation, decide};
use crossgrant::engine::guards::Pause;
use crossgrant::engine::ports::action::Registry;
use crossgrant::engine::ports::store::LeaseUse;
use crossgrant::engine::record::{Outcome, Record};
use crossgrant::workflow::{Catalog, Overrides};

use super::*;

/// A decision on a revoke of a network that is granted and not attached, as the first look shows it.
struct Desk {
    catalog: Catalog,
    registry: Registry,
}

impl Desk {
    fn new() -> Self {
        let registry = actions::registry();
        Self { catalog: Catalog::embedded(&registry.specs(), &Overrides::default()).unwrap(), registry }
    }

    fn decide(&self, record: &Record, observation: &Observation, now: &str) -> Decision {
        let rules = Context {
            definition: self.catalog.definition(record.job.kind),
            registry: &self.registry,
            policies: &self.catalog.policies,
            classes: &self.catalog.classes,
            hour: Hour::REAL,
            told: true,
        };
        decide(&rules, record, observation, at(now))
    }
}

const NOW: &str = "2026-11-21T10:20:00Z";

fn paused() -> Pause {
    Pause {
        account: account(RESOURCE),
        since: at(NOW),
        by: "ann".into(),
        authority: None,
        reason: "an incident".into(),
    }
}

fn taken_up(paused: Option<Pause>) -> Observation {
    Observation::TakenUp { refusal: None, objections: vec![], paused }
}

/// A record as it was taken in, and as it is while its write is under way.
async fn stages() -> [Record; 3] {
    let plant = guarded(1, HourlyLimits::NONE).await;
    let uid = revokes(&plant, 0..1).await[0];
    let fresh = plant.record(uid).await;
    plant
        .cloud
        .inject(InjectedFault::new("RevokeInstanceFromTransitRouter", FaultKind::Throttle { retry_after_ms: None }));
    plant.run_until(at("2026-11-21T10:20:05.5Z")).await;
    let refused = plant.record(uid).await;
    plant.cloud.inject(InjectedFault::new("RevokeInstanceFromTransitRouter", FaultKind::DropBefore));
    plant.run_until(at("2026-11-21T10:20:10Z")).await;
    [fresh, refused, plant.record(uid).await]
}

#[tokio::test]
async fn a_pause_keeps_back_what_has_changed_nothing_and_nothing_else() {
    let desk = Desk::new();
    let [fresh, refused, unknown] = stages().await;
    assert!(matches!(refused.writes[0].outcome, Outcome::Refused { retry: true, .. }), "{refused:?}");
    assert_eq!(unknown.writes[0].outcome, Outcome::Unknown);
    for (record, kept) in [(&fresh, true), (&refused, true), (&unknown, false)] {
        for observation in [taken_up(Some(paused())), Observation::Paused(paused())] {
            let decision = desk.decide(record, &observation, NOW);
            assert_eq!(decision.next == Next::Rest, kept, "{}", record.why);
            assert_eq!(decision.record.phase.held().is_some(), kept);
            assert!(decision.says.is_empty() && !decision.begins);
        }
        let decision = desk.decide(record, &taken_up(None), NOW);
        assert!(matches!(decision.next, Next::Look(_)) && decision.record.phase.held().is_none());
    }
}

#[tokio::test]
async fn a_held_job_is_released_anew_or_expires() {
    let desk = Desk::new();
    let [mut fresh, mut refused, _] = stages().await;
    refused.attempt = 7;
    let held = desk.decide(&refused, &taken_up(Some(paused())), NOW).record;
    assert_eq!((held.phase.due(), held.attempt), (None, 7));
    let released = desk.decide(&held, &taken_up(None), "2026-11-22T10:20:00Z").record;
    assert_eq!((released.phase.held(), released.attempt, released.trying_since), (None, 0, at("2026-11-22T10:20:00Z")));

    for record in [&mut fresh, &mut refused] {
        record.job.not_after = Some(at("2026-11-21T11:00:00Z"));
        let held = desk.decide(record, &taken_up(Some(paused())), NOW).record;
        assert_eq!(held.phase.due(), Some(at("2026-11-21T11:00:00.000001Z")));
        let late = desk.decide(&held, &taken_up(Some(paused())), "2026-11-21T11:00:00.000001Z").record;
        assert_eq!((late.state(), late.phase.ending().unwrap().reason), (State::Failed, Reason::Expired));
    }
}

#[tokio::test]
async fn what_goes_beyond_a_limit_is_parked_with_the_figures() {
    let desk = Desk::new();
    let [fresh, refused, _] = stages().await;
    for record in [fresh, refused] {
        let decision = desk.decide(&record, &Observation::OverLimit { begun: 23, most: 20 }, NOW);
        let parked = &decision.record;
        assert!(decision.commit && decision.next == Next::Rest && parked.needs_approval());
        assert!(!parked.is_half_done() && !parked.phase.in_queue(), "the next one passes");
        assert!(parked.why.contains("hour: 23; ") && parked.why.contains("allows 20, so"), "{}", parked.why);
    }
}

#[tokio::test]
async fn only_a_beginning_is_tested_and_an_approved_one_by_no_number() {
    let plant = guarded(1, limits(7, 8)).await;
    let [fresh, _, unknown] = stages().await;
    let desk = Desk::new();
    let now = plant.clock.now();
    let begins =
        |decision: &Decision| plant.engine.change(&decision.record, decision.clone(), LeaseUse::None, now).0.admission;
    let mut decision = desk.decide(&fresh, &taken_up(None), NOW);
    assert_eq!(begins(&decision), None);
    decision = desk.decide(&unknown, &taken_up(None), NOW);
    assert_eq!(begins(&decision), None);
    decision.begins = true;
    let tested = begins(&decision).unwrap();
    assert_eq!((tested.most, tested.since), (Some(7), at("2026-11-21T09:20:00Z")));
    decision.record.approved_at = Some(now);
    assert_eq!(begins(&decision).unwrap().most, None);
}
