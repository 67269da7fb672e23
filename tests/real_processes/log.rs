//! The log harms no job and shows no secret, whatever its level and whatever becomes of standard error.

use std::net::{SocketAddr, TcpListener};
use std::process::{Child, ChildStderr, Stdio};

use super::{completes, site};
use crate::support::crossgrant;
use crate::support::plant::ATTACHED;
use crate::support::process::Process;
use crate::support::rabbit::{mortal, spawn};
use crate::support::site::{Options, Site, another, job, until};
use crate::support::web;

const PASSWORD: &str = "pw-Qz7Vw2-secret";
const TOKEN: &str = "tk-Hb5Xr9-secret";

/// A secret as a log could hold it: as it is, in base64 at each of its three phases, in hex, and as decimal bytes.
fn disguises(secret: &str) -> Vec<String> {
    let bytes = secret.as_bytes();
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    let decimal = bytes.iter().map(u8::to_string).collect::<Vec<_>>().join(", ");
    let mut all = vec![secret.to_owned(), hex.to_uppercase(), hex, decimal.replace(' ', ""), decimal];
    for phase in 0..3 {
        let text = base64(&[&vec![b'x'; phase][..], bytes].concat());
        // The first and last characters hold bits of what stands beside it.
        all.push(text[phase * 4 / 3 + usize::from(phase > 0)..text.len() - 4].to_owned());
    }
    all
}

fn base64(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for chunk in bytes.chunks(3) {
        let bits = (0..3).fold(0_u32, |bits, n| bits << 8 | u32::from(*chunk.get(n).unwrap_or(&0)));
        for n in 0..4 {
            text.push(if n > chunk.len() { '=' } else { ALPHABET[(bits >> (18 - 6 * n)) as usize & 63] as char });
        }
    }
    text
}

#[test]
fn at_level_trace_it_shows_no_secret() {
    let site = site(&Options::default());
    let user = format!("user{}", site.mail.prefix());
    site.rabbit.ctl(&["add_user", &user, PASSWORD]).unwrap();
    site.rabbit.ctl(&["set_permissions", &user, ".*", ".*", ".*"]).unwrap();
    let broker = site.rabbit.amqp_url().replace("crossgrant:crossgrant@", &format!("{user}:{PASSWORD}@"));
    let environment =
        [("CROSSGRANT_LOG_FILTER", "trace"), ("CROSSGRANT_BROKER_URL", &*broker), ("CROSSGRANT_ADMIN_TOKEN", TOKEN)];
    let serve = ["--config", site.config(), "serve"];
    let worker = site.worker_by(Process::start_with("the worker", crossgrant(), &serve, &environment));
    worker.until_ready(true);
    for token in [TOKEN, &worker.token] {
        assert_eq!(worker.ask("GET", "/v1/jobs", &[&format!("Authorization: Bearer {token}")]).status, 200);
    }
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    completes(&site, "change");
    worker.process.terminate();
    worker.process.end(std::time::Duration::from_secs(60)).unwrap();
    site.rabbit.ctl(&["delete_user", &user]).unwrap();

    let log = worker.process.lines().join("\n");
    assert!(log.contains("\"level\":\"DEBUG\"") && log.contains("rustls"), "it logs what libraries say, too");
    for secret in [PASSWORD, TOKEN, &worker.token, "resource-secret"] {
        for disguise in disguises(secret) {
            assert!(!log.contains(&disguise), "{secret} as {disguise}");
        }
    }
}

/// A worker whose log goes nowhere. Dropping it kills it.
pub(super) struct Mute {
    child: Child,
    pub(super) admin: SocketAddr,
    /// A pipe that is not read, if its log goes there.
    _unread: Option<ChildStderr>,
}

impl Mute {
    pub(super) fn start(site: &Site, stderr: Stdio, filter: &str) -> Self {
        // It cannot say which port it took.
        let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let mut command = mortal(crossgrant());
        command.args(["--config", site.config(), "serve"]).stderr(stderr);
        command.env("CROSSGRANT_ADMIN_LISTEN", admin.to_string()).env("CROSSGRANT_LOG_FILTER", filter);
        let mut child = spawn(command, Stdio::null()).unwrap();
        let unread = child.stderr.take();
        let mute = Self { child, admin, _unread: unread };
        until("ready", || (mute.ask("/readyz")?.status == 200).then_some(()));
        mute
    }

    fn ask(&self, path: &str) -> Option<web::Answer> {
        web::ask(self.admin, "GET", path, &[], "").ok()
    }

    fn dropped(&self) -> u64 {
        let metrics = self.ask("/metrics").unwrap().body;
        let line = metrics.lines().find_map(|line| line.strip_prefix("crossgrant_log_lines_dropped_total "));
        line.unwrap().parse().unwrap()
    }
}

impl Drop for Mute {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

const JOBS: usize = 40;

fn works(site: &Site, worker: &Mute) {
    let jobs: Vec<_> = (0..JOBS).map(|n| job(&format!("grant-{n}"), "grant", &another(n))).collect();
    site.mail.submit_all(&jobs);
    (0..JOBS).for_each(|n| completes(site, &format!("grant-{n}")));
    assert_eq!(worker.ask("/readyz").unwrap().status, 200);
}

#[test]
fn a_full_disk_under_it_stops_no_job() {
    let site = site(&Options { more: JOBS, ..Options::default() });
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let worker = Mute::start(&site, full.into(), "debug");
    works(&site, &worker);
    until("lines that were dropped are counted", || (worker.dropped() > 0).then_some(()));
}

#[test]
fn a_reader_that_hangs_stops_no_job() {
    let site = site(&Options { more: JOBS, ..Options::default() });
    works(&site, &Mute::start(&site, Stdio::piped(), "trace"));
}
