//! `dead`: lists rejected jobs and undelivered messages, sends undelivered messages again, and drops them.

use serde_json::json;

use super::args::{DeadChoiceArgs, DeadCommand, DeadListArgs};
use super::client::AdminClient;
use super::exit::{CliError, Exit};
use super::output;
use crate::admin::{Dropped, RejectionPage, Replayed, Undeliverable, UndeliverablePage};
use crate::domain::Code;
use crate::engine::ports::store::Rejected;

/// Carries out `dead list`, `dead replay` or `dead drop`.
pub(super) async fn dead(command: &DeadCommand, worker: &AdminClient) -> Result<Exit, CliError> {
    match command {
        DeadCommand::List(args) => list(args, worker).await,
        DeadCommand::Replay(args) => replay(args, worker).await,
        DeadCommand::Drop(args) => drop_messages(args, worker).await,
    }
}

async fn list(args: &DeadListArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let limit = args.limit;
    let rejected: RejectionPage = worker.get(&format!("/v1/rejections?limit={limit}")).await?;
    let undelivered: UndeliverablePage = worker.get(&format!("/v1/undeliverable?limit={limit}")).await?;
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

fn lines(rejected: &[Rejected], undelivered: &[Undeliverable], json: bool) -> Vec<String> {
    let rejected = rejected.iter().map(|rejected| {
        if json {
            return json!({"rejected": rejected}).to_string();
        }
        let Rejected { at, requester, job_id, reasons, .. } = rejected;
        let reasons = reasons.as_array().map(Vec::as_slice).unwrap_or_default().iter().map(|reason| {
            let text = |name: &str| reason.get(name).and_then(|value| value.as_str()).unwrap_or("?").to_owned();
            format!("{}: {} [{}]", text("at"), text("message"), text("code"))
        });
        let reasons = reasons.collect::<Vec<_>>().join("; ");
        format!("rejected       {at}  {requester}/{}  {reasons}", job_id.as_deref().unwrap_or("?"))
    });
    let undelivered = undelivered.iter().map(|message| {
        if json {
            return json!({"undeliverable": message}).to_string();
        }
        let Undeliverable { number, message_id, exchange, routing_key, reason, tries, .. } = message;
        let to = if exchange.is_empty() { format!("queue {routing_key}") } else { format!("{exchange} {routing_key}") };
        let tries = if *tries == 0 { String::new() } else { format!(" (tried {tries} times)") };
        format!("undeliverable  {number}  {message_id}  to {to}  {reason}{tries}")
    });
    rejected.chain(undelivered).collect()
}

async fn replay(args: &DeadChoiceArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let answer: Replayed = match chosen(args, worker, "send", "again").await? {
        Some(query) => worker.post(&format!("/v1/undeliverable/replay?{query}")).await?,
        None if args.json => Replayed { replayed: 0 },
        None => return none(),
    };
    output::line(&match args.json {
        true => json!(answer).to_string(),
        false => format!("messages to be sent again: {}", answer.replayed),
    })?;
    Ok(all_of(args, answer.replayed))
}

async fn drop_messages(args: &DeadChoiceArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let answer: Dropped = match chosen(args, worker, "delete", "for good").await? {
        Some(query) => worker.post(&format!("/v1/undeliverable/drop?{query}")).await?,
        None if args.json => Dropped { dropped: 0 },
        None => return none(),
    };
    output::line(&match args.json {
        true => json!(answer).to_string(),
        false => format!("messages deleted: {}", answer.dropped),
    })?;
    Ok(all_of(args, answer.dropped))
}

fn none() -> Result<Exit, CliError> {
    output::line("there are no undelivered messages")?;
    Ok(Exit::Ok)
}

/// The query that names the chosen messages, with what is said with the command; `None` if there are none to choose.
async fn chosen(
    args: &DeadChoiceArgs,
    worker: &AdminClient,
    verb: &str,
    how: &str,
) -> Result<Option<String>, CliError> {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(args.mandate.pairs());
    if !args.numbers.is_empty() {
        query.extend_pairs(args.numbers.iter().map(|number| ("number", number.to_string())));
        return Ok(Some(query.finish()));
    }
    let total = worker.get::<UndeliverablePage>("/v1/undeliverable?limit=1").await?.total;
    if total == 0 {
        return Ok(None);
    }
    if total > 1 && !args.yes {
        let message = format!("this would {verb} all {total} undelivered messages {how}; confirm with --yes");
        return Err(CliError::failed(message).code(Code::NeedsYes));
    }
    Ok(Some(query.append_pair("expect", &total.to_string()).finish()))
}

fn all_of(args: &DeadChoiceArgs, done: usize) -> Exit {
    if args.numbers.is_empty() || args.numbers.len() == done { Exit::Ok } else { Exit::Failed }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use tokio::sync::watch;

    use super::*;
    use crate::admin::testing::{engine, incoming, secret, tokens};
    use crate::admin::{Admin, AdminParts, AdminRole};
    use crate::cli::token::ClientToken;
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

    /// A worker on its own port. Its events about these jobs are undeliverable, and it has rejected one message.
    async fn worker(jobs: &[&str]) -> (Arc<Engine>, AdminClient, watch::Sender<bool>) {
        let metrics = Arc::new(Metrics::new());
        let engine = engine(metrics.clone()).await;
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
        assert!(text.contains("anonymous/?") && text.contains("/kind: "), "{text}");
        assert!(text.contains("to crossgrant.events job.accepted  NOT_FOUND - no exchange (tried 2 times)"), "{text}");
        assert_eq!(lines(&rejected.rejections, &undelivered.messages, true).len(), 2);
        let bad = worker.get::<RejectionPage>("/v1/rejections?befor=x").await.unwrap_err();
        assert_eq!(bad.exit, Exit::Usage);
    }

    #[tokio::test]
    async fn undelivered_messages_are_dropped_by_number_or_all_with_yes() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2", "NET-3"]).await;
        let numbers: Vec<i64> =
            engine.store.undeliverable(0, 9).await.unwrap().iter().map(|message| message.number).collect();
        let mut args = DeadChoiceArgs {
            numbers: vec![numbers[1]],
            yes: false,
            json: false,
            mandate: Default::default(),
            worker: Default::default(),
        };
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Failed, "it is not there any more");
        args.numbers.clear();
        let error = drop_messages(&args, &worker).await.unwrap_err();
        assert!(error.message.contains("delete all 2 undelivered messages for good; confirm with --yes"), "{error}");
        let other = worker.post::<Dropped>("/v1/undeliverable/drop?expect=3").await.unwrap_err();
        assert!(other.message.contains("undeliverable messages: 2, not 3; nothing was deleted"), "{other}");
        args.yes = true;
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(engine.store.undeliverable(0, 9).await.unwrap(), []);
        assert_eq!(drop_messages(&args, &worker).await.unwrap(), Exit::Ok, "there is nothing left");
    }

    #[tokio::test]
    async fn many_events_are_sent_again_only_with_yes() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2"]).await;
        let before = queued(&engine).await.len();
        let mut args = DeadChoiceArgs {
            numbers: vec![],
            yes: false,
            json: false,
            mandate: Default::default(),
            worker: Default::default(),
        };
        let error = replay(&args, &worker).await.unwrap_err();
        assert!(error.message.contains("all 2 undelivered messages again; confirm with --yes"), "{error}");
        let other = worker.post::<Replayed>("/v1/undeliverable/replay?expect=3").await.unwrap_err();
        assert!(other.message.contains("undeliverable messages: 2, not 3"), "{other}");
        assert_eq!(queued(&engine).await.len(), before, "nothing was sent");

        args.yes = true;
        assert_eq!(replay(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(queued(&engine).await.len(), before + 2);
        args.numbers = vec![1];
        assert_eq!(replay(&args, &worker).await.unwrap(), Exit::Failed, "it is not there any more");
    }
}
