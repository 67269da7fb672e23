//! `status`: the whole worker at a glance, as text of a given width.

use std::time::Duration;

use serde_json::json;

use super::args::StatusArgs;
use super::client::AdminClient;
use super::exit::{CliError, Exit};
use super::moments::Moments;
use super::screen::Screen;
use super::terminal::cut;
use crate::admin::{AccountStatus, GoesOn, Need, OpenBatches, Status};
use crate::clock::until;
use crate::domain::{AccountUid, spoken, visible};
use crate::engine::ports::account::named;

/// The most groups that are shown: what is below them would scroll the worst off the screen.
const GROUPS: usize = 12;

/// Shows the status; with `--watch`, every few seconds. The exit code belongs to the last status that was shown: 1 if something needs
/// a person.
pub(super) async fn status(args: &StatusArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let mut screen = Screen::new(args.watch);
    loop {
        let status: Status = worker.get("/v1/status").await?;
        let lines = if args.json {
            vec![json!(status).to_string()]
        } else {
            lines(&status, &Moments::on_stdout_at(status.now), screen.width())
        };
        screen.show(&lines)?;
        if !screen.again().await {
            return Ok(if status.needs.is_empty() { Exit::Ok } else { Exit::Failed });
        }
    }
}

/// The status in lines of at most `width` characters. Only a command may be longer, because it is there to be copied.
fn lines(status: &Status, moments: &Moments, width: usize) -> Vec<String> {
    let now = status.now;
    let workers = if status.workers == 1 { "1 worker".to_owned() } else { format!("{} workers", status.workers) };
    let jobs: u64 = status.jobs.values().sum();
    let hour = span(until(now, status.next_hour));
    let mut lines = vec![
        format!(
            "crossgrant {} · {workers} · jobs: {jobs} · {}{}, next hour in {hour}",
            status.version,
            moments.short(now),
            moments.offset()
        ),
        format!(
            "RUNNING  for {}, the store takes {}",
            spoken(Duration::from_secs(status.running_seconds)),
            bytes(status.store_bytes)
        ),
        match status.needs.iter().map(|need| need.count).sum::<u64>() {
            0 => "NEEDS A PERSON  nothing".to_owned(),
            count => format!("NEEDS A PERSON  {count}"),
        },
    ];
    let mut commands = Vec::new();
    for need in status.needs.iter().take(GROUPS) {
        let Need { cause, count, account, says, oldest, command, .. } = need;
        let account = account.as_ref().map(|uid| format!("  account {uid}")).unwrap_or_default();
        let oldest = oldest.map(|at| format!("  oldest from {}", moments.short(at))).unwrap_or_default();
        lines.push(format!("{count:>7}  {cause}{account}{oldest}"));
        if !says.is_empty() {
            lines.push(format!("         {says}"));
        }
        commands.push(lines.len());
        lines.push(format!("         {command}"));
    }
    if status.needs.len() > GROUPS {
        lines.push(format!("         and {} more causes: crossgrant status --json", status.needs.len() - GROUPS));
    }
    lines.push(if status.goes_on.is_empty() {
        "GOES ON BY ITSELF  nothing".into()
    } else {
        "GOES ON BY ITSELF".into()
    });
    for GoesOn { state, jobs, until, oldest } in &status.goes_on {
        let next = until.map_or("now".to_owned(), |at| format!("from {}", moments.short(at)));
        lines.push(format!("{jobs:>7}  {:<8} next {next}, oldest from {}", state.as_str(), moments.short(*oldest)));
    }
    if let OpenBatches { open, oldest: Some(oldest) } = &status.batches {
        lines.push(format!("BATCHES  open: {open}, oldest from {}", moments.short(*oldest)));
    }
    if !status.accounts.is_empty() {
        lines.push("ACCOUNTS".into());
    }
    lines.extend(accounts(&status.accounts, moments));
    lines.extend(checks(status, width));
    let notes = status.checks.iter().filter(|check| check.ok && check.name != "accounts");
    lines.extend(notes.filter_map(|check| Some(format!("         {}: {}", check.name, check.detail.as_ref()?))));
    lines.push(format!("OUTBOX   {}, rejected jobs kept: {}", status.outbox, status.rejected));
    let fit =
        |(n, line): (usize, &String)| if commands.contains(&n) { visible(line).into_owned() } else { cut(line, width) };
    lines.iter().enumerate().map(fit).collect()
}

