//! Shared reads of `DescribeGrantRulesToCen` (API §A.5), the first witness. A single look makes one call filtered by its
//! instance; concurrent looks at one CEN are batched, those of each requester for themselves: in a batch with a flood of
//! another's, one would wait for all of that. After a batch the next looks wait a moment for each other: the longer, the fewer
//! calls the account may make.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use crate::clock::Clock;
use crate::domain::{Cen, GrantRule, InstanceId, InstanceType, Job};
use crate::engine::look::batch::{Batches, locked};
use crate::engine::look::rule_search::{Ask, Payers, RuleSearch, named};
use crate::engine::ports::cloud::{Answer, CloudError, Failure, Listing, Readers, RuleFilter, TransitRouterReader};
use crate::engine::ports::urgency::{OnBehalf, Urgency};

/// Filtered calls under way at a time: enough to use the budget of an account that is far away.
const AT_ONCE: usize = 8;
/// Batches of one CEN use at most one in `SHARE` of the calls that its account may make. Meanwhile more looks gather.
const SHARE: u32 = 4;
/// The longest time that looks wait for each other.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The rules of one instance, or why they could not be read.
pub type RulesRead = Result<Answer<Listing<GrantRule>>, CloudError>;

/// The rules of each instance, and the earliest time at which they may have been read.
pub type FoundRules = HashMap<InstanceId, (Timestamp, RulesRead)>;

/// A search for the rules of instances of one type in one CEN, with as few calls as possible. The refusal of a filtered call
/// concerns its instance alone. Any other failure ends the search, and is the result of all instances not yet read.
pub struct CenSearch<'a> {
    reader: &'a dyn TransitRouterReader,
    clock: &'a dyn Clock,
    cen: &'a Cen,
    kind: InstanceType,
    search: RuleSearch,
    /// By the uptime clock.
    began: Duration,
    calls: u32,
    failed: Option<CloudError>,
}

impl<'a> CenSearch<'a> {
    /// A search that begins now. `size` is how many rules the CEN had before, if that is known.
    pub fn new(
        reader: &'a dyn TransitRouterReader,
        clock: &'a dyn Clock,
        cen: &'a Cen,
        kind: InstanceType,
        size: Option<u64>,
    ) -> Self {
        let search = RuleSearch::new([], size);
        Self { reader, clock, cen, kind, search, began: clock.uptime(), calls: 0, failed: None }
    }

    /// The calls made so far. The answers count none of them.
    pub fn calls(&self) -> u32 {
        self.calls
    }

    /// How many rules the CEN has, as far as is known now.
    pub fn size(&self) -> Option<u64> {
        self.search.size()
    }

    /// Finds the rules of these instances; `more` instances will be searched for later. Rules of others that pages show are
    /// kept for those.
    pub async fn find(&mut self, instances: &[InstanceId], more: usize) -> FoundRules {
        let mut found = HashMap::with_capacity(instances.len());
        for (id, payers) in self.search.also(instances.iter().cloned(), more) {
            let items = payers.map(|payers| self.rule(id.clone(), payers)).into_iter().collect();
            let value = Listing { items, complete: true };
            found.insert(
                id,
                (self.clock.at(self.began), Ok(Answer { value, request_id: String::new(), date: None, calls: 0 })),
            );
        }
        while self.failed.is_none()
            && let Some(ask) = self.search.ask()
        {
            match ask {
                Ask::Each(ids) => self.failed = self.by_name(ids, &mut found).await,
                Ask::Page(token) => {
                    self.calls += 1;
                    match self.reader.describe_grant_rules_to_cen(self.cen, self.kind, &RuleFilter::Page(token)).await {
                        Ok(Answer { mut value, request_id, date, .. }) => {
                            // A rule of another CEN was not asked for and proves nothing.
                            value.rules.retain(|rule| rule.cen == self.cen.id);
                            let began = self.clock.at(self.began);
                            let told = self.search.page(value).into_iter().map(|(id, value)| {
                                (id, (began, Ok(Answer { value, request_id: request_id.clone(), date, calls: 0 })))
                            });
                            found.extend(told);
                        }
                        Err(error) => self.failed = Some(error),
                    }
                }
            }
        }
        if let Some(error) = &self.failed {
            let now = self.clock.now();
            for id in instances {
                found.entry(id.clone()).or_insert_with(|| (now, Err(error.clone())));
            }
        }
        found
    }

