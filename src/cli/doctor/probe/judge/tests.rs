//! Every verdict of every point, by answers that are written here.

use serde_json::{Value, json};

use super::*;
use crate::cli::doctor::probe::look::Others;
use crate::cloud::spelling::attachment;
use crate::domain::{AccountUid, Cen, CenId, Instance, InstanceId, Operation, Region};

const OWNER: &str = "1250123456123456";
const RESOURCE: &str = "1688000000000001";
const CEN: &str = "cen-44m0p68spvlrqq0001";
const NOW: &str = "2026-11-28T10:20:00Z";

fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

fn id(kind: InstanceType, n: u8) -> String {
    format!("{}bp1h8vbrbcgohcju5000{n}", kind.prefix())
}

fn now() -> Timestamp {
    NOW.parse().unwrap()
}

fn made(account: &str, operation: Operation, outcome: Outcome) -> Read {
    let dates = match outcome {
        Outcome::Answered(_) => vec![(Some(now()), now())],
        _ => vec![],
    };
    Read { account: uid(account), operation, outcome, request_ids: vec!["R-1".into()], dates }
}

fn answered(account: &str, operation: Operation, body: Value) -> Read {
    let mut list = List::default();
    list.add(operation, body);
    made(account, operation, Outcome::Answered(list))
}

fn refused_with(read: &Read, code: &str) -> Read {
    Read { outcome: Outcome::Refused(code.into()), dates: vec![], ..read.clone() }
}

fn failed(read: &Read) -> Read {
    Read { outcome: Outcome::Failed("no answer within 15s".into()), dates: vec![], ..read.clone() }
}

fn listed(field: &str, items: &[Value]) -> Value {
    json!({"RequestId": "R-1", "TotalCount": items.len(), field: items})
}

fn router(n: u8, region: &str, edition: &str) -> Value {
    let id = format!("tr-bp1su1ytdxtataupl000{n}");
    json!({"TransitRouterId": id, "CenId": CEN, "RegionId": region, "AliUid": 1_250_123_456_123_456_u64, "Type": edition})
}

fn attached(kind: InstanceType, n: u8) -> Value {
    let mut item = json!({"TransitRouterAttachmentId": format!("tr-attach-{n}"), "CenId": CEN});
    item[attachment(kind).unwrap().id] = json!(id(kind, n));
    item
}

fn child(kind: InstanceType, n: u8, region: &str) -> Value {
    json!({"ChildInstanceId": id(kind, n), "ChildInstanceRegionId": region})
}

fn rule(kind: InstanceType, n: u8) -> Value {
    json!({"CenId": CEN, "ChildInstanceId": id(kind, n), "CreateTime": "2024-01-24T16:46Z",
        "OrderType": "PayByCenOwner", "EffectiveOrderType": "PayByCenOwner"})
}

