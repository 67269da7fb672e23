//! Messages to webhooks: they are sent until their receivers take them, and no receiver holds up another.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use crossgrant::clock::Clock as _;
use crossgrant::engine::decide::delivery::Cause;
use crossgrant::engine::decide::webhook::tries_within;
use crossgrant::engine::loops::webhooks;
use crossgrant::engine::policy::{Allow, Policy};
use crossgrant::engine::ports::mail::{Incoming, Outgoing};
use crossgrant::engine::ports::store::{Taken, UndeliverableRow};
use crossgrant::engine::ports::webhook::{Answer, Caller, NoCaller};
use crossgrant::store::Sqlite;
use jiff::Timestamp;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::support::idle::Counted;
use crate::support::plant::{Plant, grant};

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What each host answers; one without an entry never does.
#[derive(Default)]
struct Receivers {
    statuses: Mutex<BTreeMap<String, u16>>,
    calls: Mutex<Vec<(Timestamp, Outgoing)>>,
    under_way: Mutex<BTreeMap<String, usize>>,
}

impl Receivers {
    fn new(statuses: &[(&str, u16)]) -> Arc<Self> {
        let statuses = statuses.iter().map(|(host, status)| ((*host).to_owned(), *status)).collect();
        Arc::new(Self { statuses: Mutex::new(statuses), ..Self::default() })
    }

    fn answers(&self, host: &str, status: u16) {
        self.statuses.lock().unwrap().insert(host.to_owned(), status);
    }

    /// The calls to a host.
    fn calls(&self, host: &str) -> Vec<(Timestamp, Outgoing)> {
        let calls = self.calls.lock().unwrap();
        calls.iter().filter(|(_, message)| host_of(message) == host).cloned().collect()
    }

    fn under_way(&self, host: &str) -> usize {
        self.under_way.lock().unwrap().get(host).copied().unwrap_or_default()
    }
}

fn host_of(message: &Outgoing) -> &str {
    message.routing_key.split('/').nth(2).unwrap()
}

#[async_trait]
impl Caller for Receivers {
    async fn call(&self, message: &Outgoing, now: Timestamp) -> Answer {
        self.calls.lock().unwrap().push((now, message.clone()));
        let status = self.statuses.lock().unwrap().get(host_of(message)).copied();
        match status {
            Some(status) => Answer::Answered { status, retry_after: None, location: None },
            None => {
                *self.under_way.lock().unwrap().entry(host_of(message).to_owned()).or_default() += 1;
                std::future::pending().await
            }
        }
    }
}

struct Scene {
    store: Arc<Counted>,
    plant: Plant,
    receivers: Arc<Receivers>,
}

impl Scene {
    async fn new(statuses: &[(&str, u16)]) -> Self {
        let store = Counted::new(Sqlite::in_memory().unwrap());
        let rule: Allow =
            toml::from_str("requesters = ['*', 'anonymous']\nwebhook_hosts = ['*.example.com', '*.example.org']")
                .unwrap();
        let policy = Policy::new(vec![rule], BTreeMap::new()).with_webhooks(Some(Duration::from_secs(24 * 3600)));
        let plant = Plant::new().await.restarted(policy, || store.clone()).await;
        plant.send(&grant("g", "vpc-bp1h8vbrbcgohcju50001")).await;
        Self { store, plant, receivers: Receivers::new(statuses) }
    }

    /// Has answers to one request sent to a URL, as many times.
    async fn answers(&self, url: &str, times: usize) {
        let requests = (0..times).map(|n| request(&url.replace('#', &n.to_string())));
        let taken = self.plant.inbox.accept(requests.collect()).await.unwrap();
        assert!(taken.iter().all(|taken| matches!(taken, Taken::Repeated(_))), "{taken:?}");
    }

    /// A worker that calls, until it is told to stop.
    fn worker(&self, caller: Arc<dyn Caller>) -> (watch::Sender<bool>, JoinHandle<()>) {
        let (stop, stopped) = watch::channel(false);
        let calling = webhooks::call(Arc::clone(&self.plant.engine), caller, tries_within(DAY), stopped);
        (stop, tokio::spawn(calling))
    }

