//! Which operations there are, by product version and action, and what they give back.

use serde_json::{Map, Value};

use super::envelope::Refusal;
use super::ledger::Effect;
use super::request::Call;
use super::world::World;
use super::{attachments, cbn, cens, children, routers, smartag, sts, vpc};
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

    /// A listing's answer with nothing in it, counted 0; any other as it is.
    pub(super) fn emptied(mut self) -> Self {
        if self.body.contains_key("TotalCount") {
            for (name, value) in &mut self.body {
                match (name.as_str(), value) {
                    ("TotalCount", count) => *count = 0.into(),
                    ("MaxResults", shown) => *shown = 0.into(),
                    ("NextToken", next) => *next = "".into(),
                    (_, Value::Array(items)) => items.clear(),
                    (_, Value::Object(wrapped)) => {
                        wrapped.values_mut().filter_map(Value::as_array_mut).for_each(Vec::clear);
                    }
                    _ => {}
                }
            }
        }
        self
    }

    pub(super) fn with(self, effect: Effect) -> Self {
        Self { effect: Some(effect), ..self }
    }
}

/// What answers an operation: reads or changes the world.
pub(super) type Handler = fn(&mut World, &Call) -> Result<Answer, Refusal>;

/// A product, its version, and its operations by action.
type Served = (&'static str, &'static str, &'static [(&'static str, Handler)]);

const PRODUCTS: [Served; 4] = [
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
    (sts::WITH_OIDC, sts::assume_role_with_oidc),
];

const SMARTAG: &[(&str, Handler)] = &[
    ("GrantInstanceToCbn", smartag::grant),
    ("RevokeInstanceFromCbn", smartag::revoke),
    ("DescribeGrantRules", smartag::rules),
];

const VPC_PRODUCT: &[(&str, Handler)] = &[("DescribeVpnAttachments", vpc::vpn_attachments)];

/// The name of every operation there is.
pub fn operations() -> impl Iterator<Item = &'static str> {
    PRODUCTS.iter().flat_map(|(_, _, operations)| operations.iter().map(|(action, _)| *action))
}

/// Finds an operation, and whose it is, by the product's version and the action.
pub(super) fn find(version: &str, action: &str) -> Result<(&'static str, Handler), Refusal> {
    let Some((product, _, operations)) = PRODUCTS.iter().find(|(_, of, _)| *of == version) else {
        return Err(Refusal::bad("InvalidVersion", format!("Specified version {version} is not valid.")));
    };
    let found = operations.iter().find(|(name, _)| *name == action).map(|(_, operation)| (*product, *operation));
    found.ok_or_else(|| {
        Refusal::new(404, "InvalidAction.NotFound", format!("Specified api {action} is not found in this version."))
    })
}

/// Whether the operation honours a `ClientToken`. Grant and revoke do not know it (API §0).
pub(super) fn takes_token(action: &str) -> bool {
    ["Modify", "Update", "Delete", "Create"].iter().any(|verb| action.starts_with(verb))
}
