//! What another cloud, written from the vendor's documents by other hands, found wrong with the worker: each as a setting of
//! the simulated cloud, with the right end. One concern per file.

use std::time::Duration;

use crossgrant::admin::explain;
use crossgrant::clock::Clock;
use crossgrant::domain::{JobUid, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::plant::{CEN, CEN_OWNER, Plant, RESOURCE, ROUTER, STRANGER, Stock, in_memory_and_in_a_database};
use crate::support::thorough;

mod cooldown;
mod editions;
mod empty_lists;
mod held_reads;
mod late_hour;
mod owners;
mod races;
mod refused_with_effect;

/// An instance of the example world that is not granted there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subject {
    pub kind: &'static str,
    pub id: &'static str,
    pub region: &'static str,
}

pub const VPC: Subject = Subject { kind: "VPC", id: "vpc-bp1h8vbrbcgohcju50003", region: "cn-hangzhou" };
pub const VBR: Subject = Subject { kind: "VBR", id: "vbr-bp1svadp4lq38janc0001", region: "cn-hangzhou" };
pub const VPN: Subject = Subject { kind: "VPN", id: "vco-bp1bbi27hojx80nck0001", region: "cn-hangzhou" };
pub const ECR: Subject = Subject { kind: "ECR", id: "ecr-n78omt2qsko06y0001", region: "cn-hangzhou" };
pub const CCN: Subject = Subject { kind: "CCN", id: "ccn-n2935s1mnwv8i00001", region: "cn-shanghai" };
pub const SUBJECTS: [Subject; 5] = [VPC, VBR, VPN, ECR, CCN];

/// The types that have a payer which can be changed while they are attached; in a database, which is slower, one of them.
pub fn billed(stock: Stock) -> &'static [Subject] {
    match stock {
        Stock::Memory => &[VPC, VBR, VPN],
        Stock::Database => &[VPC],
    }
}

/// All cases in memory, and in a database one of so many.
fn share<T>(stock: Stock, one_of: usize, cases: impl IntoIterator<Item = T>) -> impl Iterator<Item = T> {
    let all = cases.into_iter().enumerate();
    all.filter(move |(n, _)| stock == Stock::Memory || thorough::runs(*n, one_of)).map(|(_, case)| case)
}

/// How an instance stands when the job comes; the payer is `PayByCenOwner`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stands {
    NotGranted,
    Granted,
    Attached,
}

impl Stands {
    pub const ALL: [Self; 3] = [Self::NotGranted, Self::Granted, Self::Attached];
}

impl Subject {
    /// What can be asked of it. A CCN has no payer.
    pub fn kinds(self) -> &'static [&'static str] {
        if self == CCN { &["grant", "revoke"] } else { &["grant", "revoke", "payer-change"] }
    }

    /// A job on it. A payer change is one to `PayByResourceOwner`.
    pub fn job(self, kind: &str) -> Value {
        let Self { kind: of, id, region } = self;
        let mut job = json!({
            "id": kind, "kind": kind,
            "instance": {"type": of, "id": id, "region": region, "owner": RESOURCE},
            "cen": {"id": CEN, "owner": CEN_OWNER},
        });
        if kind == "payer-change" {
            job["order_type"] = "PayByResourceOwner".into();
        }
        job
    }

    /// The example world with it standing so, and an account that owns nothing.
    pub fn world(self, stands: Stands) -> String {
        let mut world = include_str!("../../examples/world.toml").to_owned();
        world += &format!(
            "\n[[accounts]]\nuid = {STRANGER:?}\nkeys = [{{ id = \"stranger-key\", secret = \"stranger-secret\" }}]\n"
        );
        if stands != Stands::NotGranted {
            world += &format!("\n[[grants]]\ncen = {CEN:?}\ninstance = {:?}\n", self.id);
        }
        if stands == Stands::Attached {
            world += &format!("\n[[attachments]]\ntransit_router = {ROUTER:?}\ninstance = {:?}\n", self.id);
        }
        world
    }

    /// A worker against that world.
    pub async fn plant(self, stock: Stock, stands: Stands) -> Plant {
        Plant::in_world_on(stock, &self.world(stands)).await
    }
}

/// What somebody else does to the cloud.
pub fn somebody(plant: &Plant, change: Value) {
    plant.cloud.change(serde_json::from_value::<OutsideChange>(change).unwrap()).unwrap();
}

pub fn switch(plant: &Plant, switches: Value) {
    plant.cloud.patch_switches(switches).unwrap();
}

/// An error of the cloud in place of its answer.
pub fn refusal(http: u16, code: &str) -> FaultKind {
    FaultKind::Error { http, code: code.into(), message: String::new() }
}

/// How a job ended, and why.
pub fn end(record: &Record) -> (State, Option<Reason>) {
    (record.state(), record.phase.ending().as_ref().map(|ending| ending.reason))
}

pub fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}Z").parse().unwrap()
}
