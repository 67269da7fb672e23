//! The commands of the README, typed by a shell as they stand there, in a folder with the README's own job.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::Duration;

use super::site;
use crate::support::crossgrant;
use crate::support::process::Process;
use crate::support::rabbit::Rabbit;
use crate::support::site::Options;

const README: &str = include_str!("../../README.md");

/// A state with a grant of the example world.
const TERRAFORM_STATE: &str = r#"{"version": 4, "resources": [{"mode": "managed", "type": "alicloud_cen_instance_grant", "name": "a",
    "instances": [{"attributes": {"cen_id": "cen-44m0p68spvlrqq0001", "cen_owner_id": "1250123456123456",
    "child_instance_id": "vpc-bp1h8vbrbcgohcju50005"}}]}]}"#;

/// What comes of each command, in the order of the README: its exit code and a part of what it says.
const COMMANDS: [(&str, i32, &str); 36] = [
    ("crossgrant --config crossgrant.toml serve", 0, "ready"),
    ("crossgrant submit job.json --wait", 0, "crossgrant.job.completed"),
    ("crossgrant submit job.json --batch MOVE-7", 1, "jobs were rejected"),
    ("crossgrant status", 0, "NEEDS A PERSON  nothing"),
    ("crossgrant jobs --state parked,waiting", 0, "no job matches"),
    ("crossgrant show tickets/NET-4312/1", 0, "payer-change NET-4312/1 · completed"),
    ("crossgrant wait --label ticket=4312 --timeout 2h", 1, "no job matches"),
    ("crossgrant cancel tickets/NET-4312/1", 1, "the job has ended: completed (HTTP 409) [declined]"),
    ("crossgrant resume tickets/NET-4312/1", 1, "the job has ended: completed (HTTP 409) [declined]"),
    ("crossgrant release tickets/NET-4312/1", 1, "the job has ended: completed (HTTP 409) [declined]"),
    (
        "crossgrant resume --for gave-up --expect-count 2",
        1,
        "jobs that match: 0, not 2; nothing was done (HTTP 409) [conflict]",
    ),
    ("crossgrant approve --expect-count 3", 1, "jobs that match: 0, not 3; nothing was done"),
    ("crossgrant batch list --open", 0, "no batch matches"),
    ("crossgrant pause 1688000000000001 --reason \"an incident\"", 0, "(token local): an incident"),
    ("crossgrant paused", 0, "account 1688000000000001 is paused since"),
    ("crossgrant unpause 1688000000000001", 0, "is no longer paused"),
    ("crossgrant accounts", 0, "1688000000000001"),
    ("crossgrant reload", 0, "nothing has changed"),
    ("crossgrant plan job.json", 0, "NET-4312/1"),
    ("crossgrant plan job.json --profile 1688000000000001=network", 0, "NET-4312/1"),
    ("crossgrant dead list", 0, "UNDELIVERED MESSAGES  0"),
    ("crossgrant dead show 17", 1, "there is no undelivered message 17 [not-found]"),
    ("crossgrant dead replay", 0, "no message matches"),
    ("crossgrant dead drop", 0, "no message matches"),
    ("crossgrant events list", 0, "go on with --after "),
    ("crossgrant events replay --since 2h", 1, "to publish them again, give --since "),
    ("crossgrant put-back --limit 1", 0, "messages put back: 0 of 0"),
    (
        "crossgrant import terraform terraform.tfstate",
        0,
        "1 take-over, in a state file of format 4. Nothing was changed.",
    ),
    ("crossgrant doctor", 0, "a worker answers at"),
    ("crossgrant doctor --probe job.json", 0, ""),
    ("crossgrant health", 0, "ready"),
    ("crossgrant explain attached", 0, "attached"),
    ("crossgrant schema job", 0, "\"urn:crossgrant:schema:job:v1\""),
    ("crossgrant simulate --hour 10s", 0, "listen"),
    ("crossgrant version", 0, "schema of the store: SQLite "),
    ("sudo -u crossgrant crossgrant jobs", 0, ""),
];

