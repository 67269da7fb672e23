//! What needs a person, grouped by cause and account, each with the command to paste. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::checks::{CheckFault, HealthCheck, faults};
use crate::clock::until;
use crate::domain::{AccountUid, CenId, Code, JobUid, Kind, Reason, whole_second};
use crate::engine::ports::account::{AccountReport, InTrouble, RefusedCredential, Standing, in_trouble, named};
use crate::engine::ports::store::UnreadableRow;
use crate::engine::record::{Record, State};

/// Jobs, or something else, that need a person for the same cause.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Need {
    /// `half-done`, `overdue`, the reason for which jobs are parked, `parked` for those that were not read, `unreadable`,
    /// `undeliverable`,
    /// `messages-dead-lettered`, `account-refused`, `cloud-unreachable`, `broker-unreachable`, `broker-no-right`, or the name of a check that fails.
    pub cause: String,
    /// How many jobs, messages or accounts; 1 for a check.
    pub count: u64,
    /// The account that it is about, if it is about one alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountUid>,
    /// What one of the jobs says, the check, or the cloud of the account.
    pub says: String,
    /// When the oldest of the jobs was accepted, or since when the account is refused or not reached.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub oldest: Option<Timestamp>,
    /// What to type. It shows the jobs; or it is for as many as were counted here, and does nothing if there are others by then.
    pub command: String,
    /// The jobs, if these are jobs: a filter as a query of `/v1/jobs`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub jobs: Option<String>,
    /// The same as `command`, for programs, if one command on these jobs mends it: a path below `/v1/bulk` and its filter.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mends: Option<Mends>,
}

/// A command on the jobs of a filter.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Mends {
    /// `resume` or `approve`.
    pub command: String,
    /// The filter, as a query. What else the command takes is its count.
    pub filter: String,
}

/// Parked jobs that were not read.
const PARKED: &str = "parked";
/// The causes that are neither a reason nor a code nor the name of a check.
pub const GROUPS: [&str; 4] = [PARKED, "overdue", UNREADABLE, "undeliverable"];

const UNREADABLE: &str = "unreadable";

/// What a group of jobs has in common. In the order of how bad it is.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
enum Cause {
    HalfDone(AccountUid),
    Parked(Reason, AccountUid),
    RevokesToApprove(CenId),
    ToApprove(Kind, AccountUid),
    Overdue(AccountUid),
}

/// A group of jobs.
#[derive(Debug)]
struct Group {
    jobs: u64,
    oldest: Timestamp,
    /// The newest, which is read first.
    example: JobUid,
    says: String,
    account: AccountUid,
}

/// What needs a person, as the jobs are read.
#[derive(Debug, Default)]
pub(super) struct Needs {
    groups: BTreeMap<Cause, Group>,
    /// The parked jobs that were added.
    parked: BTreeSet<JobUid>,
    /// The reasons for which some of them are parked half done.
    among_half_done: BTreeSet<Reason>,
}

impl Needs {
    /// Adds a job if it needs a person, once.
    pub fn add(&mut self, record: &Record) {
        let Some((cause, says)) = cause(record) else { return };
        if record.phase.ending().is_some() && !self.parked.insert(record.uid) {
            return;
        }
        if let Some(ending) = record.phase.ending().filter(|_| record.is_half_done()) {
            self.among_half_done.insert(ending.reason);
        }
        let group = self.groups.entry(cause).or_insert_with(|| Group {
            jobs: 0,
            oldest: record.accepted_at,
            example: record.uid,
            says,
            account: record.blames().clone(),
        });
        group.jobs += 1;
        group.oldest = group.oldest.min(record.accepted_at);
    }

