//! How the log tells of parked jobs: the first for a cause by itself, those of the next minute together. One cause, such as a missing
//! permission, parks hundreds of jobs within seconds. Pure: the caller passes the uptime in.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::domain::Reason;

/// For so long the jobs after the first are only counted.
const TOGETHER: Duration = Duration::from_secs(60);

/// Why jobs are parked, and whether they are half done. There are no more of these than twice the reasons.
pub type ParkedFor = (Reason, bool);

/// What was told of parked jobs within the last minute.
#[derive(Debug, Default)]
pub struct ParkedNews(BTreeMap<ParkedFor, LastTold>);

#[derive(Debug)]
struct LastTold {
    at: Duration,
    /// How many jobs were not told of since.
    more: u64,
}

impl ParkedNews {
    /// Whether the log tells of this job by itself; otherwise it is counted.
    pub fn add(&mut self, cause: ParkedFor, now: Duration) -> bool {
        match self.0.get_mut(&cause) {
            Some(told) => told.more += 1,
            None => {
                self.0.insert(cause, LastTold { at: now, more: 0 });
                return true;
            }
        }
        false
    }

    /// How many jobs are to be told of together by now, for each cause that has any.
    pub fn due(&mut self, now: Duration) -> Vec<(ParkedFor, u64)> {
        let mut due = Vec::new();
        self.0.retain(|cause, told| {
            if now < told.at + TOGETHER {
                return true;
            }
            let more = std::mem::take(&mut told.more);
            told.at = now;
            due.extend((more > 0).then_some((*cause, more)));
            more > 0
        });
        due
    }

    /// The uptime at which something may be due.
    pub fn next_due(&self) -> Option<Duration> {
        self.0.values().map(|told| told.at + TOGETHER).min()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_job_for_a_cause_is_told_by_itself_and_the_rest_of_the_minute_together() {
        let (refused, half): (ParkedFor, ParkedFor) = ((Reason::CredentialRefused, false), (Reason::HalfDone, true));
        let at = Duration::from_secs;
        let mut news = ParkedNews::default();
        let told = (0..300).filter(|_| news.add(refused, at(0))).count();
        assert_eq!((told, news.add(half, at(1))), (1, true), "one of each cause");
        assert_eq!((news.next_due(), news.due(at(59))), (Some(at(60)), vec![]));
        assert_eq!(news.due(at(60)), [(refused, 299)]);
        assert!(!news.add(refused, at(61)), "the minute begins again");
        assert_eq!(news.due(at(119)), [], "nothing more is half done");
        assert_eq!(news.due(at(120)), [(refused, 1)]);
        assert_eq!(news.due(at(180)), []);
        assert_eq!(news.next_due(), None, "nothing is kept of what is over");
        assert!(news.add(refused, at(181)));
    }
}
