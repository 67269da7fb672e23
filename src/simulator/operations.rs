//! The operations that the simulated cloud serves, found by product version and action.

use super::answer::{ErrorAnswer, Success};
use super::request::ApiCall;
use super::world::World;
use super::{attachments, cbn, cens, children, routers, smartag, sts, vpc};
use crate::domain::InstanceType::{ECR, VBR, VPC, VPN};

/// Reads or changes the world. It gets only calls whose signature and parameters were checked.
pub(super) type Handler = fn(&mut World, &ApiCall) -> Result<Success, ErrorAnswer>;

/// A product, the version that stands for it in a request, and its operations by action.
type ProductTable = (&'static str, &'static str, &'static [(&'static str, Handler)]);

const PRODUCTS: [ProductTable; 4] = [
    ("Cbn", "2017-09-12", CBN),
    ("Sts", "2015-04-01", STS),
    ("Smartag", "2018-03-13", SMARTAG),
    ("Vpc", "2016-04-28", VPC_PRODUCT),
];

const CBN: &[(&str, Handler)] = &[
    ("GrantInstanceToTransitRouter", cbn::grant),
    ("RevokeInstanceFromTransitRouter", cbn::revoke),
    ("ModifyGrantInstanceToTransitRouter", cbn::modify),
    ("DescribeGrantRulesToResource", cbn::rules_to_resource),
    ("DescribeGrantRulesToCen", cbn::rules_to_cen),
    ("DescribeCens", cens::list),
    ("CheckTransitRouterService", routers::service),
    ("ListTransitRouters", routers::list),
    ("ListTransitRouterVpcAttachments", |w, c| attachments::list(w, c, VPC)),
    ("ListTransitRouterVbrAttachments", |w, c| attachments::list(w, c, VBR)),
    ("ListTransitRouterVpnAttachments", |w, c| attachments::list(w, c, VPN)),
    ("ListTransitRouterEcrAttachments", |w, c| attachments::list(w, c, ECR)),
    ("UpdateTransitRouterVpcAttachmentAttribute", |w, c| attachments::update(w, c, VPC)),
    ("UpdateTransitRouterVbrAttachmentAttribute", |w, c| attachments::update(w, c, VBR)),
    ("UpdateTransitRouterVpnAttachmentAttribute", |w, c| attachments::update(w, c, VPN)),
    ("UpdateTransitRouterEcrAttachmentAttribute", |w, c| attachments::update(w, c, ECR)),
    ("DeleteTransitRouterVpcAttachment", |w, c| attachments::delete(w, c, VPC)),
    ("DeleteTransitRouterVbrAttachment", |w, c| attachments::delete(w, c, VBR)),
    ("DeleteTransitRouterVpnAttachment", |w, c| attachments::delete(w, c, VPN)),
    ("DeleteTransitRouterEcrAttachment", |w, c| attachments::delete(w, c, ECR)),
    ("CreateTransitRouterVpcAttachment", |w, c| attachments::create(w, c, VPC)),
    ("CreateTransitRouterVbrAttachment", |w, c| attachments::create(w, c, VBR)),
    ("CreateTransitRouterVpnAttachment", |w, c| attachments::create(w, c, VPN)),
    ("CreateTransitRouterEcrAttachment", |w, c| attachments::create(w, c, ECR)),
    ("DescribeCenAttachedChildInstances", children::list),
    ("DetachCenChildInstance", children::detach),
];

const STS: &[(&str, Handler)] = &[
    ("GetCallerIdentity", sts::get_caller_identity),
    ("AssumeRole", sts::assume_role),
    ("AssumeRoleWithOIDC", sts::assume_role_with_oidc),
];

const SMARTAG: &[(&str, Handler)] = &[
    ("GrantInstanceToCbn", smartag::grant),
    ("RevokeInstanceFromCbn", smartag::revoke),
    ("DescribeGrantRules", smartag::rules),
];

const VPC_PRODUCT: &[(&str, Handler)] = &[("DescribeVpnAttachments", vpc::vpn_attachments)];

/// The operation of a request that needs no signature, with its product. Its version is not looked at.
pub(super) const UNSIGNED: (&str, Handler) = ("Sts", sts::assume_role_with_oidc);

/// The names of all operations of all products.
pub fn operations() -> impl Iterator<Item = &'static str> {
    PRODUCTS.iter().flat_map(|(_, _, operations)| operations.iter().map(|(action, _)| *action))
}

/// Finds an operation and its product.
///
/// # Errors
/// No product has that version, or it has no such action.
pub(super) fn find(version: &str, action: &str) -> Result<(&'static str, Handler), ErrorAnswer> {
    let Some((product, _, operations)) = PRODUCTS.iter().find(|(_, of, _)| *of == version) else {
        return Err(ErrorAnswer::bad("InvalidVersion", format!("Specified version {version} is not valid.")));
    };
    let found = operations.iter().find(|(name, _)| *name == action).map(|(_, operation)| (*product, *operation));
    found.ok_or_else(|| {
        ErrorAnswer::new(404, "InvalidAction.NotFound", format!("Specified api {action} is not found in this version."))
    })
}

/// Whether a repeated `ClientToken` repeats the answer. Grant and revoke do not know the parameter (API §0).
pub(super) fn takes_token(action: &str) -> bool {
    ["Modify", "Update", "Delete", "Create"].iter().any(|verb| action.starts_with(verb))
}
