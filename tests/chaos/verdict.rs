//! Whether everything is as if nothing had happened.

use std::collections::{BTreeMap, BTreeSet};

use crossgrant::simulator::LedgerEntry;
use serde_json::{Value, json};

use super::requester::Heard;
use super::storm::Faults;
use super::wanted::Wanted;
use super::work::Work;

/// The last event of a job has one of these types.
const ENDS: [&str; 6] = ["completed", "planned", "failed", "superseded", "cancelled", "rejected"];

/// The figures of a run, and what is wrong.
#[derive(Debug, Default)]
pub struct Verdict {
    pub jobs: usize,
    pub completed: usize,
    /// Events, each counted once.
    pub events: usize,
    /// Events that came again.
    pub redelivered: usize,
    pub effects: usize,
    pub faults: Faults,
    pub seconds: f64,
    pub problems: Vec<String>,
}

impl Verdict {
    /// Judges what was heard of the jobs, and what was done to the cloud.
    pub fn of(work: &Work, heard: &[Heard], ledger: &[LedgerEntry]) -> Self {
        let mut of_job: BTreeMap<&str, BTreeMap<&str, &Heard>> = BTreeMap::new();
        for event in heard {
            of_job.entry(&event.job).or_default().insert(&event.id, event);
        }
        let events = of_job.values().map(BTreeMap::len).sum();
        let mut verdict = Self {
            jobs: work.len(),
            events,
            redelivered: heard.len() - events,
            effects: ledger.len(),
            ..Self::default()
        };
        let mut done = effects(ledger);
        for n in 0..work.len() {
            let (id, instance) = (work.id(n), work.instance(n));
            verdict.completed += usize::from(verdict.said(&id, &of_job.remove(id.as_str()).unwrap_or_default()));
            let done = done.remove(instance.as_str()).unwrap_or_default();
            if done != work.effects(n) {
                verdict
                    .problems
                    .push(format!("{id}: what was done to {instance} is {done:?}, not {:?}", work.effects(n)));
            }
        }
        let strangers = of_job.keys().map(|job| format!("an event of a job that was not asked for: {job}"));
        let others = done.iter().map(|(instance, done)| format!("{done:?} was done to {instance}, of which no job is"));
        verdict.problems.extend(strangers.chain(others));
        verdict
    }

    /// Judges the events of one job; whether it is completed.
    fn said(&mut self, id: &str, events: &BTreeMap<&str, &Heard>) -> bool {
        let ends: Vec<&&Heard> = events.values().filter(|event| ENDS.contains(&event.kind.as_str())).collect();
        let [end] = ends[..] else {
            let last = events.values().max_by_key(|event| event.sequence).map(|event| event.kind.as_str());
            self.problems.push(format!("{id}: it has {} ends; the last event is {last:?}", ends.len()));
            return false;
        };
        let numbers: BTreeSet<u32> = events.values().map(|event| event.sequence).collect();
        if !numbers.iter().copied().eq(1..=end.sequence) || numbers.len() != events.len() {
            self.problems.push(format!("{id}: its end is event {}, and it has {numbers:?}", end.sequence));
        }
        if end.kind != "completed" {
            self.problems.push(format!("{id}: it ended as {}", end.kind));
        }
        end.kind == "completed"
    }

    /// The figures as one line of JSON.
    pub fn line(&self, wanted: &Wanted) -> Value {
        let Self { jobs, completed, events, redelivered, effects, faults, seconds, problems } = self;
        json!({
            "store": wanted.store.name(), "workers": wanted.workers, "nodes": wanted.nodes, "seed": wanted.seed,
            "jobs": jobs, "completed": completed, "events": events, "redelivered": redelivered, "effects": effects,
            "faults": faults, "seconds": seconds.round(), "problems": problems.len(),
        })
    }
}

/// What was done to each instance, in alphabetical order: the hour comes when it comes.
fn effects(ledger: &[LedgerEntry]) -> BTreeMap<&str, Vec<&str>> {
    let mut done: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for entry in ledger {
        let instance = entry.effect.instance.as_ref().map_or("nothing", |instance| instance.as_str());
        done.entry(instance).or_default().push(&entry.operation);
    }
    done.values_mut().for_each(|operations| operations.sort_unstable());
    done
}

#[cfg(test)]
mod tests {
    use super::*;

    const JOBS: usize = 4;

    fn event(job: &str, kind: &str, sequence: u32) -> Heard {
        Heard { id: format!("{job}.{sequence}"), job: job.into(), kind: kind.into(), sequence }
    }

    fn entry(instance: &str, operation: &str) -> LedgerEntry {
        let at = "2026-11-03T10:00:00Z";
        serde_json::from_value(json!({"seq": 1, "at": at, "operation": operation, "instance": instance})).unwrap()
    }

    /// A run in which all is well.
    fn well() -> (Work, Vec<Heard>, Vec<LedgerEntry>) {
        let work = Work::of(JOBS);
        let said = |n| [event(&work.id(n), "accepted", 1), event(&work.id(n), "completed", 2)];
        let done = |n| work.effects(n).iter().map(|operation| entry(&work.instance(n), operation)).collect::<Vec<_>>();
        let (heard, ledger) = ((0..JOBS).flat_map(said).collect(), (0..JOBS).flat_map(done).collect());
        (work, heard, ledger)
    }

    #[test]
    fn what_is_well_is_counted() {
        let (work, mut heard, ledger) = well();
        heard.push(heard[1].clone());
        let verdict = Verdict::of(&work, &heard, &ledger);
        assert_eq!(verdict.problems, [""; 0]);
        let Verdict { jobs, completed, events, redelivered, effects, .. } = verdict;
        assert_eq!((jobs, completed, events, redelivered, effects), (JOBS, JOBS, 2 * JOBS, 1, 7));
    }

    #[test]
    fn whatever_is_wrong_is_seen() {
        let wrong = |spoil: fn(&Work, &mut Vec<Heard>, &mut Vec<LedgerEntry>)| {
            let (work, mut heard, mut ledger) = well();
            spoil(&work, &mut heard, &mut ledger);
            Verdict::of(&work, &heard, &ledger).problems.len()
        };
        assert_eq!(wrong(|_, heard, _| drop(heard.remove(1))), 1, "no end");
        assert_eq!(wrong(|_, heard, _| drop(heard.remove(0))), 1, "an event is lost");
        assert_eq!(wrong(|_, heard, _| heard[1].kind = "failed".into()), 1, "another end");
        assert_eq!(wrong(|work, heard, _| heard.push(event(&work.id(0), "completed", 3))), 1, "two ends");
        assert_eq!(wrong(|_, heard, _| heard.push(event("B-99", "accepted", 1))), 1, "a job of somebody else");
        assert_eq!(wrong(|_, _, ledger| drop(ledger.pop())), 1, "an effect is missing");
        assert_eq!(wrong(|_, _, ledger| ledger.push(ledger[0].clone())), 1, "an effect twice");
        assert_eq!(wrong(|_, _, ledger| ledger.push(entry("vpc-another00000", "hour"))), 1, "an effect on another");
    }
}
