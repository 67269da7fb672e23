use serde_json::json;

use crate::domain::{Instance, InstanceId, InstanceType, OrderType};
use crate::simulator::testing::{Bench, CEN, CEN_OWNER, OWNER, RESOURCE, TR, about};
use crate::simulator::{OutsideChange, World};

const ATTACHED: &str = "vpc-bp1h8vbrbcgohcju50001";
const GRANTED: &str = "vpc-bp1h8vbrbcgohcju50002";
const ABSENT: &str = "vpc-bp1h8vbrbcgohcju50003";
const VBR: &str = "vbr-bp1svadp4lq38janc0001";
const VPN: &str = "vco-bp1bbi27hojx80nck0001";
const ECR: &str = "ecr-n78omt2qsko06y0001";

#[tokio::test]
async fn a_grant_is_seen_from_both_sides_and_entered_once() {
    let bench = Bench::new();
    assert_eq!(bench.grant(ABSENT, "&OrderType=PayByResourceOwner").await, "OK");
    let rule = bench.rule(ABSENT).await.unwrap();
    let expected = json!({
        "CenId": CEN, "CenOwnerId": 1250123456123456_u64, "ChildInstanceId": ABSENT,
        "ChildInstanceOwnerId": 1688000000000001_u64, "ChildInstanceRegionId": "cn-hangzhou",
        "ChildInstanceType": "VPC", "CreateTime": "2026-05-09T08:30Z",
        "OrderType": "PayByResourceOwner", "EffectiveOrderType": "PayByResourceOwner",
    });
    assert_eq!(rule, expected);
    let params = format!("ResourceId={ABSENT}&ProductType=VPC&RegionId=cn-hangzhou");
    let body = bench.call(RESOURCE, "DescribeGrantRulesToResource", &params).await.json();
    assert_eq!((&body["TotalCount"], &body["NextToken"]), (&json!(1), &json!("")));
    assert_eq!(body["GrantRules"][0]["CenOwnerId"], json!(1250123456123456_u64), "a flat array");
    let ledger = bench.simulator.ledger();
    assert_eq!(ledger.len(), 1);
    assert_eq!(ledger[0].account.as_ref().unwrap().as_str(), OWNER);
    assert_eq!(ledger[0].effect.order_type, Some(OrderType::PayByResourceOwner));
}

#[tokio::test]
async fn each_type_is_spelled_as_each_operation_wants_it() {
    let bench = Bench::new();
    for instance in [VBR, VPN, ECR] {
        assert_eq!(bench.grant(instance, "").await, "OK", "{instance}");
        assert_eq!(bench.rule(instance).await.unwrap()["OrderType"], "PayByCenOwner", "{instance}");
    }
    let wrong = about(VBR).replace("ExpressConnect", "VBR");
    assert_eq!(bench.code(RESOURCE, "RevokeInstanceFromTransitRouter", &wrong).await, "InvalidParameter");
    let read = |kind| format!("ResourceId={VBR}&ProductType={kind}");
    assert_eq!(bench.code(RESOURCE, "DescribeGrantRulesToResource", &read("VBR")).await, "InvalidParameter");
    assert_eq!(bench.code(RESOURCE, "DescribeGrantRulesToResource", &read("ExpressConnect")).await, "OK");
    let cen = format!("CenId={CEN}&ProductType=ExpressConnect");
    assert_eq!(bench.code(TR, "DescribeGrantRulesToCen", &cen).await, "InvalidParameter");
    assert_eq!(bench.revoke(VBR).await, "OK");
    assert_eq!(bench.rule(VBR).await, None);
}

#[tokio::test]
async fn what_the_vendor_leaves_unsaid_goes_both_ways_and_never_has_an_effect() {
    for (reply, grant, revoke) in
        [("ok", "OK", "OK"), ("error", "OperationFailed.SimGrantExist", "OperationFailed.GrantCrossAccountNotExist")]
    {
        let bench = Bench::new();
        bench.switch(json!({"duplicate_grant": reply, "revoke_absent": reply}));
        assert_eq!(bench.grant(GRANTED, "&OrderType=PayByResourceOwner").await, grant);
        assert_eq!(bench.rule(GRANTED).await.unwrap()["OrderType"], "PayByCenOwner");
        assert_eq!(bench.revoke(ABSENT).await, revoke);
        assert!(bench.simulator.ledger().is_empty());
    }
}

