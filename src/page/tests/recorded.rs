//! Jobs in every state, and what else a view can show.

use std::sync::Arc;

use crate::admin::testing::{at, incoming, record, write};
use crate::domain::{AccountUid, Attachment, Edition, Operation, OrderType, Reason};
use crate::engine::loops::intake::Inbox;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::mail::{Incoming, Intake};
use crate::engine::ports::store::{Change, Committed, LeaseUse};
use crate::engine::record::{
    Commanded, Ending, Image, Mandate, Outcome, Phase, Record, State, Turn, Undo, Wait, Write,
};

/// What a stranger could write.
pub const HOSTILE: &str = "a\"'><script>alert(1)</script>\n\u{1b}[31m\u{202e}<img src=x onerror=y> &amp;";
const RESOURCE: OrderType = OrderType::PayByResourceOwner;
const CEN: OrderType = OrderType::PayByCenOwner;
const NOW: &str = "2026-11-21T10:19:00Z";

fn ending(reason: Reason, message: &str) -> Ending {
    Ending { reason, message: message.into(), findings: vec![] }
}

fn parked(reason: Reason, message: &str, half_done: bool) -> Phase {
    Phase::Parked { ending: ending(reason, message), half_done }
}

fn ended(state: State, reason: Reason) -> Phase {
    Phase::Ended { state, ending: ending(reason, "so it ended"), at: at(NOW) }
}

fn image(written: OrderType, attached: OrderType) -> Image {
    let attachment = Attachment {
        id: "tr-attach-nls9fzkfat89340001".into(),
        edition: Edition::Enterprise,
        status: "Attached".into(),
        order_type: Some(attached),
    };
    Image {
        at: at(NOW),
        granted: true,
        order_type: Some(written),
        effective_order_type: Some(CEN),
        attachments: Some(vec![attachment]),
    }
}

/// The grant is modified, and the attachment is not.
fn half_written(record: Record) -> Record {
    let outcome = Outcome::Accepted { request_id: "R-1".into(), at: at(NOW), date: None };
    let modified = write(Operation::ModifyGrantInstanceToTransitRouter, outcome);
    let modified =
        Write { step: "modify-grant".into(), order_type: Some(RESOURCE), client_token: Some("t".into()), ..modified };
    Record {
        step: "update-attachments".into(),
        before: Some(image(CEN, CEN)),
        after: Some(image(RESOURCE, CEN)),
        writes: vec![modified],
        begun_at: Some(at(NOW)),
        ..record
    }
}

fn waiting(record: Record, overdue: bool) -> Record {
    let (expected_at, since) = (at("2026-11-21T11:00:00Z"), at(NOW));
    let wait =
        Wait { goal: RESOURCE, expected_at, since, last_pending: None, unmet_since: None, doubt: false, overdue };
    Record {
        phase: Phase::Waiting { due: expected_at },
        step: "await-hour".into(),
        wait: Some(wait),
        ..half_written(record)
    }
}

