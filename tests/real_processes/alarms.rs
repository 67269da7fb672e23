//! What Prometheus would see of a worker while something goes wrong: recorded for tests/packaging, which plays it to the
//! alerts. `make alarm-record` makes all recordings again; each takes seconds, or a minute and a half.

mod recorder;

use std::fs::OpenOptions;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use crossgrant::clock::{Clock as _, SystemClock, later};
use crossgrant::simulator::{FaultKind, InjectedFault};
use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use self::recorder::{MINUTES, Pace, record};
use super::log::Mute;
use super::{GRANT, MODIFY, RULES, UPDATE, lonely_site, place, site};
use crate::support::clock_set::SetClock;
use crate::support::crew::Crew;
use crate::support::crossgrant;
use crate::support::mailbox::{Place, Post};
use crate::support::plant::{ATTACHED, NOT_GRANTED, RESOURCE, UNATTACHED};
use crate::support::process::{LIMIT, Process};
use crate::support::rabbit::Rabbit;
use crate::support::raw_amqp::{self, short};
use crate::support::site::{Options, Site, Worker, another, job, until};

/// More than any recording has calls.
const ENDLESSLY: u32 = 1_000_000;

fn options() -> Options<'static> {
    Options { hour: "20s", more: 60, ..Options::default() }
}

fn refused(code: &str) -> FaultKind {
    FaultKind::Error { http: 403, code: code.into(), message: String::new() }
}

/// One worker and one fault, within minutes or an hour.
fn of(name: &str, site: &Site, fault: impl FnOnce(&Site, &Worker)) {
    let worker = site.worker();
    record(name, MINUTES, &[worker.admin], || fault(site, &worker));
}

fn grants(count: usize) -> Vec<Value> {
    (0..count).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect()
}

/// A job whose answer goes to this queue.
fn answered_to(queue: &str, n: usize) -> Post {
    let body = job(&format!("grant-{n}"), "grant", &another(n)).to_string().into_bytes();
    Post { routing_key: "job.grant".into(), reply_to: Some(queue.into()), body, ..Post::default() }
}

/// A user of the broker with its own rights to what the site has, for the worker.
fn worker_with_rights(site: &Site, write: &str, read: &str) {
    let (prefix, user) = (site.mail.prefix().to_owned(), format!("worker-{}", site.mail.prefix()));
    site.rabbit.ctl(&["add_user", &user, "secret"]).unwrap();
    let own = format!("^{prefix}");
    site.rabbit.ctl(&["set_permissions", "-p", "/", &user, &own, write, read]).unwrap();
    let own_user = format!("amqp://crossgrant-worker:{}@", Rabbit::USER);
    site.reconfigure(|text| text.replace(&own_user, &format!("amqp://{user}:secret@")));
}

#[test]
#[ignore = "records"]
fn a_quiet_day() {
    let site = site(&Options { hour: "4s", ..options() });
    let worker = site.worker();
    let day = Pace { hour: 4, step: 300, before: 12, after: 288 };
    record("quiet", day, &[worker.admin], || {
        site.mail.submit(&job("change", "payer-change", ATTACHED));
        for (n, grant) in grants(12).iter().enumerate() {
            site.mail.submit(grant);
            site.mail.end(&format!("grant-{n}"));
        }
        site.mail.end("change");
        site.mail.submit(&job("unattached", "payer-change", UNATTACHED));
        site.mail.end("unattached");
    });
}

#[test]
#[ignore = "records"]
fn a_quiet_hour_of_two_workers() {
    let place = place(Crew::Two, options());
    let staff = place.staff();
    let workers: Vec<SocketAddr> = staff.all().iter().map(|worker| worker.admin).collect();
    record("quiet-two", MINUTES, &workers, || {
        place.mail.submit_all(&grants(8));
        place.mail.submit(&job("change", "payer-change", ATTACHED));
    });
}

#[test]
#[ignore = "records"]
fn the_worker_is_gone() {
    of("absent", &site(&options()), |_, worker| worker.process.kill9());
}

