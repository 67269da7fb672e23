//! The operations through the engine's port, against a scripted cloud.

use serde_json::{Value, json};

use crate::cloud::testing::{RESOURCE_ACCOUNT, Scripted, TR_ACCOUNT, accounts, cen, instance, permit, uid};
use crate::cloud::{Accounts, Unobserved};
use crate::domain::{ChildInstance, Edition, InstanceType, ListedAttachment, Operation, OrderType, TransitRouter};
use crate::engine::ports::cloud::{Answer, Cloud, CloudError, Failure, Listing, Readers, RuleFilter, RulePage};

fn of(cloud: &Scripted) -> Accounts {
    accounts(cloud, Unobserved)
}

fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
    text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn ok() -> Value {
    json!({"RequestId": "R-1"})
}

async fn to_resource(cloud: &Scripted) -> Result<Listing<crate::domain::GrantRule>, CloudError> {
    let reader = of(cloud).resource_reader(&uid(RESOURCE_ACCOUNT)).unwrap();
    reader.describe_grant_rules_to_resource(&instance(InstanceType::VBR)).await.map(|a| a.value)
}

async fn to_cen(cloud: &Scripted, kind: InstanceType, filter: RuleFilter) -> Answer<RulePage> {
    let reader = of(cloud).transit_router_reader(&uid(TR_ACCOUNT)).unwrap();
    reader.describe_grant_rules_to_cen(&cen(), kind, &filter).await.unwrap()
}

async fn attachments(cloud: &Scripted, kind: InstanceType) -> Listing<ListedAttachment> {
    let reader = of(cloud).transit_router_reader(&uid(TR_ACCOUNT)).unwrap();
    reader.list_attachments("tr-bp1su1ytdxtataupl0001", kind, Some(&instance(kind).id)).await.unwrap().value
}

async fn children(cloud: &Scripted, kind: InstanceType) -> Listing<ChildInstance> {
    let reader = of(cloud).transit_router_reader(&uid(TR_ACCOUNT)).unwrap();
    reader.describe_attached_child_instances(&cen(), kind).await.unwrap().value
}

async fn routers(cloud: &Scripted) -> Listing<TransitRouter> {
    let reader = of(cloud).transit_router_reader(&uid(TR_ACCOUNT)).unwrap();
    reader.list_transit_routers(&cen()).await.unwrap().value
}

fn rule(n: u32) -> Value {
    json!({"CenId": format!("cen-44m0p68spvlrqq{n:04}"), "CenOwnerId": 1_250_123_456_123_456_u64,
           "CreateTime": "2024-01-24T16:46Z", "OrderType": "PayByCenOwner", "EffectiveOrderType": "PayByResourceOwner"})
}

fn rules(total: Option<u32>, next: &str, rules: &[Value]) -> Value {
    let mut page = json!({"RequestId": "R", "MaxResults": rules.len(), "NextToken": next, "GrantRules": rules});
    if let Some(total) = total {
        page["TotalCount"] = total.into();
    }
    page
}

#[tokio::test]
async fn writes_of_the_resource_account_say_what_the_api_asks_for() {
    let cloud = Scripted::new().json(200, ok()).json(200, ok()).json(200, ok()).json(200, ok());
    let writer = of(&cloud).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    let (vbr, cen) = (instance(InstanceType::VBR), cen());
    let payer = OrderType::PayByResourceOwner;
    assert_eq!(writer.grant(&vbr, &cen, Some(payer)).await.unwrap().request_id, "R-1");
    writer.grant(&vbr, &cen, None).await.unwrap();
    writer.revoke(&vbr, &cen).await.unwrap();
    writer.modify_grant(&vbr, &cen, payer, "token-1").await.unwrap();

    let common = [
        ("CenId", "cen-44m0p68spvlrqq0001"),
        ("CenOwnerId", TR_ACCOUNT),
        ("InstanceId", "vbr-bp1h8vbrbcgohcju50001"),
        ("InstanceType", "ExpressConnect"),
    ];
    let with = |more: &[(&str, &str)]| pairs(&[&common[..], more].concat());
    assert_eq!(cloud.query(0), with(&[("OrderType", "PayByResourceOwner"), ("RegionId", "cn-hangzhou")]));
    assert_eq!(cloud.query(1), with(&[("RegionId", "cn-hangzhou")]));
    assert_eq!(cloud.query(2), with(&[("RegionId", "cn-hangzhou")]));
    let modify = [common[0], common[2], ("OrderType", "PayByResourceOwner")];
    assert_eq!(cloud.query(3), pairs(&modify));
    let bodies: Vec<_> = cloud.requests().iter().map(|r| String::from_utf8(r.body().to_vec()).unwrap()).collect();
    assert_eq!(bodies, ["", "", "", "ClientToken=token-1"], "the token of this one operation travels in the body");
    assert_eq!(
        cloud.actions(),
        [
            "GrantInstanceToTransitRouter",
            "GrantInstanceToTransitRouter",
            "RevokeInstanceFromTransitRouter",
            "ModifyGrantInstanceToTransitRouter"
        ]
    );
}

