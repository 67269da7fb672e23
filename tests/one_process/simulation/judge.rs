//! What must be true when a run is over.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crossgrant::clock::earlier;
use crossgrant::domain::{Kind, Reason, Requester};
use crossgrant::engine::ports::mail::Outgoing;
use crossgrant::engine::ports::store::Store as _;
use crossgrant::engine::record::{Image, Outcome, Record, State};
use crossgrant::simulator::LedgerEntry;
use jiff::Timestamp;
use serde_json::Value;

use super::stage::Stage;
use super::world;

/// The longest lag of a read, and how far off a worker's clock may be.
const LAG: Duration = Duration::from_secs(26 + 4);

/// What is wrong, each in a sentence.
pub async fn faults(stage: &Stage) -> Vec<String> {
    let forgotten = stage.forgotten.iter().map(|(record, _)| record.clone());
    let mut jobs: Vec<Record> = forgotten.chain(stage.jobs().await).collect();
    jobs.sort_by_key(|job| job.uid);
    let mut faults = stage.faults.clone();
    every_message_is_one_job(stage, &jobs, &mut faults);
    for job in &jobs {
        ends_once(stage, job, &mut faults).await;
        is_true(stage, job, &mut faults).await;
    }
    what_was_said_is_published(stage, &jobs, &mut faults).await;
    nothing_is_written_twice(stage, &mut faults);
    each_account_writes_its_own(stage, &mut faults);
    the_cloud_is_as_the_last_job_says(stage, &jobs, &mut faults);
    faults
}

fn every_message_is_one_job(stage: &Stage, jobs: &[Record], faults: &mut Vec<String>) {
    if !stage.broker.is_empty() {
        faults.push("messages are left in the queue".into());
    }
    for (user, job) in &stage.sent {
        let requester = Requester::parse(*user).unwrap();
        let of = |record: &&Record| record.requester == requester && Some(record.job.id.as_str()) == job["id"].as_str();
        let count = jobs.iter().filter(of).count();
        if count != 1 {
            faults.push(format!("the message of {user}/{} is {count} jobs", job["id"]));
        }
    }
    if jobs.len() != stage.sent.len() {
        faults.push(format!("{} messages became {} jobs", stage.sent.len(), jobs.len()));
    }
}

async fn ends_once(stage: &Stage, job: &Record, faults: &mut Vec<String>) {
    let events = events(stage, job).await;
    let kinds: Vec<&str> = events.iter().map(kind).collect();
    let ends = kinds.iter().filter(|kind| State::parse(kind).is_some_and(State::is_terminal)).count();
    let id = &job.job.id;
    if ends != 1 || kinds.first() != Some(&"accepted") || kinds.last() != Some(&job.state().as_str()) {
        faults.push(format!("{id} is {} ({}) and said {kinds:?}", job.state().as_str(), job.why));
    }
    for (place, event) in events.iter().enumerate() {
        if event["sequence"] != format!("{:010}", place + 1) || event["id"] != format!("{}.{}", job.uid, place + 1) {
            faults.push(format!("event {place} of {id} is {}, {}", event["id"], event["sequence"]));
        }
    }
}

async fn events(stage: &Stage, job: &Record) -> Vec<Value> {
    let forgotten = stage.forgotten.iter().find(|(record, _)| record.uid == job.uid);
    let events = match forgotten {
        Some((_, events)) => events.clone(),
        None => stage.store.events(job.uid).await.unwrap(),
    };
    events.iter().map(|event| serde_json::from_str(event).unwrap()).collect()
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap().trim_start_matches("crossgrant.job.")
}

