//! Every verdict of every point, from answers that are written here.

mod attached;
mod fixtures;
mod rules;

use serde_json::{Value, json};

use self::fixtures::*;
use super::*;

#[test]
fn a_cloud_as_it_is_taken_to_be_agrees_for_every_type() {
    for kind in InstanceType::ALL {
        let seen = judge(&as_taken_for_true(kind));
        assert!(!seen.iter().any(PointObservation::differs), "{kind}: {seen:#?}");
        let agree = seen.iter().filter(|seen| matches!(seen.verdict, PointVerdict::Agrees(_))).count();
        assert!(agree >= 11, "{kind}: {seen:#?}");
    }
}

#[test]
fn every_point_is_looked_at_for_some_type() {
    let seen: std::collections::BTreeSet<&str> = InstanceType::ALL
        .into_iter()
        .flat_map(|kind| judge(&as_taken_for_true(kind)))
        .map(|seen| seen.point.name)
        .collect();
    assert_eq!(seen, points::ALL.iter().map(|point| point.name).collect());
}

#[test]
fn a_read_that_fails_or_is_refused_for_another_cause_tells_nothing() {
    for broken in [failed as fn(&CompletedRead) -> CompletedRead, |read| refused_with(read, "NoPermission")] {
        for kind in InstanceType::ALL {
            let mut looked = as_taken_for_true(kind);
            for read in [&mut looked.cens, &mut looked.routers, &mut looked.rules, &mut looked.to_resource] {
                *read = broken(read);
            }
            let more = looked.services.iter_mut().chain(&mut looked.attachments).chain(&mut looked.children);
            for read in more.chain(&mut looked.cen_alone).chain(&mut looked.ecr_rules).chain(&mut looked.vpns) {
                *read = broken(read);
            }
            let others = looked.others.as_mut().unwrap();
            let others = [&mut others.rules, &mut others.routers, &mut others.cens, &mut others.instance]
                .into_iter()
                .chain(&mut others.attachments)
                .chain(&mut others.children);
            others.for_each(|read| *read = broken(read));
            for seen in judge(&looked) {
                assert!(matches!(seen.verdict, PointVerdict::CannotTell(_)), "{kind}: {seen:?}");
            }
        }
    }
}

#[test]
fn a_list_by_the_cen_alone_is_refused_or_not() {
    let mut looked = vpc();
    let read = looked.cen_alone.clone().unwrap();
    looked.cen_alone = Some(refused_with(&read, "InvalidParameter"));
    differs(&looked, "cen-alone", "refused with InvalidParameter");
    looked.cen_alone = Some(with(&read, "TransitRouterAttachments", &[attached(InstanceType::VPC, 1)]));
    differs(&looked, "cen-alone", "answered, with 1 attachments");
    looked.cen_alone = Some(answered(OWNER, read.operation, json!({"RequestId": "R"})));
    differs(&looked, "cen-alone", "RequestId alone");
}

#[test]
fn routers_show_whose_they_are_and_of_which_edition() {
    let mut looked = vpc();
    let read = looked.routers.clone();
    for (field, value, part) in [
        ("AliUid", Value::Null, "has no AliUid"),
        ("AliUid", json!("1999999999999999"), "belongs to account 1999999999999999"),
        ("Type", Value::Null, "has no Type"),
        ("Type", json!("Ultimate"), "is of Type Ultimate"),
        ("RegionId", json!(""), "has no RegionId"),
    ] {
        let mut odd = router(1, "cn-hangzhou", "Enterprise");
        odd[field] = value;
        looked.routers = with(&read, "TransitRouters", &[odd]);
        differs(&looked, "routers", part);
    }
    looked.routers = with(&read, "TransitRouters", &[]);
    unclear(&looked, "routers", "no transit router");
}

#[test]
fn the_filter_by_cen_is_obeyed_or_not() {
    let mut looked = vpc();
    let (read, own, other) = (looked.cens.clone(), json!({"CenId": CEN}), json!({"CenId": "cen-2"}));
    for (items, part) in [
        (vec![], "is it the owner?"),
        (vec![other.clone()], "1 others are"),
        (vec![own.clone(), own.clone()], "listed 2 times"),
        (vec![own, other], "not obeyed"),
    ] {
        looked.cens = with(&read, "Cens", &items);
        differs(&looked, "cens", part);
    }
}