    fn works(&self) -> (watch::Sender<bool>, JoinHandle<()>) {
        self.worker(self.receivers.clone())
    }

    /// What can happen within a second happens.
    async fn goes_on(&self) {
        self.store.idle().await;
        self.plant.clock.advance(Duration::from_secs(1));
        self.store.idle().await;
    }

    async fn aside(&self) -> Vec<UndeliverableRow> {
        self.plant.store().undeliverable(0, 9_999).await.unwrap()
    }
}

fn request(reply_to: &str) -> Incoming {
    Incoming {
        body: grant("g", "vpc-bp1h8vbrbcgohcju50001").to_string().into(),
        routing_key: "crossgrant.jobs".into(),
        reply_to: Some(reply_to.into()),
        ..Incoming::default()
    }
}

#[tokio::test]
async fn a_webhook_that_fails_is_called_less_and_less_and_given_up_after_its_time() {
    let scene = Scene::new(&[("bad.example.com", 500), ("good.example.com", 204)]).await;
    let _worker = scene.works();
    scene.answers("https://bad.example.com/x", 1).await;
    scene.store.run_until(&scene.plant.clock, || scene.receivers.calls("bad.example.com").len() == 9).await;
    scene.answers("https://good.example.com/x", 1).await;
    let sent = scene.plant.clock.now();
    scene.store.run_out(&scene.plant.clock).await;
    let [(at, _)] = scene.receivers.calls("good.example.com")[..] else { panic!("it is called once") };
    assert!(at.duration_since(sent).as_millis() <= 100, "nothing waits for a webhook that fails");
    let calls = scene.receivers.calls("bad.example.com");
    assert_eq!(calls.len(), 30);
    assert!(calls.iter().all(|(_, message)| *message == calls[0].1), "with one id, and one body");
    let took = calls[29].0.duration_since(calls[0].0).as_hours();
    assert!((18..=25).contains(&took), "{took} h");
    let waits: Vec<_> = calls.windows(2).map(|pair| pair[1].0.duration_since(pair[0].0).as_secs()).collect();
    assert!(waits[0] <= 5 && waits.iter().all(|wait| *wait <= 3_600), "{waits:?}");
    let [aside] = &scene.aside().await[..] else { panic!("it is set aside") };
    assert_eq!((aside.tries, Cause::of(&aside.reason)), (30, Cause::WebhookFailed));
    assert_eq!(aside.reason, "the webhook failed: the receiver answered 500");
    assert_eq!(aside.outgoing.routing_key, "https://bad.example.com/x");
    let counts = scene.plant.store().counts().await.unwrap();
    assert_eq!((counts.failed, counts.undeliverable), (0, 1));
}

#[tokio::test]
async fn a_host_that_hangs_keeps_its_own_messages_waiting_and_no_others() {
    let scene = Scene::new(&[("good.example.com", 200)]).await;
    let (stop, worker) = scene.works();
    scene.answers("https://hangs.example.com/#", 300).await;
    scene.goes_on().await;
    assert_eq!(scene.receivers.under_way("hangs.example.com"), 4);
    scene.answers("https://good.example.com/#", 300).await;
    scene.goes_on().await;
    let urls: BTreeSet<String> =
        scene.receivers.calls("good.example.com").into_iter().map(|(_, message)| message.routing_key).collect();
    assert_eq!((urls.len(), scene.receivers.calls("good.example.com").len()), (300, 300), "each of them once");
    assert_eq!(scene.receivers.calls("hangs.example.com").len(), 4);
    for n in 0..20 {
        scene.answers(&format!("https://hangs{n}.example.org/"), 9).await;
    }
    scene.goes_on().await;
    assert_eq!(scene.receivers.under_way.lock().unwrap().values().sum::<usize>(), 32, "calls are bounded");
    stop.send_replace(true);
    scene.store.run_out(&scene.plant.clock).await;
    assert!(worker.is_finished(), "it does not wait for them when it stops");
    assert_eq!(scene.plant.store().webhooks(scene.plant.clock.now(), 999).await.unwrap().len(), 300 + 20 * 9);
}

