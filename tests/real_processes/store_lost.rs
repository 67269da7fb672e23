//! A worker whose store file is taken away stops, and the next one does not begin with an empty one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use super::{completes, site};
use crate::support::crossgrant;
use crate::support::plant::NOT_GRANTED;
use crate::support::process::Process;
use crate::support::site::{Options, Site, another, job};

const SOON: Duration = Duration::from_secs(60);

fn file(site: &Site) -> PathBuf {
    Path::new(site.config()).with_file_name("jobs.db")
}

fn serve(site: &Site, more: &[&str]) -> Process {
    Process::start("the worker", crossgrant(), &[&["--config", site.config(), "serve"], more].concat())
}

#[test]
fn a_worker_stops_without_its_file_and_starts_without_it_only_when_told_to() {
    let site = site(&Options { more: 1, ..Options::default() });
    let worker = site.worker();
    site.mail.submit(&job("before", "grant", NOT_GRANTED));
    completes(&site, "before");
    std::fs::remove_file(file(&site)).unwrap();
    let status = worker.process.end(SOON).expect("it stops by itself");
    assert!(!status.success(), "a supervisor must see that it failed");
    let log = worker.process.lines().join("\n");
    assert!(log.contains("removed or renamed") && log.contains("\"code\":\"store-lost\""), "{log}");

    // What comes meanwhile waits in the broker.
    site.mail.submit(&job("meanwhile", "grant", &another(0)));
    let refused = serve(&site, &[]);
    assert!(!refused.end(SOON).unwrap().success());
    let said = refused.lines().join("\n");
    assert!(said.contains("serve --accept-store") && said.contains("[store-lost]"), "{said}");
    let _worker = site.worker_by(serve(&site, &["--accept-store"]));
    completes(&site, "meanwhile");
}

/// What people do with containers: the one file is mounted into two of them. Each would have a write-ahead log of its own.
#[test]
fn a_file_that_is_mounted_alone_is_refused() {
    let site = site(&Options::default());
    serve(&site, &[]).line("that it is ready", |line| line.contains("\"ready\"").then_some(()));
    let path = file(&site);
    let there = path.with_file_name("elsewhere.db");
    std::fs::copy(&path, &there).unwrap();
    let mounted = format!("mount --bind '{}' '{}'", there.display(), path.display());
    let unshare = ["--mount", "--map-root-user", "--", "sh", "-c"];
    if !Command::new("unshare").args(unshare).arg(&mounted).status().is_ok_and(|status| status.success()) {
        println!("not tested: this machine lets nothing be mounted, not even in a namespace of its own");
        return;
    }
    let run = format!("{mounted} && exec '{}' --config '{}' serve", crossgrant().display(), site.config());
    let refused = Process::start("the worker", Path::new("/usr/bin/unshare"), &[&unshare[..], &[&run]].concat());
    assert!(!refused.end(SOON).unwrap().success());
    let said = refused.lines().join("\n");
    assert!(said.contains("mount its folder instead"), "{said}");
}