#[tokio::test]
async fn writes_of_the_transit_router_account_change_nothing_but_what_they_are_for() {
    let cloud = Scripted::new().json(200, ok()).json(200, ok()).json(200, ok());
    let writer = of(&cloud).transit_router_writer(&uid(TR_ACCOUNT), permit()).await.unwrap();
    writer.update_attachment(InstanceType::VPN, "tr-attach-1", OrderType::PayByCenOwner, "t1").await.unwrap();
    writer.delete_attachment(InstanceType::ECR, "tr-attach-2", "t2").await.unwrap();
    writer.detach_child_instance(&cen(), &instance(InstanceType::VBR)).await.unwrap();
    assert_eq!(
        cloud.actions(),
        ["UpdateTransitRouterVpnAttachmentAttribute", "DeleteTransitRouterEcrAttachment", "DetachCenChildInstance"]
    );
    let update = [("ClientToken", "t1"), ("OrderType", "PayByCenOwner"), ("TransitRouterAttachmentId", "tr-attach-1")];
    assert_eq!(cloud.query(0), pairs(&update));
    assert_eq!(cloud.query(1), pairs(&[("ClientToken", "t2"), ("TransitRouterAttachmentId", "tr-attach-2")]));
    let detach = [
        ("CenId", "cen-44m0p68spvlrqq0001"),
        ("CenOwnerId", TR_ACCOUNT),
        ("ChildInstanceId", "vbr-bp1h8vbrbcgohcju50001"),
        ("ChildInstanceOwnerId", RESOURCE_ACCOUNT),
        ("ChildInstanceRegionId", "cn-hangzhou"),
        ("ChildInstanceType", "VBR"),
    ];
    assert_eq!(cloud.query(2), pairs(&detach));
}

#[tokio::test]
async fn what_the_cloud_does_not_have_is_never_sent() {
    let cloud = Scripted::new();
    let resource = of(&cloud).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    let router = of(&cloud).transit_router_writer(&uid(TR_ACCOUNT), permit()).await.unwrap();
    let (ccn, ecr, cen, payer) =
        (instance(InstanceType::CCN), instance(InstanceType::ECR), cen(), OrderType::PayByCenOwner);
    let errors = [
        resource.modify_grant(&ccn, &cen, payer, "t").await.unwrap_err(),
        resource.modify_grant(&ecr, &cen, payer, "t").await.unwrap_err(),
        router.update_attachment(InstanceType::ECR, "a", payer, "t").await.unwrap_err(),
        router.update_attachment(InstanceType::CCN, "a", payer, "t").await.unwrap_err(),
        router.delete_attachment(InstanceType::CCN, "a", "t").await.unwrap_err(),
        router.detach_child_instance(&cen, &ecr).await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.failure, Failure::NotSent { .. }), "{error:?}");
    }
    assert!(cloud.actions().is_empty());
}

