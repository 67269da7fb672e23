//! Jobs for the browser, in every state that operators see: each came there by what a worker does with a simulated cloud that is
//! made to refuse, to throttle and to lag.

use std::time::Duration;

use crossgrant::clock::{Clock as _, later};
use crossgrant::domain::{AccountUid, JobUid};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::guards::HourlyLimits;
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::outbox::{Outbox, OutboxPage, SetAside, Settlement};
use crossgrant::engine::ports::store::Taken;
use crossgrant::engine::record::Mandate;
use crossgrant::simulator::{FaultKind, InjectedFault};
use serde_json::{Value, json};

use crate::support::plant::{
    ATTACHED, CEN, HELD, NOT_GRANTED, Plant, RESOURCE, ROUTER, STRANGER, grant, payer_change, revoke, with,
};

/// Each text that a stranger can write: markup, an end of a quotation, a script, marks that turn the direction of writing.
pub const HOSTILE: &str = "\"'><script>alert(1)</script><img src=x onerror=alert(2)>\u{202e}&amp;`x";

/// The networks that are attached: their payer changes wait for the hour.
const JOINED: [usize; 9] = [0, 1, 2, 3, 4, 12, 13, 14, 15];

/// The network that is not granted.
const BARE: usize = 21;

/// More networks than the example world has, all granted but one.
fn world() -> String {
    let one = |n: usize| {
        let id = network(n);
        let instance =
            format!("\n[[instances]]\ntype = \"VPC\"\nid = {id:?}\nregion = \"cn-hangzhou\"\nowner = {RESOURCE:?}\n");
        let grant = || format!("[[grants]]\ncen = {CEN:?}\ninstance = {id:?}\norder_type = \"PayByCenOwner\"\n");
        if n == BARE { instance } else { instance + &grant() }
    };
    let attached = |n: usize| {
        let (attachment, id) = (attachment(n), network(n));
        format!("\n[[attachments]]\nid = {attachment:?}\ntransit_router = {ROUTER:?}\ninstance = {id:?}\n")
    };
    let networks: String = (0..24).map(one).chain(JOINED.map(attached)).collect();
    format!("{}{networks}", include_str!("../../../examples/world.toml"))
}

pub fn network(n: usize) -> String {
    format!("vpc-bp1k2m5q8w3e6r9t{n:04}")
}

fn attachment(n: usize) -> String {
    format!("tr-attach-k2m5q8w3e6r{n:04}")
}

fn forbidden(message: &str) -> FaultKind {
    FaultKind::Error { http: 403, code: "Forbidden.RAM".into(), message: message.into() }
}

/// A fault that strikes every call that names this.
fn always(operation: &str, kind: FaultKind, only: &str) -> InjectedFault {
    InjectedFault::new(operation, kind).times(1_000_000).only(only)
}

impl Plant {
    /// Takes in a job of this requester, with the ticket that it is for.
    async fn asked(&self, requester: &str, job: Value, ticket: &str) -> JobUid {
        let job = with(job, "labels", json!({"ticket": ticket}));
        match self.send_as(Some(requester), &job).await {
            Taken::New(uid) => uid,
            other => panic!("{job} was not taken as a new job: {other:?}"),
        }
    }

    async fn goes_on(&self, span: Duration) {
        self.run_until(later(self.clock.now(), span)).await;
    }
}

/// A plant with jobs in every state.
pub async fn everything() -> Plant {
    let plant = Plant::with_world(&world()).await;
    since_morning(&plant).await;
    one_side_alone(&plant).await;
    what_waits(&plant).await;
    plant
}

