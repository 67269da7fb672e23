use serde_json::{Value, json};

use crate::simulator::testing::{Bench, CEN, CEN_OWNER, OWNER, RESOURCE, TR};
use crate::simulator::{OutsideChange, World};

const CCN: &str = "ccn-n2935s1mnwv8i00001";
const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";

fn about() -> String {
    format!("CcnInstanceId={CCN}&CenInstanceId={CEN}&RegionId=cn-shanghai")
}

async fn grant(bench: &Bench, more: &str) -> String {
    bench.code(RESOURCE, "GrantInstanceToCbn", &format!("{}&CenUid={CEN_OWNER}{more}", about())).await
}

async fn revoke(bench: &Bench) -> String {
    bench.code(RESOURCE, "RevokeInstanceFromCbn", &about()).await
}

async fn rules(bench: &Bench, more: &str) -> Value {
    bench.call(RESOURCE, "DescribeGrantRules", &format!("RegionId=cn-shanghai{more}")).await.json()
}

fn attach(bench: &Bench) {
    let instance = CCN.parse().unwrap();
    bench.simulator.change(OutsideChange::Attach { transit_router: ROUTER.into(), instance }).unwrap();
}

#[tokio::test]
async fn a_grant_is_seen_from_both_sides_and_has_no_payer() {
    let bench = Bench::new();
    assert_eq!(grant(&bench, "").await, "OK");
    let seen = rules(&bench, &format!("&AssociatedCcnId={CCN}")).await;
    assert_eq!((&seen["TotalCount"], &seen["PageSize"]), (&json!(1), &json!(10)));
    let rule = &seen["GrantRules"]["GrantRule"][0];
    assert_eq!((&rule["CenInstanceId"], &rule["CcnInstanceId"]), (&json!(CEN), &json!(CCN)));
    assert_eq!(rule["CenUid"].to_string(), CEN_OWNER);
    assert_eq!(rule["CcnUid"].to_string(), OWNER);
    assert_eq!(rule["GmtCreate"], json!("2026-05-09T08:30:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond()));
    let rule = bench.rule(CCN).await.unwrap();
    assert_eq!(rule["ChildInstanceType"], "CCN");
    assert!(rule.get("OrderType").is_none() && rule.get("EffectiveOrderType").is_none(), "{rule}");
    let ledger = bench.simulator.ledger();
    assert_eq!((ledger.len(), ledger[0].effect.order_type), (1, None));
    assert_eq!(revoke(&bench).await, "OK");
    assert_eq!((bench.rule(CCN).await, rules(&bench, "").await["TotalCount"].clone()), (None, json!(0)));
}

#[tokio::test]
async fn what_is_so_already_is_answered_by_the_switches() {
    let bench = Bench::new();
    assert_eq!(revoke(&bench).await, "InvalidInstanceId.NotFound");
    grant(&bench, "").await;
    assert_eq!(grant(&bench, "").await, "DuplicatedGrantRule");
    bench.switch(json!({"duplicate_grant": "ok", "revoke_absent": "ok"}));
    assert_eq!(grant(&bench, "").await, "OK");
    revoke(&bench).await;
    assert_eq!(revoke(&bench).await, "OK");
    assert_eq!(bench.simulator.ledger().len(), 2, "a repetition changes nothing");
}

#[tokio::test]
async fn only_the_owner_where_the_ccn_lies_and_only_to_the_right_account() {
    let bench = Bench::new();
    let code = |key, from: &str, to: &str| {
        let params = format!("{}&CenUid={CEN_OWNER}", about()).replace(from, to);
        let bench = &bench;
        async move { bench.code(key, "GrantInstanceToCbn", &params).await }
    };
    assert_eq!(code(TR, "", "").await, "Unauthorized");
    assert_eq!(code(RESOURCE, "cn-shanghai", "cn-hangzhou").await, "CcnNotExist");
    assert_eq!(code(RESOURCE, "00001&Cen", "00009&Cen").await, "CcnNotExist");
    assert_eq!(code(RESOURCE, CCN, "vpc-bp1h8vbrbcgohcju50003").await, "CcnNotExist");
    assert_eq!(code(RESOURCE, "0001&Reg", "0009&Reg").await, "OperationFailed.SimCenNotExist");
    assert_eq!(code(RESOURCE, CEN_OWNER, OWNER).await, "OperationFailed.SimCenOwnerMismatch");
    assert_eq!(code(RESOURCE, "RegionId=", "X=").await, "MissingParameter.RegionId");
    assert_eq!(grant(&bench, "&GrantTrafficService=true").await, "OperationFailed.SimGrantTrafficService");
    assert_eq!(grant(&bench, "&GrantTrafficService=false").await, "OK");
    let others = bench.call(TR, "DescribeGrantRules", &format!("RegionId=cn-shanghai&AssociatedCcnId={CCN}")).await;
    assert_eq!(others.json()["TotalCount"], 0);
    let params = "RegionId=cn-hangzhou&AssociatedCcnId=ccn-n2935s1mnwv8i00001";
    assert_eq!(bench.code(RESOURCE, "DescribeGrantRules", params).await, "CcnNotExist");
    let params = format!("CenId={CEN}&CenOwnerId={CEN_OWNER}&InstanceId={CCN}&InstanceType=CCN");
    assert_eq!(bench.code(RESOURCE, "GrantInstanceToTransitRouter", &params).await, "InvalidParameter");
}

#[tokio::test]
async fn an_attached_ccn_is_a_child_instance_and_is_detached_before_a_revoke() {
    let bench = Bench::new();
    grant(&bench, "").await;
    attach(&bench);
    assert_eq!(revoke(&bench).await, "OperationFailed.SimAttachmentExist");
    let children = format!("CenId={CEN}&ChildInstanceType=CCN");
    let listed = bench.call(TR, "DescribeCenAttachedChildInstances", &children).await.json();
    assert_eq!(listed["ChildInstances"]["ChildInstance"][0]["ChildInstanceId"], CCN);
    let detach = format!("{children}&ChildInstanceId={CCN}&ChildInstanceRegionId=cn-shanghai");
    assert_eq!(bench.code(TR, "DetachCenChildInstance", &detach).await, "OK");
    bench.pass(5);
    assert_eq!(revoke(&bench).await, "OK");
}

#[tokio::test]
async fn rules_come_in_pages_of_at_most_fifty() {
    let mut world = World::from_toml(include_str!("../../../examples/world.toml")).unwrap();
    let payer = crate::domain::OrderType::PayByCenOwner;
    for n in 10..70 {
        let cen = format!("cen-44m0p68spvlrqq{n:04}").parse().unwrap();
        world.add_cen(&cen, &CEN_OWNER.parse().unwrap()).unwrap();
        world.add_grant(&cen, &CCN.parse().unwrap(), payer, payer).unwrap();
    }
    let bench = Bench::of(world);
    let count = |body: Value| body["GrantRules"]["GrantRule"].as_array().unwrap().len();
    assert_eq!(count(rules(&bench, "").await), 10);
    assert_eq!(count(rules(&bench, "&PageSize=50").await), 50);
    assert_eq!(count(rules(&bench, "&PageSize=50&PageNumber=2").await), 10);
    assert_eq!(rules(&bench, "&PageSize=51").await["Code"], "InvalidParameter");
}