#[tokio::test]
async fn every_page_of_the_resource_side_is_read() {
    let cloud = Scripted::new()
        .json(200, rules(Some(3), "next+/=", &[rule(1), rule(2)]))
        .json(200, rules(Some(3), "", &[rule(3)]));
    let listing = to_resource(&cloud).await.unwrap();
    assert!(listing.complete);
    let first = &listing.items[0];
    assert_eq!((first.cen.as_str(), first.cen_owner.as_str()), ("cen-44m0p68spvlrqq0001", TR_ACCOUNT));
    assert_eq!(first.order_type, Some(OrderType::PayByCenOwner));
    assert_eq!(first.effective_order_type, Some(OrderType::PayByResourceOwner));
    assert_eq!(listing.items.len(), 3);
    let base = [("MaxResults", "100"), ("ProductType", "ExpressConnect"), ("RegionId", "cn-hangzhou")];
    let id = ("ResourceId", "vbr-bp1h8vbrbcgohcju50001");
    assert_eq!(cloud.query(0), pairs(&[base[0], base[1], base[2], id]));
    assert_eq!(cloud.query(1), pairs(&[base[0], ("NextToken", "next+/="), base[1], base[2], id]));
}

#[tokio::test]
async fn a_list_that_may_lack_something_is_not_complete() {
    let with = |key: &str, value: Value| {
        let mut odd = rule(2);
        odd[key] = value;
        odd
    };
    let cases: Vec<(&str, Vec<Value>, usize)> = vec![
        ("request id alone", vec![ok()], 0),
        ("empty without a count", vec![rules(None, "", &[])], 0),
        ("fewer than counted", vec![rules(Some(2), "", &[rule(1)])], 1),
        ("more than counted", vec![rules(Some(1), "", &[rule(1), rule(2)])], 2),
        ("an id that is none", vec![rules(Some(2), "", &[rule(1), with("CenId", json!("cen-?"))])], 1),
        ("an id that is none, uncounted", vec![rules(None, "", &[rule(1), with("CenOwnerId", json!("x"))])], 1),
        ("no owner", vec![rules(Some(2), "", &[rule(1), with("CenOwnerId", Value::Null)])], 1),
        ("a rule twice", vec![rules(Some(2), "n", &[rule(1)]), rules(Some(2), "", &[rule(1)])], 1),
        ("a count that moves", vec![rules(Some(3), "n", &[rule(1)]), rules(Some(2), "", &[rule(2)])], 2),
        ("a token twice", vec![rules(Some(2), "n", &[rule(1)]), rules(Some(2), "n", &[rule(2)])], 2),
    ];
    for (name, pages, items) in cases {
        let cloud = pages.into_iter().fold(Scripted::new(), |cloud, page| cloud.json(200, page));
        let listing = to_resource(&cloud).await.unwrap();
        assert_eq!((listing.complete, listing.items.len()), (false, items), "{name}");
    }
}

#[tokio::test]
async fn a_list_that_was_read_to_its_count_is_complete() {
    let mut bare = rule(1);
    bare["CenOwnerId"] = json!(TR_ACCOUNT);
    bare["OrderType"] = json!("PayBySomeoneNew");
    bare["CreateTime"] = json!(1_568_000_000_000_i64);
    bare.as_object_mut().unwrap().remove("EffectiveOrderType");
    for (name, page, items) in [
        ("counted zero", rules(Some(0), "", &[]), 0),
        ("counted zero, no list", json!({"RequestId": "R", "TotalCount": 0}), 0),
        ("uncounted", rules(None, "", std::slice::from_ref(&bare)), 1),
        ("wrapped", json!({"RequestId": "R", "TotalCount": 1, "GrantRules": {"GrantRule": [bare]}}), 1),
    ] {
        let listing = to_resource(&Scripted::new().json(200, page)).await.unwrap();
        assert_eq!((listing.complete, listing.items.len()), (true, items), "{name}");
        for rule in &listing.items {
            assert_eq!((rule.order_type, rule.effective_order_type), (None, None), "unknown, not the default");
        }
    }
}

#[tokio::test]
async fn tokens_without_end_are_cut_off() {
    let cloud = (0..1000).fold(Scripted::new(), |cloud, n| cloud.json(200, rules(None, &format!("n{n}"), &[rule(n)])));
    let listing = to_resource(&cloud).await.unwrap();
    assert_eq!((listing.complete, listing.items.len(), cloud.actions().len()), (false, 1000, 1000));
}

