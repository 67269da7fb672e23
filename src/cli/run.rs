//! `run`: carries out jobs in this process, without a broker, until each has ended or needs a person.

use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;

use super::args::RunArgs;
use super::engine::{CloudAccess, EngineSettings, build};
use super::exit::{CliError, Exit};
use super::input::{self, PREFIX, REQUESTER};
use super::loops::{Loop, first_to_end};
use super::output::{self, Printer};
use super::progress::{CurrentJob, ProgressLine, Tally};
use super::signals::Signals;
use crate::admin::explain;
use crate::broker::Topology;
use crate::clock::{Clock, SteadyClock, SystemClock, until};
use crate::config::Config;
use crate::domain::{Code, JobUid, Mode};
use crate::engine::loops::intake::Inbox;
use crate::engine::loops::shared::Engine;
use crate::engine::loops::worker::{Capacity, work};
use crate::engine::loops::{accounts, batches, outbox, timekeeping};
use crate::engine::policy::Policy;
use crate::engine::ports::crash_points::NoCrashes;
use crate::engine::ports::mail::{Incoming, Lane};
use crate::engine::ports::store::{Filter, Store, Taken};
use crate::engine::record::{Record, State};
use crate::store::Sqlite;
use crate::sweep;
use crate::telemetry::Metrics;

/// The most messages in one commit, and the most jobs in work at once.
const BATCH: usize = 256;
/// How often to check whether every job has come to rest.
const TICK: Duration = Duration::from_millis(200);
/// How long a task may take to stop.
const DRAIN: Duration = Duration::from_secs(10);
const UNFINISHED: [State; 3] = [State::Queued, State::Running, State::Waiting];

/// Carries out the jobs of a file, and those that an earlier run left in the same store.
pub(super) async fn run(args: &RunArgs, config: impl FnOnce() -> Result<Config, CliError>) -> Result<Exit, CliError> {
    let jobs = input::jobs(&args.file)?;
    if jobs.is_empty() && args.store.is_none() {
        return Err(CliError::usage("there is no job to run").code(Code::NoJob));
    }
    let mut signals = Signals::listen()?;
    let engine = engine(args, config).await?;
    if args.cloud.simulate.is_some() && unfinished(&engine).await?.is_some() {
        output::note("the store holds jobs of an earlier run, but the simulated cloud has started anew");
    }
    let taken = take(&engine, jobs).await?;
    let progress = Arc::new(ProgressLine::new());
    let printer = Arc::new(Printer::new(Arc::clone(&progress)));
    let capacity = Capacity { jobs: BATCH, drain: DRAIN };
    let print = |lane, stop| outbox::publish(Arc::clone(&engine), Arc::clone(&printer) as _, lane, stop);
    let mut loops = [
        Loop::spawn("timekeeping", |stop| timekeeping::keep(Arc::clone(&engine), stop)),
        Loop::spawn("accounts", |stop| accounts::follow(Arc::clone(&engine), stop)),
        Loop::spawn("outbox", |stop| print(Lane::Events, stop)),
        Loop::spawn("replies", |stop| print(Lane::Replies, stop)),
        Loop::spawn("sweep", |stop| sweep::run(Arc::clone(&engine), stop)),
        Loop::spawn("batches", |stop| batches::follow(Arc::clone(&engine), stop)),
        Loop::spawn("work", |stop| {
            let engine = Arc::clone(&engine);
            async move {
                let _cut = work(engine, capacity, stop).await;
            }
        }),
    ];
    let told = tokio::select! {
        rested = rest(&engine, &printer, &progress) => rested.map(|()| None)?,
        name = signals.next() => Some(name),
        name = first_to_end(&mut loops) => return Err(CliError::failed(format!("the {name} task ended unexpectedly")).code(Code::LoopEnded)),
    };
    progress.clear();
    let [timekeeping, accounts, outbox, replies, sweep, batches, work] = loops;
    let (work, sweep, _, _) =
        tokio::join!(work.stop(DRAIN), sweep.stop(DRAIN), timekeeping.stop(DRAIN), accounts.stop(DRAIN));
    let batches = batches.stop(DRAIN).await;
    let (outbox, replies) = tokio::join!(outbox.stop(DRAIN), replies.stop(DRAIN));
    let clean = work & sweep & batches & outbox & replies;
    if let Some(name) = told {
        let kept = if args.store.is_some() {
            "run the same command again to continue"
        } else {
            "nothing is kept without --store"
        };
        return Err(CliError::failed(format!("interrupted by {name}; {kept}")).code(Code::Interrupted));
    }
    let done = judge(&engine, &taken).await?;
    Ok(if done && clean { Exit::Ok } else { Exit::Failed })
}

