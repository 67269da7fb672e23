//! How the jobs of the next golden store come to where they are: a day of a worker, hour by hour, until it is killed.

mod tools;

use crate::support::outbox::WholeOutbox as _;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crossgrant::clock::{Clock as _, ManualClock, earlier};
use crossgrant::domain::{AccountUid, Hour, JobUid, Kind, OrderType, Site};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::guards::HourlyLimits;
use crossgrant::engine::loops::restored;
use crossgrant::engine::policy::{Allow, Policy};
use crossgrant::engine::ports::crash_points::CrashPoint;
use crossgrant::engine::ports::store::Store;
use crossgrant::engine::record::{Mandate, State};
use crossgrant::simulator::{FaultKind, InjectedFault, OutsideChange, Simulator, World, WorldFile};
use crossgrant::sweep;
use crossgrant::workflow::{Overrides, OverridingFile};
use jiff::Timestamp;

use super::cast::{Part, parts};
use super::manifest::{Entry, Manifest};
use super::scene;
use crate::support::plant::{Plant, catalog};

/// The holder of the leases that a killed worker has left, and the name of the next one.
pub const WORKER: &str = "plant";
/// Leases what is not to be worked on yet.
const ASIDE: &str = "aside";
/// What parks, parks soon: the day is short.
const PATIENCE: &str = "[retry.read]\ngive-up = \"20m\"\n[retry.write]\ngive-up = \"20m\"\n\
                        [timing]\noverdue-after = \"1h\"\ngive-up-after = \"3h\"\n";
/// Longer than all that is left of the day.
const LEASE: Duration = Duration::from_secs(600);
const REFUSED: &str = "Forbidden.RAM";

/// The day, and what it is made of.
pub struct Stage {
    plant: Plant,
    parts: BTreeMap<&'static str, Part>,
    uids: BTreeMap<&'static str, JobUid>,
    /// The jobs, in the order of acceptance.
    taken: Vec<Entry>,
}

/// What is left of the day, but for the store.
pub struct Left {
    pub manifest: Manifest,
    pub world: String,
}

/// Plays the day on a store.
pub async fn play(store: Arc<dyn Store>) -> Left {
    let parts = parts();
    let beginning = scene::beginning(&parts);
    let clock = Arc::new(ManualClock::new(at("06:20:00")));
    let world = World::try_from(beginning.clone()).unwrap();
    let cloud = Simulator::new(world, Hour::REAL, clock.clone());
    let accounts = scene::accounts(&beginning, &clock, &cloud);
    let patience = OverridingFile { file: "patience.toml".into(), text: PATIENCE.into() };
    let catalog = catalog(&Overrides { policies: Some(patience), errors: None });
    let plant = Plant::under(Policy::everybody(), clock, cloud, accounts, store, catalog).await;
    let parts = parts.into_iter().map(|part| (part.role.id, part)).collect();
    let mut stage = Stage { plant, parts, uids: BTreeMap::new(), taken: Vec::new() };
    stage.morning().await;
    stage.what_is_refused().await;
    let mut stage = stage.what_the_policy_stops().await;
    stage.hours_of_others().await;
    stage.last_minutes().await;
    stage.left(beginning).await
}

