//! Pages by `NextToken` and by number. A token names the last item shown, so that no item is skipped or repeated when others
//! come and go between two pages.

use serde_json::{Value, json};

use super::answer::{ErrorAnswer, Success};
use super::codec;
use super::request::Params;

/// A page of a listing by token.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ListingPage<T> {
    pub(super) items: Vec<T>,
    /// The number of items on all pages.
    pub(super) total: usize,
    /// The token of the next page; empty on the last one (API §H11).
    pub(super) next: String,
}

impl<T> ListingPage<T> {
    /// The answer that shows this page, written as `list`, under `name`.
    pub(super) fn answer(&self, name: &str, list: Value) -> Success {
        let shown = self.items.len();
        Success::of(json!({name: list, "TotalCount": self.total, "MaxResults": shown, "NextToken": self.next}))
    }
}

/// The page after the item `after`, of at most `max` items; `all` is sorted by key.
pub(super) fn after<K: AsRef<str>, T>(
    listing: &str,
    all: impl IntoIterator<Item = (K, T)>,
    after: Option<&str>,
    max: usize,
) -> ListingPage<T> {
    let (mut total, mut left, mut last, mut items) = (0, 0, None, Vec::new());
    for (key, item) in all {
        total += 1;
        if after.is_some_and(|after| key.as_ref() <= after) {
            continue;
        }
        left += 1;
        if left <= max {
            items.push(item);
            last = Some(key);
        }
    }
    let next = last.filter(|_| left > max).map(|last| codec::page_token(listing, last.as_ref())).unwrap_or_default();
    ListingPage { items, total, next }
}

/// The page that a call asks for by number.
#[derive(Debug, Clone, Copy)]
pub(super) struct NumberedPage {
    /// From 1.
    number: usize,
    size: usize,
}

impl NumberedPage {
    pub(super) fn asked(params: &Params) -> Result<Self, ErrorAnswer> {
        let number = params.number("PageNumber", 1, usize::MAX, 1)?;
        Ok(Self { number, size: params.number("PageSize", 1, 50, 10)? })
    }

    /// The items of this page, and the number of items on all pages.
    pub(super) fn of<T>(self, all: Vec<T>) -> (Vec<T>, usize) {
        let (total, before) = (all.len(), (self.number - 1).saturating_mul(self.size));
        (all.into_iter().skip(before).take(self.size).collect(), total)
    }

    /// The answer that shows this page, written as `list`, under `name`.
    pub(super) fn answer(self, name: &str, list: Value, total: usize) -> Success {
        Success::of(json!({name: list, "TotalCount": total, "PageNumber": self.number, "PageSize": self.size}))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_follow_each_other_without_gap_or_repeat() {
        let all = |n: usize| (0..n).map(|i| (format!("k{i}"), i)).collect::<Vec<_>>();
        let first = after("L", all(5), None, 2);
        assert_eq!((first.items, first.total), (vec![0, 1], 5));
        let last = codec::read_page_token("L", &first.next).unwrap();
        // The item that ended the first page is gone by now; the second page still begins right after it.
        let rest: Vec<_> = all(5).into_iter().filter(|(k, _)| *k != last).collect();
        let second = after("L", rest, Some(&last), 3);
        assert_eq!((second.items, second.next), (vec![2, 3, 4], String::new()));
        assert_eq!(NumberedPage { number: 2, size: 2 }.of(vec![1, 2, 3]), (vec![3], 3));
    }
}
