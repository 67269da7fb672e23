//! CrashPoints while reads lag and the engine is cut, and then everything at random: nothing is lost, nothing is done twice, one
//! end is said, and nothing is said to be in force that the ledger of the cloud does not show. Each fault by itself, at
//! every operation: `fault_table`.

use crossgrant::clock::Clock as _;
use crossgrant::domain::{Kind, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::engine::ports::store::Filter;
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{FaultKind, InjectedFault};
use jiff::Timestamp;
use serde_json::{Value, json};

use super::adversary::{REVOKE, UPDATE, payer};
use crate::support::plant::{ATTACHED, HELD, NOT_GRANTED, Plant, Stock, UNATTACHED, grant, payer_change, revoke, with};

/// The workflows, with all the operations each calls.
fn workflows() -> Vec<(&'static str, Value)> {
    vec![
        ("grant", grant("j", NOT_GRANTED)),
        ("revoke", revoke("j", UNATTACHED)),
        ("revoke with delete", with(revoke("j", HELD), "options", json!({"attachments": "delete"}))),
        ("payer change, attached", payer_change("j", ATTACHED, "PayByResourceOwner")),
        ("payer change, unattached", payer_change("j", UNATTACHED, "PayByResourceOwner")),
    ]
}

const READS: [&str; 4] = [
    "DescribeGrantRulesToCen",
    "DescribeGrantRulesToResource",
    "ListTransitRouterVpcAttachments",
    "DescribeCenAttachedChildInstances",
];
const WRITES: [&str; 5] = [
    "GrantInstanceToTransitRouter",
    REVOKE,
    "ModifyGrantInstanceToTransitRouter",
    UPDATE,
    "DeleteTransitRouterVpcAttachment",
];
const ENDS: [&str; 5] = ["completed", "failed", "cancelled", "superseded", "planned"];

fn faults_of_writes() -> Vec<FaultKind> {
    vec![
        FaultKind::DropAfter,
        FaultKind::DropBefore,
        FaultKind::Http { status: 500 },
        FaultKind::Throttle { retry_after_ms: Some(2_000) },
        FaultKind::Conflict,
        FaultKind::HtmlError,
        FaultKind::Error { http: 400, code: "IncorrectStatus.Status".into(), message: String::new() },
    ]
}

fn faults_of_reads() -> Vec<FaultKind> {
    vec![
        FaultKind::Empty,
        FaultKind::Stale,
        FaultKind::HtmlError,
        FaultKind::DropAfter,
        FaultKind::Http { status: 503 },
    ]
}

async fn jobs_of(plant: &Plant) -> Vec<Record> {
    plant.store().list(&Filter { limit: 1_000, ..Filter::default() }).await.unwrap()
}

/// What must be true of every job when nothing more happens, and of what was done for it.
async fn check(plant: &Plant, context: &str) {
    let effects = plant.effects();
    for pair in effects.windows(2) {
        assert_ne!(pair[0], pair[1], "{context}: the same twice: {effects:?}");
    }
    let now = plant.clock.now();
    for record in jobs_of(plant).await {
        let (uid, state) = (record.uid, record.state());
        let context = format!("{context}, job {}: {state:?}, {}", record.job.id, record.why);
        let events = plant.events(uid).await;
        for (i, event) in events.iter().enumerate() {
            assert_eq!(
                event["sequence"].as_u64().or(event["sequence"].as_str().and_then(|s| s.parse().ok())),
                Some(i as u64 + 1),
                "{context}"
            );
        }
        let said = plant.said(uid).await;
        let ends = said.iter().filter(|said| ENDS.contains(&said.as_str())).count();
        assert_eq!(ends, usize::from(state.is_terminal()), "{context}: {said:?}");
        assert_eq!(said.first().map(String::as_str), Some("accepted"), "{context}");
        if state.is_terminal() {
            assert_eq!(said.last().map(String::as_str), Some(state.as_str()), "{context}");
            assert_eq!((record.phase.due(), record.phase.in_queue()), (None, false), "{context}");
        } else if state == State::Parked {
            // It may be told of others that begin meanwhile.
            let last = said.iter().rfind(|said| *said != "overtaken");
            assert_eq!(last.map(String::as_str), Some("parked"), "{context}");
        } else {
            // Nothing is at rest but what stands in line behind a job that needs a person.
            let head = plant.store().first_in_queue(&record.job.instance).await.unwrap();
            let blocked = record.phase.in_queue() && head.is_some_and(|head| head != uid);
            // What a worker had that is gone for now is somebody else's when its lease is over.
            let held = plant.misses_one();
            assert!(blocked || held || record.phase.due().is_some_and(|due| due > now), "{context}: lost");
        }
    }
}

/// Whether the ledger shows `wanted` in effect on `instance` at some instant between the two.
fn in_force(plant: &Plant, instance: &str, wanted: &str, from: Timestamp, to: Timestamp) -> bool {
    let initial = (instance != NOT_GRANTED).then(|| "PayByCenOwner".to_owned());
    let mut times = vec![(Timestamp::MIN, initial)];
    for entry in plant.cloud.ledger() {
        if entry.effect.instance.as_ref().is_none_or(|id| id.as_str() != instance) {
            continue;
        }
        match entry.operation.as_str() {
            "hour" | "GrantInstanceToTransitRouter" => {
                times.push((entry.at, entry.effect.order_type.map(|o| o.to_string())));
            }
            REVOKE => times.push((entry.at, None)),
            _ => {}
        }
    }
    let ends = times.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::MAX]);
    times.iter().zip(ends).any(|((begin, is), end)| is.as_deref() == Some(wanted) && *begin <= to && end >= from)
}

