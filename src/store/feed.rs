//! A page of the feed, chosen from what was looked at; pure, and the same for every store.

use crate::engine::ports::feed::{FEED_SCAN, Feed, FeedEvent, FeedPage};

/// A row of the feed without its event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FeedRow<U> {
    pub(super) number: i64,
    pub(super) uid: U,
    pub(super) sequence: i32,
    pub(super) requester: String,
}

/// The rows that a page wants, and up to where it has looked.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Chosen<U> {
    pub(super) rows: Vec<FeedRow<U>>,
    after: i64,
    more: bool,
}

/// Chooses from the first rows after the cursor, of which there are [`FEED_SCAN`] if there may be more.
pub(super) fn choose<U>(page: &FeedPage, scanned: Vec<FeedRow<U>>) -> Chosen<U> {
    let whole = scanned.len() >= FEED_SCAN;
    let looked = scanned.last().map_or(page.after, |row| row.number);
    let wanted = |row: &FeedRow<U>| page.requester.as_ref().is_none_or(|who| who.as_str() == row.requester);
    let mut rows: Vec<FeedRow<U>> = scanned.into_iter().filter(wanted).take(page.events.saturating_add(1)).collect();
    if rows.len() <= page.events {
        return Chosen { rows, after: looked, more: whole };
    }
    rows.truncate(page.events);
    let after = rows.last().map_or(page.after, |row| row.number);
    Chosen { rows, after, more: true }
}

impl<U> Chosen<U> {
    /// The page, of the events that were read in order until their bytes were too many; `left` is the number of the first that was
    /// left. An event that retention has deleted meanwhile is not among them.
    pub(super) fn page(self, events: Vec<FeedEvent>, left: Option<i64>, end: i64) -> Feed {
        match left {
            Some(left) => Feed { events, after: left - 1, more: true, end },
            None => Feed { events, after: self.after, more: self.more, end },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Requester;

    fn row(number: i64, requester: &str) -> FeedRow<()> {
        FeedRow { number, uid: (), sequence: 1, requester: requester.into() }
    }

    fn chosen(events: usize, rows: &[FeedRow<()>]) -> (Vec<i64>, i64, bool) {
        let page = FeedPage { after: 3, requester: Some(Requester::parse("bot").unwrap()), events, bytes: 1 };
        let Chosen { rows, after, more } = choose(&page, rows.to_vec());
        (rows.iter().map(|row| row.number).collect(), after, more)
    }

    #[test]
    fn the_cursor_passes_what_is_not_wanted_and_nothing_else() {
        let rows = [row(4, "bot"), row(6, "desk"), row(7, "bot"), row(9, "desk")];
        assert_eq!(chosen(9, &[]), (vec![], 3, false));
        assert_eq!(chosen(9, &rows), (vec![4, 7], 9, false));
        assert_eq!(chosen(2, &rows), (vec![4, 7], 9, false), "that it is full does not say that there is more");
        assert_eq!(chosen(1, &rows), (vec![4], 4, true));
        let others: Vec<_> = (4..).take(FEED_SCAN).map(|number| row(number, "desk")).collect();
        assert_eq!(chosen(9, &others), (vec![], 3 + FEED_SCAN as i64, true));
    }
}
