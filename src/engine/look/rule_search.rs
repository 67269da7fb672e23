//! Which calls find the rules of several instances in one CEN: pages of the whole CEN, 100 rules a call, or one filtered
//! call for each instance. Decides anew after every page, since only the first page tells how many rules there are.

use std::collections::{BTreeSet, HashMap};

use crate::domain::{GrantRule, InstanceId, OrderType};
use crate::engine::ports::cloud::{Listing, RulePage};

/// The rules on one page at most (API §A.5).
const PAGE: u64 = 100;

/// What to ask next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// The page behind this `NextToken`; without one the first.
    Page(Option<String>),
    /// One filtered call for each of these instances: nothing is cheaper. The search for them ends with the answers.
    Each(Vec<InstanceId>),
}

/// The payers that a rule shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payers {
    /// The payer written on it.
    pub order_type: Option<OrderType>,
    /// `EffectiveOrderType`: the payer that is billed now.
    pub effective_order_type: Option<OrderType>,
}

/// The search for the rules of several instances of one type in one CEN: which are still missing, what was read, what to ask
/// next.
#[derive(Debug, Clone)]
pub struct RuleSearch {
    open: BTreeSet<InstanceId>,
    /// How many instances will be searched for later.
    more: usize,
    pages: Pages,
    /// Every rule that was read, by instance: some ninety bytes each.
    read: HashMap<InstanceId, Payers>,
    /// Whether `read` holds every rule of the CEN.
    whole: bool,
    /// `TotalCount` of the first page; `None` once a later page had a lower one.
    began_with: Option<u64>,
    /// `TotalCount` of the latest page.
    total: Option<u64>,
    size: Option<u64>,
}

#[derive(Debug, Clone)]
enum Pages {
    /// None was read yet.
    Unread,
    /// `NextToken` of the next page.
    Left(String),
    /// All were read, or paging did not work.
    Over,
}

impl RuleSearch {
    /// A search for these. `size` is how many rules the CEN had before, if that is known: only a guess at what is cheaper.
    pub fn new(instances: impl IntoIterator<Item = InstanceId>, size: Option<u64>) -> Self {
        Self {
            open: instances.into_iter().collect(),
            more: 0,
            pages: Pages::Unread,
            read: HashMap::new(),
            whole: false,
            began_with: None,
            total: None,
            size,
        }
    }

    /// How many rules the CEN has, as far as is known now.
    pub fn size(&self) -> Option<u64> {
        self.total.or(self.size)
    }

    /// Searches for these instances too; `more` are to come later, which can make pages the cheaper way. Returns those that
    /// were read already; `None` for one that the CEN is known not to have.
    pub fn also(
        &mut self,
        instances: impl IntoIterator<Item = InstanceId>,
        more: usize,
    ) -> Vec<(InstanceId, Option<Payers>)> {
        self.more = more;
        let mut known = Vec::new();
        for id in instances {
            match self.read.get(&id) {
                Some(payers) => known.push((id, Some(*payers))),
                None if self.whole => known.push((id, None)),
                None => drop(self.open.insert(id)),
            }
        }
        known
    }

    /// What to ask next; `None` when all are found. Two or more begin with a page: it may answer for them all, and it
    /// tells the size of the CEN.
    pub fn ask(&mut self) -> Option<Ask> {
        let single = count(self.open.len() + self.more);
        let left = self.total.unwrap_or(u64::MAX).saturating_sub(count(self.read.len())).max(1);
        match &self.pages {
            _ if self.open.is_empty() => None,
            Pages::Unread if single > self.size.map_or(1, |size| size.div_ceil(PAGE)).max(1) => Some(Ask::Page(None)),
            Pages::Left(token) if left.div_ceil(PAGE) < single => Some(Ask::Page(Some(token.clone()))),
            _ => Some(Ask::Each(std::mem::take(&mut self.open).into_iter().collect())),
        }
    }

