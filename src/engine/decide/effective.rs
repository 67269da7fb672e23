//! What counts as effective: what a look, or the one rule that the sweep reads, says of a wait for the hour.
//!
//! An answer is *effective*, *pending*, or it is *unclear*, and unclear never completes, fails or writes anything.

use jiff::Timestamp;

use crate::clock::later;
use crate::domain::{Attachment, Edition, GrantRule, Hour, OrderType};
use crate::engine::ports::action::Certain;
use crate::engine::record::{Outcome, Record, Wait, Write};
use crate::engine::seen::{GrantState, Seen, grant_state};

/// What the one rule that the sweep read says of a wait.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// The goal is written and in force.
    Effective,
    /// The goal is written and not yet in force.
    Pending,
    /// Anything else: the job must make a look of its own, with both witnesses.
    Doubtful,
}

/// Judges a wait by the first witness alone, which may confirm, and nothing else.
pub fn judge_rule(goal: OrderType, rule: Option<&GrantRule>) -> Swept {
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
    /// It was changed after this job: both witnesses show another payer written, or an attachment carries another again.
    Overridden(String),
    /// Both witnesses, read to the end, show no grant.
    GrantGone,
    /// The hour has passed, nothing is attached, and the goal is not in force.
    Detached,
    /// The hour has passed, and an attachment that this job never wrote to carries another payer.
    Missing(String),
    /// An empty answer that another look has to confirm.
    Recheck(String),
    /// It cannot be told, and why.
    Unclear(String),
}

/// Judges a wait by a look that covers [`crate::engine::seen::Reads::ALL`]. `known` are the attachments as they were known before
/// it; `over` says that the hour has come and gone long enough for its effect to show.
///
/// A grant without `EffectiveOrderType` counts as in force only if it has no attachments (API §B: absent means unknown; §I
/// G4: no page says whether an unattached grant has one).
pub fn judge_wait(
    record: &Record,
    wait: &Wait,
    seen: &Seen,
    certain: Certain,
    known: &[Attachment],
    over: Over,
) -> Waited {
    let rule = match grant_state(seen, &record.job) {
        GrantState::Unclear(why) => return Waited::Unclear(why),
        GrantState::Unshown if certain.gone => return Waited::GrantGone,
        GrantState::Unshown => {
            return Waited::Unclear("account and CEN are shown no grant, which proves nothing".into());
        }
        GrantState::Absent => return Waited::GrantGone,
        GrantState::Granted(rule) => rule,
    };
    let unattached = seen.all_attachments().is_some_and(|list| list.is_empty());
    match (rule.order_type, rule.effective_order_type) {
        (None, _) => Waited::Unclear("the grant is shown without an order type".into()),
        (Some(written), _) if written != wait.goal => {
            Waited::Overridden(format!("the payer was set back from {}", wait.goal))
        }
        (_, Some(effective)) if effective == wait.goal => Waited::Effective,
        (_, Some(_)) => judge_late(record, wait, seen, certain, known, over),
        (_, None) if unattached && certain.detached => Waited::Effective,
        (_, None) if unattached => Waited::Recheck("no attachment is shown; looks once more".into()),
        (_, None) => Waited::Unclear("the grant is attached and shown without an effective order type".into()),
    }
}

/// How far a wait is past its hour.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Over {
    /// The hour is still to come.
    No,
    /// It has passed; what took effect may show late.
    Hour,
    /// A whole further hour has passed, in which it would have shown.
    AWholeHour,
}

/// How far a wait is past its hour at `now`.
pub fn over(wait: &Wait, now: Timestamp, hour: Hour) -> Over {
    if now < wait.expected_at {
        Over::No
    } else if now < later(wait.expected_at, hour.length()) {
        Over::Hour
    } else {
        Over::AWholeHour
    }
}

