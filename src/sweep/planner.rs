//! Which calls answer for all waiting jobs of one CEN and type: paging through the whole CEN, 100 rules a call, or one
//! filtered call for each instance. Pure; decides anew after every answer, since only the first page tells how many
//! rules there are.

use std::collections::BTreeSet;

use crate::domain::{InstanceId, Rule};
use crate::engine::cloud::{RuleFilter, RulePage};

/// The rules on one page at most (API §A.5).
const PAGE: u64 = 100;

/// The next call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// This one.
    Call(RuleFilter),
    /// None: everything is answered, or cannot be.
    Nothing,
}

/// What is still to be asked of one group.
#[derive(Debug, Clone)]
pub struct Plan {
    open: BTreeSet<InstanceId>,
    asked: Option<RuleFilter>,
    pages: Pages,
}

#[derive(Debug, Clone)]
enum Pages {
    /// None was read yet.
    Unread,
    /// This many rules are left behind this token.
    Left { token: String, rules: u64 },
    /// All were read, or paging did not work.
    Over,
}

impl Plan {
    /// A plan for these instances.
    pub fn new(instances: impl IntoIterator<Item = InstanceId>) -> Self {
        Self { open: instances.into_iter().collect(), asked: None, pages: Pages::Unread }
    }

    /// The next call. Two or more instances begin with a page: it may answer them all, and it tells the size of the CEN.
    pub fn ask(&mut self) -> Ask {
        let Some(first) = self.open.first().cloned() else { return Ask::Nothing };
        let single = u64::try_from(self.open.len()).unwrap_or(u64::MAX);
        let filter = match &self.pages {
            Pages::Unread if single > 1 => RuleFilter::Page(None),
            Pages::Left { token, rules } if rules.div_ceil(PAGE) < single => RuleFilter::Page(Some(token.clone())),
            _ => RuleFilter::Instance(first),
        };
        self.asked = Some(filter.clone());
        Ask::Call(filter)
    }

    /// Takes the answer to the last call; returns what it says of open instances. A filtered call that does not show
    /// its instance has answered nothing, and is not repeated: the job has to look for itself.
    pub fn answered(&mut self, page: RulePage) -> Vec<(InstanceId, Option<Rule>)> {
        let asked = self.asked.take();
        match &asked {
            Some(RuleFilter::Page(_)) => {
                let read = u64::try_from(page.rules.len()).unwrap_or(u64::MAX);
                let left = match &self.pages {
                    Pages::Left { rules, .. } => rules.saturating_sub(read),
                    _ => page.total.unwrap_or(u64::MAX).saturating_sub(read),
                };
                self.pages = match page.next {
                    // A page without rules would go on for ever.
                    Some(token) if read > 0 => Pages::Left { token, rules: left.max(1) },
                    _ => Pages::Over,
                };
            }
            Some(RuleFilter::Instance(_)) | None => {}
        }
        let mut answers = Vec::new();
        for rule in page.rules {
            if self.open.remove(&rule.instance) {
                answers.push((rule.instance.clone(), Some(rule)));
            }
        }
        if let Some(RuleFilter::Instance(instance)) = asked
            && self.open.remove(&instance)
        {
            answers.push((instance, None));
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{AccountUid, CenId};
    use proptest::prelude::*;

    fn instance(n: usize) -> InstanceId {
        InstanceId::parse(format!("vpc-{n:08}")).unwrap()
    }

    fn rule(n: usize) -> Rule {
        Rule {
            cen: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            cen_owner: AccountUid::parse("1250123456123456").unwrap(),
            instance: instance(n),
            instance_owner: None,
            order_type: None,
            effective_order_type: None,
        }
    }

    /// A CEN with rules 0..total; returns the number of calls and of instances answered with a rule.
    fn run(waiting: &[usize], total: usize) -> (usize, usize) {
        let mut plan = Plan::new(waiting.iter().map(|n| instance(*n)));
        let (mut calls, mut found) = (0, 0);
        while let Ask::Call(filter) = plan.ask() {
            calls += 1;
            let page = match filter {
                RuleFilter::Instance(id) => {
                    let rules: Vec<Rule> = (0..total).filter(|n| instance(*n) == id).map(rule).collect();
                    RulePage { total: Some(rules.len() as u64), rules, next: None }
                }
                RuleFilter::Page(token) => {
                    let from: usize = token.map_or(0, |t| t.parse().unwrap());
                    let to = (from + 100).min(total);
                    RulePage {
                        rules: (from..to).map(rule).collect(),
                        next: (to < total).then(|| to.to_string()),
                        total: Some(total as u64),
                    }
                }
            };
            found += plan.answered(page).iter().filter(|(_, rule)| rule.is_some()).count();
        }
        (calls, found)
    }

    #[test]
    fn one_job_in_a_large_cen_takes_one_call() {
        assert_eq!(run(&[4_321], 10_000), (1, 1));
    }

    #[test]
    fn a_cen_full_of_waiting_jobs_takes_one_call_a_hundred() {
        let all: Vec<usize> = (0..2_000).collect();
        assert_eq!(run(&all, 2_000), (20, 2_000));
    }

    #[test]
    fn few_jobs_in_a_large_cen_are_filtered_after_the_first_page() {
        assert_eq!(run(&[5_000, 6_000, 7_000], 10_000), (4, 3));
    }

    #[test]
    fn a_missing_rule_is_asked_for_once_by_name() {
        assert_eq!(run(&[0, 1, 99_999], 2), (2, 2));
        assert_eq!(run(&[99_999], 2), (1, 0));
    }

    #[test]
    fn an_answer_that_only_pages_on_ends() {
        let mut plan = Plan::new([instance(1), instance(2)]);
        let mut calls = 0;
        while let Ask::Call(_) = plan.ask() {
            calls += 1;
            plan.answered(RulePage { rules: vec![], next: Some("again".into()), total: None });
        }
        assert_eq!(calls, 3, "one page, then each instance by name");
    }

    proptest! {
        #[test]
        fn never_more_calls_than_the_cheaper_way_and_the_first_page(
            waiting in prop::collection::btree_set(0usize..1_500, 1..60),
            total in 1usize..1_500,
        ) {
            let waiting: Vec<usize> = waiting.into_iter().collect();
            let (calls, found) = run(&waiting, total);
            prop_assert_eq!(found, waiting.iter().filter(|n| **n < total).count());
            let missing = waiting.len() - found;
            prop_assert!(calls <= 1 + waiting.len().min(total.div_ceil(100) - 1) + missing);
        }
    }
}