/// The commands of the README, without what explains them.
fn commands() -> Vec<&'static str> {
    let lines = README.lines().filter(|line| line.starts_with("    ")).map(str::trim_start);
    let lines =
        lines.filter(|line| line.starts_with("crossgrant ") || line.starts_with("sudo -u crossgrant crossgrant "));
    lines.map(|line| line.split_once(" #").map_or(line, |(command, _)| command).trim_end()).collect()
}

/// The job in the README.
fn job() -> &'static str {
    let (_, rest) = README.split_once("```json\n").unwrap();
    rest.split_once("```").unwrap().0
}

#[test]
fn every_command_of_the_readme_is_tried_below() {
    assert_eq!(commands(), COMMANDS.map(|(command, _, _)| command));
}

#[test]
fn the_commands_of_the_readme_work_as_typed() {
    let worker = "[[allow]]\nrequesters = [\"tickets\"]";
    let site = site(&Options { worker, ..Options::default() });
    site.rabbit.ctl(&["add_user", "tickets", "tickets"]).unwrap();
    site.rabbit.ctl(&["set_permissions", "tickets", ".*", ".*", ".*"]).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let config = dir.path().join("crossgrant.toml");
    std::fs::copy(site.config(), &config).unwrap();
    std::fs::set_permissions(&config, PermissionsExt::from_mode(0o600)).unwrap();
    std::fs::write(dir.path().join("job.json"), job()).unwrap();
    std::fs::write(dir.path().join("terraform.tfstate"), TERRAFORM_STATE).unwrap();
    let profiles = r#"{"profiles": [{"name": "network", "mode": "AK", "access_key_id": "resource-key",
        "access_key_secret": "resource-secret"}]}"#;
    std::fs::create_dir(dir.path().join(".aliyun")).unwrap();
    std::fs::write(dir.path().join(".aliyun/config.json"), profiles).unwrap();

    let worker = site.worker_by(typed(dir.path(), COMMANDS[0].0, &[]));
    worker.until_ready(true);
    let tickets = site.rabbit.amqp_url().replace(&format!("//{}:", Rabbit::USER), "//tickets:");
    let (scheme, rest) = tickets.split_once("//tickets:").unwrap();
    let tickets = format!("{scheme}//tickets:tickets@{}", rest.split_once('@').unwrap().1);
    let (listen, home) = (worker.admin.to_string(), dir.path().to_str().unwrap());
    let around = [("CROSSGRANT_ADMIN_LISTEN", listen.as_str()), ("CROSSGRANT_BROKER_URL", &tickets), ("HOME", home)];
    for (command, code, says) in &COMMANDS[1..] {
        // The user of the worker is the one who runs the tests.
        let command = command.trim_start_matches("sudo -u crossgrant ");
        let process = typed(dir.path(), command, &around);
        if command.contains("simulate") {
            process.line("where it listens", |line| line.contains(says).then_some(()));
            continue;
        }
        let status = process.end(Duration::from_secs(60)).unwrap_or_else(|| panic!("`{command}` does not end"));
        let text = process.lines().join("\n");
        assert!(status.code() == Some(*code) && text.contains(says), "`{command}` ends with {status}:\n{text}");
    }
    worker.process.terminate();
    assert!(worker.process.end(Duration::from_secs(60)).unwrap().success());
}

/// A line as a shell reads it, in a folder.
fn typed(dir: &Path, line: &str, environment: &[(&str, &str)]) -> Process {
    let programs = crossgrant().parent().unwrap().display();
    let path = format!("{programs}:{}", std::env::var("PATH").unwrap_or_default());
    let environment = [environment, &[("PATH", path.as_str())]].concat();
    let script = format!("cd '{}' && exec {line}", dir.display());
    Process::start_with(line, Path::new("/bin/sh"), &["-c", &script], &environment)
}
