//! The configuration read again by a worker that runs: by SIGHUP, and by `crossgrant reload`.

use std::time::Duration;

use serde_json::Value;

use super::{completes, site};
use crate::support::crossgrant;
use crate::support::plant::NOT_GRANTED;
use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::site::{Options, Worker, another, job};

/// A line of the log that has all of these, once it is there.
fn line(worker: &Worker, parts: &[&str]) -> Value {
    let found = worker
        .process
        .line(&parts.join(", "), |line| parts.iter().all(|part| line.contains(part)).then(|| line.to_owned()));
    serde_json::from_str(&found).unwrap()
}

#[test]
fn a_hangup_takes_over_what_has_changed_and_says_what_needs_a_restart() {
    let site = site(&Options { more: 3, tokens: "", ..Options::default() });
    let worker = site.worker();
    site.mail.submit(&job("before", "grant", &another(0)));
    completes(&site, "before");

    let ours = format!("requesters = [\"{}\"]", Rabbit::USER);
    site.reconfigure(|text| {
        let text = text.replace(&ours, "requesters = [\"others\"]");
        let text = text.replace("format = \"json\"", "format = \"json\"\nfilter = \"debug\"");
        let text = text
            .replace("burst = 1000", "burst = 900")
            .replace("name = \"worker\"", "name = \"worker\"\nconcurrency = 7");
        let token = "[[admin.token]]\nname = \"night\"\nrole = \"operator\"\ntoken = \"s3cr3t-of-the-night\"";
        format!("{text}\n[limits]\nrevokes_per_cen = 3\n{token}\n")
    });
    worker.process.hang_up();
    for (part, says) in [
        ("allow", "1 rules, and 1 before"),
        ("limits", "revokes_per_cen: 3, and 20 before"),
        ("budget", "bursts of 900"),
        ("tokens", "night (operator)"),
        ("log", "debug"),
        ("[worker]", "needs a restart"),
    ] {
        let line = line(&worker, &[&format!("\"part\":\"{part}\""), says]);
        assert_eq!((&line["level"], &line["by"]), (&"INFO".into(), &"SIGHUP".into()), "{line}");
    }
    site.mail.submit(&job("refused", "grant", NOT_GRANTED));
    let end = site.mail.end("refused");
    assert_eq!(end["data"]["reason"], "refused-by-policy", "{end}");
    line(&worker, &["\"level\":\"DEBUG\""]);
    let night = "authorization: Bearer s3cr3t-of-the-night";
    assert_eq!(worker.ask("GET", "/v1/jobs", &[night]).status, 200);
    assert_eq!(worker.get("/v1/jobs").status, 200, "the token beside the store stays");

    // A configuration with faults changes nothing.
    let good = std::fs::read_to_string(site.config()).unwrap();
    site.reconfigure(|text| {
        text.replace("requesters = [\"others\"]", &ours).replace("revokes_per_cen = 3", "revokes_per_cem = 4")
    });
    worker.process.hang_up();
    let broken = line(&worker, &["\"level\":\"ERROR\"", "nothing was changed", "revokes_per_cem"]);
    assert_eq!(broken["faults"], 1, "{broken}");
    site.mail.submit(&job("refused-still", "grant", &another(1)));
    assert_eq!(site.mail.end("refused-still")["data"]["reason"], "refused-by-policy");
    let answer = worker.ask("POST", "/v1/reload", &[night]);
    assert_eq!(answer.status, 409, "{}", answer.body);
    assert!(answer.body.contains("nothing was changed") && answer.body.contains("revokes_per_cem"), "{}", answer.body);

    // The same as a command, which answers what the log says.
    std::fs::write(site.config(), good.replace("requesters = [\"others\"]", &ours)).unwrap();
    let admin = format!("http://{}", worker.admin);
    let reload = |json: &[&str]| {
        let args = [&["--config", site.config(), "reload", "--admin", &admin], json].concat();
        let program = Process::start("the operator", crossgrant(), &args);
        assert!(program.end(Duration::from_secs(60)).unwrap().success(), "{:?}", program.lines());
        program.lines()
    };
    let said = reload(&[]);
    assert!(said.iter().any(|line| line.starts_with("in force") && line.contains("allow")), "{said:?}");
    assert!(said.iter().any(|line| line.starts_with("needs a restart") && line.contains("[worker]")), "{said:?}");
    let said = reload(&["--json"]);
    let changes: Vec<Value> = said.iter().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(changes.len(), 1, "only what needs a restart is left: {changes:?}");
    assert_eq!((&changes[0]["part"], &changes[0]["in_force"]), (&"[worker]".into(), &false.into()));
    site.mail.submit(&job("after", "grant", &another(2)));
    completes(&site, "after");

    // Other signals do no harm.
    worker.process.user_signal();
    line(&worker, &["\"level\":\"WARN\"", "SIGUSR1"]);
    worker.process.terminate();
    assert!(worker.process.end(Duration::from_secs(60)).unwrap().success());
    let stopped = line(&worker, &["\"message\":\"stopped\""]);
    assert_eq!((&stopped["clean"], &stopped["cut"]), (&true.into(), &0.into()), "{stopped}");
}
