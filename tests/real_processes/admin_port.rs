//! The admin port of a real worker: whom it obeys, whom it answers, and that strangers cannot wear it out.

use std::io::{ErrorKind, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use crossgrant::clock::{Clock, SystemClock};
use serde_json::Value;

use super::{GRANT, lonely_site, operations, site};
use crate::support::crossgrant;
use crate::support::plant::RESOURCE;
use crate::support::postgres::Cluster;
use crate::support::process::{LIMIT, Process};
use crate::support::site::{Options, Site, Worker, another, job, until};

/// Runs a command against the worker: its exit code and what it said.
fn said(site: &Site, worker: &Worker, words: &[&str]) -> (i32, String) {
    let admin = format!("http://{}", worker.admin);
    ended(Process::start(words[0], crossgrant(), &[&["--config", site.config()], words, &["--admin", &admin]].concat()))
}

fn ended(process: Process) -> (i32, String) {
    let status = process.end(LIMIT).expect("it ends");
    (status.code().unwrap(), process.lines().join("\n"))
}

/// The default limit of a service.
const FILES: &str = "--nofile=1024:1024";
/// More than that limit.
const STRANGERS: usize = 1100;
/// A probe gives up after a second, by default.
const PROBE: Duration = Duration::from_secs(1);

#[test]
fn strangers_connections_keep_nothing_from_working_and_are_cut_off() {
    let files = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    if files < 3 * STRANGERS as u64 {
        println!("NOT TESTED: {STRANGERS} connections, because this process can open only {files} files");
        return;
    }
    let site = lonely_site(&Options { more: 12, ..Options::default() });
    let program = crossgrant().to_str().unwrap();
    let line = [FILES, program, "--config", site.config(), "serve"];
    let worker = site.worker_by(Process::start("the worker", Path::new("/usr/bin/prlimit"), &line));
    worker.until_ready(true);
    let mut strangers = Vec::with_capacity(STRANGERS);
    for n in 0..STRANGERS {
        let mut stranger = TcpStream::connect_timeout(&worker.admin, LIMIT).unwrap();
        if n % 2 == 0 {
            // One that was closed already is no surprise.
            let _ = stranger.write_all(b"GET /v1/jobs HTTP/1.1\r\nx:");
        }
        strangers.push(stranger);
        if n % 100 == 99 {
            site.mail.submit(&job(&format!("grant-{}", n / 100), "grant", &another(n / 100)));
            let began = SystemClock.uptime();
            assert_eq!(worker.ask("GET", "/healthz", &[]).status, 200);
            let took = SystemClock.uptime().saturating_sub(began);
            assert!(took < PROBE, "healthz took {took:?} with {n} strangers");
        }
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", worker.process.id())).unwrap().count();
    assert!(open < 512, "strangers hold {open} descriptors");
    // The broker has to be reached anew, while the strangers are there.
    site.rabbit.ctl(&["close_all_connections", "a test"]).unwrap();
    for n in 0..11 {
        assert_eq!(site.mail.end(&format!("grant-{n}"))["type"], "crossgrant.job.completed");
        assert_eq!(operations(&site, &another(n)), [GRANT]);
    }
    worker.until_ready(true);
    for stranger in &mut strangers {
        stranger.set_read_timeout(Some(LIMIT)).unwrap();
        match stranger.read(&mut [0]) {
            Ok(0) => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
            other => panic!("a stranger was not cut off: {other:?}"),
        }
    }
    assert_eq!(worker.get("/v1/jobs").status, 200);
}

#[test]
fn a_web_page_commands_and_reads_nothing() {
    let site = site(&Options { worker: "[limits]\nrevokes_per_cen = 0", ..Options::default() });
    let worker = site.worker();
    let token = format!("authorization: Bearer {}", worker.token);
    for with in [vec![], vec![token.as_str()]] {
        for (method, path, header, code) in [
            ("POST", "/v1/bulk/approve?expect=0", "origin: http://evil.example", "foreign-origin"),
            ("POST", "/v1/bulk/approve?expect=0", "sec-fetch-site: cross-site", "foreign-origin"),
            ("POST", "/v1/accounts/1688000000000001/pause?by=x&reason=y", "origin: null", "foreign-origin"),
            ("GET", "/v1/jobs", "host: evil.example:9180", "foreign-host"),
            ("GET", "/metrics", "host: evil.example", "foreign-host"),
        ] {
            let answer = worker.ask(method, path, &[&with[..], &[header]].concat());
            let body: Value = serde_json::from_str(&answer.body).unwrap();
            assert_eq!((answer.status, &body["code"]), (403, &code.into()), "{method} {path}, {header}");
        }
    }
    // What a browser can send without asking first has no token.
    assert_eq!(worker.ask("POST", "/v1/bulk/approve?expect=0", &["content-type: text/plain"]).status, 401);
    assert_eq!(said(&site, &worker, &["paused"]), (0, String::new()));
}

#[test]
fn everybody_can_probe_and_only_the_token_reads_and_commands() {
    let site = site(&Options::default());
    let worker = site.worker();
    for path in ["/healthz", "/readyz", "/metrics"] {
        let answer = worker.ask("GET", path, &[]);
        assert!(answer.status == 200 && !answer.body.contains("detail"), "{path}: {}", answer.body);
    }
    for headers in [&[][..], &["authorization: Bearer wrong"]] {
        assert_eq!(worker.ask("GET", "/v1/jobs", headers).status, 401);
        assert_eq!(worker.ask("POST", "/v1/accounts/1/unpause", headers).status, 401);
    }
    let file = site.token_file().unwrap();
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
    let (code, text) = said(&site, &worker, &["pause", RESOURCE, "--reason", "an incident", "--by", "ann"]);
    assert!(code == 0 && text.contains("by ann (token local): an incident"), "{code} {text}");

    // Made anew: what was sent to another program at this address is worth nothing.
    let before = worker.token.clone();
    worker.process.kill9();
    let worker = site.worker();
    assert_ne!(worker.token, before);
    let old = format!("authorization: Bearer {before}");
    assert_eq!(worker.ask("GET", "/v1/jobs", &[&old]).status, 401);
    let (code, text) = said(&site, &worker, &["paused"]);
    assert!(code == 0 && text.contains("(token local)"), "{code} {text}");
}

#[test]
fn another_user_is_told_the_command_that_works() {
    let site = site(&Options { tokens: "", ..Options::default() });
    let worker = site.worker();
    // The configuration is for everybody, and the store is not.
    let dir = tempfile::tempdir().unwrap();
    std::fs::set_permissions(dir.path(), PermissionsExt::from_mode(0o755)).unwrap();
    let config = dir.path().join("crossgrant.toml");
    std::fs::copy(site.config(), &config).unwrap();
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o644)).unwrap();
    let policies = Path::new(site.config()).with_file_name("policies.toml");
    let (config, empty) = (config.to_str().unwrap(), dir.path().join("policies.toml"));
    std::fs::copy(policies, &empty).unwrap();
    std::fs::set_permissions(&empty, PermissionsExt::from_mode(0o644)).unwrap();
    let other = ["--reuid=65534", "--regid=65534", "--clear-groups", crossgrant().to_str().unwrap()];
    let setpriv = |words: &[&str]| {
        let environment = [("CROSSGRANT_WORKFLOWS_POLICIES", empty.to_str().unwrap())];
        ended(Process::start_with("another", Path::new("/usr/bin/setpriv"), &[&other, words].concat(), &environment))
    };
    if setpriv(&["--version"]).0 != 0 {
        println!("NOT TESTED: another user, because this one cannot run the program as another");
        return;
    }
    let admin = format!("http://{}", worker.admin);
    let words = ["--config", config, "jobs", "--label", "ticket=it's mine", "--admin", &admin];
    let (code, text) = setpriv(&words);
    let file = site.token_file().unwrap();
    assert!(code == 2 && text.contains("[unauthorized]"), "{code} {text}");
    assert!(text.contains(&format!("{} belongs to another user", file.display())), "{text}");
    let (_, advice) = text.split_once("run `sudo -u root ").unwrap_or_else(|| panic!("{text}"));
    let (advice, _) = advice.split_once('`').unwrap();
    let (code, of_the_configuration) = setpriv(&["--config", site.config(), "jobs", "--admin", &admin]);
    assert!(
        code == 2 && of_the_configuration.contains("run `sudo -u root crossgrant --config"),
        "{of_the_configuration}"
    );
    // Without sudo, which not every machine has.
    let program = crossgrant().parent().unwrap().display();
    let (code, text) =
        ended(Process::start("sh", Path::new("/bin/sh"), &["-c", &format!("PATH={program}:$PATH {advice}")]));
    assert!(code == 0 && text.contains("no job matches"), "{advice}: {code} {text}");
}

