//! Examples for each command, at the end of its `--help` and of its page of the manual.

use clap::Command;

/// A command line, and what it does.
type Example = (&'static str, &'static str);

/// The examples of the commands, in the order of `--help`.
const EXAMPLES: [(&str, &[Example]); 41] = [
    (
        "serve",
        &[
            ("crossgrant --config crossgrant.toml serve", "Run a worker with this configuration."),
            ("crossgrant serve --accept-store", "Start on a store that was put back from a copy."),
        ],
    ),
    (
        "run",
        &[
            (
                "crossgrant run examples/payer-change.json --simulate",
                "Try a job on a simulated cloud, without any server.",
            ),
            (
                "crossgrant run jobs.json --store jobs.db",
                "Carry out jobs in the configured accounts; go on where the last run stopped.",
            ),
        ],
    ),
    (
        "plan",
        &[
            ("crossgrant plan job.json", "Show the calls that the job would make, in the configured accounts."),
            (
                "crossgrant plan job.json --requester tickets --json",
                "The same for programs, as this requester may ask.",
            ),
        ],
    ),
    (
        "submit",
        &[
            ("crossgrant submit jobs.json --batch MOVE-7", "Publish jobs as one batch, and tell what became of them."),
            ("crossgrant submit job.json --wait", "Publish jobs, print their events, and return when all have ended."),
            (
                "crossgrant submit - --wait --timeout 90s",
                "The jobs come from standard input; stop following after 90 seconds.",
            ),
        ],
    ),
    (
        "put-back",
        &[
            ("crossgrant put-back --limit 1", "Put back the oldest message that the broker gave up."),
            ("crossgrant put-back --expect-count 3", "Put all of them back, if there are three."),
        ],
    ),
    ("backup", &[("crossgrant backup /var/backups/crossgrant.db", "Copy the store while the worker works.")]),
    (
        "restore",
        &[
            ("crossgrant restore /var/backups/crossgrant.db", "Put the copy in the place of a store that is lost."),
            ("crossgrant restore --as-found", "The same for a database that pg_restore has put back."),
        ],
    ),
    (
        "simulate",
        &[
            ("crossgrant simulate --hour 10s", "A cloud with the example world, whose hour takes ten seconds."),
            ("crossgrant simulate examples/world.toml --listen 127.0.0.1:0", "A world of your own, on a free port."),
        ],
    ),
    (
        "status",
        &[
            ("crossgrant status", "What needs a person, with the command for it, and what goes on by itself."),
            ("crossgrant status --watch", "The same, again and again."),
        ],
    ),
    (
        "jobs",
        &[
            ("crossgrant jobs --state parked,waiting", "Jobs that need a person, or wait for the hour."),
            ("crossgrant jobs --label ticket=NET-4312 --json", "The jobs of a ticket, for programs."),
            ("crossgrant jobs --all -o wide", "Every job, with its uid and requester."),
        ],
    ),
    ("show", &[("crossgrant show tickets/NET-4312/1", "Why a job waits, until when, and what comes next.")]),
    (
        "wait",
        &[
            ("crossgrant wait tickets/NET-4312/1", "Until this job has ended or needs a person."),
            (
                "crossgrant wait --label ticket=4312 --timeout 2h",
                "Until none of these jobs goes on; 0 only if all completed.",
            ),
        ],
    ),
    ("cancel", &[("crossgrant cancel tickets/NET-4312/1", "End a job; undo it if one side is written.")]),
    ("release", &[("crossgrant release tickets/NET-4312/1", "Let the other jobs on its instance go on.")]),
    (
        "resume",
        &[
            ("crossgrant resume tickets/NET-4312/1", "Let a parked job go on."),
            ("crossgrant resume --for gave-up --expect-count 2", "Let all go on that gave up, if there are two."),
        ],
    ),
    (
        "approve",
        &[
            ("crossgrant approve tickets/NET-4312/1", "Approve one job."),
            (
                "crossgrant approve --kind revoke --expect-count 3",
                "Approve all revokes that wait for it, if there are three.",
            ),
        ],
    ),
    ("batch list", &[("crossgrant batch list --open", "The batches that have not ended.")]),
    ("batch show", &[("crossgrant batch show tickets/MOVE-7", "How the jobs of a batch stand.")]),
    ("pause", &[("crossgrant pause 1688000000000001 --reason \"an incident\"", "Start no more jobs in an account.")]),
    ("unpause", &[("crossgrant unpause 1688000000000001", "Start its jobs again.")]),
    ("paused", &[("crossgrant paused --json", "The paused accounts, for programs.")]),
    ("accounts", &[("crossgrant accounts", "Whether the cloud takes the keys of each account, and when these end.")]),
    ("reload", &[("crossgrant reload", "Take over new secrets, rules, limits, tokens and the log filter.")]),
    (
        "dead list",
        &[
            ("crossgrant dead list", "What is wrong, how often, since when, and the command for it."),
            ("crossgrant dead list --each --requester tickets", "Each rejected job of a requester, with its faults."),
        ],
    ),
    (
        "dead show",
        &[
            ("crossgrant dead show 01a2b3c4-0000-5000-8000-000000000000", "A rejected job, its faults marked in it."),
            (
                "crossgrant dead show --body 01a2b3c4-0000-5000-8000-000000000000",
                "Its body alone, to mend it and submit it.",
            ),
        ],
    ),
    (
        "dead replay",
        &[
            ("crossgrant dead replay 17 18", "Send two undelivered messages again."),
            ("crossgrant dead replay --to answers --expect-count 3", "Send all to a queue again, if there are three."),
        ],
    ),
    (
        "dead drop",
        &[
            ("crossgrant dead drop 17", "Delete an undelivered message."),
            ("crossgrant dead drop --until 30d --expect-count 3", "Delete all that are older, if there are three."),
        ],
    ),
    (
        "events list",
        &[
            ("crossgrant events list --follow", "What happens from now on, until it is interrupted."),
            (
                "crossgrant events list --after 4711 --json",
                "For programs: what came after the number that the last list has said.",
            ),
        ],
    ),
    (
        "events replay",
        &[
            ("crossgrant events replay --since 2h", "Count the events of the last two hours."),
            (
                "crossgrant events replay --job tickets/NET-4312/1 --expect-count 3",
                "Publish the events of a job again, if there are three.",
            ),
        ],
    ),
    (
        "import terraform",
        &[
            ("crossgrant import terraform terraform.tfstate", "What both Terraform and a worker would own."),
            ("crossgrant import terraform - --json", "The same for programs, of `terraform state pull`."),
        ],
    ),
    (
        "doctor",
        &[
            ("crossgrant doctor", "Check everything that a worker with this configuration needs."),
            ("crossgrant doctor --job job.json", "Check also what the jobs in this file would read."),
            ("crossgrant doctor --cen 1250123456123456/cen-44m0p68spvlrqq0001", "Check the owner of this CEN."),
        ],
    ),
    (
        "health",
        &[
            ("crossgrant health", "The worker of this configuration."),
            ("crossgrant health --admin http://127.0.0.1:9180", "The worker at this address."),
        ],
    ),
    (
        "explain",
        &[
            ("crossgrant explain attached", "A reason of an event."),
            ("crossgrant explain Throttling.User", "An error code of the cloud."),
        ],
    ),
    (
        "schema",
        &[
            ("crossgrant schema", "The names of the schemas."),
            ("crossgrant schema job", "The JSON Schema of a job."),
            ("crossgrant schema asyncapi", "The messages, as AsyncAPI."),
        ],
    ),
    ("workflow list", &[("crossgrant workflow list", "The kinds of jobs.")]),
    ("workflow show", &[("crossgrant workflow show payer-change", "The steps of a payer change, as data.")]),
    ("workflow graph", &[("crossgrant workflow graph revoke", "The steps of a revoke, for `dot -Tsvg`.")]),
    ("workflow lint", &[("crossgrant workflow lint mine.toml", "Check a definition of your own.")]),
    ("completions", &[("crossgrant completions bash", "For /usr/share/bash-completion/completions/crossgrant.")]),
    (
        "man",
        &[("crossgrant man /usr/local/share/man/man1", "Install the manual; then `man crossgrant-jobs` shows a page.")],
    ),
    ("version", &[("crossgrant version --json", "The versions, for programs.")]),
];