#[test]
fn lists_are_counted_rightly_or_not() {
    let mut looked = vpc();
    agrees(&looked, "counts", "all 7 lists");
    let read = looked.rules.clone();
    let mut one_more = listed("GrantRules", &[rule(InstanceType::VPC, 1)]);
    one_more["TotalCount"] = json!(2);
    looked.rules = answered(OWNER, read.operation, one_more);
    differs(&looked, "counts", "DescribeGrantRulesToCen counts 2 and lists 1");
    looked.rules = cut_short(&looked.rules);
    agrees(&looked, "counts", "all 6 lists");
    looked.rules = answered(OWNER, read.operation, json!({"RequestId": "R", "GrantRules": []}));
    differs(&looked, "counts", "has no TotalCount");
}

#[test]
fn another_account_is_answered_in_one_of_several_ways() {
    let mut looked = vpc();
    let read = looked.others.as_ref().unwrap().rules.clone();
    let mut told = |rules: CompletedRead| {
        looked.others.as_mut().unwrap().rules = rules.clone();
        looked.others.as_mut().unwrap().routers = rules;
        (verdict(&looked, "other-rules"), verdict(&looked, "other-routers"))
    };
    let bare = "a RequestId alone".to_owned();
    let empty = "an empty list, counted 0".to_owned();
    let both = told(answered(RESOURCE, read.operation, json!({"RequestId": "R"})));
    assert_eq!(both, (PointVerdict::Agrees(bare.clone()), PointVerdict::Differs(bare)));
    let both = told(answered(RESOURCE, read.operation, listed("GrantRules", &[])));
    assert_eq!(both, (PointVerdict::Differs(empty.clone()), PointVerdict::Agrees(empty)));
    for (body, part) in [
        (json!({"RequestId": "R", "GrantRules": []}), "without a count"),
        (json!({"RequestId": "R", "GrantRules": [], "TotalCount": 3}), "counted 3"),
        (listed("GrantRules", &[json!({})]), "1 items"),
    ] {
        let (rules, routers) = told(answered(RESOURCE, read.operation, body));
        assert!(matches!(&rules, PointVerdict::Differs(says) if says.contains(part)), "{rules:?}");
        assert_eq!(rules, routers);
    }
    let (rules, _) = told(refused_with(&read, "Unauthorized"));
    assert!(matches!(&rules, PointVerdict::CannotTell(says) if says.contains("may have another cause")), "{rules:?}");
    let (rules, _) = told(refused_with(&read, "IllegalParam.CenId"));
    assert!(matches!(&rules, PointVerdict::Differs(says) if says.contains("IllegalParam.CenId")), "{rules:?}");
    looked.others = None;
    unclear(&looked, "other-rules", "one account owns");
}

#[test]
fn the_service_says_whether_it_is_there() {
    let mut looked = vpc();
    let read = looked.services[0].clone();
    looked.services = vec![refused_with(&read, "USER_NOT_OPEN_TR_SERVICE")];
    agrees(&looked, "service", "USER_NOT_OPEN_TR_SERVICE");
    looked.services = vec![answered(OWNER, read.operation, json!({"RequestId": "R", "Enabled": "False"}))];
    agrees(&looked, "service", "Enabled is false");
    looked.services = vec![answered(OWNER, read.operation, json!({"RequestId": "R", "Enabled": "maybe"}))];
    differs(&looked, "service", "no Enabled");
    looked.services = vec![refused_with(&read, "InvalidAction.NotFound")];
    differs(&looked, "service", "InvalidAction.NotFound");
}

#[test]
fn answers_have_dates_and_the_clocks_agree_or_not() {
    let mut looked = vpc();
    agrees(&looked, "date", "at most 0 s off");
    looked.rules.dates = vec![(Some(now()), now() + std::time::Duration::from_secs(60))];
    agrees(&looked, "date", "at most 60 s off");
    looked.rules.dates = vec![(Some(now() + std::time::Duration::from_secs(61)), now())];
    differs(&looked, "date", "61 s off");
    looked.rules.dates = vec![(None, now())];
    differs(&looked, "date", "have no Date");
}
