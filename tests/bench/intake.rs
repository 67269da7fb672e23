//! W4: how fast a burst is accepted, against a bare consumer on the same broker that publishes one confirmed message for
//! each delivery.

use anyhow::{Context as _, Result};
use crossgrant::clock::{Clock as _, SystemClock};
use futures_util::StreamExt as _;
use lapin::options::{
    BasicAckOptions, BasicConsumeOptions, BasicPublishOptions, BasicQosOptions, ConfirmSelectOptions,
    QueueDeclareOptions, QueueDeleteOptions,
};
use lapin::types::{AMQPValue, FieldTable, LongString};
use lapin::{BasicProperties, Connection, ConnectionProperties};

use super::case::Case;
use super::driver::Driver;
use super::figures::Figures;
use super::hour::endless;
use super::meter::{Meter, largest};
use super::rig::Rig;
use super::world::{Network, job};

/// Unacknowledged deliveries of the bare consumer, as many as the worker has.
const PREFETCH: u16 = 200;
/// Long after the measurement: accepted is all that they become.
const NOT_BEFORE: &str = "2099-01-01T00:00:00Z";

/// One burst for the worker, one for the bare consumer.
pub async fn burst(rig: &Rig, case: &Case) -> Result<Figures> {
    let jobs = case.jobs;
    let mut round = rig.round(case.engine, &[(Network::New, 0..1)], endless())?;
    round.start(case.workers, 256).await?;
    let mut driver = Driver::connect(&round, "job.accepted").await?;
    let before = Meter::read(rig, &round)?;
    let began = SystemClock.uptime();
    driver.publish(0..jobs, "grant", |n| job("grant", n, Some(NOT_BEFORE))).await?;
    let published = SystemClock.uptime().saturating_sub(began);
    driver.events(jobs).await?;
    let took = SystemClock.uptime().saturating_sub(began).as_secs_f64();
    let after = Meter::read(rig, &round)?;
    let peak = largest(&round, "VmHWM");
    round.stop()?;
    let bare = bare(&rig.rabbit.amqp_url(), jobs).await?;
    Ok(Figures::default()
        .with("accepted_per_s", jobs as f64 / took)
        .with("published_s", published.as_secs_f64())
        .with("bare_per_s", jobs as f64 / bare)
        .with("of_bare", bare / took)
        .with("peak_rss_mib", peak)
        .and(after.since(&before, jobs)))
}

/// Seconds from the first publish to the last acknowledgement, through quorum queues.
async fn bare(url: &str, jobs: usize) -> Result<f64> {
    let connection = Connection::connect(url, ConnectionProperties::default()).await?;
    let (from, to) = (connection.create_channel().await?, connection.create_channel().await?);
    let mut quorum = FieldTable::default();
    quorum.insert("x-queue-type".into(), AMQPValue::LongString(LongString::from("quorum")));
    let durable = QueueDeclareOptions { durable: true, ..QueueDeclareOptions::default() };
    for name in ["bench-bare-in", "bench-bare-out"] {
        from.queue_declare(name.into(), durable, quorum.clone()).await?;
    }
    from.basic_qos(PREFETCH, BasicQosOptions::default()).await?;
    to.confirm_select(ConfirmSelectOptions::default()).await?;
    let publisher = connection.create_channel().await?;
    publisher.confirm_select(ConfirmSelectOptions::default()).await?;

    let persistent = BasicProperties::default().with_delivery_mode(2);
    let body = job("grant", 1, Some(NOT_BEFORE)).into_bytes();
    let publish = async |channel: &lapin::Channel, queue: &str| {
        channel.basic_publish("".into(), queue.into(), BasicPublishOptions::default(), &body, persistent.clone()).await
    };
    let began = SystemClock.uptime();
    let filling = async {
        let mut confirms = std::collections::VecDeque::new();
        for _ in 0..jobs {
            confirms.push_back(publish(&publisher, "bench-bare-in").await?);
            if confirms.len() > usize::from(PREFETCH) {
                confirms.pop_front().context("it holds some")?.await?;
            }
        }
        for confirm in confirms {
            confirm.await?;
        }
        anyhow::Ok(())
    };
    let mut deliveries = from
        .basic_consume("bench-bare-in".into(), "".into(), BasicConsumeOptions::default(), FieldTable::default())
        .await?;
    let echoing = async {
        let mut confirms = std::collections::VecDeque::new();
        for n in 1..=jobs {
            let delivery = deliveries.next().await.context("the queue is gone")??;
            confirms.push_back((delivery.delivery_tag, publish(&to, "bench-bare-out").await?));
            if confirms.len() >= usize::from(PREFETCH) / 2 || n == jobs {
                let mut last = None;
                for (tag, confirm) in confirms.drain(..) {
                    confirm.await?;
                    last = Some(tag);
                }
                if let Some(tag) = last {
                    from.basic_ack(tag, BasicAckOptions { multiple: true }).await?;
                }
            }
        }
        anyhow::Ok(())
    };
    tokio::try_join!(filling, echoing)?;
    let took = SystemClock.uptime().saturating_sub(began).as_secs_f64();
    for name in ["bench-bare-in", "bench-bare-out"] {
        from.queue_delete(name.into(), QueueDeleteOptions::default()).await?;
    }
    connection.close(200, "bye".into()).await?;
    Ok(took)
}
