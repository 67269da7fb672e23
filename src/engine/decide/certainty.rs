//! Certainty: which empty answers are believed.
//!
//! A list can be empty for a moment although nothing is gone: a replica lags, or a fault passes. Where an absence matters, one
//! look is never believed. A second must agree, asked `attachments-recheck` after the first was answered. Between the two
//! the job rests.

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::Edition;
use crate::engine::decide::decision::{Deciding, Next};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::action::Certain;
use crate::engine::seen::{GrantState, Seen, grant_state};

impl Deciding<'_> {
    /// Weighs a look against those before it. Called before the look is remembered.
    pub(super) fn weigh(&mut self, seen: &Seen) {
        let settled = self.is_settled(seen);
        let mut since = self.record.empty_since;
        let missing = self.misses_attachments(seen);
        let not_owner = seen.cen_owner.as_ref().filter(|owner| **owner != CenOwner::Untold);
        let not_owner = not_owner.map(|owner| *owner == CenOwner::NotShown);
        let misses_grant = self.misses_grant(seen);
        self.certain = Certain {
            detached: self.believed(missing, &mut since.attachments, seen.at),
            not_owner: self.believed(not_owner, &mut since.cen, seen.at),
            settled,
            gone: self.believed(misses_grant, &mut since.grant, seen.at) && misses_grant == Some(true) && settled,
        };
        self.record.empty_since = since;
    }

    /// Whether complete lists show no attachment, or lack one that was shown before. `None` without complete lists.
    fn misses_attachments(&self, seen: &Seen) -> Option<bool> {
        let shown = seen.all_attachments()?;
        let known = self.record.after.as_ref().and_then(|after| after.attachments.as_ref());
        let read = |edition| edition == Edition::Enterprise || seen.basic.is_some();
        let mut known = known.into_iter().flatten().filter(|known| read(known.edition));
        Some(shown.is_empty() || known.any(|known| !shown.iter().any(|shown| shown.id == known.id)))
    }

    /// Whether a grant that was there before the first write is not shown any more. The account was shown it then, so it owns
    /// the instance, and what it is not shown now is gone. `None` if the look does not tell.
    fn misses_grant(&self, seen: &Seen) -> Option<bool> {
        let was_there = self.record.before.as_ref().is_some_and(|before| before.granted);
        match grant_state(seen, &self.record.job) {
            GrantState::Unshown if was_there => Some(true),
            GrantState::Granted(_) => Some(false),
            GrantState::Absent | GrantState::Unshown | GrantState::Unclear(_) => None,
        }
    }

    /// Whether the look may be relied on: nothing is missing, or a second look agrees about what is missing.
    fn believed(&self, missing: Option<bool>, since: &mut Option<Timestamp>, asked_at: Timestamp) -> bool {
        match missing {
            Some(true) => {
                // A first look in the future was made before the clock was set back: it counts from now.
                let first = since.filter(|first| *first <= self.now).unwrap_or(self.now);
                *since = Some(first);
                asked_at >= later(first, self.context.policies.attachments_recheck)
            }
            Some(false) => {
                *since = None;
                true
            }
            None => false,
        }
    }

    /// Rests until a second look counts. Not a failed try.
    pub(super) fn recheck(&mut self, why: String) -> Next {
        self.record.phase.rest_until(later(self.now, self.context.policies.attachments_recheck));
        self.record.why = why;
        Next::Rest
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::testing::{at, record};
    use crate::domain::{Attachment, Hour};
    use crate::engine::decide::decision::Context;
    use crate::engine::ports::cloud::Listing;
    use crate::engine::record::Image;
    use crate::workflow::{Catalog, Overrides};

    /// Weighs looks, each by when it began, when it was answered, and the attachments it showed, if its lists were complete;
    /// says of each whether what it does not show is believed to be gone.
    fn believed(known: &[&str], looks: &[(&str, &str, Option<&[&str]>)]) -> Vec<bool> {
        let registry = crate::actions::registry();
        let catalog = Catalog::embedded(&registry.specs(), &Overrides::default()).unwrap();
        let rules = Context {
            definition: catalog.definition(crate::domain::Kind::PayerChange),
            registry: &registry,
            policies: &catalog.policies,
            classes: &catalog.classes,
            hour: Hour::REAL,
            told: true,
        };
        let attachment = |id: &&str| Attachment {
            id: (*id).into(),
            edition: Edition::Enterprise,
            status: "Attached".into(),
            order_type: None,
        };
        let list = |ids: &[&str], complete| Some(Listing { items: ids.iter().map(attachment).collect(), complete });
        let mut job = record("NET-1");
        let attachments = (!known.is_empty()).then(|| known.iter().map(attachment).collect());
        let (granted, order_type, effective_order_type) = (true, None, None);
        job.after = Some(Image { at: at(looks[0].0), granted, order_type, effective_order_type, attachments });
        let weigh = |(asked, answered, shown): &(&str, &str, Option<&[&str]>)| {
            let seen = Seen {
                attachments: list(shown.unwrap_or_default(), shown.is_some()),
                basic: list(&[], true),
                ..Seen::nothing(at(asked))
            };
            let mut deciding = Deciding::new(&rules, job.clone(), at(answered));
            deciding.weigh(&seen);
            job.empty_since = deciding.record.empty_since;
            deciding.certain.detached
        };
        looks.iter().map(weigh).collect()
    }

    const FIRST: (&str, &str) = ("2026-11-28T10:20:00Z", "2026-11-28T10:20:02Z");

    #[test]
    fn an_absence_is_believed_when_a_look_asked_long_enough_after_the_first_answer_agrees() {
        let none: Option<&[&str]> = Some(&[]);
        let looks = |second: &'static str| [(FIRST.0, FIRST.1, none), (second, second, none)];
        assert_eq!(believed(&[], &looks("2026-11-28T10:20:06.9Z")), [false, false], "counted from the answer");
        assert_eq!(believed(&[], &looks("2026-11-28T10:20:07Z")), [false, true]);
        assert_eq!(believed(&["a"], &looks("2026-11-28T10:20:07Z")), [false, true]);
        assert_eq!(believed(&[], &looks("2026-11-28T09:00:00Z")), [false, false], "the clock was set back");
    }

    #[test]
    fn one_that_is_missing_of_several_is_an_absence_too() {
        let (one, both): (Option<&[&str]>, Option<&[&str]>) = (Some(&["a"]), Some(&["a", "b"]));
        let second = "2026-11-28T10:20:07Z";
        assert_eq!(believed(&["a", "b"], &[(FIRST.0, FIRST.1, one), (second, second, one)]), [false, true]);
        assert_eq!(believed(&["a"], &[(FIRST.0, FIRST.1, both)]), [true], "one that comes is shown");
    }

    #[test]
    fn what_shows_again_begins_anew_and_what_cannot_be_told_counts_for_nothing() {
        let (none, one): (Option<&[&str]>, Option<&[&str]>) = (Some(&[]), Some(&["a"]));
        let at = |second: &'static str, shown| (second, second, shown);
        let shown_again = [
            (FIRST.0, FIRST.1, none),
            at("2026-11-28T10:20:07Z", one),
            at("2026-11-28T10:20:12Z", none),
            at("2026-11-28T10:20:17Z", none),
        ];
        assert_eq!(believed(&["a"], &shown_again), [false, true, false, true]);
        let untold = [(FIRST.0, FIRST.1, none), at("2026-11-28T10:20:07Z", None), at("2026-11-28T10:20:08Z", none)];
        assert_eq!(believed(&["a"], &untold), [false, false, true]);
    }
}