async fn engine(args: &RunArgs, config: impl FnOnce() -> Result<Config, CliError>) -> Result<Arc<Engine>, CliError> {
    let machine: Arc<dyn Clock> = Arc::new(SystemClock);
    let clock: Arc<dyn Clock> = Arc::new(SteadyClock::new(Arc::clone(&machine)));
    let store: Arc<dyn Store> = match &args.store {
        Some(path) => Arc::new(Sqlite::open(path)?),
        None => Arc::new(Sqlite::in_memory()?),
    };
    let access = match &args.cloud.simulate {
        Some(file) => CloudAccess::simulated(file.as_deref(), args.hour, machine)?,
        None => CloudAccess::configured(&config()?).map_err(|failure| failure.hint("--simulate works without one"))?,
    };
    let (engine, _) = build(EngineSettings {
        store,
        clock,
        access,
        policy: Policy::everybody(),
        exchange: Topology::new(PREFIX).events_exchange(),
        installation: REQUESTER.into(),
        holder: REQUESTER.into(),
        metrics: Arc::new(Metrics::new()),
        crash_points: Arc::new(NoCrashes),
    })
    .await?;
    Ok(engine)
}

async fn take(engine: &Arc<Engine>, jobs: Vec<bytes::Bytes>) -> Result<Vec<Taken>, CliError> {
    let inbox = Inbox::new(Arc::clone(engine), PREFIX, Topology::new(PREFIX).dead_queue());
    let incoming = |body: &bytes::Bytes| Incoming {
        body: body.clone(),
        routing_key: input::routing_key(body),
        user_id: Some(REQUESTER.into()),
        ..Incoming::default()
    };
    let mut taken = Vec::with_capacity(jobs.len());
    for batch in jobs.chunks(BATCH) {
        taken.extend(inbox.accept(batch.iter().map(incoming).collect()).await.map_err(CliError::failed)?);
    }
    Ok(taken)
}

/// Returns when no job goes on by itself and every event is printed.
async fn rest(engine: &Engine, printer: &Printer, progress: &ProgressLine) -> Result<(), CliError> {
    loop {
        let counts = engine.store.counts().await?;
        let count = |unfinished: bool| -> usize {
            let of = |state: &State| UNFINISHED.contains(state) == unfinished;
            let counts = counts.jobs.iter().filter(|((_, state), _)| of(state)).map(|(_, count)| count);
            usize::try_from(counts.sum::<u64>()).unwrap_or(usize::MAX)
        };
        let (left, ended) = (count(true), count(false));
        if left == 0 && counts.outbox == 0 {
            // The end of a batch comes after that of its last job.
            engine.look_at_batches().await?;
            if engine.store.counts().await?.outbox == 0 {
                return Ok(());
            }
        }
        let now = engine.clock.now();
        if let Some(why) = refused_for_long(engine, now) {
            return Err(CliError::failed(why).code(Code::AccountRefused));
        }
        let newest = unfinished(engine).await?;
        let states = UNFINISHED.map(|state| {
            let of = counts.jobs.iter().filter(|((_, of), _)| *of == state).map(|(_, count)| count);
            (in_words(state), usize::try_from(of.sum::<u64>()).unwrap_or(usize::MAX))
        });
        let tally = Tally {
            ended,
            total: ended.saturating_add(left),
            states: states.to_vec(),
            next: newest.as_ref().and_then(|record| explain(record, None, true, now).until),
            // Which one is the oldest is not known, unless there is only one.
            oldest: newest.filter(|_| left == 1).map(|record| CurrentJob {
                id: record.job.id.to_string(),
                state: in_words(record.state()),
                step: Some(record.step),
            }),
        };
        progress.show(&tally.line(now, progress.width()));
        tokio::select! {
            () = printer.published.notified() => {}
            () = engine.clock.sleep(TICK) => {}
        }
    }
}

/// What to say of an account that the cloud has refused for `keys-patience`: this command does not read its credential anew,
/// and its jobs would wait for ever.
fn refused_for_long(engine: &Engine, now: Timestamp) -> Option<String> {
    let patience = engine.catalog.policies.keys_patience;
    engine.cloud.accounts().into_iter().find_map(|account| {
        let refusal = account.standing.refusal().filter(|refusal| until(refusal.since, now) >= patience)?;
        Some(format!("account {} is {refusal}: {}; jobs are left", account.uid, refusal.message))
    })
}

fn in_words(state: State) -> &'static str {
    if state == State::Running { "in work" } else { state.as_str() }
}

/// The newest job that has not come to rest.
async fn unfinished(engine: &Engine) -> Result<Option<Record>, CliError> {
    let filter = Filter { states: UNFINISHED.to_vec(), limit: 1, ..Filter::default() };
    Ok(engine.store.list(&filter).await?.pop())
}

/// Whether every job of the file has the wanted result. If not, logs how many have.
async fn judge(engine: &Engine, taken: &[Taken]) -> Result<bool, CliError> {
    let mut done = 0;
    for taken in taken {
        match taken {
            Taken::New(uid) | Taken::Repeated(uid) => done += usize::from(has_result(engine, *uid).await?),
            Taken::Reused(_) | Taken::Rejected(_) | Taken::TooMany | Taken::Misfit(_) => {}
        }
    }
    if done < taken.len() {
        output::note(&format!(
            "{done} of {} jobs have the wanted result; the events of the others tell why",
            taken.len()
        ));
    }
    Ok(done == taken.len())
}

async fn has_result(engine: &Engine, uid: JobUid) -> Result<bool, CliError> {
    Ok(engine.store.load(uid).await?.is_some_and(|record| match record.job.mode {
        Mode::Apply => record.state() == State::Completed,
        Mode::Plan => record.state() == State::Planned,
    }))
}
