//! `serve`, the life of a worker: log, parts, tasks, a signal, and a stop in order.

use std::net::SocketAddr;
use std::pin::pin;
use std::sync::atomic::AtomicUsize;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::Duration;

use axum::Router;
use tokio::net::TcpListener;
use tokio::sync::watch;

use super::args::ServeArgs;
use super::broker;
use super::descriptors;
use super::engine::{CloudAccess, EngineSettings, build};
use super::exit::{CliError, Exit};
use super::loops::{Loop, first_to_end};
use super::reload::{ConfigReader, Reloader, credentials, tokens};
use super::service_manager::ServiceManager;
use super::signals::{Told, WorkerSignals};
use super::store;
use crate::admin::{self, Admin, AdminParts, AdminTokens, ApiError, Authority, ConnectionLimits, Reload, token_file};
use crate::broker::{AmqpDoor, AmqpPublisher, BrokerSettings, BrokerState, Topology, consume};
use crate::clock::{Clock, SteadyClock, SystemClock};
use crate::cloud::Accounts;
use crate::config::{Config, StoreConfig, TraceConfig};
use crate::domain::{Code, Requester};
use crate::engine::decide::webhook::tries_within;
use crate::engine::loops::intake::Inbox;
use crate::engine::loops::shared::Engine;
use crate::engine::loops::worker::{Capacity, work};
use crate::engine::loops::{accounts, batches, outbox, retention, store_watch, timekeeping, wakeups, webhooks};
use crate::engine::policy::Allow;
use crate::engine::ports::crash_points::CrashPoints;
use crate::engine::ports::door::DoorPublisher;
use crate::engine::ports::mail::Lane;
use crate::engine::ports::store::Store;
use crate::engine::ports::webhook::{Caller, NoCaller};
use crate::page;
use crate::sweep;
use crate::telemetry::traces::{self, ExportSettings, Exporter, Traces};
use crate::telemetry::{Metrics, log};
use crate::webhook::HttpCaller;

/// How long publishing the last messages may take.
const FLUSH: Duration = Duration::from_secs(10);
/// How long closing a connection may take, to the broker or of the admin API.
const GOODBYE: Duration = Duration::from_secs(3);