    /// All of it. `parked` is how many jobs are parked, also of those that were not added.
    pub fn all(
        self,
        now: Timestamp,
        parked: u64,
        undeliverable: u64,
        checks: &[HealthCheck],
        accounts: &[AccountReport],
    ) -> Vec<Need> {
        // What a worker is ready without is told by what it concerns.
        let mut needs: Vec<Need> = faults(checks).iter().map(failing).collect();
        let unread = parked.saturating_sub(self.parked.len() as u64);
        let is_half_done = |(cause, _): &(Cause, Group)| matches!(cause, Cause::HalfDone(_));
        let (half_done, others): (Vec<_>, Vec<_>) = self.groups.into_iter().partition(is_half_done);
        let told = |(cause, group)| need(cause, group, &self.among_half_done);
        needs.extend(half_done.into_iter().map(told));
        needs.extend(in_trouble(accounts).iter().filter_map(|trouble| unusable(trouble, now)));
        needs.extend(others.into_iter().map(told));
        if unread > 0 {
            let says = "older ones, which were not read".to_owned();
            needs.push(of_the_worker(PARKED, unread, says, "crossgrant jobs --state parked"));
        }
        if undeliverable > 0 {
            let says = "messages that could not be published".to_owned();
            needs.push(of_the_worker("undeliverable", undeliverable, says, "crossgrant dead list"));
        }
        needs
    }
}

/// Rows that cannot be read are left alone until someone has mended them.
pub(super) fn unreadable(rows: &[UnreadableRow]) -> Option<Need> {
    let UnreadableRow { uid, is_batch, why } = rows.first()?;
    let command = format!("crossgrant {} {uid}", if *is_batch { "batch show" } else { "show" });
    Some(of_the_worker(UNREADABLE, rows.len() as u64, why.clone(), &command))
}

/// Messages that the broker gave up wait for someone who has them put back.
pub(super) fn dead_lettered(kept: u32) -> Option<Need> {
    let says = "messages that the broker gave up before a worker had accepted them".to_owned();
    let cause = Code::MessagesDeadLettered.as_str();
    (kept > 0).then(|| of_the_worker(cause, kept.into(), says, "crossgrant put-back"))
}

/// What RabbitMQ says to a user that it has let in and that lacks a right.
const NO_RIGHT: &str = "ACCESS_REFUSED - access to ";

/// Checks that fail for one cause.
fn failing(fault: &CheckFault<'_>) -> Need {
    let detail = fault.detail.unwrap_or_default().to_owned();
    let (cause, says) = match fault.names.as_slice() {
        _ if fault.is_broker_down() && detail.contains(NO_RIGHT) => (Code::BrokerNoRight.as_str(), detail),
        _ if fault.is_broker_down() => (Code::BrokerUnreachable.as_str(), detail),
        [only] => (*only, detail),
        several => (several[0], format!("{}: {detail}", several.join(", "))),
    };
    of_the_worker(cause, 1, says, "crossgrant doctor")
}

fn of_the_worker(cause: &str, count: u64, says: String, command: &str) -> Need {
    let (command, jobs) = (command.to_owned(), (cause == PARKED).then(|| "state=parked".to_owned()));
    Need { cause: cause.to_owned(), count, account: None, says, oldest: None, command, jobs, mends: None }
}

/// For so long an account may be out of reach before a person is asked for: a failover of a proxy or of a link passes. Jobs give up
/// after hours.
const UNREACHED: Duration = Duration::from_secs(5 * 60);

/// Jobs of a refused account wait, and go on by themselves only when someone corrects the credential; those of one that is not
/// reached go on when someone mends the network.
fn unusable(trouble: &InTrouble<'_>, now: Timestamp) -> Option<Need> {
    let cause = match trouble.standing {
        Standing::Refused(_) => Code::AccountRefused,
        Standing::Unreachable { .. } if until(trouble.since, now) >= UNREACHED => Code::CloudUnreachable,
        Standing::Unreachable { .. } | Standing::Probing(_) | Standing::Unknown | Standing::Ok => return None,
    };
    let says = trouble.says();
    let (account, says) = match trouble.accounts.as_slice() {
        [only] => (Some((*only).clone()), says),
        several => (None, format!("{}: {says}", named(several))),
    };
    let count = trouble.accounts.len() as u64;
    let oldest = Some(trouble.since);
    let not_configured = trouble.standing.refusal().is_some_and(RefusedCredential::is_not_configured);
    let command = if not_configured { "crossgrant reload" } else { "crossgrant doctor" }.to_owned();
    Some(Need { cause: cause.to_string(), count, account, says, oldest, command, jobs: None, mends: None })
}

