//! Webhooks: sends the messages of the outbox that are for a URL, again and again until the receiver takes them or they are set
//! aside.
//!
//! Many calls are under way at once, and few of them to one host: a host that hangs keeps its own few waiting. A message stays in
//! the outbox until what came of it is stored, so one whose receiver had taken it when the process died is sent once more, under
//! the same id.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use futures_util::stream::{FuturesUnordered, StreamExt as _};
use tokio::sync::watch;

use crate::domain::webhook::Destination;
use crate::engine::decide::webhook::{Judged, Outcome, judge};
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{OutboxRow, Settlement, StoreError};
use crate::engine::ports::webhook::{Answer, Caller};
use crate::engine::receivers::Turn;

/// The most calls under way: each has a connection and a message in memory.
const CALLS: usize = 32;
/// The most calls under way to one host, so that eight hosts have to hang before a ninth waits.
const CALLS_PER_HOST: usize = 4;
/// How many messages are read together. An event has a few KiB.
const PAGE: usize = 128;
/// The least time between two reads: events are committed far more often than one goes to a webhook.
const GAP: Duration = Duration::from_millis(100);
/// After the first failure of the store, before trying again.
const PAUSE: Duration = Duration::from_millis(500);
/// The longest wait for a store that cannot be used: the pauses double up to it.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a stopping worker waits for the calls under way. Those that take longer are made again by the next one.
const PARTING: Duration = Duration::from_secs(5);

/// Calls webhooks until `stop` says true. A message is tried `most` times.
pub async fn call(engine: Arc<Engine>, caller: Arc<dyn Caller>, most: u32, mut stop: watch::Receiver<bool>) {
    let mut hooks = Webhooks::new(&engine, caller.as_ref(), most);
    let mut failures = 0_u32;
    while !*stop.borrow() {
        let wait = match hooks.turn().await {
            Ok(wait) => {
                failures = 0;
                wait
            }
            Err(error) => {
                if failures == 0 {
                    tracing::warn!(%error, "cannot read or write what is for webhooks; it stays in the outbox, tries again");
                }
                failures += 1;
                Some(PAUSE.saturating_mul(1 << failures.min(8)).min(LONGEST_PAUSE))
            }
        };
        let pausing = failures > 0;
        tokio::select! {
            Some(finished) = hooks.calls.next(), if !pausing => hooks.take_note(finished),
            () = engine.hooks.notified(), if !pausing => hooks.stale = true,
            () = engine.clock.sleep(wait.unwrap_or_default()), if wait.is_some() => hooks.stale = true,
            _ = stop.changed() => {}
        }
    }
    hooks.part().await;
}

/// A call that has ended: its message, and the answer.
type Finished = (OutboxRow, Answer);

struct Webhooks<'a> {
    engine: &'a Engine,
    caller: &'a dyn Caller,
    most: u32,
    calls: FuturesUnordered<BoxFuture<'a, Finished>>,
    /// The numbers of messages that are not to be started: under way, or known and not in the store yet.
    taken: BTreeSet<i64>,
    /// How many calls to each host are under way.
    under_way: BTreeMap<String, usize>,
    /// Messages that were read and are not started, because their host has its calls.
    page: Vec<OutboxRow>,
    /// Whether there may be messages that have come or become due since `page` was read.
    stale: bool,
    /// Whether there were more than `page` could take.
    more: bool,
    /// The uptime at which `page` was read.
    read_at: Option<Duration>,
    /// What is known of messages and not in the store yet.
    unsettled: Settlement,
}

impl<'a> Webhooks<'a> {
    fn new(engine: &'a Engine, caller: &'a dyn Caller, most: u32) -> Self {
        Self {
            engine,
            caller,
            most,
            calls: FuturesUnordered::new(),
            taken: BTreeSet::new(),
            under_way: BTreeMap::new(),
            page: Vec::new(),
            stale: true,
            more: false,
            read_at: None,
            unsettled: Settlement::default(),
        }
    }