/// The goal is written on the grant and another payer is in force. Before the hour that is as expected; after it the
/// attachments tell whether something is wrong or the effect only shows late.
fn judge_late(record: &Record, wait: &Wait, seen: &Seen, certain: Certain, known: &[Attachment], over: Over) -> Waited {
    if over == Over::No {
        return Waited::Pending;
    }
    let Some(list) = seen.all_attachments() else {
        return Waited::Unclear(
            "the lists of attachments could not be read to their ends, or contradict each other".into(),
        );
    };
    if !certain.detached {
        return Waited::Recheck("attachments are not shown any more; looks once more before it believes that".into());
    }
    let billed = list.iter().filter(|a| a.edition == Edition::Enterprise);
    if let Some(other) =
        billed.clone().find(|a| a.is_attached() && a.order_type.is_some_and(|payer| payer != wait.goal))
    {
        let set = |a: &&Attachment| a.id == other.id && a.order_type == Some(wait.goal);
        let took_effect = |w: &Write| matches!(w.outcome, Outcome::Accepted { .. } | Outcome::Seen { .. });
        let ours = |w: &&Write| w.resource == other.id && w.undo == record.undo.is_some();
        let written = record.writes.iter().filter(ours).any(took_effect);
        return if written || known.iter().any(|a| set(&a)) {
            Waited::Overridden(format!("the payer of {} was set back from {}", other.id, wait.goal))
        } else {
            Waited::Missing(format!("{} does not carry {} yet", other.id, wait.goal))
        };
    }
    // No source says whether a payer takes effect while nothing is attached. Within an hour it would have shown.
    if list.is_empty() && over == Over::AWholeHour { Waited::Detached } else { Waited::Pending }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::cloud::Listing;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    #[test]
    fn the_first_witness_alone_only_confirms() {
        use OrderType::{PayByCenOwner as Cen, PayByResourceOwner as Resource};
        let rule = |order_type, effective_order_type| GrantRule {
            cen: crate::domain::CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            cen_owner: crate::domain::AccountUid::parse("1250123456123456").unwrap(),
            instance: crate::domain::InstanceId::parse("vpc-bp1h8vbrbcgohcju50001").unwrap(),
            instance_owner: None,
            region: None,
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

    const ID: &str = "tr-attach-1";

    /// A look at a grant with `goal` written and another payer in force.
    fn late(attachments: Vec<Attachment>) -> Seen {
        let list = |items| Some(Listing { items, complete: true });
        let rule = GrantRule {
            cen: crate::domain::CenId::parse("cen-44m0p68spvlrqq0001").unwrap(),
            cen_owner: crate::domain::AccountUid::parse("1250123456123456").unwrap(),
            instance: crate::domain::InstanceId::parse("vpc-bp1h8vbrbcgohcju50001").unwrap(),
            instance_owner: None,
            region: None,
            order_type: Some(OrderType::PayByResourceOwner),
            effective_order_type: Some(OrderType::PayByCenOwner),
        };
        Seen {
            cen_rule: Some(Listing { items: vec![rule.clone()], complete: true }),
            resource_rules: Some(Listing { items: vec![rule], complete: true }),
            attachments: list(attachments),
            basic: list(vec![]),
            ..Seen::nothing(at("2026-11-21T11:00:30Z"))
        }
    }

    fn attachment(status: &str, payer: OrderType) -> Attachment {
        Attachment { id: ID.into(), edition: Edition::Enterprise, status: status.into(), order_type: Some(payer) }
    }

    #[test]
    fn what_shows_late_is_pending_and_what_was_changed_is_told() {
        use OrderType::{PayByCenOwner as Cen, PayByResourceOwner as Resource};
        let record = crate::admin::testing::record("NET-1");
        let (expected_at, since) = (at("2026-11-21T11:00:00Z"), at("2026-11-21T10:20:00Z"));
        let wait = Wait {
            goal: Resource,
            expected_at,
            since,
            last_pending: None,
            unmet_since: None,
            doubt: false,
            overdue: false,
        };
        let judged = |list: Vec<Attachment>, certain: Certain, known: &[Attachment], over: Over| {
            judge_wait(&record, &wait, &late(list), certain, known, over)
        };
        let (new, old) = (attachment("Attached", Resource), attachment("Attached", Cen));
        for over in [Over::No, Over::Hour, Over::AWholeHour] {
            assert_eq!(judged(vec![new.clone()], Certain::ALL, &[], over), Waited::Pending, "{over:?}: it shows late");
            let busy = attachment("Modifying", Cen);
            assert_eq!(judged(vec![busy], Certain::ALL, &[], over), Waited::Pending, "{over:?}: it is being changed");
        }
        assert_eq!(judged(vec![old.clone()], Certain::ALL, &[], Over::No), Waited::Pending, "nothing yet");
        for over in [Over::Hour, Over::AWholeHour] {
            let set_back = judged(vec![old.clone()], Certain::ALL, std::slice::from_ref(&new), over);
            assert!(matches!(set_back, Waited::Overridden(_)), "{over:?}: it was seen with the goal: {set_back:?}");
            let missing = judged(vec![old.clone()], Certain::ALL, std::slice::from_ref(&old), over);
            assert!(matches!(missing, Waited::Missing(_)), "{over:?}: it never was: {missing:?}");
            let once = judged(vec![], Certain { detached: false, ..Certain::ALL }, &[], over);
            assert!(matches!(once, Waited::Recheck(_)), "{over:?}: one look shows nothing: {once:?}");
        }
        assert_eq!(judged(vec![], Certain::ALL, std::slice::from_ref(&new), Over::Hour), Waited::Pending);
        assert_eq!(judged(vec![], Certain::ALL, &[new], Over::AWholeHour), Waited::Detached);
    }

    #[test]
    fn a_wait_is_over_by_its_hour_and_by_a_whole_one_more() {
        let expected_at = at("2026-11-21T11:00:00Z");
        let goal = OrderType::PayByCenOwner;
        let wait = Wait {
            goal,
            expected_at,
            since: expected_at,
            last_pending: None,
            unmet_since: None,
            doubt: false,
            overdue: false,
        };
        let at = |text: &str| over(&wait, at(text), Hour::REAL);
        assert_eq!(at("2026-11-21T10:59:59Z"), Over::No);
        assert_eq!((at("2026-11-21T11:00:00Z"), at("2026-11-21T11:59:59Z")), (Over::Hour, Over::Hour));
        assert_eq!(at("2026-11-21T12:00:00Z"), Over::AWholeHour);
    }
}
