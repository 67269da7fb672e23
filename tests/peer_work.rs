//! The engine on the work that other engines are measured by, as a worker for a harness that measures them side by side:
//! take a job from a queue, make four durable POSTs in order, publish the completion, 64 jobs in flight.
//!
//! Of its own it has only what that work differs in: a definition of four steps, the action they call, and the two ends
//! of the mail (`jobs` in, `done` out). The rest is the worker: its loops, its decisions, its store, its outbox, its
//! publisher and its HTTP client. Every intent is committed before its POST, every answer before the next step, a
//! message before it is acknowledged, and the completion with the end of its job.
//!
//! `by_hand peer-work` works until it is told to stop. It reads its environment: `STUB` and `AMQP` are URLs, `STORE` is
//! the file of its SQLite store (`peer-work.db` without it) or the URL of a PostgreSQL database.
//! `by_hand peer-work beside HARNESS` measures it; see `beside.rs`.

mod beside;
mod completions;
mod jobs;
mod post;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, anyhow};
use completions::Completions;
use crossgrant::broker::{AmqpPublisher, BrokerSettings, BrokerState, Topology};
use crossgrant::clock::{Clock, SystemClock};
use crossgrant::cloud::{HttpTransport, Transport};
use crossgrant::document::Problem;
use crossgrant::domain::{Hour, Kind};
use crossgrant::engine::events::Announcer;
use crossgrant::engine::loops::outbox;
use crossgrant::engine::loops::shared::{Engine, EngineParts};
use crossgrant::engine::loops::worker::{Capacity, work};
use crossgrant::engine::policy::Policy;
use crossgrant::engine::ports::action::Registry;
use crossgrant::engine::ports::crash_points::NoCrashes;
use crossgrant::engine::ports::mail::Lane;
use crossgrant::engine::ports::observe::NoObserver;
use crossgrant::engine::ports::store::Store;
use crossgrant::store::{LeaseClock, Postgres, PostgresSettings, Sqlite};
use crossgrant::workflow::{Catalog, Definition, Overrides};
use post::{NoCloud, Post};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

const FOUR_POSTS: &str = include_str!("peer_work/four-posts.toml");
/// What a worker takes on unless told otherwise.
const CAPACITY: Capacity = Capacity { jobs: 256, drain: Duration::from_secs(20) };
/// The name of its leases and connections.
const NAME: &str = "peer-work";

/// Works, or measures `beside` another engine, as the arguments say.
pub async fn run(mut arguments: impl Iterator<Item = String>) -> Result<()> {
    match arguments.next().as_deref() {
        None => serve().await,
        Some("beside") => beside::measure(arguments),
        Some(other) => Err(anyhow!("{other}: only `beside HARNESS` is known")),
    }
}

async fn serve() -> Result<()> {
    tracing_subscriber::fmt().with_max_level(tracing::Level::WARN).with_writer(std::io::stderr).init();
    let variable = |name: &str| std::env::var(name).with_context(|| format!("{name} is not set"));
    let (stub, amqp) = (variable("STUB")?, variable("AMQP")?);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let store = store(&variable("STORE").unwrap_or_else(|_| "peer-work.db".into()), &clock).await?;
    let transport = Arc::new(HttpTransport::new(Duration::from_secs(5))?);
    let engine = engine(store, Arc::clone(&clock), transport, stub).await?;
    let settings = BrokerSettings {
        urls: vec![amqp.as_str().into()],
        name: NAME.into(),
        topology: Topology::new(NAME),
        ..BrokerSettings::default()
    };
    let links = Arc::new(BrokerState::new(Arc::clone(&clock)));
    let publisher = Arc::new(Completions(AmqpPublisher::new(Lane::Replies, Arc::new(settings), clock, links)));

    let (stop_work, stopped) = watch::channel(false);
    let working = tokio::spawn(work(Arc::clone(&engine), CAPACITY, stopped));
    let (stop_mail, stopped) = watch::channel(false);
    let publishing = tokio::spawn(outbox::publish(Arc::clone(&engine), publisher, Lane::Replies, stopped));
    let mut told = signal(SignalKind::terminate())?;
    let ended = tokio::select! {
        ended = jobs::consume(&amqp, &engine) => ended,
        _ = told.recv() => Ok(()),
        _ = tokio::signal::ctrl_c() => Ok(()),
    };
    stop_work.send_replace(true);
    working.await?;
    stop_mail.send_replace(true);
    publishing.await?;
    ended
}

async fn store(place: &str, clock: &Arc<dyn Clock>) -> Result<Arc<dyn Store>> {
    if !place.starts_with("postgres://") {
        return Ok(Arc::new(Sqlite::open(Path::new(place))?));
    }
    let settings = PostgresSettings { url: place.into(), password: None, ca_pem: None, name: NAME.into() };
    Ok(Arc::new(Postgres::open(&settings, LeaseClock::Database(Arc::clone(clock))).await?))
}

/// The engine with the one definition and the one action, on a store that may be new.
async fn engine(
    store: Arc<dyn Store>,
    clock: Arc<dyn Clock>,
    transport: Arc<dyn Transport>,
    stub: String,
) -> Result<Arc<Engine>> {
    let said = |problems: Vec<Problem>| anyhow!("{}", problems.iter().map(Problem::to_string).collect::<String>());
    let registry = Registry::new(vec![Box::new(Post { transport, stub })]);
    let verbs = crossgrant::actions::registry().specs();
    let embedded = Catalog::embedded(&verbs, &Overrides::default()).map_err(said)?;
    let four_posts = Definition::parse("four-posts.toml", FOUR_POSTS, &registry.specs(), &embedded.policies);
    let definitions = BTreeMap::from([(Kind::Grant, four_posts.map_err(said)?)]);
    let parts = EngineParts {
        store,
        cloud: Arc::new(NoCloud),
        clock,
        catalog: Arc::new(Catalog { definitions, ..embedded }),
        registry: Arc::new(registry),
        policy: Policy::everybody().into(),
        announcer: Announcer {
            exchange: String::new(),
            source: "/crossgrant/bench".into(),
            hour: Hour::REAL,
            sampling: None,
        },
        crash_points: Arc::new(NoCrashes),
        observer: Arc::new(NoObserver),
        holder: NAME.into(),
    };
    Ok(Arc::new(Engine::new(parts).await?))
}