/// Works until a signal, then stops in order: takes no more jobs, lets jobs in work come to rest, publishes the last
/// messages.
pub(super) async fn serve(
    args: &ServeArgs,
    config: Config,
    read: ConfigReader,
    crash_points: Arc<dyn CrashPoints>,
) -> Result<Exit, CliError> {
    let log = log::start(&config.log)?;
    let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(Arc::new(SystemClock)));
    let (began, mut signals) = (clock.uptime(), WorkerSignals::listen()?);
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let (connections, short) = descriptors::connections(descriptors::raise(), config.worker.concurrency);
    if let Some(warning) = short {
        tracing::warn!("{warning}");
    }
    let (traces, sender) = config.trace.as_ref().map(|trace| send_spans(trace, &config, &clock)).transpose()?.unzip();
    let metrics = Arc::new(Metrics::traced(traces));
    let store = store::open(&config.store, &clock, args.accept_store).await?;
    let (engine, accounts) = engine(&config, &read, store, &clock, &metrics, crash_points).await?;
    let broker = Arc::new(broker::settings(&config));
    let links = Arc::new(BrokerState::new(Arc::clone(&clock)));
    let [events, replies] = Lane::ALL
        .map(|lane| Arc::new(AmqpPublisher::new(lane, Arc::clone(&broker), Arc::clone(&clock), Arc::clone(&links))));
    let (caller, tries) = caller(&config)?;
    let (stopping, is_stopping) = watch::channel(false);
    let listener = admin::bind(config.admin.listen).await;
    let listener = listener.map_err(|error| {
        CliError::usage(format!("cannot listen on {}: {error}", config.admin.listen)).code(Code::CannotListen)
    })?;
    let address =
        listener.as_ref().map_or(Ok(config.admin.listen), TcpListener::local_addr).map_err(CliError::failed)?;
    let manager = Arc::new(ServiceManager::of_this_process());
    let reloader = Arc::new(Reloader {
        read,
        engine: Arc::clone(&engine),
        accounts,
        tokens: AdminTokens::default(),
        made: OnceLock::new(),
        log: log.filter(),
        manager: Arc::clone(&manager),
        present: Mutex::new(config.clone()),
    });
    if listener.is_some() {
        know_tokens(&reloader)?;
    }
    let parts = |tokens| AdminParts {
        engine: Arc::clone(&engine),
        metrics: Arc::clone(&metrics),
        broker: Some(Arc::clone(&links)),
        tokens,
        hosts: config.admin.hosts.clone(),
        stopping: is_stopping.clone(),
    };
    let door = broker.door.clone().map(|keys| Arc::new(AmqpDoor::new(&broker, keys)));
    let admin = Admin::made(
        parts(reloader.tokens.clone()),
        Some(Arc::clone(&reloader) as Arc<dyn Reload>),
        door.clone().map(|door| door as Arc<dyn DoorPublisher>),
    );
    let told_of = Admin::new(parts(AdminTokens::default()));
    let cut = Arc::new(AtomicUsize::new(0));

    let capacity = Capacity { jobs: config.worker.concurrency, drain: config.worker.drain };
    let mut loops = [
        Loop::spawn("store", |stop| store_watch::watch(Arc::clone(&engine), stop)),
        Loop::spawn("timekeeping", |stop| timekeeping::keep(Arc::clone(&engine), stop)),
        Loop::spawn("accounts", |stop| accounts::follow(Arc::clone(&engine), stop)),
        Loop::spawn("wakeups", |stop| wakeups::listen(Arc::clone(&engine), stop)),
        Loop::spawn("admin", |stop| {
            let router = match config.admin.page {
                true => page::router(admin, config.admin.https),
                false => admin.router(),
            };
            let answered = answer(listener, router, Arc::clone(&reloader), config.admin.listen, connections, stop);
            async move {
                answered.await;
                if let Some(door) = door {
                    door.close().await;
                }
            }
        }),
        Loop::spawn("link", |stop| stay_connected(Arc::clone(&events), stop)),
        Loop::spawn("reply-link", |stop| stay_connected(Arc::clone(&replies), stop)),
        Loop::spawn("outbox", |stop| outbox::publish(Arc::clone(&engine), events, Lane::Events, stop)),
        Loop::spawn("replies", |stop| outbox::publish(Arc::clone(&engine), replies, Lane::Replies, stop)),
        Loop::spawn("webhooks", |stop| webhooks::call(Arc::clone(&engine), caller, tries, stop)),
        Loop::spawn("sweep", |stop| sweep::run(Arc::clone(&engine), stop)),
        Loop::spawn("work", |stop| {
            let (engine, cut) = (Arc::clone(&engine), Arc::clone(&cut));
            async move { cut.store(work(engine, capacity, stop).await, Relaxed) }
        }),
        Loop::spawn("batches", |stop| batches::follow(Arc::clone(&engine), stop)),
        Loop::spawn("retention", |stop| retention::forget(Arc::clone(&engine), config.keep, stop)),
        Loop::spawn("intake", |stop| intake(&broker, Arc::clone(&engine), links, stop)),
    ];
    let took = clock.uptime().saturating_sub(began);
    tracing::info!(admin.address = %address, took.seconds = took.as_secs_f64(), "ready");

    let mut accompanied = pin!(manager.accompany(&engine, &told_of));
    let told = loop {
        tokio::select! {
            told = signals.next() => match told {
                Told::Stop(name) => break name,
                Told::Reload => reload(&reloader),
            },
            name = first_to_end(&mut loops) => {
                tracing::error!(task = name, "task ended unexpectedly; the worker stops");
                break "failure";
            }
            never = &mut accompanied => match never {},
        }
    };
    manager.stopping(broker.drain + config.worker.drain + FLUSH + 6 * GOODBYE);
    tracing::info!(reason = told, drain.seconds = config.worker.drain.as_secs_f64(), "stopping");
    stopping.send_replace(true);
    let clean = tokio::select! {
        clean = drain(loops, &config, &broker) => {
            if let Some(sender) = sender {
                // A collector that does not answer makes no stop unclean.
                sender.stop(GOODBYE).await;
            }
            clean
        }
        name = signals.next_stop() => return Err(CliError::failed(format!("a second {name} ended the stop early")).code(Code::Interrupted)),
    };
    // Jobs that were cut lose nothing, so they are no failure of the process.
    let cut = cut.load(Relaxed);
    tracing::info!(clean = clean && cut == 0, cut, "stopped");
    Ok(if clean { Exit::Ok } else { Exit::Failed })
}

