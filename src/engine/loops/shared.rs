//! What all loops of the engine share: the ports, the rules a job goes by, and the one way to commit a decision.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, RwLock};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::Notify;

use crate::clock::{Clock, earlier};
use crate::domain::{AccountUid, EventType, Hour, JobUid, Kind};
use crate::engine::decide::command::{Command, Declined, command};
use crate::engine::decide::decision::{Context, Decision};
use crate::engine::events::Announcer;
use crate::engine::guards::{Pause, WINDOW, setting};
use crate::engine::look::looker::{Looker, SharedReads};
use crate::engine::policy::Policy;
use crate::engine::ports::action::Registry;
use crate::engine::ports::cloud::Cloud;
use crate::engine::ports::crash_points::CrashPoints;
use crate::engine::ports::observe::Observer;
use crate::engine::ports::store::{Admission, Change, Committed, LeaseUse, OutboundMessage, Store, StoreError};
use crate::engine::record::{Record, State};
use crate::workflow::{Catalog, Definition};

/// What the engine is made of.
pub struct EngineParts {
    /// Everything durable.
    pub store: Arc<dyn Store>,
    /// The accounts.
    pub cloud: Arc<dyn Cloud>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Definitions, policies and error classes.
    pub catalog: Arc<Catalog>,
    /// What steps can call.
    pub registry: Arc<Registry>,
    /// Who may ask for what.
    pub policy: Policy,
    /// How events are made.
    pub announcer: Announcer,
    /// Where to be cut.
    pub crash_points: Arc<dyn CrashPoints>,
    /// Who counts.
    pub observer: Arc<dyn Observer>,
    /// Who this worker is: the holder of its leases.
    pub holder: String,
}

/// What all loops share. It has the fields of its [`EngineParts`].
pub struct Engine {
    parts: EngineParts,
    /// Rung when a job may have become due.
    pub work: Notify,
    /// Rung when something may be waiting to be published.
    pub mail: Notify,
    /// Rung when something may be waiting for the sweep.
    pub hours: Notify,
    /// What all looks share.
    pub reads: SharedReads,
    pinned: RwLock<HashMap<String, Arc<Definition>>>,
}

impl Deref for Engine {
    type Target = EngineParts;

    fn deref(&self) -> &EngineParts {
        &self.parts
    }
}

/// What the other loops are told of a decision once it is committed.
#[derive(Debug, Clone)]
pub struct Moved {
    /// What is asked for.
    pub kind: Kind,
    /// Where the job is now.
    pub state: State,
    /// What was said, of other jobs too.
    says: Vec<EventType>,
    swept: bool,
    limited: Option<&'static str>,
}

impl Moved {
    fn by(decision: &Decision) -> Self {
        let Decision { record, says, also, .. } = decision;
        Self {
            kind: record.job.kind,
            state: record.state(),
            says: says.iter().copied().chain(also.iter().map(|(_, said)| *said)).collect(),
            swept: record.is_swept(),
            limited: setting(record.job.kind).filter(|_| record.needs_approval()),
        }
    }
}

