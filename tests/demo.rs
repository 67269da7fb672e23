//! The main job, live, on real parts: a private RabbitMQ node, a simulated cloud with an hour of ten seconds and a worker,
//! each a process of its own on the loopback. Twelve messages go in, and six for each type of instance that ask for its
//! rules; what comes of them is shown, and checked.
//!
//! Fails unless every outcome is the right one. Leaves nothing behind, on Ctrl-C neither. With `AMQP_URL` in the
//! environment it uses that broker, under names of its own, instead of a private one.

mod rules;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use bytes::Bytes;
use crossgrant::broker::{BrokerSettings, EventTap, Submission, Submitter, Topology};
use crossgrant::clock::{Clock as _, SystemClock};
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::web;

const RESOURCE: &str = "1688000000000001";
const CEN_OWNER: &str = "1250123456123456";
const CEN: &str = "cen-44m0p68spvlrqq0001";
/// Two hours of ten seconds, and the work around them, with room for a slow machine.
const LIMIT: Duration = Duration::from_secs(150);

/// One message, and what must come of it.
struct Asked {
    /// The job's id; what stands in the table.
    id: &'static str,
    what: &'static str,
    body: String,
    kind: &'static str,
    ends: &'static str,
    reason: &'static str,
}

fn messages() -> Vec<Asked> {
    let job = |id: &str, kind: &str, instance: &str, order_type: Option<&str>| {
        let types = [("vpc-", "VPC"), ("vbr-", "VBR"), ("vco-", "VPN"), ("ecr-", "ECR"), ("ccn-", "CCN")];
        let of = types.iter().find(|(prefix, _)| instance.starts_with(prefix)).map_or("VPC", |(_, of)| of);
        let region = if of == "CCN" { "cn-shanghai" } else { "cn-hangzhou" };
        let mut job = json!({
            "id": id, "kind": kind,
            "instance": {"type": of, "id": instance, "region": region, "owner": RESOURCE},
            "cen": {"id": CEN, "owner": CEN_OWNER},
            "labels": {"ticket": id},
        });
        if let Some(order_type) = order_type {
            job["order_type"] = json!(order_type);
        }
        job.to_string()
    };
    let asked = |id, what, kind, body, ends, reason| Asked { id, what, body, kind, ends, reason };
    let change = Some("PayByResourceOwner");
    let (attached, unattached, fresh) =
        ("vpc-bp1h8vbrbcgohcju50001", "vpc-bp1h8vbrbcgohcju50002", "vpc-bp1h8vbrbcgohcju50003");
    let (vbr, vpn) = ("vbr-bp1svadp4lq38janc0001", "vco-bp1bbi27hojx80nck0001");
    let (ecr, ccn) = ("ecr-n78omt2qsko06y0001", "ccn-n2935s1mnwv8i00001");
    let (revoked, held) = ("vpc-bp1h8vbrbcgohcju50004", "vpc-bp1h8vbrbcgohcju50005");
    vec![
        asked("NET-1", "grant", "grant", job("NET-1", "grant", fresh, None), "completed", "done"),
        asked(
            "NET-2",
            "payer change, attached",
            "payer-change",
            job("NET-2", "payer-change", attached, change),
            "completed",
            "done",
        ),
        asked(
            "NET-3",
            "payer change, not attached",
            "payer-change",
            job("NET-3", "payer-change", unattached, change),
            "completed",
            "done",
        ),
        asked("NET-4", "revoke", "revoke", job("NET-4", "revoke", revoked, None), "completed", "done"),
        asked("NET-1", "the first again", "grant", job("NET-1", "grant", fresh, None), "completed", "done"),
        asked(
            "NET-5",
            "bad message",
            "grant",
            job("NET-5", "grant", fresh, Some("PayByMe")).replace("VPC", "VBR"),
            "rejected",
            "invalid",
        ),
        asked("NET-6", "revoke, still attached", "revoke", job("NET-6", "revoke", held, None), "failed", "attached"),
        asked(
            "NET-7",
            "revoke, not allowed",
            "revoke",
            job("NET-7", "revoke", fresh, None).replace("lrqq0001", "lrqq0002"),
            "failed",
            "refused-by-policy",
        ),
        asked("NET-8", "grant of a VBR", "grant", job("NET-8", "grant", vbr, change), "completed", "done"),
        asked("NET-9", "grant of a VPN connection", "grant", job("NET-9", "grant", vpn, None), "completed", "done"),
        asked("NET-10", "grant of an ECR", "grant", job("NET-10", "grant", ecr, None), "completed", "done"),
        asked("NET-11", "grant of a CCN", "grant", job("NET-11", "grant", ccn, None), "completed", "done"),
    ]
}

