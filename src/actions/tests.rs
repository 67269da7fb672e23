//! Every judgement of every verb, over the whole grid of what a look can show: each witness silent, empty, unreadable or
//! with any rule; the lists empty, cut short, or with an attachment in any state.

use jiff::Timestamp;

use super::registry;
use crate::domain::contract::{Envelope, parse};
use crate::domain::{Attachment, Edition, GrantRule, Job, JobUid, OrderType, Reason, Requester};
use crate::engine::ports::action::{Certain, Judgement, View};
use crate::engine::ports::cloud::Listing;
use crate::engine::record::Record;
use crate::engine::seen::{GrantState, Seen, grant_state};

const PAYERS: [Option<OrderType>; 3] = [None, Some(OrderType::PayByCenOwner), Some(OrderType::PayByResourceOwner)];

fn job(kind: &str, order_type: Option<OrderType>) -> Job {
    let mut body = serde_json::json!({
        "id": "j", "kind": kind,
        "instance": {
            "type": "VPC", "id": "vpc-bp1h8vbrbcgohcju50001", "region": "cn-hangzhou", "owner": "1688000000000001"
        },
        "cen": {"id": "cen-44m0p68spvlrqq0001", "owner": "1250123456123456"},
    });
    if let Some(order_type) = order_type {
        body["order_type"] = order_type.as_str().into();
    }
    parse(body.to_string().as_bytes(), &Envelope::default()).unwrap()
}

fn record(job: Job) -> Record {
    let uid = JobUid(uuid::Uuid::nil());
    Record::new(uid, Requester::anonymous(), job, "d", "survey", Timestamp::UNIX_EPOCH)
}

/// What one witness can tell: empty and unreadable, empty to the end, or a rule with any payers.
fn witnesses(job: &Job) -> Vec<Listing<GrantRule>> {
    let mut all = vec![Listing { items: vec![], complete: false }, Listing { items: vec![], complete: true }];
    for order_type in PAYERS {
        for effective_order_type in PAYERS {
            let rule = GrantRule {
                cen: job.cen.id.clone(),
                cen_owner: job.cen.owner.clone(),
                instance: job.instance.id.clone(),
                instance_owner: Some(job.instance.owner.clone()),
                region: Some(job.instance.region.clone()),
                order_type,
                effective_order_type,
            };
            all.push(Listing { items: vec![rule], complete: true });
        }
    }
    all
}

fn lists(edition: Edition) -> Vec<Listing<Attachment>> {
    let mut all = vec![Listing { items: vec![], complete: false }, Listing { items: vec![], complete: true }];
    for status in ["Attached", "Modifying", "SomethingNew"] {
        for order_type in PAYERS {
            let attachment = Attachment { id: "tr-attach-1".into(), edition, status: status.into(), order_type };
            all.push(Listing { items: vec![attachment], complete: true });
        }
    }
    all
}

/// Every look, whole.
fn looks(job: &Job) -> Vec<Seen> {
    let mut all = Vec::new();
    for cen_rule in witnesses(job) {
        for resource_rules in witnesses(job) {
            for attachments in lists(Edition::Enterprise) {
                for basic in lists(Edition::Basic) {
                    all.push(Seen {
                        cen_rule: Some(cen_rule.clone()),
                        resource_rules: Some(resource_rules.clone()),
                        attachments: Some(attachments.clone()),
                        basic: Some(basic),
                        ..Seen::nothing(Timestamp::UNIX_EPOCH)
                    });
                }
            }
        }
    }
    all
}

/// Judges every look by `verb`, and checks each judgement.
fn each(verb: &str, job: &Job, check: impl Fn(&Seen, &Judgement)) {
    let (registry, record) = (registry(), record(job.clone()));
    let action = registry.get(verb).unwrap();
    let view = View { record: &record, goal: job.order_type, undo: false, certain: Certain::ALL };
    for seen in looks(job) {
        check(&seen, &action.judge(&view, &seen));
    }
}

fn is_granted(seen: &Seen, job: &Job) -> Option<GrantRule> {
    match grant_state(seen, job) {
        GrantState::Granted(rule) => Some(rule),
        _ => None,
    }
}

/// Both lists were read to their ends, and what they hold.
fn attachments(seen: &Seen) -> Option<Vec<Attachment>> {
    let (enterprise, basic) = (seen.attachments.as_ref()?, seen.basic.as_ref()?);
    (enterprise.complete && basic.complete).then(|| enterprise.items.iter().chain(&basic.items).cloned().collect())
}

#[test]
fn absence_takes_both_witnesses_read_to_their_ends() {
    let job = job("grant", None);
    for seen in looks(&job) {
        let empty =
            |listing: &Option<Listing<GrantRule>>| listing.as_ref().is_some_and(|l| l.complete && l.items.is_empty());
        let both = empty(&seen.cen_rule) && empty(&seen.resource_rules);
        assert_eq!(grant_state(&seen, &job) == GrantState::Absent, both, "{seen:?}");
    }
}