    /// Takes in a page; returns the instances searched for that it answers. Once all pages are read and counted, it also
    /// answers the rest: they had no rule when the search began (API §A.5). The list may grow meanwhile, since added rules
    /// move others to later pages, where they are met again; a list that shrinks may have hidden a rule. A removal and an
    /// addition between two pages escape this count, so an absence takes the other witness too.
    pub fn page(&mut self, page: RulePage) -> Vec<(InstanceId, Listing<GrantRule>)> {
        if let Pages::Unread = self.pages {
            self.began_with = page.total;
        }
        self.began_with = self.began_with.filter(|_| page.total >= self.total);
        self.total = page.total;
        let empty = page.rules.is_empty();
        let mut found = Vec::new();
        for rule in page.rules {
            let GrantRule { order_type, effective_order_type, .. } = rule;
            self.read.insert(rule.instance.clone(), Payers { order_type, effective_order_type });
            if self.open.remove(&rule.instance) {
                found.push((rule.instance.clone(), Listing { items: vec![rule], complete: true }));
            }
        }
        self.pages = match page.next {
            // A page without rules would go on for ever.
            Some(token) if !empty => Pages::Left(token),
            Some(_) => Pages::Over,
            None => {
                self.whole = self.began_with.is_some_and(|total| count(self.read.len()) >= total);
                if self.whole {
                    let absent = || Listing { items: vec![], complete: true };
                    found.extend(std::mem::take(&mut self.open).into_iter().map(|id| (id, absent())));
                }
                Pages::Over
            }
        };
        found
    }
}

/// The answer of a filtered call. One without a count may be an answer to an account that does not own the CEN (API
/// §A.5, §J): then it is not complete.
pub fn named(page: RulePage) -> Listing<GrantRule> {
    let complete = page.next.is_none() && page.total == Some(count(page.rules.len()));
    Listing { items: page.rules, complete }
}

