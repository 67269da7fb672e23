//! Publishes jobs and hears of their events, outside of everything that is measured.

use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use bytes::Bytes;
use crossgrant::broker::{EventTap, Submission, Submitter};
use crossgrant::clock::{Clock as _, SystemClock};
use crossgrant::engine::ports::mail::Delivered;

use super::rig::Round;

/// No event for so long means that something is wrong.
const PATIENCE: Duration = Duration::from_secs(120);

/// Both ends of a worker.
pub struct Driver {
    submitter: Submitter,
    events: EventTap,
}

/// How long each job took, in milliseconds and ascending, and how long all took, in seconds.
pub struct Took {
    pub each: Vec<f64>,
    pub all: f64,
}

impl Driver {
    /// Connects, and follows the events whose routing key is `event`.
    pub async fn connect(round: &Round, event: &str) -> Result<Self> {
        let events = EventTap::open(&round.settings, event).await?;
        Ok(Self { submitter: Submitter::connect(round.settings.clone()).await?, events })
    }

    /// Publishes jobs, numbered from 0; each is told by its number which event is its own.
    pub async fn publish(
        &mut self,
        numbers: std::ops::Range<usize>,
        kind: &str,
        job: impl Fn(usize) -> String,
    ) -> Result<()> {
        let outbound: Vec<Submission> = numbers
            .map(|n| Submission {
                routing_key: format!("job.{kind}"),
                message_id: n.to_string(),
                correlation_id: Some(n.to_string()),
                body: Bytes::from(job(n)),
                ..Submission::default()
            })
            .collect();
        let told = self.submitter.submit_all(&outbound).await?;
        match told.iter().all(|delivered| *delivered == Delivered::Confirmed) {
            true => Ok(()),
            false => bail!("the broker did not take every job"),
        }
    }

    /// The number of the next event's job.
    pub async fn event(&mut self) -> Result<usize> {
        let event = tokio::time::timeout(PATIENCE, self.events.next()).await.context("no event for two minutes")??;
        event.correlation_id.and_then(|number| number.parse().ok()).context("an event without its number")
    }

    /// Keeps `in_flight` jobs under way until `jobs` have had their event.
    pub async fn closed_loop(
        &mut self,
        jobs: usize,
        in_flight: usize,
        kind: &str,
        job: impl Fn(usize) -> String,
    ) -> Result<Took> {
        let began = SystemClock.uptime();
        let (mut sent, mut each) = (vec![], Vec::with_capacity(jobs));
        while each.len() < jobs {
            let room = in_flight.saturating_sub(sent.len() - each.len()).min(jobs - sent.len());
            // A few at a time, so that the publisher is not the one who waits for a confirm each.
            if room >= in_flight / 8 || (room > 0 && sent.len() + room == jobs) {
                let from = sent.len();
                sent.resize(from + room, SystemClock.uptime());
                self.publish(from..from + room, kind, &job).await?;
            }
            let number = self.event().await?;
            let published = sent.get(number).context("an event of a job that was not published")?;
            each.push(SystemClock.uptime().saturating_sub(*published).as_secs_f64() * 1_000.0);
        }
        each.sort_by(f64::total_cmp);
        Ok(Took { each, all: SystemClock.uptime().saturating_sub(began).as_secs_f64() })
    }

    /// Waits for as many events.
    pub async fn events(&mut self, count: usize) -> Result<()> {
        for _ in 0..count {
            self.event().await?;
        }
        Ok(())
    }
}
