use std::collections::BTreeSet;

use super::*;
use crate::simulator::operations;
use crate::simulator::testing::{Bench, CEN, RESOURCE, TR, about};

const ROUTER: &str = "tr-bp1su1ytdxtataupl0001";
const LISTS: [&str; 4] = [LIST_VPC, LIST_VBR, LIST_VPN, LIST_ECR];

#[test]
fn every_operation_there_is_has_its_ways_and_no_other_has() {
    let served: BTreeSet<_> = operations().collect();
    let listed: BTreeSet<_> = combinations().iter().map(|way| way.operation).collect();
    assert_eq!(served, listed);
    assert!(combinations().iter().all(|way| !way.page.is_empty()));
}

#[test]
fn names_of_arrays_are_patterns() {
    let ways: Vec<_> = combinations().iter().filter(|way| way.operation == "DescribeCens").collect();
    let allows = |names: &[&str]| ways.iter().any(|way| way.allows(names.iter().copied()));
    assert!(allows(&[]) && allows(&["Filter.1.Key", "Filter.1.Value.12", "PageSize", "OwnerId", "Format"]));
    for wrong in ["Filter.0.Key", "Filter.x.Key", "Filter.1.Value", "Filter.Key", "Filter.1.Key.1", "CenId"] {
        assert!(!allows(&[wrong]), "{wrong}");
    }
}

#[tokio::test]
async fn a_list_of_attachments_takes_the_offered_ways_and_no_other() {
    let bench = Bench::new();
    let code = |list, params: &str| {
        let (bench, params) = (&bench, params.to_owned());
        async move { bench.code(TR, list, &params).await }
    };
    for list in LISTS {
        let vpc = list == LIST_VPC;
        let alone = |taken: bool| if taken { "OK" } else { "IllegalParam.CenIdOrRegionId" };
        for (params, expected) in [
            (format!("TransitRouterId={ROUTER}"), "OK"),
            (format!("TransitRouterId={ROUTER}&CenId={CEN}&Tag.1.Key=a&Tag.1.Value=&MaxResults=5"), "OK"),
            (format!("CenId={CEN}&RegionId=cn-hangzhou"), "OK"),
            (format!("CenId={CEN}"), alone(false)),
            (format!("CenId={CEN}&MaxResults=100"), alone(false)),
            (format!("CenId={CEN}&RegionId="), alone(false)),
            (String::new(), alone(false)),
            ("RegionId=cn-hangzhou".to_owned(), alone(vpc)),
            ("TransitRouterAttachmentId=tr-attach-nls9fzkfat89340001".to_owned(), alone(!vpc)),
            (
                format!("TransitRouterId={ROUTER}&VpcId=vpc-bp1h8vbrbcgohcju50001"),
                if vpc { "OK" } else { "InvalidParameter" },
            ),
            (format!("TransitRouterId={ROUTER}&MaxResult=5"), "InvalidParameter"),
        ] {
            assert_eq!(code(list, &params).await, expected, "{list} {params}");
        }
    }
    let routers = async |params: &str| code("ListTransitRouters", params).await;
    assert_eq!(routers("Type=Enterprise&PageSize=50").await, "InvalidParameterCombination.TransitRouter");
    assert_eq!(routers("RegionId=cn-hangzhou").await, "OK");
    assert_eq!(routers(&format!("TransitRouterId={ROUTER}")).await, "OK");
}

#[tokio::test]
async fn what_is_missing_or_misspelled_is_refused_as_published() {
    let bench = Bench::new();
    let code = |action, params| {
        let bench = &bench;
        async move { bench.code(RESOURCE, action, params).await }
    };
    assert_eq!(code("DescribeGrantRulesToResource", "ProductType=VPC").await, "MissingParameter\t");
    assert_eq!(code("DescribeGrantRulesToCen", "ProductType=VPC").await, "MissingParameter");
    assert_eq!(code("ModifyGrantInstanceToTransitRouter", "CenId=c&InstanceId=i").await, "MissingParameter.OrderType");
    let misspelled = format!("{}&Ordertype=PayByResourceOwner", about("vpc-bp1h8vbrbcgohcju50003"));
    assert_eq!(code("GrantInstanceToTransitRouter", &misspelled).await, "InvalidParameter");
    assert_eq!(
        code("GetCallerIdentity", "AccountId=").await,
        "InvalidParameter",
        "an unknown name without a value too"
    );
    assert_eq!(code("GetCallerIdentity", "OwnerId=1&ResourceOwnerAccount=a").await, "OK");
    assert!(bench.simulator.ledger().is_empty());
}

#[tokio::test]
async fn the_names_of_all_calls_are_kept() {
    let bench = Bench::new();
    bench.call(TR, "DescribeGrantRulesToCen", &format!("ProductType=VPC&CenId={CEN}&NextToken=")).await;
    bench.call(TR, "DescribeGrantRulesToCen", &format!("CenId={CEN}&ProductType=VBR&NextToken=")).await;
    bench.call(TR, "ListTransitRouterVpcAttachments", &format!("CenId={CEN}")).await;
    let sets = bench.simulator.parameter_sets();
    let seen: Vec<_> = sets.iter().map(|s| (s.operation.as_str(), s.product.as_str(), s.names.join(" "))).collect();
    assert_eq!(
        seen,
        [
            ("DescribeGrantRulesToCen", "Cbn", "CenId NextToken ProductType".to_owned()),
            ("ListTransitRouterVpcAttachments", "Cbn", "CenId".to_owned()),
        ]
    );
    let told = bench.send(bench.control("GET", "/_sim/parameter-sets", "")).await.unwrap().json();
    assert_eq!(told[1], serde_json::json!({"operation": LIST_VPC, "product": "Cbn", "names": ["CenId"]}));
}
