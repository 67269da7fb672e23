//! One cell: a job, a fault, and everything that must be true when nothing more happens.

use std::collections::BTreeMap;
use std::path::Path;

use crossgrant::domain::{JobUid, Reason};
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::CallRecord;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::column::{Column, DELAY_SECONDS, Length};
use super::expect::{End, expect};
use super::scenario::{Keys, Scenario};
use crate::support::plant::Plant;

/// What a job does when nothing goes wrong.
#[derive(Debug, Clone)]
pub struct Undisturbed {
    pub end: (State, Option<Reason>),
    pub effects: Vec<String>,
    /// How often each operation is called.
    pub calls: BTreeMap<String, u64>,
}

/// A cell of the table, in one job.
#[derive(Debug, Clone)]
pub struct Cell {
    pub scenario: usize,
    pub operation: &'static str,
    pub column: Column,
    pub length: Length,
}

impl Undisturbed {
    pub async fn of(scenario: &Scenario, keys: Keys, token: &Path) -> Self {
        let plant = scenario.plant(keys, token, "", None).await;
        let uid = plant.job(scenario.job.clone()).await;
        plant.run().await;
        let record = plant.record(uid).await;
        assert_eq!(record.state(), State::Completed, "{}: {}", scenario.name, record.why);
        let wrong = claims(&plant, uid).await;
        assert!(wrong.is_empty(), "{}: {wrong:?}", scenario.name);
        Self { end: end(&record), effects: plant.effects(), calls: calls(&plant) }
    }

    /// The operations of its effects, in order.
    pub fn operations(&self) -> Vec<&str> {
        self.effects.iter().filter_map(|effect| effect.split(' ').next()).collect()
    }
}

fn end(record: &Record) -> (State, Option<Reason>) {
    (record.state(), record.phase.ending().as_ref().map(|ending| ending.reason))
}

fn calls(plant: &Plant) -> BTreeMap<String, u64> {
    let mut calls = BTreeMap::new();
    for count in plant.cloud.counts() {
        *calls.entry(count.operation).or_default() += count.count;
    }
    calls
}

impl Cell {
    /// A token is renewed only where there is one.
    pub fn keys(&self, scenario: &Scenario) -> Keys {
        match (self.column, scenario.keys) {
            (Column::ExpiredToken, Keys::Given) => Keys::Role,
            (_, keys) => keys,
        }
    }

    /// Runs the job. Returns what is known of it in the end, and everything that is not as it must be.
    pub async fn run(&self, scenario: &Scenario, undisturbed: &Undisturbed, token: &Path) -> (Record, Vec<String>) {
        let plant = scenario.plant(self.keys(scenario), token, self.operation, Some(self.column)).await;
        let fault = self.column.fault(self.operation, self.length);
        let uid = plant.job(scenario.job.clone()).await;
        if self.length == Length::WhileWaiting {
            plant.run_until("2026-11-21T10:59:00Z".parse().unwrap()).await;
        }
        plant.cloud.inject(fault);
        if self.length == Length::TenMinutes {
            plant.run_until("2026-11-21T10:30:00Z".parse().unwrap()).await;
            plant.cloud.clear_faults();
        }
        // What waits for its keys waits on, and has shown in two hours that it does.
        if matches!(self.expected(scenario, undisturbed), End::Held(_)) {
            plant.run_until("2026-11-21T12:20:00Z".parse().unwrap()).await;
        } else {
            plant.run().await;
        }
        let record = plant.record(uid).await;
        let mut wrong = self.ended(scenario, undisturbed, &plant, &record);
        wrong.extend(self.called(undisturbed, &plant, &record));
        wrong.extend(said(&plant, uid, &record).await);
        wrong.extend(claims(&plant, uid).await);
        wrong.extend(self.delayed(&plant.cloud.calls()));
        (record, wrong)
    }

    fn expected(&self, scenario: &Scenario, undisturbed: &Undisturbed) -> End {
        expect(self.operation, self.column, self.length, scenario.of, &undisturbed.operations())
    }