/// Instance 1 is granted and attached to the Enterprise Edition, 2 is granted, 3 is attached to the Basic Edition.
fn as_taken_for_true(kind: InstanceType) -> Looked {
    let (cen, resource) = (OWNER, RESOURCE);
    let list = Operation::list_attachments(kind);
    let children = || listed("ChildInstances", &[child(kind, 1, "cn-hangzhou"), child(kind, 3, "cn-beijing")]);
    let has_children = matches!(kind, InstanceType::VPC | InstanceType::VBR | InstanceType::CCN);
    let empty = |operation, field: &str| answered(resource, operation, listed(field, &[]));
    let service =
        |account| answered(account, Operation::CheckTransitRouterService, json!({"RequestId": "R", "Enabled": true}));
    let rules = listed("GrantRules", &[rule(kind, 1), rule(kind, 2)]);
    let own = match kind {
        InstanceType::CCN => {
            (Operation::DescribeGrantRules, json!({"CcnInstanceId": id(kind, 1), "CenInstanceId": CEN}))
        }
        _ => (Operation::DescribeGrantRulesToResource, json!({"CenId": CEN, "EffectiveOrderType": "PayByCenOwner"})),
    };
    const CHILDREN: Operation = Operation::DescribeCenAttachedChildInstances;
    Looked {
        instance: Instance {
            kind,
            id: InstanceId::parse(id(kind, 1)).unwrap(),
            region: Region::parse("cn-hangzhou").unwrap(),
            owner: uid(resource),
        },
        cen: Cen { id: CenId::parse(CEN).unwrap(), owner: uid(cen) },
        services: vec![service(cen), service(resource)],
        cens: answered(cen, Operation::DescribeCens, listed("Cens", &[json!({"CenId": CEN})])),
        routers: answered(
            cen,
            Operation::ListTransitRouters,
            listed("TransitRouters", &[router(1, "cn-hangzhou", "Enterprise"), router(2, "cn-beijing", "Basic")]),
        ),
        cen_alone: list.map(|list| made(cen, list, Outcome::Refused("IllegalParam.CenIdOrRegionId".into()))),
        attachments: list
            .map(|list| answered(cen, list, listed("TransitRouterAttachments", &[attached(kind, 1)])))
            .into_iter()
            .collect(),
        children: has_children.then(|| answered(cen, CHILDREN, children())),
        rules: answered(cen, Operation::DescribeGrantRulesToCen, rules),
        ecr_rules: (kind != InstanceType::ECR).then(|| {
            answered(cen, Operation::DescribeGrantRulesToCen, listed("GrantRules", &[rule(InstanceType::ECR, 1)]))
        }),
        to_resource: answered(resource, own.0, listed("GrantRules", &[own.1])),
        vpns: (kind == InstanceType::VPN).then(|| {
            let vpn = json!({"InstanceId": id(kind, 1), "AttachType": "CEN", "TransitRouterId": "tr-1"});
            answered(resource, Operation::DescribeVpnAttachments, listed("VpnAttachments", &[vpn]))
        }),
        others: Some(Others {
            rules: answered(resource, Operation::DescribeGrantRulesToCen, json!({"RequestId": "R-1"})),
            routers: empty(Operation::ListTransitRouters, "TransitRouters"),
            attachments: list.map(|list| empty(list, "TransitRouterAttachments")),
            children: has_children.then(|| empty(CHILDREN, "ChildInstances")),
            cens: empty(Operation::DescribeCens, "Cens"),
            instance: answered(cen, own.0, listed("GrantRules", &[])),
        }),
    }
}

fn vpc() -> Looked {
    as_taken_for_true(InstanceType::VPC)
}

/// A list, read to its end or not, instead of that of a read.
fn with(read: &Read, field: &str, items: &[Value]) -> Read {
    Read { outcome: answered(OWNER, read.operation, listed(field, items)).outcome, ..read.clone() }
}

fn cut_short(read: &Read) -> Read {
    let mut read = read.clone();
    if let Outcome::Answered(list) = &mut read.outcome {
        list.complete = false;
    }
    read
}

fn verdict(looked: &Looked, point: &str) -> Verdict {
    let all = judge(looked);
    all.iter().find(|seen| seen.point.name == point).unwrap_or_else(|| panic!("no {point}")).verdict.clone()
}

#[track_caller]
fn agrees(looked: &Looked, point: &str, part: &str) {
    let verdict = verdict(looked, point);
    assert!(matches!(&verdict, Verdict::Agrees(says) if says.contains(part)), "{point}: {verdict:?}");
}

#[track_caller]
fn differs(looked: &Looked, point: &str, part: &str) {
    let verdict = verdict(looked, point);
    assert!(matches!(&verdict, Verdict::Differs(says) if says.contains(part)), "{point}: {verdict:?}");
}

#[track_caller]
fn unclear(looked: &Looked, point: &str, part: &str) {
    let verdict = verdict(looked, point);
    assert!(matches!(&verdict, Verdict::CannotTell(says) if says.contains(part)), "{point}: {verdict:?}");
}

