//! The life of a worker: settings, parts, loops, a signal, and a stop in order.

use std::sync::Arc;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::watch;

use super::engine::{Access, Settings, build};
use super::exit::{Exit, Failure};
use super::loops::{Loop, first_to_end};
use super::signals::Signals;
use super::store;
use crate::admin::{Admin, Parts};
use crate::broker::{AmqpPublisher, BrokerSettings, BrokerState, Topology, consume};
use crate::clock::{Clock, SystemClock};
use crate::config::Config;
use crate::domain::Code;
use crate::engine::loops::intake::Inbox;
use crate::engine::loops::shared::Engine;
use crate::engine::loops::worker::{Capacity, work};
use crate::engine::loops::{outbox, retention, wakeups};
use crate::engine::ports::crash_points::CrashPoints;
use crate::sweep;
use crate::telemetry::Metrics;

/// How long the last messages may take to leave.
const FLUSH: Duration = Duration::from_secs(10);
/// How long saying goodbye may take, to the broker and to whoever asks over HTTP.
const GOODBYE: Duration = Duration::from_secs(3);

/// Works until a signal, then stops in order: no new jobs, those in work come to rest, what is to be said is said.
pub(super) async fn serve(config: Config, crash_points: Arc<dyn CrashPoints>) -> Result<Exit, Failure> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (began, mut signals) = (clock.uptime(), Signals::listen()?);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let metrics = Arc::new(Metrics::new());
    let engine = engine(&config, &clock, &metrics, crash_points).await?;
    let broker = Arc::new(broker(&config));
    let links = Arc::new(BrokerState::new(Arc::clone(&clock)));
    let publisher = Arc::new(AmqpPublisher::new(Arc::clone(&broker), Arc::clone(&clock), Arc::clone(&links)));
    let (stopping, is_stopping) = watch::channel(false);
    let (token, status) = (config.admin.token.clone(), Some(Arc::clone(&links)));
    let admin =
        Admin::new(Parts { engine: Arc::clone(&engine), metrics, broker: status, token, stopping: is_stopping });
    let listener = TcpListener::bind(config.admin.listen).await;
    let listener = listener.map_err(|error| {
        Failure::usage(format!("cannot listen on {}: {error}", config.admin.listen)).code(Code::CannotListen)
    })?;
    let address = listener.local_addr().map_err(Failure::failed)?;

    let capacity = Capacity { jobs: config.worker.concurrency, drain: config.worker.drain };
    let mut loops = [
        Loop::spawn("bells", |stop| wakeups::listen(Arc::clone(&engine), stop)),
        Loop::spawn("admin", |stop| admin_http(listener, admin, stop)),
        Loop::spawn("link", |stop| stay_connected(Arc::clone(&publisher), stop)),
        Loop::spawn("outbox", |stop| outbox::publish(Arc::clone(&engine), publisher, stop)),
        Loop::spawn("sweep", |stop| sweep::run(Arc::clone(&engine), stop)),
        Loop::spawn("work", |stop| work(Arc::clone(&engine), capacity, stop)),
        Loop::spawn("retention", |stop| retention::forget(Arc::clone(&engine), config.keep, stop)),
        Loop::spawn("intake", |stop| intake(&broker, Arc::clone(&engine), links, stop)),
    ];
    let took = clock.uptime().saturating_sub(began);
    tracing::info!(admin.address = %address, took.seconds = took.as_secs_f64(), "ready");

    let told = tokio::select! {
        name = signals.next() => name,
        name = first_to_end(&mut loops) => {
            tracing::error!(task = name, "ended by itself; stops");
            "failure"
        }
    };
    tracing::info!(reason = told, drain.seconds = config.worker.drain.as_secs_f64(), "stops");
    stopping.send_replace(true);
    let clean = tokio::select! {
        clean = drain(loops, &config, &broker) => clean,
        name = signals.next() => return Err(Failure::failed(format!("told to stop again by {name}; cut off")).code(Code::Interrupted)),
    };
    tracing::info!(clean, "stopped; what was in work is gone on with at the next start");
    Ok(if clean { Exit::Ok } else { Exit::Failed })
}

/// Stops the loops in order; whether each stopped by itself and in time.
async fn drain(loops: [Loop; 8], config: &Config, broker: &BrokerSettings) -> bool {
    let [bells, admin, link, outbox, sweep, work, retention, intake] = loops;
    let mut clean = intake.stop(broker.drain + GOODBYE).await;
    let within = config.worker.drain + GOODBYE;
    let (work, sweep, kept) = tokio::join!(work.stop(within), sweep.stop(within), retention.stop(within));
    clean &= work & sweep & kept;
    clean &= outbox.stop(FLUSH).await;
    clean &= link.stop(GOODBYE).await;
    clean &= bells.stop(GOODBYE).await;
    clean & admin.stop(GOODBYE).await
}

async fn engine(
    config: &Config,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    crash_points: Arc<dyn CrashPoints>,
) -> Result<Arc<Engine>, Failure> {
    let access = Access::configured(config)?;
    if config.allow.is_empty() {
        tracing::warn!("there is no [[allow]] rule, so every job is refused");
    }
    build(Settings {
        store: store::open(&config.store, clock).await?,
        clock: Arc::clone(clock),
        access,
        policy: config.policy(),
        exchange: Topology::new(config.broker.prefix.as_str()).events_exchange(),
        holder: config.worker.name.clone(),
        metrics: Arc::clone(metrics),
        crash_points,
    })
    .await
}

/// What the broker is told of the configuration.
pub(super) fn broker(config: &Config) -> BrokerSettings {
    BrokerSettings {
        urls: config.broker.urls.clone(),
        ca_pem: config.broker.ca_pem.clone(),
        name: format!("crossgrant {}", config.worker.name),
        topology: Topology::new(config.broker.prefix.as_str()),
        declare: config.broker.declare,
        prefetch: config.broker.prefetch,
        ..BrokerSettings::default()
    }
}

fn intake(
    broker: &Arc<BrokerSettings>,
    engine: Arc<Engine>,
    links: Arc<BrokerState>,
    stop: watch::Receiver<bool>,
) -> impl Future<Output = ()> + Send + use<> {
    let (broker, clock) = (Arc::clone(broker), Arc::clone(&engine.clock));
    let topology = &broker.topology;
    let inbox = Arc::new(Inbox::new(engine, topology.prefix(), topology.dead_queue()));
    async move {
        let report = consume(broker, inbox, clock, links, stop).await;
        tracing::info!(messages = report.taken, sessions = report.sessions, clean = report.clean, "takes no more jobs");
    }
}

async fn stay_connected(publisher: Arc<AmqpPublisher>, stop: watch::Receiver<bool>) {
    publisher.stay_connected(stop).await;
}

async fn admin_http(listener: TcpListener, admin: Admin, mut stop: watch::Receiver<bool>) {
    let stopped = async move {
        // A sender that is gone means the same.
        let _ = stop.wait_for(|stop| *stop).await;
    };
    if let Err(error) = axum::serve(listener, admin.router()).with_graceful_shutdown(stopped).await {
        tracing::error!(%error, "the admin HTTP ended");
    }
}
