//! A worker of today goes on with a golden store, and every job in it ends right.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use crossgrant::clock::{Clock as _, ManualClock, later};
use crossgrant::domain::{AccountUid, Hour, InstanceId, Reason};
use crossgrant::engine::decide::command::Command;
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::store::Taken;
use crossgrant::engine::record::{Record, State};
use crossgrant::simulator::{Simulator, World, WorldFile};
use serde_json::{Value, json};

use super::files::{Backend, Kept, lines};
use super::manifest::{Entry, Manifest, Person, lane_of, line, read};
use super::stage::WORKER;
use super::{desk, post};
use crate::support::plant::{Plant, usual};

/// An upgrade takes a while.
const AWAY: Duration = Duration::from_secs(180);
/// Long enough for everything that ends without a person, and for what begins on the next day.
const DAYS: Duration = Duration::from_secs(3 * 86_400);

/// A worker of today on a copy of a golden store.
pub struct Ending {
    plant: Plant,
    manifest: Manifest,
    /// Every job as it was found.
    found: Vec<Record>,
    /// The store and its place; goes last.
    kept: Kept,
}

impl Ending {
    /// Opens a copy, and finds every job where it was left.
    pub async fn begin(folder: &Path, backend: Backend) -> Self {
        let manifest = Manifest::read(folder);
        let world = read(folder, "world.toml");
        let clock = Arc::new(ManualClock::new(later(manifest.stopped_at, AWAY)));
        let cloud = Simulator::new(World::from_toml(&world).unwrap(), Hour::REAL, clock.clone());
        let world: WorldFile = toml::from_str(&world).unwrap();
        let accounts = super::scene::accounts(&world, &clock, &cloud);
        let kept = backend.copy(folder).await;
        let plant = Plant::under(Policy::everybody(), clock, cloud, accounts, kept.store.clone(), usual()).await;
        let mut found = Vec::new();
        for entry in &manifest.jobs {
            let record = plant.store().find(&entry.requester(), &entry.id()).await.unwrap();
            let record = record.unwrap_or_else(|| panic!("{} is not in the store", entry.id()));
            let why = record.phase.ending().as_ref().map(|ending| ending.reason);
            assert_eq!((record.state(), why), (entry.found, entry.why), "{}", entry.id());
            found.push(record);
        }
        Self { plant, manifest, found, kept }
    }

    /// What a record says is known, to the last field.
    pub fn reads_every_field(&self) {
        let records = self.kept.records();
        assert_eq!(records.len(), self.found.len());
        for (written, read) in records.iter().zip(&self.found) {
            let lost = lost("", written, &json!(read));
            assert!(lost.is_empty(), "{}: {lost:?}", read.job.id);
        }
    }

    /// Every job can be shown, with what was said of it.
    pub async fn shows_every_job(&self) {
        for record in &self.found {
            desk::shows(&self.plant, record).await;
        }
        assert_eq!(self.plant.store().rejections(10, None).await.unwrap().len(), 2);
    }

    /// The worker starts, and works until nothing is left to do without a person.
    pub async fn works_alone(&self) {
        self.plant.store().reclaim(WORKER).await.unwrap();
        self.works().await;
        for (entry, before) in self.manifest.jobs.iter().zip(&self.found) {
            let record = self.plant.record(before.uid).await;
            match entry.person {
                None => ended(entry, &record),
                Some(_) => assert_eq!(record.state(), entry.found, "{}: {}", entry.id(), record.why),
            }
            if before.state().is_terminal() {
                assert_eq!(record, *before, "{}", entry.id());
            }
        }
    }

    /// A person decides about all the rest, and it ends.
    pub async fn is_told(&self) {
        for (entry, before) in self.manifest.jobs.iter().zip(&self.found) {
            let (told, refused) = match entry.person {
                Some(Person::Resume) => (Command::Resume, Some(Command::Approve)),
                Some(Person::Approve) => (Command::Approve, Some(Command::Resume)),
                Some(Person::Cancel) => (Command::Cancel, None),
                Some(Person::Unpause) => {
                    let owner = entry.body()["cen"]["owner"].as_str().unwrap().to_owned();
                    self.plant.engine.unpause(&AccountUid::parse(owner).unwrap(), "tests").await.unwrap();
                    continue;
                }
                Some(Person::FreeTheLine) | None => continue,
            };
            if let Some(refused) = refused {
                let declined = self.plant.engine.command(before.uid, refused, "tests").await;
                assert!(declined.is_err(), "{}: {refused:?} is carried out", entry.id());
            }
            self.plant.engine.command(before.uid, told, "tests").await.unwrap();
        }
        self.works().await;
        for (entry, before) in self.manifest.jobs.iter().zip(&self.found) {
            ended(entry, &self.plant.record(before.uid).await);
        }
    }

    async fn works(&self) {
        self.plant.run_until(later(self.plant.clock.now(), DAYS)).await;
    }

