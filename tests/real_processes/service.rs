//! A worker under a service manager: the command of the systemd unit, with a manager that this test plays.

use std::os::unix::net::UnixDatagram;
use std::path::Path;

use super::lonely_site;
use crate::support::crossgrant;
use crate::support::process::{LIMIT, Process};
use crate::support::site::Options;

const UNIT: &str = include_str!("../../deploy/systemd/crossgrant.service");
/// The manager's patience, in microseconds.
const WATCHDOG: &str = "3000000";

/// The words of the unit's command, with the configuration of a test.
fn command(config: &str) -> Vec<String> {
    let line = UNIT.lines().find_map(|line| line.strip_prefix("ExecStart=")).unwrap();
    let mut words = line.split(' ').map(|word| word.replace("/etc/crossgrant/crossgrant.toml", config));
    assert_eq!(words.next().as_deref(), Some("/usr/local/bin/crossgrant"));
    words.collect()
}

/// What the worker sends.
struct Manager(UnixDatagram);

impl Manager {
    fn at(path: &Path) -> Self {
        let socket = UnixDatagram::bind(path).unwrap();
        socket.set_read_timeout(Some(LIMIT)).unwrap();
        Self(socket)
    }

    fn hears(&self) -> String {
        let mut text = [0; 4096];
        let length = self.0.recv(&mut text).expect("the worker says something");
        String::from_utf8_lossy(&text[..length]).into_owned()
    }
}

#[test]
fn the_manager_hears_when_the_worker_is_ready_that_it_lives_and_that_it_stops() {
    let site = lonely_site(&Options { worker: "drain = \"100s\"", ..Options::default() });
    site.rabbit.ctl(&["stop_app"]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let manager = Manager::at(&path);
    let (words, path) = (command(site.config()), path.to_str().unwrap());
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let around = [("NOTIFY_SOCKET", path), ("WATCHDOG_USEC", WATCHDOG)];
    let worker = site.worker_by(Process::start_with("the worker", crossgrant(), &words, &around));

    // Its log has said `ready`, the broker is down: it has started, and is not ready.
    for _ in 0..2 {
        let said = manager.hears();
        assert!(said.starts_with("STATUS=starting; ") && said.contains("broker-publish"), "{said}");
        assert!(!said.contains('\n'), "{said}");
    }
    let health = |words: &[&str]| {
        let admin = format!("http://{}", worker.admin);
        let words = [&["--config", site.config(), "health", "--admin", &admin], words].concat();
        let process = Process::start("health", crossgrant(), &words);
        (process.end(LIMIT).unwrap().code().unwrap(), process.lines().join("\n"))
    };
    let (code, said) = health(&[]);
    assert!(code == 1 && said.contains("is not ready: broker-") && said.contains("[worker-not-ready]"), "{said}");
    let (code, said) = health(&["--json"]);
    assert!(code == 1 && said.contains("\"ready\":false"), "{said}");
    site.rabbit.ctl(&["start_app"]).unwrap();
    let ready = std::iter::repeat_with(|| manager.hears()).find(|said| !said.starts_with("STATUS=starting; ")).unwrap();
    assert_eq!(ready, "READY=1\nSTATUS=ready");
    assert_eq!(health(&[]), (0, "ready".into()));

    for _ in 0..2 {
        assert_eq!((manager.hears(), manager.hears()), ("WATCHDOG=1".into(), "STATUS=ready".into()));
    }
    // Both ways to a reload are told, and that a configuration with a fault changes nothing.
    let soon_hears = |begin: &str| {
        let said = std::iter::repeat_with(|| manager.hears()).take(40).find(|said| said.starts_with(begin));
        said.unwrap_or_else(|| panic!("the manager does not hear {begin}"))
    };
    let reload_is_told = |ends: &str| {
        let begins = soon_hears("RELOADING=1\n");
        assert!(begins.contains("\nMONOTONIC_USEC="), "{begins}");
        assert_eq!(soon_hears("READY=1\n"), format!("READY=1\nSTATUS=the configuration {ends}"));
    };
    worker.process.hang_up();
    reload_is_told("was read again");
    let good = std::fs::read_to_string(site.config()).unwrap();
    site.reconfigure(|text| format!("houre = \"1h\"\n{text}"));
    assert_eq!(worker.post("/v1/reload").status, 409);
    reload_is_told("cannot be used, and nothing was changed; the log says why");
    std::fs::write(site.config(), good).unwrap();

    // A broker that is down shows in the status, and the worker lives on.
    site.rabbit.ctl(&["stop_app"]).unwrap();
    let said: Vec<String> = std::iter::repeat_with(|| manager.hears())
        .take_while(|said| !said.starts_with("STATUS=not ready; broker-"))
        .collect();
    assert!(said.iter().all(|said| ["WATCHDOG=1", "STATUS=ready"].contains(&said.as_str())), "{said:?}");
    assert_eq!(manager.hears(), "WATCHDOG=1");

    worker.process.terminate();
    let stopping = std::iter::repeat_with(|| manager.hears()).find(|said| said.contains("STOPPING=1")).unwrap();
    let asked = stopping.split_once("EXTEND_TIMEOUT_USEC=").unwrap().1.parse::<u64>().unwrap();
    assert!(asked > 100_000_000, "the drain, and what follows: {stopping}");
    assert!(worker.process.end(LIMIT).unwrap().code().is_some(), "it ends by itself");
    let (code, said) = health(&[]);
    assert!(code == 1 && said.contains("cannot reach the worker"), "for a health check that is no other case: {said}");
}
