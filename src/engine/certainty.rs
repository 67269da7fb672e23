//! Certainty: which empty answers are believed. Pure.
//!
//! A list can be empty for a moment although nothing is gone: a lagging replica, a fault that passes. Where it matters
//! what is not there, one look is never believed: a second must agree, asked a while (`attachments-recheck`) after the
//! first was answered. Between the two the job rests.

use jiff::Timestamp;

use super::action::{Certain, Seen, Standing, standing};
use super::cen_owner::CenOwner;
use super::decide::{Deciding, Next};
use crate::clock::later;
use crate::domain::Edition;

impl Deciding<'_> {
    /// Weighs a look against those before it. To be done before it is remembered.
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

    /// Whether complete lists show no attachment, or lack one that was shown before; `None` when there are no complete ones.
    fn misses_attachments(&self, seen: &Seen) -> Option<bool> {
        let shown = seen.all_attachments()?;
        let known = self.record.after.as_ref().and_then(|after| after.attachments.as_ref());
        let read = |edition| edition == Edition::Enterprise || seen.basic.is_some();
        let mut known = known.into_iter().flatten().filter(|known| read(known.edition));
        Some(shown.is_empty() || known.any(|known| !shown.iter().any(|shown| shown.id == known.id)))
    }

    /// Whether a grant that was there before the first write is shown to nobody: the account that was shown it is the owner
    /// of the instance, so what it is not shown any more is gone. `None` when it cannot be told.
    fn misses_grant(&self, seen: &Seen) -> Option<bool> {
        let was_there = self.record.before.as_ref().is_some_and(|before| before.granted);
        match standing(seen, &self.record.job) {
            Standing::Unshown if was_there => Some(true),
            Standing::Granted(_) => Some(false),
            Standing::Absent | Standing::Unshown | Standing::Unclear(_) => None,
        }
    }

    /// Whether an absence may be believed; one that is not there may.
    fn believed(&self, missing: Option<bool>, since: &mut Option<Timestamp>, asked_at: Timestamp) -> bool {
        match missing {
            Some(true) => {
                let first = *since.get_or_insert(self.now);
                asked_at >= later(first, self.rules.policies.attachments_recheck)
            }
            Some(false) => {
                *since = None;
                true
            }
            None => false,
        }
    }

    /// Looks once more, as soon as that look counts. Not a failed try.
    pub(super) fn recheck(&mut self, why: String) -> Next {
        self.record.due = Some(later(self.now, self.rules.policies.attachments_recheck));
        self.record.why = why;
        Next::Rest
    }
}