/// Jobs that have ended, that gave up, and that wait for an hour in vain.
async fn since_morning(plant: &Plant) {
    plant.asked("tickets", payer_change("NET-4310", HELD, "PayByResourceOwner"), "CHG-101").await;
    plant.asked("tickets", grant("NET-4311", NOT_GRANTED), "CHG-101").await;
    plant.asked("tickets", revoke("NET-4309", "vpc-bp1h8vbrbcgohcju59999"), "CHG-99").await;
    plant.asked("tickets", revoke("NET-4308", ATTACHED), "CHG-98").await;
    plant.asked("tickets", with(revoke("NET-4307", &network(17)), "mode", json!("plan")), "CHG-97").await;
    plant.asked("tickets", payer_change("NET-4306", &network(12), "PayByResourceOwner"), "CHG-96").await;
    plant.asked("tickets", payer_change("NET-4304", &network(13), "PayByResourceOwner"), "CHG-94").await;
    let busy = FaultKind::Throttle { retry_after_ms: None };
    plant.cloud.inject(always("RevokeInstanceFromTransitRouter", busy, &network(18)));
    plant.asked("tickets", revoke("NET-4301", &network(18)), "CHG-91").await;
    for (n, job) in [grant("SEP-0", &network(19)), revoke("SEP-1", &network(14))].into_iter().enumerate() {
        let batch = json!({"id": "MOVE-SEPTEMBER", "size": 2});
        plant.asked("netops", with(job, "batch", batch), &format!("CHG-{}", 80 + n)).await;
    }
    plant.goes_on(Duration::from_secs(600)).await;
    plant.asked("tickets", payer_change("NET-4305", &network(13), "PayByCenOwner"), "CHG-95").await;
    // At the top of each hour, another sets the payer that billing uses back, so that NET-4306 waits in vain.
    for hour in 11..=16 {
        let top = format!("2026-11-21T{hour}:00:00Z").parse().unwrap();
        plant.run_until(crossgrant::clock::earlier(top, Duration::from_secs(1))).await;
        plant.clock.advance_to(top);
        plant.cloud.ledger();
        plant.somebody_sets(&network(12), "effective_order_type", "PayByCenOwner");
        plant.run_until(later(top, Duration::from_secs(60))).await;
    }
    plant.run_until("2026-11-21T16:24:00Z".parse().unwrap()).await;
    plant.clock.advance_to("2026-11-21T16:24:00Z".parse().unwrap());
    plant.cloud.clear_faults();
}

/// One side is written, the other is refused, and so is the way back of one; the other one goes back again and again.
async fn one_side_alone(plant: &Plant) {
    for (id, instance, attachment, back) in [
        ("NET-4312", ATTACHED, "tr-attach-nls9fzkfat89340001".to_owned(), forbidden("not authorized by RAM policy")),
        ("NET-4318", &network(15), attachment(15), forbidden("not authorized by RAM policy")),
        ("NET-4314", &network(14), attachment(14), FaultKind::Conflict),
    ] {
        let refused = forbidden("not authorized by RAM policy");
        plant.cloud.inject(always("UpdateTransitRouterVpcAttachmentAttribute", refused, &attachment));
        plant.cloud.inject(always("ModifyGrantInstanceToTransitRouter", back, instance).after(1));
        plant.asked("tickets", payer_change(id, instance, "PayByResourceOwner"), "CHG-102").await;
    }
    plant.goes_on(Duration::from_secs(120)).await;
    plant.cloud.clear_faults();
    plant.cloud.inject(always("ModifyGrantInstanceToTransitRouter", FaultKind::Conflict, &network(14)));
}