#[test]
fn a_grant_is_written_only_where_none_is() {
    for goal in [OrderType::PayByCenOwner, OrderType::PayByResourceOwner] {
        let job = job("grant", Some(goal));
        each("survey-grant", &job, |seen, judgement| match judgement {
            Judgement::Done("absent") => assert_eq!(grant_state(seen, &job), GrantState::Absent),
            Judgement::Done(_) => assert_eq!(is_granted(seen, &job).unwrap().order_type, Some(goal)),
            Judgement::Refuse { reason, .. } => {
                assert_eq!(*reason, Reason::PayerDiffers);
                assert_eq!(is_granted(seen, &job).unwrap().order_type, Some(goal.other()));
            }
            other => assert!(matches!(other, Judgement::Unclear(_)), "{other:?}"),
        });
        each("grant", &job, |seen, judgement| {
            let writes = matches!(judgement, Judgement::Write(_));
            assert_eq!(writes, grant_state(seen, &job) == GrantState::Absent, "{seen:?}");
        });
    }
}

#[test]
fn a_revoke_is_written_only_where_a_grant_is_and_surely_nothing_attached() {
    let job = job("revoke", None);
    for verb in ["survey-revoke", "revoke"] {
        each(verb, &job, |seen, judgement| {
            let revokes = matches!(judgement, Judgement::Write(_) | Judgement::Done("unattached"));
            let unattached = attachments(seen).is_some_and(|list| list.is_empty());
            let shown = seen.cen_rule.as_ref().is_some_and(|rules| !rules.items.is_empty());
            assert_eq!(revokes, is_granted(seen, &job).is_some() && unattached && shown, "{verb}: {seen:?}");
            assert!(!matches!(judgement, Judgement::Done("attached")), "this job may delete nothing");
        });
    }
}

#[test]
fn an_empty_list_that_no_other_look_has_confirmed_leads_nowhere() {
    for (kind, verbs) in [
        ("revoke", &["survey-revoke", "revoke", "delete-attachments"][..]),
        ("payer-change", &["survey-payer", "revoke", "update-attachments"]),
    ] {
        let job = job(kind, (kind == "payer-change").then_some(OrderType::PayByResourceOwner));
        let (registry, record) = (registry(), record(job.clone()));
        let view = View { record: &record, goal: job.order_type, undo: false, certain: Certain::default() };
        for (verb, seen) in verbs.iter().flat_map(|verb| looks(&job).into_iter().map(move |seen| (verb, seen))) {
            if attachments(&seen).is_some_and(|list| list.is_empty()) && is_granted(&seen, &job).is_some() {
                let judgement = registry.get(verb).unwrap().judge(&view, &seen);
                let leads_on = matches!(judgement, Judgement::Write(_) | Judgement::Done(_));
                assert!(!leads_on, "{verb}: {judgement:?} on {seen:?}");
            }
        }
    }
}

#[test]
fn a_payer_change_takes_the_branch_that_the_look_proves() {
    for goal in [OrderType::PayByCenOwner, OrderType::PayByResourceOwner] {
        let job = job("payer-change", Some(goal));
        each("survey-payer", &job, |seen, judgement| {
            let Judgement::Done(branch) = judgement else { return };
            let rule = is_granted(seen, &job).expect("every branch needs the grant");
            let list = attachments(seen).expect("every branch needs the lists");
            let all_at_goal = rule.order_type == Some(goal) && list.iter().all(|a| a.order_type == Some(goal));
            let effective = rule.effective_order_type;
            match *branch {
                "satisfied" => {
                    assert!(all_at_goal);
                    assert!(effective == Some(goal) || (effective.is_none() && list.is_empty()), "{seen:?}");
                }
                "pending" => assert!(all_at_goal && effective == Some(goal.other()), "{seen:?}"),
                "attached" => assert!(!list.is_empty() && list.iter().all(Attachment::is_attached), "{seen:?}"),
                "unattached" => assert!(list.is_empty() && rule.order_type == Some(goal.other()), "{seen:?}"),
                other => panic!("{other}"),
            }
        });
        each("modify-grant", &job, |seen, judgement| {
            let differs = is_granted(seen, &job).is_some_and(|rule| rule.order_type == Some(goal.other()));
            assert_eq!(matches!(judgement, Judgement::Write(_)), differs, "{seen:?}");
        });
        each("update-attachments", &job, |seen, judgement| {
            let listing = seen.attachments.as_ref().unwrap();
            let stale = |a: &Attachment| a.is_attached() && a.order_type != Some(goal);
            let other = seen.rule_at_cen(&job).is_some_and(|rule| rule.order_type != Some(goal));
            let writes = listing.complete && listing.items.iter().any(stale) && !other;
            assert_eq!(matches!(judgement, Judgement::Write(_)), writes, "{seen:?}");
            if matches!(judgement, Judgement::Done(_)) {
                assert!(listing.items.iter().all(|a| a.is_attached() && a.order_type == Some(goal)), "{seen:?}");
            }
        });
    }
}

#[test]
fn what_is_confirmed_was_shown() {
    let goal = OrderType::PayByResourceOwner;
    let job = job("payer-change", Some(goal));
    let at_cen = |seen: &Seen| seen.rule_at_cen(&job).cloned();
    each("confirm-payer", &job, |seen, judgement| {
        if let Judgement::Done(outcome) = judgement {
            let rule = at_cen(seen).expect("shown");
            assert_eq!(rule.order_type, Some(goal));
            assert_eq!(*outcome == "pending", rule.effective_order_type == Some(goal.other()));
        }
    });
    each("confirm-granted", &job, |seen, judgement| {
        let shown = at_cen(seen).is_some_and(|rule| rule.order_type == Some(goal));
        assert_eq!(matches!(judgement, Judgement::Done(_)), shown);
    });
    each("confirm-revoked", &job, |seen, judgement| {
        assert_eq!(matches!(judgement, Judgement::Done(_)), grant_state(seen, &job) == GrantState::Absent);
    });
}