/// Why a command was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such job.
    #[error("there is no such job")]
    NotFound,
    /// The job is not in a state for it.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// The job changed at the same moment; ask again.
    #[error("the job changed at the same moment; look again and repeat")]
    Conflict,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl Engine {
    /// Puts the parts together and keeps the current definitions in the store, for the jobs that will be pinned to them.
    pub async fn new(parts: EngineParts) -> Result<Self, StoreError> {
        let engine = Self {
            parts,
            work: Notify::new(),
            mail: Notify::new(),
            hours: Notify::new(),
            reads: SharedReads::default(),
            pinned: RwLock::new(HashMap::new()),
        };
        for definition in engine.catalog.definitions.values() {
            engine.store.put_definition(definition.digest(), definition.kind.as_str(), definition.source()).await?;
            engine.pin(Arc::new(definition.clone()));
        }
        engine.cloud.share(engine.store.workers());
        Ok(engine)
    }

    /// What looks are made with.
    pub fn looker(&self) -> Looker<'_> {
        let EngineParts { cloud, clock, catalog, .. } = &self.parts;
        Looker { cloud: cloud.as_ref(), shared: &self.reads, clock: clock.as_ref(), classes: &catalog.classes }
    }

    /// The billing hour.
    pub fn hour(&self) -> Hour {
        self.announcer.hour
    }

    /// How long a lease lasts: long enough for three requests that each use up their time.
    pub fn lease(&self) -> Duration {
        self.catalog.policies.lease
    }

    /// How long the store keeps a lease from others: longer than its holder counts on it by one request, so that what he
    /// sent in his last moment is answered or given up before another looks.
    pub fn kept(&self) -> Duration {
        self.lease() + self.catalog.policies.request_timeout
    }

    /// The rules a job goes by, around the definition it is pinned to.
    pub fn context<'a>(&'a self, definition: &'a Definition) -> Context<'a> {
        Context {
            definition,
            registry: &self.registry,
            policies: &self.catalog.policies,
            classes: &self.catalog.classes,
            hour: self.hour(),
        }
    }

    /// The definition of that digest, from memory or, for a job that an earlier version accepted, from the store.
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

    /// The definition a job is pinned to, or, when this program cannot read that or lacks a call of it, the current one
    /// of its kind and the reason. One such job must not hold up the others.
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

    /// A decision as the change that commits it, with what it says put into outbound, and what to tell with
    /// [`Engine::moved`] once it is committed.
    pub fn change(&self, decision: Decision, lease: LeaseUse, now: Timestamp) -> (Change, Moved) {
        let moved = Moved::by(&decision);
        let Decision { record, says, also, begins, .. } = decision;
        let (record, outbound) = self.next(record, &says, now);
        let also = also.into_iter().map(|(other, said)| self.next(other, &[said], now));
        let admission = begins.then(|| Admission {
            since: earlier(now, WINDOW),
            most: self.policy.limits().of(record.job.kind).filter(|_| record.approved_at.is_none()),
        });
        (Change { also: also.collect(), record, lease, outbound, admission }, moved)
    }

    /// A record as it is committed, and what is said of it.
    fn next(&self, mut record: Record, says: &[EventType], now: Timestamp) -> (Arc<Record>, Vec<OutboundMessage>) {
        let outbound = says.iter().map(|kind| self.announcer.message(&mut record, *kind, now)).collect();
        record.revision += 1;
        (Arc::new(record), outbound)
    }

    /// Tells the other loops what a commit brought.
    pub fn moved(&self, moved: &Moved) {
        for said in &moved.says {
            self.observer.said(*said);
        }
        if !moved.says.is_empty() {
            self.mail.notify_one();
        }
        if moved.swept {
            self.hours.notify_one();
        }
        if let Some(setting) = moved.limited {
            self.observer.limited(setting);
        }
        self.observer.moved(moved.kind, moved.state);
    }

    /// Whether a command on a job would be obeyed as it stands.
    pub async fn would_obey(&self, record: &Record, what: Command) -> Result<bool, StoreError> {
        let (definition, _) = self.definition_of(record).await?;
        Ok(command(&self.context(&definition), record, what, self.clock.now()).is_ok())
    }

    /// Carries out a command on a job.
    pub async fn command(&self, uid: JobUid, what: Command) -> Result<Arc<Record>, CommandError> {
        let record = self.store.load(uid).await?.ok_or(CommandError::NotFound)?;
        let definition = self.definition(&record.definition).await?;
        let now = self.clock.now();
        let decision = command(&self.context(&definition), &record, what, now)?;
        let (change, moved) = self.change(decision, LeaseUse::None, now);
        let decided = Arc::clone(&change.record);
        match self.store.commit(change).await? {
            Committed::Conflict | Committed::Paused | Committed::OverLimit(_) => Err(CommandError::Conflict),
            Committed::Done => {
                tracing::info!(job.uid = %uid, command = what.as_str(), "an operator's command was carried out");
                self.moved(&moved);
                self.work.notify_one();
                Ok(decided)
            }
        }
    }

    /// Approves these jobs in one commit, each for itself; returns those that were. One that changed at the same moment
    /// is left out.
    pub async fn approve(&self, jobs: &[Record]) -> Result<Vec<JobUid>, CommandError> {
        let now = self.clock.now();
        let (mut changes, mut moves) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
        for record in jobs {
            let definition = self.definition(&record.definition).await?;
            let decision = command(&self.context(&definition), record, Command::Approve, now)?;
            let (change, moved) = self.change(decision, LeaseUse::None, now);
            changes.push(change);
            moves.push((record.uid, moved));
        }
        let committed = self.store.commit_all(changes).await?;
        let done = moves.iter().zip(committed).filter(|(_, committed)| *committed == Committed::Done);
        let approved: Vec<JobUid> = done
            .map(|((uid, moved), _)| {
                self.moved(moved);
                *uid
            })
            .collect();
        tracing::info!(jobs = approved.len(), "an operator approved jobs");
        self.work.notify_one();
        Ok(approved)
    }

    /// Pauses an account: from here on no job on it begins. What is between halves goes on, and the sweep reads.
    pub async fn pause(&self, account: AccountUid, by: String, reason: String) -> Result<Pause, CommandError> {
        if !self.policy.knows(&account) {
            return Err(
                Declined(format!("no credentials are configured for account {account}; is it mistyped?")).into()
            );
        }
        let pause = Pause { account, since: self.clock.now(), by, reason };
        if !self.store.pause(&pause).await? {
            let before = self.store.pauses().await?.into_iter().find(|known| known.account == pause.account);
            let before = before.map_or_else(|| "it has just changed".to_owned(), |before| before.to_string());
            return Err(Declined(format!("nothing was changed: {before}")).into());
        }
        tracing::warn!(account.uid = %pause.account, by = pause.by, reason = pause.reason, "an account was paused");
        Ok(pause)
    }

    /// Ends the pause of an account; what was held for it begins.
    pub async fn unpause(&self, account: &AccountUid) -> Result<(), CommandError> {
        if !self.store.unpause(account).await? {
            return Err(Declined(format!("account {account} is not paused")).into());
        }
        tracing::warn!(account.uid = %account, "an account was unpaused");
        self.work.notify_one();
        Ok(())
    }
}
