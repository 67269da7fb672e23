//! The control endpoints of a simulated cloud in another process.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use crossgrant::simulator::{InjectedFault, LedgerEntry};
use serde_json::{Value, json};

use super::process::LIMIT;
use super::web;

/// A simulated cloud, seen from outside its rules.
#[derive(Debug, Clone, Copy)]
pub struct Cloud {
    server: SocketAddr,
}

impl Cloud {
    pub fn new(server: SocketAddr) -> Self {
        Self { server }
    }

    /// Where its products are.
    pub fn url(&self) -> String {
        format!("http://{}", self.server)
    }

    /// Every effect so far.
    pub fn ledger(&self) -> Vec<LedgerEntry> {
        serde_json::from_value(self.get("/_sim/ledger")).unwrap()
    }

    /// What was written of `instance`, in order: operation and order type; `hour` for a payer that took effect.
    pub fn written(&self, instance: &str) -> Vec<(String, Option<String>)> {
        let ledger = self.ledger().into_iter();
        let of = ledger.filter(|entry| entry.effect.instance.as_ref().is_some_and(|i| i.as_str() == instance));
        of.map(|entry| (entry.operation, entry.effect.order_type.map(|o| o.to_string()))).collect()
    }

    /// How the calls of `operation` ended, and how often: a code each.
    pub fn answers(&self, operation: &str) -> BTreeMap<String, u64> {
        let calls = self.get("/_sim/calls");
        let counts = calls["counts"].as_array().unwrap().iter().filter(|count| count["operation"] == operation);
        let mut answers = BTreeMap::new();
        for count in counts {
            *answers.entry(count["code"].as_str().unwrap().to_owned()).or_default() += count["count"].as_u64().unwrap();
        }
        answers
    }

    /// Grants and attachments as they are.
    pub fn state(&self) -> Value {
        self.get("/_sim/state")
    }

    /// Lets a fault await its call.
    pub fn inject(&self, fault: InjectedFault) {
        self.ask("POST", "/_sim/faults", &json!(fault));
    }

    /// Takes back the faults that nothing has met, and lets go what others hold.
    pub fn mend(&self) {
        self.ask("DELETE", "/_sim/faults", &Value::Null);
        self.ask("POST", "/_sim/release", &Value::Null);
    }

    /// Makes a change without a call, as an outsider does.
    pub fn change(&self, change: &Value) {
        self.ask("POST", "/_sim/do", change);
    }

    /// Changes the settings that `patch` names.
    pub fn set(&self, patch: &Value) {
        self.ask("PUT", "/_sim/switches", patch);
    }

    /// Returns when a call of `operation` is being held.
    pub fn wait_held(&self, operation: &str) {
        self.wait(&format!("held={operation}"));
    }

    /// Returns when nothing of a number of effects is missing.
    pub fn wait_ledger(&self, effects: usize) {
        self.wait(&format!("ledger={effects}"));
    }

    fn wait(&self, what: &str) {
        // Less than what a socket here waits for an answer.
        let limit = LIMIT.as_millis() - 5_000;
        self.get(&format!("/_sim/wait?{what}&timeout_ms={limit}"));
    }

    fn get(&self, path: &str) -> Value {
        self.ask("GET", path, &Value::Null)
    }

    fn ask(&self, method: &str, path: &str, body: &Value) -> Value {
        let body = if body.is_null() { String::new() } else { body.to_string() };
        let answer = web::ask(self.server, method, path, &[], &body).unwrap_or_else(|e| panic!("{method} {path}: {e}"));
        assert_eq!(answer.status, 200, "{method} {path}: {}", answer.body);
        serde_json::from_str(&answer.body).unwrap()
    }
}
