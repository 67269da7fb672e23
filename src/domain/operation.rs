//! Every operation of the API that this program calls, once, with everything that is known of it beforehand. A new one
//! is a row of the table below; what has to be decided about it elsewhere does not compile until it is.
//!
//! The metadata service of a machine and a credentials URI are no operations: they have no product, no budget and no
//! permission. The error table alone names them, as `metadata`.

use schemars::JsonSchema;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize};

use super::ids::AccountUid;
use super::instance::InstanceType;
use super::job::Job;

/// A product of the cloud's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// Cloud Enterprise Network.
    Cbn,
    /// Security Token Service.
    Sts,
    /// Smart Purpose Gateway, which grants CCNs.
    Smartag,
    /// Virtual Private Cloud.
    Vpc,
}

impl Product {
    /// The value of `x-acs-version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Cbn => "2017-09-12",
            Self::Sts => "2015-04-01",
            Self::Smartag => "2018-03-13",
            Self::Vpc => "2016-04-28",
        }
    }
}

/// The account whose keys sign a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CalledAs {
    /// The owner of the network instance.
    Resource,
    /// The owner of the CEN.
    TransitRouter,
    /// Each of these two, about itself.
    Either,
    /// The account whose keys assume the roles of others.
    Hub,
    /// No account: the call carries a token instead of a signature.
    Unsigned,
}

/// What a call does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// Changes nothing.
    Read,
    /// Changes something, and does so again when it is repeated.
    Write,
    /// Changes something once: a repetition with the same `ClientToken` does nothing more.
    WriteWithToken,
    /// Issues keys.
    Keys,
}