#[tokio::test]
async fn a_revoke_is_refused_while_attached() {
    let bench = Bench::new();
    assert_eq!(bench.revoke("vpc-bp1h8vbrbcgohcju50005").await, "IncorrectStatus.Cen");
    bench.switch(json!({"revoke_attached": "OperationFailed.SimAttachmentExist"}));
    assert_eq!(bench.revoke("vpc-bp1h8vbrbcgohcju50005").await, "OperationFailed.SimAttachmentExist");
    assert_eq!(bench.revoke("vpc-bp1h8vbrbcgohcju50004").await, "OK");
}

#[tokio::test]
async fn only_the_owner_writes_and_others_read_nothing() {
    let bench = Bench::new();
    assert_eq!(bench.code(TR, "GrantInstanceToTransitRouter", &about(ABSENT)).await, "Unauthorized");
    assert_eq!(bench.code(TR, "RevokeInstanceFromTransitRouter", &about(GRANTED)).await, "Unauthorized");
    let modify = format!("CenId={CEN}&InstanceId={GRANTED}&OrderType=PayByResourceOwner");
    assert_eq!(bench.code(TR, "ModifyGrantInstanceToTransitRouter", &modify).await, "Unauthorized");
    let body = bench.call(RESOURCE, "DescribeGrantRulesToCen", &format!("CenId={CEN}&ProductType=VPC")).await.json();
    assert_eq!(body.as_object().unwrap().keys().collect::<Vec<_>>(), ["RequestId"]);
    let params = format!("ResourceId={GRANTED}&ProductType=VPC");
    let body = bench.call(TR, "DescribeGrantRulesToResource", &params).await.json();
    assert_eq!(body["GrantRules"], json!([]));
    assert!(bench.simulator.ledger().is_empty());
}

#[tokio::test]
async fn a_grant_is_held_against_everything_it_names() {
    let bench = Bench::new();
    let code = |from: &'static str, to: &'static str| {
        let bench = &bench;
        async move { bench.code(RESOURCE, "GrantInstanceToTransitRouter", &about(ABSENT).replace(from, to)).await }
    };
    assert_eq!(code("CenOwnerId=1250123456123456", "").await, "MissingParameter.CenOwnerId");
    assert_eq!(code("CenId=cen-44m0p68spvlrqq0001", "CenId=cen").await, "InvalidParameter");
    assert_eq!(code("0001&CenOwnerId", "0002&CenOwnerId").await, "IllegalParam.CenId");
    assert_eq!(code(CEN_OWNER, OWNER).await, "OperationFailed.SimCenOwnerMismatch");
    assert_eq!(code("cn-hangzhou", "cn-shanghai").await, "InvalidParameter");
    assert_eq!(code("Type=VPC", "Type=CCN").await, "InvalidParameter");
    assert_eq!(code("Type=VPC", "Type=VPN").await, "InvalidParameter");
    assert_eq!(code("50003", "59999").await, "InvalidInstanceId.NotFound\t");
    assert_eq!(bench.revoke("vpc-bp1h8vbrbcgohcju59999").await, "Unauthorized");
    assert_eq!(bench.grant(ABSENT, "&OrderType=CenOwner").await, "InvalidParameter");
    bench.switch(json!({"vbr_enabled": false}));
    assert_eq!(bench.grant(VBR, "").await, "InvalidVbr.NotFound");
    assert!(bench.simulator.ledger().is_empty());
}

#[tokio::test]
async fn a_grant_needs_the_service_and_its_role_in_the_resource_account() {
    let bench = Bench::new();
    let set = |transit_router_service, service_linked_role| {
        let uid = OWNER.parse().unwrap();
        bench.simulator.change(OutsideChange::SetAccount { uid, transit_router_service, service_linked_role }).unwrap();
    };
    set(Some(false), Some(false));
    assert_eq!(bench.grant(ABSENT, "").await, "Forbbiden.TransitRouterServiceNotOpen");
    let attach =
        format!("CenId={CEN}&RegionId=cn-hangzhou&VpcId={GRANTED}&ZoneMappings.1.ZoneId=a&ZoneMappings.1.VSwitchId=b");
    let attach = async || bench.code(TR, "CreateTransitRouterVpcAttachment", &attach).await;
    assert_eq!(attach().await, "Forbidden.ResourceOwnerTransitRouterServiceNotOpen");
    set(Some(true), None);
    assert_eq!(bench.grant(ABSENT, "").await, "NoPermission.AliyunServiceRoleForCEN");
    set(None, Some(true));
    assert_eq!((bench.grant(ABSENT, "").await, attach().await), ("OK".into(), "OK".into()));
    assert!(bench.simulator.ledger().iter().take(3).all(|entry| entry.operation == "sim:set_account"));
}