    fn ended(&self, scenario: &Scenario, undisturbed: &Undisturbed, plant: &Plant, record: &Record) -> Vec<String> {
        let (ends, effects) = match self.expected(scenario, undisturbed) {
            End::AsUndisturbed => (undisturbed.end, &undisturbed.effects[..]),
            End::Parked(reason, effects) => ((State::Parked, Some(reason)), &undisturbed.effects[..effects]),
            End::Held(effects) => {
                let waits = self.length == Length::WhileWaiting;
                let state = if waits { State::Waiting } else { State::Running };
                ((state, None), &undisturbed.effects[..effects])
            }
        };
        let mut wrong = Vec::new();
        if end(record) != ends {
            wrong.push(format!("ended {:?} instead of {ends:?}: {}", end(record), record.why));
        }
        if plant.effects() != effects {
            wrong.push(format!("the ledger has {:?} instead of {effects:?}", plant.effects()));
        }
        if record.state() == State::Parked
            && record.is_half_done() != (record.phase.ending().as_ref().unwrap().reason == Reason::HalfDone)
        {
            wrong.push("half done, and not said to be, or the other way round".into());
        }
        wrong
    }

    /// The fault struck, and no write was sent more often than it had to be.
    fn called(&self, undisturbed: &Undisturbed, plant: &Plant, record: &Record) -> Vec<String> {
        let mut wrong = Vec::new();
        let strikes = plant.cloud.strikes(self.operation);
        let as_it_should = match self.length {
            Length::Once(_) => strikes == 1,
            Length::Twice => (1..=2).contains(&strikes),
            Length::TenMinutes | Length::ForGood | Length::WhileWaiting => strikes >= 1,
        };
        if !as_it_should {
            wrong.push(format!("the fault struck {strikes} times"));
        }
        let calls = calls(plant);
        if self.column.is_meaningless(self.operation) && calls != undisturbed.calls {
            wrong.push(format!("a fault that means nothing here made a difference: {calls:?}"));
        }
        let called = |operation: &str| calls.get(operation).copied().unwrap_or(0);
        for (operation, usual) in
            undisturbed.calls.iter().filter(|(o, _)| undisturbed.operations().contains(&o.as_str()))
        {
            let repeated = !self.column.is_carried_out() && self.column != Column::Empty && operation == self.operation;
            let most = if repeated {
                usual.max(&strikes) + u64::from(self.length != Length::ForGood) * usual.min(&strikes)
            } else {
                *usual
            };
            let sent: u64 =
                record.writes.iter().filter(|w| w.operation.as_str() == operation).map(|w| u64::from(w.sends)).sum();
            if called(operation) > most || sent != called(operation) {
                wrong.push(format!(
                    "{operation}: {sent} sends were recorded and {} came, {most} at most",
                    called(operation)
                ));
            }
        }
        // Each refused session is replaced, once. A second refusal may have been on its way when the first ended the look
        // that both belonged to, and then nobody heard it; so may the new keys, when what issues them is itself refused.
        let issues =
            |operation: &&str| ["AssumeRole", "AssumeRoleWithOIDC"].contains(operation) && *operation != self.operation;
        if self.column == Column::ExpiredToken && matches!(self.length, Length::Once(_) | Length::Twice) {
            for operation in undisturbed.calls.keys().map(String::as_str).filter(issues) {
                let renewed = called(operation) - undisturbed.calls[operation];
                if !(1..=strikes).contains(&renewed) {
                    wrong.push(format!("{strikes} refusals were followed by {renewed} new sessions"));
                }
            }
        }
        wrong
    }