macro_rules! operations {
    ($($(#[doc = $doc:literal])+ $name:ident: $product:ident, $called_as:ident, $purpose:ident;)+) => {
        /// An operation, under the name that the API has for it.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, JsonSchema)]
        #[schemars(transform = crate::domain::listed)]
        pub enum Operation {
            $($(#[doc = $doc])+ $name,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &'static [Self] = &[$(Self::$name),+];
            /// Their names, in the same order.
            pub const NAMES: &'static [&'static str] = &[$(stringify!($name)),+];

            /// The name the API has for it: in requests, settings, metrics, events and stored jobs.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }

            /// The product it belongs to.
            pub const fn product(self) -> Product {
                match self { $(Self::$name => Product::$product,)+ }
            }

            /// The account it is called as.
            pub const fn called_as(self) -> CalledAs {
                match self { $(Self::$name => CalledAs::$called_as,)+ }
            }

            /// What it does.
            pub const fn purpose(self) -> Purpose {
                match self { $(Self::$name => Purpose::$purpose,)+ }
            }
        }
    };
}

operations! {
    /// The rules of a CEN, for one type of instance (API §A.5).
    DescribeGrantRulesToCen: Cbn, TransitRouter, Read;
    /// The rules of an instance (API §A.4).
    DescribeGrantRulesToResource: Cbn, Resource, Read;
    /// The rules of a CCN (API §A.6).
    DescribeGrantRules: Smartag, Resource, Read;
    /// The transit routers of a CEN, which show whose it is (API §A.12).
    ListTransitRouters: Cbn, TransitRouter, Read;
    /// The CENs of the account (API §A.12).
    DescribeCens: Cbn, TransitRouter, Read;
    /// The VPCs attached to an Enterprise Edition router (API §A.8).
    ListTransitRouterVpcAttachments: Cbn, TransitRouter, Read;
    /// The VBRs attached to one (API §A.8).
    ListTransitRouterVbrAttachments: Cbn, TransitRouter, Read;
    /// The IPsec-VPN connections attached to one (API §A.8).
    ListTransitRouterVpnAttachments: Cbn, TransitRouter, Read;
    /// The ECRs attached to one (API §A.8).
    ListTransitRouterEcrAttachments: Cbn, TransitRouter, Read;
    /// The instances attached to a CEN through routers of either edition (API §A.9).
    DescribeCenAttachedChildInstances: Cbn, TransitRouter, Read;
    /// What an IPsec-VPN connection is attached to in any CEN (API §A.14).
    DescribeVpnAttachments: Vpc, Resource, Read;
    /// Whether the account has activated the transit-router service (API §A.12).
    CheckTransitRouterService: Cbn, Either, Read;
    /// Whose the keys are (API §A.13).
    GetCallerIdentity: Sts, Either, Read;
    /// Keys of a role, in exchange for the keys of another account (API §A.13).
    AssumeRole: Sts, Hub, Keys;
    /// Keys of a role, in exchange for a token of an OIDC provider (API §K).
    AssumeRoleWithOIDC: Sts, Unsigned, Keys;
    /// Grants an instance to a CEN (API §A.1).
    GrantInstanceToTransitRouter: Cbn, Resource, Write;
    /// Takes that grant back (API §A.2).
    RevokeInstanceFromTransitRouter: Cbn, Resource, Write;
    /// Changes the payer of that grant (API §A.3).
    ModifyGrantInstanceToTransitRouter: Cbn, Resource, WriteWithToken;
    /// Grants a CCN to a CEN (API §A.6).
    GrantInstanceToCbn: Smartag, Resource, Write;
    /// Takes that grant back (API §A.6).
    RevokeInstanceFromCbn: Smartag, Resource, Write;
    /// Changes the payer of an attached VPC (API §A.7).
    UpdateTransitRouterVpcAttachmentAttribute: Cbn, TransitRouter, WriteWithToken;
    /// Changes the payer of an attached VBR (API §A.7).
    UpdateTransitRouterVbrAttachmentAttribute: Cbn, TransitRouter, WriteWithToken;
    /// Changes the payer of an attached IPsec-VPN connection (API §A.7).
    UpdateTransitRouterVpnAttachmentAttribute: Cbn, TransitRouter, WriteWithToken;
    /// Detaches a VPC from an Enterprise Edition router (API §A.10).
    DeleteTransitRouterVpcAttachment: Cbn, TransitRouter, WriteWithToken;
    /// Detaches a VBR from one (API §A.10).
    DeleteTransitRouterVbrAttachment: Cbn, TransitRouter, WriteWithToken;
    /// Detaches an IPsec-VPN connection from one (API §A.10).
    DeleteTransitRouterVpnAttachment: Cbn, TransitRouter, WriteWithToken;
    /// Detaches an ECR from one (API §A.10).
    DeleteTransitRouterEcrAttachment: Cbn, TransitRouter, WriteWithToken;
    /// Detaches an instance from a Basic Edition router, and a CCN from either edition (API §A.9).
    DetachCenChildInstance: Cbn, TransitRouter, Write;
}

impl Operation {
    /// The operation of this name. `None`: this program calls none.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.as_str() == name)
    }

    /// The account of `job` whose keys sign the call.
    pub const fn account(self, job: &Job) -> &AccountUid {
        match self.called_as() {
            CalledAs::TransitRouter => &job.cen.owner,
            CalledAs::Resource | CalledAs::Either | CalledAs::Hub | CalledAs::Unsigned => &job.instance.owner,
        }
    }

    /// Whether a call changes something in the cloud.
    pub const fn is_write(self) -> bool {
        matches!(self.purpose(), Purpose::Write | Purpose::WriteWithToken)
    }

    /// Whether it takes a `ClientToken`, so that sending it again cannot do it again.
    pub const fn takes_client_token(self) -> bool {
        matches!(self.purpose(), Purpose::WriteWithToken)
    }

    /// The operation that grants an instance of this type.
    pub const fn grant(kind: InstanceType) -> Self {
        match kind {
            InstanceType::CCN => Self::GrantInstanceToCbn,
            InstanceType::VPC | InstanceType::VBR | InstanceType::VPN | InstanceType::ECR => {
                Self::GrantInstanceToTransitRouter
            }
        }
    }

    /// The operation that takes such a grant back.
    pub const fn revoke(kind: InstanceType) -> Self {
        match kind {
            InstanceType::CCN => Self::RevokeInstanceFromCbn,
            InstanceType::VPC | InstanceType::VBR | InstanceType::VPN | InstanceType::ECR => {
                Self::RevokeInstanceFromTransitRouter
            }
        }
    }

    /// The operation that lists Enterprise Edition attachments of this type; `None` for a CCN, which only the Basic Edition
    /// connects.
    pub const fn list_attachments(kind: InstanceType) -> Option<Self> {
        match kind {
            InstanceType::VPC => Some(Self::ListTransitRouterVpcAttachments),
            InstanceType::VBR => Some(Self::ListTransitRouterVbrAttachments),
            InstanceType::VPN => Some(Self::ListTransitRouterVpnAttachments),
            InstanceType::ECR => Some(Self::ListTransitRouterEcrAttachments),
            InstanceType::CCN => None,
        }
    }

    /// The operation that changes the payer of such an attachment; `None` where it has none, or none that can change (API §A.7, §H4).
    pub const fn update_attachment(kind: InstanceType) -> Option<Self> {
        match kind {
            InstanceType::VPC => Some(Self::UpdateTransitRouterVpcAttachmentAttribute),
            InstanceType::VBR => Some(Self::UpdateTransitRouterVbrAttachmentAttribute),
            InstanceType::VPN => Some(Self::UpdateTransitRouterVpnAttachmentAttribute),
            InstanceType::ECR | InstanceType::CCN => None,
        }
    }

    /// Ends such an attachment.
    pub const fn delete_attachment(kind: InstanceType) -> Option<Self> {
        match kind {
            InstanceType::VPC => Some(Self::DeleteTransitRouterVpcAttachment),
            InstanceType::VBR => Some(Self::DeleteTransitRouterVbrAttachment),
            InstanceType::VPN => Some(Self::DeleteTransitRouterVpnAttachment),
            InstanceType::ECR => Some(Self::DeleteTransitRouterEcrAttachment),
            InstanceType::CCN => None,
        }
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl AsRef<str> for Operation {
    fn as_ref(&self) -> &str {
        self.as_str()
    }
}

impl<'de> Deserialize<'de> for Operation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = String::deserialize(deserializer)?;
        let unknown = || serde::de::Error::custom(format!("this version of the program calls no operation {name:?}"));
        Self::parse(&name).ok_or_else(unknown)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_operation_is_stored_under_its_name_and_an_unknown_one_is_not_read() {
        for operation in Operation::ALL {
            let json = serde_json::to_string(operation).unwrap();
            assert_eq!(json, format!("{:?}", operation.as_str()));
            assert_eq!(serde_json::from_str::<Operation>(&json).unwrap(), *operation);
        }
        let error = serde_json::from_str::<Operation>("\"GrantInstanceToMoon\"").unwrap_err();
        assert!(error.to_string().contains("no operation \"GrantInstanceToMoon\""), "{error}");
    }

    #[test]
    fn every_write_is_made_as_one_of_the_two_accounts_of_a_job() {
        for operation in Operation::ALL.iter().filter(|operation| operation.is_write()) {
            assert!(matches!(operation.called_as(), CalledAs::Resource | CalledAs::TransitRouter), "{operation}");
        }
    }
}