#[tokio::test]
async fn both_accounts_must_be_on_one_site() {
    let world = include_str!("../../../examples/world.toml").replace("site = \"china\"", "site = \"international\"");
    let bench = Bench::of(World::from_toml(&world).unwrap());
    assert_eq!(bench.grant(ABSENT, "").await, "OperationFailed.SimSiteMismatch");
}

#[tokio::test]
async fn a_modified_grant_keeps_its_effective_payer_until_the_hour() {
    let bench = Bench::new();
    assert_eq!(bench.modify(GRANTED, "OrderType=PayByResourceOwner").await, "OK");
    bench.pass(29 * 60 + 59);
    let rule = bench.rule(GRANTED).await.unwrap();
    assert_eq!(rule["OrderType"], "PayByResourceOwner");
    assert_eq!(rule["EffectiveOrderType"], "PayByCenOwner");
    bench.pass(1);
    assert_eq!(bench.rule(GRANTED).await.unwrap()["EffectiveOrderType"], "PayByResourceOwner");
    let ledger = bench.simulator.ledger();
    assert_eq!(
        ledger.iter().map(|e| e.operation.as_str()).collect::<Vec<_>>(),
        ["ModifyGrantInstanceToTransitRouter", "hour"]
    );
    assert_eq!(ledger[1].at, "2026-05-09T09:00:00Z".parse().unwrap());
}

#[tokio::test]
async fn the_payer_in_force_can_show_late_to_both_accounts() {
    let bench = Bench::new();
    bench.switch(json!({"effective_shown_late": "15m"}));
    bench.modify(GRANTED, "OrderType=PayByResourceOwner").await;
    let shown = async || {
        let params = format!("ResourceId={GRANTED}&ProductType=VPC");
        let body = bench.call(RESOURCE, "DescribeGrantRulesToResource", &params).await.json();
        let (ours, theirs) = (bench.rule(GRANTED).await.unwrap(), &body["GrantRules"][0]);
        let payers = |rule: &serde_json::Value| (rule["OrderType"].clone(), rule["EffectiveOrderType"].clone());
        assert_eq!(payers(&ours), payers(theirs));
        payers(&ours)
    };
    let (old, new) = (json!("PayByCenOwner"), json!("PayByResourceOwner"));
    bench.pass(30 * 60 + 899);
    assert_eq!(shown().await, (new.clone(), old), "the hour is past");
    assert_eq!(bench.simulator.ledger()[1].operation, "hour");
    bench.pass(1);
    assert_eq!(shown().await, (new.clone(), new));
}

#[tokio::test]
async fn a_grant_without_attachment_may_never_take_effect() {
    let bench = Bench::new();
    bench.switch(json!({"unattached_takes_effect": false}));
    bench.modify(GRANTED, "OrderType=PayByResourceOwner").await;
    bench.pass(3 * 3600);
    assert_eq!(bench.rule(GRANTED).await.unwrap()["EffectiveOrderType"], "PayByCenOwner");
    let transit_router = "tr-bp1su1ytdxtataupl0001".to_owned();
    bench.simulator.change(OutsideChange::Attach { transit_router, instance: GRANTED.parse().unwrap() }).unwrap();
    bench.pass(3600);
    assert_eq!(bench.rule(GRANTED).await.unwrap()["EffectiveOrderType"], "PayByResourceOwner", "once it is attached");
}

#[tokio::test]
async fn modify_is_refused_where_it_makes_no_sense() {
    let bench = Bench::new();
    let modify = "OrderType=PayByResourceOwner";
    assert_eq!(bench.modify(ABSENT, modify).await, "OperationFailed.GrantCrossAccountNotExist");
    bench.grant(ECR, "").await;
    assert_eq!(bench.modify(ECR, modify).await, "OperationUnsupported.action");
    assert_eq!(bench.modify(GRANTED, "").await, "MissingParameter.OrderType");
    bench.switch(json!({"modify_unattached": "error", "modify_same": "error"}));
    assert_eq!(bench.modify(GRANTED, modify).await, "OperationFailed.SimNotAttached");
    assert_eq!(bench.modify(ATTACHED, "OrderType=PayByCenOwner").await, "OperationFailed.SimSameOrderType");
}