#[tokio::test]
async fn what_is_gone_is_set_aside_at_once_and_each_message_asks_for_itself() {
    let scene = Scene::new(&[("gone.example.com", 410)]).await;
    let _worker = scene.works();
    scene.answers("https://gone.example.com/x", 2).await;
    scene.store.run_out(&scene.plant.clock).await;
    assert_eq!(scene.receivers.calls("gone.example.com").len(), 2);
    let aside = scene.aside().await;
    let said: Vec<_> = aside.iter().map(|message| (Cause::of(&message.reason), message.tries)).collect();
    assert_eq!(said, [(Cause::WebhookGone, 1), (Cause::WebhookGone, 1)]);

    scene.receivers.answers("gone.example.com", 200);
    scene.plant.store().replay(&[aside[0].number]).await.unwrap();
    scene.plant.engine.ring();
    scene.store.run_out(&scene.plant.clock).await;
    let calls = scene.receivers.calls("gone.example.com");
    assert_eq!((calls.len(), &calls[2].1), (3, &calls[0].1), "as it was");
    assert_eq!(scene.aside().await.len(), 1);
}

/// The receiver has it, and the worker dies before that is stored.
#[tokio::test]
async fn what_is_not_known_to_be_taken_is_sent_again_with_the_same_id() {
    let scene = Scene::new(&[("good.example.com", 200)]).await;
    scene.store.settles(false);
    let (_stop, worker) = scene.works();
    scene.answers("https://good.example.com/x", 1).await;
    for _ in 0..20 {
        scene.store.idle().await;
        scene.plant.clock.advance(Duration::from_secs(60));
    }
    assert_eq!(scene.receivers.calls("good.example.com").len(), 1, "not by the worker that knows");
    worker.abort();
    let _ = worker.await;
    scene.store.settles(true);
    let _worker = scene.works();
    scene.store.run_out(&scene.plant.clock).await;
    let calls = scene.receivers.calls("good.example.com");
    assert_eq!((calls.len(), &calls[1].1), (2, &calls[0].1));
    assert_eq!(scene.plant.store().webhooks(scene.plant.clock.now(), 9).await.unwrap(), []);
}

#[tokio::test]
async fn a_worker_that_calls_none_sets_them_aside() {
    let scene = Scene::new(&[]).await;
    scene.answers("https://good.example.com/x", 1).await;
    let _worker = scene.worker(Arc::new(NoCaller));
    scene.store.run_out(&scene.plant.clock).await;
    let [aside] = &scene.aside().await[..] else { panic!("it is set aside") };
    assert!(aside.reason.contains("no [webhook]") && Cause::of(&aside.reason) == Cause::WebhookFailed, "{aside:?}");
}

#[tokio::test]
async fn a_url_that_may_not_be_called_is_a_fault_of_the_message() {
    let scene = Scene::new(&[]).await;
    for (url, code, says) in [
        ("https://evil.example.net/x", "job-reply-to-not-allowed", "allowed are *.example.com, *.example.org"),
        ("https://a.example.com:8443/", "job-reply-to-not-allowed", "allowed are"),
        ("https://169.254.169.254/latest", "job-reply-to-not-allowed", "allowed are"),
        ("http://a.example.com/x", "job-bad-reply-to", "must begin with https://"),
        ("https://user:secret@a.example.com/", "job-bad-reply-to", "no user and no password"),
        ("https://a.example.com/#f", "job-bad-reply-to", "fragment"),
    ] {
        let taken = scene.plant.inbox.accept(vec![request(url)]).await.unwrap();
        let [Taken::Rejected(uid)] = taken[..] else { panic!("{url}: {taken:?}") };
        let rejection = scene.plant.store().rejection(uid).await.unwrap().unwrap();
        let faults = rejection.rejected.reasons.to_string();
        assert!(faults.contains(code) && faults.contains(says), "{url}: {faults}");
    }
    let _worker = scene.works();
    scene.store.run_out(&scene.plant.clock).await;
    assert!(scene.receivers.calls.lock().unwrap().is_empty(), "a rejection is not sent there either");
}
