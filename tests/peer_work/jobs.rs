//! The way in: the peers' messages as jobs. Whatever has arrived is taken in one commit, each message once by its
//! `jobId`, and then acknowledged at once, as the worker's own consumer does; only the queue is another, and what a
//! message says.

use anyhow::{Context as _, Result};
use crossgrant::domain::{
    AccountUid, Attachments, Cen, CenId, Instance, InstanceId, InstanceType, Job, JobId, JobUid, Kind, Mode, Reason,
    Region, Requester,
};
use crossgrant::engine::loops::shared::Engine;
use crossgrant::engine::ports::store::{Arrival, Message, Rejection, Taken};
use crossgrant::engine::record::{Origin, Record};
use futures_util::{FutureExt as _, StreamExt as _};
use lapin::options::{BasicAckOptions, BasicConsumeOptions, BasicQosOptions, QueueDeclareOptions};
use lapin::types::FieldTable;
use lapin::{Connection, ConnectionProperties};
use serde::Deserialize;
use uuid::Uuid;

/// The queue that jobs come from.
const JOBS: &str = "jobs";
/// The queue that completions go to.
pub const DONE: &str = "done";
/// The label that keeps a message as it came.
pub const INPUT: &str = "input";
/// Unacknowledged deliveries, and messages in one commit: those of the worker's own consumer.
const PREFETCH: u16 = 200;
const BATCH: usize = 256;

/// What must be known of a message.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "jobId")]
    job_id: String,
}

/// Takes messages in for as long as it is polled; ends only with an error.
pub async fn consume(url: &str, engine: &Engine) -> Result<()> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let channel = connection.create_channel().await?;
    for queue in [JOBS, DONE] {
        channel.queue_declare(queue.into(), QueueDeclareOptions::durable(), FieldTable::default()).await?;
    }
    channel.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    let options = BasicConsumeOptions::default();
    let mut deliveries = channel.basic_consume(JOBS.into(), "".into(), options, FieldTable::default()).await?;
    loop {
        let first = deliveries.next().await.context("the broker is gone")??;
        let mut last = first.acker.clone();
        let mut bodies = vec![first.data];
        while bodies.len() < BATCH {
            let Some(Some(next)) = deliveries.next().now_or_never() else { break };
            let next = next?;
            last = next.acker.clone();
            bodies.push(next.data);
        }
        take(engine, bodies).await?;
        last.ack(BasicAckOptions { multiple: true }).await?;
    }
}

/// Commits messages as jobs and lets the worker know.
pub async fn take(engine: &Engine, bodies: Vec<Vec<u8>>) -> Result<Vec<Taken>> {
    let messages = bodies.into_iter().map(|body| Ok(Message::Arrival(Box::new(arrival(engine, body)?))));
    let taken = engine.store.take(messages.collect::<Result<_>>()?).await?;
    engine.work.notify_one();
    engine.ring();
    Ok(taken)
}

/// A message as a grant of an instance that is named after its `jobId`, which is echoed as the correlation id. Nothing
/// is said of its acceptance: the peers do not either.
fn arrival(engine: &Engine, body: Vec<u8>) -> Result<Arrival> {
    let input = String::from_utf8(body).context("a message is not a text")?;
    let Header { job_id } = serde_json::from_str(&input).context("a message is not a job")?;
    let name = Uuid::new_v5(&Uuid::NAMESPACE_OID, job_id.as_bytes()).simple();
    let job = Job {
        id: JobId::parse(job_id.as_str())?,
        kind: Kind::Grant,
        instance: Instance {
            kind: InstanceType::VPC,
            id: InstanceId::parse(format!("vpc-{name}"))?,
            region: Region::parse("cn-hangzhou")?,
            owner: AccountUid::parse("1688000000000001")?,
        },
        cen: Cen { id: CenId::parse("cen-44m0p68spvlrqq0001")?, owner: AccountUid::parse("1250123456123456")? },
        order_type: None,
        attachments: Attachments::Refuse,
        not_before: None,
        not_after: None,
        mode: Mode::Apply,
        batch: None,
        labels: [(INPUT.to_owned(), input)].into(),
    };
    let (uid, digest, now) = (JobUid(Uuid::now_v7()), job.digest(), engine.clock.now());
    let reused = Rejection {
        uid: JobUid(Uuid::now_v7()),
        at: now,
        requester: Requester::anonymous(),
        job_id: Some(job_id.clone()),
        batch_id: None,
        faults_not_listed: 0,
        reasons: serde_json::to_string(&[Reason::IdReused])?,
        origin: Origin::default(),
        outbound: vec![],
        kept: None,
    };
    let definition = engine.catalog.definition(job.kind);
    let first = &definition.first().name;
    let mut record = Record::new(uid, Requester::anonymous(), job, definition.digest(), first, now);
    record.origin.correlation_id = Some(job_id);
    Ok(Arrival { record: Box::new(record), digest, outbound: vec![], reused, most_unbegun: None, batch: None })
}
