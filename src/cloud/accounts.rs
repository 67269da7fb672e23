//! The accounts this worker has credentials for, as the engine's [`Cloud`]. Reading and writing, as the owner of an
//! instance and as the owner of a CEN, are four types: what one may do, the others cannot name.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::budget::Limits;
use super::cbn::Cbn;
use super::credentials::{AccountCredentials, Sources};
use super::probe::{self, ProbeRead, RawAnswer};
use super::rpc::{AccountClient, Client, ClientParts};
use super::smartag::Smartag;
use super::vpc::Vpc;
use crate::domain::{
    AccountUid, Cen, CenId, ChildInstance, GrantRule, Instance, InstanceId, InstanceType, ListedAttachment, Operation,
    OrderType, TransitRouter,
};
use crate::engine::ports::cloud::{
    Answer, Cloud, CloudError, Listing, NoRoom, Readers, ResourceReader, ResourceWriter, RuleFilter, RulePage,
    TransitRouterReader, TransitRouterWriter,
};
use crate::engine::ports::write_permit::WritePermit;

/// The cloud, through one transport, as several accounts.
pub struct Accounts {
    accounts: HashMap<AccountUid, Products>,
    shared: Arc<Client>,
    read_interval: Duration,
}

/// The products, called as one account.
#[derive(Clone)]
struct Products {
    client: Arc<AccountClient>,
    cbn: Cbn,
    smartag: Smartag,
    vpc: Vpc,
}

impl Accounts {
    /// If an account has several credentials, the last one counts.
    pub fn new(parts: ClientParts, credentials: Vec<AccountCredentials>) -> Self {
        let interval = |limits: &Limits| limits.interval(Operation::DescribeGrantRulesToCen);
        let read_interval = parts.limits.as_ref().map(interval).unwrap_or_default();
        let shared = Client::new(parts);
        let mut sources = Sources::new(shared.clone()).knowing(&credentials);
        let account = |AccountCredentials { uid, credential }| {
            let client = Arc::new(AccountClient::new(AccountUid::clone(&uid), sources.of(&credential), shared.clone()));
            let (cbn, smartag) = (Cbn::new(client.clone()), Smartag::new(client.clone()));
            (uid, Products { cbn, smartag, vpc: Vpc::new(client.clone()), client })
        };
        Self { accounts: credentials.into_iter().map(account).collect(), shared, read_interval }
    }

    /// Checks that the credential configured for an account belongs to it (API §A.13). Success is remembered.
    pub async fn verify(&self, account: &AccountUid) -> Result<(), CloudError> {
        self.products(account)?.cbn.client.verify().await
    }

    /// Makes the same check anew, and returns the `Date` of the answer.
    pub async fn identify(&self, account: &AccountUid) -> Result<Option<Timestamp>, CloudError> {
        self.products(account)?.cbn.client.identify().await
    }

    /// Whether an account has activated the transit-router service (API §A.12); `None` when the answer does not say. The
    /// cloud may also refuse an account that has not, with `USER_NOT_OPEN_TR_SERVICE`.
    pub async fn transit_router_service(&self, account: &AccountUid) -> Result<Option<bool>, CloudError> {
        self.products(account)?.cbn.transit_router_service().await
    }

    /// Sends one read as an account and returns the answer unchanged. A refusal is an answer.
    ///
    /// # Errors
    /// If the read was not sent or not answered, or the account's credential cannot be used.
    pub async fn probe(&self, account: &AccountUid, read: &ProbeRead) -> Result<RawAnswer, CloudError> {
        probe::probe(&self.products(account)?.client, read).await
    }

    fn products(&self, account: &AccountUid) -> Result<&Products, CloudError> {
        self.accounts
            .get(account)
            .ok_or_else(|| CloudError::not_sent(None, format!("no credential is configured for account {account}")))
    }
}

impl Readers for Accounts {
    fn resource_reader(&self, account: &AccountUid) -> Result<Arc<dyn ResourceReader>, CloudError> {
        Ok(Arc::new(ReadAsResource(self.products(account)?.clone())))
    }

    fn transit_router_reader(&self, account: &AccountUid) -> Result<Arc<dyn TransitRouterReader>, CloudError> {
        Ok(Arc::new(ReadAsTransitRouter(self.products(account)?.cbn.clone())))
    }

