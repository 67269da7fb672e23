//! Guards: hourly limits park before the first write and never after it, a person approves by number, and a paused account
//! is left alone until it is unpaused.

use std::path::Path;
use std::sync::Arc;

use crossgrant::clock::Clock;
use crossgrant::domain::{AccountUid, JobUid, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::guards::HourlyLimits;
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::store::Store;
use crossgrant::engine::record::State;
use crossgrant::simulator::{FaultKind, InjectedFault};
use crossgrant::store::Sqlite;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::plant::{
    ATTACHED, CEN, CEN_OWNER, HELD, NOT_GRANTED, Plant, RESOURCE, ROUTER, UNATTACHED, grant, payer_change, revoke, with,
};

mod approving;
mod deciding;
mod limits;
mod overtaking;
mod pauses;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn account(uid: &str) -> AccountUid {
    AccountUid::parse(uid).unwrap()
}

fn network(n: usize) -> String {
    format!("vpc-bp1guarded{n:08}")
}

/// The example world with networks that are granted and not attached.
fn world(networks: usize) -> String {
    let one = |n| {
        let id = network(n);
        format!(
            "\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n\
             [[grants]]\ncen = {CEN:?}\ninstance = {id:?}\norder_type = \"PayByCenOwner\"\n"
        )
    };
    let networks: String = (0..networks).map(one).collect();
    format!("{}{networks}", include_str!("../../examples/world.toml"))
}

fn open(path: &Path) -> Arc<dyn Store> {
    Arc::new(Sqlite::open(path).unwrap())
}

fn limited(limits: HourlyLimits) -> Policy {
    Policy::everybody().limited(limits)
}

fn limits(revokes: u32, payer_changes: u32) -> HourlyLimits {
    HourlyLimits { revokes_per_cen: Some(revokes), payer_changes_per_account: Some(payer_changes) }
}

/// A worker with these limits, in a world with this number of networks to revoke.
async fn guarded(networks: usize, limits: HourlyLimits) -> Plant {
    let plant = Plant::with_world(&world(networks)).await;
    let store = plant.engine.store.clone();
    plant.restarted(limited(limits), || store).await
}

async fn revokes(plant: &Plant, networks: std::ops::Range<usize>) -> Vec<JobUid> {
    let mut uids = Vec::new();
    for n in networks {
        uids.push(plant.job(revoke(&format!("r{n}"), &network(n))).await);
    }
    uids
}

async fn states(plant: &Plant, uids: &[JobUid]) -> Vec<State> {
    let mut states = Vec::new();
    for uid in uids {
        states.push(plant.record(*uid).await.state());
    }
    states
}

/// Calls that would change something, whatever came of them.
fn write_calls(plant: &Plant) -> usize {
    let writes = ["Grant", "Revoke", "Modify", "Update", "Delete", "Detach"];
    plant.cloud.calls().iter().filter(|call| writes.iter().any(|verb| call.operation.starts_with(verb))).count()
}

async fn pause(plant: &Plant, uid: &str) {
    plant.engine.pause(account(uid), "ann".into(), "an incident".into(), "tests").await.unwrap();
}