    /// The delay that was asked for is kept: of the account that was asked, the operation is not called before it is over.
    /// What goes out in the same instant was on its way.
    fn delayed(&self, calls: &[CallRecord]) -> Vec<String> {
        if self.column != Column::ThrottleWithDelay {
            return vec![];
        }
        let of = |call: &&CallRecord| call.operation == self.operation;
        let delay = SignedDuration::from_secs(i64::try_from(DELAY_SECONDS).unwrap());
        let mut wrong = Vec::new();
        for hit in calls.iter().filter(of).filter(|call| call.code == "Throttling.User") {
            let mut others = calls.iter().filter(of).filter(|call| call.account == hit.account);
            if let Some(early) = others.find(|call| call.at > hit.at && call.at < hit.at + delay) {
                wrong.push(format!("throttled at {} and called again at {}", hit.at, early.at));
            }
        }
        wrong
    }
}

/// Exactly one end is said, as the last thing, and nothing is left to be done; of a job that goes on none is.
async fn said(plant: &Plant, uid: JobUid, record: &Record) -> Vec<String> {
    let mut wrong = Vec::new();
    let said = plant.said(uid).await;
    if matches!(record.state(), State::Running | State::Waiting) {
        let known = ["accepted", "waiting"];
        if said.iter().any(|said| !known.contains(&said.as_str())) || record.phase.due().is_none() {
            wrong.push(format!("it goes on, is due at {:?}, and said {said:?}", record.phase.due()));
        }
        return wrong;
    }
    let ends = ["completed", "failed", "cancelled", "superseded", "planned"];
    let terminal = said.iter().filter(|said| ends.contains(&said.as_str())).count();
    let last = said.last().map(String::as_str);
    if terminal != usize::from(record.state().is_terminal())
        || last != Some(record.state().as_str())
        || record.phase.due().is_some()
    {
        wrong.push(format!("it is {} and due at {:?}, and said {said:?}", record.state().as_str(), record.phase.due()));
    }
    wrong
}

/// Compares a `completed` event with the ledger and the state of the cloud. The clock has not moved since it was said.
async fn claims(plant: &Plant, uid: JobUid) -> Vec<String> {
    let mut wrong = Vec::new();
    for event in plant.events(uid).await.into_iter().filter(|event| event["type"] == "crossgrant.job.completed") {
        let (data, ledger) = (&event["data"], plant.cloud.ledger());
        let mut must = |is: bool, what: &str| {
            if !is {
                wrong.push(format!("completed, and {what}: {data} {ledger:?}"));
            }
        };
        let job = &data["job"];
        let state = plant.cloud.state();
        let grants = state["grants"].as_array().unwrap();
        let grant = grants.iter().find(|g| g["cen"] == job["cen"]["id"] && g["instance"] == job["instance"]["id"]);
        must(data["after"]["granted"] == grant.is_some(), "the grant is not as it says");
        must((job["kind"] == "revoke") == grant.is_none(), "the cloud does not hold what was asked for");
        for payer in ["order_type", "effective_order_type"] {
            let (claimed, wanted) = (&data["after"][payer], &job["order_type"]);
            let is = grant.map_or(&Value::Null, |grant| &grant[payer]);
            must(claimed.is_null() || claimed == is, "the payer is not as it says");
            must(wanted.is_null() || wanted == is, "the payer is not the one that was asked for");
        }
        let verified: Timestamp = data["verified_at"].as_str().unwrap().parse().unwrap();
        must(ledger.iter().all(|entry| entry.at <= verified), "it was not read back after the last effect");
        let writes = data["writes"].as_array().unwrap();
        for entry in ledger.iter().filter(|entry| entry.operation != "hour") {
            let resource = entry.effect.attachment.clone().or(entry.effect.instance.as_ref().map(ToString::to_string));
            let told = |write: &&Value| {
                let accepted = write["outcome"] != "accepted" || write["request_id"] == json!(entry.request_id);
                let resource = write["resource"] == json!(resource) || entry.operation.starts_with("Detach");
                write["operation"] == entry.operation && resource && accepted
            };
            must(writes.iter().filter(told).count() == 1, "an effect is not told once");
        }
        let effects = ledger.iter().filter(|entry| entry.operation != "hour").count();
        must(writes.len() == effects, "it tells of a write that the ledger does not show");
    }
    wrong
}
