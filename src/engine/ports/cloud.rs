//! The cloud, as ports of the engine, one for each account and for reading and writing. An action with a
//! [`ResourceWriter`] cannot even name an operation of the transit-router account, and a plan, which has readers only,
//! cannot name a write.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{
    AccountUid, Cen, CenId, ChildInstance, GrantRule, Instance, InstanceId, InstanceType, ListedAttachment, Operation,
    OrderType, TransitRouter,
};
use crate::engine::ports::account::{AccountReport, RefusedCredential};
use crate::engine::ports::write_permit::WritePermit;

/// An answer of the cloud, put together from one call or several.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer<T> {
    /// What was read; `()` for a write.
    pub value: T,
    /// `RequestId` of the last call.
    pub request_id: String,
    /// The `Date` header of the last call. The cloud's clock decides which hour a write falls into.
    pub date: Option<Timestamp>,
    /// How many calls were made for it.
    pub calls: u32,
}

impl<T> Answer<T> {
    /// The same answer with another payload.
    pub fn map<U>(self, payload: impl FnOnce(T) -> U) -> Answer<U> {
        Answer { value: payload(self.value), request_id: self.request_id, date: self.date, calls: self.calls }
    }
}

/// A budget has no room for the call in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoRoom {
    /// When there will be room, as far as the calls that wait for it tell.
    pub opens_in: Duration,
}

/// Everything a list holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listing<T> {
    /// The items of all pages.
    pub items: Vec<T>,
    /// Whether every page was read and the items are as many as the cloud counts. Only a complete listing proves that
    /// something is absent (API §A.5).
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

/// A choice of a CEN's rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RuleFilter {
    /// The rules of one instance.
    Instance(InstanceId),
    /// A page of up to 100 rules, from a `NextToken`; `None` for the first page.
    Page(Option<String>),
}

/// Why a call gave no good answer. It says what is known; the error table says what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{}{failure}", operation.map_or(String::new(), |operation| format!("{operation}: ")))]
pub struct CloudError {
    /// The operation that failed; `None` if no single one did.
    pub operation: Option<Operation>,
    /// How it failed.
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

    /// A call that was not made, because the account's budget has no room for it before `opens_in`.
    pub fn deferred(operation: Operation, why: impl Into<String>, opens_in: Duration) -> Self {
        Self { retry_after: Some(opens_in), ..Self::not_sent(operation, why) }
    }

    /// The failure as one word: the cloud's code, `http-503` and the like when the answer held none, `unanswered` or `not-sent`.
    pub fn word(&self) -> Cow<'static, str> {
        match &self.failure {
            Failure::NotSent { .. }
            | Failure::Held { .. }
            | Failure::AccountRefused { .. }
            | Failure::Credential { .. } => "not-sent".into(),
            Failure::Unanswered { .. } => "unanswered".into(),
            Failure::Refused { status, code, .. } if code.is_empty() => format!("http-{status}").into(),
            Failure::Refused { code, .. } => code.clone().into(),
        }
    }

    /// Whether it was only put off by the account's budget, and nothing failed.
    pub fn is_deferred(&self) -> bool {
        matches!(self.failure, Failure::NotSent { .. }) && self.retry_after.is_some()
    }
}

/// How a call failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// It never left this machine: no credential, no connection. It has had no effect.
    #[error("not sent: {why}")]
    NotSent {
        /// The cause, in one sentence.
        why: String,
    },
    /// It never left this machine, because the issuer of the account's credential, or the check of its owner, refused. It has
    /// had no effect.
    #[error("{why}")]
    Credential {
        /// Which credential, and what was wrong with it.
        why: String,
        /// The refusal that the error table classifies.
        refusal: Box<Refusal>,
    },
    /// It never left this machine, because the cloud refuses the credential of the account: see
    /// [`Standing::Refused`](crate::engine::ports::account::Standing::Refused). It has had no effect.
    #[error("{why}")]
    AccountRefused {
        /// Which account, since when, and the code.
        why: String,
    },
    /// A read that the cloud refused to the account for a reason that concerns no job (class `held`), just now or a short while
    /// ago. In the second case it was not made. It is tried again later, and had no effect.
    #[error("held: {why}")]
    Held {
        /// The cloud's refusal.
        why: String,
    },
    /// It may have left this machine, and no whole answer came back: time-out, reset, broken body. Its effect is unknown.
    #[error("no answer: {why}")]
    Unanswered {
        /// What was seen instead of an answer.
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

/// The answer that refused a credential.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What was asked, as the error table names it: the operation, or `metadata` for a service beside the worker.
    pub asked: &'static str,
    /// HTTP status; 200 if the answer names another account as the owner.
    pub status: u16,
    /// `Code`; empty when the answer had none.
    pub code: String,
}