#[tokio::test]
async fn the_same_client_token_has_one_effect_and_one_request_id() {
    let bench = Bench::new();
    let params = format!("CenId={CEN}&InstanceId={ATTACHED}&OrderType=PayByResourceOwner&ClientToken=t1");
    let first = bench.call(RESOURCE, "ModifyGrantInstanceToTransitRouter", &params).await.json();
    let again = bench.call(RESOURCE, "ModifyGrantInstanceToTransitRouter", &params).await.json();
    assert_eq!(first, again);
    assert_eq!(bench.simulator.ledger().len(), 1);
    assert_eq!(bench.simulator.ledger()[0].effect.client_token.as_deref(), Some("t1"));
    let other = bench.modify(ATTACHED, "OrderType=PayByCenOwner&ClientToken=t1").await;
    assert_eq!(other, "IdempotentParameterMismatch");
    assert_eq!(bench.modify(ATTACHED, "OrderType=PayByCenOwner&ClientToken=t2").await, "OK");
}

#[tokio::test]
async fn the_switches_change_how_rules_look() {
    let bench = Bench::new();
    bench.switch(json!({"effective_order_type": "attached", "create_time": "number"}));
    let unattached = bench.rule(GRANTED).await.unwrap();
    assert!(unattached.get("EffectiveOrderType").is_none() && unattached["CreateTime"].is_i64(), "{unattached}");
    assert_eq!(bench.rule(ATTACHED).await.unwrap()["EffectiveOrderType"], "PayByCenOwner");
    bench.grant(ECR, "").await;
    bench.switch(json!({"ecr_to_cen": "empty"}));
    assert_eq!(bench.rule(ECR).await, None);
    bench.switch(json!({"ecr_to_cen": "error"}));
    let ecr = format!("CenId={CEN}&ProductType=ECR");
    assert_eq!(bench.code(TR, "DescribeGrantRulesToCen", &ecr).await, "InvalidParameter");
}

#[tokio::test]
async fn a_lagging_read_shows_the_past() {
    let bench = Bench::new();
    bench.switch(json!({"read_lag": {"DescribeGrantRulesToCen": "3s"}}));
    bench.grant(ABSENT, "").await;
    bench.pass(2);
    assert_eq!(bench.rule(ABSENT).await, None);
    let params = format!("ResourceId={ABSENT}&ProductType=VPC");
    let witness = bench.call(RESOURCE, "DescribeGrantRulesToResource", &params).await.json();
    assert_eq!(witness["TotalCount"], 1, "the other witness does not lag");
    bench.pass(1);
    assert!(bench.rule(ABSENT).await.is_some());
    bench.revoke(ABSENT).await;
    assert!(bench.rule(ABSENT).await.is_some(), "a revoked rule lingers");
}

#[tokio::test]
async fn rules_come_in_pages_that_miss_nothing() {
    let mut world = World::from_toml(include_str!("../../../examples/world.toml")).unwrap();
    for n in 0..250 {
        let id = InstanceId::parse(format!("vpc-many{n:06}")).unwrap();
        let (region, owner) = ("cn-beijing".parse().unwrap(), OWNER.parse().unwrap());
        world.add_instance(Instance { kind: InstanceType::VPC, id: id.clone(), region, owner }).unwrap();
        world.add_grant(&CEN.parse().unwrap(), &id, OrderType::PayByCenOwner, OrderType::PayByCenOwner).unwrap();
    }
    let bench = Bench::of(world);
    let (mut seen, mut token) = (std::collections::BTreeSet::new(), String::new());
    for size in [100, 100, 50] {
        let params = format!("CenId={CEN}&ProductType=VPC&RegionId=cn-beijing&MaxResults=100&NextToken={token}");
        let body = bench.call(TR, "DescribeGrantRulesToCen", &params).await.json();
        let rules = body["GrantRules"]["GrantRule"].as_array().unwrap().clone();
        assert_eq!((rules.len(), &body["TotalCount"], &body["MaxResults"]), (size, &json!(250), &json!(size)));
        seen.extend(rules.iter().map(|r| r["ChildInstanceId"].as_str().unwrap().to_owned()));
        token = super::codec::encode(body["NextToken"].as_str().unwrap());
    }
    assert_eq!((seen.len(), token.as_str()), (250, ""));
    let all = format!("CenId={CEN}&ProductType=VPC&RegionId=cn-beijing&MaxResults=0");
    let all = bench.call(TR, "DescribeGrantRulesToCen", &all).await.json();
    assert_eq!((all["GrantRules"]["GrantRule"].as_array().unwrap().len(), &all["NextToken"]), (250, &json!("")));
    for (more, code) in [("MaxResults=101", "InvalidParameter"), ("NextToken=abc", "InvalidParameter"), ("", "OK")] {
        let params = format!("CenId={CEN}&ProductType=VPC&{more}");
        assert_eq!(bench.code(TR, "DescribeGrantRulesToCen", &params).await, code, "{more}");
    }
}
