//! Messages of the worker that cannot be published: they are found and shown, and all others go out.

use lapin::options::QueueDeclareOptions;
use lapin::types::{AMQPValue, FieldTable};
use serde_json::{Value, json};

use super::{completes_once, site};
use crate::support::mailbox::{Place, Post};
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Site, Worker, another, job, until};

/// A message that is no job, sent straight to the queue.
fn bad(body: &str, reply_to: Option<&str>) -> Post {
    Post { body: body.into(), reply_to: reply_to.map(str::to_owned), ..Post::default() }
}

fn undeliverable(worker: &Worker) -> Value {
    serde_json::from_str(&worker.get("/v1/undeliverable").body).unwrap()
}

/// Jobs, each of which ends.
fn good_ones_end(site: &Site, worker: &Worker, jobs: std::ops::Range<usize>) {
    for n in jobs {
        let id = format!("good-{n}");
        site.mail.submit(&job(&id, "grant", &another(n)));
        completes_once(site, worker, &id);
    }
}

#[test]
fn a_name_that_the_broker_chokes_on_is_a_fault_and_holds_up_nothing() {
    let site = site(&Options { more: 4, ..Options::default() });
    let worker = site.worker();
    let names = ["amq.rabbitmq.reply-to.AAAA.k", "amq.rabbitmq.reply-to.g2dkAA==.k", "amq.direct"];
    site.mail.publish(&names.map(|name| bad("{\"no\": \"job\"}", Some(name))));
    let rejected = |all: &[crate::support::mailbox::Mail]| {
        let events = all.iter().filter(|m| m.place == Place::Event && m.routing_key == "job.rejected");
        let faults = events.map(|m| m.json()["data"]["faults"].to_string()).collect::<Vec<_>>();
        (faults.len() == names.len()).then_some(faults)
    };
    let faults = site.mail.wait("the rejections", rejected);
    assert!(faults.iter().all(|faults| faults.contains("amqp:reply_to")), "{faults:?}");
    good_ones_end(&site, &worker, 0..4);
    assert_eq!(undeliverable(&worker)["total"], 0);
    until("the outbox is empty", || {
        worker.get("/metrics").body.contains("crossgrant_outbox_messages 0\n").then_some(())
    });
}

/// Without the right to the default exchange no reply and no copy of a rejected message goes out; every event does.
#[test]
fn a_user_without_the_right_to_the_default_exchange_loses_no_event() {
    let site = site(&Options { more: 4, ..Options::default() });
    let (prefix, user) = (site.mail.prefix().to_owned(), format!("worker-{}", site.mail.prefix()));
    let own = format!("^{prefix}");
    site.rabbit.ctl(&["add_user", &user, "secret"]).unwrap();
    site.rabbit.ctl(&["set_permissions", "-p", "/", &user, &own, &own, &own]).unwrap();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let credentials = format!("amqp://{user}:secret@");
    let own_user = format!("amqp://crossgrant-worker:{}@", Rabbit::USER);
    assert!(text.contains(&own_user));
    std::fs::write(site.config(), text.replace(&own_user, &credentials)).unwrap();
    let worker = site.worker();
    let told = worker.process.line("which right is missing", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["code"] == "broker-no-right").then(|| line["message"].as_str().unwrap_or_default().to_owned())
    });
    assert!(told.contains("amq.default") && told.contains(&format!("set_permissions -p \"/\" {user:?} ")), "{told}");

    site.mail.publish(&[bad("{}", None)]);
    for n in 0..4 {
        let id = format!("good-{n}");
        site.mail.submit(&job(&id, "grant", &another(n)));
        assert_eq!(site.mail.end(&id)["type"], "crossgrant.job.completed");
    }
    // The copy of the bad message, and the answers about the four.
    let aside = until("all that could not be published", || {
        let aside = undeliverable(&worker);
        (aside["total"] == 5).then_some(aside)
    });
    for message in aside["messages"].as_array().unwrap() {
        assert!(message["reason"].as_str().unwrap().contains("ACCESS_REFUSED"), "{message}");
    }

    let typed = told.split_once("rabbitmqctl ").unwrap().1.replace(['\'', '"'], "");
    site.rabbit.ctl(&typed.split(' ').collect::<Vec<_>>()).unwrap();
    let replayed = worker.post("/v1/undeliverable/replay?expect=5");
    assert_eq!(serde_json::from_str::<Value>(&replayed.body).unwrap(), json!({"replayed": 5}));
    site.mail.wait("the copy and the answers", |all| {
        let count = |place| all.iter().filter(|m| m.place == place).count();
        (count(Place::Dead) == 1 && count(Place::Answer) == 4).then_some(())
    });
    site.rabbit.ctl(&["delete_user", &user]).unwrap();
}