const TOKENS: &str = r#"
[[admin.token]]
name = "dashboard"
role = "reader"
token = "s3cr3t-of-the-dashboard"
[[admin.token]]
name = "night-shift"
role = "operator"
token = "s3cr3t-of-the-night-shift"
[[admin.token]]
name = "lead"
role = "approver"
token = "s3cr3t-of-the-lead"
"#;

#[test]
fn a_role_allows_what_it_says_and_its_name_is_kept() {
    let database = Cluster::shared().database();
    let site = site(&Options { more: 1, tokens: TOKENS, database: Some(&database), ..Options::default() });
    let worker = site.start();
    let (code, text) = said(&site, &worker, &["jobs"]);
    assert!(code == 2 && text.contains("--as dashboard, --as night-shift, --as lead"), "{code} {text}");
    let pause = ["pause", RESOURCE, "--reason", "an incident", "--by", "ann"];
    let (code, text) = said(&site, &worker, &[&pause[..], &["--as", "dashboard"]].concat());
    let refusal = "token dashboard has the role reader; this needs the role operator (HTTP 403) [forbidden]";
    assert!(code == 1 && text.contains(refusal), "{code} {text}");
    let (code, text) = said(&site, &worker, &[&pause[..], &["--as", "night-shift"]].concat());
    assert!(code == 0 && text.contains("by ann (token night-shift)"), "{code} {text}");
    site.mail.submit(&job("grant", "grant", &another(0)));
    let held = || said(&site, &worker, &["jobs", "--held", "--as", "dashboard"]).1.contains(" held ");
    until("the paused account holds it", || held().then_some(()));
    let (code, text) = said(&site, &worker, &["cancel", "crossgrant/grant", "--as", "lead"]);
    assert!(code == 0 && text.contains("cancelled by an operator (token lead)"), "{code} {text}");
    assert_eq!(site.mail.end("grant")["data"]["message"], "cancelled by an operator (token lead)");
    let (_, text) = said(&site, &worker, &["show", "crossgrant/grant", "--as", "dashboard"]);
    assert!(text.contains("cancel by an operator (token lead)"), "{text}");
    let (_, text) = said(&site, &worker, &["paused", "--as", "dashboard"]);
    assert!(text.contains("by ann (token night-shift)"), "{text}");
}

