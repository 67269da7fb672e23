//! What the worker asks the cloud with: the parameter sets of every operation, over the whole matrix, are exactly these, and
//! each is one that a page of the vendor offers (the table of the simulated cloud, which refuses the others, says which).
//!
//! The table is written by hand, from the pages: a set that comes or goes is a decision.

use std::collections::BTreeSet;

use crossgrant::simulator::{ParameterSet, combinations};

/// Every set, by operation.
const ASKED: &[(&str, &[&str])] = &[
    ("DeleteTransitRouterEcrAttachment", &["TransitRouterAttachmentId", "ClientToken"]),
    ("DeleteTransitRouterVbrAttachment", &["TransitRouterAttachmentId", "ClientToken"]),
    ("DeleteTransitRouterVpcAttachment", &["TransitRouterAttachmentId", "ClientToken"]),
    ("DeleteTransitRouterVpnAttachment", &["TransitRouterAttachmentId", "ClientToken"]),
    ("DescribeCenAttachedChildInstances", &["CenId", "ChildInstanceType", "PageNumber", "PageSize"]),
    ("DescribeCens", &["Filter.1.Key", "Filter.1.Value.1", "PageNumber", "PageSize"]),
    ("DescribeGrantRules", &["RegionId", "AssociatedCcnId", "PageNumber", "PageSize"]),
    ("DescribeGrantRulesToCen", &["CenId", "ProductType", "ChildInstanceId", "MaxResults"]),
    ("DescribeGrantRulesToResource", &["ResourceId", "ProductType", "RegionId", "MaxResults"]),
    ("DescribeVpnAttachments", &["RegionId", "VpnConnectionId", "PageNumber", "PageSize"]),
    (
        "DetachCenChildInstance",
        &[
            "CenId",
            "ChildInstanceId",
            "ChildInstanceType",
            "ChildInstanceRegionId",
            "ChildInstanceOwnerId",
            "CenOwnerId",
        ],
    ),
    ("GetCallerIdentity", &[]),
    ("GrantInstanceToCbn", &["CcnInstanceId", "CenInstanceId", "CenUid", "RegionId"]),
    ("GrantInstanceToTransitRouter", &["CenId", "CenOwnerId", "InstanceId", "InstanceType", "RegionId", "OrderType"]),
    ("ListTransitRouterEcrAttachments", &["TransitRouterId", "MaxResults"]),
    ("ListTransitRouterVbrAttachments", &["TransitRouterId", "MaxResults"]),
    // All of a router, for those whose hour has passed, and one instance's.
    ("ListTransitRouterVpcAttachments", &["TransitRouterId", "MaxResults"]),
    ("ListTransitRouterVpcAttachments", &["TransitRouterId", "VpcId", "MaxResults"]),
    ("ListTransitRouterVpnAttachments", &["TransitRouterId", "MaxResults"]),
    ("ListTransitRouters", &["CenId", "PageNumber", "PageSize"]),
    ("ModifyGrantInstanceToTransitRouter", &["CenId", "InstanceId", "OrderType", "ClientToken"]),
    ("RevokeInstanceFromCbn", &["CcnInstanceId", "CenInstanceId", "RegionId"]),
    ("RevokeInstanceFromTransitRouter", &["CenId", "CenOwnerId", "InstanceId", "InstanceType", "RegionId"]),
    ("UpdateTransitRouterVbrAttachmentAttribute", &["TransitRouterAttachmentId", "OrderType", "ClientToken"]),
    ("UpdateTransitRouterVpcAttachmentAttribute", &["TransitRouterAttachmentId", "OrderType", "ClientToken"]),
    ("UpdateTransitRouterVpnAttachmentAttribute", &["TransitRouterAttachmentId", "OrderType", "ClientToken"]),
];

pub fn check(asked: &BTreeSet<ParameterSet>) {
    let is: BTreeSet<(&str, String)> = asked.iter().map(|set| (set.operation.as_str(), set.names.join(" "))).collect();
    let should: BTreeSet<(&str, String)> = ASKED
        .iter()
        .map(|(operation, names)| {
            let names: BTreeSet<&str> = names.iter().copied().collect();
            (*operation, names.into_iter().collect::<Vec<_>>().join(" "))
        })
        .collect();
    assert_eq!(is, should, "what is asked is not what the table says");
    for (operation, names) in ASKED {
        let offers = |way: &&crossgrant::simulator::Combination| {
            way.operation == *operation && way.allows(names.iter().copied())
        };
        let page = combinations().iter().find(offers).map(|way| way.page);
        assert!(page.is_some_and(|page| !page.is_empty()), "no page offers {operation} with {names:?}");
    }
}
