//! The users of `deploy/rabbitmq/definitions.json` can do their work and no more. All workers of these tests are its worker.

use std::time::Duration;

use lapin::options::{BasicPublishOptions, ConfirmSelectOptions, QueueBindOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{BasicProperties, Channel, Connection, ConnectionProperties};

use super::site;
use crate::support::crossgrant;
use crate::support::plant::NOT_GRANTED;
use crate::support::process::Process;
use crate::support::site::{Options, Site, job};

const SOON: Duration = Duration::from_secs(60);

/// A channel of a user. The broker closes it with the first call that the user has no right to.
async fn channel(site: &Site, user: &str) -> Channel {
    let connection = Connection::connect(&site.rabbit.url_of(user), ConnectionProperties::default()).await.unwrap();
    let channel = connection.create_channel().await.unwrap();
    channel.confirm_select(ConfirmSelectOptions::default()).await.unwrap();
    // It lives as long as its channel, which is as long as the runtime of the test.
    std::mem::forget(connection);
    channel
}

/// Whether a user may publish to an exchange.
async fn may_publish(site: &Site, user: &str, exchange: &str) -> bool {
    let channel = channel(site, user).await;
    let (properties, options) = (BasicProperties::default(), BasicPublishOptions::default());
    let sent = channel.basic_publish(exchange.into(), "no.such.key".into(), options, b"{}", properties).await;
    match sent {
        Ok(confirm) => confirm.await.is_ok(),
        Err(_) => false,
    }
}

/// Whether a user may declare a queue and bind it to an exchange.
async fn may_bind(site: &Site, user: &str, queue: &str, exchange: &str) -> bool {
    let channel = channel(site, user).await;
    let options = QueueDeclareOptions::exclusive().auto_delete();
    if channel.queue_declare(queue.into(), options, FieldTable::default()).await.is_err() {
        return false;
    }
    let bound = channel.queue_bind(
        queue.into(),
        exchange.into(),
        "job.#".into(),
        QueueBindOptions::default(),
        FieldTable::default(),
    );
    bound.await.is_ok()
}

#[test]
fn a_submitter_submits_and_reads_its_replies_and_nothing_else() {
    let text = "[[allow]]\nrequesters = [\"crossgrant-submitter\"]";
    let site = site(&Options { worker: text, ..Options::default() });
    let worker = site.worker();
    let file = std::path::Path::new(site.config()).with_file_name("job.json");
    std::fs::write(&file, job("submitted", "grant", NOT_GRANTED).to_string()).unwrap();
    let url = site.rabbit.url_of("crossgrant-submitter");
    let args = ["--config", site.config(), "submit", file.to_str().unwrap(), "--wait"];
    let submit = Process::start_with("the submitter", crossgrant(), &args, &[("CROSSGRANT_BROKER_URL", &url)]);
    let status = submit.end(SOON).unwrap();
    assert!(status.success(), "{}", submit.lines().join("\n"));
    drop(worker);

    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let (user, events) = ("crossgrant-submitter", format!("{}.events", site.mail.prefix()));
        assert!(!may_publish(&site, user, &events).await, "it could forge `completed`");
        assert!(!may_publish(&site, user, "").await, "it could write to every queue");
        assert!(!may_bind(&site, user, "crossgrant-submitter.events", &events).await);
    });
}

#[test]
fn a_subscriber_reads_events_and_an_operator_puts_back_and_neither_writes() {
    let site = site(&Options::default());
    let _worker = site.worker();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let [jobs, events] = ["", ".events"].map(|name| format!("{}{name}", site.mail.prefix()));
        assert!(may_bind(&site, "crossgrant-subscriber", "crossgrant-subscriber.billing", &events).await);
        for (user, exchange) in [
            ("crossgrant-subscriber", &jobs),
            ("crossgrant-subscriber", &events),
            ("crossgrant-operator", &jobs),
            ("crossgrant-operator", &events),
        ] {
            assert!(!may_publish(&site, user, exchange).await, "{user} to {exchange}");
        }
        assert!(may_publish(&site, "crossgrant-submitter", &jobs).await, "the check tells who may");
    });
    let url = site.rabbit.url_of("crossgrant-operator");
    let args = ["--config", site.config(), "put-back", "--limit", "1"];
    let operator = Process::start_with("the operator", crossgrant(), &args, &[("CROSSGRANT_BROKER_URL", &url)]);
    assert!(operator.end(SOON).unwrap().success(), "{}", operator.lines().join("\n"));
}