async fn disturbed(
    (name, job): &(&'static str, Value),
    switches: &Value,
    operation: &str,
    fault: &FaultKind,
    nth: u32,
    cut: Option<(CrashPoint, usize)>,
    expected: &[String],
) {
    let plant = Plant::new().await;
    plant.cloud.patch_switches(switches.clone()).unwrap();
    plant.cloud.inject(InjectedFault::new(operation, fault.clone()).after(nth));
    if let Some((point, nth)) = cut {
        plant.script.cut_at(point, nth);
    }
    let uid = plant.job(job.clone()).await;
    plant.run().await;
    let context = format!("{name}, {fault:?} at {operation} {nth}, {cut:?}, {switches}");
    check(&plant, &context).await;
    let record = plant.record(uid).await;
    assert_eq!(record.state(), State::Completed, "{context}: {}", record.why);
    assert_eq!(plant.effects(), expected, "{context}");
    if let Some(goal) = record.job.order_type {
        let last = record.writes.iter().map(|w| w.intended_at).max().unwrap();
        assert!(
            in_force(&plant, record.job.instance.id.as_str(), goal.as_str(), last, record.phase.finished_at().unwrap()),
            "{context}"
        );
    }
}

fn all_switches() -> Vec<Value> {
    let lag = json!({"DescribeGrantRulesToCen": "25s", "DescribeGrantRulesToResource": "9s",
                     "ListTransitRouterVpcAttachments": "14s", "DescribeCenAttachedChildInstances": "25s"});
    vec![
        json!({}),
        json!({"read_lag": lag, "duplicate_grant": "ok", "revoke_absent": "ok", "effective_order_type": "attached"}),
        json!({"read_lag": {"DescribeGrantRulesToResource": "25s"}, "modify_same": "error", "update_before_grant": "ok",
               "modify_unattached": "error"}),
    ]
}

/// An older cloud, which does not say what is in force.
fn never() -> Value {
    json!({"effective_order_type": "never"})
}

#[tokio::test]
async fn a_fault_besides_a_cut_and_lagging_reads_leaves_the_effects_as_they_are() {
    let cuts = [(CrashPoint::AfterWrite, 0), (CrashPoint::BeforeWrite, 1), (CrashPoint::AfterCommit, 2)].map(Some);
    for workflow in workflows() {
        let undisturbed = Plant::new().await;
        undisturbed.job(workflow.1.clone()).await;
        undisturbed.run().await;
        let expected = undisturbed.effects();
        for (i, switches) in all_switches().into_iter().enumerate() {
            for operation in WRITES.into_iter().filter(|o| expected.iter().any(|e| e.starts_with(o))) {
                for (j, fault) in faults_of_writes().into_iter().enumerate() {
                    let cut = cuts[(i + j) % cuts.len()];
                    disturbed(&workflow, &switches, operation, &fault, 0, cut, &expected).await;
                }
            }
        }
        for (i, operation) in READS.into_iter().enumerate() {
            for (j, fault) in [FaultKind::Empty, FaultKind::Stale, FaultKind::HtmlError].into_iter().enumerate() {
                for nth in 0..3 {
                    let switches = &all_switches()[1 + (i + j + nth as usize) % 2];
                    disturbed(&workflow, switches, operation, &fault, nth, None, &expected).await;
                }
            }
        }
    }
}

#[tokio::test]
async fn what_an_older_cloud_does_not_say_is_never_taken_for_in_force() {
    // Attached: the write alone proves nothing (API §B), so it is overdue and then waits for a person.
    let plant = Plant::new().await;
    plant.cloud.patch_switches(never()).unwrap();
    let uid = plant.job(payer_change("p", ATTACHED, "PayByResourceOwner")).await;
    plant.run().await;
    assert_eq!(plant.said(uid).await, ["accepted", "waiting", "overdue", "parked"]);
    assert_eq!(plant.record(uid).await.phase.ending().unwrap().reason, Reason::GaveUp);
    assert_eq!(plant.effects().len(), 2, "{:?}", plant.effects());
    plant.cloud.patch_switches(json!({"effective_order_type": "always"})).unwrap();
    plant.engine.command(uid, Command::Resume, "tests").await.unwrap();
    plant.run().await;
    assert_eq!(plant.said(uid).await.last().unwrap(), "completed");

    // The same payer, which may have been written a moment ago: nothing is written for it, and nothing claimed.
    let plant = Plant::new().await;
    plant.cloud.patch_switches(never()).unwrap();
    let uid = plant.job(payer_change("same", ATTACHED, "PayByCenOwner")).await;
    plant.run().await;
    assert_eq!(plant.said(uid).await, ["accepted", "parked"]);
    assert_eq!(plant.effects(), Vec::<String>::new());

    // Nothing is attached, so nothing is billed: the grant itself is all there is to see (API §I G4).
    let plant = Plant::new().await;
    plant.cloud.patch_switches(never()).unwrap();
    for job in [
        grant("g", NOT_GRANTED),
        payer_change("q", UNATTACHED, "PayByResourceOwner"),
        with(revoke("r", HELD), "options", json!({"attachments": "delete"})),
    ] {
        let uid = plant.job(job).await;
        plant.run().await;
        assert_eq!(plant.said(uid).await, ["accepted", "completed"], "{}", plant.record(uid).await.why);
        assert_eq!(plant.record(uid).await.after.unwrap().effective_order_type, None);
    }
}

/// A small generator of numbers that look random: the same for the same seed.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % sides
    }

    fn pick<T: Clone>(&mut self, list: &[T]) -> T {
        list[usize::try_from(self.roll(list.len() as u64)).unwrap()].clone()
    }
}