impl Stage {
    /// What ends without help, and the pauses.
    async fn morning(&mut self) {
        self.send("restored").await;
        restored::mark(self.plant.store(), self.plant.clock.now()).await.unwrap();
        for id in ["granted-ccn", "detached-and-revoked", "granted-elsewhere", "granted-anew", "changed"] {
            self.send(id).await;
        }
        let busy = InjectedFault::new("GrantInstanceToTransitRouter", FaultKind::Conflict).with_effect();
        self.plant.cloud.inject(busy.only(&self.parts["refused-and-granted"].instance()));
        for id in ["planned-payer", "attached", "attached-ecr", "expired", "refused-and-granted"] {
            self.send(id).await;
        }
        for id in ["first-of-three", "second-of-three", "stopped-by-the-other", "stops-the-other"] {
            self.send(id).await;
        }
        self.reject(Some("billing"), r#"{"id": "bad", "kind": "grnt"}"#).await;
        let engine = &self.plant.engine;
        for account in [scene::RESOURCE, scene::PAUSED] {
            engine
                .pause(AccountUid::parse(account).unwrap(), "ann".into(), "an incident".into(), "tests")
                .await
                .unwrap();
        }
        engine.unpause(&AccountUid::parse(scene::RESOURCE).unwrap(), "tests").await.unwrap();
        self.plant.run_until(at("06:21:00")).await;
    }

    /// What the cloud refuses, what others change meanwhile, and what a person cancels.
    async fn what_is_refused(&mut self) {
        for id in ["put-back", "half-put-back"] {
            self.refuse("UpdateTransitRouterVpcAttachmentAttribute", REFUSED, self.parts[id].attachment(), 0);
        }
        self.send("put-back").await;
        self.send("overridden").await;
        self.send("superseded").await;
        self.plant.run_until(at("06:24:00")).await;
        self.set("overridden", Some(OrderType::PayByCenOwner), None);
        self.send("superseding").await;
        let busy = InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", FaultKind::Conflict);
        self.plant.cloud.inject(busy.times(1_000).only(&self.parts["cancelled-between"].attachment()));
        self.send("cancelled-between").await;
        self.plant.run_until(at("06:25:00")).await;
        self.plant.engine.command(self.uids["cancelled-between"], Command::Cancel, "tests").await.unwrap();
        self.plant.run_until(at("06:27:00")).await;

        let unread = InjectedFault::new("*", FaultKind::Throttle { retry_after_ms: None });
        self.plant.cloud.inject(unread.times(1_000).only(&scene::cen(2)));
        for id in ["between", "between-and-back"] {
            self.refuse("GrantInstanceToTransitRouter", REFUSED, self.parts[id].instance(), 0);
        }
        self.refuse("ModifyGrantInstanceToTransitRouter", REFUSED, self.parts["half-put-back"].instance(), 1);
        for id in ["unread", "unread-too", "never-in-force", "between", "between-and-back", "half-put-back"] {
            self.send(id).await;
        }
        self.send("detached").await;
        self.plant.run_until(at("06:58:00")).await;
        self.plant.cloud.clear_faults();
    }

    /// What the policy refuses, what an hourly limit parks, and accounts that cannot be connected.
    async fn what_the_policy_stops(mut self) -> Self {
        let allow = |kind| Allow {
            requesters: vec!["*".into(), "anonymous".into()],
            kinds: Some(vec![kind]),
            resource_accounts: None,
            cens: None,
            order_types: None,
            reply_to: None,
            webhook_hosts: vec![],
        };
        let limits = HourlyLimits { revokes_per_cen: Some(0), payer_changes_per_account: None };
        self = self.under(Policy::new(vec![allow(Kind::Revoke)], BTreeMap::new()).limited(limits)).await;
        for id in ["not-allowed", "over-the-limit", "approved", "overtaken"] {
            self.send(id).await;
        }
        self.plant.run_until(at("06:59:00")).await;
        let sites = [(scene::RESOURCE, Site::China), (scene::cen_owner(1), Site::International)];
        let sites = sites.map(|(account, site)| (AccountUid::parse(account).unwrap(), site)).into();
        self = self.under(Policy::new(vec![allow(Kind::Grant)], sites)).await;
        self.send("other-site").await;
        self.drive("other-site", |record| record.state() == State::Failed).await;
        self = self.under(Policy::everybody()).await;
        self.send("overtaking").await;
        self.drive("overtaking", |record| record.state() == State::Completed).await;
        let mandate = Mandate { authority: "tests".into(), by: Some("ann".into()), reason: Some("CHG-1".into()) };
        self.plant.engine.command(self.uids["approved"], Command::Approve, mandate).await.unwrap();
        self
    }

    async fn under(self, policy: Policy) -> Self {
        let store = self.plant.engine.store.clone();
        Self { plant: self.plant.restarted(policy, || store).await, ..self }
    }

    /// Four hours. At the top of each, somebody sets the payer that billing uses back for some jobs, so that they wait on.
    async fn hours_of_others(&mut self) {
        for hour in ["07:00:00", "08:00:00", "09:00:00", "10:00:00"] {
            self.sleep_until(hour).await;
            // The simulated hour strikes only when something reads the cloud.
            self.plant.cloud.ledger();
            for id in ["never-in-force", "overdue", "detached", "written-late"] {
                if self.uids.contains_key(id) {
                    self.set(id, None, Some(OrderType::PayByCenOwner));
                }
            }
            match hour {
                "07:00:00" => {
                    let (cen, instance) = (self.cen("detached"), self.instance("detached"));
                    self.change(OutsideChange::Detach { cen, instance });
                    self.plant.run_until(at("07:20:00")).await;
                    self.send("overdue").await;
                }
                "08:00:00" => {
                    self.plant.run_until(at("08:20:00")).await;
                    // After the survey, until the second look has confirmed that nothing is attached.
                    self.hide("written-late", 1, 2);
                    self.send("written-late").await;
                }
                "09:00:00" => {
                    self.plant.run_until(at("09:20:00")).await;
                    self.mail_goes_out().await;
                    self.send("in-doubt").await;
                    self.hide("to-be-written", 1, 2);
                    self.send("to-be-written").await;
                }
                "10:00:00" => {
                    let (cen, instance) = (self.cen("in-doubt"), self.instance("in-doubt"));
                    self.change(OutsideChange::Revoke { cen: cen.clone(), instance: instance.clone() });
                    sweep::pass(&self.plant.engine).await.unwrap();
                    self.change(OutsideChange::Grant { cen, instance, order_type: OrderType::PayByResourceOwner });
                }
                _ => {}
            }
        }
    }

    /// Works until shortly before `end`, and lets it become that.
    async fn sleep_until(&self, end: &str) {
        self.plant.run_until(earlier(at(end), Duration::from_secs(1))).await;
        self.plant.clock.advance_to(at(end));
    }

    /// What was said so far is published, but for two messages that no queue takes; what is said from here on is not.
    async fn mail_goes_out(&self) {
        let store = self.plant.store();
        let numbers: Vec<i64> = store.queued(0, 10_000).await.iter().map(|message| message.number).collect();
        store.mark(&numbers[2..], &numbers[..2]).await;
    }

    /// The last minutes: what is under way when the worker is killed.
    async fn last_minutes(&mut self) {
        self.claim(ASIDE, 100).await;
        // The second look of the sweep after the hour finds the write that is missing.
        self.plant.clock.advance_to(at("10:00:30"));
        sweep::pass(&self.plant.engine).await.unwrap();
        self.rest("to-be-written").await;
        self.reject(None, "no JSON").await;
        for (id, state) in
            [("granted-vbr", State::Completed), ("waiting", State::Waiting), ("waiting-vpn", State::Waiting)]
        {
            self.send(id).await;
            self.drive(id, |record| record.state() == state).await;
        }
        self.at_rest().await;
        let update = "UpdateTransitRouterVbrAttachmentAttribute";
        self.refuse(update, REFUSED, self.parts["in-an-undo"].attachment(), 0);
        self.refuse("DescribeVpnAttachments", REFUSED, self.parts["unchecked"].instance(), 0);
        for (id, point, nth) in [
            ("in-an-undo", CrashPoint::BeforeSend, 2),
            ("not-sent", CrashPoint::BeforeSend, 0),
            ("not-sent-ccn", CrashPoint::BeforeWrite, 0),
            ("not-answered", CrashPoint::AfterWrite, 0),
            ("detach-not-answered", CrashPoint::AfterWrite, 0),
            ("one-side", CrashPoint::AfterCommit, 1),
            ("both-sides-unknown", CrashPoint::AfterWrite, 1),
            ("revoked-only", CrashPoint::AfterCommit, 2),
            ("told-of-none-just-now", CrashPoint::AfterCommit, 2),
            ("unchecked", CrashPoint::BeforeSend, 0),
        ] {
            self.plant.script.cut_at(point, nth);
            self.send(id).await;
            self.drive(id, |_| false).await;
            assert!(self.plant.script.struck(), "{id}");
        }
        let update = InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", FaultKind::Conflict);
        self.plant.cloud.inject(update.only(&self.parts["tries-again"].attachment()));
        self.send("tries-again").await;
        self.drive("tries-again", |record| record.writes.len() == 2).await;
        // From here on the cloud refuses the account, so that no other job has its call answered.
        let keys = self.parts["keys-just-refused"].instance();
        self.refuse("GrantInstanceToTransitRouter", "InvalidSecurityToken.Expired", keys, 0);
        self.send("keys-just-refused").await;
        self.drive("keys-just-refused", |record| record.keys_refused_since.is_some()).await;
        self.send("taken-up").await;
        self.claim(WORKER, 1).await;
        self.send("held").await;
        self.drive("held", |record| record.phase.held().is_some()).await;
        for id in ["fresh", "fresh-ecr", "second-in-line", "of-another-owner", "later"] {
            self.send(id).await;
        }
        self.plant.store().reclaim(ASIDE).await.unwrap();
        // No attachment is busy any more.
        self.plant.clock.advance(Duration::from_secs(10));
        self.plant.cloud.clear_faults();
    }

    /// Jobs that rest until their next look or try, which this worker does not come to.
    async fn at_rest(&mut self) {
        self.send("unattached-once").await;
        self.rest("unattached-once").await;

        self.hide("empty-list", 0, 1);
        let list = InjectedFault::new("DescribeCenAttachedChildInstances", FaultKind::EmptyList);
        self.plant.cloud.inject(list.only(&scene::cen(1)));
        self.send("empty-list").await;
        self.rest("empty-list").await;

        for list in ["ListTransitRouters", "DescribeCens"] {
            self.plant.cloud.inject(InjectedFault::new(list, FaultKind::EmptyList).only(&scene::cen(2)));
        }
        self.send("cen-not-shown").await;
        self.rest("cen-not-shown").await;

        let revoke = InjectedFault::new("RevokeInstanceFromTransitRouter", FaultKind::DropAfter);
        self.plant.cloud.inject(revoke.only(&self.parts["gone-once"].instance()));
        self.send("gone-once").await;
        self.rest("gone-once").await;

        for kind in [FaultKind::DropBefore, FaultKind::Conflict] {
            let update = InjectedFault::new("UpdateTransitRouterVpcAttachmentAttribute", kind);
            self.plant.cloud.inject(update.only(&self.parts["sent-again"].attachment()));
        }
        self.send("sent-again").await;
        self.rest("sent-again").await;
    }

    /// Checks that every job is where its part says, and has what it says.
    async fn left(self, beginning: WorldFile) -> Left {
        assert_eq!(self.taken.len(), self.parts.len(), "every part is played");
        let mut wrong = Vec::new();
        for entry in &self.taken {
            let record = self.plant.store().find(&entry.requester(), &entry.id()).await.unwrap().unwrap();
            let why = record.phase.ending().as_ref().map(|ending| ending.reason);
            if (record.state(), why) != (entry.found, entry.why) {
                wrong.push(format!("{} is {} for {why:?}: {}", entry.id(), record.state(), record.why));
            } else if !(self.parts[entry.id().as_str()].role.has)(&record) {
                wrong.push(format!("{} has not what it should have: {record:?}", entry.id()));
            }
        }
        assert!(wrong.is_empty(), "{}", wrong.join("\n"));
        let manifest = Manifest { stopped_at: self.plant.clock.now(), jobs: self.taken };
        Left { manifest, world: scene::left(beginning, &self.plant.cloud) }
    }
}

fn at(time: &str) -> Timestamp {
    format!("2026-11-21T{time}Z").parse().unwrap()
}
