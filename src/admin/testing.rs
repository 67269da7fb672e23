//! For tests: an engine over a store in memory and a cloud that answers nothing.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::watch;
use uuid::Uuid;

use super::parts::{Admin, AdminParts};
use super::tokens::{AdminRole, AdminToken, AdminTokens};
use crate::clock::{Clock, ManualClock};
use crate::cloud::{Accounts, ClientParts, RouterTransport, Timeouts};
use crate::domain::{AccountUid, Hour, JobUid, Operation, Requester};
use crate::engine::events::Announcer;
use crate::engine::loops::shared::{Engine, EngineParts};
use crate::engine::policy::Policy;
use crate::engine::ports::crash_points::NoCrashes;
use crate::engine::ports::observe::Observer;
use crate::engine::record::{Outcome, Record, Write};
use crate::store::Sqlite;
use crate::telemetry::Metrics;
use crate::workflow::{Catalog, Overrides};

/// The time at which the clock of [`engine`] stands.
pub const START: &str = "2026-11-21T10:20:00Z";

pub fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

/// A call that a job has made at [`START`], with this outcome.
pub fn write(operation: Operation, outcome: Outcome) -> Write {
    Write {
        step: "grant".into(),
        operation,
        account: AccountUid::parse("1688000000000001").unwrap(),
        resource: "vpc-bp1h8vbrbcgohcju50001".into(),
        order_type: None,
        undo: false,
        generation: 0,
        client_token: None,
        sends: 1,
        unsettled: false,
        intended_at: at(START),
        outcome,
    }
}

/// A queued payer change.
pub fn record(id: &str) -> Record {
    let job = serde_json::json!({
        "id": id,
        "kind": "payer-change",
        "instance": {
            "type": "VPC", "id": "vpc-bp1h8vbrbcgohcju50001", "region": "cn-hangzhou", "owner": "1688000000000001"
        },
        "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
        "order_type": "PayByResourceOwner",
        "labels": {"ticket": id},
    });
    let uid = JobUid(Uuid::new_v5(&Uuid::NAMESPACE_OID, id.as_bytes()));
    let requester = Requester::parse("ticketing").unwrap();
    Record::new(uid, requester, serde_json::from_value(job).unwrap(), "d", "survey", at(START))
}

pub async fn engine(observer: Arc<dyn Observer>) -> Arc<Engine> {
    engine_by(Arc::new(ManualClock::new(at(START))), observer).await
}

/// An engine that goes by this clock.
pub async fn engine_by(clock: Arc<dyn Clock>, observer: Arc<dyn Observer>) -> Arc<Engine> {
    let registry = Arc::new(crate::actions::registry());
    let transport = Arc::new(RouterTransport::new(axum::Router::new()));
    let timeouts = Timeouts { connect: Duration::from_secs(1), request: Duration::from_secs(1) };
    let catalog = Catalog::embedded(&registry.specs(), &Overrides::default()).unwrap();
    let cloud =
        Accounts::new(ClientParts { timeouts, ..ClientParts::new(clock.clone(), transport, &catalog.classes) }, vec![]);
    let parts = EngineParts {
        store: Arc::new(Sqlite::in_memory().unwrap()),
        cloud: Arc::new(cloud),
        catalog: Arc::new(catalog),
        clock,
        registry,
        policy: Policy::everybody().into(),
        announcer: Announcer {
            exchange: "crossgrant.events".into(),
            source: "/crossgrant/test".into(),
            hour: Hour::REAL,
            sampling: None,
        },
        crash_points: Arc::new(NoCrashes),
        observer,
        holder: "test".into(),
    };
    Arc::new(Engine::new(parts).await.unwrap())
}

/// A payer change as a message from `user`.
pub fn incoming(user: &str, id: &str) -> crate::engine::ports::mail::Incoming {
    let job = record(id).job;
    let mut body: BTreeMap<String, serde_json::Value> =
        serde_json::from_value(serde_json::to_value(&job).unwrap()).unwrap();
    body.retain(|key, _| key != "attachments" && key != "mode");
    crate::engine::ports::mail::Incoming {
        body: serde_json::to_vec(&body).unwrap().into(),
        routing_key: format!("job.{}", job.kind),
        user_id: Some(user.into()),
        ..Default::default()
    }
}

/// The secret of the token with the role.
pub fn secret(role: AdminRole) -> String {
    format!("s3cr3t-{role}")
}

/// A token of each role, named like it.
pub fn tokens() -> AdminTokens {
    AdminTokens::new(AdminRole::ALL.map(|role| AdminToken {
        name: role.to_string(),
        role,
        secret: secret(role).into(),
        requesters: vec![],
    }))
}

/// The admin API of a worker without a broker.
pub async fn admin() -> Admin {
    let metrics = Arc::new(Metrics::new());
    admin_of(engine(metrics.engine()).await, metrics)
}

/// The same, of this engine.
pub fn admin_of(engine: Arc<Engine>, metrics: Arc<Metrics>) -> Admin {
    // It does not stop while a test runs, so its sender is never dropped.
    let (stop, stopping) = watch::channel(false);
    std::mem::forget(stop);
    Admin::new(AdminParts { engine, metrics, broker: None, tokens: tokens(), hosts: vec![], stopping })
}