    fn read_interval(&self) -> Duration {
        self.read_interval * self.shared.budget.workers()
    }
}

#[async_trait]
impl Cloud for Accounts {
    async fn resource_writer(
        &self,
        account: &AccountUid,
        permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn ResourceWriter>, CloudError> {
        let Products { cbn, smartag, .. } = self.products(account)?.clone();
        cbn.client.verify().await?;
        Ok(Arc::new(WriteAsResource { cbn, smartag, permit }))
    }

    async fn transit_router_writer(
        &self,
        account: &AccountUid,
        permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn TransitRouterWriter>, CloudError> {
        let cbn = self.products(account)?.cbn.clone();
        cbn.client.verify().await?;
        Ok(Arc::new(WriteAsTransitRouter { cbn, permit }))
    }

    async fn room(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, NoRoom> {
        self.shared.room(account, operation).await
    }

    /// Asks whose a credential is, which has to be asked in any case; the next one, if that was not answered.
    async fn ask_time(&self) {
        let mut accounts: Vec<&AccountUid> = self.accounts.keys().collect();
        accounts.sort_unstable();
        for account in accounts {
            match self.verify(account).await {
                _ if self.shared.clock.is_told() => return,
                Ok(()) => {}
                Err(error) => tracing::debug!(account.uid = %account, %error, "the cloud did not tell the time"),
            }
        }
    }

    fn share(&self, workers: u32) {
        self.shared.budget.share(workers, self.shared.clock.as_ref());
    }
}

struct ReadAsResource(Products);
struct ReadAsTransitRouter(Cbn);

struct WriteAsResource {
    cbn: Cbn,
    smartag: Smartag,
    permit: Arc<WritePermit>,
}

struct WriteAsTransitRouter {
    cbn: Cbn,
    permit: Arc<WritePermit>,
}

#[async_trait]
impl ResourceReader for ReadAsResource {
    async fn describe_grant_rules_to_resource(
        &self,
        instance: &Instance,
    ) -> Result<Answer<Listing<GrantRule>>, CloudError> {
        match instance.kind {
            InstanceType::CCN => self.0.smartag.rules(instance).await,
            _ => self.0.cbn.rules_to_resource(instance).await,
        }
    }

    async fn describe_vpn_attachments(&self, instance: &Instance) -> Result<Answer<Listing<String>>, CloudError> {
        self.0.vpc.vpn_attachments(instance).await
    }
}

#[async_trait]
impl ResourceWriter for WriteAsResource {
    async fn grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: Option<OrderType>,
    ) -> Result<Answer<()>, CloudError> {
        match instance.kind {
            InstanceType::CCN => self.smartag.grant(instance, cen, order_type, &self.permit).await,
            _ => self.cbn.grant(instance, cen, order_type, &self.permit).await,
        }
    }

    async fn revoke(&self, instance: &Instance, cen: &Cen) -> Result<Answer<()>, CloudError> {
        match instance.kind {
            InstanceType::CCN => self.smartag.revoke(instance, cen, &self.permit).await,
            _ => self.cbn.revoke(instance, cen, &self.permit).await,
        }
    }

    async fn modify_grant(
        &self,
        instance: &Instance,
        cen: &Cen,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.cbn.modify_grant(instance, cen, order_type, client_token, &self.permit).await
    }
}

#[async_trait]
impl TransitRouterReader for ReadAsTransitRouter {
    async fn describe_grant_rules_to_cen(
        &self,
        cen: &Cen,
        kind: InstanceType,
        filter: &RuleFilter,
    ) -> Result<Answer<RulePage>, CloudError> {
        self.0.rules_to_cen(cen, kind, filter).await
    }

    async fn describe_cens(&self, cen: &Cen) -> Result<Answer<Listing<CenId>>, CloudError> {
        self.0.cens(cen).await
    }

    async fn list_transit_routers(&self, cen: &Cen) -> Result<Answer<Listing<TransitRouter>>, CloudError> {
        self.0.transit_routers(cen).await
    }

    async fn list_attachments(
        &self,
        router: &str,
        kind: InstanceType,
        instance: Option<&InstanceId>,
    ) -> Result<Answer<Listing<ListedAttachment>>, CloudError> {
        self.0.attachments(router, kind, instance).await
    }

    async fn describe_attached_child_instances(
        &self,
        cen: &Cen,
        kind: InstanceType,
    ) -> Result<Answer<Listing<ChildInstance>>, CloudError> {
        self.0.attached_child_instances(cen, kind).await
    }
}

#[async_trait]
impl TransitRouterWriter for WriteAsTransitRouter {
    async fn update_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        order_type: OrderType,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.cbn.update_attachment(kind, attachment_id, order_type, client_token, &self.permit).await
    }

    async fn delete_attachment(
        &self,
        kind: InstanceType,
        attachment_id: &str,
        client_token: &str,
    ) -> Result<Answer<()>, CloudError> {
        self.cbn.delete_attachment(kind, attachment_id, client_token, &self.permit).await
    }

    async fn detach_child_instance(&self, cen: &Cen, instance: &Instance) -> Result<Answer<()>, CloudError> {
        self.cbn.detach_child_instance(cen, instance, &self.permit).await
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::sync::Mutex;
    use std::time::Duration;

    use serde_json::json;

    use super::*;
    use crate::clock::Clock;
    use crate::cloud::observer::{CallObserver, Unobserved};
    use crate::cloud::testing::{
        self, RESOURCE_ACCOUNT, SECRET, Scripted, TOKEN, TR_ACCOUNT, cen, instance, permit, uid,
    };
    use crate::cloud::transport::TransportError;
    use crate::engine::ports::cloud::Failure;
    use crate::engine::ports::crash_points::NoCrashes;

    fn why(error: CloudError) -> String {
        match error.failure {
            Failure::NotSent { why } | Failure::Credential { why, .. } => why,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn an_account_without_a_credential_is_named() {
        let accounts = testing::accounts(&Scripted::new(), Unobserved);
        let stranger = uid("1999999999999999");
        for error in [
            accounts.resource_reader(&stranger).err().unwrap(),
            accounts.transit_router_reader(&stranger).err().unwrap(),
            accounts.resource_writer(&stranger, permit()).await.err().unwrap(),
            accounts.transit_router_writer(&stranger, permit()).await.err().unwrap(),
        ] {
            assert!(why(error).contains("1999999999999999"));
        }
    }

    #[tokio::test]
    async fn with_the_wrong_credential_nothing_is_written_and_nothing_is_read() {
        let stranger = || json!({"RequestId": "I", "AccountId": TR_ACCOUNT});
        let cloud = Scripted::new().identities_too().json(200, stranger()).json(200, stranger());
        let accounts = testing::accounts(&cloud, Unobserved);
        let account = uid(RESOURCE_ACCOUNT);
        assert!(why(accounts.resource_writer(&account, permit()).await.err().unwrap()).contains("belongs to account"));
        // An empty list, read with the key of another account, would prove an absence falsely.
        let reader = accounts.resource_reader(&account).unwrap();
        let read = reader.describe_grant_rules_to_resource(&instance(InstanceType::VPC)).await;
        assert!(why(read.unwrap_err()).contains("belongs to account"));
        assert_eq!(cloud.actions(), ["GetCallerIdentity", "GetCallerIdentity"]);
    }

    #[tokio::test]
    async fn an_identity_is_checked_once_for_all_readers_and_writers() {
        let cloud = Scripted::new()
            .identities_too()
            .json(200, json!({"RequestId": "I", "AccountId": TR_ACCOUNT.parse::<u64>().unwrap()}))
            .json(200, json!({"RequestId": "R"}));
        let accounts = testing::accounts(&cloud, Unobserved);
        let account = uid(TR_ACCOUNT);
        accounts.verify(&account).await.unwrap();
        accounts.resource_writer(&account, permit()).await.unwrap();
        let writer = accounts.transit_router_writer(&account, permit()).await.unwrap();
        writer.detach_child_instance(&cen(), &instance(InstanceType::VPC)).await.unwrap();
        assert_eq!(cloud.actions(), ["GetCallerIdentity", "DetachCenChildInstance"]);
    }

    #[tokio::test]
    async fn without_its_permit_a_write_sends_no_byte_whatever_task_makes_it() {
        let cloud = Scripted::new().json(200, json!({"RequestId": "R"}));
        let clock = Arc::new(testing::clock());
        let permit = WritePermit::new(clock.clone(), Arc::new(NoCrashes), clock.uptime() + Duration::from_secs(10));
        let accounts = testing::accounts(&cloud, Unobserved);
        let writer = accounts.resource_writer(&uid(RESOURCE_ACCOUNT), permit.clone()).await.unwrap();
        let revoke = || {
            let writer = writer.clone();
            tokio::spawn(async move { writer.revoke(&instance(InstanceType::VPC), &cen()).await })
        };
        revoke().await.unwrap().unwrap();
        assert!(!permit.was_refused());
        clock.advance(Duration::from_secs(10));
        let error = revoke().await.unwrap().unwrap_err();
        assert_eq!(error.failure, Failure::NotSent { why: "the lease of its job is over".into() });
        assert!(permit.was_refused());
        assert_eq!(cloud.actions().len(), 1);
    }

    #[tokio::test]
    async fn every_attempt_has_its_own_nonce() {
        let cloud = Scripted::new().json(200, json!({"RequestId": "R"})).json(200, json!({"RequestId": "R"}));
        let writer =
            testing::accounts(&cloud, Unobserved).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
        for _ in 0..2 {
            writer.revoke(&instance(InstanceType::VPC), &cen()).await.unwrap();
        }
        let header = |name: &str| -> HashSet<String> {
            cloud.requests().iter().map(|r| r.headers()[name].to_str().unwrap().to_owned()).collect()
        };
        assert_eq!((header("x-acs-signature-nonce").len(), header("authorization").len()), (2, 2));
        assert_eq!(header("x-acs-date"), HashSet::from(["2026-05-09T08:30:00Z".to_owned()]));
    }

    #[tokio::test]
    async fn a_secret_in_the_clouds_message_is_not_passed_on() {
        let message = format!("server string to sign: x-acs-security-token:{TOKEN}\n{SECRET} {}", "y".repeat(5000));
        let body = json!({"RequestId": "R", "Code": "SignatureDoesNotMatch", "Message": message});
        let cloud = Scripted::new().json(400, body);
        let writer =
            testing::accounts(&cloud, Unobserved).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
        let error = writer.revoke(&instance(InstanceType::VPC), &cen()).await.unwrap_err();
        let shown = format!("{error} {error:?}");
        assert!(shown.contains("SignatureDoesNotMatch") && shown.contains("x-acs-security-token:***"), "{shown}");
        assert!(!shown.contains("s3cr3t") && shown.len() < 4000, "{shown}");
    }

    #[derive(Default)]
    struct Heard(Arc<Mutex<Vec<String>>>);

    impl CallObserver for Heard {
        fn called(&self, operation: Operation, account: &AccountUid, outcome: &str, _: Duration) {
            self.0.lock().unwrap().push(format!("{operation} {account} {outcome}"));
        }
    }

    #[tokio::test]
    async fn what_became_of_a_call_is_told_to_caller_and_observer() {
        let busy = r#"{"RequestId":"R-9","Code":"Throttling.User","Message":"m"}"#;
        let cloud = Scripted::new()
            .json(200, json!({"RequestId": "R"}))
            .raw(400, &[("x-acs-retry-after", "2000")], busy)
            .raw(502, &[], "<html/>")
            .fail(TransportError::NotSent("refused".into()))
            .fail(TransportError::Unanswered("reset".into()));
        let heard = Heard::default();
        let log = heard.0.clone();
        let writer = testing::accounts(&cloud, heard).resource_writer(&uid(RESOURCE_ACCOUNT), permit()).await.unwrap();
        let mut errors = Vec::new();
        for _ in 0..5 {
            errors.extend(writer.revoke(&instance(InstanceType::VPC), &cen()).await.err());
        }
        assert_eq!(errors[0].retry_after, Some(Duration::from_secs(2)));
        assert_eq!(errors[0].request_id.as_deref(), Some("R-9"));
        assert!(matches!(&errors[1].failure, Failure::Refused { status: 502, code, .. } if code.is_empty()));
        assert_eq!(errors[2].failure, Failure::NotSent { why: "refused".into() });
        assert_eq!(errors[3].failure, Failure::Unanswered { why: "reset".into() });
        let outcomes: Vec<String> = ["ok", "Throttling.User", "http-502", "not-sent", "unanswered"]
            .map(|outcome| format!("RevokeInstanceFromTransitRouter {RESOURCE_ACCOUNT} {outcome}"))
            .into();
        assert_eq!(log.lock().unwrap()[1..], outcomes);
    }
}
