//! What all loops of the engine share: the ports, the definitions, and the way from a decision to its commit.

use std::collections::{BTreeSet, HashMap};
use std::ops::Deref;
use std::sync::{Arc, Mutex, MutexGuard, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{Notify, watch};

use crate::clock::{Clock, earlier};
use crate::domain::{EventType, JobUid, Live, TraceContext};
use crate::engine::decide::decision::{Context, Decision, Next};
use crate::engine::decide::event_routes::EventRoutes;
use crate::engine::decide::parked_news::ParkedNews;
use crate::engine::events::Announcer;
use crate::engine::guards::WINDOW;
use crate::engine::look::looker::{Looker, SharedReads};
use crate::engine::loops::moved::Moved;
use crate::engine::policy::Policy;
use crate::engine::ports::action::Registry;
use crate::engine::ports::cloud::Cloud;
use crate::engine::ports::crash_points::CrashPoints;
use crate::engine::ports::mail::{Lane, Lanes};
use crate::engine::ports::observe::Observer;
use crate::engine::ports::store::{Admission, Change, LeaseUse, OutboundMessage, Store, StoreError};
use crate::engine::ports::trace::current;
use crate::engine::receivers::Receivers;
use crate::engine::record::Record;
use crate::engine::spans::of_commit;
use crate::workflow::{Catalog, Definition};

/// The parts an engine is made of.
pub struct EngineParts {
    /// Keeps jobs, events and messages.
    pub store: Arc<dyn Store>,
    /// Reads and writes as every configured account.
    pub cloud: Arc<dyn Cloud>,
    /// Wall clock and uptime.
    pub clock: Arc<dyn Clock>,
    /// Definitions, policies and error classes.
    pub catalog: Arc<Catalog>,
    /// The actions that steps can call.
    pub registry: Arc<Registry>,
    /// Allow-rules, sites and hourly limits, as they are configured now.
    pub policy: Live<Policy>,
    /// Makes events and addresses them.
    pub announcer: Announcer,
    /// Where a test cuts the engine; in production nowhere.
    pub crash_points: Arc<dyn CrashPoints>,
    /// Counts for the metrics.
    pub observer: Arc<dyn Observer>,
    /// The name of this worker, as the holder of its leases.
    pub holder: String,
}

/// The engine of a worker. It has the fields of its [`EngineParts`].
pub struct Engine {
    parts: EngineParts,
    /// Notified when a job may be due.
    pub work: Notify,
    /// Notified when a lane of the outbox may hold a message.
    pub mail: Lanes<Notify>,
    /// Notified when the outbox may hold a message to a webhook.
    pub hooks: Notify,
    /// Notified when a job may wait for the sweep.
    pub hours: Notify,
    /// The batches of which a job has ended or come, to be looked at.
    pub batches: TurnedBatches,
    /// Reads that looks share.
    pub reads: SharedReads,
    /// How often the loop that claims jobs has come round. That it goes on shows that this worker lives.
    pub rounds: watch::Sender<u64>,
    pinned: RwLock<HashMap<String, Arc<Definition>>>,
    routes: Mutex<EventRoutes>,
    receivers: Mutex<Receivers>,
    pub(super) parked_news: Mutex<ParkedNews>,
}

impl Deref for Engine {
    type Target = EngineParts;

    fn deref(&self) -> &EngineParts {
        &self.parts
    }
}

/// Batches that have turned since they were looked at. What is lost here with the process is found again: every open batch is
/// looked at by and by.
#[derive(Debug, Default)]
pub struct TurnedBatches {
    uids: Mutex<BTreeSet<JobUid>>,
    bell: Notify,
}

impl TurnedBatches {
    /// Adds a batch.
    pub fn add(&self, uid: JobUid) {
        self.uids.lock().expect("no holder of this lock panics").insert(uid);
        self.bell.notify_one();
    }

    /// Takes all of them out.
    pub fn take(&self) -> BTreeSet<JobUid> {
        std::mem::take(&mut *self.uids.lock().expect("no holder of this lock panics"))
    }

    /// Returns when one may have been added.
    pub async fn added(&self) {
        self.bell.notified().await;
    }
}

impl Engine {
    /// An engine of these parts. Puts the current definitions into the store, for the jobs that will be pinned to them.
    pub async fn new(parts: EngineParts) -> Result<Self, StoreError> {
        let engine = Self {
            parts,
            work: Notify::new(),
            mail: Lanes::new(Notify::new),
            hooks: Notify::new(),
            hours: Notify::new(),
            batches: TurnedBatches::default(),
            reads: SharedReads::default(),
            rounds: watch::Sender::default(),
            pinned: RwLock::new(HashMap::new()),
            routes: Mutex::default(),
            receivers: Mutex::default(),
            parked_news: Mutex::default(),
        };
        for definition in engine.catalog.definitions.values() {
            engine.store.put_definition(definition.digest(), definition.kind.as_str(), definition.source()).await?;
            engine.pin(Arc::new(definition.clone()));
        }
        engine.cloud.share(engine.store.workers());
        Ok(engine)
    }

    /// Makes looks with the shared reads.
    pub fn looker(&self) -> Looker<'_> {
        let EngineParts { cloud, clock, catalog, .. } = &self.parts;
        Looker { cloud: cloud.as_ref(), shared: &self.reads, clock: clock.as_ref(), classes: &catalog.classes }
    }

    /// How long a lease lasts: long enough for three requests that each use up their time.
    pub fn lease(&self) -> Duration {
        self.catalog.policies.lease
    }

    /// Lease length as the store enforces it: one request timeout longer than the holder assumes, so that a request sent at
    /// the last moment has ended before another worker looks.
    pub fn kept(&self) -> Duration {
        self.lease() + self.catalog.policies.request_timeout
    }

    /// What decisions about a job pinned to `definition` depend on.
    pub fn context<'a>(&'a self, definition: &'a Definition) -> Context<'a> {
        Context {
            definition,
            registry: &self.registry,
            policies: &self.catalog.policies,
            classes: &self.catalog.classes,
            hour: self.announcer.hour,
            told: self.clock.is_told(),
        }
    }

    /// The definition with this digest, from memory or, for a job that an earlier version accepted, from the store.
    pub async fn definition(&self, digest: &str) -> Result<Arc<Definition>, StoreError> {
        if let Some(definition) = self.pinned.read().expect("no holder of this lock panics").get(digest) {
            return Ok(Arc::clone(definition));
        }
        let Some((name, text)) = self.store.definition(digest).await? else {
            return Err(StoreError::Corrupt(format!("the definition {digest} that a job is pinned to is missing")));
        };
        let file = format!("{name}.toml, pinned as {digest}");
        let definition =
            Definition::parse(&file, &text, &self.registry.specs(), &self.catalog.policies).map_err(|problems| {
                StoreError::Corrupt(problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
            })?;
        let definition = Arc::new(definition);
        self.pin(Arc::clone(&definition));
        Ok(definition)
    }

    /// The definition a job is pinned to. If this program cannot use that, the current one of its kind, and the reason: one
    /// such job must not hold up the others.
    pub async fn definition_of(&self, record: &Record) -> Result<(Arc<Definition>, Option<String>), StoreError> {
        match self.definition(&record.definition).await {
            Ok(definition) => Ok((definition, None)),
            Err(StoreError::Corrupt(why)) => {
                let current = self.catalog.definition(record.job.kind).digest();
                Ok((self.definition(current).await?, Some(why)))
            }
            Err(error) => Err(error),
        }
    }

    fn pin(&self, definition: Arc<Definition>) {
        let digest = definition.digest().to_owned();
        self.pinned.write().expect("no holder of this lock panics").insert(digest, definition);
    }

    /// The span of the acceptance of a job, which all that is done for it is under; `None` without traces.
    pub fn span_of(&self, record: &Record) -> Option<TraceContext> {
        self.announcer.sampling.map(|of| record.trace(of).accepted)
    }

    /// A decision on the job that was `before`, as the change that commits it, and what to pass to [`Engine::moved`] after the
    /// commit.
    pub fn change(&self, before: &Record, decision: Decision, lease: LeaseUse, now: Timestamp) -> (Change, Moved) {
        let mut moved = Moved::by(&decision);
        let Decision { record, says, also, begins, next, .. } = decision;
        let (record, outbound) = self.next(record, &says, now);
        let also = also.into_iter().map(|(other, said)| self.next(other, &[said], now));
        let also: Vec<_> = also.collect();
        let told = |was: &Record, is: &Record, says: &[OutboundMessage]| match self.span_of(is) {
            Some(accepted) => of_commit(was, is, says, accepted, current(), now),
            None => vec![],
        };
        moved.span = self.span_of(&record);
        moved.spans = told(before, &record, &outbound);
        // Of the others, only their events are new.
        moved.spans.extend(also.iter().flat_map(|(other, says)| told(other, other, says)));
        let admission = begins.then(|| Admission {
            since: earlier(now, WINDOW),
            most: self.policy.get().limits().of(record.job.kind).filter(|_| record.approved_at.is_none()),
        });
        let intends = matches!(next, Next::Write(_));
        (Change { also, record, lease, outbound, admission, intends }, moved)
    }

    /// A record as it is committed, and its events as messages.
    fn next(&self, mut record: Record, says: &[EventType], now: Timestamp) -> (Arc<Record>, Vec<OutboundMessage>) {
        let outbound = says.iter().map(|kind| self.announcer.message(&mut record, *kind, now)).collect();
        record.revision += 1;
        (Arc::new(record), outbound)
    }

    /// Whether queues take the events that this worker publishes.
    pub fn routes(&self) -> MutexGuard<'_, EventRoutes> {
        self.routes.lock().expect("no holder of this lock panics")
    }

    /// The receivers of webhooks that fail.
    pub fn receivers(&self) -> MutexGuard<'_, Receivers> {
        self.receivers.lock().expect("no holder of this lock panics")
    }

    /// Notifies all who send what is in the outbox.
    pub fn ring(&self) {
        self.hooks.notify_one();
        Lane::ALL.into_iter().for_each(|lane| self.mail.of(lane).notify_one());
    }
}