#[tokio::test]
async fn an_error_on_a_later_page_is_an_error() {
    let cloud = Scripted::new()
        .json(200, rules(Some(2), "n", &[rule(1)]))
        .json(503, json!({"RequestId": "R-2", "Code": "ServiceUnavailable", "Message": "later"}));
    let error = to_resource(&cloud).await.unwrap_err();
    assert_eq!(error.operation, Some(Operation::DescribeGrantRulesToResource));
    assert_eq!(error.request_id.as_deref(), Some("R-2"));
}

fn cen_rule(instance: &str) -> Value {
    json!({"CenId": "cen-44m0p68spvlrqq0001", "CenOwnerId": TR_ACCOUNT, "ChildInstanceId": instance,
           "ChildInstanceOwnerId": 1_688_000_000_000_001_u64, "ChildInstanceType": "VPC"})
}

#[tokio::test]
async fn the_cen_side_is_one_call_by_instance_or_by_page() {
    let page = json!({"RequestId": "R", "TotalCount": 7, "NextToken": "n2",
        "GrantRules": {"GrantRule": [cen_rule("vbr-bp1h8vbrbcgohcju50001")]}});
    let date = [("date", "Sat, 09 May 2026 08:30:00 GMT")];
    let cloud = (0..3).fold(Scripted::new(), |cloud, _| cloud.raw(200, &date, &page.to_string()));
    let id = instance(InstanceType::VBR).id;
    let answer = to_cen(&cloud, InstanceType::VBR, RuleFilter::Instance(id.clone())).await;
    assert_eq!(answer.date, Some("2026-05-09T08:30:00Z".parse().unwrap()));
    assert_eq!((answer.value.total, answer.value.next.as_deref()), (Some(7), Some("n2")));
    assert_eq!(answer.value.rules[0].instance, id);
    assert_eq!(answer.value.rules[0].instance_owner, Some(uid(RESOURCE_ACCOUNT)));
    to_cen(&cloud, InstanceType::CCN, RuleFilter::Page(None)).await;
    to_cen(&cloud, InstanceType::ECR, RuleFilter::Page(Some("n2".into()))).await;
    let (id, max) = (("CenId", "cen-44m0p68spvlrqq0001"), ("MaxResults", "100"));
    let child = ("ChildInstanceId", "vbr-bp1h8vbrbcgohcju50001");
    assert_eq!(cloud.query(0), pairs(&[id, child, max, ("ProductType", "VBR")]));
    assert_eq!(cloud.query(1), pairs(&[id, max, ("ProductType", "CCN")]));
    assert_eq!(cloud.query(2), pairs(&[id, max, ("NextToken", "n2"), ("ProductType", "ECR")]));
}

#[tokio::test]
async fn a_page_with_a_rule_that_cannot_be_read_never_adds_up() {
    let good = cen_rule("vpc-bp1h8vbrbcgohcju50001");
    for odd in [cen_rule("lb-1"), json!({"CenId": "cen-44m0p68spvlrqq0001"}), json!(7)] {
        for total in [Some(2), None] {
            let mut page = json!({"RequestId": "R", "GrantRules": {"GrantRule": [good, odd]}});
            if let Some(total) = total {
                page["TotalCount"] = total.into();
            }
            let page = to_cen(&Scripted::new().json(200, page), InstanceType::VPC, RuleFilter::Page(None)).await.value;
            assert_eq!(page.rules.len(), 1);
            assert!(page.total.is_some_and(|total| total > 1), "{page:?}");
        }
    }
    let bare = to_cen(&Scripted::new().json(200, ok()), InstanceType::VPC, RuleFilter::Page(None)).await.value;
    assert_eq!(bare, RulePage { rules: vec![], next: None, total: None }, "a bare request id counts nothing");
}

fn vbr_attachment(n: u32, vbr: &str, owner: Value) -> Value {
    json!({"TransitRouterAttachmentId": format!("tr-attach-{n}"), "VbrId": vbr, "VbrOwnerId": owner,
           "CenId": "cen-44m0p68spvlrqq0001", "Status": "Modifying", "OrderType": "PayByCenOwner"})
}