/// Starts the parts, shows what comes of every message, and fails if an outcome is not the right one.
pub async fn run() -> Result<()> {
    let dir = Folder::new()?;
    let program = std::env::current_exe()?.parent().and_then(Path::parent).context("no folder")?.join("crossgrant");
    ensure!(program.exists(), "{} is missing; `make demo` builds it", program.display());

    let began = std::time::SystemTime::UNIX_EPOCH.elapsed()?;
    let (rabbit, url) = match std::env::var("AMQP_URL") {
        Ok(url) => (None, url),
        Err(_) => {
            say("starts a private RabbitMQ node");
            let rabbit = Rabbit::start(dir.path())?;
            let url = rabbit.amqp_url();
            (Some(rabbit), url)
        }
    };
    say("starts a simulated cloud whose hour is 10 seconds");
    let world = dir.path().join("world.toml");
    std::fs::write(&world, format!("{}{}", include_str!("../examples/world.toml"), rules::world()))?;
    let world = world.to_str().context("the path is not text")?;
    let cloud = Process::start(
        "the simulated cloud",
        &program,
        &["simulate", "--listen", "127.0.0.1:0", "--hour", "10s", "--world", world],
    );
    let cloud_address = cloud.line("where it listens", address);
    switch(cloud_address, r#"{"attachment_delay": "1s", "vbr_enabled": false}"#)?;

    say("starts a worker");
    let prefix = format!("crossgrant-demo-{}", std::process::id());
    let config = dir.path().join("crossgrant.toml");
    std::fs::write(&config, settings(dir.path(), &url, &prefix, cloud_address))?;
    // In an hour of ten seconds a refusal that the error table does not know is believed sooner, too.
    std::fs::write(dir.path().join("policies.toml"), "[timing]\nsettle = \"1s\"\nsettle-poll = \"1s\"\n")?;
    let worker = Process::start("the worker", &program, &["--config", config.to_str().context("path")?, "serve"]);
    let admin = worker.line("that it is ready", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "ready").then(|| line["admin.address"].as_str()?.parse().ok()).flatten()
    });
    until_ready(admin).await?;

    let settings = Arc::new(BrokerSettings {
        urls: vec![url.clone().into()],
        name: "demo".into(),
        topology: Topology::new(prefix.as_str()),
        ..BrokerSettings::default()
    });
    let shown = show(&settings, cloud_address).await;
    if shown.is_err() {
        let lines = worker.lines();
        eprintln!("\nthe last lines of the worker:\n{}", lines[lines.len().saturating_sub(20)..].join("\n"));
    }
    worker.terminate();
    let stopped = worker.end(Duration::from_secs(30)).context("the worker did not stop")?;
    if rabbit.is_none() {
        clean_up(&settings, &url).await?;
    }
    shown?;
    ensure!(stopped.success(), "the worker ended with {stopped}");
    let took = std::time::SystemTime::UNIX_EPOCH.elapsed()?.saturating_sub(began);
    println!("\nThe demo took {:.0} s.\n\nEvery outcome is the right one.", took.as_secs_f64());
    Ok(())
}