    /// A rule that a page showed before it was looked for.
    fn rule(&self, instance: InstanceId, payers: Payers) -> GrantRule {
        let Payers { order_type, effective_order_type } = payers;
        let (cen, cen_owner) = (self.cen.id.clone(), self.cen.owner.clone());
        GrantRule { cen, cen_owner, instance, instance_owner: None, region: None, order_type, effective_order_type }
    }

    /// Asks for each instance by name. Returns the failure that ended it early.
    async fn by_name(&mut self, ids: Vec<InstanceId>, found: &mut FoundRules) -> Option<CloudError> {
        let (reader, clock, cen, kind) = (self.reader, self.clock, self.cen, self.kind);
        let calls = ids.into_iter().map(|id| async move {
            let asked = clock.uptime();
            let filter = RuleFilter::Instance(id.clone());
            let answer = reader.describe_grant_rules_to_cen(cen, kind, &filter).await;
            let told = answer.map(|answer| Answer { calls: 0, ..answer.map(named) });
            (id, (clock.at(asked), told))
        });
        let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
        while let Some((id, (at, told))) = calls.next().await {
            self.calls += 1;
            if let Err(error) = &told
                && !matches!(error.failure, Failure::Refused { .. })
            {
                return Some(error.clone());
            }
            found.insert(id, (at, told));
        }
        None
    }
}

/// What is read together: for one requester, the rules of one type in one CEN.
type ReadTogether = (Cen, InstanceType, OnBehalf);

/// More batches than this are not remembered, except those after which looks still wait for each other.
const REMEMBERED: usize = 10_000;

/// What a batch has shown of a CEN.
#[derive(Clone, Copy, Default)]
struct LastBatch {
    /// How many rules it has.
    size: Option<u64>,
    /// When, by the uptime clock, the next batch may be read, so that more looks gather until then.
    again_at: Duration,
}

/// The first witness, shared by all jobs.
#[derive(Default)]
pub struct CenRules {
    batches: Batches<ReadTogether, InstanceId, RulesRead>,
    last: Mutex<HashMap<ReadTogether, LastBatch>>,
}

impl CenRules {
    /// The rules of the instance of a job in its CEN. The calls of a batch are counted for one of its jobs.
    pub async fn of(&self, cloud: &dyn Readers, clock: &dyn Clock, job: &Job) -> RulesRead {
        let reader = cloud.transit_router_reader(&job.cen.owner)?;
        let (cen, kind) = (&job.cen, job.instance.kind);
        let group = (cen.clone(), kind, Urgency::current().on_behalf);
        let pause = async {
            let again_at = self.last_batch(&group).again_at;
            clock.sleep(again_at.saturating_sub(clock.uptime())).await;
        };
        let ask = async |instances: Vec<InstanceId>| {
            let size = self.last_batch(&group).size;
            let mut search = CenSearch::new(reader.as_ref(), clock, cen, kind, size);
            let mut told = search.find(&instances, 0).await;
            let (calls, size) = (search.calls(), search.size());
            if instances.len() > 1 {
                let pause = (cloud.read_interval() * calls * SHARE).min(LONGEST_PAUSE);
                let last = LastBatch { size, again_at: clock.uptime() + pause };
                let mut batches = locked(&self.last);
                if batches.len() >= REMEMBERED {
                    batches.retain(|_, last| last.again_at > clock.uptime());
                }
                batches.insert(group.clone(), last);
            }
            let own = match told.remove(&job.instance.id) {
                Some((_, told)) => told.map(|answer| Answer { calls, ..answer }),
                None => Ok(Answer {
                    value: Listing { items: vec![], complete: false },
                    request_id: String::new(),
                    date: None,
                    calls,
                }),
            };
            // Nothing was asked: there was no room in the budget, or no key. Each caller waits for those in its own time.
            let asked =
                |told: &RulesRead| told.as_ref().err().is_none_or(|e| !matches!(e.failure, Failure::NotSent { .. }));
            let others = instances[1..].iter().map(|id| told.get(id).map(|(_, told)| told.clone()).filter(asked));
            (own, others.collect())
        };
        self.batches.ask(group.clone(), job.instance.id.clone(), pause, ask).await
    }

    fn last_batch(&self, group: &ReadTogether) -> LastBatch {
        locked(&self.last).get(group).copied().unwrap_or_default()
    }
}