#[tokio::test]
async fn attachments_are_asked_for_by_transit_router() {
    let ours = "vbr-bp1h8vbrbcgohcju50001";
    let page = |next: &str, items: &[Value]| json!({"RequestId": "R", "TotalCount": 3, "NextToken": next, "TransitRouterAttachments": items});
    let first = [vbr_attachment(1, "vbr-another0001", json!(RESOURCE_ACCOUNT)), vbr_attachment(2, ours, json!(1))];
    // As a help page shows an id, with a line feed behind it.
    let mut odd = vbr_attachment(3, ours, json!(RESOURCE_ACCOUNT));
    odd["CenId"] = json!("cen-44m0p68spvlrqq0001\n");
    let cloud = Scripted::new().json(200, page("n", &first)).json(200, page("", &[odd]));
    let listing = attachments(&cloud, InstanceType::VBR).await;
    assert!(listing.complete);
    let ids: Vec<(&str, &str)> =
        listing.items.iter().map(|l| (l.attachment.id.as_str(), l.instance_owner.as_str())).collect();
    assert_eq!(ids, [("tr-attach-1", RESOURCE_ACCOUNT), ("tr-attach-2", "1"), ("tr-attach-3", RESOURCE_ACCOUNT)]);
    let last = &listing.items[2];
    assert_eq!((&last.cen, last.instance.as_str()), (&cen().id, ours));
    assert_eq!((last.attachment.edition, last.attachment.is_attached()), (Edition::Enterprise, false));
    assert_eq!(last.attachment.order_type, Some(OrderType::PayByCenOwner));
    assert_eq!(cloud.actions()[0], "ListTransitRouterVbrAttachments");
    assert_eq!(cloud.query(0), pairs(&[("MaxResults", "100"), ("TransitRouterId", "tr-bp1su1ytdxtataupl0001")]));
}

#[tokio::test]
async fn an_attachment_that_cannot_be_told_whose_it_is_leaves_the_list_open() {
    for (field, odd) in [
        ("TransitRouterAttachmentId", Value::Null),
        ("VbrId", Value::Null),
        ("VbrId", json!("lb-1")),
        ("VbrOwnerId", Value::Null),
        ("VbrOwnerId", json!("me")),
        ("CenId", Value::Null),
        ("CenId", json!("cen-?")),
    ] {
        let mut item = vbr_attachment(1, "vbr-bp1h8vbrbcgohcju50001", json!(RESOURCE_ACCOUNT));
        item[field] = odd;
        let page = json!({"RequestId": "R", "TotalCount": 1, "TransitRouterAttachments": [item]});
        let listing = attachments(&Scripted::new().json(200, page), InstanceType::VBR).await;
        assert_eq!((listing.complete, listing.items.len()), (false, 0), "{field}");
    }
}

#[tokio::test]
async fn only_vpc_attachments_can_be_asked_for_by_instance() {
    let empty = json!({"RequestId": "R", "TotalCount": 0, "TransitRouterAttachments": []});
    let cloud = Scripted::new().json(200, empty.clone()).json(200, empty.clone()).json(200, empty);
    for kind in [InstanceType::VPC, InstanceType::VPN, InstanceType::ECR] {
        assert!(attachments(&cloud, kind).await.complete);
    }
    assert!(cloud.query(0).contains(&("VpcId".into(), "vpc-bp1h8vbrbcgohcju50001".into())));
    assert_eq!((cloud.query(1).len(), cloud.query(2).len()), (2, 2));
    assert!(attachments(&cloud, InstanceType::CCN).await.complete, "there is no such list, so no call");
    assert_eq!(cloud.actions().len(), 3);
}

