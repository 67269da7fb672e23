//! What strangers send is shown to an operator, and never obeyed by the operator's terminal.

use std::time::Duration;

use serde_json::{Value, json};

use super::site;
use crate::support::crossgrant;
use crate::support::plant::NOT_GRANTED;
use crate::support::process::Process;
use crate::support::site::{Options, Site, Worker, job, until};

/// What the program prints.
fn printed(site: &Site, worker: &Worker, command: &[&str]) -> String {
    let admin = format!("http://{}", worker.admin);
    let args = [&["--config", site.config()], command, &["--admin", &admin]].concat();
    let program = Process::start("the operator", crossgrant(), &args);
    let status = program.end(Duration::from_secs(60)).unwrap();
    assert!(status.success(), "{command:?}: {}", program.lines().join("\n"));
    program.lines().join("\n")
}

#[test]
fn no_text_of_a_stranger_reaches_it_raw() {
    let site = site(&Options::default());
    let worker = site.worker();
    let mut bad = job("bad", "grant", NOT_GRANTED);
    bad["\u{1b}]0;owned\u{7}\u{9b}2J\u{202e}\r\nrejected"] = json!(1);
    site.mail.submit(&bad);
    let mut good = job("good", "grant", NOT_GRANTED);
    good["labels"] = json!({"pay\u{202e}er": "\u{2066}me"});
    site.mail.submit(&good);
    super::completes(&site, "good");
    let shown = until("the rejection is listed", || {
        let shown = printed(&site, &worker, &["dead", "list"]);
        shown.contains("owned").then_some(shown)
    });
    assert!(shown.contains("\\u001b]0;owned\\u0007\\u009b2J\\u202e\\u000d\\u000arejected"), "{shown}");
    let reference = format!("{}/good", crate::support::rabbit::Rabbit::USER);
    for command in [&["dead", "list"][..], &["dead", "list", "--json"], &["jobs"], &["show", &reference]] {
        let shown = printed(&site, &worker, command);
        let raw =
            |c: char| c != '\n' && (c.is_control() || matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}'));
        assert!(!shown.contains(raw), "{command:?}: {shown:?}");
    }
    let json = printed(&site, &worker, &["show", &reference, "--json"]);
    assert!(json.contains("pay\\u202eer"), "{json}");
    assert_eq!(serde_json::from_str::<Value>(&json).unwrap()["job"]["job"]["labels"]["pay\u{202e}er"], "\u{2066}me");
}
