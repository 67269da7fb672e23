//! Finding the jobs that a filter means, with a bound on what is read for it.

use crate::domain::JobUid;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{Filter, StoreError};
use crate::engine::record::Record;

/// The most records that are read to answer one request. A record has about 7 kB, so this takes half a second and 70 MB of
/// reading; what has no column in the store, the reason, would else be looked for in a million of them.
pub const MOST_READ: usize = 10_000;
/// How many are read at once: what is in memory beside the answers.
const AT_ONCE: usize = 500;

/// The jobs that were found.
#[derive(Debug, Clone, Default)]
pub struct Listing {
    /// Newest first.
    pub jobs: Vec<Record>,
    /// The `before` with which to look further; `None` if there is no further job.
    pub next: Option<JobUid>,
}

/// How many jobs match.
#[derive(Debug, Clone)]
pub struct Count {
    /// All of them.
    pub total: usize,
    /// The newest of them.
    pub jobs: Vec<Record>,
}

impl Engine {
    /// Up to `limit` jobs of the filter that match it. There may be further ones also where it finds fewer: it stops after
    /// [`MOST_READ`] records.
    pub async fn find(&self, filter: &Filter) -> Result<Listing, StoreError> {
        self.find_among(filter, MOST_READ).await
    }

    async fn find_among(&self, filter: &Filter, most: usize) -> Result<Listing, StoreError> {
        let mut jobs = Vec::new();
        let at_once = if filter.is_of_records() { AT_ONCE } else { filter.limit.min(AT_ONCE) };
        let walk = self.walk(filter, at_once, most, |record| {
            jobs.push(record);
            jobs.len() < filter.limit
        });
        let next = walk.await?;
        Ok(Listing { jobs, next })
    }

    /// Counts the jobs that match and keeps the newest `keep` of them. `None` if more than [`MOST_READ`] would have to be read.
    pub async fn count(&self, filter: &Filter, keep: usize) -> Result<Option<Count>, StoreError> {
        let mut count = Count { total: 0, jobs: Vec::new() };
        let walk = self.walk(filter, AT_ONCE, MOST_READ, |record| {
            count.total += 1;
            if count.jobs.len() < keep {
                count.jobs.push(record);
            }
            true
        });
        let rest = walk.await?;
        Ok(rest.is_none().then_some(count))
    }

    /// Shows `visit` the jobs that match, newest first, until `most` records were read.
    pub async fn visit(&self, filter: &Filter, most: usize, mut visit: impl FnMut(&Record)) -> Result<(), StoreError> {
        let walk = self.walk(filter, AT_ONCE, most, |record| {
            visit(&record);
            true
        });
        walk.await?;
        Ok(())
    }

    /// Shows `visit` the jobs that match, newest first, until it returns false or `most` records were read. Returns the last
    /// one that it came to, if there may be further ones.
    async fn walk(
        &self,
        filter: &Filter,
        at_once: usize,
        most: usize,
        mut visit: impl FnMut(Record) -> bool,
    ) -> Result<Option<JobUid>, StoreError> {
        let (mut page, mut read) = (filter.clone(), 0);
        loop {
            page.limit = at_once.min(most - read);
            let found = self.store.list(&page).await?;
            let is_last = found.len() < page.limit;
            read += found.len();
            for record in found {
                page.before = Some(record.uid);
                if filter.matches(&record) && !visit(record) {
                    return Ok(page.before);
                }
            }
            if is_last || read == most {
                return Ok(page.before.filter(|_| !is_last));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{engine, incoming};
    use crate::domain::Reason;
    use crate::engine::decide::command::Command;
    use crate::engine::loops::intake::Inbox;
    use crate::engine::ports::mail::Intake;
    use crate::telemetry::Metrics;

    #[tokio::test]
    async fn a_reason_is_looked_for_in_the_records_and_not_in_all_of_them_at_once() {
        let engine = engine(Metrics::new().engine()).await;
        let inbox = Inbox::new(engine.clone(), "crossgrant", "crossgrant.dead");
        for n in 0..7 {
            inbox.take(vec![incoming("bot", &n.to_string())]).await.unwrap();
        }
        let all = engine.find(&Filter { limit: 9, ..Filter::default() }).await.unwrap();
        assert_eq!((all.jobs.len(), all.next), (7, None));
        for record in &all.jobs[..6] {
            engine.command(record.uid, Command::Cancel, "t").await.unwrap();
        }
        let reasons = vec![Reason::CancelledByOperator];
        let mut wanted = Filter { reasons, limit: 9, ..Filter::default() };
        assert_eq!(engine.find(&wanted).await.unwrap().jobs.len(), 6);

        let some = engine.find_among(&wanted, 4).await.unwrap();
        assert_eq!((some.jobs.len(), some.next), (4, Some(all.jobs[3].uid)), "it stops, and says where");
        wanted.before = some.next;
        let rest = engine.find_among(&wanted, 4).await.unwrap();
        assert_eq!((rest.jobs.len(), rest.next), (2, None));

        let none = Filter { reasons: vec![Reason::Attached], before: None, ..wanted.clone() };
        let short = engine.find_among(&none, 4).await.unwrap();
        assert_eq!((short.jobs.len(), short.next), (0, Some(all.jobs[3].uid)), "nothing found is not the end");
        let full = engine.find(&Filter { limit: 2, before: None, ..wanted }).await.unwrap();
        assert_eq!((full.jobs.len(), full.next), (2, Some(all.jobs[1].uid)));
    }
}
