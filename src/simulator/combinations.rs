//! The parameters that may come together: for every operation, the combinations that the vendor's pages and SDKs offer. A
//! call that fits none is refused, so that a misspelled or missing parameter does not go unnoticed.

use super::answer::ErrorAnswer;
use super::request::{Params, ignored};

/// One set of parameters that an operation can be called with.
///
/// Names of array parameters are patterns: `N` and `M` stand for a number from 1, as in `Filter.N.Value.M`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Combination {
    /// The code of the product in the vendor's list of APIs, such as `Cbn`.
    pub product: &'static str,
    /// The name of the operation, as in `x-acs-action`.
    pub operation: &'static str,
    /// Parameters that must be there; of an array, at least one element.
    pub required: &'static [&'static str],
    /// Parameters that may be there besides. They are in groups only so that combinations can share them.
    pub optional: &'static [&'static [&'static str]],
    /// The source: the vendor's page with its date, or the SDK with its version.
    pub page: &'static str,
}

impl Combination {
    /// Whether parameters of these names, and no others, may come together. Names that every operation ignores and names of
    /// the protocol make no difference.
    pub fn allows<'a>(&self, names: impl IntoIterator<Item = &'a str>) -> bool {
        let names: Vec<&str> = names.into_iter().collect();
        let there = |pattern: &&str| names.iter().any(|name| fits(pattern, name));
        self.required.iter().all(there) && names.iter().all(|name| self.knows(name))
    }

    fn knows(&self, name: &str) -> bool {
        let optional = self.optional.iter().copied().flatten();
        ignored(name) || self.required.iter().chain(optional).any(|pattern| fits(pattern, name))
    }

    /// The first required parameter that is absent or empty.
    fn missing(&self, params: &Params) -> Option<&'static str> {
        self.required.iter().copied().find(|pattern| !params.names_with_value().any(|name| fits(pattern, name)))
    }
}

/// All combinations of all operations; an operation with several ways to ask has several.
pub fn combinations() -> &'static [Combination] {
    ALL
}

/// Checks the parameters of a call against the table.
///
/// # Errors
/// If no combination is complete, the error that is published for the operation. `InvalidParameter` for a name that no
/// complete combination has.
pub(super) fn check(operation: &str, params: &Params) -> Result<(), ErrorAnswer> {
    let all = ALL.iter().filter(|combination| combination.operation == operation);
    let (complete, lacking): (Vec<&Combination>, Vec<&Combination>) =
        all.partition(|combination| combination.missing(params).is_none());
    if complete.is_empty() {
        let missing = lacking.last().and_then(|combination| combination.missing(params)).unwrap_or_default();
        let code = INCOMPLETE.iter().find(|(operations, _)| operations.contains(&operation));
        let code = code.map_or_else(|| format!("MissingParameter.{missing}"), |(_, code)| (*code).to_owned());
        return Err(ErrorAnswer::bad(code, format!("The parameter {missing} is mandatory.")));
    }
    let unknown = |combination: &&Combination| params.names().find(|name| !combination.knows(name));
    match complete.iter().map(unknown).min() {
        Some(Some(name)) => {
            Err(ErrorAnswer::invalid(name, format!("{operation} does not take it in this combination")))
        }
        _ => Ok(()),
    }
}

fn fits(pattern: &str, name: &str) -> bool {
    let number = |text: &str| !text.starts_with('0') && !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    let (mut pattern, mut name) = (pattern.split('.'), name.split('.'));
    loop {
        match (pattern.next(), name.next()) {
            (None, None) => return true,
            (Some("N" | "M"), Some(part)) if number(part) => {}
            (Some(wanted), Some(part)) if wanted == part => {}
            _ => return false,
        }
    }
}

/// The code that is published for a call that fits no combination; the other operations answer `MissingParameter.` and the
/// name. One code has a TAB at its end, as published (API §K).
const INCOMPLETE: [(&[&str], &str); 4] = [
    (&[LIST_VPC, LIST_VBR, LIST_VPN, LIST_ECR], "IllegalParam.CenIdOrRegionId"),
    (&["ListTransitRouters"], "InvalidParameterCombination.TransitRouter"),
    (&["DescribeGrantRulesToResource"], "MissingParameter\t"),
    (&["DescribeGrantRulesToCen"], "MissingParameter"),
];

const LIST_VPC: &str = "ListTransitRouterVpcAttachments";
const LIST_VBR: &str = "ListTransitRouterVbrAttachments";
const LIST_VPN: &str = "ListTransitRouterVpnAttachments";
const LIST_ECR: &str = "ListTransitRouterEcrAttachments";

const CREATE_VBR: &str = "CreateTransitRouterVbrAttachment";
const CREATE_VPN: &str = "CreateTransitRouterVpnAttachment";
const CREATE_ECR: &str = "CreateTransitRouterEcrAttachment";

