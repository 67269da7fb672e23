//! The points about attachments.

use serde_json::json;

use super::fixtures::*;
use super::*;

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
        let ReadOutcome::Answered(list) = &mut long.outcome else { panic!() };
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