impl Refusal {
    /// Its code for people.
    pub fn shown_code(&self) -> String {
        shown_code(self.status, &self.code)
    }
}

/// The code of a refusal for people; in words where the answer has none.
pub fn shown_code(status: u16, code: &str) -> String {
    match (code, status) {
        ("", 200) => "belongs to another account".to_owned(),
        ("", _) => format!("HTTP {status}"),
        _ => code.to_owned(),
    }
}

/// Reads of the account that owns the network instance.
#[async_trait]
pub trait ResourceReader: Send + Sync {
    /// The CENs an instance is granted to: `DescribeGrantRulesToResource`, every page (API §A.4), and for a CCN Smartag's
    /// `DescribeGrantRules` (API §A.6).
    async fn describe_grant_rules_to_resource(
        &self,
        instance: &Instance,
    ) -> Result<Answer<Listing<GrantRule>>, CloudError>;

    /// `DescribeVpnAttachments` (Vpc, API §A.14), every page: the transit routers of any account that an IPsec-VPN connection
    /// is attached to.
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

    /// `DescribeCens` (API §A.12) for one CEN, every page. Only the owner is shown the CEN.
    async fn describe_cens(&self, cen: &Cen) -> Result<Answer<Listing<CenId>>, CloudError>;

    /// `ListTransitRouters` of a CEN (API §A.12), every page.
    async fn list_transit_routers(&self, cen: &Cen) -> Result<Answer<Listing<TransitRouter>>, CloudError>;

    /// `ListTransitRouter{Vpc,Vbr,Vpn,Ecr}Attachments` of one Enterprise Edition transit router (API §A.8), every page.
    /// If `instance` is given and the list can be asked for one instance, it may hold that instance's attachments alone.
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

/// The accounts this worker has credentials for, to read as them. A caller with only this cannot change anything.
pub trait Readers: Send + Sync + 'static {
    /// Reads as the owner of a network instance.
    fn resource_reader(&self, account: &AccountUid) -> Result<Arc<dyn ResourceReader>, CloudError>;
    /// Reads as the owner of a CEN.
    fn transit_router_reader(&self, account: &AccountUid) -> Result<Arc<dyn TransitRouterReader>, CloudError>;
    /// The time between two calls of `DescribeGrantRulesToCen` at the configured rate; zero without a limit.
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

    /// Takes room for one call of `operation` out of the budget of an account, waiting as the current
    /// [`Urgency`](crate::engine::ports::urgency::Urgency) says, so that a write is committed to only when it can go out
    /// at once. `None`: there is no limit.
    async fn room(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, NoRoom>;

    /// Makes a call only to be answered with a `Date`, which the clock hears of. Answered or not, it returns.
    async fn ask_time(&self);

    /// Divides the budgets by a new number of workers, of which each keeps to its part.
    fn share(&self, workers: u32);

    /// What is known of each account, in the order of the uids.
    fn accounts(&self) -> Vec<AccountReport> {
        vec![]
    }

    /// The refusal, if the cloud refuses the credential of an account: then no call is made as it.
    fn refusal(&self, _account: &AccountUid) -> Option<RefusedCredential> {
        None
    }

    /// What a call as the account would be answered without being made, if the cloud refuses its credential.
    ///
    /// # Errors
    /// [`Failure::AccountRefused`], with the time until the account is asked again.
    fn admits(&self, _account: &AccountUid) -> Result<(), CloudError> {
        Ok(())
    }

    /// Asks for the identity of the accounts for which that is due, each with its secret file and its role read anew; with
    /// `unknown` also of those that were not used yet. Answered or not, it returns.
    async fn ask_accounts(&self, _unknown: bool) {}

    /// When [`Cloud::ask_accounts`] has something to ask next, by the uptime clock; `None` while nothing is wrong.
    fn next_question(&self) -> Option<Duration> {
        None
    }

    /// Returns when a question may be due earlier than it was, or accounts were freed.
    async fn account_turned(&self) {
        std::future::pending().await
    }

    /// The accounts whose jobs go on, because their credential is taken again; each is told once.
    fn freed_accounts(&self) -> Vec<AccountUid> {
        vec![]
    }
}
