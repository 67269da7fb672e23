//! Pages by `NextToken` and by number. A token names the last item shown, so a page stays right while items come and go.

use super::codec;

/// A page of a listing.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Page<T> {
    pub(super) items: Vec<T>,
    /// How many items the whole listing has.
    pub(super) total: usize,
    /// Empty at the end (API §H11).
    pub(super) next: String,
}

/// The page after `after` of at most `max` items; `all` is sorted by key.
pub(super) fn after<K: AsRef<str>, T>(
    listing: &str,
    all: impl IntoIterator<Item = (K, T)>,
    after: Option<&str>,
    max: usize,
) -> Page<T> {
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
    Page { items, total, next }
}

/// Page `number`, counted from 1, of `size` items, and the whole number of items.
pub(super) fn numbered<T>(all: Vec<T>, number: usize, size: usize) -> (Vec<T>, usize) {
    let total = all.len();
    (all.into_iter().skip(number.saturating_sub(1).saturating_mul(size)).take(size).collect(), total)
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
        assert_eq!(numbered(vec![1, 2, 3], 2, 2), (vec![3], 3));
    }
}
