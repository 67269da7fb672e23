//! What came of a cell, in words: its events, its findings, and the writes in the ledger of the cloud, with the names of
//! parts instead of ids.

use crossgrant::domain::contract::{Envelope, parse};
use crossgrant::domain::{JobUid, OrderType};
use crossgrant::engine::ports::store::Taken;
use crossgrant::simulator::LedgerEntry;
use serde_json::{Value, json};

use super::cell::{Asks, Outcome, Ran};
use super::plan::Foretold;
use super::rules::{self, write};
use super::scene::Scene;
use crate::support::plant::{self, Plant};

pub const NAMES: &str = "its last event names";

impl Scene {
    /// A cell that no world can be made for; its message may be none either.
    pub fn without_world(&self, why: &str) -> Outcome {
        match parse(self.job().to_string().as_bytes(), &Envelope::default()) {
            Ok(_) => Outcome::Impossible(self.named(why)),
            Err(faults) => Outcome::Refused(faults.into_iter().map(|fault| fault.at).collect()),
        }
    }

    pub async fn outcome(
        &self,
        plant: &Plant,
        taken: Taken,
        entries: &[LedgerEntry],
        grant: Option<&Value>,
    ) -> Outcome {
        match taken {
            Taken::New(uid) => Outcome::Ran(self.ran(plant, uid, entries, grant).await),
            Taken::Rejected(uid) => {
                let event = plant.events(uid).await.pop().unwrap();
                let faults = event["data"]["faults"].as_array().unwrap().iter();
                let mut at: Vec<String> = faults.map(|fault| fault["at"].as_str().unwrap().to_owned()).collect();
                at.extend(entries.iter().map(|entry| format!("but wrote: {}", plant::effect(entry))));
                Outcome::Refused(at)
            }
            Taken::Repeated(_) | Taken::Reused(_) | Taken::TooMany | Taken::Misfit(_) => {
                panic!("every cell has an id of its own")
            }
        }
    }

    pub async fn foretold(&self, plant: &Plant, uid: JobUid) -> Foretold {
        let last = plant.events(uid).await.pop().unwrap();
        let data = &last["data"];
        let calls = data["plan"].as_array().into_iter().flatten();
        let hour = data["effective_from"].as_str().map(|at| at[11..16].to_owned());
        Foretold { said: said(&last), hour, writes: calls.map(|call| self.call(call)).collect() }
    }

    async fn ran(&self, plant: &Plant, uid: JobUid, entries: &[LedgerEntry], grant: Option<&Value>) -> Ran {
        let events = plant.events(uid).await;
        let last = &events.last().unwrap()["data"];
        let texts = |value: &Value| -> Vec<String> {
            value.as_array().into_iter().flatten().map(|text| self.named(text.as_str().unwrap())).collect()
        };
        let writes: Vec<String> = entries.iter().map(|entry| self.written(entry)).collect();
        let announced: Vec<String> =
            last["writes"].as_array().into_iter().flatten().filter_map(|w| self.announced(w)).collect();
        let mut odd = Vec::new();
        if announced != writes {
            odd.push(format!("{NAMES} {announced:?}"));
        }
        let end = events.last().unwrap()["type"].as_str().unwrap();
        if end == "crossgrant.job.completed" {
            if !self.shows(grant) {
                odd.push(format!("completed, and the cloud shows {}", grant.unwrap_or(&Value::Null)));
            }
            if self.cell.asks == Asks::Grant && last["attach"]["id"] != json!(self.instance.id) {
                odd.push(format!("does not say what the other account is to attach: {}", last["attach"]));
            }
            // What is in force may be hidden, but not be another payer.
            let after = last["after"].clone();
            let granted = (after["granted"] == json!(true)).then_some(&after);
            if !self.shows(granted.map(|grant| self.as_if_shown(grant.clone())).as_ref()) {
                odd.push(format!("completed, and says {after}"));
            }
        }
        Ran {
            said: events.iter().skip(1).map(said).collect(),
            findings: texts(&last["findings"]),
            granted_to: texts(&last["granted_to"]),
            writes,
            odd,
        }
    }

    /// One line of the ledger.
    fn written(&self, entry: &LedgerEntry) -> String {
        let account = entry.account.as_ref().map_or("nobody's", |uid| account(uid.as_str()));
        let resource = entry.effect.attachment.clone().unwrap_or_else(|| self.instance.id.to_string());
        // A grant's payer is written even where a CCN has none to write, and an attachment's end has none.
        write(&entry.operation, account, &self.named(&resource), entry.effect.order_type)
    }

    /// One write of an event, if it was not refused. An attachment of the Basic Edition goes by its instance's id there.
    fn announced(&self, write: &Value) -> Option<String> {
        (write["outcome"] != "refused").then(|| self.call(write))
    }

    /// A write, made or foretold, as an event tells it.
    fn call(&self, write: &Value) -> String {
        let text = |name: &str| write[name].as_str().unwrap();
        let resource = match text("operation") {
            "DetachCenChildInstance" => "attachment 1".to_owned(),
            _ => self.named(text("resource")),
        };
        let payer = write["order_type"].as_str().map(|word| OrderType::parse(word).unwrap());
        rules::write(text("operation"), account(text("account")), &resource, payer)
    }

    /// A grant as an event tells it, with the payer in force put in where the cloud does not show it.
    fn as_if_shown(&self, mut grant: Value) -> Value {
        if grant["effective_order_type"].is_null() {
            grant["effective_order_type"] = json!(self.cell.goal());
        }
        grant
    }

    /// Whether a grant, as the cloud has it at the end of the day or as an event tells it, is what was asked for.
    fn shows(&self, grant: Option<&Value>) -> bool {
        let goal = self.cell.goal().map(|goal| json!(goal));
        let is = |name: &str, grant: &Value| goal.as_ref().is_none_or(|goal| grant[name] == *goal);
        match self.cell.asks {
            Asks::Revoke | Asks::RevokeDeleting => grant.is_none(),
            Asks::Grant => grant.is_some_and(|grant| is("order_type", grant)),
            Asks::PayerChange => {
                grant.is_some_and(|grant| is("order_type", grant) && is("effective_order_type", grant))
            }
        }
    }
}

fn account(uid: &str) -> &'static str {
    match uid {
        plant::RESOURCE => rules::RESOURCE,
        plant::CEN_OWNER => rules::TRANSIT_ROUTER,
        _ => "stranger",
    }
}

/// An event: its type, and the reason or the hour that it gives.
fn said(event: &Value) -> String {
    let data = &event["data"];
    let kind = event["type"].as_str().unwrap().trim_start_matches("crossgrant.job.");
    let hour = |at: &str| at.get(11..16).unwrap_or(at).to_owned();
    match (kind, data["reason"].as_str()) {
        ("waiting", _) => format!("waiting for {}", hour(data["expected_at"].as_str().unwrap())),
        (_, Some(reason)) if data["half_done"] == json!(true) => format!("{kind}: {reason}, half done"),
        (_, Some(reason)) => format!("{kind}: {reason}"),
        (_, None) => kind.to_owned(),
    }
}