/// The record in the state that its id names.
fn in_state(record: Record) -> Record {
    let undo = Undo { ends: State::Failed, reason: Reason::RefusedByCloud, message: "Forbidden.RAM: no".into() };
    let account = AccountUid::parse("1250123456123456").unwrap();
    match record.job.id.as_str() {
        "TRYING" => Record {
            phase: Phase::Running(Turn::Due(at("2026-11-21T10:21:00Z"))),
            attempt: 3,
            gives_up_at: Some(at("2026-11-21T16:00:00Z")),
            why: "DescribeGrantRulesToCen: throttled".into(),
            ..record
        },
        "HELD" => {
            Record { phase: Phase::Queued(Turn::Held { account, expires: None }), why: "paused".into(), ..record }
        }
        "BACK" => Record {
            phase: Phase::Running(Turn::Due(at("2026-11-21T10:21:00Z"))),
            undo: Some(undo),
            ..half_written(record)
        },
        "WAITING" => waiting(record, false),
        "OVERDUE" => waiting(record, true),
        "APPROVE-1" | "APPROVE-2" => {
            Record { phase: parked(Reason::NeedsApproval, "payer changes begun: 50", false), ..record }
        }
        "GAVE-UP" => Record { phase: parked(Reason::GaveUp, "no progress for 6 h", false), ..record },
        "HALF" => Record { phase: parked(Reason::HalfDone, "one side is written", true), ..half_written(record) },
        "HALF-BACK" => Record { phase: parked(Reason::GaveUp, "no", true), undo: Some(undo), ..half_written(record) },
        "HOSTILE" => {
            let mandate = Mandate { authority: "ops".into(), by: Some(HOSTILE.into()), reason: Some(HOSTILE.into()) };
            let mut ending = ending(Reason::RefusedByCloud, HOSTILE);
            ending.findings = vec![HOSTILE.into()];
            let outcome = Outcome::Refused {
                code: HOSTILE.into(),
                message: HOSTILE.into(),
                request_id: Some(HOSTILE.into()),
                at: at(NOW),
                retry: false,
                unclassified: false,
                judged: None,
                done: false,
            };
            let refused = Write { resource: HOSTILE.into(), ..write(Operation::GrantInstanceToTransitRouter, outcome) };
            let mut record =
                Record { phase: Phase::Parked { ending, half_done: false }, writes: vec![refused], ..record };
            record.job.labels.insert(HOSTILE.into(), HOSTILE.into());
            record.why = HOSTILE.into();
            record.commands = vec![Commanded { command: "resume".into(), at: at(NOW), mandate }];
            record.after = Some(image(RESOURCE, RESOURCE));
            record.after.as_mut().unwrap().attachments.as_mut().unwrap()[0].id = HOSTILE.into();
            record
        }
        "COMPLETED" => Record { phase: ended(State::Completed, Reason::Done), ..half_written(record) },
        "FAILED" => Record { phase: ended(State::Failed, Reason::NotGranted), ..record },
        "CANCELLED" => Record { phase: ended(State::Cancelled, Reason::CancelledByOperator), ..record },
        "PLANNED" => Record { phase: ended(State::Planned, Reason::Done), ..record },
        _ => record,
    }
}

const IDS: [&str; 16] = [
    "QUEUED",
    "TRYING",
    "HELD",
    "BACK",
    "WAITING",
    "OVERDUE",
    "APPROVE-1",
    "APPROVE-2",
    "GAVE-UP",
    "HALF",
    "HALF-BACK",
    "HOSTILE",
    "COMPLETED",
    "FAILED",
    "CANCELLED",
    "PLANNED",
];

/// Puts a job in every state into the store of an engine, a rejected message and a batch.
pub async fn everything(engine: &Arc<Engine>) -> Vec<Record> {
    let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
    let mut jobs = Vec::new();
    for id in IDS {
        let mut message = incoming("ticketing", id);
        // Each is alone on its instance, so that none waits for another.
        let instance = format!("vpc-bp1h8vbrbcgohcju5{:04}", jobs.len() + 1);
        message.body =
            String::from_utf8(message.body.to_vec()).unwrap().replace("vpc-bp1h8vbrbcgohcju50001", &instance).into();
        inbox.take(vec![message]).await.unwrap();
        let requester = record(id).requester;
        let found = engine
            .store
            .find(&requester, &record(id).job.id)
            .await
            .unwrap()
            .unwrap_or_else(|| panic!("{id} was taken"));
        let next = in_state(found.clone());
        if next == found {
            jobs.push(found);
            continue;
        }
        let next = Arc::new(Record { revision: found.revision + 1, ..next });
        let change = Change {
            record: next.clone(),
            lease: LeaseUse::None,
            outbound: vec![],
            also: vec![],
            admission: None,
            intends: false,
        };
        assert_eq!(engine.store.commit(change).await.unwrap(), Committed::Done, "{id}");
        jobs.push((*next).clone());
    }
    let bad = Incoming {
        body: format!("{{\"id\": \"BAD\", \"kind\": {}}}", serde_json::json!(HOSTILE)).into(),
        routing_key: "job.gift".into(),
        user_id: Some("ticketing".into()),
        ..Default::default()
    };
    let mut of_a_batch = incoming("ticketing", "IN-BATCH");
    of_a_batch.body = with_batch(&of_a_batch.body).into();
    inbox.take(vec![bad, of_a_batch]).await.unwrap();
    jobs
}

fn with_batch(body: &[u8]) -> Vec<u8> {
    let mut job: serde_json::Value = serde_json::from_slice(body).unwrap();
    job["batch"] = serde_json::json!({"id": "MOVE-7", "size": 3});
    job["instance"]["id"] = "vpc-bp1h8vbrbcgohcju59999".into();
    serde_json::to_vec(&job).unwrap()
}