#[test]
#[ignore = "records"]
fn the_broker_is_down() {
    of("broker-down", &lonely_site(&options()), |site, _| site.rabbit.kill9());
}

#[test]
#[ignore = "records"]
fn no_worker_may_consume() {
    let site = site(&options());
    worker_with_rights(&site, ".*", "^$");
    let worker = site.start();
    record("no-consumer", Pace { before: 0, ..MINUTES }, &[worker.admin], || ());
}

#[test]
#[ignore = "records"]
fn the_broker_blocks_publishers() {
    let budget = "reads_per_second = 100\nwrites_per_second = 1\nburst = 1";
    of("broker-blocked", &lonely_site(&Options { budget, ..options() }), |site, _| {
        site.mail.submit_all(&grants(40));
        site.rabbit.ctl(&["set_vm_memory_high_watermark", "0.000001"]).unwrap();
    });
}

#[test]
#[ignore = "records"]
fn events_may_not_be_published() {
    let site = site(&options());
    let prefix = site.mail.prefix().to_owned();
    worker_with_rights(&site, &format!("^(amq[.]default$|{prefix}($|[.](jobs|dead|dlx)))"), ".*");
    let worker = site.start();
    let missing = "broker-no-right";
    worker.process.line(missing, |line| line.contains(missing).then_some(()));
    record("no-right-to-events", Pace { before: 0, ..MINUTES }, &[worker.admin], || site.mail.submit_all(&grants(4)));
}

#[test]
#[ignore = "records"]
fn a_payer_change_is_half_done() {
    of("half-done", &site(&options()), |site, _| {
        site.cloud.inject(InjectedFault::new(UPDATE, refused("Forbidden.RAM")).times(ENDLESSLY));
        site.cloud.inject(InjectedFault::new(MODIFY, refused("Forbidden.RAM")).times(ENDLESSLY).after(1));
        site.mail.submit(&job("change", "payer-change", ATTACHED));
    });
}

#[test]
#[ignore = "records"]
fn a_limit_parks_a_job() {
    of("parked", &site(&Options { worker: "[limits]\nrevokes_per_cen = 0", ..options() }), |site, _| {
        site.mail.submit(&job("revoke", "revoke", UNATTACHED));
    });
}

#[test]
#[ignore = "records"]
fn a_payer_does_not_take_effect() {
    let site = site(&options());
    let worker = site.worker();
    record("overdue", Pace { after: 300, ..MINUTES }, &[worker.admin], || {
        site.cloud.set(&json!({"effective_shown_late": "100h"}));
        site.mail.submit(&job("change", "payer-change", ATTACHED));
    });
}

#[test]
#[ignore = "records"]
fn an_access_key_is_refused() {
    of("key-refused", &site(&options()), |site, _| {
        site.cloud.change(&json!({"set_secret": {"access_key_id": "resource-key", "secret": "rotated"}}));
        site.mail.submit_all(&grants(4));
    });
}

/// Hands out the keys of the resource account, for so long at a time, as long as it is told to.
fn hands_out_keys(life: Duration, gives: Arc<AtomicBool>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let mut socket = socket.unwrap();
            let _ = socket.read(&mut [0; 4096]);
            let ends = later(SystemClock.now(), life);
            let keys = json!({"Code": "Success", "AccessKeyId": "STS.issued", "AccessKeySecret": "issued-secret",
                "SecurityToken": "issued-token", "Expiration": ends.to_string()});
            let (status, body) =
                if gives.load(Ordering::Relaxed) { ("200 OK", keys.to_string()) } else { ("503 Away", String::new()) };
            let length = body.len();
            let _ = write!(socket, "HTTP/1.1 {status}\r\ncontent-length: {length}\r\nconnection: close\r\n\r\n{body}");
        }
    });
    address
}