const CBN_SDK: &str = "SDK cbn20170912 1.4.0";
const SMARTAG_SDK: &str = "SDK smartag20180313 2.1.2";
const VPC_SDK: &str = "SDK vpc20160428 7.2.2";
const STS_SDK: &str = "SDK sts20150401 1.2.0";
const LIST_VPC_PAGE: &str = "ListTransitRouterVpcAttachments, help page 2026-09-02";
const LIST_VBR_PAGE: &str = "ListTransitRouterVbrAttachments, help page 2025-12-14";
const PAYER_PAGE: &str = "payer of cross-account connections, help page 2026-05-09; SDK cbn20170912 1.4.0";

const BY_TOKEN: &[&str] = &["MaxResults", "NextToken"];
const BY_NUMBER: &[&str] = &["PageNumber", "PageSize"];
const TAGS: &[&str] = &["Tag.N.Key", "Tag.N.Value"];
/// What narrows a list of attachments further.
const WHERE: &[&str] = &["CenId", "RegionId", "TransitRouterAttachmentId"];
const OF_VPC: &[&str] = &["OrderType", "Status", "VpcId"];
const NAMES: &[&str] = &["TransitRouterAttachmentDescription", "TransitRouterAttachmentName"];
/// What writes to attachments take for safety.
const GUARDS: &[&str] = &["ClientToken", "DryRun"];
const PAYER: &[&str] = &["AutoPublishRouteEnabled", "OrderType"];
const OF_ROUTERS: &[&str] =
    &["FeatureFilter.N.Key", "FeatureFilter.N.Value.M", "Status", "TransitRouterName", "Type", "CenId", "RegionId"];
const CREATED_VPC: &[&str] =
    &["AutoPublishRouteEnabled", "ChargeType", "TransitRouterVPCAttachmentOptions", "VpcOwnerId"];
const CREATED_VBR: &[&str] = &["AutoPublishRouteEnabled", "VbrOwnerId"];
const CREATED_VPN: &[&str] = &["AutoPublishRouteEnabled", "ChargeType", "VpnOwnerId", "Zone.N.ZoneId"];
const CREATED_ECR: &[&str] = &["EcrOwnerId"];

const GRANTED: &[&str] = &["CenId", "CenOwnerId", "InstanceId", "InstanceType"];
const IN_REGION: &[&str] = &["CenId", "RegionId"];
const BY_ATTACHMENT: &[&str] = &["TransitRouterAttachmentId"];
const BY_ROUTER: &[&str] = &["TransitRouterId"];
const BY_REGION: &[&str] = &["RegionId"];