/// A job that says that it is done is: the cloud's own history has it.
async fn is_true(stage: &Stage, job: &Record, faults: &mut Vec<String>) {
    if job.state() != State::Completed || job.job.kind == Kind::Revoke {
        return;
    }
    let Some(wanted) = job.job.order_type else { return };
    let (id, wanted) = (&job.job.id, wanted.to_string());
    let ended = job.phase.finished_at().unwrap();
    // Before it has asked the cloud, a worker goes by a clock that may be wrong.
    let began = job.writes.iter().map(|write| write.intended_at).max().unwrap_or(job.accepted_at).min(ended);
    // Both witnesses may show the past of a while ago, and then agree.
    let began = earlier(began, LAG);
    // Of what is attached to nothing the cloud may not say what is in force, and nothing is billed.
    let unsaid =
        |after: &Image| after.effective_order_type.is_none() && after.attachments.as_ref().is_some_and(Vec::is_empty);
    if job.after.as_ref().is_some_and(unsaid) {
        return;
    }
    let spans = in_force(stage, job.job.instance.id.as_str());
    // A worker knows the time of the cloud to a second, which is what its `Date` tells.
    let ended = ended + jiff::SignedDuration::from_secs(1);
    if job.job.kind == Kind::PayerChange
        && !spans.iter().any(|(from, to, payer)| payer.as_ref() == Some(&wanted) && *from <= ended && *to >= began)
    {
        faults.push(format!("{id} is completed, and {wanted} was not in force from {began} to {ended}: {spans:?}"));
    }
    let end = events(stage, job).await.pop().unwrap();
    if let Some(at) = end["data"]["effective_at"].as_str() {
        let at: Timestamp = at.parse().unwrap();
        let since = spans.iter().any(|(from, _, payer)| payer.as_ref() == Some(&wanted) && *from == at);
        if !since {
            faults.push(format!("{id} says that {wanted} is in force since {at}: {spans:?}"));
        }
    }
}

/// From when until when which payer was in force on an instance, by the ledger of the cloud.
fn in_force(stage: &Stage, instance: &str) -> Vec<(Timestamp, Timestamp, Option<String>)> {
    let initial = world::granted_at_first(instance).then(|| "PayByCenOwner".to_owned());
    let mut begins = vec![(Timestamp::MIN, initial)];
    for entry in stage.cloud.ledger().iter().filter(|entry| about(entry, instance)) {
        let payer = entry.effect.order_type.map(|payer| payer.to_string());
        match entry.operation.as_str() {
            "hour" | "GrantInstanceToTransitRouter" | "sim:grant" => begins.push((entry.at, payer)),
            "RevokeInstanceFromTransitRouter" | "sim:revoke" => begins.push((entry.at, None)),
            _ => {}
        }
    }
    let ends = begins.iter().skip(1).map(|(at, _)| *at).chain([Timestamp::MAX]).collect::<Vec<_>>();
    begins.into_iter().zip(ends).map(|((from, payer), to)| (from, to, payer)).collect()
}

fn about(entry: &LedgerEntry, instance: &str) -> bool {
    entry.effect.instance.as_ref().is_some_and(|id| id.as_str() == instance)
}

async fn what_was_said_is_published(stage: &Stage, jobs: &[Record], faults: &mut Vec<String>) {
    let mut bodies: BTreeMap<String, Outgoing> = BTreeMap::new();
    let mut order: BTreeMap<String, Vec<u64>> = BTreeMap::new();
    for message in stage.broker.published() {
        let id = format!("{}{}", message.exchange, message.message_id);
        match bodies.get(&id) {
            Some(first) if first.body != message.body => faults.push(format!("{id} is published with two bodies")),
            Some(_) => {}
            None => {
                if let (false, Some((uid, number))) = (message.exchange.is_empty(), message.message_id.split_once('.'))
                {
                    order.entry(uid.to_owned()).or_default().push(number.parse().unwrap());
                }
                bodies.insert(id, message);
            }
        }
    }
    for job in jobs {
        let said = events(stage, job).await.len() as u64;
        let published = order.remove(&job.uid.to_string()).unwrap_or_default();
        if published != (1..=said).collect::<Vec<_>>() {
            faults.push(format!("of the {said} events of {} were published: {published:?}", job.job.id));
        }
        let last = bodies.get(&format!("crossgrant.events{}.{said}", job.uid));
        let reply = bodies
            .values()
            .filter(|message| message.exchange.is_empty() && message.message_id.starts_with(&job.uid.to_string()));
        // A message that comes again is answered by what was said last.
        let answers: Vec<&Outgoing> = reply.collect();
        if answers.iter().filter(|answer| last.is_some_and(|last| last.body == answer.body)).count() == 0 {
            let answers: Vec<&str> = answers.iter().map(|answer| answer.message_id.as_str()).collect();
            faults.push(format!("{} is not answered by its end, but by {answers:?}", job.job.id));
        }
    }
}