#[test]
#[ignore = "records"]
fn keys_end_and_no_new_ones_are_issued() {
    let budget = "reads_per_second = 100\nwrites_per_second = 1\nburst = 1";
    let site = site(&Options { hour: "360s", budget, ..options() });
    let gives = Arc::new(AtomicBool::new(true));
    let keys = hands_out_keys(Duration::from_secs(45), Arc::clone(&gives));
    let inline = "access_key_id = \"resource-key\"\naccess_key_secret = \"resource-secret\"";
    site.reconfigure(|text| text.replace(inline, &format!("credentials_uri = \"http://{keys}/keys\"")));
    let worker = site.worker();
    record("keys-end", Pace { hour: 360, step: 15, before: 2, after: 26 }, &[worker.admin], || {
        gives.store(false, Ordering::Relaxed);
        site.mail.submit_all(&grants(60));
    });
}

#[test]
#[ignore = "records"]
fn an_account_is_paused_for_a_day() {
    let site = site(&Options { hour: "1s", ..options() });
    let worker = site.worker();
    record("paused", Pace { hour: 1, step: 900, before: 4, after: 112 }, &[worker.admin], || {
        let admin = format!("http://{}", worker.admin);
        let pause = ["--config", site.config(), "pause", RESOURCE, "--reason", "an incident", "--admin", &admin];
        assert!(Process::start("pause", crossgrant(), &pause).end(LIMIT).unwrap().success());
    });
}

