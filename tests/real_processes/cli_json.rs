//! The JSON of the command line, held against what docs/cli-json.md says of it.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::{completes, site};
use crate::support::crossgrant;
use crate::support::plant::{HELD, NOT_GRANTED, RESOURCE};
use crate::support::process::Process;
use crate::support::site::{Options, Site, Worker, another, job, until};

const PAGE: &str = include_str!("../../docs/cli-json.md");

/// A row of the table.
struct Row {
    command: &'static str,
    /// The field that holds the object, with `[]` if that is a list of them; `None` for what is printed itself.
    inside: Option<&'static str>,
    fields: Vec<&'static str>,
}

fn rows() -> Vec<Row> {
    let cells = |line: &'static str| line.trim_matches('|').split('|').map(str::trim).collect::<Vec<_>>();
    let rows = PAGE.lines().filter(|line| line.starts_with("| `")).map(cells);
    rows.map(|cells| Row {
        command: cells[0].trim_matches('`'),
        inside: cells[1].strip_prefix('`').and_then(|name| name.strip_suffix('`')),
        fields: cells[2].split(' ').collect(),
    })
    .collect()
}

/// The objects that a row is about.
fn objects<'a>(row: &Row, printed: &'a [Value]) -> Vec<&'a Value> {
    let Some(inside) = row.inside else { return printed.iter().collect() };
    match inside.strip_suffix("[]") {
        Some(list) => printed.iter().filter_map(|line| line[list].as_array()).flatten().collect(),
        None => printed.iter().map(|line| &line[inside]).filter(|object| !object.is_null()).collect(),
    }
}

/// What is wrong with an object, by a row.
fn faults(row: &Row, object: &Value) -> Vec<String> {
    let has: BTreeSet<&str> = object.as_object().into_iter().flatten().map(|(name, _)| name.as_str()).collect();
    let told: BTreeSet<&str> = row.fields.iter().map(|field| field.trim_end_matches('?')).collect();
    let always = row.fields.iter().copied().filter(|field| !field.ends_with('?'));
    let missing = always.filter(|field| object.get(field).is_none_or(Value::is_null)).map(|f| format!("no {f}"));
    missing.chain(has.difference(&told).map(|field| format!("not in the page: {field}"))).collect()
}

fn printed(site: &Site, worker: &Worker, command: &str) -> Vec<Value> {
    let mut words: Vec<&str> = command.split(' ').collect();
    if words[0] != "submit" || words.contains(&"--batch") {
        words.push("--json");
    }
    let listen = worker.admin.to_string();
    // The user of the worker cannot have a queue for answers.
    let url = site.rabbit.url_of("crossgrant-submitter");
    let broker = (words[0] == "submit").then_some(("CROSSGRANT_BROKER_URL", url.as_str()));
    let around: Vec<_> = [("CROSSGRANT_ADMIN_LISTEN", listen.as_str())].into_iter().chain(broker).collect();
    let args = [&["--config", site.config()], &words[..]].concat();
    let process = Process::start_with(command, crossgrant(), &args, &around);
    process.end(Duration::from_secs(60)).unwrap_or_else(|| panic!("`{command}` does not end"));
    let lines = process.lines();
    let objects: Vec<Value> = lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect();
    let errors: Vec<_> =
        objects.iter().filter(|object| object.get("code").is_some() && object.get("says").is_none()).collect();
    assert!(errors.is_empty() || command.starts_with("accounts"), "`{command}`: {errors:?}");
    objects
}

/// A worker with something to say of each: a job that has ended, one that is held, a rejected one, and messages that nobody took.
#[test]
fn every_command_prints_the_fields_of_the_page() {
    let submitter = "[[allow]]\nrequesters = [\"crossgrant-submitter\"]";
    let site = site(&Options { more: 3, worker: submitter, ..Options::default() });
    let worker = site.worker();
    let mut labelled = job("done", "grant", NOT_GRANTED);
    labelled["labels"] = json!({"ticket": "NET-1"});
    labelled["batch"] = json!({"id": "MOVE-7", "size": 1});
    site.mail.submit(&labelled);
    completes(&site, "done");
    assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/pause?by=ann&reason=an+incident")).status, 200);
    for (n, id) in ["held", "cancel", "cancel-too"].into_iter().enumerate() {
        site.mail.submit(&job(id, "grant", &another(n)));
    }
    site.mail.submit(&json!({"id": "bad", "kind": "grant"}));
    until("three jobs are held", || {
        (worker.get("/v1/jobs?held=true").body.matches("\"explanation\"").count() == 3).then_some(())
    });
    until("one is rejected", || worker.get("/v1/rejections").body.contains("\"total\":1").then_some(()));
    let file = std::path::Path::new(site.config()).with_file_name("job.json");
    std::fs::write(&file, json!(job("planned", "grant", NOT_GRANTED)).to_string()).unwrap();
    let mut before = ("", vec![]);
    for row in rows() {
        if row.command != before.0 {
            before = (row.command, run(&site, &worker, row.command, file.to_str().unwrap()));
        }
        let objects = objects(&row, &before.1);
        // A worker in good health has nothing that needs a person; `reload` finds nothing changed unless something was.
        assert!(
            !objects.is_empty() || row.inside == Some("needs[]"),
            "`{}` {:?}: {:?}",
            row.command,
            row.inside,
            before.1
        );
        for object in objects {
            let faults = faults(&row, object);
            assert!(faults.is_empty(), "`{}` {:?}: {faults:?} in {object}", row.command, row.inside);
        }
    }
}

fn run(site: &Site, worker: &Worker, command: &'static str, file: &str) -> Vec<Value> {
    let typed = match command {
        "wait" => "wait --requester nobody".to_owned(),
        "show" => "show done".to_owned(),
        "batch show" => "batch show MOVE-7".to_owned(),
        "cancel JOB" => "cancel cancel".to_owned(),
        "cancel --expect-count 1" => format!("cancel --instance {} --expect-count 1", another(2)),
        "pause UID" => "pause 1250123456123456 --reason test".to_owned(),
        "unpause UID" => "unpause 1250123456123456".to_owned(),
        "reload" => {
            site.reconfigure(|text| text.replace("[log]", "[limits]\nrevokes_per_cen = 1000\n[log]"));
            command.to_owned()
        }
        "submit FILE --batch ID" => {
            assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/unpause")).status, 200);
            let mut planned = job("planned-in-batch", "grant", NOT_GRANTED);
            planned["mode"] = json!("plan");
            std::fs::write(file, json!([planned, job("attached", "revoke", HELD)]).to_string()).unwrap();
            format!("submit {file} --batch MOVE-8")
        }
        "plan FILE" | "submit FILE" => command.replace("FILE", file),
        "explain WORD" => "explain attached".to_owned(),
        "explain CLOUDCODE" => "explain Throttling.User".to_owned(),
        _ => command.to_owned(),
    };
    printed(site, worker, &typed)
}
