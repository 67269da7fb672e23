//! The operations through the engine's port, against a scripted cloud.

use serde_json::{Value, json};

use crate::cloud::Unobserved;
use crate::cloud::testing::{RESOURCE_ACCOUNT, Scripted, TR_ACCOUNT, accounts, cen, instance, permit, uid};
use crate::domain::{Instance, InstanceType, OrderType, Region};
use crate::engine::ports::cloud::{Cloud, CloudError, Failure, Listing, Readers};

const CCN: &str = "ccn-bp1h8vbrbcgohcju50001";

fn ccn() -> Instance {
    Instance { region: Region::parse("cn-hongkong").unwrap(), ..instance(InstanceType::CCN) }
}

fn pairs(text: &[(&str, &str)]) -> Vec<(String, String)> {
    text.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
}

fn rule(n: u32) -> Value {
    json!({"GrantRuleId": n.to_string(), "CcnInstanceId": CCN, "CcnUid": RESOURCE_ACCOUNT,
           "CenInstanceId": format!("cen-44m0p68spvlrqq{n:04}"), "CenUid": 1_250_123_456_123_456_u64,
           "RegionId": "cn-hongkong", "GmtCreate": 1_568_000_000_000_u64, "GrantTrafficService": false})
}

fn page(total: u32, number: u32, rules: &[Value]) -> Value {
    json!({"RequestId": "R", "TotalCount": total, "PageNumber": number, "PageSize": 2, "GrantRules": {"GrantRule": rules}})
}

async fn rules(cloud: &Scripted) -> Result<Listing<crate::domain::GrantRule>, CloudError> {
    let reader = accounts(cloud, Unobserved).resource_reader(&uid(RESOURCE_ACCOUNT)).unwrap();
    reader.describe_grant_rules_to_resource(&ccn()).await.map(|answer| answer.value)
}

#[tokio::test]
async fn a_ccn_is_granted_and_revoked_where_it_lies_and_by_what_smartag_asks_for() {
    let ok = json!({"RequestId": "R-1"});
    let cloud = Scripted::new().json(200, ok.clone()).json(200, ok);
    let writer = accounts(&cloud, Unobserved).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    assert_eq!(writer.grant(&ccn(), &cen(), None).await.unwrap().request_id, "R-1");
    writer.revoke(&ccn(), &cen()).await.unwrap();
    assert_eq!(cloud.actions(), ["GrantInstanceToCbn", "RevokeInstanceFromCbn"]);
    let (id, cen) = (("CcnInstanceId", CCN), ("CenInstanceId", "cen-44m0p68spvlrqq0001"));
    let region = ("RegionId", "cn-hongkong");
    // Nothing but this: above all not GrantTrafficService.
    assert_eq!(cloud.query(0), pairs(&[id, cen, ("CenUid", TR_ACCOUNT), region]));
    assert_eq!(cloud.query(1), pairs(&[id, cen, region]));
    for request in cloud.requests() {
        assert_eq!(request.headers()["host"], "smartag.cn-hongkong.aliyuncs.com");
        assert_eq!(request.headers()["x-acs-version"], "2018-03-13");
        assert!(request.body().is_empty());
    }
}

#[tokio::test]
async fn a_payer_of_a_ccn_is_never_sent() {
    let cloud = Scripted::new();
    let writer = accounts(&cloud, Unobserved).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
    let errors = [
        writer.grant(&ccn(), &cen(), Some(OrderType::PayByCenOwner)).await.unwrap_err(),
        writer.modify_grant(&ccn(), &cen(), OrderType::PayByCenOwner, "t").await.unwrap_err(),
    ];
    for error in errors {
        assert!(matches!(error.failure, Failure::NotSent { .. }), "{error:?}");
    }
    assert!(cloud.actions().is_empty());
}

#[tokio::test]
async fn every_page_of_rules_is_read_and_those_of_other_ccns_are_not_taken() {
    let mut other = rule(2);
    other["CcnInstanceId"] = json!("ccn-bp1h8vbrbcgohcju50002");
    let cloud = Scripted::new().json(200, page(3, 1, &[rule(1), other])).json(200, page(3, 2, &[rule(3)]));
    let listing = rules(&cloud).await.unwrap();
    assert!(listing.complete);
    let cens: Vec<&str> = listing.items.iter().map(|rule| rule.cen.as_str()).collect();
    assert_eq!(cens, ["cen-44m0p68spvlrqq0001", "cen-44m0p68spvlrqq0003"]);
    let first = &listing.items[0];
    assert_eq!((first.cen_owner.as_str(), first.instance.as_str()), (TR_ACCOUNT, CCN));
    assert_eq!(first.instance_owner, Some(uid(RESOURCE_ACCOUNT)));
    assert_eq!((first.order_type, first.effective_order_type), (None, None));
    let asked = |number| {
        pairs(&[("AssociatedCcnId", CCN), ("PageNumber", number), ("PageSize", "50"), ("RegionId", "cn-hongkong")])
    };
    assert_eq!((cloud.query(0), cloud.query(1)), (asked("1"), asked("2")));
}

#[tokio::test]
async fn an_absence_is_believed_only_of_a_counted_list() {
    let empty = |body| async move { rules(&Scripted::new().json(200, body)).await.unwrap() };
    assert!(empty(page(0, 1, &[])).await.complete);
    assert!(!empty(json!({"RequestId": "R"})).await.complete, "the wrong account is answered so");
    let mut odd = rule(1);
    odd["CenUid"] = json!("somebody");
    assert!(!empty(page(1, 1, &[odd])).await.complete);
    let refused = Scripted::new().json(400, json!({"RequestId": "R", "Code": "CcnNotExist", "Message": "m"}));
    let error = rules(&refused).await.unwrap_err();
    assert!(matches!(error.failure, Failure::Refused { code, .. } if code == "CcnNotExist"));
}
