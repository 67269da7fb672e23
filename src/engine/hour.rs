//! Waiting for the top of the hour: when to look, and what to make of it. Pure.
//!
//! An answer is *effective*, *pending*, or it is *unclear*, and unclear never completes, fails or writes anything.

use std::time::Duration;

use jiff::Timestamp;

use super::action::{Seen, Standing, standing};
use super::state::{Record, Wait};
use crate::clock::later;
use crate::domain::{Hour, OrderType, Rule};

/// When to look next at something that should have been effective at `expected_at` and was not seen so by `now`: at
/// `expected_at`, then at each of `offsets` after the top of the hour, then at the top of each further hour.
///
/// `offsets` are meant for the real hour and scale with this one; they ascend and stay below one hour.
pub fn next_check(expected_at: Timestamp, now: Timestamp, hour: Hour, offsets: &[Duration]) -> Timestamp {
    if now < expected_at {
        return expected_at;
    }
    let next_hour = hour.next_after(now);
    let top = later(next_hour, Duration::ZERO)
        .checked_sub(jiff::SignedDuration::try_from(hour.length()).unwrap_or(jiff::SignedDuration::MAX))
        .unwrap_or(Timestamp::MIN);
    offsets
        .iter()
        .map(|offset| later(top, hour.scale(*offset)))
        .find(|at| *at > now)
        .unwrap_or(next_hour)
        .min(next_hour)
}

/// What the one rule that the sweep read says of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// The goal is written and in force.
    Effective,
    /// The goal is written and not yet in force.
    Pending,
    /// Anything else: the job must look for itself, with both witnesses.
    Doubtful,
}

/// Judges a wait by the first witness alone, which may confirm, and nothing else.
pub fn judge_rule(goal: OrderType, rule: Option<&Rule>) -> Swept {
    match rule.map(|rule| (rule.order_type, rule.effective_order_type)) {
        Some((Some(written), Some(effective))) if written == goal && effective == goal => Swept::Effective,
        Some((Some(written), Some(_))) if written == goal => Swept::Pending,
        _ => Swept::Doubtful,
    }
}

/// What a full look says of a wait.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waited {
    /// The goal is in force.
    Effective,
    /// The goal is written and not yet in force.
    Pending,
    /// Both witnesses show another payer written: somebody changed it after us.
    Overridden,
    /// Both witnesses, read to the end, show no grant.
    GrantGone,
    /// It cannot be told, and why.
    Unclear(String),
}

/// Judges a wait by a look that covers [`super::action::Reads::ALL`].
///
/// An absent effective order type is in force only on a grant without attachments (API §B: absent means unknown; §I G4:
/// nobody says whether an unattached grant has one).
pub fn judge_wait(record: &Record, wait: &Wait, seen: &Seen) -> Waited {
    match standing(seen, &record.job) {
        Standing::Unclear(why) => Waited::Unclear(why),
        Standing::Absent => Waited::GrantGone,
        Standing::Granted(rule) => match (rule.order_type, rule.effective_order_type) {
            (None, _) => Waited::Unclear("the grant is shown without an order type".into()),
            (Some(written), _) if written != wait.goal => Waited::Overridden,
            (_, Some(effective)) if effective == wait.goal => Waited::Effective,
            (_, Some(_)) => Waited::Pending,
            (_, None) => match (&seen.attachments, &seen.basic) {
                (Some(a), Some(b)) if a.complete && b.complete && a.items.is_empty() && b.items.is_empty() => {
                    Waited::Effective
                }
                _ => Waited::Unclear("the grant is attached and shown without an effective order type".into()),
            },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    const OFFSETS: [Duration; 4] =
        [Duration::from_secs(30), Duration::from_secs(120), Duration::from_secs(300), Duration::from_secs(900)];

    #[test]
    fn looks_at_the_hour_then_at_the_offsets_then_each_hour() {
        let expected = at("2026-11-21T11:00:00Z");
        let mut now = at("2026-11-21T10:20:00Z");
        let mut looks = Vec::new();
        for _ in 0..7 {
            now = next_check(expected, now, Hour::REAL, &OFFSETS);
            looks.push(now.to_string());
        }
        assert_eq!(
            looks,
            [
                "2026-11-21T11:00:00Z",
                "2026-11-21T11:00:30Z",
                "2026-11-21T11:02:00Z",
                "2026-11-21T11:05:00Z",
                "2026-11-21T11:15:00Z",
                "2026-11-21T12:00:00Z",
                "2026-11-21T12:00:30Z",
            ]
        );
    }

    #[test]
    fn offsets_scale_with_the_hour() {
        let hour = Hour::new(Duration::from_secs(10)).unwrap();
        let expected = at("2026-11-21T11:00:10Z");
        let next = next_check(expected, expected, hour, &OFFSETS);
        assert_eq!(next.duration_since(expected).as_micros(), 83_333);
    }

    #[test]
    fn the_first_witness_alone_only_confirms() {
        use OrderType::{PayByCenOwner as Cen, PayByResourceOwner as Resource};
        let rule = |order_type, effective_order_type| Rule {
            cen: crate::domain::CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            cen_owner: crate::domain::AccountUid::parse("1250123456123456").unwrap(),
            instance: crate::domain::InstanceId::parse("vpc-bp1h8vbrbcgohcju50001").unwrap(),
            instance_owner: None,
            order_type,
            effective_order_type,
        };
        assert_eq!(judge_rule(Resource, Some(&rule(Some(Resource), Some(Resource)))), Swept::Effective);
        assert_eq!(judge_rule(Resource, Some(&rule(Some(Resource), Some(Cen)))), Swept::Pending);
        for odd in [(Some(Cen), Some(Cen)), (Some(Cen), Some(Resource)), (Some(Resource), None), (None, Some(Resource))]
        {
            assert_eq!(judge_rule(Resource, Some(&rule(odd.0, odd.1))), Swept::Doubtful, "{odd:?}");
        }
        assert_eq!(judge_rule(Resource, None), Swept::Doubtful, "a missing rule may be a wrong page or a lagging read");
    }
}
