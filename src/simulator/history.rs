//! A value with its recent past, so that a read can lag behind the writes as the cloud's reads do.

use std::time::Duration;

use jiff::Timestamp;

use crate::clock::until;

/// How far back a lagging read can look. Older versions are dropped at the next change.
pub(super) const HORIZON: Duration = Duration::from_secs(600);

/// The time of a change, and its number among all changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Stamp {
    pub(super) seq: u64,
    pub(super) at: Timestamp,
}

impl Stamp {
    /// Before every change. What a world begins with has it, so every read shows it.
    pub(super) const EVER: Self = Self { seq: 0, at: Timestamp::MIN };
}

/// The state that a read sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum AsOf {
    Now,
    /// As it was at that time.
    At(Timestamp),
    /// As it was before the change with that number.
    Before(u64),
}

/// The versions of one value, oldest first; `None` where it did not exist.
#[derive(Debug, Clone)]
pub(super) struct History<T>(Vec<(Stamp, Option<T>)>);

impl<T> History<T> {
    pub(super) fn new(stamp: Stamp, value: T) -> Self {
        Self(vec![(stamp, Some(value))])
    }

    pub(super) fn now(&self) -> Option<&T> {
        self.0.last().and_then(|(_, value)| value.as_ref())
    }

    pub(super) fn as_of(&self, as_of: AsOf) -> Option<&T> {
        let seen = |stamp: &Stamp| match as_of {
            AsOf::Now => true,
            AsOf::At(at) => stamp.at <= at,
            // What a world begins with precedes every change, also the one numbered 0.
            AsOf::Before(seq) => stamp.seq < seq || stamp.seq == Stamp::EVER.seq,
        };
        self.0.iter().rev().find(|(stamp, _)| seen(stamp)).and_then(|(_, value)| value.as_ref())
    }

    /// Records a change, and drops the versions that no read can see any more. Two are always kept, because a stale read
    /// asks for the one before the latest.
    pub(super) fn set(&mut self, stamp: Stamp, value: Option<T>) {
        self.0.push((stamp, value));
        let old = |at: Timestamp| until(at, stamp.at) > HORIZON;
        let unseen = self.0.windows(2).take_while(|pair| old(pair[1].0.at)).count();
        self.0.drain(..unseen.min(self.0.len() - 2));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamp(seq: u64, second: i64) -> Stamp {
        Stamp { seq, at: Timestamp::from_second(second).unwrap() }
    }

    #[test]
    fn a_read_sees_the_past_it_asks_for() {
        let mut history = History::new(stamp(1, 100), 'a');
        history.set(stamp(2, 110), Some('b'));
        history.set(stamp(3, 120), None);
        let at = |second| history.as_of(AsOf::At(Timestamp::from_second(second).unwrap())).copied();
        assert_eq!([at(99), at(100), at(119), at(120)], [None, Some('a'), Some('b'), None]);
        assert_eq!(history.as_of(AsOf::Before(3)), Some(&'b'));
        assert_eq!(history.as_of(AsOf::Now), None);
        assert_eq!(History::new(Stamp::EVER, 'a').as_of(AsOf::Before(0)), Some(&'a'), "nothing was written yet");
    }

    #[test]
    fn the_past_is_bounded() {
        let mut history = History::new(Stamp::EVER, 0);
        for second in 1..10_000 {
            history.set(stamp(second, i64::try_from(second).unwrap()), Some(second));
        }
        assert!(history.0.len() <= 603, "{}", history.0.len());
        assert_eq!(history.as_of(AsOf::At(Timestamp::from_second(9_400).unwrap())), Some(&9_400));
    }
}