/// Reads the configuration again beside everything else. What came of it is in the log.
fn reload(reloader: &Arc<Reloader>) {
    let reloader = Arc::clone(reloader);
    drop(tokio::task::spawn_blocking(move || reloader.reload("SIGHUP").is_ok()));
}

/// Stops the tasks in order. True if each stopped by itself and in time.
async fn drain(loops: [Loop; 15], config: &Config, broker: &BrokerSettings) -> bool {
    let [
        store,
        timekeeping,
        accounts,
        wakeups,
        admin,
        link,
        reply_link,
        outbox,
        replies,
        webhooks,
        sweep,
        work,
        batches,
        retention,
        intake,
    ] = loops;
    let mut clean = intake.stop(broker.drain + GOODBYE).await;
    let within = config.worker.drain + GOODBYE;
    let (work, sweep, kept) = tokio::join!(work.stop(within), sweep.stop(within), retention.stop(within));
    clean &= work & sweep & kept;
    clean &= batches.stop(within).await;
    let (outbox, replies, webhooks) = tokio::join!(outbox.stop(FLUSH), replies.stop(FLUSH), webhooks.stop(FLUSH));
    let (link, reply_link) = tokio::join!(link.stop(GOODBYE), reply_link.stop(GOODBYE));
    clean &= outbox & replies & webhooks & link & reply_link;
    clean &= wakeups.stop(GOODBYE).await;
    clean &= store.stop(GOODBYE).await;
    clean &= timekeeping.stop(GOODBYE).await;
    clean &= accounts.stop(GOODBYE).await;
    clean & admin.stop(GOODBYE).await
}

async fn engine(
    config: &Config,
    read: &ConfigReader,
    store: Arc<dyn Store>,
    clock: &Arc<dyn Clock>,
    metrics: &Arc<Metrics>,
    crash_points: Arc<dyn CrashPoints>,
) -> Result<(Arc<Engine>, Arc<Accounts>), CliError> {
    let access = CloudAccess { reader: Some(credentials(read)), ..CloudAccess::configured(config)? };
    if config.allow.is_empty() {
        tracing::warn!("there is no [[allow]] rule, so every job is refused");
    }
    // Those who come by the door name no queue.
    let by_amqp = |rule: &Allow| rule.requesters.iter().any(|requester| !requester.starts_with(Requester::DOOR));
    if config.allow.iter().any(|rule| rule.reply_to.is_none() && by_amqp(rule)) {
        tracing::warn!(
            "an [[allow]] rule has no `reply_to`, so its requesters can have answers written to every queue of the broker: list \
             the queues that are theirs"
        );
    }
    build(EngineSettings {
        store,
        clock: Arc::clone(clock),
        access,
        policy: config.policy(),
        exchange: Topology::new(config.broker.prefix.as_str()).events_exchange(),
        installation: config.installation.clone(),
        holder: config.worker.name.clone(),
        metrics: Arc::clone(metrics),
        crash_points,
    })
    .await
}