/// The same command line, with the examples.
pub(super) fn added(command: Command) -> Command {
    EXAMPLES.iter().fold(command, |command, (path, examples)| {
        let lines = examples.iter().map(|(line, does)| format!("  {line}\n      {does}"));
        let text = format!("Examples:\n{}", lines.collect::<Vec<_>>().join("\n"));
        with(command, path.split(' '), &text)
    })
}

fn with<'a>(command: Command, mut path: impl Iterator<Item = &'a str>, text: &str) -> Command {
    match path.next() {
        Some(name) => command.mut_subcommand(name, |command| with(command, path, text)),
        None => command.after_help(text.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::Cli;

    fn leaves(command: &Command, above: &str, found: &mut Vec<(String, Command)>) {
        for command in command.get_subcommands().filter(|command| command.get_name() != "help") {
            let path = format!("{above}{}", command.get_name());
            match command.has_subcommands() {
                true => leaves(command, &format!("{path} "), found),
                false => found.push((path, command.clone())),
            }
        }
    }

    /// Every command with what belongs to it, such as `dead list`.
    fn commands() -> Vec<(String, Command)> {
        let (mut all, mut found) = (Cli::described(), Vec::new());
        all.build();
        leaves(&all, "", &mut found);
        found
    }

    /// The words of a line, as a shell reads it.
    fn words(line: &str) -> Vec<String> {
        let quoted = line.split('"').enumerate();
        let words = quoted.flat_map(|(n, part)| match n % 2 {
            0 => part.split_whitespace().map(str::to_owned).collect(),
            _ => vec![part.to_owned()],
        });
        words.collect()
    }

    #[test]
    fn every_command_has_an_example_and_every_example_is_a_command_line() {
        for (path, command) in commands() {
            let (_, examples) =
                EXAMPLES.iter().find(|(known, _)| *known == path).unwrap_or_else(|| panic!("{path} has no example"));
            let help = command.get_after_help().unwrap().to_string();
            for (line, does) in *examples {
                assert!(help.contains(line) && help.contains(does), "{path}");
                assert!(line.contains(&path) && does.ends_with('.'), "{line}");
                Cli::read(words(line)).unwrap_or_else(|error| panic!("{line}: {error}"));
            }
        }
    }

    #[test]
    fn help_fits_a_terminal_of_80_columns_with_what_every_command_has_at_its_end() {
        let mut all = commands();
        all.push(("crossgrant".into(), Cli::described()));
        for (path, command) in all {
            let help = command.term_width(80).render_long_help().to_string();
            for line in help.lines() {
                assert!(
                    line.chars().count() <= 80 || line.contains("://") || line.starts_with("  crossgrant "),
                    "{path}: {line}"
                );
            }
            let global = help.find("\nGlobal options:\n").unwrap_or_else(|| panic!("{path}: {help}"));
            let options = help.find("\nOptions:\n").unwrap();
            assert!(options < global && !help[options..global].contains("--config"), "{path}: {help}");
        }
    }
}