/// A line for each state that accounts are in for the same cause.
fn accounts(accounts: &[AccountStatus], moments: &Moments) -> Vec<String> {
    let mut groups: Vec<Vec<&AccountStatus>> = Vec::new();
    for account in accounts {
        let alike =
            |group: &&mut Vec<&AccountStatus>| (&group[0].state, &group[0].detail) == (&account.state, &account.detail);
        match groups.iter_mut().find(alike) {
            Some(group) => group.push(account),
            None => groups.push(vec![account]),
        }
    }
    let line = |group: &Vec<&AccountStatus>| {
        let AccountStatus { state, detail, since, .. } = group[0];
        let since = group.iter().map(|account| account.since).min().unwrap_or(*since);
        let held = group.iter().filter_map(|account| account.held).reduce(|all, jobs| all + jobs);
        let held = held.map(|jobs| format!(" jobs held: {jobs},")).unwrap_or_default();
        let uids: Vec<&AccountUid> = group.iter().map(|account| &account.account).collect();
        format!("         {} {state} since {},{held} {detail}", named(&uids), moments.short(since))
    };
    groups.iter().map(line).collect()
}

/// Every check, in as many lines as it takes.
fn checks(status: &Status, width: usize) -> Vec<String> {
    let mut lines = vec!["CHECKS  ".to_owned()];
    for (place, check) in status.checks.iter().enumerate() {
        let comma = if place + 1 < status.checks.len() { "," } else { "" };
        let says = format!(" {} {}{comma}", check.name, if check.ok { "ok" } else { "FAILS" });
        let used = lines.last().map_or(0, |line| line.chars().count());
        if place > 0 && used.saturating_add(says.chars().count()) > width {
            lines.push(" ".repeat(8));
        }
        lines.last_mut().expect("there is always one").push_str(&says);
    }
    lines
}

/// A size in the largest unit of which there is one at least.
pub(crate) fn bytes(size: u64) -> String {
    let mut size = size as f64;
    for unit in ["bytes", "KiB", "MiB"] {
        if size < 1024.0 {
            return if unit == "bytes" { format!("{size} {unit}") } else { format!("{size:.1} {unit}") };
        }
        size /= 1024.0;
    }
    format!("{size:.1} GiB")
}

