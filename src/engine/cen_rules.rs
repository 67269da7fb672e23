//! `DescribeGrantRulesToCen` for whoever wants to know (API §A.5): the first witness. Those who look at the same CEN at
//! the same time share what they read; alone, each has a call filtered by its instance. Where several did, the next
//! wait a moment for each other, the longer the fewer calls the account may make.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard};
use std::time::Duration;

use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::cloud::{Answer, CloudError, Failure, Listing, Readers, RuleFilter, TransitRouterReader};
use super::rule_search::{Ask, RuleSearch, named};
use super::together::Together;
use crate::clock::Clock;
use crate::domain::{Cen, InstanceId, InstanceType, Job, Rule};

/// Filtered calls under way at a time: enough to use the budget of an account that is far away.
const AT_ONCE: usize = 8;
/// Reads of one CEN for several take up one in so many of the calls that the account may make; meanwhile more gather.
const SHARE: u32 = 4;
/// For how long at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(2);

/// The rules of one instance, or why they could not be read.
pub type Told = Result<Answer<Listing<Rule>>, CloudError>;

/// What a search came to.
pub struct Found {
    /// What was told of each instance, and when at the earliest that was true.
    pub told: HashMap<InstanceId, (Timestamp, Told)>,
    /// The calls it took; they are not in the answers.
    pub calls: u32,
    /// How many rules the CEN has, as far as is known now.
    pub size: Option<u64>,
}

/// Finds the rules of some instances of one type in one CEN, with as few calls as possible. A refusal of a call for one
/// instance concerns that one; anything else that goes wrong is told of all that were not read yet. `size` is how many
/// rules the CEN had before, if that is known.
pub async fn find(
    reader: &dyn TransitRouterReader,
    clock: &dyn Clock,
    cen: &Cen,
    kind: InstanceType,
    instances: &[InstanceId],
    size: Option<u64>,
) -> Found {
    let mut search = RuleSearch::new(instances.iter().cloned(), size);
    let mut found = Found { told: HashMap::new(), calls: 0, size };
    let mut failed = None;
    let at = clock.now();
    while let Some(ask) = search.ask().filter(|_| failed.is_none()) {
        match ask {
            Ask::Each(ids) => {
                failed = by_name(reader, clock, cen, kind, ids, &mut found).await;
                break;
            }
            Ask::Page(token) => {
                found.calls += 1;
                match reader.describe_grant_rules_to_cen(cen, kind, &RuleFilter::Page(token)).await {
                    Ok(Answer { value, request_id, date, .. }) => {
                        let told = search.page(value).into_iter().map(|(id, value)| {
                            (id, (at, Ok(Answer { value, request_id: request_id.clone(), date, calls: 0 })))
                        });
                        found.told.extend(told);
                    }
                    Err(error) => failed = Some(error),
                }
            }
        }
    }
    found.size = search.size();
    if let Some(error) = failed {
        let now = clock.now();
        for id in instances {
            found.told.entry(id.clone()).or_insert_with(|| (now, Err(error.clone())));
        }
    }
    found
}

/// Returns what ended it before all were told.
async fn by_name(
    reader: &dyn TransitRouterReader,
    clock: &dyn Clock,
    cen: &Cen,
    kind: InstanceType,
    ids: Vec<InstanceId>,
    found: &mut Found,
) -> Option<CloudError> {
    let calls = ids.into_iter().map(|id| async {
        let at = clock.now();
        let filter = RuleFilter::Instance(id.clone());
        let answer = reader.describe_grant_rules_to_cen(cen, kind, &filter).await;
        let told = answer.map(|answer| Answer {
            value: named(answer.value),
            request_id: answer.request_id,
            date: answer.date,
            calls: 0,
        });
        (id, (at, told))
    });
    let mut calls = stream::iter(calls).buffer_unordered(AT_ONCE);
    while let Some((id, (at, told))) = calls.next().await {
        found.calls += 1;
        if let Err(error) = &told
            && !matches!(error.failure, Failure::Refused { .. })
        {
            return Some(error.clone());
        }
        found.told.insert(id, (at, told));
    }
    None
}

/// Whose CEN, and of what type: what can be read together.
type Group = (Cen, InstanceType);

/// What was learnt of a CEN that several looked at together.
#[derive(Clone, Copy, Default)]
struct Known {
    /// How many rules it has.
    size: Option<u64>,
    /// When, by the uptime clock, to read it again, so that more may come together.
    again_at: Duration,
}

/// The first witness, shared.
#[derive(Default)]
pub struct CenRules {
    together: Together<Group, InstanceId, Told>,
    known: Mutex<HashMap<Group, Known>>,
}

impl CenRules {
    /// The rules of the instance of a job in its CEN. Calls made for several are counted to one of them.
    pub async fn of(&self, cloud: &dyn Readers, clock: &dyn Clock, job: &Job) -> Told {
        let reader = cloud.transit_router_reader(&job.cen.owner)?;
        let (cen, kind) = (&job.cen, job.instance.kind);
        let group = (cen.clone(), kind);
        let pause = async {
            let again_at = self.known(&group).again_at;
            clock.sleep(again_at.saturating_sub(clock.uptime())).await;
        };
        let ask = async |instances: Vec<InstanceId>| {
            let size = self.known(&group).size;
            let Found { mut told, calls, size } = find(reader.as_ref(), clock, cen, kind, &instances, size).await;
            if instances.len() > 1 {
                let pause = (cloud.read_interval() * calls * SHARE).min(LONGEST_PAUSE);
                let known = Known { size, again_at: clock.uptime() + pause };
                locked(&self.known).insert(group.clone(), known);
            }
            let own = match told.remove(&job.instance.id) {
                Some((_, told)) => told.map(|answer| Answer { calls, ..answer }),
                None => Ok(Answer { value: nothing(), request_id: String::new(), date: None, calls }),
            };
            // Without room in the budget, or keys, nothing was asked. How long to wait for those is each caller's own.
            let asked = |told: &Told| told.as_ref().err().is_none_or(|e| !matches!(e.failure, Failure::NotSent { .. }));
            let others = instances[1..].iter().map(|id| told.get(id).map(|(_, told)| told.clone()).filter(asked));
            (own, others.collect())
        };
        self.together.ask(group.clone(), job.instance.id.clone(), pause, ask).await
    }

    fn known(&self, group: &Group) -> Known {
        locked(&self.known).get(group).copied().unwrap_or_default()
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().expect("no holder of this lock panics")
}

/// A list that proves nothing.
fn nothing() -> Listing<Rule> {
    Listing { items: vec![], complete: false }
}