const fn of(
    product: &'static str,
    operation: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static [&'static str]],
    page: &'static str,
) -> Combination {
    Combination { product, operation, required, optional, page }
}

const fn cbn(
    operation: &'static str,
    required: &'static [&'static str],
    optional: &'static [&'static [&'static str]],
    page: &'static str,
) -> Combination {
    of("Cbn", operation, required, optional, page)
}

const ALL: &[Combination] = &[
    cbn("GrantInstanceToTransitRouter", GRANTED, &[&["OrderType"], BY_REGION], CBN_SDK),
    cbn("RevokeInstanceFromTransitRouter", GRANTED, &[BY_REGION], CBN_SDK),
    cbn("ModifyGrantInstanceToTransitRouter", &["CenId", "InstanceId", "OrderType"], &[&["ClientToken"]], PAYER_PAGE),
    cbn("DescribeGrantRulesToResource", &["ResourceId", "ProductType"], &[BY_REGION, BY_TOKEN], CBN_SDK),
    cbn(
        "DescribeGrantRulesToCen",
        &["CenId", "ProductType"],
        &[&["ChildInstanceId", "ChildInstanceOwnerId", "EnabledIpv6"], BY_REGION, BY_TOKEN],
        CBN_SDK,
    ),
    cbn("ListTransitRouters", BY_ROUTER, &[OF_ROUTERS, TAGS, BY_NUMBER], CBN_SDK),
    cbn("ListTransitRouters", BY_REGION, &[OF_ROUTERS, TAGS, BY_NUMBER], CBN_SDK),
    cbn("ListTransitRouters", &["CenId"], &[OF_ROUTERS, TAGS, BY_NUMBER], CBN_SDK),
    cbn(LIST_VPC, BY_ROUTER, &[WHERE, OF_VPC, TAGS, BY_TOKEN], LIST_VPC_PAGE),
    cbn(LIST_VPC, BY_REGION, &[OF_VPC, BY_ATTACHMENT, TAGS, BY_TOKEN], LIST_VPC_PAGE),
    cbn(LIST_VPC, IN_REGION, &[OF_VPC, BY_ATTACHMENT, TAGS, BY_TOKEN], LIST_VPC_PAGE),
    cbn(LIST_VBR, BY_ROUTER, &[WHERE, TAGS, BY_TOKEN], LIST_VBR_PAGE),
    cbn(LIST_VBR, BY_ATTACHMENT, &[WHERE, TAGS, BY_TOKEN], LIST_VBR_PAGE),
    cbn(LIST_VBR, IN_REGION, &[TAGS, BY_TOKEN], LIST_VBR_PAGE),
    cbn(LIST_VPN, BY_ROUTER, &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_VPN, BY_ATTACHMENT, &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_VPN, IN_REGION, &[TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_ECR, BY_ROUTER, &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_ECR, BY_ATTACHMENT, &[WHERE, TAGS, BY_TOKEN], CBN_SDK),
    cbn(LIST_ECR, IN_REGION, &[TAGS, BY_TOKEN], CBN_SDK),
    cbn(
        "UpdateTransitRouterVpcAttachmentAttribute",
        BY_ATTACHMENT,
        &[PAYER, &["Options", "StrictSourceControl", "TransitRouterVPCAttachmentOptions"], NAMES, GUARDS],
        PAYER_PAGE,
    ),
    cbn("UpdateTransitRouterVbrAttachmentAttribute", BY_ATTACHMENT, &[PAYER, NAMES, GUARDS], PAYER_PAGE),
    cbn("UpdateTransitRouterVpnAttachmentAttribute", BY_ATTACHMENT, &[PAYER, NAMES, GUARDS], PAYER_PAGE),
    cbn("UpdateTransitRouterEcrAttachmentAttribute", BY_ATTACHMENT, &[&["OrderType"], NAMES, GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterVpcAttachment", BY_ATTACHMENT, &[&["Force"], GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterVbrAttachment", BY_ATTACHMENT, &[&["Force"], GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterVpnAttachment", BY_ATTACHMENT, &[&["Force"], GUARDS], CBN_SDK),
    cbn("DeleteTransitRouterEcrAttachment", BY_ATTACHMENT, &[&["Force"], GUARDS], CBN_SDK),
    cbn(
        "CreateTransitRouterVpcAttachment",
        &["VpcId", "TransitRouterId", "ZoneMappings.N.ZoneId", "ZoneMappings.N.VSwitchId"],
        &[IN_REGION, CREATED_VPC, NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(
        "CreateTransitRouterVpcAttachment",
        &["VpcId", "CenId", "RegionId", "ZoneMappings.N.ZoneId", "ZoneMappings.N.VSwitchId"],
        &[CREATED_VPC, NAMES, TAGS, GUARDS],
        CBN_SDK,
    ),
    cbn(CREATE_VBR, &["VbrId", "TransitRouterId"], &[IN_REGION, CREATED_VBR, NAMES, TAGS, GUARDS], CBN_SDK),
    cbn(CREATE_VBR, &["VbrId", "CenId", "RegionId"], &[CREATED_VBR, NAMES, TAGS, GUARDS], CBN_SDK),
    cbn(CREATE_VPN, &["VpnId", "TransitRouterId"], &[IN_REGION, CREATED_VPN, NAMES, TAGS, GUARDS], CBN_SDK),
    cbn(CREATE_VPN, &["VpnId", "CenId", "RegionId"], &[CREATED_VPN, NAMES, TAGS, GUARDS], CBN_SDK),
    cbn(CREATE_ECR, &["EcrId", "TransitRouterId"], &[IN_REGION, CREATED_ECR, NAMES, TAGS, GUARDS], CBN_SDK),
    cbn(CREATE_ECR, &["EcrId", "CenId", "RegionId"], &[CREATED_ECR, NAMES, TAGS, GUARDS], CBN_SDK),
    cbn(
        "DescribeCenAttachedChildInstances",
        &["CenId"],
        &[&["ChildInstanceRegionId", "ChildInstanceType"], BY_NUMBER],
        "DescribeCenAttachedChildInstances, help page 2025-08-07",
    ),
    cbn(
        "DetachCenChildInstance",
        &["CenId", "ChildInstanceId", "ChildInstanceType", "ChildInstanceRegionId"],
        &[&["CenOwnerId", "ChildInstanceOwnerId"]],
        CBN_SDK,
    ),
    cbn("DescribeCens", &[], &[&["Filter.N.Key", "Filter.N.Value.M", "ResourceGroupId"], TAGS, BY_NUMBER], CBN_SDK),
    cbn("CheckTransitRouterService", &[], &[&["ClientToken"]], CBN_SDK),
    of(
        "Smartag",
        "GrantInstanceToCbn",
        &["CcnInstanceId", "CenInstanceId", "CenUid", "RegionId"],
        &[&["GrantTrafficService"]],
        SMARTAG_SDK,
    ),
    of("Smartag", "RevokeInstanceFromCbn", &["CcnInstanceId", "CenInstanceId", "RegionId"], &[], SMARTAG_SDK),
    of("Smartag", "DescribeGrantRules", BY_REGION, &[&["AssociatedCcnId"], BY_NUMBER], SMARTAG_SDK),
    of("Vpc", "DescribeVpnAttachments", BY_REGION, &[&["AttachType", "VpnConnectionId"], BY_NUMBER], VPC_SDK),
    of("Sts", "GetCallerIdentity", &[], &[], STS_SDK),
    of(
        "Sts",
        "AssumeRole",
        &["RoleArn", "RoleSessionName"],
        &[&["DurationSeconds", "ExternalId", "Policy", "SourceIdentity"]],
        STS_SDK,
    ),
    of(
        "Sts",
        "AssumeRoleWithOIDC",
        &["RoleArn", "OIDCProviderArn", "OIDCToken", "RoleSessionName"],
        &[&["DurationSeconds", "Policy"]],
        STS_SDK,
    ),
];

#[cfg(test)]
mod tests;