#[test]
fn without_a_token_a_shared_store_leaves_commands_off_and_jobs_on() {
    let database = Cluster::shared().database();
    let site = site(&Options { more: 1, tokens: "", database: Some(&database), ..Options::default() });
    let worker = site.worker();
    worker.process.line("that commands are off", |line| line.contains("commands-off").then_some(()));
    for path in ["/healthz", "/readyz", "/metrics"] {
        assert_eq!(worker.ask("GET", path, &[]).status, 200, "{path}");
    }
    for headers in [&[][..], &["authorization: Bearer guessed"]] {
        let answer = worker.ask("GET", "/v1/jobs", headers);
        assert!(answer.status == 403 && answer.body.contains("commands-off"), "{}", answer.body);
    }
    let (code, text) = said(&site, &worker, &["jobs"]);
    assert!(code == 2 && text.contains("[[admin.token]]") && text.ends_with("[commands-off]"), "{code} {text}");
    site.mail.submit(&job("grant", "grant", &another(0)));
    assert_eq!(site.mail.end("grant")["type"], "crossgrant.job.completed");
}

/// Any user of the machine can take the port while the worker restarts.
#[test]
fn a_worker_works_without_its_port_and_has_it_once_it_is_free() {
    let site = site(&Options { more: 1, ..Options::default() });
    let other = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = other.local_addr().unwrap().to_string();
    let words = ["--config", site.config(), "serve"];
    let process = Process::start_with("the worker", crossgrant(), &words, &[("CROSSGRANT_ADMIN_LISTEN", &at)]);
    process.line("that its port is taken", |line| line.contains("another program uses the address").then_some(()));
    process.line("that it takes jobs", |line| line.contains("consuming jobs").then_some(()));
    site.mail.submit(&job("grant", "grant", &another(0)));
    assert_eq!(site.mail.end("grant")["type"], "crossgrant.job.completed");
    assert!(!site.token_file().unwrap().exists(), "a command would send it to the program that has the port");
    drop(other);
    process.line("its token", |line| line.contains("made the token for commands").then_some(()));
    let worker = site.worker_by(process);
    assert_eq!(worker.admin.to_string(), at);
    worker.until_ready(true);
    let (code, text) = said(&site, &worker, &["jobs"]);
    assert!(code == 0 && text.contains("completed  grant  grant  "), "{code} {text}");
}
