//! Answers of the cloud, and the verdicts that are expected of them.

use serde_json::{Value, json};

use super::super::*;
use crate::cli::doctor::probe::look::Others;
use crate::cli::doctor::probe::read::AnsweredList;
use crate::cloud::spelling::attachment;
use crate::domain::{AccountUid, Cen, CenId, Instance, InstanceId, Operation, Region};

pub const OWNER: &str = "1250123456123456";
pub const RESOURCE: &str = "1688000000000001";
pub const CEN: &str = "cen-44m0p68spvlrqq0001";
pub const NOW: &str = "2026-11-28T10:20:00Z";

pub fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

pub fn id(kind: InstanceType, n: u8) -> String {
    format!("{}bp1h8vbrbcgohcju5000{n}", kind.prefix())
}

pub fn now() -> Timestamp {
    NOW.parse().unwrap()
}

pub fn made(account: &str, operation: Operation, outcome: ReadOutcome) -> CompletedRead {
    let dates = match outcome {
        ReadOutcome::Answered(_) => vec![(Some(now()), now())],
        _ => vec![],
    };
    CompletedRead { account: uid(account), operation, outcome, request_ids: vec!["R-1".into()], dates }
}

pub fn answered(account: &str, operation: Operation, body: Value) -> CompletedRead {
    let mut list = AnsweredList::default();
    list.add(operation, body);
    made(account, operation, ReadOutcome::Answered(list))
}

pub fn refused_with(read: &CompletedRead, code: &str) -> CompletedRead {
    CompletedRead { outcome: ReadOutcome::Refused(code.into()), dates: vec![], ..read.clone() }
}

pub fn failed(read: &CompletedRead) -> CompletedRead {
    CompletedRead { outcome: ReadOutcome::Failed("no answer within 15s".into()), dates: vec![], ..read.clone() }
}

pub fn listed(field: &str, items: &[Value]) -> Value {
    json!({"RequestId": "R-1", "TotalCount": items.len(), field: items})
}

pub fn router(n: u8, region: &str, edition: &str) -> Value {
    let id = format!("tr-bp1su1ytdxtataupl000{n}");
    json!({"TransitRouterId": id, "CenId": CEN, "RegionId": region, "AliUid": 1_250_123_456_123_456_u64, "Type": edition})
}

pub fn attached(kind: InstanceType, n: u8) -> Value {
    let mut item = json!({"TransitRouterAttachmentId": format!("tr-attach-{n}"), "CenId": CEN});
    item[attachment(kind).unwrap().id] = json!(id(kind, n));
    item
}

pub fn child(kind: InstanceType, n: u8, region: &str) -> Value {
    json!({"ChildInstanceId": id(kind, n), "ChildInstanceRegionId": region})
}

pub fn rule(kind: InstanceType, n: u8) -> Value {
    json!({"CenId": CEN, "ChildInstanceId": id(kind, n), "CreateTime": "2024-01-24T16:46Z",
        "OrderType": "PayByCenOwner", "EffectiveOrderType": "PayByCenOwner"})
}

/// Instance 1 is granted and attached to the Enterprise Edition, 2 is granted, 3 is attached to the Basic Edition.
pub fn as_taken_for_true(kind: InstanceType) -> Looked {
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
        cen_alone: list.map(|list| made(cen, list, ReadOutcome::Refused("IllegalParam.CenIdOrRegionId".into()))),
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

pub fn vpc() -> Looked {
    as_taken_for_true(InstanceType::VPC)
}

/// A list, read to its end or not, instead of that of a read.
pub fn with(read: &CompletedRead, field: &str, items: &[Value]) -> CompletedRead {
    CompletedRead { outcome: answered(OWNER, read.operation, listed(field, items)).outcome, ..read.clone() }
}

pub fn cut_short(read: &CompletedRead) -> CompletedRead {
    let mut read = read.clone();
    if let ReadOutcome::Answered(list) = &mut read.outcome {
        list.complete = false;
    }
    read
}

pub fn verdict(looked: &Looked, point: &str) -> PointVerdict {
    let all = judge(looked);
    all.iter().find(|seen| seen.point.name == point).unwrap_or_else(|| panic!("no {point}")).verdict.clone()
}

#[track_caller]
pub fn agrees(looked: &Looked, point: &str, part: &str) {
    let verdict = verdict(looked, point);
    assert!(matches!(&verdict, PointVerdict::Agrees(says) if says.contains(part)), "{point}: {verdict:?}");
}

#[track_caller]
pub fn differs(looked: &Looked, point: &str, part: &str) {
    let verdict = verdict(looked, point);
    assert!(matches!(&verdict, PointVerdict::Differs(says) if says.contains(part)), "{point}: {verdict:?}");
}

#[track_caller]
pub fn unclear(looked: &Looked, point: &str, part: &str) {
    let verdict = verdict(looked, point);
    assert!(matches!(&verdict, PointVerdict::CannotTell(says) if says.contains(part)), "{point}: {verdict:?}");
}