/// Sends the messages, follows their events, and shows and checks what came of them.
async fn show(settings: &Arc<BrokerSettings>, cloud: SocketAddr) -> Result<()> {
    let mut events = EventTap::open(settings, "#").await.context("cannot follow the events")?;
    let mut submitter = Submitter::connect(Arc::clone(settings)).await?;
    let (asked, questions) = (messages(), rules::questions());
    let mut said: BTreeMap<String, Vec<Value>> = BTreeMap::new();
    let (before, after): (Vec<_>, Vec<_>) = questions.iter().partition(|q| q.id.ends_with(rules::BEFORE_APPROVAL));
    say(&format!("asks for the rules of each type of instance: {} messages", questions.len()));
    say("before the vendor has approved of a VBR for the two accounts");
    println!();
    for question in &before {
        submit(&mut submitter, &question.id, question.kind, &question.body).await?;
    }
    follow(&mut events, &mut said, before.iter().map(|question| question.id.as_str())).await?;
    switch(cloud, r#"{"vbr_enabled": true}"#)?;
    println!();
    say("after that, and submits twelve messages beside");
    println!();
    for message in &asked {
        submit(&mut submitter, message.id, message.kind, &message.body).await?;
    }
    for question in &after {
        submit(&mut submitter, &question.id, question.kind, &question.body).await?;
    }
    let ids = asked.iter().map(|message| message.id).chain(after.iter().map(|question| question.id.as_str()));
    follow(&mut events, &mut said, ids).await?;
    submitter.close().await;
    table(&asked, &said);
    check(&asked, &said)?;
    let ledger = web::ask(cloud, "GET", "/_sim/ledger", &[], "")?;
    rules::table(&said, &rules::ledger(&ledger.body)?)
}

async fn submit(submitter: &mut Submitter, id: &str, kind: &str, body: &str) -> Result<()> {
    let submission = Submission {
        routing_key: format!("job.{kind}"),
        message_id: id.into(),
        correlation_id: Some(id.into()),
        body: Bytes::from(body.to_owned()),
        app_id: Some("demo".into()),
        ..Submission::default()
    };
    Ok(submitter.submit(&submission).await?)
}

/// Prints the events as they come, of the questions only their ends, until each of these messages was answered.
async fn follow<'a>(
    events: &mut EventTap,
    said: &mut BTreeMap<String, Vec<Value>>,
    ids: impl Iterator<Item = &'a str>,
) -> Result<()> {
    let ids: Vec<&str> = ids.collect();
    let follow = async {
        while !ids.iter().all(|id| end(said, id).is_some()) {
            let event: Value = serde_json::from_slice(&events.next().await?.body)?;
            let data = &event["data"];
            let id = data["job"]["id"].as_str().or(data["job_id"].as_str()).unwrap_or("?").to_owned();
            let message = data["message"].as_str().unwrap_or_default();
            let time = event["time"].as_str().unwrap_or_default().get(11..19).unwrap_or_default();
            if is_end(&event) || !id.contains('/') {
                println!("  {time}  {id:<14}  {:<10} {message}", kind(&event));
            }
            said.entry(id).or_default().push(event);
        }
        anyhow::Ok(())
    };
    tokio::time::timeout(LIMIT, follow).await.context("not every message was answered in time")?
}

/// Changes how the simulated cloud behaves.
fn switch(cloud: SocketAddr, switches: &str) -> Result<()> {
    let answer = web::ask(cloud, "PUT", "/_sim/switches", &[], switches)?;
    ensure!(answer.status < 300, "the simulated cloud refuses {switches}: {}", answer.body);
    Ok(())
}

fn table(asked: &[Asked], said: &BTreeMap<String, Vec<Value>>) {
    let head = ["job", "asked", "outcome", "who pays before", "after", "seconds", "API calls"];
    let mut rows = vec![head.map(str::to_owned)];
    for (place, message) in asked.iter().enumerate() {
        let Some(event) = end(said, message.id) else { continue };
        let data = &event["data"];
        let again = asked[..place].iter().any(|earlier| earlier.id == message.id);
        let payer = |when: &str| match data[when]["granted"].as_bool() {
            _ if again => String::new(),
            Some(true) => effective(&data[when]),
            Some(false) => "not granted".to_owned(),
            None => "–".to_owned(),
        };
        let span = |from: &Value, to: &Value| -> Option<f64> {
            let (from, to): (Timestamp, Timestamp) = (from.as_str()?.parse().ok()?, to.as_str()?.parse().ok()?);
            Some(to.duration_since(from).as_secs_f64())
        };
        let (seconds, calls) = match (again, span(&data["accepted_at"], &event["time"])) {
            (false, Some(seconds)) => (format!("{seconds:.1}"), data["api_calls"].to_string()),
            (true, _) => ("".into(), "0".into()),
            (false, None) => ("".into(), "0".into()),
        };
        let outcome = match again {
            true => "the same event again".to_owned(),
            false => format!("{}: {}", kind(event), data["reason"].as_str().unwrap_or("?")),
        };
        rows.push([message.id.into(), message.what.into(), outcome, payer("before"), payer("after"), seconds, calls]);
    }
    let width = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<usize> = (0..head.len()).map(width).collect();
    println!();
    for (place, row) in rows.iter().enumerate() {
        let cells = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:<width$}"));
        println!("{}", cells.collect::<Vec<_>>().join("  ").trim_end());
        if place == 0 {
            println!("{}", widths.iter().map(|width| "─".repeat(*width)).collect::<Vec<_>>().join("  "));
        }
    }
}