#[test]
fn a_cloud_as_it_is_taken_to_be_agrees_for_every_type() {
    for kind in InstanceType::ALL {
        let seen = judge(&as_taken_for_true(kind));
        assert!(!seen.iter().any(Observation::differs), "{kind}: {seen:#?}");
        let agree = seen.iter().filter(|seen| matches!(seen.verdict, Verdict::Agrees(_))).count();
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
    for broken in [failed as fn(&Read) -> Read, |read| refused_with(read, "NoPermission")] {
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
                assert!(matches!(seen.verdict, Verdict::CannotTell(_)), "{kind}: {seen:?}");
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
fn the_size_of_a_page_is_taken_or_capped_or_refused() {
    let mut looked = vpc();
    let read = looked.attachments[0].clone();
    agrees(&looked, "page-of-100", "no list is longer");
    looked.attachments = vec![refused_with(&read, "IllegalParam.MaxResults")];
    differs(&looked, "page-of-100", "IllegalParam.MaxResults");
    looked.attachments = vec![refused_with(&read, "IllegalParam.TransitRouterId")];
    unclear(&looked, "page-of-100", "IllegalParam.TransitRouterId");
    for (page, is) in [(100, true), (50, false)] {
        let mut long = read.clone();
        let Outcome::Answered(list) = &mut long.outcome else { panic!() };
        list.pages = vec![page, 1];
        looked.attachments = vec![long];
        match is {
            true => agrees(&looked, "page-of-100", "a page has 100"),
            false => differs(&looked, "page-of-100", "has 50"),
        }
    }
    looked.attachments = vec![];
    unclear(&looked, "page-of-100", "no Enterprise Edition router");
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
fn the_list_of_child_instances_shows_both_editions_or_one() {
    let kind = InstanceType::VPC;
    let mut looked = vpc();
    let read = looked.children.clone().unwrap();
    agrees(&looked, "children", "all 1");
    let basic = with(&read, "ChildInstances", &[child(kind, 3, "cn-beijing")]);
    looked.children = Some(cut_short(&basic));
    unclear(&looked, "children", "not read to its end");
    looked.children = Some(basic);
    differs(&looked, "children", "none of 1");
    looked.attachments = vec![with(
        &looked.attachments[0],
        "TransitRouterAttachments",
        &[attached(kind, 1), attached(kind, 3), attached(kind, 3)],
    )];
    differs(&looked, "children", "1 of 2");
    looked.attachments = vec![];
    unclear(&looked, "children", "no Enterprise Edition list shows");
}

#[test]
fn what_is_attached_several_times_has_as_many_rows_or_one() {
    let kind = InstanceType::VPC;
    let mut looked = vpc();
    let read = looked.children.clone().unwrap();
    unclear(&looked, "child-rows", "several times");
    let twice = [attached(kind, 1), attached(kind, 1)];
    looked.attachments = vec![with(&looked.attachments[0], "TransitRouterAttachments", &twice)];
    differs(&looked, "child-rows", "attached 2 times and has 1 rows");
    let row = child(kind, 1, "cn-hangzhou");
    looked.children = Some(with(&read, "ChildInstances", &[row.clone(), row]));
    agrees(&looked, "child-rows", "for all 1 instances");
    looked.routers = cut_short(&looked.routers);
    unclear(&looked, "child-rows", "to their ends");
}

#[test]
fn what_no_enterprise_list_shows_lies_where_the_basic_edition_is_or_not() {
    let kind = InstanceType::VPC;
    let mut looked = vpc();
    let read = looked.children.clone().unwrap();
    agrees(&looked, "child-editions", "all 1 instances");
    looked.children = Some(with(&read, "ChildInstances", &[child(kind, 1, "cn-hangzhou")]));
    unclear(&looked, "child-editions", "every instance");
    for region in ["cn-hangzhou", "cn-wuhan", ""] {
        looked.children = Some(with(&read, "ChildInstances", &[child(kind, 3, region)]));
        differs(&looked, "child-editions", "no Basic Edition router");
    }
    looked.attachments = vec![cut_short(&looked.attachments[0])];
    unclear(&looked, "child-editions", "to their ends");
}

#[test]
fn ecr_is_taken_or_empty_or_refused() {
    let mut looked = vpc();
    let read = looked.ecr_rules.clone().unwrap();
    looked.ecr_rules = Some(refused_with(&read, "InvalidParameter"));
    differs(&looked, "ecr-to-cen", "InvalidParameter");
    looked.ecr_rules = Some(with(&read, "GrantRules", &[]));
    unclear(&looked, "ecr-to-cen", "ask with an ECR");
    let mut looked = as_taken_for_true(InstanceType::ECR);
    looked.rules = with(&looked.rules, "GrantRules", &[]);
    differs(&looked, "ecr-to-cen", "the owner of ecr-");
}

#[test]
fn the_payer_in_force_is_shown_on_every_rule_or_not() {
    let kind = InstanceType::VPC;
    let without = |n| {
        let mut rule = rule(kind, n);
        rule["EffectiveOrderType"] = Value::Null;
        rule
    };
    let mut looked = vpc();
    let read = looked.rules.clone();
    looked.rules = with(&read, "GrantRules", &[rule(kind, 1), without(2), rule(kind, 4)]);
    agrees(&looked, "effective-attached", "on 1 of 1");
    differs(&looked, "effective-unattached", "on 1 of 2");
    looked.rules = with(&read, "GrantRules", &[without(1), without(2)]);
    differs(&looked, "effective-attached", "on 0 of 1");
    let mut pending = rule(kind, 1);
    pending["OrderType"] = json!("PayByResourceOwner");
    looked.rules = with(&read, "GrantRules", &[pending]);
    agrees(&looked, "effective-attached", "on 1 it is another than OrderType");
    unclear(&looked, "effective-unattached", "surely unattached");
    // Lists that were not read, or not to their ends, leave open what they do not show.
    looked.rules = read;
    let routers = looked.routers.clone();
    let odd = [router(1, "cn-hangzhou", "Enterprise"), router(2, "cn-beijing", "Ultimate")];
    looked.routers = with(&routers, "TransitRouters", &odd);
    unclear(&looked, "effective-unattached", "surely unattached");
    looked.routers = routers;
    looked.attachments = vec![cut_short(&looked.attachments[0])];
    agrees(&looked, "effective-attached", "on 1 of 1");
    unclear(&looked, "effective-unattached", "surely unattached");
}

#[test]
fn both_sides_are_shown_the_same_payer_in_force_or_not() {
    let mut looked = vpc();
    let (mine, theirs) = (looked.to_resource.clone(), looked.rules.clone());
    agrees(&looked, "effective-resource", "on both sides");
    let own = |payer: Value| json!({"CenId": CEN, "EffectiveOrderType": payer});
    looked.to_resource = with(&mine, "GrantRules", &[own(json!("PayByResourceOwner"))]);
    differs(&looked, "effective-resource", "PayByResourceOwner to the owner, PayByCenOwner");
    looked.to_resource = with(&mine, "GrantRules", &[own(Value::Null)]);
    differs(&looked, "effective-resource", "has none");
    looked.to_resource = with(&mine, "GrantRules", &[json!({"CenId": "cen-2"})]);
    unclear(&looked, "effective-resource", "no rule of");
    looked.to_resource = mine;
    looked.rules = with(&theirs, "GrantRules", &[]);
    agrees(&looked, "effective-resource", "is shown no rule");
    let without = json!({"CenId": CEN, "ChildInstanceId": id(InstanceType::VPC, 1)});
    looked.rules = with(&theirs, "GrantRules", &[without]);
    differs(&looked, "effective-resource", "none to the owner of the CEN");
}

#[test]
fn a_time_is_a_text_or_a_number() {
    let mut looked = vpc();
    let read = looked.rules.clone();
    for (time, part) in [(json!(1_706_114_760_000_u64), "a number"), (Value::Null, "neither"), (json!([]), "neither")] {
        let mut odd = rule(InstanceType::VPC, 1);
        odd["CreateTime"] = time;
        looked.rules = with(&read, "GrantRules", &[odd, rule(InstanceType::VPC, 2)]);
        differs(&looked, "create-time", part);
    }
    looked.rules = with(&read, "GrantRules", &[]);
    unclear(&looked, "create-time", "no rule");
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
    let mut told = |rules: Read| {
        looked.others.as_mut().unwrap().rules = rules.clone();
        looked.others.as_mut().unwrap().routers = rules;
        (verdict(&looked, "other-rules"), verdict(&looked, "other-routers"))
    };
    let bare = "a RequestId alone".to_owned();
    let empty = "an empty list, counted 0".to_owned();
    let both = told(answered(RESOURCE, read.operation, json!({"RequestId": "R"})));
    assert_eq!(both, (Verdict::Agrees(bare.clone()), Verdict::Differs(bare)));
    let both = told(answered(RESOURCE, read.operation, listed("GrantRules", &[])));
    assert_eq!(both, (Verdict::Differs(empty.clone()), Verdict::Agrees(empty)));
    for (body, part) in [
        (json!({"RequestId": "R", "GrantRules": []}), "without a count"),
        (json!({"RequestId": "R", "GrantRules": [], "TotalCount": 3}), "counted 3"),
        (listed("GrantRules", &[json!({})]), "1 items"),
    ] {
        let (rules, routers) = told(answered(RESOURCE, read.operation, body));
        assert!(matches!(&rules, Verdict::Differs(says) if says.contains(part)), "{rules:?}");
        assert_eq!(rules, routers);
    }
    let (rules, _) = told(refused_with(&read, "Unauthorized"));
    assert!(matches!(&rules, Verdict::CannotTell(says) if says.contains("may have another cause")), "{rules:?}");
    let (rules, _) = told(refused_with(&read, "IllegalParam.CenId"));
    assert!(matches!(&rules, Verdict::Differs(says) if says.contains("IllegalParam.CenId")), "{rules:?}");
    looked.others = None;
    unclear(&looked, "other-rules", "one account owns");
}

#[test]
fn vpn_connections_are_attached_to_what_is_known_and_listed_only_then() {
    let kind = InstanceType::VPN;
    let mut looked = as_taken_for_true(kind);
    let read = looked.vpns.clone().unwrap();
    unclear(&looked, "vpn-unattached", "ask with a connection");
    let free = json!({"InstanceId": id(kind, 1), "AttachType": "NO_ASSOCIATED"});
    let gateway = json!({"InstanceId": id(kind, 2), "AttachType": "VPNGW"});
    let odd = json!({"InstanceId": id(kind, 2), "AttachType": "ECR", "TransitRouterId": "tr-1"});
    looked.vpns = Some(with(&read, "VpnAttachments", &[free, gateway.clone()]));
    agrees(&looked, "vpn-types", "NO_ASSOCIATED, VPNGW");
    differs(&looked, "vpn-unattached", "1 of 2 connections");
    looked.vpns = Some(with(&read, "VpnAttachments", &[odd]));
    differs(&looked, "vpn-types", "ECR");
    looked.vpns = Some(with(&read, "VpnAttachments", &[]));
    unclear(&looked, "vpn-types", "no connection");
    looked.attachments = vec![with(&looked.attachments[0], "TransitRouterAttachments", &[])];
    agrees(&looked, "vpn-unattached", "is not listed");
    looked.vpns = Some(cut_short(looked.vpns.as_ref().unwrap()));
    unclear(&looked, "vpn-unattached", "to its end");
}

#[test]
fn rules_of_another_ccn_are_seen() {
    let mut looked = as_taken_for_true(InstanceType::CCN);
    let read = looked.to_resource.clone();
    let other = json!({"CcnInstanceId": "ccn-2", "CenInstanceId": CEN});
    looked.to_resource = with(&read, "GrantRules", &[other]);
    differs(&looked, "ccn-filter", "1 of 1");
    looked.to_resource = with(&read, "GrantRules", &[]);
    unclear(&looked, "ccn-filter", "no rule");
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