/// Of two equal effects in a row the second was for nothing, unless somebody else came in between.
fn nothing_is_written_twice(stage: &Stage, faults: &mut Vec<String>) {
    let mut last: BTreeMap<String, LedgerEntry> = BTreeMap::new();
    for entry in stage.cloud.ledger().into_iter().filter(|entry| entry.operation != "hour") {
        let on = entry.effect.attachment.clone().or(entry.effect.instance.as_ref().map(ToString::to_string));
        let Some(on) = on else { continue };
        if let Some(before) = last.get(&on)
            && (&before.operation, before.effect.order_type) == (&entry.operation, entry.effect.order_type)
            && !entry.operation.starts_with("sim:")
        {
            faults.push(format!("{} of {on} at {} is made again at {}", entry.operation, before.at, entry.at));
        }
        // A change of somebody else may touch all that belongs to the instance.
        if entry.operation.starts_with("sim:") {
            last.clear();
        }
        last.insert(on, entry);
    }
}

fn each_account_writes_its_own(stage: &Stage, faults: &mut Vec<String>) {
    let of_cen = ["UpdateTransitRouter", "DeleteTransitRouter", "DetachCen"];
    for entry in stage.cloud.ledger() {
        let Some(account) = entry.account else { continue };
        let right = if of_cen.iter().any(|name| entry.operation.starts_with(name)) {
            world::CEN_OWNER
        } else {
            world::RESOURCE
        };
        if account.as_str() != right {
            faults.push(format!("{} was written as {account}", entry.operation));
        }
    }
}

/// What the last job that has written on an instance says is what the cloud shows, unless somebody else came after it.
fn the_cloud_is_as_the_last_job_says(stage: &Stage, jobs: &[Record], faults: &mut Vec<String>) {
    let instances: BTreeSet<&str> = jobs.iter().map(|job| job.job.instance.id.as_str()).collect();
    for instance in instances {
        let touched =
            stage.cloud.ledger().iter().any(|entry| entry.operation.starts_with("sim:") && about(entry, instance));
        if touched {
            continue;
        }
        let written = |job: &Record| {
            let writes = job.writes.iter().filter(|write| !matches!(write.outcome, Outcome::Refused { .. }));
            writes.map(|write| write.intended_at).max()
        };
        let of = jobs.iter().filter(|job| job.job.instance.id.as_str() == instance);
        let Some(last) = of.filter(|job| written(job).is_some()).max_by_key(|job| (written(job), job.uid)) else {
            continue;
        };
        let shown = payer(stage, instance);
        let before = || last.before.as_ref().and_then(|before| before.order_type).map(|payer| payer.to_string());
        let reason = last.phase.ending().map(|ending| ending.reason);
        let right = match (last.state(), last.job.kind) {
            (State::Completed, Kind::Revoke) => None,
            (State::Completed, Kind::PayerChange) => last.job.order_type.map(|payer| payer.to_string()),
            (State::Completed, Kind::Grant) if last.job.order_type.is_some() => {
                last.job.order_type.map(|payer| payer.to_string())
            }
            (State::Failed | State::Cancelled, _)
                if !matches!(reason, Some(Reason::Overridden | Reason::GrantGone)) =>
            {
                before()
            }
            _ => continue,
        };
        if shown != right {
            faults.push(format!(
                "{instance} shows {shown:?}, and {} ended as {}: {right:?} ({})",
                last.job.id,
                last.state().as_str(),
                last.why
            ));
        }
    }
}

/// The payer that is written on a grant.
fn payer(stage: &Stage, instance: &str) -> Option<String> {
    let state = stage.cloud.state();
    let grant = state["grants"].as_array().unwrap().iter().find(|grant| grant["instance"] == instance)?;
    Some(grant["order_type"].as_str().unwrap().to_owned())
}
