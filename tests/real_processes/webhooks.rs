//! Webhooks of a real worker: the end of a job arrives, whatever happens to the worker and to the receiver.

use std::collections::BTreeSet;

use crossgrant::domain::base64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};
use sha2::Sha256;

use super::{completes_once, site};
use crate::support::crossgrant;
use crate::support::mailbox::Post;
use crate::support::postgres::Cluster;
use crate::support::process::{LIMIT, Process};
use crate::support::receiver::{Manner, Receiver, Request};
use crate::support::site::{Options, Site, Worker, another, job, until};
use crate::support::web;

const SECRET: &str = "MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A site whose worker may call this receiver.
fn calling(receiver: &Receiver) -> Site {
    calling_with(receiver, &Options { more: 4, ..Options::default() })
}

fn calling_with(receiver: &Receiver, options: &Options<'_>) -> Site {
    let site = site(options);
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

/// The one that calls is killed while its receiver hangs: the other one calls again, for everything that was not answered.
#[test]
fn of_two_workers_on_one_database_the_other_goes_on_calling() {
    const JOBS: usize = 30;
    let receiver = Receiver::new(Manner::Hangs);
    let database = Cluster::shared().database();
    let site = calling_with(&receiver, &Options { more: JOBS, database: Some(&database), ..Options::default() });
    let (one, other) = (site.worker(), site.colleague("other"));
    let ids: Vec<String> = (0..JOBS).map(|n| submit(&site, &receiver, n)).collect();
    let ends: BTreeSet<String> = ids.iter().map(|id| site.mail.end(id)["id"].as_str().unwrap().to_owned()).collect();
    // As many as one host is called at a time; by the one that came first.
    let first = receiver.requests(4).len();
    one.process.kill9();
    receiver.behaves(Manner::status(204));
    let (sent, bodies) = until("each end has arrived", || {
        let requests = receiver.requests(first);
        let answered = requests.iter().skip(first);
        let sent: BTreeSet<String> = answered.map(|request| request.headers["webhook-id"].clone()).collect();
        let bodies: BTreeSet<&[u8]> = requests.iter().map(|request| request.body.as_slice()).collect();
        (sent.len() == JOBS).then_some((sent, bodies.len()))
    });
    assert_eq!(sent, ends, "each of them, under its id");
    assert_eq!(bodies, JOBS, "a call that is made again has the same event");
    assert!(receiver.requests(0).iter().all(is_signed));
    empties(&other);
}

#[test]
fn a_webhook_that_is_put_off_is_shown_and_sent_now_by_a_command() {
    let receiver = Receiver::new(Manner::status(500));
    let site = calling(&receiver);
    let worker = site.worker();
    let id = submit(&site, &receiver, 0);
    let crossgrant = |words: &[&str]| {
        let listen = worker.admin.to_string();
        let words = [&["--config", site.config()], words].concat();
        let process = Process::start_with("a command", crossgrant(), &words, &[("CROSSGRANT_ADMIN_LISTEN", &listen)]);
        let status = process.end(LIMIT).unwrap();
        (status.code(), process.lines().join("\n"))
    };
    // The second wait is of some thirty seconds.
    site.mail.end(&id);
    let number = until("it was tried twice", || {
        let hook = &worker.job(&id)["webhooks"][0];
        let shown = hook["tries"].as_u64()? == 2 && hook["last_error"] == "the receiver answered 500";
        (shown && hook["gives_up_at"].as_str()? > hook["next_try"].as_str()?).then(|| hook["number"].to_string())
    });
    let (code, text) = crossgrant(&["show", &id]);
    let host = format!("localhost:{}", receiver.port());
    assert!(
        code == Some(0) && text.contains(&format!("webhook     {host} ")) && text.contains("answered 500"),
        "{text}"
    );
    assert!(!text.contains("/hook"), "the path is the receiver's: {text}");
    receiver.behaves(Manner::status(204));
    let before = receiver.requests(0).len();
    let (code, text) = crossgrant(&["dead", "replay", &number]);
    assert!(code == Some(0) && text.contains("messages to be sent again: 1"), "{text}");
    receiver.requests(before + 1);
    empties(&worker);
    let (_, text) = crossgrant(&["show", &id]);
    assert!(!text.contains("webhook "), "{text}");
}

/// What comes in over HTTP has its end sent to the webhook of `Reply-To`, also when it is asked for again.
#[test]
fn a_job_over_http_is_answered_to_a_webhook() {
    let receiver = Receiver::new(Manner::status(204));
    let port = receiver.port();
    let (door, tokens) = (
        format!(
            "[door]\nkey = \"0123456789abcdef0123456789abcdef\"\n\
             [[allow]]\nrequesters = [\"http:bot\"]\nwebhook_hosts = [\"localhost:{port}\"]"
        ),
        "[[admin.token]]\nname = \"tests\"\nrole = \"approver\"\ntoken = \"s3cr3t-of-the-tests\"\n\
         [[admin.token]]\nname = \"bot\"\nrole = \"submitter\"\ntoken = \"s3cr3t-of-the-bot\"",
    );
    let site = calling_with(&receiver, &Options { more: 4, worker: &door, tokens, ..Options::default() });
    let worker = site.worker();
    let submit = |id: &str, n: usize, to: &str| {
        let (to, body) = (format!("reply-to: {to}"), job(id, "grant", &another(n)).to_string());
        web::ask(worker.admin, "POST", "/v1/jobs", &["authorization: Bearer s3cr3t-of-the-bot", &to], &body).unwrap()
    };
    let (url, other) = (receiver.url("localhost", "/hook"), receiver.url("localhost", "/other"));
    assert_eq!(submit("NET-1", 0, &url).status, 202);
    let requests = receiver.requests(1);
    let event: Value = serde_json::from_slice(&requests[0].body).unwrap();
    assert_eq!((&event["type"], &event["data"]["requester"]), (&json!("crossgrant.job.completed"), &json!("http:bot")));
    assert!(is_signed(&requests[0]) && requests[0].line.starts_with("POST /hook "));
    let again = submit("NET-1", 0, &other);
    assert!(again.status == 202 && again.body.contains("\"repeated\""), "{}", again.body);
    let requests = receiver.requests(2);
    assert!(requests[1].line.starts_with("POST /other ") && requests[1].body == requests[0].body);
    for (to, status, says) in [
        ("https://elsewhere.example.com/", 403, "elsewhere.example.com; allowed are localhost"),
        ("answers", 422, "header:reply-to"),
        ("http://localhost/", 422, "header:reply-to"),
    ] {
        let refused = submit("NET-2", 1, to);
        assert!(refused.status == status && refused.body.contains(says), "{to}: {}", refused.body);
    }
    empties(&worker);
}