/// A span in its two largest units.
fn span(span: Duration) -> String {
    if span < Duration::from_secs(120) {
        return format!("{} s", span.as_secs());
    }
    let minutes = span.as_secs().div_ceil(60);
    match (minutes / 60, minutes % 60) {
        (0, minutes) => format!("{minutes} min"),
        (hours, 0) => format!("{hours} h"),
        (hours, minutes) => format!("{hours} h {minutes} min"),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::super::golden;
    use super::super::moments::tests::piped_at;
    use super::*;
    use crate::admin::HealthCheck;
    use crate::admin::testing::at;
    use crate::engine::record::State;

    fn account(uid: &str) -> AccountUid {
        AccountUid::parse(uid).unwrap()
    }

    fn check(name: &str, ok: bool, detail: Option<&str>) -> HealthCheck {
        HealthCheck { name: name.into(), ok, needed: true, detail: detail.map(str::to_owned) }
    }

    fn idle() -> Status {
        Status {
            version: "0.1.0".into(),
            workers: 1,
            running_seconds: 93_784,
            store_bytes: 7_340_032,
            now: at("2026-11-28T16:24:31.605671196Z"),
            next_hour: at("2026-11-28T17:00:00Z"),
            hour_seconds: 3600,
            needs: vec![],
            goes_on: vec![],
            accounts: vec![],
            checks: vec![check("running", true, None), check("store", true, None)],
            batches: OpenBatches::default(),
            outbox: 0,
            rejected: 0,
            jobs: BTreeMap::new(),
        }
    }

    fn need(cause: &str, count: u64, says: &str, command: &str) -> Need {
        Need {
            cause: cause.into(),
            count,
            account: Some(account("1688000000000001")),
            says: says.into(),
            oldest: Some(at("2026-11-28T16:02:10.5Z")),
            command: command.into(),
            jobs: None,
            mends: None,
        }
    }

    fn utc() -> Moments {
        piped_at(at("2026-11-28T16:24:31.605671196Z"))
    }

    fn text(status: &Status, width: usize) -> String {
        lines(status, &utc(), width).join("\n")
    }

    #[test]
    fn nothing_to_do_is_said_in_few_lines() {
        let expected = "\
crossgrant 0.1.0 · 1 worker · jobs: 0 · 16:24:31Z, next hour in 36 min
RUNNING  for 1 d 2 h, the store takes 7.0 MiB
NEEDS A PERSON  nothing
GOES ON BY ITSELF  nothing
CHECKS   running ok, store ok
OUTBOX   0, rejected jobs kept: 0";
        assert_eq!(text(&idle(), 80), expected);
        assert_eq!(text(&idle(), 120), expected);
    }

    #[test]
    fn a_size_has_the_unit_that_people_would_use() {
        let said = [0, 1023, 1024, 1_572_864, 1 << 30, 5 << 40].map(bytes);
        assert_eq!(said, ["0 bytes", "1023 bytes", "1.0 KiB", "1.5 MiB", "1.0 GiB", "5120.0 GiB"]);
    }

    #[test]
    fn a_status_fits_the_terminal() {
        let busy = Status {
            needs: vec![
                need("half-done", 1, "the second write was refused", "crossgrant resume --for half-done"),
                need(
                    "needs-approval",
                    12,
                    "revokes_per_cen: 20 within an hour",
                    "crossgrant approve --for needs-approval",
                ),
            ],
            goes_on: vec![GoesOn {
                state: State::Waiting,
                jobs: 40,
                until: Some(at("2026-11-28T17:00:00Z")),
                oldest: at("2026-11-28T16:02:00Z"),
            }],
            checks: vec![
                check("running", true, None),
                check("store", true, None),
                check("broker", false, Some("down")),
            ],
            jobs: [(State::Parked, 13), (State::Waiting, 40)].into(),
            ..idle()
        };
        golden::holds("status", |columns| lines(&busy, &utc(), columns));
    }

    #[test]
    fn one_job_is_shown_with_its_command() {
        let command = "crossgrant show 01a2b3c4-0000-7000-8000-000000000000";
        let status = Status {
            needs: vec![need(
                "half-done",
                1,
                "1688000000000001 says PayByResourceOwner, 1250123456123456 says PayByCenOwner",
                command,
            )],
            jobs: [(State::Parked, 1)].into(),
            ..idle()
        };
        assert_eq!(
            text(&status, 80),
            "\
crossgrant 0.1.0 · 1 worker · jobs: 1 · 16:24:31Z, next hour in 36 min
RUNNING  for 1 d 2 h, the store takes 7.0 MiB
NEEDS A PERSON  1
      1  half-done  account 1688000000000001  oldest from 16:02:10Z
         1688000000000001 says PayByResourceOwner, 1250123456123456 says PayByC…
         crossgrant show 01a2b3c4-0000-7000-8000-000000000000
GOES ON BY ITSELF  nothing
CHECKS   running ok, store ok
OUTBOX   0, rejected jobs kept: 0"
        );
        assert!(text(&status, 120).contains("1250123456123456 says PayByCenOwner\n"));
    }

    #[test]
    fn a_hundred_thousand_jobs_take_no_more_room() {
        let resume = "crossgrant resume --for credential-refused --account 1688000000000001";
        let waiting = |state, jobs, until: Option<&str>| GoesOn {
            state,
            jobs,
            until: until.map(at),
            oldest: at("2026-11-25T09:00:00Z"),
        };
        let status = Status {
            workers: 2,
            needs: vec![need("credential-refused", 60_000, "SignatureDoesNotMatch", resume)],
            goes_on: vec![
                waiting(State::Queued, 20_000, None),
                waiting(State::Waiting, 20_000, Some("2026-11-28T17:00:00Z")),
            ],
            accounts: vec![AccountStatus {
                account: account("1250123456123456"),
                state: "paused".into(),
                since: at("2026-11-28T16:00:00Z"),
                detail: "by ann (token night-shift): an incident".into(),
                held: Some(12_000),
            }],
            checks: vec![
                check("running", true, None),
                check("broker-publish", false, Some("down")),
                check("accounts", true, Some("1 paused: 1250123456123456")),
                check("clock", true, Some("40 s ahead")),
            ],
            batches: OpenBatches { open: 2, oldest: Some(at("2026-11-28T15:00:00Z")) },
            outbox: 77,
            rejected: 3,
            jobs: [(State::Parked, 60_000), (State::Queued, 20_000), (State::Waiting, 20_000)].into(),
            ..idle()
        };
        assert_eq!(
            text(&status, 120),
            "\
crossgrant 0.1.0 · 2 workers · jobs: 100000 · 16:24:31Z, next hour in 36 min
RUNNING  for 1 d 2 h, the store takes 7.0 MiB
NEEDS A PERSON  60000
  60000  credential-refused  account 1688000000000001  oldest from 16:02:10Z
         SignatureDoesNotMatch
         crossgrant resume --for credential-refused --account 1688000000000001
GOES ON BY ITSELF
  20000  queued   next now, oldest from 2026-11-25T09:00Z
  20000  waiting  next from 17:00:00Z, oldest from 2026-11-25T09:00Z
BATCHES  open: 2, oldest from 15:00:00Z
ACCOUNTS
         account 1250123456123456 paused since 16:00:00Z, jobs held: 12000, by ann (token night-shift): an incident
CHECKS   running ok, broker-publish FAILS, accounts ok, clock ok
         clock: 40 s ahead
OUTBOX   77, rejected jobs kept: 3"
        );
        assert!(lines(&status, &utc(), 80).iter().all(|line| line.chars().count() <= 80), "{}", text(&status, 80));
        let many = Status { needs: (0..40).map(|_| need("gave-up", 1, "x", resume)).collect(), ..status };
        assert!(text(&many, 80).contains("and 28 more causes") && lines(&many, &utc(), 80).len() < 60);
    }

    #[test]
    fn many_accounts_with_one_cause_take_one_line_and_all_checks_are_shown() {
        let silent = |uid: u64| AccountStatus {
            account: account(&uid.to_string()),
            state: "unreachable".into(),
            since: at("2026-11-28T16:10:00Z") + Duration::from_secs(uid),
            detail: "sts.example: Connection refused".into(),
            held: None,
        };
        let names = ["running", "store", "broker-consume", "broker-publish", "broker-reply", "definitions", "accounts"];
        let checks = names.map(|name| check(name, name != "accounts", None)).to_vec();
        let status = Status { accounts: (1..=51).map(silent).collect(), checks, ..idle() };
        let whole = text(&status, usize::MAX);
        let says = "51 accounts (1, 2, 3 and 48 more) unreachable since 16:10:01Z, sts.example: Connection refused";
        assert!(whole.contains(&format!("ACCOUNTS\n         {says}\nCHECKS   running ok, store")), "{whole}");
        assert!(whole.contains("definitions ok, accounts FAILS\n"), "{whole}");
        let narrow = text(&status, 60);
        assert!(
            narrow
                .contains("\n         broker-publish ok, broker-reply ok, definitions ok,\n         accounts FAILS\n"),
            "{narrow}"
        );
        assert!(narrow.lines().all(|line| line.chars().count() <= 60), "{narrow}");
    }

    #[test]
    fn text_of_strangers_moves_no_cursor_and_makes_no_lines() {
        let evil = "no\nNEEDS A PERSON  nothing\u{1b}[2J\u{202e}\u{7}";
        let saying = |says: &str| {
            let mut status = Status { needs: vec![need("gave-up", 1, says, "crossgrant jobs")], ..idle() };
            status.checks.push(check("clock", true, Some(says)));
            status
        };
        for width in [1, 80, 120] {
            let lines = lines(&saying(evil), &utc(), width);
            assert_eq!(lines.len(), super::lines(&saying("no"), &utc(), width).len(), "{lines:#?}");
            assert!(lines.iter().all(|line| !line.contains(|c: char| c.is_control() || c == '\u{202e}')), "{lines:?}");
        }
    }
}
