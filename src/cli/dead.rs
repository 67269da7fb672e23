//! `dead`: what is wrong with rejected jobs and undelivered messages, sending undelivered messages again, and dropping either.

use jiff::Timestamp;
use serde_json::json;

use super::args::{DeadCommand, DeadDropArgs, DeadFilterArgs, DeadListArgs, DeadReplayArgs};
use super::client::{AdminClient, query};
use super::dead_show::show;
use super::dead_text::{about, fault_lines, undelivered_line};
use super::exit::{CliError, Exit};
use super::moments::Moments;
use super::output;
use crate::admin::{DeadGroup, DeadGroups, Dropped, RejectionPage, Replayed, Undeliverable, UndeliverablePage};
use crate::domain::JobUid;
use crate::engine::ports::store::Rejected;

/// Carries out `dead list`, `dead show`, `dead replay` or `dead drop`.
pub(super) async fn dead(command: &DeadCommand, worker: &AdminClient) -> Result<Exit, CliError> {
    match command {
        DeadCommand::List(args) => list(args, worker).await,
        DeadCommand::Show(args) => show(args, worker).await,
        DeadCommand::Replay(args) => replay(args, worker).await,
        DeadCommand::Drop(args) => drop_messages(args, worker).await,
    }
}

async fn list(args: &DeadListArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let requester = args.requester.as_deref().map(|requester| ("requester", requester));
    let mut filter = args.filter.pairs();
    filter.extend(requester);
    if args.each {
        return each(args, filter, worker).await;
    }
    let groups: DeadGroups = worker.get(&format!("/v1/dead?{}", query(&[filter]))).await?;
    let lines = match args.json {
        true => vec![json!(groups).to_string()],
        false => group_lines(&groups, &Moments::on_stdout()),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    Ok(Exit::Ok)
}

/// Lists message by message.
async fn each(args: &DeadListArgs, mut filter: Vec<(&str, &str)>, worker: &AdminClient) -> Result<Exit, CliError> {
    let limit = args.limit.to_string();
    filter.push(("limit", &limit));
    let query = query(&[filter]);
    let rejected: RejectionPage = worker.get(&format!("/v1/rejections?{query}")).await?;
    let undelivered: UndeliverablePage = worker.get(&format!("/v1/undeliverable?{query}")).await?;
    for line in lines(&rejected.rejections, &undelivered.messages, args.json) {
        output::line(&line)?;
    }
    for (shown, total, what) in [
        (rejected.rejections.len(), rejected.total, "rejected jobs"),
        (undelivered.messages.len(), undelivered.total, "undelivered messages"),
    ] {
        if u64::try_from(shown).is_ok_and(|shown| shown < total) {
            tracing::warn!("{shown} of {total} {what} are shown; --limit shows more");
        }
    }
    Ok(Exit::Ok)
}

/// A count for each group, what one of its messages says, and its command.
fn group_lines(groups: &DeadGroups, moments: &Moments) -> Vec<String> {
    let mut lines = Vec::new();
    for (what, title, count) in [
        ("rejected", "REJECTED JOBS", groups.rejected),
        ("undeliverable", "UNDELIVERED MESSAGES", groups.undeliverable),
    ] {
        lines.push(format!("{title}  {count}"));
        for group in groups.groups.iter().filter(|group| group.what == what) {
            let DeadGroup { count, cause, requester, to, says, oldest, newest, command, .. } = group;
            let from = requester.as_ref().map(|requester| format!("  from {requester}")).unwrap_or_default();
            let to = to.as_ref().map(|to| format!("  to {to}")).unwrap_or_default();
            lines.push(format!("{count:>7}  {cause}{from}{to}{}", times(*oldest, *newest, moments)));
            lines.push(format!("         {says}"));
            lines.push(format!("         {command}"));
        }
    }
    if groups.others > 0 {
        lines.push(format!("messages in smaller groups: {}; crossgrant dead list --each", groups.others));
    }
    lines
}

fn times(oldest: Option<Timestamp>, newest: Option<Timestamp>, moments: &Moments) -> String {
    match oldest.zip(newest) {
        None => String::new(),
        Some((oldest, newest)) if oldest == newest => format!("  at {}", moments.say(oldest)),
        Some((oldest, newest)) => format!("  oldest {}, newest {}", moments.say(oldest), moments.say(newest)),
    }
}

fn lines(rejected: &[Rejected], undelivered: &[Undeliverable], json: bool) -> Vec<String> {
    let rejected = rejected.iter().flat_map(|rejected| {
        if json {
            return vec![json!({"rejected": rejected}).to_string()];
        }
        let mut lines = vec![format!("rejected       {}  {}  {}", rejected.uid, rejected.at, about(rejected))];
        lines.extend(fault_lines(rejected).map(|fault| format!("               {fault}")));
        lines
    });
    let undelivered = undelivered.iter().map(|message| match json {
        true => json!({"undeliverable": message}).to_string(),
        false => format!("undeliverable  {}", undelivered_line(message)),
    });
    rejected.chain(undelivered).collect()
}

async fn replay(args: &DeadReplayArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let numbers: Vec<String> = args.numbers.iter().map(i64::to_string).collect();
    let chosen = match (numbers.as_slice(), args.expect_count) {
        ([], None) => return count(&args.filter, args.json, "send them again", worker).await,
        (numbers, expected) => chosen(numbers, &args.filter, expected),
    };
    let query = query(&[borrowed(&chosen), args.mandate.pairs()]);
    let answer: Replayed = worker.post(&format!("/v1/undeliverable/replay?{query}")).await?;
    output::line(&match args.json {
        true => json!(answer).to_string(),
        false => format!("messages to be sent again: {}", answer.replayed),
    })?;
    Ok(all_of(numbers.len(), answer.replayed))
}

async fn drop_messages(args: &DeadDropArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    if args.ids.is_empty() && args.expect_count.is_none() {
        return count(&args.filter, args.json, "delete them for good", worker).await;
    }
    let (mut numbers, mut uids) = (Vec::new(), Vec::new());
    for id in &args.ids {
        match (id.parse::<i64>(), id.parse::<JobUid>()) {
            (Ok(_), _) => numbers.push(id.clone()),
            (_, Ok(_)) => uids.push(("uid", id.as_str())),
            _ => {
                let why = format!("\"{id}\" is neither the number of a message nor the uid of a rejected job");
                return Err(CliError::usage(why));
            }
        }
    }
    let mut dropped = 0;
    if !uids.is_empty() {
        let query = query(&[uids, args.mandate.pairs()]);
        dropped += worker.post::<Dropped>(&format!("/v1/rejections/drop?{query}")).await?.dropped;
    }
    if !numbers.is_empty() || args.expect_count.is_some() {
        let chosen = chosen(&numbers, &args.filter, args.expect_count);
        let query = query(&[borrowed(&chosen), args.mandate.pairs()]);
        dropped += worker.post::<Dropped>(&format!("/v1/undeliverable/drop?{query}")).await?.dropped;
    }
    output::line(&match args.json {
        true => json!(Dropped { dropped }).to_string(),
        false => format!("messages deleted: {dropped}"),
    })?;
    if dropped < args.ids.len() {
        tracing::warn!(
            "the others are not there; or they are rejected jobs whose event or answer is still to be published"
        );
    }
    Ok(all_of(args.ids.len(), dropped))
}

/// Lists the groups of the undelivered messages that match, and says how to command them.
async fn count(filter: &DeadFilterArgs, json: bool, verb: &str, worker: &AdminClient) -> Result<Exit, CliError> {
    let found: DeadGroups = worker.get(&format!("/v1/dead?{}", query(&[filter.pairs()]))).await?;
    let total = found.undeliverable;
    let groups = found.groups.into_iter().filter(|group| group.what == "undeliverable").collect();
    let found = DeadGroups { groups, rejected: 0, ..found };
    let lines = match json {
        true => vec![json!(found).to_string()],
        false if total == 0 => vec!["no message matches".to_owned()],
        false => group_lines(&found, &Moments::on_stdout()).split_off(1),
    };
    lines.iter().try_for_each(|line| output::line(line))?;
    if total == 0 {
        return Ok(Exit::Ok);
    }
    Err(CliError::failed(format!("messages that match: {total}; to {verb}, add --expect-count {total}")))
}

/// The parameters that choose messages: by their numbers, or all that match.
fn chosen(numbers: &[String], filter: &DeadFilterArgs, expected: Option<usize>) -> Vec<(&'static str, String)> {
    let numbers = numbers.iter().map(|number| ("number", number.clone()));
    let filter = filter.pairs().into_iter().map(|(name, value)| (name, value.to_owned()));
    numbers.chain(filter).chain(expected.map(|expected| ("expect", expected.to_string()))).collect()
}

fn borrowed<'a>(pairs: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    pairs.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

fn all_of(named: usize, done: usize) -> Exit {
    if named == 0 || named == done { Exit::Ok } else { Exit::Failed }
}

#[cfg(test)]
pub(super) mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use tokio::sync::watch;

    use super::*;
    use crate::admin::testing::{START, at, engine_by, incoming, secret, tokens};
    use crate::admin::{Admin, AdminParts, AdminRole};
    use crate::cli::moments::tests::piped;
    use crate::cli::token::ClientToken;
    use crate::clock::ManualClock;
    use crate::engine::loops::intake::Inbox;
    use crate::engine::loops::shared::Engine;
    use crate::engine::ports::mail::{Incoming, Intake, Lane};
    use crate::engine::ports::store::{Outbox, OutboxPage, OutboxRow, SetAside, Settlement};
    use crate::telemetry::Metrics;

    /// The events that are still to be published.
    async fn queued(engine: &Engine) -> Vec<OutboxRow> {
        let page = OutboxPage { lane: Lane::Events, which: Outbox::Fresh(0), messages: 100, bytes: 1 << 20 };
        engine.store.outbox(page).await.unwrap()
    }

    /// A worker on its own port. Its events about these jobs are undeliverable, and it has rejected one message, a second ago.
    pub async fn worker(jobs: &[&str]) -> (Arc<Engine>, AdminClient, watch::Sender<bool>) {
        let metrics = Arc::new(Metrics::new());
        let clock = Arc::new(ManualClock::new(at(START)));
        let engine = engine_by(clock.clone(), metrics.engine()).await;
        let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
        for id in jobs {
            inbox.take(vec![incoming("bot", id)]).await.unwrap();
        }
        let aside = |row: OutboxRow| {
            let reason = "NOT_FOUND - no exchange".into();
            SetAside { number: row.number, reason, tries: 2, given_up: false }
        };
        let undeliverable = queued(&engine).await.into_iter().map(aside).collect();
        let settlement = Settlement { undeliverable, ..Settlement::default() };
        engine.store.settle(Lane::Events, &settlement).await.unwrap();
        inbox.take(vec![Incoming { body: "{}".into(), ..Incoming::default() }]).await.unwrap();
        clock.advance(Duration::from_secs(1));
        let (stop, stopping) = watch::channel(false);
        let (broker, hosts) = (None, vec![]);
        let admin =
            Admin::new(AdminParts { engine: engine.clone(), metrics, broker, tokens: tokens(), hosts, stopping });
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async move { axum::serve(listener, admin.router()).await });
        let token = ClientToken::Is(secret(AdminRole::Operator).into(), "the test".into());
        (engine, AdminClient::new(&url, |_| Ok(token)).unwrap(), stop)
    }

    #[tokio::test]
    async fn rejected_jobs_and_undelivered_events_are_listed_with_their_reasons() {
        let (_engine, worker, _stop) = worker(&["NET-1"]).await;
        let rejected: RejectionPage = worker.get("/v1/rejections").await.unwrap();
        let undelivered: UndeliverablePage = worker.get("/v1/undeliverable").await.unwrap();
        assert_eq!((rejected.total, undelivered.total), (1, 1));
        let text = lines(&rejected.rejections, &undelivered.messages, false).join("\n");
        assert!(text.contains("anonymous/?\n") && text.contains("\n               /kind: "), "{text}");
        let faults = rejected.rejections[0].reasons.as_array().unwrap().len();
        assert_eq!((faults > 3, text.lines().count()), (true, 1 + faults + 1), "one fault on each line: {text}");
        assert!(text.contains("to crossgrant.events job.accepted  NOT_FOUND - no exchange (tried 2 times)"), "{text}");
        assert_eq!(lines(&rejected.rejections, &undelivered.messages, true).len(), 2);
        let bad = worker.get::<RejectionPage>("/v1/rejections?befor=x").await.unwrap_err();
        assert_eq!(bad.exit, Exit::Usage);
    }

    #[tokio::test]
    async fn messages_are_grouped_by_what_is_wrong_with_them() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2"]).await;
        let groups: DeadGroups = worker.get("/v1/dead").await.unwrap();
        let rejected = engine.store.rejections(9, None).await.unwrap().remove(0);
        let expected = format!(
            "REJECTED JOBS  1\n      1  job-missing-field  from anonymous  at 2026-11-21T10:20:00Z\n         /id: is missing\n         \
             crossgrant dead show {}\nUNDELIVERED MESSAGES  2\n      2  unpublishable  to crossgrant.events  at \
             2026-11-21T10:20:00Z\n         NOT_FOUND - no exchange\n         crossgrant dead replay --to crossgrant.events \
             --for unpublishable",
            rejected.uid
        );
        let text = group_lines(&groups, &piped()).join("\n");
        assert_eq!(text.replace(&rejected_says(&rejected), "/id: is missing"), expected);
        let none: DeadGroups = worker.get("/v1/dead?to=elsewhere&until=1h").await.unwrap();
        assert_eq!((none.rejected, none.undeliverable, none.groups.len()), (0, 0, 0));
        let each: RejectionPage = worker.get("/v1/rejections?requester=anonymous&for=job-missing-field").await.unwrap();
        assert_eq!((each.total, each.rejections.len()), (1, 1));
        let each: UndeliverablePage = worker.get("/v1/undeliverable?for=unpublishable&limit=1").await.unwrap();
        assert_eq!((each.total, each.messages.len()), (2, 1));
        let after = format!("/v1/undeliverable?for=unpublishable&after={}", each.next.unwrap());
        assert_eq!(worker.get::<UndeliverablePage>(&after).await.unwrap().messages.len(), 1);
    }

    /// What the first fault of a rejection says.
    fn rejected_says(rejected: &Rejected) -> String {
        fault_lines(rejected).next().unwrap().rsplit_once(" [").unwrap().0.to_owned()
    }

    #[tokio::test]
    async fn undelivered_messages_are_dropped_by_number_or_those_that_match_if_the_count_is_right() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2", "NET-3"]).await;
        let numbers: Vec<i64> =
            engine.store.undeliverable(0, 9).await.unwrap().iter().map(|message| message.number).collect();
        let mut args = DeadDropArgs { ids: vec![numbers[1].to_string()], ..DeadDropArgs::default() };
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Failed, "it is not there any more");
        args.ids.clear();
        let error = drop_messages(&args, &worker).await.unwrap_err();
        assert!(error.message.contains("match: 2; to delete them for good, add --expect-count 2"), "{error}");
        args.expect_count = Some(3);
        let error = drop_messages(&args, &worker).await.unwrap_err();
        assert!(error.message.contains("messages that match: 2, not 3; nothing was deleted"), "{error}");
        args.expect_count = Some(0);
        args.filter.to = Some("elsewhere".into());
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(engine.store.undeliverable(0, 9).await.unwrap().len(), 2, "none goes there");
        args.expect_count = Some(2);
        args.filter = DeadFilterArgs { to: Some("crossgrant.events".into()), ..DeadFilterArgs::default() };
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(engine.store.undeliverable(0, 9).await.unwrap(), []);
        args.expect_count = None;
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok, "there is nothing left");
    }

    #[tokio::test]
    async fn a_rejected_job_is_dropped_by_its_uid_once_its_event_is_out() {
        let (engine, worker, _stop) = worker(&["NET-1"]).await;
        let uid = engine.store.rejections(9, None).await.unwrap()[0].uid;
        let args = DeadDropArgs { ids: vec![uid.to_string()], ..DeadDropArgs::default() };
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Failed, "its event waits in the outbox");
        for lane in Lane::ALL {
            let page = OutboxPage { lane, which: Outbox::Fresh(0), messages: 100, bytes: 1 << 20 };
            let done = engine.store.outbox(page).await.unwrap().iter().map(|row| row.number).collect();
            engine.store.settle(lane, &Settlement { done, ..Settlement::default() }).await.unwrap();
        }
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(engine.store.rejections(9, None).await.unwrap(), []);
        let bad = DeadDropArgs { ids: vec!["NET-1".into()], ..DeadDropArgs::default() };
        assert_eq!(drop_messages(&bad, &worker).await.unwrap_err().exit, Exit::Usage);
    }

    #[tokio::test]
    async fn many_messages_are_sent_again_only_if_the_count_is_right() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2"]).await;
        let before = queued(&engine).await.len();
        let mut args = DeadReplayArgs::default();
        let error = replay(&args, &worker).await.unwrap_err();
        assert!(error.message.contains("match: 2; to send them again, add --expect-count 2"), "{error}");
        let other = worker.post::<Replayed>("/v1/undeliverable/replay?expect=3").await.unwrap_err();
        assert!(other.message.contains("messages that match: 2, not 3; nothing was sent"), "{other}");
        let bare = worker.post::<Replayed>("/v1/undeliverable/replay?to=x").await.unwrap_err();
        assert_eq!(bare.exit, Exit::Usage, "{bare}");
        assert_eq!(queued(&engine).await.len(), before, "nothing was sent");

        args.expect_count = Some(2);
        assert_eq!(replay(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(queued(&engine).await.len(), before + 2);
        args = DeadReplayArgs { numbers: vec![1], ..DeadReplayArgs::default() };
        assert_eq!(replay(&args, &worker).await.unwrap(), Exit::Failed, "it is not there any more");
    }
}