/// Sends spans to the collector.
fn send_spans(trace: &TraceConfig, config: &Config, clock: &Arc<dyn Clock>) -> Result<(Arc<Traces>, Loop), CliError> {
    let TraceConfig { url, timeout, sampling } = trace.clone();
    let (installation, worker) = (config.installation.clone(), config.worker.name.clone());
    let exporter = Exporter::new(&ExportSettings { url, timeout, installation, worker })
        .map_err(|why| CliError::usage(format!("traces cannot be sent: {why}")))?;
    let (traces, waiting) = traces::traces(sampling);
    tracing::info!(collector = host_of(&trace.url), ratio = sampling.ratio, "sends the spans of jobs to a collector");
    let sender = Loop::spawn("traces", |stop| exporter.run(waiting, Arc::clone(clock), stop));
    Ok((Arc::new(traces), sender))
}

/// The host alone: a path can hold a token.
fn host_of(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    let authority = rest.split_once('/').map_or(rest, |(authority, _)| authority);
    authority.rsplit_once('@').map_or(authority, |(_, host)| host)
}

/// Who calls webhooks, and how often each message is tried.
fn caller(config: &Config) -> Result<(Arc<dyn Caller>, u32), CliError> {
    let named = config.allow.iter().any(|rule| !rule.webhook_hosts.is_empty());
    let Some(settings) = &config.webhook else {
        if named {
            tracing::warn!("an [[allow]] rule has `webhook_hosts` and there is no [webhook], so webhooks are off");
        }
        return Ok((Arc::new(NoCaller), 1));
    };
    if !named {
        tracing::warn!("there is a [webhook] and no [[allow]] rule has `webhook_hosts`, so no webhook is called");
    }
    let caller =
        HttpCaller::new(settings).map_err(|why| CliError::usage(format!("webhooks cannot be called: {why}")))?;
    Ok((Arc::new(caller), tries_within(settings.give_up)))
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
        tracing::info!(messages = report.taken, sessions = report.sessions, clean = report.clean, "consumer stopped");
    }
}

async fn stay_connected(publisher: Arc<AmqpPublisher>, stop: watch::Receiver<bool>) {
    publisher.stay_connected(stop).await;
}

/// Serves the admin API, once the worker has its port.
async fn answer(
    listener: Option<TcpListener>,
    router: Router,
    reloader: Arc<Reloader>,
    address: SocketAddr,
    limits: ConnectionLimits,
    mut stop: watch::Receiver<bool>,
) {
    let listener = match listener {
        Some(listener) => listener,
        None => {
            let waiting = admin::await_port(address, &*reloader.engine.clock, &mut stop);
            let Some(listener) = waiting.await else { return };
            if let Err(error) = know_tokens(&reloader) {
                tracing::error!(error = error.message, "commands are off until the worker starts again");
            }
            listener
        }
    };
    admin::serve(listener, router, &*reloader.engine.clock, limits, stop).await;
}

/// From here on the worker knows the tokens that are configured, and for an SQLite store one that is made. The caller holds the
/// lock of the store, and has the port: before, a command would send the token to the program that has it.
fn know_tokens(reloader: &Reloader) -> Result<(), CliError> {
    let present = reloader.present.lock().unwrap_or_else(PoisonError::into_inner);
    if let StoreConfig::File(store) = &present.store {
        let path = token_file::beside(store);
        let made = token_file::make(&path).map_err(|error| {
            let message = format!("cannot make the token of the admin API, {}: {error}", path.display());
            CliError::failed(message).code(Code::TokenNotMade)
        })?;
        tracing::info!(file = %path.display(), "made the token for commands of this user");
        reloader.made.get_or_init(|| made);
    }
    let tokens = tokens(&present.admin, reloader.made.get());
    for Authority { token, role, .. } in tokens.authorities() {
        tracing::info!(token, role = role.as_str(), "the admin API knows a token");
    }
    if tokens.is_empty() {
        tracing::warn!("{} [{}]", ApiError::CommandsOff, Code::CommandsOff);
    }
    reloader.tokens.replace(&tokens);
    Ok(())
}
