use serde_json::{Value, json};

use crate::domain::OrderType;
use crate::simulator::OutsideChange;
use crate::simulator::testing::{Bench, CEN, OWNER, RESOURCE, TR};

const VPC: &str = "vpc-bp1h8vbrbcgohcju50001";
const ID: &str = "tr-attach-nls9fzkfat89340001";
const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";

async fn list(bench: &Bench, more: &str) -> Vec<Value> {
    let body =
        bench.call(TR, "ListTransitRouterVpcAttachments", &format!("TransitRouterId={ROUTER}&{more}")).await.json();
    body["TransitRouterAttachments"].as_array().unwrap().clone()
}

async fn status(bench: &Bench) -> Option<(String, String)> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    list(bench, &format!("VpcId={VPC}")).await.pop().map(|a| (text(&a["Status"]), text(&a["OrderType"])))
}

async fn update(bench: &Bench, more: &str) -> String {
    let params = format!("TransitRouterAttachmentId={ID}&{more}");
    bench.code(TR, "UpdateTransitRouterVpcAttachmentAttribute", &params).await
}

#[tokio::test]
async fn the_list_shows_and_filters() {
    let bench = Bench::new();
    let all = list(&bench, "").await;
    assert_eq!(all.len(), 2);
    assert_eq!((&all[0]["VpcId"], &all[0]["VpcOwnerId"]), (&json!(VPC), &json!(1688000000000001_u64)));
    assert_eq!(all[0]["ResourceType"], "VPC");
    for (filter, found) in [
        ("VpcId=vpc-bp1h8vbrbcgohcju50005", 1),
        ("RegionId=cn-hangzhou", 2),
        ("RegionId=cn-beijing", 0),
        ("TransitRouterAttachmentId=tr-attach-nls9fzkfat89340005", 1),
        ("Status=Modifying", 0),
        ("OrderType=PayByCenOwner", 2),
        ("MaxResults=1", 1),
    ] {
        assert_eq!(list(&bench, filter).await.len(), found, "{filter}");
    }
    let by_region = format!("CenId={CEN}&RegionId=cn-hangzhou");
    for (kind, found) in [("Vpc", 2), ("Vbr", 0)] {
        let listed = bench.call(TR, &format!("ListTransitRouter{kind}Attachments"), &by_region).await.json();
        assert_eq!(listed["TotalCount"], found, "{kind}");
    }
    let unknown = "TransitRouterId=tr-bp1su1ytdxtataupl0009";
    assert_eq!(bench.call(TR, "ListTransitRouterVpcAttachments", unknown).await.json()["TotalCount"], 0);
    let code = |params| bench.code(TR, "ListTransitRouterVpcAttachments", params);
    assert_eq!(code("RegionId=cn-hangzhou&MaxResults=101").await, "IllegalParam.MaxResults");
    assert_eq!(code("RegionId=cn-hangzhou&NextToken=x").await, "IllegalParam.NextToken");
    for params in [by_region, format!("TransitRouterId={ROUTER}")] {
        let other = bench.call(RESOURCE, "ListTransitRouterVpcAttachments", &params).await.json();
        assert_eq!((&other["TransitRouterAttachments"], &other["TotalCount"]), (&json!([]), &json!(0)));
    }
}

#[tokio::test]
async fn an_update_is_modifying_first_and_takes_effect_at_the_hour_with_the_grant() {
    let bench = Bench::new();
    let payer = "OrderType=PayByResourceOwner&ClientToken=u1";
    assert_eq!(update(&bench, payer).await, "OperationFailed.SimGrantNotFirst");
    bench.modify(VPC, "OrderType=PayByResourceOwner").await;
    assert_eq!(update(&bench, payer).await, "OK");
    assert_eq!(status(&bench).await, Some(("Modifying".into(), "PayByCenOwner".into())));
    assert_eq!(update(&bench, payer).await, "TokenProcessing");
    assert_eq!(update(&bench, "OrderType=PayByResourceOwner&ClientToken=u2").await, "IncorrectStatus.Status");
    bench.pass(5);
    assert_eq!(status(&bench).await, Some(("Attached".into(), "PayByResourceOwner".into())));
    assert_eq!(update(&bench, payer).await, "OK");
    assert_eq!(bench.simulator.ledger().len(), 2, "one modify, one update");
    assert_eq!(bench.rule(VPC).await.unwrap()["EffectiveOrderType"], "PayByCenOwner");
    bench.pass(30 * 60);
    assert_eq!(bench.rule(VPC).await.unwrap()["EffectiveOrderType"], "PayByResourceOwner");
}

#[tokio::test]
async fn an_update_before_the_grant_can_be_let_through_and_changes_no_payer() {
    let bench = Bench::new();
    bench.switch(json!({"update_before_grant": "ok"}));
    assert_eq!(update(&bench, "OrderType=PayByResourceOwner").await, "OK");
    bench.pass(3600);
    assert_eq!(bench.rule(VPC).await.unwrap()["EffectiveOrderType"], "PayByCenOwner");
}