    /// The cloud shows every write that was missing, and no other, each made by one call.
    pub fn wrote_what_was_missing(&self) {
        let mut missing: BTreeMap<InstanceId, Vec<String>> = BTreeMap::new();
        for entry in self.manifest.jobs.iter().filter(|entry| !entry.writes.is_empty()) {
            missing.entry(entry.instance()).or_default().extend(entry.writes.clone());
        }
        let mut written: BTreeMap<InstanceId, Vec<String>> = BTreeMap::new();
        for entry in self.plant.cloud.ledger().into_iter().filter(|entry| entry.operation != "hour") {
            let payer = entry.effect.order_type.map(|payer| format!(" {payer}")).unwrap_or_default();
            let instance = entry.effect.instance.clone().unwrap();
            written.entry(instance).or_default().push(format!("{}{payer}", entry.operation));
        }
        assert_eq!(written, missing);
        let writes = ["Grant", "Revoke", "Modify", "Update", "Delete", "Detach"];
        let calls = self.plant.cloud.calls().into_iter();
        let vain: Vec<_> =
            calls.filter(|call| !call.effect && writes.iter().any(|verb| call.operation.starts_with(verb))).collect();
        assert!(vain.is_empty(), "{vain:?}");
    }

    /// Every job has said one last word, and all that was to be published is, under the ids it had.
    pub async fn publishes_every_message_once(&self, folder: &Path, backend: Backend) {
        for (entry, record) in self.manifest.jobs.iter().zip(&self.found) {
            let said = self.plant.said(record.uid).await;
            let last = said.iter().filter(|word| State::parse(word).is_some_and(State::is_terminal));
            assert_eq!(last.count(), 1, "{}: {said:?}", entry.id());
            assert_eq!(said.last().map(String::as_str), Some(entry.end.as_str()), "{}: {said:?}", entry.id());
        }
        for batch in self.plant.store().batches(false, None, 100).await.unwrap() {
            let said: Vec<_> = self.plant.events(batch.uid).await.iter().map(|event| event["type"].clone()).collect();
            let ends = said.iter().filter(|word| *word == "crossgrant.batch.ended").count();
            assert_eq!(
                (ends, said.last()),
                (1, Some(&json!("crossgrant.batch.ended"))),
                "{}: {said:?}",
                batch.terms.id
            );
        }
        let undeliverable = self.plant.store().undeliverable(0, 10_000).await.unwrap();
        let kept: Vec<String> = undeliverable.iter().map(|message| line(&message.outgoing)).collect();
        assert_eq!(kept, lines(folder, backend.undeliverable()));
        let numbers: Vec<i64> = undeliverable.iter().map(|message| message.number).collect();
        self.plant.store().replay(&numbers).await.unwrap();

        let mut once = Vec::new();
        for (lane, published) in post::published(&self.plant).await {
            let of_lane = |lines: &[String]| lines.iter().filter(|line| lane_of(line) == lane).cloned().collect();
            let (before, kept): (Vec<_>, Vec<_>) = (of_lane(&lines(folder, backend.outbox())), of_lane(&kept));
            for address in addresses(lane, &published) {
                let to = |lines: &[String]| lines.iter().filter(|line| line.ends_with(&address)).cloned().collect();
                let (published, before, kept): (Vec<_>, Vec<_>, Vec<_>) = (to(&published), to(&before), to(&kept));
                assert_eq!(published[..before.len()], before, "what stood in the outbox goes out first, as it was");
                assert_eq!(published[published.len() - kept.len()..], kept);
            }
            once.extend(published);
        }
        let published = once.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), published.len(), "no message goes out twice");
    }

    /// The same message again is the same job, and another under its id is none.
    pub async fn knows_its_messages(&self) {
        for (entry, record) in self.manifest.jobs.iter().zip(&self.found) {
            let mut other = entry.clone();
            let mut body = entry.body();
            body["instance"]["region"] = Value::from("cn-beijing");
            other.message = body.to_string();
            let taken = self.plant.inbox.accept(vec![entry.incoming(), other.incoming()]).await.unwrap();
            assert_eq!(taken[0], Taken::Repeated(record.uid), "{}", entry.id());
            assert!(matches!(taken[1], Taken::Reused(_)), "{}: {:?}", entry.id(), taken[1]);
        }
    }
}

/// The ends of lines within which order counts: replies to each queue have an order, and the events have one all together.
fn addresses(lane: Lane, lines: &[String]) -> BTreeSet<String> {
    match lane {
        Lane::Events => BTreeSet::from([String::new()]),
        Lane::Replies => {
            lines.iter().filter_map(|line| line.split(' ').nth(2)).map(|queue| format!(" {queue}")).collect()
        }
    }
}

/// Where `read` says less than what is `written`, or something else.
fn lost(at: &str, written: &Value, read: &Value) -> Vec<String> {
    match written {
        Value::Object(fields) => {
            fields.iter().flat_map(|(name, value)| lost(&format!("{at}/{name}"), value, &read[name])).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().flat_map(|(n, item)| lost(&format!("{at}/{n}"), item, &read[n])).collect()
        }
        other if other == read => vec![],
        other => vec![format!("{at}: {other} was read as {read}")],
    }
}

fn ended(entry: &Entry, record: &Record) {
    let because: Option<Reason> = record.phase.ending().as_ref().map(|ending| ending.reason);
    assert_eq!((record.state(), because), (entry.end, Some(entry.because)), "{}: {}", entry.id(), record.why);
}
