//! What a person sees on a terminal, and a program in a pipe.

use std::os::unix::process::ExitStatusExt as _;
use std::process::{Command, Output, Stdio};

use serde_json::{Value, json};

use super::{completes, site};
use crate::support::crossgrant;
use crate::support::plant::{ATTACHED, NOT_GRANTED, RESOURCE};
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Site, Worker, another, job, until};
use crate::support::terminal::{OnTerminal, lines};

/// The program with nothing of ours in its environment, on a usual terminal.
fn program(words: &[&str]) -> Command {
    let mut command = Command::new(crossgrant());
    let ours = std::env::vars_os().filter(|(name, _)| name.to_string_lossy().starts_with("CROSSGRANT_"));
    for (name, _) in ours {
        command.env_remove(name);
    }
    command.env("NO_COLOR", "1").env("TERM", "xterm").env("TZ", "UTC").args(words).stdin(Stdio::null());
    command
}

/// A command for the worker of a site.
fn asks(site: &Site, worker: &Worker, words: &[&str]) -> Command {
    let mut command = program(&["--config", site.config()]);
    // The user of the worker is not one who submits.
    command.args(words).env("CROSSGRANT_BROKER_URL", site.rabbit.amqp_url());
    command.env("CROSSGRANT_ADMIN_LISTEN", worker.admin.to_string());
    command
}

fn ended(mut command: Command) -> (i32, String, String) {
    let Output { status, stdout, stderr } = command.output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    (status.code().unwrap(), text(&stdout), text(&stderr))
}

fn file(site: &Site, jobs: &[Value]) -> String {
    let path = std::path::Path::new(site.config()).with_file_name("jobs.json");
    std::fs::write(&path, json!(jobs).to_string()).unwrap();
    path.to_str().unwrap().to_owned()
}

fn fits(lines: &[String], columns: usize) {
    let long: Vec<_> = lines.iter().filter(|line| line.chars().count() > columns).collect();
    assert!(long.is_empty(), "longer than {columns}: {long:#?}");
}

#[test]
fn what_is_watched_is_shown_again_until_it_is_interrupted() {
    let site = site(&Options::default());
    let worker = site.worker();
    let watched = OnTerminal::start(asks(&site, &worker, &["status", "--watch"]), 80);
    watched.until("that there is nothing to do", |shown| shown.contains("NEEDS A PERSON  nothing"));
    let piped = ended(asks(&site, &worker, &["status"]));
    assert!(piped.0 == 0 && piped.1.contains("RUNNING  for ") && piped.1.contains("the store takes "), "{piped:?}");
    assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/pause?by=ann&reason=an+incident")).status, 200);
    let shown = watched.until("the pause", |shown| shown.contains(&format!("{RESOURCE} paused since")));
    assert!(shown.contains("\u{1b}[H\u{1b}[2J"), "it is shown in the place of what was there: {shown:?}");
    fits(&lines(&shown), 80);
    watched.interrupt();
    assert_eq!(watched.end().0.signal(), Some(2));
}

#[test]
fn colours_repeat_what_words_say_and_can_be_switched_off() {
    let site = site(&Options::default());
    let worker = site.worker();
    let shown = |words: &[&str], change: fn(&mut Command)| {
        let mut command = asks(&site, &worker, words);
        command.env_remove("NO_COLOR");
        change(&mut command);
        OnTerminal::start(command, 80).end().1
    };
    let colourful = shown(&["status"], |_| {});
    assert!(
        colourful.contains("\u{1b}[1mCHECKS\u{1b}[0m") && colourful.contains("\u{1b}[32mok\u{1b}[0m"),
        "{colourful:?}"
    );
    for plain in [
        shown(&["status"], |command| {
            command.env("NO_COLOR", "1");
        }),
        shown(&["status"], |command| {
            command.env("TERM", "dumb");
        }),
        ended(asks(&site, &worker, &["status"])).1,
    ] {
        assert!(plain.contains("CHECKS") && !plain.contains('\u{1b}'), "{plain:?}");
    }
}

#[test]
fn a_job_that_is_watched_is_shown_until_it_has_ended() {
    let site = site(&Options::default());
    let worker = site.worker();
    site.mail.submit(&job("change", "payer-change", ATTACHED));
    until("the job waits for the hour", || worker.get("/v1/jobs?state=waiting").body.contains("change").then_some(()));
    let reference = format!("{}/change", Rabbit::USER);
    let watched = OnTerminal::start(asks(&site, &worker, &["show", &reference, "--watch"]), 80);
    let piped = asks(&site, &worker, &["show", &reference, "--watch"]).stdout(Stdio::piped()).spawn().unwrap();
    let (status, shown) = watched.end();
    assert!(status.success() && shown.contains("· completed"), "{shown}");
    assert!(shown.contains(" ago)") && !shown.contains(".0"), "times are for people: {shown}");
    let piped = String::from_utf8(piped.wait_with_output().unwrap().stdout).unwrap();
    assert!(piped.contains("· completed") && !piped.contains('\u{1b}'), "{piped}");
}

