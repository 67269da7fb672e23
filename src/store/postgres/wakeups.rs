//! Wake-ups that are raised by one task and taken by another, and how they are written in a notification.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Notify;

use crate::engine::ports::store::Wakeup;

/// Wake-ups that were raised and not taken yet, as one: several of a kind are the same as one of it.
#[derive(Default)]
pub(super) struct Wakeups {
    raised: Mutex<Wakeup>,
    news: Notify,
}

impl Wakeups {
    pub(super) fn raise(&self, more: Wakeup) {
        if more == Wakeup::default() {
            return;
        }
        let mut raised = self.raised.lock().unwrap_or_else(PoisonError::into_inner);
        raised.work |= more.work;
        raised.mail |= more.mail;
        raised.sweep |= more.sweep;
        raised.workers |= more.workers;
        self.news.notify_one();
    }

    /// Returns once any was raised.
    pub(super) async fn take(&self) -> Wakeup {
        loop {
            let raised = std::mem::take(&mut *self.raised.lock().unwrap_or_else(PoisonError::into_inner));
            if raised != Wakeup::default() {
                return raised;
            }
            self.news.notified().await;
        }
    }
}

/// As the payload of a notification: a letter for each flag.
pub(super) fn write(wakeup: Wakeup) -> String {
    let Wakeup { work, mail, sweep, workers } = wakeup;
    let flags = [(work, 'w'), (mail, 'm'), (sweep, 'h'), (workers, 'c')];
    flags.iter().filter(|(raised, _)| *raised).map(|(_, letter)| letter).collect()
}

/// From the payload of a notification.
pub(super) fn read(payload: &str) -> Wakeup {
    let has = |letter| payload.contains(letter);
    Wakeup { work: has('w'), mail: has('m'), sweep: has('h'), workers: has('c') }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_payload_is_read_as_it_was_written() {
        for bits in 0..16 {
            let wakeup = Wakeup { work: bits & 1 > 0, mail: bits & 2 > 0, sweep: bits & 4 > 0, workers: bits & 8 > 0 };
            assert_eq!(read(&write(wakeup)), wakeup);
        }
        // A worker of another version must read the same letters.
        assert_eq!(write(Wakeup { work: true, mail: true, sweep: true, workers: true }), "wmhc");
    }

    #[tokio::test]
    async fn wakeups_that_are_not_taken_add_up() {
        let wakeups = Wakeups::default();
        wakeups.raise(Wakeup { work: true, ..Wakeup::default() });
        wakeups.raise(Wakeup { mail: true, ..Wakeup::default() });
        assert_eq!(wakeups.take().await, Wakeup { work: true, mail: true, ..Wakeup::default() });
        wakeups.raise(Wakeup::default());
        let none = tokio::time::timeout(Duration::from_millis(1), wakeups.take()).await;
        assert!(none.is_err());
    }
}
