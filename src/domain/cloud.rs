//! What the cloud shows, in the API's own words: grant rules and attachments.
use schemars::JsonSchema;

use serde::{Deserialize, Serialize};

use super::ids::{AccountUid, CenId, InstanceId, Region};
use super::order_type::OrderType;

/// One grant rule, as either account sees it (API §A.4, §A.5). An absent order type is *unknown*, never "the default".
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GrantRule {
    /// The CEN it is granted to.
    pub cen: CenId,
    /// `CenOwnerId`: the account that owns the CEN.
    pub cen_owner: AccountUid,
    /// The granted instance.
    pub instance: InstanceId,
    /// The account that owns the instance. Answers of the resource side do not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_owner: Option<AccountUid>,
    /// The region of the instance; `None` where the answer does not say it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub region: Option<Region>,
    /// The payer written on the grant.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
    /// `EffectiveOrderType`: the payer that is billed now.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub effective_order_type: Option<OrderType>,
}

/// The edition of the transit router an attachment belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Edition {
    /// Listed by `ListTransitRouter*Attachments` (API §A.8); has a payer.
    Enterprise,
    /// Listed by `DescribeCenAttachedChildInstances` (API §A.9); has none.
    Basic,
}

/// A transit router of a CEN (API §A.12). A CEN has at most one in a region.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TransitRouter {
    /// `tr-…`.
    pub id: String,
    /// The CEN it belongs to.
    pub cen: CenId,
    /// The account that owns it, and so the CEN: `AliUid`.
    pub owner: AccountUid,
    /// The region it lies in.
    pub region: Region,
    /// By `Type`: `Enterprise` or `Basic`.
    pub edition: Edition,
}

/// An attachment of any instance, as a list of a transit router shows it (API §A.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedAttachment {
    /// The CEN it belongs to.
    pub cen: CenId,
    /// The attached instance.
    pub instance: InstanceId,
    /// The account that owns the instance.
    pub instance_owner: AccountUid,
    /// The attachment itself.
    pub attachment: Attachment,
}

/// An instance that is attached to a CEN, as `DescribeCenAttachedChildInstances` shows it: once for each of its
/// attachments, of either edition (API §A.9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ChildInstance {
    /// The instance.
    pub id: InstanceId,
    /// The account that owns it.
    pub owner: AccountUid,
    /// The region it lies in.
    pub region: Region,
    /// The API's word, as in [`Attachment::status`].
    pub status: String,
}

/// One attachment of an instance in a CEN.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Attachment {
    /// `tr-attach-…`; for the Basic Edition, which has no attachment ids, the instance id.
    pub id: String,
    /// The edition of its transit router.
    pub edition: Edition,
    /// The API's word: `Attaching`, `Attached`, `Modifying`, `Detaching`, or one that no page names (API §H13).
    pub status: String,
    /// `OrderType` of the attachment, as the transit-router account has set it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub order_type: Option<OrderType>,
}

impl Attachment {
    /// Whether its payer can be set. Every other status, known or not, is busy (API §A.8).
    pub fn is_attached(&self) -> bool {
        self.status.eq_ignore_ascii_case("Attached")
    }
}