#[tokio::test]
async fn a_delete_detaches_and_then_the_grant_can_go() {
    let bench = Bench::new();
    let params = format!("TransitRouterAttachmentId={ID}&ClientToken=d1");
    let delete = |params: String| {
        let bench = &bench;
        async move { bench.code(TR, "DeleteTransitRouterVpcAttachment", &params).await }
    };
    assert_eq!(delete(params.clone()).await, "OK");
    assert_eq!(status(&bench).await.unwrap().0, "Detaching");
    assert_eq!(bench.revoke(VPC).await, "IncorrectStatus.Cen");
    assert_eq!(delete(params.clone()).await, "TokenProcessing");
    bench.pass(5);
    assert_eq!(status(&bench).await, None);
    assert_eq!(delete(params).await, "OK", "the token still answers");
    assert_eq!(delete(format!("TransitRouterAttachmentId={ID}")).await, "InvalidTransitRouterAttachmentId.NotFound");
    let unknown = "TransitRouterAttachmentId=tr-attach-nothing0001";
    assert_eq!(bench.code(TR, "DeleteTransitRouterEcrAttachment", unknown).await, "OK", "as that page says");
    assert_eq!(bench.revoke(VPC).await, "OK");
}

#[tokio::test]
async fn another_account_or_type_cannot_touch_an_attachment() {
    let bench = Bench::new();
    let params = format!("TransitRouterAttachmentId={ID}&OrderType=PayByCenOwner");
    let code = bench.code(RESOURCE, "UpdateTransitRouterVpcAttachmentAttribute", &params).await;
    assert_eq!(code, "Unauthorized");
    let code = bench.code(TR, "UpdateTransitRouterVbrAttachmentAttribute", &params).await;
    assert_eq!(code, "InvalidTransitRouterAttachmentId.NotFound");
}

#[tokio::test]
async fn a_dry_run_changes_nothing() {
    let bench = Bench::new();
    assert_eq!(update(&bench, "DryRun=True").await, "OK");
    assert_eq!(status(&bench).await.unwrap().0, "Attached");
    assert!(bench.simulator.ledger().is_empty());
}

#[tokio::test]
async fn an_attachment_is_made_only_under_a_grant_and_inherits_its_payer() {
    let bench = Bench::new();
    let ecr = "ecr-n78omt2qsko06y0001";
    let params = format!("TransitRouterId={ROUTER}&EcrId={ecr}&EcrOwnerId={OWNER}");
    let code = bench.code(TR, "CreateTransitRouterEcrAttachment", &params).await;
    assert_eq!(code, "OperationFailed.SimGrantMissing");
    bench.grant(ecr, "&OrderType=PayByResourceOwner").await;
    let made = bench.call(TR, "CreateTransitRouterEcrAttachment", &params).await.json();
    bench.pass(5);
    let body = bench.call(TR, "ListTransitRouterEcrAttachments", &format!("TransitRouterId={ROUTER}")).await.json();
    let item = &body["TransitRouterAttachments"][0];
    assert_eq!(item["TransitRouterAttachmentId"], made["TransitRouterAttachmentId"]);
    assert_eq!((&item["Status"], &item["OrderType"]), (&json!("Attached"), &json!("PayByResourceOwner")));
    let update = format!(
        "TransitRouterAttachmentId={}&OrderType=PayByCenOwner",
        made["TransitRouterAttachmentId"].as_str().unwrap()
    );
    let code = bench.code(TR, "UpdateTransitRouterEcrAttachmentAttribute", &update).await;
    assert_eq!(code, "OperationUnsupported.action");
}

#[tokio::test]
async fn a_vpn_attached_anywhere_is_not_granted() {
    let bench = Bench::new();
    let vpn = "vco-bp1bbi27hojx80nck0001";
    bench.grant(vpn, "").await;
    bench
        .simulator
        .change(OutsideChange::Attach { transit_router: ROUTER.into(), instance: vpn.parse().unwrap() })
        .unwrap();
    let (cen, instance) = (CEN.parse().unwrap(), vpn.parse().unwrap());
    bench.simulator.change(OutsideChange::Revoke { cen, instance }).unwrap();
    assert_eq!(bench.grant(vpn, "").await, "OperationFailed.SimVpnAttached");
}

#[tokio::test]
async fn an_outsider_can_change_everything_at_once() {
    let bench = Bench::new();
    let (cen, instance) = (CEN.parse().unwrap(), VPC.parse().unwrap());
    let change = OutsideChange::SetOrderType {
        cen,
        instance,
        order_type: Some(OrderType::PayByResourceOwner),
        effective_order_type: Some(OrderType::PayByResourceOwner),
        attachment_order_type: Some(OrderType::PayByResourceOwner),
    };
    bench.simulator.change(change).unwrap();
    assert_eq!(bench.rule(VPC).await.unwrap()["EffectiveOrderType"], "PayByResourceOwner");
    assert_eq!(status(&bench).await, Some(("Attached".into(), "PayByResourceOwner".into())));
    assert_eq!(bench.simulator.ledger()[0].operation, "sim:set_order_type");
}