/// Jobs that wait: for the hour, for a person, for an account, for their next try; what came in wrong, and what found no queue.
async fn what_waits(plant: &Plant) {
    let limits = HourlyLimits { revokes_per_cen: Some(1), payer_changes_per_account: Some(5) };
    plant.engine.policy.set(Policy::everybody().limited(limits));
    for n in 0..5 {
        plant.asked("netops", payer_change(&format!("MOVE-{n}"), &network(n), "PayByResourceOwner"), "CHG-103").await;
    }
    for n in 5..8 {
        plant.asked("tickets", revoke(&format!("GONE-{n}"), &network(n)), "CHG-104").await;
    }
    let kept = plant.asked("tickets", revoke("GONE-4", &network(20)), "CHG-104").await;
    plant.goes_on(Duration::from_secs(60)).await;
    let mandate = Mandate {
        authority: "night-shift".into(),
        by: Some("Ann".into()),
        reason: Some("CHG-104 was taken back for this network".into()),
    };
    plant.engine.command(kept, Command::Cancel, mandate).await.unwrap();

    let stranger = AccountUid::parse(STRANGER).unwrap();
    plant.engine.pause(stranger, "Ann".into(), "CHG-106: its keys are replaced".into(), "night-shift").await.unwrap();
    let mut held = grant("NET-4315", "vpc-bp1n4v7x2c5b8m1l0001");
    held["instance"]["owner"] = json!(STRANGER);
    plant.asked("tickets", held, "CHG-106").await;
    let busy = FaultKind::Throttle { retry_after_ms: None };
    plant.cloud.inject(always("GrantInstanceToTransitRouter", busy, &network(BARE)));
    plant.asked("netops", grant("NET-4317", &network(BARE)), "CHG-109").await;
    for n in 8..10 {
        plant.asked("netops", grant(&format!("NEXT-{n}"), &network(n)), "CHG-105").await;
    }
    for n in 0..2 {
        let batch = json!({"id": "MOVE-OCTOBER", "size": 3});
        plant.asked("netops", with(grant(&format!("OCT-{n}"), &network(10 + n)), "batch", batch), "CHG-107").await;
    }
    let bad = json!({"id": "NET-4313", "kind": "gift", "instance": {"type": "VPC", "id": "vpc-1"}});
    plant.send_as(Some("tickets"), &bad).await;
    plant.work().await;
    plant.clock.advance(Duration::from_secs(75));
    // Behind the jobs that are half done.
    plant.asked("netops", payer_change("NET-4316", ATTACHED, "PayByCenOwner"), "CHG-108").await;
    plant.asked("netops", grant("NET-4319", &network(15)), "CHG-110").await;
    plant.work().await;
    published(plant).await;
}

/// What was to be published is, but for the first event, which no queue takes.
async fn published(plant: &Plant) {
    for lane in Lane::ALL {
        let page = OutboxPage { lane, which: Outbox::Fresh(0), messages: 10_000, bytes: usize::MAX };
        let mut numbers: Vec<i64> = plant.store().outbox(page).await.unwrap().iter().map(|row| row.number).collect();
        let aside = (lane == Lane::Events).then(|| numbers.remove(0));
        let aside =
            aside.map(|number| SetAside { number, reason: "no queue takes it".into(), tries: 0, given_up: false });
        let undeliverable = aside.into_iter().collect();
        plant
            .store()
            .settle(lane, &Settlement { done: numbers, undeliverable, ..Settlement::default() })
            .await
            .unwrap();
    }
}

/// A plant in which every text that comes from outside is hostile: what the cloud says, labels, who asks, a message that is no job,
/// what an operator is called and says, and the reason of a pause.
pub async fn strange() -> Plant {
    let plant = Plant::with_world(&world()).await;
    let said = FaultKind::Error { http: 400, code: HOSTILE.into(), message: HOSTILE.into() };
    plant.cloud.inject(always("RevokeInstanceFromTransitRouter", said, ""));
    let labels = json!({"<b>label</b>\u{202e}": HOSTILE});
    plant.job(with(revoke("STRANGE-1", &network(5)), "labels", labels)).await;
    plant.goes_on(Duration::from_secs(120)).await;
    let account = AccountUid::parse(RESOURCE).unwrap();
    plant.engine.pause(account, HOSTILE.into(), HOSTILE.into(), "night-shift").await.unwrap();
    plant.send_as(Some("<i>tickets</i>"), &json!({"id": HOSTILE, "kind": HOSTILE, "labels": {HOSTILE: HOSTILE}})).await;
    let cancelled = plant.job(grant("STRANGE-2", &network(0))).await;
    plant.job(grant("STRANGE-3", &network(1))).await;
    plant.work().await;
    let mandate = Mandate { authority: "night-shift".into(), by: Some(HOSTILE.into()), reason: Some(HOSTILE.into()) };
    plant.engine.command(cancelled, Command::Cancel, mandate).await.unwrap();
    plant
}