#[tokio::test]
async fn routers_say_whose_a_cen_is_and_of_which_edition_they_are() {
    let router = |n: u32, kind: &str| {
        json!({"TransitRouterId": format!("tr-{n}"), "CenId": "cen-44m0p68spvlrqq0001", "AliUid": TR_ACCOUNT,
               "RegionId": "cn-hangzhou", "Type": kind, "Status": "Active"})
    };
    let page = |items: &[Value]| json!({"RequestId": "R", "TotalCount": items.len(), "PageNumber": 1, "PageSize": 50, "TransitRouters": items});
    let cloud = Scripted::new().json(200, page(&[router(1, "Enterprise"), router(2, "Basic")]));
    let listing = routers(&cloud).await;
    assert!(listing.complete);
    let told: Vec<_> = listing.items.iter().map(|r| (r.id.as_str(), r.edition, r.owner.as_str())).collect();
    assert_eq!(told, [("tr-1", Edition::Enterprise, TR_ACCOUNT), ("tr-2", Edition::Basic, TR_ACCOUNT)]);
    let asked = [("CenId", "cen-44m0p68spvlrqq0001"), ("PageNumber", "1"), ("PageSize", "50")];
    assert_eq!(cloud.query(0), pairs(&asked));
    for odd in ["Premium", ""] {
        assert!(!routers(&Scripted::new().json(200, page(&[router(1, odd)]))).await.complete, "{odd:?}");
    }
    assert!(!routers(&Scripted::new().json(200, ok())).await.complete, "a bare request id proves nothing");
}

#[tokio::test]
async fn a_cen_is_looked_for_among_those_of_the_account() {
    let page = json!({"RequestId": "R", "TotalCount": 1, "PageNumber": 1, "PageSize": 50,
                      "Cens": {"Cen": [{"CenId": "cen-44m0p68spvlrqq0001", "Name": "n", "Status": "Active"}]}});
    let cloud = Scripted::new().json(200, page);
    let reader = of(&cloud).transit_router_reader(&uid(TR_ACCOUNT)).unwrap();
    assert_eq!(reader.describe_cens(&cen()).await.unwrap().value, Listing { items: vec![cen().id], complete: true });
    let asked = [
        ("Filter.1.Key", "CenId"),
        ("Filter.1.Value.1", "cen-44m0p68spvlrqq0001"),
        ("PageNumber", "1"),
        ("PageSize", "50"),
    ];
    assert_eq!(cloud.query(0), pairs(&asked));
}

fn child_page(total: Option<u64>, from: u64, count: u64) -> Value {
    let child = |n: u64| {
        json!({"ChildInstanceId": if n == 51 { "ccn-bp1h8vbrbcgohcju50001".into() } else { format!("ccn-other{n:08}") },
               "ChildInstanceType": "CCN", "ChildInstanceOwnerId": RESOURCE_ACCOUNT, "Status": "Attached",
               "ChildInstanceRegionId": "cn-hangzhou"})
    };
    let children: Vec<Value> = (from..from + count).map(child).collect();
    let mut page = json!({"RequestId": "R", "PageSize": 50, "ChildInstances": {"ChildInstance": children}});
    if let Some(total) = total {
        page["TotalCount"] = total.into();
    }
    page
}

#[tokio::test]
async fn numbered_pages_are_read_to_the_count() {
    for (name, total, second, complete, calls) in [
        ("counted", Some(53), child_page(Some(53), 50, 3), true, 2),
        ("uncounted", None, child_page(None, 50, 3), true, 2),
        ("rows that come twice", Some(100), child_page(Some(100), 0, 50), true, 2),
        ("an early end", Some(60), child_page(Some(60), 50, 0), false, 2),
    ] {
        let cloud = Scripted::new().json(200, child_page(total, 0, 50)).json(200, second);
        let listing = children(&cloud, InstanceType::CCN).await;
        assert_eq!((listing.complete, cloud.actions().len()), (complete, calls), "{name}");
        let asked = [
            ("CenId", "cen-44m0p68spvlrqq0001"),
            ("ChildInstanceType", "CCN"),
            ("PageNumber", "2"),
            ("PageSize", "50"),
        ];
        assert_eq!(cloud.query(1), pairs(&asked));
    }
    assert!(!children(&Scripted::new().json(200, ok()), InstanceType::VPC).await.complete);
    let none = Scripted::new();
    assert!(children(&none, InstanceType::VPN).await.complete && children(&none, InstanceType::ECR).await.complete);
}
