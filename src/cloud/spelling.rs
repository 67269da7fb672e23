//! How each operation spells the type of an instance (API §H1). One enum inside, one table to the outside: a VBR is
//! `ExpressConnect` where its owner speaks and `VBR` where the owner of the CEN does.

use crate::domain::InstanceType;

/// `InstanceType` of grant and revoke, `ProductType` of `DescribeGrantRulesToResource` (API §A.1, §A.2, §A.4). A CCN
/// has none: it is granted through another product.
pub fn resource_side(kind: InstanceType) -> Option<&'static str> {
    match kind {
        InstanceType::VPC => Some("VPC"),
        InstanceType::VBR => Some("ExpressConnect"),
        InstanceType::VPN => Some("VPN"),
        InstanceType::ECR => Some("ECR"),
        InstanceType::CCN => None,
    }
}

/// `ProductType` of `DescribeGrantRulesToCen` (API §A.5).
pub fn cen_side(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::VPC => "VPC",
        InstanceType::VBR => "VBR",
        InstanceType::CCN => "CCN",
        InstanceType::VPN => "VPN",
        InstanceType::ECR => "ECR",
    }
}

/// `ChildInstanceType` of the Basic Edition (API §A.9), which connects nothing else.
pub fn child_instance(kind: InstanceType) -> Option<&'static str> {
    match kind {
        InstanceType::VPC => Some("VPC"),
        InstanceType::VBR => Some("VBR"),
        InstanceType::CCN => Some("CCN"),
        InstanceType::VPN | InstanceType::ECR => None,
    }
}

/// The operations on Enterprise Edition attachments of one type, and the fields of a listed one (API §A.7, §A.8, §A.10).
pub struct AttachmentWords {
    /// Lists them.
    pub list: &'static str,
    /// Changes the payer of one; `None` where the payer of an attachment cannot change (API §H4).
    pub update: Option<&'static str>,
    /// Deletes one.
    pub delete: &'static str,
    /// The field with the id of the instance.
    pub id_field: &'static str,
    /// The field with the account that owns the instance.
    pub owner_field: &'static str,
}

/// `None` for a CCN, which only the Basic Edition connects.
pub fn attachment(kind: InstanceType) -> Option<AttachmentWords> {
    match kind {
        InstanceType::VPC => Some(AttachmentWords {
            list: "ListTransitRouterVpcAttachments",
            update: Some("UpdateTransitRouterVpcAttachmentAttribute"),
            delete: "DeleteTransitRouterVpcAttachment",
            id_field: "VpcId",
            owner_field: "VpcOwnerId",
        }),
        InstanceType::VBR => Some(AttachmentWords {
            list: "ListTransitRouterVbrAttachments",
            update: Some("UpdateTransitRouterVbrAttachmentAttribute"),
            delete: "DeleteTransitRouterVbrAttachment",
            id_field: "VbrId",
            owner_field: "VbrOwnerId",
        }),
        InstanceType::VPN => Some(AttachmentWords {
            list: "ListTransitRouterVpnAttachments",
            update: Some("UpdateTransitRouterVpnAttachmentAttribute"),
            delete: "DeleteTransitRouterVpnAttachment",
            id_field: "VpnId",
            owner_field: "VpnOwnerId",
        }),
        InstanceType::ECR => Some(AttachmentWords {
            list: "ListTransitRouterEcrAttachments",
            update: None,
            delete: "DeleteTransitRouterEcrAttachment",
            id_field: "EcrId",
            owner_field: "EcrOwnerId",
        }),
        InstanceType::CCN => None,
    }
}
