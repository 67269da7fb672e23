//! Webhooks of a real worker: the end of a job arrives, whatever happens to the worker and to the receiver.

use crossgrant::domain::base64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{completes_once, site};
use crate::support::crossgrant;
use crate::support::mailbox::Post;
use crate::support::process::Process;
use crate::support::receiver::{Manner, Receiver, Request};
use crate::support::site::{Options, Site, Worker, another, job, until};

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A site whose worker may call this receiver.
fn calling(receiver: &Receiver) -> Site {
    let site = site(&Options { more: 4, ..Options::default() });
    let ca = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/support/tls/ca.pem");
    let port = receiver.port();
    // The rule is the last table.
    site.reconfigure(|text| {
        format!(
            "{text}webhook_hosts = [\"localhost:{port}\"]\n[webhook]\nsecret = \"whsec_{SECRET}\"\n\
             networks = [\"127.0.0.0/8\"]\nca_file = {ca:?}\n"
        )
    });
    site
}

fn submit(site: &Site, receiver: &Receiver, n: usize) -> String {
    let id = format!("good-{n}");
    let body = job(&id, "grant", &another(n)).to_string().into();
    site.mail.publish(&[Post { body, reply_to: Some(receiver.url("localhost", "/hook")), ..Post::default() }]);
    id
}

fn is_signed(request: &Request) -> bool {
    let header = |name: &str| request.headers[name].as_bytes();
    let signed = [header("webhook-id"), b".", header("webhook-timestamp"), b".", &request.body].concat();
    let mac = Hmac::<Sha256>::new_from_slice(&base64::decode(SECRET).unwrap()).unwrap().chain_update(signed);
    request.headers["webhook-signature"] == format!("v1,{}", base64::encode(&mac.finalize().into_bytes()))
}

fn empties(worker: &Worker) {
    until("the outbox is empty", || {
        worker.get("/metrics").body.contains("crossgrant_outbox_messages 0\n").then_some(())
    });
}

#[test]
fn a_worker_that_is_killed_before_its_receiver_has_answered_sends_the_same_event_again() {
    let receiver = Receiver::new(Manner::Hangs);
    let site = calling(&receiver);
    let worker = site.worker();
    let id = submit(&site, &receiver, 0);
    receiver.requests(1);
    worker.process.kill9();
    drop(worker);
    receiver.behaves(Manner::status(204));
    // One that proxies are set for, which webhooks do not use: nothing listens there.
    let proxies = [("HTTPS_PROXY", "http://127.0.0.1:1"), ("https_proxy", "http://127.0.0.1:1")];
    let command = ["--config", site.config(), "serve"];
    let worker = site.worker_by(Process::start_with("the worker", crossgrant(), &command, &proxies));
    let requests = receiver.requests(2);
    empties(&worker);
    assert_eq!(requests.len(), 2);
    assert!(requests.iter().all(is_signed), "{requests:?}");
    let [first, second] = &requests[..] else { panic!("two requests") };
    assert_eq!((&first.body, &first.headers["webhook-id"]), (&second.body, &second.headers["webhook-id"]));
    let event: Value = serde_json::from_slice(&second.body).unwrap();
    assert_eq!((&event["type"], &event["data"]["job"]["id"]), (&json!("crossgrant.job.completed"), &json!(id)));
    assert_eq!(worker.terminal_ids(&id), [second.headers["webhook-id"].as_str()]);
    assert_eq!(event, site.mail.end(&id), "what the exchange of events has");
    assert!(worker.get("/metrics").body.contains("crossgrant_webhook_calls_total{outcome=\"delivered\"} 1\n"));
}

#[test]
fn a_webhook_that_is_gone_is_shown_and_called_again_when_an_operator_says_so() {
    let receiver = Receiver::new(Manner::status(410));
    let site = calling(&receiver);
    let worker = site.worker();
    let id = submit(&site, &receiver, 0);
    site.mail.end(&id);
    let url = receiver.url("localhost", "/hook");
    let groups = until("it is set aside", || {
        let groups: Value = serde_json::from_str(&worker.get("/v1/dead").body).unwrap();
        (groups["undeliverable"] == 1).then_some(groups)
    });
    let group = &groups["groups"][0];
    assert_eq!((&group["cause"], &group["to"]), (&json!("webhook-gone"), &json!(url)));
    assert_eq!(group["command"], format!("crossgrant dead replay --to {url} --for webhook-gone"));
    receiver.behaves(Manner::status(200));
    let replayed = worker.post("/v1/undeliverable/replay?for=webhook-gone&expect=1");
    assert_eq!(replayed.status, 200, "{}", replayed.body);
    let requests = receiver.requests(2);
    assert_eq!(requests[0].body, requests[1].body);
    empties(&worker);
}

#[test]
fn a_webhook_that_fails_is_named_and_holds_up_no_answer_and_no_event() {
    let receiver = Receiver::new(Manner::status(500));
    let site = calling(&receiver);
    let worker = site.worker();
    submit(&site, &receiver, 0);
    receiver.requests(1);
    let host = format!("localhost:{}", receiver.port());
    until("readiness names it", || {
        let readiness: Value = serde_json::from_str(&worker.get("/readyz").body).ok()?;
        let check = readiness["checks"].as_array()?.iter().find(|check| check["name"] == "outbox")?.clone();
        let detail = check["detail"].as_str().unwrap_or_default();
        let says = [format!("webhooks fail: {host} since"), "the receiver answered 500, next try".into()];
        (check["ok"] == true && says.iter().all(|says| detail.contains(says))).then_some(())
    });
    for n in 1..3 {
        site.mail.submit(&job(&format!("good-{n}"), "grant", &another(n)));
        completes_once(&site, &worker, &format!("good-{n}"));
    }
    receiver.behaves(Manner::status(200));
    let requests = receiver.requests(2);
    assert!(requests.iter().all(is_signed) && requests[0].body == requests[1].body);
    worker.process.line("that it is mended", |line| {
        let line: Value = serde_json::from_str(line).ok()?;
        (line["message"] == "a webhook takes messages again" && line["host"] == host.as_str()).then_some(())
    });
    empties(&worker);
}
