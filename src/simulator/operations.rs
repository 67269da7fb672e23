//! Which operations there are, by product version and action, and what they give back.

use serde_json::{Map, Value};

use super::envelope::Refusal;
use super::ledger::Effect;
use super::request::Call;
use super::world::World;
use super::{attachments, basic, cbn, routers, smartag, sts, vpc};
use crate::domain::InstanceType::{ECR, VBR, VPC, VPN};

/// What an operation gives back when it succeeds.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Answer {
    pub(super) body: Map<String, Value>,
    /// What it changed, if it changed anything.
    pub(super) effect: Option<Effect>,
}

impl Answer {
    /// An answer with RequestId alone.
    pub(super) fn bare() -> Self {
        Self::default()
    }

    pub(super) fn of(body: Value) -> Self {
        match body {
            Value::Object(body) => Self { body, effect: None },
            _ => Self::default(),
        }
    }

    pub(super) fn with(self, effect: Effect) -> Self {
        Self { effect: Some(effect), ..self }
    }
}

/// An operation: reads or changes the world.
pub(super) type Operation = fn(&mut World, &Call) -> Result<Answer, Refusal>;

/// The product of a version.
pub(super) fn product(version: &str) -> Result<&'static str, Refusal> {
    match version {
        "2017-09-12" => Ok("Cbn"),
        "2015-04-01" => Ok("Sts"),
        "2018-03-13" => Ok("Smartag"),
        "2016-04-28" => Ok("Vpc"),
        _ => Err(Refusal::bad("InvalidVersion", format!("Specified version {version} is not valid."))),
    }
}

/// Finds an operation of a product.
pub(super) fn find(product: &str, action: &str) -> Result<Operation, Refusal> {
    let operation: Option<Operation> = match product {
        "Cbn" => of_cbn(action),
        "Sts" => match action {
            "GetCallerIdentity" => Some(sts::get_caller_identity),
            "AssumeRole" => Some(sts::assume_role),
            sts::WITH_OIDC => Some(sts::assume_role_with_oidc),
            _ => None,
        },
        "Smartag" => match action {
            "GrantInstanceToCbn" => Some(smartag::grant),
            "RevokeInstanceFromCbn" => Some(smartag::revoke),
            "DescribeGrantRules" => Some(smartag::rules),
            _ => None,
        },
        "Vpc" => match action {
            "DescribeVpnAttachments" => Some(vpc::vpn_attachments),
            _ => None,
        },
        _ => None,
    };
    operation.ok_or_else(|| {
        Refusal::new(404, "InvalidAction.NotFound", format!("Specified api {action} is not found in this version."))
    })
}

/// Whether the operation honours a `ClientToken`. Grant and revoke do not know it (API §0).
pub(super) fn takes_token(action: &str) -> bool {
    ["Modify", "Update", "Delete", "Create"].iter().any(|verb| action.starts_with(verb))
}

fn of_cbn(action: &str) -> Option<Operation> {
    Some(match action {
        "GrantInstanceToTransitRouter" => cbn::grant,
        "RevokeInstanceFromTransitRouter" => cbn::revoke,
        "ModifyGrantInstanceToTransitRouter" => cbn::modify,
        "DescribeGrantRulesToResource" => cbn::rules_to_resource,
        "DescribeGrantRulesToCen" => cbn::rules_to_cen,
        "ListTransitRouters" => routers::list,
        "ListTransitRouterVpcAttachments" => |w, c| attachments::list(w, c, VPC),
        "ListTransitRouterVbrAttachments" => |w, c| attachments::list(w, c, VBR),
        "ListTransitRouterVpnAttachments" => |w, c| attachments::list(w, c, VPN),
        "ListTransitRouterEcrAttachments" => |w, c| attachments::list(w, c, ECR),
        "UpdateTransitRouterVpcAttachmentAttribute" => |w, c| attachments::update(w, c, VPC),
        "UpdateTransitRouterVbrAttachmentAttribute" => |w, c| attachments::update(w, c, VBR),
        "UpdateTransitRouterVpnAttachmentAttribute" => |w, c| attachments::update(w, c, VPN),
        "UpdateTransitRouterEcrAttachmentAttribute" => |w, c| attachments::update(w, c, ECR),
        "DeleteTransitRouterVpcAttachment" => |w, c| attachments::delete(w, c, VPC),
        "DeleteTransitRouterVbrAttachment" => |w, c| attachments::delete(w, c, VBR),
        "DeleteTransitRouterVpnAttachment" => |w, c| attachments::delete(w, c, VPN),
        "DeleteTransitRouterEcrAttachment" => |w, c| attachments::delete(w, c, ECR),
        "CreateTransitRouterVpcAttachment" => |w, c| attachments::create(w, c, VPC),
        "CreateTransitRouterVbrAttachment" => |w, c| attachments::create(w, c, VBR),
        "CreateTransitRouterVpnAttachment" => |w, c| attachments::create(w, c, VPN),
        "CreateTransitRouterEcrAttachment" => |w, c| attachments::create(w, c, ECR),
        "DescribeCenAttachedChildInstances" => basic::list,
        "DetachCenChildInstance" => basic::detach,
        _ => return None,
    })
}