fn cause(record: &Record) -> Option<(Cause, String)> {
    let job = &record.job;
    if let Some(wait) = record.wait.as_ref().filter(|_| record.is_overdue()) {
        let says = format!("{} should be in force since {}", wait.goal, whole_second(wait.expected_at));
        return Some((Cause::Overdue(record.blames().clone()), says));
    }
    if record.stands_half_done() {
        let says = record.phase.ending().map_or(&record.why, |ending| &ending.message);
        return Some((Cause::HalfDone(record.blames().clone()), says.clone()));
    }
    let ending = record.phase.ending().filter(|_| !record.state().is_terminal())?;
    let cause = match ending.reason {
        Reason::NeedsApproval if job.kind == Kind::Revoke => Cause::RevokesToApprove(job.cen.id.clone()),
        Reason::NeedsApproval => Cause::ToApprove(job.kind, record.blames().clone()),
        reason => Cause::Parked(reason, record.blames().clone()),
    };
    Some((cause, ending.message.clone()))
}

/// A group with its command. What the command and its filter mean are the jobs of this group and no others, also where there are
/// jobs that are half done for the same reason, which are in a group of their own: `among_half_done` are those reasons.
fn need(cause: Cause, group: Group, among_half_done: &BTreeSet<Reason>) -> Need {
    let Group { jobs, oldest, example, says, account } = group;
    let (name, filter, mends) = match cause {
        Cause::HalfDone(uid) => ("half-done", vec![("half-done", "true".into()), ("blames", uid.to_string())], None),
        Cause::Overdue(uid) => ("overdue", vec![("overdue", "true".into()), ("blames", uid.to_string())], None),
        Cause::Parked(reason, uid) => {
            let filter = vec![("for", reason.to_string()), ("blames", uid.to_string())];
            (reason.as_str(), filter, Some(("resume", reason)))
        }
        Cause::RevokesToApprove(cen) => {
            let filter = vec![("kind", Kind::Revoke.to_string()), ("cen", cen.to_string())];
            (Reason::NeedsApproval.as_str(), filter, Some(("approve", Reason::NeedsApproval)))
        }
        Cause::ToApprove(kind, uid) => {
            let filter = vec![("kind", kind.to_string()), ("blames", uid.to_string())];
            (Reason::NeedsApproval.as_str(), filter, Some(("approve", Reason::NeedsApproval)))
        }
    };
    let mut filter: Vec<(&str, String)> = filter;
    if mends.is_some_and(|(_, reason)| among_half_done.contains(&reason)) {
        filter.push(("half-done", "false".to_owned()));
    }
    let option = |(name, value): &(&str, String)| match value.as_str() {
        "true" => format!(" --{name}"),
        "false" => format!(" --{name}=false"),
        value => format!(" --{name} {value}"),
    };
    let options: String = filter.iter().map(option).collect();
    let command = match mends {
        Some((verb, _)) => format!("crossgrant {verb}{options} --expect-count {jobs}"),
        None if jobs == 1 => format!("crossgrant show {example}"),
        None => format!("crossgrant jobs{options}"),
    };
    if let Some((verb, reason)) = mends {
        filter.insert(0, ("state", State::Parked.as_str().to_owned()));
        if verb == "approve" {
            filter.insert(1, ("for", reason.to_string()));
        }
    }
    let pairs: Vec<String> = filter.iter().map(|(name, value)| format!("{name}={value}")).collect();
    let query = pairs.join("&");
    let mends = mends.map(|(verb, _)| Mends { command: verb.to_owned(), filter: query.clone() });
    let (account, oldest, filter) = (Some(account), Some(oldest), Some(query));
    Need { cause: name.to_owned(), count: jobs, account, says, oldest, command, jobs: filter, mends }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record};
    use crate::admin::{bulk, filter};
    use crate::engine::decide::command::Command;
    use crate::engine::record::{Ending, Phase, Wait};

    const CEN_OWNER: &str = "1250123456123456";
    const NOW: &str = "2026-11-21T07:20:00Z";

    fn parked(id: &str, reason: Reason, half_done: bool, message: &str) -> Record {
        let ending = Ending { reason, message: message.into(), findings: vec![] };
        Record { phase: Phase::Parked { ending, half_done }, ..record(id) }
    }

    fn of(records: &[Record]) -> Vec<Need> {
        let mut needs = Needs::default();
        records.iter().for_each(|record| needs.add(record));
        needs.all(at(NOW), records.len() as u64, 0, &[], &[])
    }

    #[test]
    fn jobs_are_grouped_by_cause_and_account_and_the_worst_come_first() {
        let refused = format!("account {CEN_OWNER}: SignatureDoesNotMatch");
        let mut revoke = parked("R", Reason::NeedsApproval, false, "revokes begun: 20");
        revoke.job.kind = Kind::Revoke;
        let half = parked("H", Reason::HalfDone, true, "one side is written");
        let mut older = parked("C2", Reason::CredentialRefused, false, &refused);
        older.accepted_at = at("2026-11-20T10:00:00Z");
        let needs = of(&[
            revoke.clone(),
            parked("P", Reason::NeedsApproval, false, "payer changes begun: 50"),
            parked("C1", Reason::CredentialRefused, false, &refused),
            older,
            half.clone(),
            half.clone(),
        ]);
        let said: Vec<_> = needs.iter().map(|need| (need.cause.as_str(), need.count, need.command.clone())).collect();
        assert_eq!(
            said,
            [
                ("half-done", 1, format!("crossgrant show {}", half.uid)),
                (
                    "credential-refused",
                    2,
                    format!("crossgrant resume --for credential-refused --blames {CEN_OWNER} --expect-count 2"),
                ),
                (
                    "needs-approval",
                    1,
                    format!("crossgrant approve --kind revoke --cen {} --expect-count 1", revoke.job.cen.id),
                ),
                (
                    "needs-approval",
                    1,
                    "crossgrant approve --kind payer-change --blames 1688000000000001 --expect-count 1".to_owned(),
                ),
                // One was given twice, so one of the six counted was not read.
                ("parked", 1, "crossgrant jobs --state parked".to_owned()),
            ]
        );
        assert_eq!((needs[1].oldest, needs[1].says.as_str()), (Some(at("2026-11-20T10:00:00Z")), refused.as_str()));
        assert_eq!(needs[1].account.as_ref().unwrap().as_str(), CEN_OWNER);
    }

    /// The jobs that a pasted command means, as the worker reads its options.
    fn meant<'a>(command: &str, records: &'a [Record]) -> Vec<&'a Record> {
        let mut words = command.split(' ').skip(1).peekable();
        let verb = match words.next().unwrap() {
            "jobs" => None,
            "resume" => Some(Command::Resume),
            "approve" => Some(Command::Approve),
            "show" => return records.iter().filter(|one| command.ends_with(&one.uid.to_string())).collect(),
            _ => unreachable!("{command}"),
        };
        let mut pairs = Vec::new();
        while let Some(word) = words.next() {
            let option = word.strip_prefix("--").unwrap();
            let value = match option.split_once('=') {
                Some((_, value)) => value,
                None => words.next_if(|next| !next.starts_with("--")).unwrap_or("true"),
            };
            let name = option.split('=').next().unwrap();
            if name != "expect-count" {
                pairs.push(format!("{name}={value}"));
            }
        }
        by_query(&pairs.join("&"), verb, records)
    }

    fn by_query<'a>(query: &str, verb: Option<Command>, records: &'a [Record]) -> Vec<&'a Record> {
        let filter = filter::read(Some(query), at(NOW), &[], |_, _, _| Ok(())).unwrap();
        let filter = verb.map_or(filter.clone(), |verb| bulk::meant(filter, verb));
        records.iter().filter(|record| filter.matches(record)).collect()
    }

    /// Each cause, half done and not, in accounts that own both sorts of things, and put down to either.
    #[test]
    fn the_command_of_a_group_means_the_jobs_that_were_counted_and_no_others() {
        let accounts = ["1688000000000001", CEN_OWNER, "1688000000000002"];
        let wait = |overdue| {
            let goal = crate::domain::OrderType::PayByCenOwner;
            let (expected_at, since) = (at("2026-11-21T07:00:00Z"), at("2026-11-21T06:20:00Z"));
            Some(Wait { goal, expected_at, since, last_pending: None, unmet_since: None, doubt: false, overdue })
        };
        let mut records = Vec::new();
        for (owner, cen_owner) in accounts.iter().flat_map(|one| accounts.iter().map(move |other| (*one, *other))) {
            let mut add = |mut record: Record| {
                record.job.instance.owner = AccountUid::parse(owner).unwrap();
                record.job.cen.owner = AccountUid::parse(cen_owner).unwrap();
                records.push(record);
            };
            let id = |of: &str, n: usize| format!("{of}{n}-{owner}-{cen_owner}");
            for reason in Reason::ALL {
                for (n, named) in [owner, cen_owner, "nothing"].into_iter().enumerate() {
                    add(parked(&id(reason.as_str(), n), reason, false, &format!("account {named}: refused")));
                }
                let half_done = reason != Reason::NeedsApproval && reason != Reason::UnknownCall;
                if half_done {
                    add(parked(&id(reason.as_str(), 3), reason, true, &format!("account {owner}: refused")));
                }
            }
            for (n, kind) in Kind::ALL.into_iter().enumerate() {
                let mut approved = parked(&id("kind", n), Reason::NeedsApproval, false, "begun: 20");
                approved.job.kind = kind;
                add(approved);
            }
            let due = at("2026-11-21T11:00:00Z");
            for (n, overdue) in [true, false].into_iter().enumerate() {
                add(Record { phase: Phase::Waiting { due }, wait: wait(overdue), ..record(&id("wait", n)) });
            }
            let ending = Ending { reason: Reason::GaveUp, message: format!("account {owner}"), findings: vec![] };
            let ended = Phase::Ended { state: State::Failed, ending, at: at(NOW) };
            add(Record { phase: ended, ..record(&id("ended", 0)) });
        }
        let parked = records.iter().filter(|record| record.state() == State::Parked).count() as u64;
        let mut needs = Needs::default();
        records.iter().for_each(|record| needs.add(record));
        let mut counted = 0;
        for need in needs.all(at(NOW), parked, 0, &[], &[]) {
            counted += need.count;
            let by_command = meant(&need.command, &records);
            assert_eq!(by_command.len() as u64, need.count, "{}", need.command);
            let verb = need.mends.as_ref().map(|mends| match mends.command.as_str() {
                "approve" => Command::Approve,
                _ => Command::Resume,
            });
            if by_command.len() > 1 {
                assert_eq!(by_query(need.jobs.as_ref().unwrap(), None, &records), by_command, "{}", need.command);
            }
            if let Some(mends) = &need.mends {
                assert_eq!(by_query(&mends.filter, verb, &records), by_command, "{}", need.command);
            }
            let first = by_command[0];
            assert!(
                by_command.iter().all(|one| one.stands_half_done() == first.stands_half_done()),
                "{}",
                need.command
            );
        }
        assert_eq!(counted, parked + 9, "each is counted once, and the overdue ones");
    }

    #[test]
    fn hundreds_of_jobs_that_wait_for_one_thing_that_an_account_lacks_are_one_group_with_one_command() {
        let says = |n: usize| {
            let code = ["Forbbiden.TransitRouterServiceNotOpen", "NoPermission.AliyunServiceRoleForCEN"][n % 2];
            format!("account {CEN_OWNER}: GrantInstanceToTransitRouter was refused: {code}: no")
        };
        let jobs: Vec<Record> =
            (0..300).map(|n| parked(&format!("J{n}"), Reason::AccountNotReady, false, &says(n))).collect();
        let needs = of(&jobs);
        assert_eq!(needs.len(), 1, "{needs:#?}");
        assert_eq!((needs[0].cause.as_str(), needs[0].says.as_str()), ("account-not-ready", says(0).as_str()));
        let command = format!("crossgrant resume --for account-not-ready --blames {CEN_OWNER} --expect-count 300");
        assert_eq!(needs[0].command, command);
    }

    #[test]
    fn what_goes_on_by_itself_needs_no_person_until_it_is_overdue() {
        let wait = |overdue| {
            let goal = crate::domain::OrderType::PayByCenOwner;
            let (expected_at, since) = (at("2026-11-21T07:00:00Z"), at("2026-11-21T06:20:00Z"));
            Some(Wait { goal, expected_at, since, last_pending: None, unmet_since: None, doubt: false, overdue })
        };
        let waiting = |overdue| Record {
            phase: Phase::Waiting { due: at("2026-11-21T11:00:00Z") },
            wait: wait(overdue),
            ..record("W")
        };
        let mut needs = Needs::default();
        [record("Q"), waiting(false)].iter().for_each(|record| needs.add(record));
        assert_eq!(needs.all(at(NOW), 0, 0, &[], &[]), []);
        let mut needs = Needs::default();
        needs.add(&waiting(true));
        let all = needs.all(at(NOW), 0, 3, &[], &[]);
        assert_eq!((all[0].cause.as_str(), all[1].cause.as_str(), all[1].count), ("overdue", "undeliverable", 3));
        let resumed = Record { wait: wait(true), ..parked("G", Reason::GaveUp, false, "long after") };
        assert_eq!(of(&[resumed])[0].cause, "gave-up", "it is parked, and that is all to say");
    }

    #[test]
    fn rows_that_cannot_be_read_are_told_with_the_command_to_look_at_one() {
        assert_eq!(unreadable(&[]), None);
        let row = |is_batch, why: &str| UnreadableRow { uid: record("A").uid, is_batch, why: why.into() };
        let need = unreadable(&[row(false, "job A cannot be read"), row(true, "batch A cannot be read")]).unwrap();
        let said = (need.cause.as_str(), need.count, need.says.as_str(), need.command);
        assert_eq!(said, ("unreadable", 2, "job A cannot be read", format!("crossgrant show {}", record("A").uid)));
        let need = unreadable(&[row(true, "batch A cannot be read")]).unwrap();
        assert_eq!(need.command, format!("crossgrant batch show {}", record("A").uid));
    }

    #[test]
    fn messages_that_the_broker_gave_up_need_a_person() {
        assert_eq!(dead_lettered(0), None);
        let need = dead_lettered(3).unwrap();
        assert_eq!(
            (need.cause.as_str(), need.count, need.command.as_str()),
            ("messages-dead-lettered", 3, "crossgrant put-back")
        );
    }

    #[test]
    fn a_check_that_fails_comes_before_all_jobs() {
        let check = |name: &str, ok, detail: Option<&str>| HealthCheck {
            name: name.into(),
            ok,
            needed: true,
            detail: detail.map(str::to_owned),
        };
        let accounts = HealthCheck { needed: false, ..check("accounts", false, Some("told for itself")) };
        let checks =
            [check("store", true, Some("fine")), accounts, check("broker-publish", false, Some("down since then"))];
        let mut needs = Needs::default();
        needs.add(&parked("H", Reason::HalfDone, true, "x"));
        let all = needs.all(at(NOW), 1, 0, &checks, &[]);
        assert_eq!(
            (all[0].cause.as_str(), all[0].says.as_str(), all[1].cause.as_str()),
            ("broker-publish", "down since then", "half-done")
        );
    }

    #[test]
    fn a_broker_that_lacks_a_right_for_the_user_is_not_said_to_be_out_of_reach() {
        let causes = |why: &str| {
            let check = |name: &str| HealthCheck {
                name: name.into(),
                ok: false,
                needed: true,
                detail: Some(format!("down since 2026-11-28T16:24:15Z; last error: {why}")),
            };
            let needs = Needs::default().all(at(NOW), 0, 0, &[check("broker-consume"), check("broker-publish")], &[]);
            needs.into_iter().map(|need| need.cause).collect::<Vec<_>>()
        };
        let refused = "ACCESS_REFUSED - access to exchange 'crossgrant' in vhost '/' refused for user 'w'";
        assert_eq!(causes(refused), ["broker-no-right"]);
        assert_eq!(causes("Connection refused"), ["broker-unreachable"]);
    }

    fn known(uid: &str, standing: Standing) -> AccountReport {
        AccountReport {
            uid: AccountUid::parse(uid).unwrap(),
            credential: "access-key".into(),
            key_end: None,
            expires_at: None,
            last_success: None,
            standing,
            budget: None,
        }
    }

    fn refusal() -> RefusedCredential {
        RefusedCredential {
            since: at("2026-11-21T07:00:00Z"),
            code: "SignatureDoesNotMatch".into(),
            asked: "GetCallerIdentity".into(),
            message: "no".into(),
        }
    }

    #[test]
    fn an_account_that_is_refused_needs_a_person_and_one_that_is_tried_again_does_not() {
        let all = |standing| Needs::default().all(at(NOW), 0, 0, &[], &[known(CEN_OWNER, standing)]);
        let needs = all(Standing::Refused(refusal()));
        let said = (needs[0].cause.as_str(), needs[0].says.as_str(), needs[0].oldest);
        assert_eq!(said, ("account-refused", "SignatureDoesNotMatch: no", Some(refusal().since)));
        assert_eq!((all(Standing::Probing(refusal())), all(Standing::Ok)), (vec![], vec![]));
        let gone = all(Standing::Refused(RefusedCredential::not_configured(at(NOW))));
        assert_eq!((gone[0].cause.as_str(), gone[0].command.as_str()), ("account-refused", "crossgrant reload"));
        let mut needs = Needs::default();
        needs.add(&parked("P", Reason::GaveUp, false, "x"));
        needs.add(&parked("H", Reason::HalfDone, true, "x"));
        let all = needs.all(at(NOW), 2, 0, &[], &[known(CEN_OWNER, Standing::Refused(refusal()))]);
        let causes: Vec<_> = all.iter().map(|need| need.cause.as_str()).collect();
        assert_eq!(causes, ["half-done", "account-refused", "gave-up"], "the worst first");
    }

    #[test]
    fn accounts_that_were_not_reached_for_minutes_need_a_person_together() {
        let message = "sts.example: Connection refused".to_owned();
        let down = Standing::Unreachable { since: at("2026-11-21T07:15:00Z"), message };
        let accounts: Vec<AccountReport> = (1..=51).map(|uid| known(&uid.to_string(), down.clone())).collect();
        let all = |now: &str| Needs::default().all(at(now), 0, 0, &[], &accounts);
        assert_eq!(all("2026-11-21T07:19:59Z"), [], "it may pass");
        let needs = all(NOW);
        assert_eq!(needs.len(), 1, "{needs:#?}");
        assert_eq!((needs[0].cause.as_str(), needs[0].count, &needs[0].account), ("cloud-unreachable", 51, &None));
        assert_eq!(needs[0].says, "51 accounts (1, 2, 3 and 48 more): sts.example: Connection refused");
        let one = Needs::default().all(at(NOW), 0, 0, &[], &accounts[..1]);
        assert_eq!((one[0].count, one[0].account.as_ref().map(AccountUid::as_str)), (1, Some("1")));
    }
}
