//! The cloud, as ports of the engine. Whose account an operation belongs to is in its trait: an action that is handed a
//! [`ResourceWriter`] cannot even name an operation of the transit-router account, and a plan, which is handed readers
//! only, cannot name a write.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{
    AccountUid, Cen, CenId, ChildInstance, GrantRule, Instance, InstanceId, InstanceType, ListedAttachment, Operation,
    OrderType, TransitRouter,
};
use crate::engine::ports::write_permit::WritePermit;

/// An answer of the cloud, with what every answer carries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// The payload.
    pub value: T,
    /// `RequestId`, of the last call when several made up the answer.
    pub request_id: String,
    /// The `Date` header of the last call: the cloud's own clock, which decides which hour a write falls into.
    pub date: Option<Timestamp>,
    /// How many calls made up the answer.
    pub calls: u32,
}

/// A budget has no room for a call in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom {
    /// When there will be, as far as can be told from those who wait for it.
    pub opens_in: Duration,
}

/// Everything a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The items of all pages.
    pub items: Vec<T>,
    /// Whether every page was read and the count fits what the cloud says there are. Only a complete listing proves
    /// that something is absent (API §A.5).
    pub complete: bool,
}

/// One page of a CEN's grant rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RulePage {
    /// The rules on it.
    pub rules: Vec<GrantRule>,
    /// `NextToken`; `None` at the end.
    pub next: Option<String>,
    /// `TotalCount`, where the answer has it.
    pub total: Option<u64>,
}

/// Which rules of a CEN to read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFilter {
    /// Those of one instance.
    Instance(InstanceId),
    /// A page of up to 100 of all, from a `NextToken`.
    Page(Option<String>),
}

/// Why a call gave no good answer. This is what is known, not what to do: that is the error-class table's to say.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{failure}", operation.map_or(String::new(), |operation| format!("{operation}: ")))]
pub struct CloudError {
    /// The operation that failed; `None` if no single one did.
    pub operation: Option<Operation>,
    /// What happened.
    pub failure: Failure,
    /// `RequestId`, where the answer had one.
    pub request_id: Option<String>,
    /// The delay the server asked for (`x-acs-retry-after`, capped at 120 s, API §D.1).
    pub retry_after: Option<Duration>,
}

impl CloudError {
    /// A failure of a call whose answer, if there was one, named no RequestId and no delay.
    pub fn new(operation: impl Into<Option<Operation>>, failure: Failure) -> Self {
        Self { operation: operation.into(), failure, request_id: None, retry_after: None }
    }

    /// A call that was not made.
    pub fn not_sent(operation: impl Into<Option<Operation>>, why: impl Into<String>) -> Self {
        Self::new(operation, Failure::NotSent { why: why.into() })
    }
}

/// What happened to a call.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It never left us: no credential, no connection. It has had no effect.
    #[error("not sent: {why}")]
    NotSent {
        /// What was in the way.
        why: String,
    },
    /// It never left us: whoever issues the account's credential, or says whose it is, refused. It has had no effect.
    #[error("not sent: {why}")]
    Credential {
        /// Which credential, and what was wrong with it.
        why: String,
        /// What the error-class table judges by.
        refusal: Box<Refusal>,
    },
    /// It was not made: the cloud refuses this operation to the account for a reason that concerns no job (class `held`),
    /// and it is asked again later. It has had no effect.
    #[error("held: {why}")]
    Held {
        /// What the cloud said.
        why: String,
    },
    /// It may have left us and no whole answer came back: time-out, reset, broken body. Its effect is unknown.
    #[error("no answer: {why}")]
    Unanswered {
        /// What was seen.
        why: String,
    },
    /// The cloud, or something before it, answered with an error.
    #[error("HTTP {status} {code}: {message}")]
    Refused {
        /// HTTP status.
        status: u16,
        /// `Code`; empty when the body was not an error envelope, and then only the status counts.
        code: String,
        /// `Message`.
        message: String,
    },
}

/// An answer about a credential that was not the wanted one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked, as the error table names it: the operation, or `metadata` for a service beside the worker.
    pub asked: &'static str,
    /// HTTP status. 200 when the answer was good and names another account.
    pub status: u16,
    /// `Code`; empty when the answer had none.
    pub code: String,
}

/// Reads of the account that owns the network instance.
#[async_trait]
pub trait ResourceReader: Send + Sync {
    /// `DescribeGrantRulesToResource`, every page (API §A.4), and for a CCN Smartag's `DescribeGrantRules` (API §A.6): the
    /// CENs the instance is granted to.
    async fn describe_grant_rules_to_resource(
        &self,
        instance: &Instance,
    ) -> Result<Answer<Listing<GrantRule>>, CloudError>;

    /// `DescribeVpnAttachments` (Vpc, API §A.14), every page: the transit routers, of whatever account, that an IPsec-VPN
    /// connection is attached to.
    async fn describe_vpn_attachments(&self, instance: &Instance) -> Result<Answer<Listing<String>>, CloudError>;
}