    /// Stores what is known, and starts what is due as far as there is room. Returns after how long something is due; `None` if
    /// nothing is that is not known of already.
    async fn turn(&mut self) -> Result<Option<Duration>, StoreError> {
        while let Some(Some(finished)) = self.calls.next().now_or_never() {
            self.take_note(finished);
        }
        self.settle().await?;
        let started = self.start();
        let (now, uptime) = (self.engine.clock.now(), self.engine.clock.uptime());
        let rested = self.read_at.map_or(GAP, |at| uptime.saturating_sub(at));
        if self.stale && rested < GAP {
            return Ok(Some(GAP - rested));
        }
        if (self.stale || (self.more && !started)) && self.calls.len() < CALLS {
            let page = self.engine.store.webhooks(now, PAGE).await?;
            self.read_at = Some(uptime);
            (self.stale, self.more) = (false, page.len() >= PAGE);
            self.page = page.into_iter().filter(|row| !self.taken.contains(&row.number)).collect();
            self.start();
        }
        let due = self.engine.store.next_webhook(now).await?;
        Ok(due.map(|due| Duration::try_from(due.duration_since(now)).unwrap_or_default().max(PAUSE)))
    }

    /// Starts the messages of the page whose hosts have room. Whether there was one.
    fn start(&mut self) -> bool {
        let before = self.calls.len();
        for row in std::mem::take(&mut self.page) {
            let host = host(&row);
            let under_way = self.under_way.get(&host).copied().unwrap_or_default();
            if self.calls.len() >= CALLS || under_way >= CALLS_PER_HOST {
                self.page.push(row);
                continue;
            }
            self.under_way.insert(host, under_way + 1);
            self.taken.insert(row.number);
            let (caller, now) = (self.caller, self.engine.clock.now());
            self.calls.push(Box::pin(async move {
                let answer = caller.call(&row.outgoing, now).await;
                (row, answer)
            }));
        }
        self.calls.len() > before
    }

    fn take_note(&mut self, (row, answer): Finished) {
        let (host, now) = (host(&row), self.engine.clock.now());
        if let Some(under_way) = self.under_way.get_mut(&host) {
            *under_way -= 1;
            if *under_way == 0 {
                self.under_way.remove(&host);
            }
        }
        let judged = judge(&row, &answer, self.most, now);
        self.engine.observer.webhook_called(judged.outcome);
        let Judged { outcome, why, again, settlement } = &judged;
        let id = &row.outgoing.message_id;
        match self.engine.receivers().note(&host, &judged, now) {
            Some(Turn::Fails) => {
                let again = again.map(|again| again.to_string());
                tracing::warn!(
                    host,
                    message.id = id,
                    next_try = again,
                    "a webhook fails: {why}; said once until it takes a message"
                );
            }
            Some(Turn::Mended(seconds)) => {
                tracing::info!(host, failed.seconds = seconds, "a webhook takes messages again")
            }
            None => {}
        }
        if let Outcome::GivenUp | Outcome::Gone = outcome {
            let tries = row.tries.saturating_add(1);
            tracing::warn!(
                host,
                message.id = id,
                url = row.outgoing.routing_key,
                tries,
                "a message to a webhook is set aside: {why}; see `crossgrant dead list`"
            );
        }
        tracing::debug!(host, message.id = id, outcome = outcome.as_str(), why, "called a webhook");
        self.unsettled.done.extend(&settlement.done);
        self.unsettled.undeliverable.extend(settlement.undeliverable.iter().cloned());
        self.unsettled.refused.extend(&settlement.refused);
        self.unsettled.reasons.extend(settlement.reasons.iter().cloned());
    }

    async fn settle(&mut self) -> Result<(), StoreError> {
        if self.unsettled == Settlement::default() {
            return Ok(());
        }
        self.engine.store.settle_webhooks(&self.unsettled).await?;
        let Settlement { done, undeliverable, refused, .. } = std::mem::take(&mut self.unsettled);
        let aside = undeliverable.iter().map(|aside| aside.number);
        for number in done.into_iter().chain(aside).chain(refused.into_iter().map(|(number, _)| number)) {
            self.taken.remove(&number);
        }
        Ok(())
    }

    /// Waits for the calls under way, and stores what came of them.
    async fn part(&mut self) {
        let mut parting = self.engine.clock.sleep(PARTING);
        loop {
            tokio::select! {
                finished = self.calls.next() => match finished {
                    Some(finished) => self.take_note(finished),
                    None => break,
                },
                () = &mut parting => break,
            }
        }
        if !self.calls.is_empty() {
            tracing::info!(
                calls = self.calls.len(),
                "webhooks have not answered; they are called again after the next start"
            );
        }
        if let Err(error) = self.settle().await {
            tracing::warn!(%error, "cannot store what webhooks answered; they are called again after the next start");
        }
    }
}

/// Where a message goes. Calls are counted and told of by this.
fn host(row: &OutboxRow) -> String {
    let url = &row.outgoing.routing_key;
    Destination::of(url).map_or_else(|_| url.clone(), |destination| destination.to_string())
}