#[test]
fn waiting_ends_when_its_time_is_over_or_no_job_goes_on() {
    let site = site(&Options::default());
    let worker = site.worker();
    assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/pause?by=ann&reason=an+incident")).status, 200);
    site.mail.submit(&job("held", "grant", NOT_GRANTED));
    until("the job is held", || (worker.get("/v1/jobs?held=true").body.contains("\"held\"")).then_some(()));
    let over = ended(asks(&site, &worker, &["wait", "--timeout", "10ms"]));
    assert!(over.0 == 1 && over.1.is_empty(), "{over:?}");
    assert!(over.2.contains("jobs still match after 1 s, such as grant ") && over.2.contains("/held"), "{over:?}");
    assert!(over.2.ends_with("[waited-enough]\n"), "{over:?}");
    let waits = OnTerminal::start(asks(&site, &worker, &["wait"]), 80);
    waits.until("what it waits for", |shown| shown.contains("queued · grant held"));
    assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/unpause")).status, 200);
    let (status, shown) = waits.end();
    assert!(status.success() && lines(&shown).contains(&"completed: 1".to_owned()), "{shown}");
    let (code, one, _) = ended(asks(&site, &worker, &["wait", "held"]));
    assert!(code == 0 && one.contains("/held completed: ") && one.lines().count() == 1, "{one}");
    let (code, _, none) = ended(asks(&site, &worker, &["wait", "other"]));
    assert!(code == 1 && none.contains("other"), "{none}");
}

#[test]
fn who_submits_sees_how_far_the_jobs_are_and_what_became_of_them() {
    let site = site(&Options { more: 2, ..Options::default() });
    let worker = site.worker();
    assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/pause?by=ann&reason=an+incident")).status, 200);
    // One that is attached, and one that is no job.
    let bad = json!({"id": "bad", "kind": "grant"});
    let all =
        [job("one", "grant", &another(0)), job("two", "grant", &another(1)), job("attached", "revoke", ATTACHED), bad];
    let file = file(&site, &all);
    let submits = OnTerminal::start(asks(&site, &worker, &["submit", &file, "--wait"]), 80);
    submits.until("that they are held", |shown| shown.contains("1 of 4 ended, 3 held, oldest one"));
    assert_eq!(worker.post(&format!("/v1/accounts/{RESOURCE}/unpause")).status, 200);
    let (status, shown) = submits.end();
    assert_eq!(status.code(), Some(1), "{shown}");
    let shown = lines(&shown);
    fits(&shown.iter().filter(|line| line.contains(" ended, ")).cloned().collect::<Vec<_>>(), 79);
    assert!(shown.iter().any(|line| line.contains("  completed   grant one")), "readable: {shown:#?}");
    let sum = shown.iter().position(|line| line.starts_with("4 of 4 ended in ")).expect("the sum");
    assert!(shown[sum].ends_with(": 2 completed, 1 failed (attached), 1 rejected"), "{shown:#?}");
    assert!(shown[sum + 1].starts_with("attached failed (attached): "), "{shown:#?}");
    assert!(shown[sum + 2].starts_with("bad rejected (invalid): "), "{shown:#?}");

    // The same again: each is answered with the event that it had.
    let (code, out, err) = ended(asks(&site, &worker, &["submit", &file, "--wait"]));
    assert_eq!(code, 1);
    assert!(out.lines().all(|line| serde_json::from_str::<Value>(line).is_ok()), "events only: {out}");
    assert!(err.lines().any(|line| line.starts_with("4 of 4 ended in ")), "{err}");
    assert!(!err.contains("\u{1b}") && !err.contains(" held"), "no progress line in a pipe: {err:?}");
}

#[test]
fn jobs_fit_the_terminal_and_are_whole_elsewhere() {
    let site = site(&Options { more: 3, ..Options::default() });
    let worker = site.worker();
    let empty = ended(asks(&site, &worker, &["jobs"]));
    assert_eq!(empty, (0, String::new(), "no job matches\n".to_owned()));
    let long = "onboarding-of-the-subsidiary-in-kuala-lumpur/2026-11/VPC-000731";
    for (id, instance) in [("first", another(0)), (long, another(1)), ("last", another(2))] {
        site.mail.submit(&job(id, "grant", &instance));
        completes(&site, id);
    }
    let (status, shown) = OnTerminal::start(asks(&site, &worker, &["jobs"]), 80).end();
    let shown = lines(&shown);
    assert!(status.success() && shown[0].starts_with("AGE  STATE      KIND   ID "), "{shown:#?}");
    assert!(shown[2].contains("onboardi…-000731"), "{shown:#?}");
    assert_eq!(shown.iter().filter(|line| line.contains(" completed ")).count(), 3);
    fits(&shown, 80);
    let (_, shown) = OnTerminal::start(asks(&site, &worker, &["jobs", "-o", "wide"]), 80).end();
    assert!(shown.starts_with("UID ") && shown.contains(long), "{shown}");

    let (code, out, err) = ended(asks(&site, &worker, &["jobs", "--limit", "1", "--state", "completed"]));
    assert!(code == 0 && out.starts_with("ACCEPTED ") && out.lines().count() == 2, "{out}");
    assert!(err.starts_with("more: crossgrant jobs --state completed --limit 1 --before "), "{err}");
    let (_, all, more) = ended(asks(&site, &worker, &["jobs", "--all"]));
    assert!(all.contains(long) && all.lines().count() == 4 && more.is_empty(), "{all}{more}");
    // The command of the note is for a shell.
    let next: Vec<&str> = err.trim().trim_start_matches("more: crossgrant ").split(' ').collect();
    let (_, rest, _) = ended(asks(&site, &worker, &next));
    assert!(rest.contains(long) && rest.lines().count() == 2, "the next page is as long: {rest}");
}

