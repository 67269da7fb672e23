//! `dead`: lists rejected jobs and undelivered events, and sends undelivered events again.

use serde_json::json;

use super::args::{DeadCommand, DeadListArgs, DeadReplayArgs};
use super::client::AdminClient;
use super::exit::{CliError, Exit};
use super::output;
use crate::admin::{RejectionPage, Replayed, Undeliverable, UndeliverablePage};
use crate::domain::Code;
use crate::engine::ports::store::Rejected;

/// Carries out `dead list` or `dead replay`.
pub(super) async fn dead(command: &DeadCommand, worker: &AdminClient) -> Result<Exit, CliError> {
    match command {
        DeadCommand::List(args) => list(args, worker).await,
        DeadCommand::Replay(args) => replay(args, worker).await,
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
        (undelivered.messages.len(), undelivered.total, "undelivered events"),
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
        let Undeliverable { number, message_id, exchange, routing_key, .. } = message;
        let to = if exchange.is_empty() { format!("queue {routing_key}") } else { format!("{exchange} {routing_key}") };
        format!("undeliverable  {number}  {message_id}  to {to}")
    });
    rejected.chain(undelivered).collect()
}

async fn replay(args: &DeadReplayArgs, worker: &AdminClient) -> Result<Exit, CliError> {
    let query = if args.numbers.is_empty() {
        let total = worker.get::<UndeliverablePage>("/v1/undeliverable?limit=1").await?.total;
        if total == 0 {
            output::line("there are no undelivered events")?;
            return Ok(Exit::Ok);
        }
        if total > 1 && !args.yes {
            let message = format!("this would send all {total} undelivered events again; confirm with --yes");
            return Err(CliError::failed(message).code(Code::NeedsYes));
        }
        format!("expect={total}")
    } else {
        args.numbers.iter().map(|number| format!("number={number}")).collect::<Vec<_>>().join("&")
    };
    let Replayed { replayed } = worker.post(&format!("/v1/undeliverable/replay?{query}")).await?;
    output::line(&format!("events to be sent again: {replayed}"))?;
    let all = args.numbers.is_empty() || args.numbers.len() == replayed;
    Ok(if all { Exit::Ok } else { Exit::Failed })
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
    use crate::engine::ports::mail::{Incoming, Intake};
    use crate::telemetry::Metrics;

    /// A worker on its own port. Its events about these jobs are undeliverable, and it has rejected one message.
    async fn worker(jobs: &[&str]) -> (Arc<Engine>, AdminClient, watch::Sender<bool>) {
        let metrics = Arc::new(Metrics::new());
        let engine = engine(metrics.clone()).await;
        let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
        for id in jobs {
            inbox.take(vec![incoming("bot", id)]).await.unwrap();
        }
        let numbers: Vec<i64> = engine.store.outbox(0, 100).await.unwrap().iter().map(|queued| queued.number).collect();
        engine.store.mark_sent(&[], &numbers).await.unwrap();
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
        assert!(text.contains("to crossgrant.events job.accepted"), "{text}");
        assert_eq!(lines(&rejected.rejections, &undelivered.messages, true).len(), 2);
        let bad = worker.get::<RejectionPage>("/v1/rejections?befor=x").await.unwrap_err();
        assert_eq!(bad.exit, Exit::Usage);
    }

    #[tokio::test]
    async fn many_events_are_sent_again_only_with_yes() {
        let (engine, worker, _stop) = worker(&["NET-1", "NET-2"]).await;
        let queued = engine.store.outbox(0, 100).await.unwrap().len();
        let mut args = DeadReplayArgs { numbers: vec![], yes: false, worker: Default::default() };
        let error = replay(&args, &worker).await.unwrap_err();
        assert!(error.message.contains("all 2 undelivered events again; confirm with --yes"), "{error}");
        let other = worker.post::<Replayed>("/v1/undeliverable/replay?expect=3").await.unwrap_err();
        assert!(other.message.contains("undeliverable messages: 2, not 3"), "{other}");
        assert_eq!(engine.store.outbox(0, 100).await.unwrap().len(), queued, "nothing was sent");

        args.yes = true;
        assert_eq!(replay(&args, &worker).await.unwrap(), Exit::Ok);
        assert_eq!(engine.store.outbox(0, 100).await.unwrap().len(), queued + 2);
        args.numbers = vec![1];
        assert_eq!(replay(&args, &worker).await.unwrap(), Exit::Failed, "it is not there any more");
    }
}