fn count(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountUid, CenId};
    use proptest::prelude::*;

    fn instance(n: usize) -> InstanceId {
        InstanceId::parse(format!("vpc-{n:08}")).unwrap()
    }

    fn rule(n: usize) -> GrantRule {
        GrantRule {
            cen: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            cen_owner: AccountUid::parse("1250123456123456").unwrap(),
            instance: instance(n),
            instance_owner: None,
            region: None,
            order_type: None,
            effective_order_type: None,
        }
    }

    /// The page of a CEN of `total` rules.
    fn page(token: Option<&str>, total: usize) -> RulePage {
        let from: usize = token.map_or(0, |token| token.parse().unwrap());
        let to = (from + 100).min(total);
        RulePage {
            rules: (from..to).map(rule).collect(),
            next: (to < total).then(|| to.to_string()),
            total: Some(total as u64),
        }
    }

    /// Searches a CEN of `total` rules; returns the calls it took and how many rules it found.
    fn run(wanted: &[usize], total: usize) -> (usize, usize) {
        let mut search = RuleSearch::new(wanted.iter().map(|n| instance(*n)), None);
        let (mut calls, mut told, mut found) = (0, 0, 0);
        while let Some(ask) = search.ask() {
            match ask {
                Ask::Page(token) => {
                    calls += 1;
                    for (_, listing) in search.page(page(token.as_deref(), total)) {
                        assert!(listing.complete);
                        told += 1;
                        found += listing.items.len();
                    }
                }
                Ask::Each(ids) => {
                    calls += ids.len();
                    told += ids.len();
                    found += (0..total).filter(|n| ids.contains(&instance(*n))).count();
                    break;
                }
            }
        }
        assert_eq!(told, wanted.len(), "everyone is told");
        (calls, found)
    }

    #[test]
    fn one_in_a_large_cen_takes_one_call() {
        assert_eq!(run(&[4_321], 10_000), (1, 1));
    }

    #[test]
    fn a_cen_searched_for_all_it_has_takes_one_call_a_hundred() {
        let all: Vec<usize> = (0..2_000).collect();
        assert_eq!(run(&all, 2_000), (20, 2_000));
    }

    #[test]
    fn few_in_a_large_cen_are_asked_for_by_name_after_the_first_page() {
        assert_eq!(run(&[5_000, 6_000, 7_000], 10_000), (4, 3));
    }

    #[test]
    fn few_in_a_cen_that_is_known_to_be_large_are_asked_for_by_name_at_once() {
        let few = |size| RuleSearch::new([instance(1), instance(2), instance(3)], size).ask();
        assert_eq!(few(Some(250)), Some(Ask::Each(vec![instance(1), instance(2), instance(3)])));
        assert_eq!(few(Some(200)), Some(Ask::Page(None)));
        assert_eq!(few(Some(0)), Some(Ask::Page(None)));
        assert_eq!(RuleSearch::new([instance(1)], Some(0)).ask(), Some(Ask::Each(vec![instance(1)])));
    }

    /// Searches a CEN of `total` rules for one after another of these, `at_once` at a time; returns the calls it took.
    fn run_in_parts(wanted: &[usize], at_once: usize, total: usize) -> usize {
        let mut search = RuleSearch::new([], None);
        let (mut calls, mut told, mut left) = (0, 0, wanted.len());
        for part in wanted.chunks(at_once) {
            left -= part.len();
            told += search.also(part.iter().map(|n| instance(*n)), left).len();
            while let Some(ask) = search.ask() {
                match ask {
                    Ask::Page(token) => {
                        calls += 1;
                        told += search.page(page(token.as_deref(), total)).len();
                    }
                    Ask::Each(ids) => {
                        calls += ids.len();
                        told += ids.len();
                    }
                }
            }
        }
        assert_eq!(told, wanted.len(), "everyone is told once");
        calls
    }

    #[test]
    fn one_who_comes_later_is_told_by_the_pages_that_were_read() {
        let backwards: Vec<usize> = (0..2_000).rev().collect();
        assert_eq!(run_in_parts(&backwards, 50, 2_000), 20);
        assert_eq!(run_in_parts(&backwards, 1, 2_000), 20, "that more will come is reason enough for a page");
        let absent: Vec<usize> = (5_000..5_500).collect();
        assert_eq!(run_in_parts(&absent, 50, 250), 3);
        assert_eq!(run_in_parts(&[5_000, 6_000, 7_000], 1, 10_000), 4);
    }

    #[test]
    fn what_is_on_no_page_of_a_list_that_was_read_and_counted_has_no_rule() {
        let new: Vec<usize> = (1_000..1_256).collect();
        assert_eq!(run(&new, 0), (1, 0));
        assert_eq!(run(&new, 250), (3, 0));
    }

    #[test]
    fn a_list_that_may_have_hidden_a_rule_proves_no_absence() {
        let absent = |second: RulePage, third: RulePage| {
            let mut search = RuleSearch::new([instance(150), instance(100_000)], None);
            search.page(page(None, 250));
            search.page(second);
            search.page(third);
            search.ask().is_none()
        };
        let (second, third) = (|| page(Some("100"), 250), || page(Some("200"), 250));
        assert!(absent(second(), third()));
        let shrunk = RulePage { total: Some(249), ..second() };
        assert!(!absent(shrunk, third()), "a rule of the first page is gone, and one of the second came before it");
        let uncounted = RulePage { total: None, ..second() };
        assert!(!absent(uncounted, third()));
        let mut again = second();
        again.rules[0] = rule(99);
        assert!(!absent(again.clone(), third()), "one that was read before is in the place of another");
        again.total = Some(251);
        let mut last = page(Some("200"), 250);
        last.rules.insert(0, rule(100));
        last.total = Some(251);
        assert!(absent(again, last), "one was added before those that were read");
    }

    #[test]
    fn an_answer_that_only_pages_on_ends() {
        let mut search = RuleSearch::new([instance(1), instance(2)], None);
        search.page(RulePage { rules: vec![], next: Some("again".into()), total: None });
        assert_eq!(search.ask(), Some(Ask::Each(vec![instance(1), instance(2)])));
    }

    #[test]
    fn a_filtered_answer_without_a_count_proves_no_absence() {
        let none = |total, next: Option<&str>| RulePage { rules: vec![], next: next.map(str::to_owned), total };
        assert!(named(none(Some(0), None)).complete);
        assert!(!named(none(None, None)).complete);
        assert!(!named(none(Some(1), None)).complete);
        assert!(!named(none(Some(0), Some("more"))).complete);
    }

    proptest! {
        #[test]
        fn never_more_calls_than_the_cheaper_way_and_the_first_page(
            wanted in prop::collection::btree_set(0usize..1_500, 1..60),
            total in 0usize..1_500,
        ) {
            let wanted: Vec<usize> = wanted.into_iter().collect();
            let (calls, found) = run(&wanted, total);
            prop_assert_eq!(found, wanted.iter().filter(|n| **n < total).count());
            prop_assert!(calls <= 1 + wanted.len().min(total.div_ceil(100).saturating_sub(1)));
        }
    }
}
