//! What happens in a run: a list of steps that a seed makes, each of which can be left out.

use crossgrant::engine::decide::command::Command;
use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange};
use serde_json::{Value, json};

use super::world::{self, Network};
use crate::support::dice::Dice;

/// Who sends jobs.
pub const USERS: [&str; 2] = ["billing", "tickets"];
/// How many steps a run has.
const STEPS: u64 = 60;

/// How the broker is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weather {
    Good,
    /// Nothing is published, and nothing is delivered.
    Away,
    /// What is published arrives, and is not confirmed.
    Silent,
    /// Of what is published together half arrives and is confirmed, and then the connection breaks.
    Breaks,
}

/// One thing that happens.
#[derive(Debug, Clone)]
pub enum Step {
    /// Time passes, in milliseconds.
    Wait(u64),
    /// A user sends a job.
    Send { user: &'static str, job: Value },
    /// The message of a job comes once more.
    SendAgain { message: usize },
    /// Something goes wrong at the cloud.
    Fault(InjectedFault),
    /// A worker dies at the n-th time it passes a point.
    Cut { worker: usize, point: CrashPoint, nth: usize },
    /// A worker dies.
    Kill { worker: usize },
    /// An operator commands the job of a message.
    Command { message: usize, command: Command },
    /// Somebody else changes the cloud.
    Outside(OutsideChange),
    /// The broker changes.
    Broker(Weather),
    /// An operator pauses an account, or ends the pause.
    Pause { account: &'static str, paused: bool },
    /// The cloud refuses the key of an account, or takes it again.
    Refuse { account: &'static str, refused: bool },
    /// What was published can be marked in the store, or cannot.
    Settles(bool),
    /// The disk of the store is full, or has room again.
    Full(bool),
    /// The clock of a worker's machine is set, in seconds.
    Clock { worker: usize, by: i64 },
    /// What ended long ago is forgotten.
    Forget,
    /// A worker stands still, as under SIGSTOP, for so many milliseconds.
    Freeze { worker: usize, ms: u64 },
}

/// A run: how many workers, how the cloud behaves, and what happens.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub seed: u64,
    pub workers: usize,
    pub switches: Value,
    pub steps: Vec<Step>,
}

impl Scenario {
    /// That of a seed.
    pub fn of(seed: u64) -> Self {
        let mut dice = Dice::new(seed, 1);
        let networks: Vec<Network> = (0..1 + dice.roll(3)).map(|_| dice.one_of(&world::NETWORKS)).collect();
        let mut made = Made { dice, networks, messages: 0, emptied: false };
        let (workers, switches) = (made.dice.one_of(&[1, 1, 2]), made.switches());
        let steps = (0..STEPS).map(|_| made.step()).collect();
        Self { seed, workers, switches, steps }
    }

    /// The same without some of its steps.
    pub fn only(&self, keep: &[usize]) -> Self {
        Self { steps: keep.iter().map(|step| self.steps[*step].clone()).collect(), ..self.clone() }
    }
}

struct Made {
    dice: Dice,
    /// What the jobs of the run are about: few, so that they meet.
    networks: Vec<Network>,
    messages: u64,
    /// Whether a list of attachments is empty once: one empty list is never believed, and two may be true.
    emptied: bool,
}

const READS: [&str; 5] = [
    "DescribeGrantRulesToCen",
    "DescribeGrantRulesToResource",
    "ListTransitRouters",
    "ListTransitRouterVpcAttachments",
    "DescribeCenAttachedChildInstances",
];
const ATTACHMENTS: [&str; 3] =
    ["ListTransitRouters", "ListTransitRouterVpcAttachments", "DescribeCenAttachedChildInstances"];
const WRITES: [&str; 5] = [
    "GrantInstanceToTransitRouter",
    "RevokeInstanceFromTransitRouter",
    "ModifyGrantInstanceToTransitRouter",
    "UpdateTransitRouterVpcAttachmentAttribute",
    "DeleteTransitRouterVpcAttachment",
];
const POINTS: [CrashPoint; 4] =
    [CrashPoint::BeforeWrite, CrashPoint::BeforeSend, CrashPoint::AfterWrite, CrashPoint::AfterCommit];
const WAITS: [u64; 11] = [1, 20, 90, 300, 1_000, 7_000, 31_000, 60_000, 300_000, 900_000, 2_400_000];
const CLOCK_STEPS: [i64; 8] = [1, 40, 600, 3_600, -1, -40, -600, -3_600];
const FREEZES: [u64; 5] = [500, 10_000, 40_000, 200_000, 4_000_000];
const PAYERS: [&str; 2] = ["PayByCenOwner", "PayByResourceOwner"];

impl Made {
    fn switches(&mut self) -> Value {
        let mut lag = |most: u64| format!("{}s", self.dice.roll(most));
        let lag = json!({
            "DescribeGrantRulesToCen": lag(26), "DescribeGrantRulesToResource": lag(26),
            "ListTransitRouterVpcAttachments": lag(15), "DescribeCenAttachedChildInstances": lag(26),
        });
        let mut switches = self.dice.one_of(&[
            json!({}),
            json!({"duplicate_grant": "ok", "revoke_absent": "ok", "effective_order_type": "attached"}),
            json!({"modify_same": "error", "update_before_grant": "ok", "modify_unattached": "error"}),
            json!({"effective_shown_late": "20m"}),
        ]);
        if self.dice.roll(2) == 0 {
            switches["read_lag"] = lag;
        }
        switches
    }

    fn step(&mut self) -> Step {
        let dice = &mut self.dice;
        match dice.roll(46) {
            0..=14 => Step::Wait(dice.one_of(&WAITS)),
            15..=21 => self.send(),
            22 if self.messages > 0 => Step::SendAgain { message: self.a_message() },
            23..=28 => self.fault(),
            29..=30 => {
                let (worker, point, nth) = (self.a_worker(), self.dice.one_of(&POINTS), self.dice.roll(4));
                Step::Cut { worker, point, nth: usize::try_from(nth).unwrap() }
            }
            31..=32 => Step::Kill { worker: self.a_worker() },
            33..=34 if self.messages > 0 => {
                let command = self.dice.one_of(&[Command::Cancel, Command::Cancel, Command::Resume, Command::Approve]);
                Step::Command { message: self.a_message(), command }
            }
            35 => self.outside(),
            36 => Step::Broker(dice.one_of(&[Weather::Good, Weather::Away, Weather::Silent, Weather::Breaks])),
            37 => Step::Pause { account: dice.one_of(&world::ACCOUNTS), paused: dice.roll(3) == 0 },
            38 => Step::Refuse { account: dice.one_of(&world::ACCOUNTS), refused: dice.roll(3) == 0 },
            39 => Step::Settles(dice.roll(2) == 0),
            40 => Step::Full(dice.roll(2) == 0),
            41 => Step::Clock { worker: self.a_worker(), by: self.dice.one_of(&CLOCK_STEPS) },
            42 => Step::Forget,
            43..=44 => Step::Freeze { worker: self.a_worker(), ms: self.dice.one_of(&FREEZES) },
            _ => Step::Wait(dice.one_of(&WAITS)),
        }
    }

    fn a_worker(&mut self) -> usize {
        usize::try_from(self.dice.roll(2)).unwrap()
    }

    fn a_message(&mut self) -> usize {
        usize::try_from(self.dice.roll(self.messages)).unwrap()
    }

    fn send(&mut self) -> Step {
        let id = format!("j{}", self.messages);
        self.messages += 1;
        let network = self.dice.one_of(&self.networks);
        let kind = self.dice.one_of(&["grant", "revoke", "payer-change", "payer-change"]);
        let mut job = network.job(&id, kind);
        match kind {
            "payer-change" => job["order_type"] = json!(self.dice.one_of(&PAYERS)),
            "revoke" if self.dice.roll(2) == 0 => job["options"] = json!({"attachments": "delete"}),
            _ => {}
        }
        if self.dice.roll(12) == 0 {
            job["mode"] = json!("plan");
        }
        Step::Send { user: self.dice.one_of(&USERS), job }
    }

    fn fault(&mut self) -> Step {
        let dice = &mut self.dice;
        let (operation, kind) = if dice.roll(2) == 0 {
            let kinds = [
                FaultKind::DropAfter,
                FaultKind::DropBefore,
                FaultKind::Http { status: 500 },
                FaultKind::Throttle { retry_after_ms: Some(2_000) },
                FaultKind::Conflict,
                FaultKind::HtmlError,
                FaultKind::Slow { ms: 20_000 },
                FaultKind::Error { http: 400, code: "IncorrectStatus.Status".into(), message: String::new() },
            ];
            (dice.one_of(&WRITES), dice.one_of(&kinds))
        } else {
            let kinds = [
                FaultKind::Empty,
                FaultKind::EmptyList,
                FaultKind::Stale,
                FaultKind::HtmlError,
                FaultKind::DropAfter,
                FaultKind::Http { status: 503 },
                FaultKind::Slow { ms: 5_000 },
            ];
            let kind = dice.one_of(&kinds);
            // Two witnesses that show the same past agree, and one stale list of attachments is believed: one witness lies.
            let lies = matches!(kind, FaultKind::Stale | FaultKind::EmptyList);
            let operation = match kind {
                FaultKind::EmptyList if !self.emptied => {
                    self.emptied = true;
                    let fault = InjectedFault::new(dice.one_of(&ATTACHMENTS), FaultKind::EmptyList);
                    return Step::Fault(fault.after(u32::try_from(dice.roll(3)).unwrap()));
                }
                _ if lies => READS[0],
                _ => dice.one_of(&READS),
            };
            (operation, kind)
        };
        let (after, times) = (u32::try_from(dice.roll(3)).unwrap(), 1 + u32::try_from(dice.roll(3)).unwrap());
        Step::Fault(InjectedFault::new(operation, kind).after(after).times(times))
    }

    fn outside(&mut self) -> Step {
        let network = self.dice.one_of(&self.networks);
        let (cen, instance) = (world::CEN, network.id);
        let payer = self.dice.one_of(&PAYERS);
        let change = match self.dice.roll(4) {
            0 => json!({"revoke": {"cen": cen, "instance": instance}}),
            1 => json!({"grant": {"cen": cen, "instance": instance, "order_type": payer}}),
            2 => json!({"detach": {"cen": cen, "instance": instance}}),
            _ => json!({"set_order_type": {"cen": cen, "instance": instance, "order_type": payer}}),
        };
        Step::Outside(serde_json::from_value(change).unwrap())
    }
}