/// Writes of the account that owns the network instance.
#[async_trait]
pub trait ResourceWriter: Send + Sync {
    /// `GrantInstanceToTransitRouter` (API §A.1), and for a CCN, which has no payer, `GrantInstanceToCbn` (API §A.6). No
    /// ClientToken exists.
    async fn grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: Option<OrderType>,
    ) -> Result<Answer<()>, CloudError>;

    /// `RevokeInstanceFromTransitRouter` (API §A.2), and for a CCN `RevokeInstanceFromCbn` (API §A.6). No ClientToken
    /// exists.
    async fn revoke(&self, instance: &Instance, cen: &Cen) -> Result<Answer<()>, CloudError>;

    /// `ModifyGrantInstanceToTransitRouter` (API §A.3).
    async fn modify_grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError>;
}

/// Reads of the account that owns the CEN.
#[async_trait]
pub trait TransitRouterReader: Send + Sync {
    /// `DescribeGrantRulesToCen` (Cbn, API §A.5), one call.
    async fn describe_grant_rules_to_cen(
        &self,
        cen: &Cen,
        kind: InstanceType,
        filter: &RuleFilter,
    ) -> Result<Answer<RulePage>, CloudError>;

    /// `DescribeCens` (API §A.12), asked for one CEN, every page: the account is shown it only if it owns it.
    async fn describe_cens(&self, cen: &Cen) -> Result<Answer<Listing<CenId>>, CloudError>;

    /// `ListTransitRouters` of a CEN (API §A.12), every page.
    async fn list_transit_routers(&self, cen: &Cen) -> Result<Answer<Listing<TransitRouter>>, CloudError>;

    /// `ListTransitRouter{Vpc,Vbr,Vpn,Ecr}Attachments` of one Enterprise Edition transit router (API §A.8), every page.
    /// Where the list can be asked for one instance and `instance` is named, it may hold that one's alone.
    async fn list_attachments(
        &self,
        router: &str,
        kind: InstanceType,
        instance: Option<&InstanceId>,
    ) -> Result<Answer<Listing<ListedAttachment>>, CloudError>;

    /// `DescribeCenAttachedChildInstances` of one type (API §A.9), every page: a row for each attachment of either edition.
    async fn describe_attached_child_instances(
        &self,
        cen: &Cen,
        kind: InstanceType,
    ) -> Result<Answer<Listing<ChildInstance>>, CloudError>;
}

/// Writes of the account that owns the CEN.
#[async_trait]
pub trait TransitRouterWriter: Send + Sync {
    /// `UpdateTransitRouter{Vpc,Vbr,Vpn}AttachmentAttribute` with nothing but the payer (API §A.7).
    async fn update_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError>;

    /// `DeleteTransitRouter{Vpc,Vbr,Vpn,Ecr}Attachment` without `Force` (API §A.10). Cuts traffic.
    async fn delete_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError>;

    /// `DetachCenChildInstance` of a Basic Edition transit router (API §A.9). Cuts traffic. No ClientToken exists.
    async fn detach_child_instance(&self, cen: &Cen, instance: &Instance) -> Result<Answer<()>, CloudError>;
}

/// The accounts this worker has credentials for, as far as they are read: whoever has only this cannot change anything.
pub trait Readers: Send + Sync + 'static {
    /// Reads as the owner of a network instance.
    fn resource_reader(&self, account: &AccountUid) -> Result<Arc<dyn ResourceReader>, CloudError>;
    /// Reads as the owner of a CEN.
    fn transit_router_reader(&self, account: &AccountUid) -> Result<Arc<dyn TransitRouterReader>, CloudError>;
    /// How far apart two calls of `DescribeGrantRulesToCen` are at the rate that is set; zero without a limit.
    fn read_interval(&self) -> Duration;
}

/// The same accounts, to write too. A writer makes the calls of one permit, and asks it before each is sent. Handing one
/// out checks, once per credential, that `GetCallerIdentity` shows the expected uid (API §A.13).
#[async_trait]
pub trait Cloud: Readers {
    /// Writes as the owner of a network instance.
    async fn resource_writer(
        &self,
        account: &AccountUid,
        permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn ResourceWriter>, CloudError>;
    /// Writes as the owner of a CEN.
    async fn transit_router_writer(
        &self,
        account: &AccountUid,
        permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn TransitRouterWriter>, CloudError>;

    /// Takes room for one call of `operation` out of the budget of an account, waiting as the current [`Urgency`](crate::engine::ports::urgency::Urgency) says, so
    /// that a write is committed to only when it can go out at once. `None`: the operation has no budget.
    async fn room(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, NoRoom>;

    /// From now on so many workers call as these accounts, and each keeps to its part of the budgets.
    fn share(&self, workers: u32);
}
