//! A broker in memory: one queue of jobs, whose unacknowledged deliveries come again, and all that was published.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use crossgrant::clock::{Clock, ManualClock};
use crossgrant::engine::loops::intake::Inbox;
use crossgrant::engine::ports::mail::{Delivered, Incoming, Intake, Outgoing, PublishError, Publisher};
use tokio::sync::Notify;

use super::scenario::Weather;

/// Messages that are delivered together.
const TOGETHER: usize = 3;
/// How long the broker takes for anything.
const SPAN: Duration = Duration::from_millis(3);
/// Until a worker tries the broker again.
const AGAIN: Duration = Duration::from_secs(2);
/// Until a worker gives up a confirm.
const PATIENCE: Duration = Duration::from_secs(30);

#[derive(Default)]
struct State {
    ready: VecDeque<Incoming>,
    /// What each worker has, and has not acknowledged.
    out: BTreeMap<usize, Vec<Incoming>>,
    away: bool,
    published: Vec<Outgoing>,
}

pub struct Broker {
    clock: Arc<ManualClock>,
    state: Mutex<State>,
    weather: Mutex<Weather>,
    arrived: Notify,
}

impl Broker {
    pub fn new(clock: Arc<ManualClock>) -> Arc<Self> {
        let (state, weather) = (Mutex::default(), Mutex::new(Weather::Good));
        Arc::new(Self { clock, state, weather, arrived: Notify::new() })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    pub fn becomes(&self, weather: Weather) {
        *self.weather.lock().unwrap() = weather;
        self.state().away = weather == Weather::Away;
        self.arrived.notify_waiters();
    }

    fn weather(&self) -> Weather {
        *self.weather.lock().unwrap()
    }

    pub fn send(&self, message: Incoming) {
        self.state().ready.push_back(message);
        self.arrived.notify_waiters();
    }

    /// The connection of a worker ends: what it has not acknowledged comes again, in its order.
    pub fn loses(&self, worker: usize) {
        let mut state = self.state();
        for message in state.out.remove(&worker).unwrap_or_default().into_iter().rev() {
            state.ready.push_front(Incoming { redelivered: true, ..message });
        }
        drop(state);
        self.arrived.notify_waiters();
    }

    /// Whether nothing waits to be taken.
    pub fn is_empty(&self) -> bool {
        let state = self.state();
        state.ready.is_empty() && state.out.values().all(Vec::is_empty)
    }

    /// All that was ever published, as often as it was.
    pub fn published(&self) -> Vec<Outgoing> {
        self.state().published.clone()
    }

    /// Delivers to one worker as long as it lives. As with a single active consumer, nobody else has deliveries meanwhile.
    pub async fn consume(self: Arc<Self>, worker: usize, inbox: Inbox) {
        loop {
            let arrived = self.arrived.notified();
            let messages: Vec<Incoming> = {
                let mut state = self.state();
                let free = !state.away && state.out.iter().all(|(other, has)| *other == worker || has.is_empty());
                let count = if free { state.ready.len().min(TOGETHER) } else { 0 };
                let messages: Vec<Incoming> = state.ready.drain(..count).collect();
                state.out.insert(worker, messages.clone());
                messages
            };
            if messages.is_empty() {
                arrived.await;
                continue;
            }
            self.clock.sleep(SPAN).await;
            if inbox.take(messages).await.is_err() {
                self.loses(worker);
                self.clock.sleep(AGAIN).await;
                continue;
            }
            self.clock.sleep(SPAN).await;
            if self.weather() == Weather::Away {
                self.loses(worker);
                self.clock.sleep(AGAIN).await;
                continue;
            }
            self.state().out.insert(worker, Vec::new());
            self.arrived.notify_waiters();
        }
    }
}

#[async_trait]
impl Publisher for Broker {
    async fn publish(&self, batch: &[Outgoing]) -> Result<Vec<Delivered>, PublishError> {
        self.clock.sleep(SPAN).await;
        let all = batch.len();
        let (arrive, confirmed) = match self.weather() {
            Weather::Good => (all, Some(all)),
            Weather::Away => (0, None),
            Weather::Silent => (all, None),
            Weather::Breaks => {
                // It has to be connected anew each time.
                self.clock.sleep(AGAIN).await;
                (all.div_ceil(2), Some(all / 2))
            }
        };
        self.state().published.extend(batch[..arrive].iter().cloned());
        match confirmed {
            Some(count) => {
                self.clock.sleep(SPAN).await;
                Ok(vec![Delivered::Confirmed; count])
            }
            None => {
                self.clock.sleep(PATIENCE).await;
                Err(PublishError { why: "the simulated broker is away".into() })
            }
        }
    }
}