#[test]
#[ignore = "records"]
fn a_queue_refuses_replies() {
    let site = site(&options());
    let full = format!("{}-full", site.mail.prefix());
    let declare = async {
        let connection =
            lapin::Connection::connect(&site.rabbit.amqp_url(), lapin::ConnectionProperties::default()).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let channel = connection.create_channel().await?;
        channel.queue_declare(full.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
        connection.close(200, "done".into()).await
    };
    tokio::runtime::Runtime::new().unwrap().block_on(declare).unwrap();
    of("queue-full", &site, |site, _| {
        site.mail.publish(&(0..5).map(|n| answered_to(&full, n)).collect::<Vec<_>>());
    });
}

#[test]
#[ignore = "records"]
fn a_reply_finds_no_queue() {
    of("no-queue", &site(&options()), |site, _| site.mail.publish(&[answered_to("nobody-has-this", 0)]));
}

#[test]
#[ignore = "records"]
fn the_broker_gives_a_message_up() {
    let site = site(&options());
    let before = site.worker();
    before.process.terminate();
    before.process.end(LIMIT).unwrap();
    let (answers, user) = (site.mail.answers_queue(), Rabbit::USER);
    // reply_to, expiration and user_id
    let properties = [&[3, 0x10], &*short(answers.as_bytes()), &short(b"1"), &short(user.as_bytes())].concat();
    let late = job("late", "grant", NOT_GRANTED).to_string();
    raw_amqp::publish(&site.rabbit, site.mail.prefix(), b"job.grant", &properties, late.as_bytes());
    let given_up = format!("{}.dead-lettered", site.mail.prefix());
    until("it expires", || {
        let queues = site.rabbit.ctl(&["list_queues", "-q", "--no-table-headers", "name", "messages"]).unwrap();
        queues.lines().any(|line| line == format!("{given_up}\t1")).then_some(())
    });
    let worker = site.worker();
    site.mail.wait("its rejection", |all| all.iter().any(|m| m.place == Place::Answer).then_some(()));
    record("dead-lettered", Pace { before: 0, ..MINUTES }, &[worker.admin], || ());
}

#[test]
#[ignore = "records"]
fn a_message_is_no_job() {
    of("rejected", &site(&options()), |site, _| {
        site.mail.publish(&[Post { body: b"{\"no\": \"job\"}".to_vec(), ..Post::default() }]);
    });
}

#[test]
#[ignore = "records"]
fn the_clock_of_the_machine_is_wrong() {
    let (site, clock) = (site(&options()), SetClock::new());
    let args = ["--config", site.config(), "serve"];
    let worker = site.worker_by(Process::start_with("the worker", crossgrant(), &args, &clock.environment()));
    worker.until_ready(true);
    record("clock", MINUTES, &[worker.admin], || {
        clock.set(100);
        site.mail.submit_all(&grants(4));
    });
}

#[test]
#[ignore = "records"]
fn the_log_cannot_be_written() {
    let site = site(&options());
    let full = OpenOptions::new().write(true).open("/dev/full").unwrap();
    let worker = Mute::start(&site, full.into(), "info");
    record("log-full", MINUTES, &[worker.admin], || site.mail.submit_all(&grants(20)));
}

#[test]
#[ignore = "records"]
fn the_sweep_cannot_read_the_grants() {
    let site = site(&options());
    let worker = site.worker();
    record("sweep", Pace { after: 140, ..MINUTES }, &[worker.admin], || {
        site.mail.submit(&job("change", "payer-change", ATTACHED));
        site.mail.event("waiting", "change");
        site.cloud.inject(InjectedFault::new(RULES, FaultKind::Http { status: 503 }).times(ENDLESSLY));
    });
}

#[test]
#[ignore = "records"]
fn the_cloud_answers_with_a_code_that_nobody_knows() {
    of("unknown-code", &site(&options()), |site, _| {
        let odd = FaultKind::Error { http: 400, code: "Odd.NewCode".into(), message: String::new() };
        site.cloud.inject(InjectedFault::new(GRANT, odd).times(2));
        site.mail.submit_all(&grants(2));
    });
}

#[test]
#[ignore = "records"]
fn the_cloud_throttles() {
    of("throttled", &site(&options()), |site, _| {
        let throttled = FaultKind::Throttle { retry_after_ms: None };
        site.cloud.inject(InjectedFault::new(GRANT, throttled).times(ENDLESSLY));
        site.mail.submit_all(&grants(8));
    });
}

#[test]
#[ignore = "records"]
fn calls_wait_for_the_budget() {
    let budget = "reads_per_second = 100\nwrites_per_second = 1\nburst = 1";
    let site = site(&Options { budget, ..options() });
    let worker = site.worker();
    record("budget", Pace { after: 120, ..MINUTES }, &[worker.admin], || site.mail.submit_all(&grants(60)));
}

#[test]
#[ignore = "records"]
fn the_disk_is_full() {
    let site = site(&options());
    // A file may not grow beyond the limit, and the signal that would end the program is ignored.
    let script = format!("trap '' XFSZ; exec '{}' --config '{}' serve", crossgrant().display(), site.config());
    let worker = site.worker_by(Process::start("the worker", Path::new("/bin/sh"), &["-c", &script]));
    worker.until_ready(true);
    record("disk-full", MINUTES, &[worker.admin], || {
        let process = worker.process.id().to_string();
        let limited = Command::new("prlimit").args(["--pid", &process, "--fsize=1024"]).status();
        assert!(limited.unwrap().success());
    });
}

#[test]
#[ignore = "records"]
#[allow(clippy::disallowed_methods)] // it holds the lock of another process' file for a time
fn the_store_is_slow() {
    let site = site(&options());
    let worker = site.worker();
    let (file, stop) = (PathBuf::from(site.config()).with_file_name("jobs.db"), AtomicBool::new(false));
    std::thread::scope(|scope| {
        let stop = &stop;
        record("store-slow", MINUTES, &[worker.admin], || {
            let slows = rusqlite::Connection::open(file).unwrap();
            scope.spawn(move || {
                while !stop.load(Ordering::Relaxed) {
                    slows.execute_batch("BEGIN IMMEDIATE").unwrap();
                    std::thread::sleep(Duration::from_millis(3500));
                    slows.execute_batch("COMMIT").unwrap();
                    std::thread::sleep(Duration::from_millis(400));
                }
            });
        });
        stop.store(true, Ordering::Relaxed);
    });
}

#[test]
#[ignore = "records"]
fn a_batch_stays_open_for_two_days() {
    let site = site(&Options { hour: "1s", ..options() });
    let worker = site.worker();
    record("batch-open", Pace { hour: 1, step: 1800, before: 4, after: 112 }, &[worker.admin], || {
        let mut one = job("one", "grant", &another(0));
        one["batch"] = json!({"id": "MOVE-7", "size": 2});
        site.mail.submit(&one);
    });
}