/// Each outcome as it has to be, each job ended once, and each payer the one asked for.
fn check(asked: &[Asked], said: &BTreeMap<String, Vec<Value>>) -> Result<()> {
    for message in asked {
        let id = message.id;
        let event = end(said, id).context("a message was not answered")?;
        let is = (kind(event), event["data"]["reason"].as_str().unwrap_or("?"));
        if is != (message.ends, message.reason) {
            bail!("{id} should be {}: {}, and is {}: {}", message.ends, message.reason, is.0, is.1);
        }
        let ends: Vec<&str> = said[id].iter().filter(|e| is_end(e)).filter_map(|e| e["id"].as_str()).collect();
        ensure!(ends.iter().all(|end| *end == ends[0]), "{id} has ended more than once: {ends:?}");
        if message.kind == "payer-change" {
            let after = &event["data"]["after"]["effective_order_type"];
            ensure!(after == "PayByResourceOwner", "{id} is completed and {after} pays");
        }
    }
    Ok(())
}

/// The event that a message was answered with.
fn end<'a>(said: &'a BTreeMap<String, Vec<Value>>, id: &str) -> Option<&'a Value> {
    said.get(id)?.iter().find(|event| is_end(event))
}

fn is_end(event: &Value) -> bool {
    ["completed", "planned", "failed", "superseded", "cancelled", "rejected"].contains(&kind(event))
}

fn kind(event: &Value) -> &str {
    event["type"].as_str().unwrap_or_default().trim_start_matches("crossgrant.job.")
}

/// Who pays, as billing has it.
fn effective(image: &Value) -> String {
    let word = |name: &str| image[name].as_str().map(str::to_owned);
    word("effective_order_type").or_else(|| word("order_type")).unwrap_or_else(|| "–".into())
}

/// Waits until the worker has declared its queues and can work.
async fn until_ready(admin: SocketAddr) -> Result<()> {
    for _ in 0..600 {
        if web::ask(admin, "GET", "/readyz", &[], "").is_ok_and(|answer| answer.status == 200) {
            return Ok(());
        }
        SystemClock.sleep(Duration::from_millis(100)).await;
    }
    bail!("the worker is still not ready");
}

/// Takes away what the worker declared on a broker that is not ours.
async fn clean_up(settings: &BrokerSettings, url: &str) -> Result<()> {
    let connection = lapin::Connection::connect(url, lapin::ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    let names = &settings.topology;
    for queue in [
        names.jobs_queue(),
        names.batches_queue(),
        names.dead_queue(),
        names.dead_lettered_queue(),
        names.dead_lettered_notices(),
    ] {
        channel.queue_delete(queue.into(), lapin::options::QueueDeleteOptions::default()).await?;
    }
    for exchange in [names.jobs_exchange(), names.events_exchange(), names.dlx()] {
        channel.exchange_delete(exchange.into(), lapin::options::ExchangeDeleteOptions::default()).await?;
    }
    connection.close(200, "bye".into()).await.context("cannot clean up the broker")
}

fn settings(dir: &Path, url: &str, prefix: &str, cloud: SocketAddr) -> String {
    let (store, policies) = (dir.join("crossgrant.db"), dir.join("policies.toml"));
    format!(
        r#"
hour = "10s"
store.path = {store:?}
workflows.policies = {policies:?}
broker = {{ url = "{url}", prefix = "{prefix}" }}
admin.listen = "127.0.0.1:0"
cloud.endpoints = {{ cbn = "http://{cloud}", sts = "http://{cloud}", smartag = "http://{cloud}", vpc = "http://{cloud}" }}
cloud.budget = {{ reads_per_second = 1000, writes_per_second = 1000, burst = 100 }}
log.format = "json"

[accounts."{RESOURCE}"]
access_key_id = "resource-key"
access_key_secret = "resource-secret"

[accounts."{CEN_OWNER}"]
access_key_id = "cen-key"
access_key_secret = "cen-secret"

[[allow]]
requesters = ["*"]
cens = ["{CEN}"]
"#
    )
}

/// The address in a line, if there is one.
fn address(line: &str) -> Option<SocketAddr> {
    line.split(|c: char| !(c.is_ascii_digit() || c == '.' || c == ':'))
        .find_map(|word| word.trim_matches(':').parse().ok())
}

fn say(what: &str) {
    println!("· {what}");
}

/// A folder of our own that goes when the demo does.
struct Folder(PathBuf);

impl Folder {
    fn new() -> Result<Self> {
        let path = std::env::temp_dir().join(format!("crossgrant-demo-{}", std::process::id()));
        std::fs::create_dir_all(&path)?;
        Ok(Self(path))
    }

    fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
