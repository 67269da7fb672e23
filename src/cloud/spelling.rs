//! How each operation spells the type of an instance (API §H1). A VBR, for example, is `ExpressConnect` in the calls of
//! its owner and `VBR` in those of the CEN's owner.

use crate::domain::InstanceType;

/// `InstanceType` of grant and revoke, `ProductType` of `DescribeGrantRulesToResource` (API §A.1, §A.2, §A.4). `None` for
/// a CCN, which is granted through another product.
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

/// `ChildInstanceType` of the Basic Edition (API §A.9); `None` for the types it does not connect.
pub fn child_instance(kind: InstanceType) -> Option<&'static str> {
    match kind {
        InstanceType::VPC => Some("VPC"),
        InstanceType::VBR => Some("VBR"),
        InstanceType::CCN => Some("CCN"),
        InstanceType::VPN | InstanceType::ECR => None,
    }
}

/// The names of the fields of a listed Enterprise Edition attachment that differ by type (API §A.8).
pub struct AttachmentFields {
    /// The field with the id of the instance.
    pub id: &'static str,
    /// The field with the uid of the account that owns the instance.
    pub owner: &'static str,
}

/// The fields for a type; `None` for a CCN, which only the Basic Edition connects.
pub fn attachment(kind: InstanceType) -> Option<AttachmentFields> {
    let (id, owner) = match kind {
        InstanceType::VPC => ("VpcId", "VpcOwnerId"),
        InstanceType::VBR => ("VbrId", "VbrOwnerId"),
        InstanceType::VPN => ("VpnId", "VpnOwnerId"),
        InstanceType::ECR => ("EcrId", "EcrOwnerId"),
        InstanceType::CCN => return None,
    };
    Some(AttachmentFields { id, owner })
}