async fn chaos(stock: Stock, seed: u64) {
    let mut dice = Dice(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let plant = Plant::on(stock).await;
    let switches = dice.pick(&[all_switches(), vec![never()]].concat());
    plant.cloud.patch_switches(switches).unwrap();
    let instances = [ATTACHED, UNATTACHED, NOT_GRANTED, HELD];
    let instances = [dice.pick(&instances), dice.pick(&instances)];
    let mut jobs = Vec::new();
    let mut log = Vec::new();
    for turn in 0..24 {
        for _ in 0..dice.roll(3) {
            let (operations, kinds) = match dice.roll(2) {
                0 => (&WRITES[..], faults_of_writes()),
                _ => (&READS[..], faults_of_reads()),
            };
            let (operation, kind) = (dice.pick(operations), dice.pick(&kinds));
            // Two witnesses that show the same past agree, and one stale list of attachments is believed: one witness lies.
            let operation = if kind == FaultKind::Stale { READS[0] } else { operation };
            let fault = InjectedFault::new(operation, kind).after(dice.roll(3) as u32).times(1 + dice.roll(3) as u32);
            log.push(format!("{fault:?}"));
            plant.cloud.inject(fault);
        }
        if dice.roll(3) == 0 {
            let point = dice.pick(&[
                CrashPoint::BeforeWrite,
                CrashPoint::BeforeSend,
                CrashPoint::AfterWrite,
                CrashPoint::AfterCommit,
            ]);
            plant.script.cut_at(point, dice.roll(4) as usize);
            log.push(format!("cut {point:?}"));
        }
        if turn < 12 && dice.roll(2) == 0 {
            let (id, instance) = (format!("j{turn}"), dice.pick(&instances));
            let job = match dice.roll(6) {
                0 => grant(&id, instance),
                1 => revoke(&id, instance),
                2 => with(revoke(&id, instance), "options", json!({"attachments": "delete"})),
                3 => payer_change(&id, instance, "PayByCenOwner"),
                _ => payer_change(&id, instance, "PayByResourceOwner"),
            };
            log.push(job.to_string());
            jobs.push(plant.job(job).await);
        }
        if !jobs.is_empty() && dice.roll(4) == 0 {
            let (uid, command) = (dice.pick(&jobs), dice.pick(&[Command::Cancel, Command::Resume]));
            let done = plant.engine.command(uid, command, "tests").await.map(|_| ());
            log.push(format!("{command:?} {:?}: {done:?}", plant.record(uid).await.job.id));
        }
        let span = dice.pick(&[0, 1, 7, 31, 60, 900, 2_000, 4_000]);
        let horizon = plant.clock.now() + jiff::SignedDuration::from_secs(span);
        plant.run_until(horizon).await;
        plant.clock.advance_to(horizon);
        log.push(format!("{horizon}: {:?}", plant.effects()));
        check(&plant, &format!("seed {seed}: {log:#?}")).await;
    }
    plant.cloud.clear_faults();
    // The worker that was cut comes back.
    plant.script.cut_at(CrashPoint::AfterCommit, usize::MAX);
    plant.run().await;
    let context = format!("seed {seed}: {log:#?}\n{:#?}", plant.effects());
    check(&plant, &context).await;
    for record in jobs_of(&plant).await {
        let (job, id) = (&record.job, record.job.instance.id.as_str());
        if record.state() == State::Completed {
            let last = record.writes.iter().map(|w| w.intended_at).max().unwrap_or(record.accepted_at);
            match job.order_type {
                Some(goal) if job.kind == Kind::PayerChange => {
                    assert!(
                        in_force(&plant, id, goal.as_str(), last, record.phase.finished_at().unwrap()),
                        "{context}: {} completed",
                        job.id
                    );
                }
                _ => {}
            }
        }
    }
    // The last job that completed on an instance is what the cloud shows, if nothing came after it.
    for instance in instances {
        let mut all: Vec<_> =
            jobs_of(&plant).await.into_iter().filter(|r| r.job.instance.id.as_str() == instance).collect();
        all.sort_by_key(|r| (r.writes.iter().map(|w| w.intended_at).max(), r.uid));
        let Some(last) = all.iter().rev().find(|r| r.has_written()) else { continue };
        if last.state() == State::Completed {
            let shown = payer(&plant, instance).map(|(written, _)| written);
            let wanted = match last.job.kind {
                Kind::Revoke => None,
                _ => last.job.order_type.map(|o| o.to_string()),
            };
            assert_eq!(shown, wanted, "{context}: after {}", last.job.id);
        }
        if last.state() == State::Cancelled || last.state() == State::Failed {
            let shown = payer(&plant, instance).map(|(written, _)| written);
            let before = last.before.clone().unwrap();
            let reason = last.phase.ending().unwrap().reason;
            if ![Reason::Overridden, Reason::GrantGone].contains(&reason) {
                assert_eq!(shown, before.order_type.map(|o| o.to_string()), "{context}: after {}", last.job.id);
            }
        }
    }
}

/// `CROSSGRANT_SEEDS=100..900` for a longer or another walk.
async fn walks(stock: Stock, usual: &str) {
    let seeds = std::env::var("CROSSGRANT_SEEDS").unwrap_or_else(|_| usual.into());
    let (from, to) = seeds.split_once("..").unwrap();
    for seed in from.parse().unwrap()..to.parse().unwrap() {
        chaos(stock, seed).await;
    }
}

#[tokio::test]
async fn whatever_happens_in_whatever_order() {
    walks(Stock::Memory, "0..40").await;
}

mod in_a_database {
    use super::*;

    #[tokio::test]
    async fn whatever_happens_to_two_workers_of_one_database() {
        walks(Stock::Database, "0..6").await;
    }
}