/// No event is set aside, so an operator has nothing to replay.
#[test]
fn events_wait_for_the_right_to_their_exchange_and_go_out_when_it_is_there() {
    let site = site(&Options { more: 4, ..Options::default() });
    let (prefix, user) = (site.mail.prefix().to_owned(), format!("worker-{}", site.mail.prefix()));
    let own = format!("^{prefix}");
    site.rabbit.ctl(&["add_user", &user, "secret"]).unwrap();
    let without = format!("^(amq[.]default$|{prefix}($|[.](jobs|batches|dead|dlx)))");
    site.rabbit.ctl(&["set_permissions", "-p", "/", &user, &own, &without, &own]).unwrap();
    let text = std::fs::read_to_string(site.config()).unwrap();
    let own_user = format!("amqp://crossgrant-worker:{}@", Rabbit::USER);
    std::fs::write(site.config(), text.replace(&own_user, &format!("amqp://{user}:secret@"))).unwrap();
    let worker = site.start();
    let is_told = |line: &str| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["code"] == "broker-no-right").then(|| line["message"].as_str().unwrap_or_default().to_owned())
    };
    let told = worker.process.line("which right is missing", is_told);
    assert!(told.contains(&format!("exchange {prefix}.events")), "{told}");
    for n in 0..4 {
        site.mail.submit(&job(&format!("good-{n}"), "grant", &another(n)));
    }
    // The answers go out, in a lane of their own.
    site.mail.wait("the answers", |all| (all.iter().filter(|m| m.place == Place::Answer).count() == 4).then_some(()));
    until("the readiness says which", || {
        let readiness: Value = serde_json::from_str(&worker.get("/readyz").body).ok()?;
        let check = readiness["checks"].as_array()?.iter().find(|check| check["name"] == "broker-publish")?.clone();
        let detail = check["detail"].as_str().unwrap_or_default();
        (check["ok"] == false && detail.contains(&format!("exchange {prefix}.events"))).then_some(())
    });
    assert_eq!((undeliverable(&worker)["total"].clone(), site.mail.all().len()), (json!(0), 4), "no event");

    let typed = told.split_once("rabbitmqctl ").unwrap().1.replace(['\'', '"'], "");
    site.rabbit.ctl(&typed.split(' ').collect::<Vec<_>>()).unwrap();
    for n in 0..4 {
        completes_once(&site, &worker, &format!("good-{n}"));
    }
    worker.until_ready(true);
    let times = worker.process.lines().iter().filter(|line| is_told(line).is_some()).count();
    assert_eq!(times, 1, "said once, however often it was tried");
    site.rabbit.ctl(&["delete_user", &user]).unwrap();
}

/// How often the broker has said that a queue refuses a message of this worker.
fn refusals(worker: &Worker) -> u64 {
    let metrics = worker.get("/metrics").body;
    let line = metrics.lines().find(|line| line.starts_with("crossgrant_broker_messages_total{what=\"refused\"}"));
    line.and_then(|line| line.rsplit(' ').next()?.parse().ok()).unwrap_or_default()
}

#[test]
fn a_queue_that_refuses_thousands_of_replies_is_left_alone_and_shown() {
    const REPLIES: usize = 3_000;
    let site = site(&Options { more: 4, ..Options::default() });
    let full = format!("{}-full", site.mail.prefix());
    let declare = async {
        let properties = lapin::ConnectionProperties::default();
        let connection = lapin::Connection::connect(&site.rabbit.amqp_url(), properties).await?;
        let mut arguments = FieldTable::default();
        arguments.insert("x-max-length".into(), AMQPValue::LongInt(1));
        arguments.insert("x-overflow".into(), AMQPValue::LongString("reject-publish".into()));
        let channel = connection.create_channel().await?;
        channel.queue_declare(full.as_str().into(), QueueDeclareOptions::durable(), arguments).await?;
        connection.close(200, "done".into()).await
    };
    tokio::runtime::Runtime::new().unwrap().block_on(declare).unwrap();
    let worker = site.worker();
    let replies: Vec<Post> = (0..REPLIES).map(|n| bad(&format!("no job {n}"), Some(&full))).collect();
    site.mail.publish(&replies);
    site.mail.wait("all rejections", |all| {
        let events = all.iter().filter(|m| m.place == Place::Event && m.routing_key == "job.rejected");
        (events.count() == REPLIES).then_some(())
    });
    let waiting = until("all that wait", || {
        let metrics = worker.get("/metrics").body;
        let line = metrics.lines().find(|line| line.starts_with("crossgrant_outbox_refused_messages "))?;
        // The queue has room for one.
        let waiting = line.rsplit(' ').next()?.parse::<usize>().ok()?;
        (waiting + 1 >= REPLIES).then_some(waiting)
    });
    let readiness: Value = serde_json::from_str(&worker.get("/readyz").body).unwrap();
    let checks = readiness["checks"].as_array().unwrap();
    let shown = checks.iter().find(|check| check["name"] == "outbox").unwrap()["detail"].as_str().unwrap().to_owned();
    assert!(shown.contains(&format!("tried again: {waiting}")), "{shown}");

    let before = refusals(&worker);
    good_ones_end(&site, &worker, 0..4);
    let tried = refusals(&worker) - before;
    assert!(tried < 10, "one now and then: {tried}");
}