#[test]
fn events_of_a_run_are_lines_for_a_person_and_json_in_a_pipe() {
    let jobs = concat!(env!("CARGO_MANIFEST_DIR"), "/examples/grant.json");
    let run = || program(&["run", jobs, "--simulate"]);
    let (status, shown) = OnTerminal::start(run(), 80).end();
    assert!(status.success() && !shown.contains("specversion"), "{shown}");
    assert!(lines(&shown).iter().any(|line| line.contains("  completed   grant NET-")), "{shown:?}");
    let (code, out, _) = ended(run());
    let last: Value = serde_json::from_str(out.lines().last().unwrap()).unwrap();
    assert_eq!((code, last["type"].as_str()), (0, Some("crossgrant.job.completed")), "{out}");
    let mut dumb = run();
    dumb.env("TERM", "dumb").env("NO_COLOR", "1");
    let (_, shown) = OnTerminal::start(dumb, 80).end();
    assert!(!shown.contains('\u{1b}'), "{shown:?}");
}

#[test]
fn many_plans_end_with_their_sum() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("jobs.json");
    let attached = job("attached", "revoke", ATTACHED);
    std::fs::write(&file, json!([job("one", "grant", NOT_GRANTED), attached]).to_string()).unwrap();
    let plan = || program(&["plan", file.to_str().unwrap(), "--simulate"]);
    let (code, out, err) = ended(plan());
    assert!(code == 1 && out.contains("call 1"), "{out}");
    let found = "  1 job: attached by tr-attach-nls9fzkfat89340001 (Attached)\n";
    assert_eq!(err, format!("2 jobs: 1 would grant (1 call), 1 refused: attached\n{found}"));
    let (_, shown) = OnTerminal::start(plan(), 80).end();
    assert!(shown.contains("\u{1b}[2K1 of 2 planned"), "progress: {shown:?}");
}

#[test]
fn the_zone_of_a_terminal_is_the_users_own() {
    let site = site(&Options::default());
    let worker = site.worker();
    site.mail.submit(&job("zone", "grant", NOT_GRANTED));
    completes(&site, "zone");
    let reference = format!("{}/zone", Rabbit::USER);
    let in_shanghai = || {
        let mut command = asks(&site, &worker, &["show", &reference]);
        command.env("TZ", "Asia/Shanghai");
        command
    };
    let (_, shown) = OnTerminal::start(in_shanghai(), 80).end();
    assert!(shown.contains(" +08:00 ("), "{shown}");
    assert!(ended(in_shanghai()).1.contains("accepted    20"), "a pipe has UTC");
}

/// Configurations that cannot be mended by waiting.
#[test]
fn a_store_that_cannot_be_opened_as_it_is_configured_is_a_fault_of_the_configuration() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name).to_str().unwrap().to_owned();
    std::fs::create_dir(at("folder")).unwrap();
    std::os::unix::fs::symlink(at("nowhere"), at("link")).unwrap();
    std::fs::write(at("text"), "no store").unwrap();
    let config = at("crossgrant.toml");
    let serve = |path: &str| {
        let accounts = "[accounts.\"1688000000000001\"]\naccess_key_id = \"k\"\naccess_key_secret = \"s\"\n";
        std::fs::write(&config, format!("[store]\npath = {path:?}\n[admin]\nlisten = \"127.0.0.1:0\"\n{accounts}"))
            .unwrap();
        std::fs::set_permissions(&config, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        ended(program(&["--config", &config, "serve"]))
    };
    for (path, code, says) in [
        (at("folder"), "[store-not-a-file]", "is a folder; set `[store] path` to the file"),
        (at("link"), "[store-missing]", "is a link that leads nowhere"),
        (at("text/jobs.db"), "[store-missing]", "cannot be made"),
    ] {
        let (exit, _, err) = serve(&path);
        assert!(exit == 2 && err.contains(code) && err.contains(says), "{path}: {exit} {err}");
        assert!(!err.contains("at the moment"), "{err}");
    }
    let backup = ended(program(&["--config", &config, "backup", &at("copy.db")]));
    assert!(backup.0 == 2 && backup.2.contains("[store-missing]"), "{backup:?}");
}
