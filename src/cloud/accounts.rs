//! The accounts this worker has credentials for, as the engine's [`Cloud`]. Reading and writing, as the owner of an
//! instance and as the owner of a CEN, are four types: what one may do, the others cannot name.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::budget::Limits;
use super::cbn::Cbn;
use super::credentials::{AccountCredentials, CredentialDigest, Sources};
use super::probe::{self, ProbeRead, RawAnswer};
use super::rpc::{AccountClient, Client, ClientParts};
use super::smartag::Smartag;
use super::vpc::Vpc;
use super::watch::{AccountNews, AccountWatch};
use crate::domain::{
    AccountUid, Cen, CenId, ChildInstance, GrantRule, Instance, InstanceId, InstanceType, ListedAttachment, Operation,
    OrderType, TransitRouter,
};
use crate::engine::ports::account::{AccountReport, RefusedCredential, Standing};
use crate::engine::ports::cloud::{
    Answer, Cloud, CloudError, Listing, NoRoom, Readers, ResourceReader, ResourceWriter, RuleFilter, RulePage,
    TransitRouterReader, TransitRouterWriter,
};
use crate::engine::ports::write_permit::WritePermit;

/// Reads the credentials as they are configured now; `None` if the configuration cannot be used at the moment.
pub type CredentialReader = Arc<dyn Fn() -> Option<Vec<AccountCredentials>> + Send + Sync>;

/// Questions about accounts that are out at a time. An account that does not answer must not hold up the others.
const AT_ONCE: usize = 8;

/// The cloud, through one transport, as several accounts.
pub struct Accounts {
    accounts: RwLock<HashMap<AccountUid, Account>>,
    shared: Arc<Client>,
    news: Arc<AccountNews>,
    configured: Option<CredentialReader>,
}

/// An account with the credential it is called with.
struct Account {
    products: Products,
    watch: Arc<AccountWatch>,
    kind: &'static str,
    digest: CredentialDigest,
}

/// The products, called as one account.
#[derive(Clone)]
struct Products {
    client: Arc<AccountClient>,
    cbn: Cbn,
    smartag: Smartag,
    vpc: Vpc,
}

/// What became of an account by other credentials.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CredentialChange {
    /// It has a credential, and had none.
    Added,
    /// It has another one.
    Replaced,
    /// It has none any more.
    Removed,
}

impl Accounts {
    /// If an account has several credentials, the last one counts.
    pub fn new(parts: ClientParts, credentials: Vec<AccountCredentials>) -> Self {
        let accounts =
            Self { accounts: RwLock::default(), shared: Client::new(parts), news: Arc::default(), configured: None };
        accounts.replace(&credentials, |_, _| true);
        accounts
    }

    /// The same, with a way to read the credentials anew. It is used for accounts that the cloud refuses, and blocks.
    pub fn reading(self, configured: CredentialReader) -> Self {
        Self { configured: Some(configured), ..self }
    }

    /// Takes other credentials. Those that are the same keep their session. Returns what became of each account that differs.
    pub fn reconfigure(&self, credentials: &[AccountCredentials]) -> Vec<(AccountUid, CredentialChange)> {
        let mut changes = self.replace(credentials, |_, _| true);
        let mut accounts = self.write();
        let gone = |uid: &AccountUid| credentials.iter().all(|new| new.uid != *uid);
        // Whose credential a new one is, is asked before a job needs it.
        for (uid, _) in changes.iter().filter(|(_, change)| *change == CredentialChange::Added) {
            accounts.get(uid).into_iter().for_each(|account| account.watch.replaced());
        }
        let removed: Vec<AccountUid> = accounts.keys().filter(|uid| gone(uid)).cloned().collect();
        for uid in removed {
            accounts.remove(&uid);
            changes.push((uid, CredentialChange::Removed));
        }
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        changes
    }

    /// Takes other limits for calls. Returns whether they differ.
    pub fn limit(&self, limits: &Limits) -> bool {
        let differ = self.shared.budget.limits().is_some_and(|present| present != *limits);
        if differ {
            self.shared.budget.limit(limits, self.shared.clock.as_ref());
        }
        differ
    }

    /// The accounts whose credential is another one than these.
    pub fn differing(&self, credentials: &[AccountCredentials]) -> BTreeSet<AccountUid> {
        let accounts = self.read();
        let held = |uid| accounts.get(uid).map(|account: &Account| account.digest);
        let other = credentials.iter().filter(|new| held(&new.uid) != Some(new.credential.digest()));
        let gone = accounts.keys().filter(|uid| credentials.iter().all(|new| new.uid != **uid));
        other.map(|new| &new.uid).chain(gone).cloned().collect()
    }

    /// Gives the accounts that `takes` chooses their credential of these, where it is another one.
    fn replace(
        &self,
        credentials: &[AccountCredentials],
        takes: impl Fn(&AccountUid, Option<&Account>) -> bool,
    ) -> Vec<(AccountUid, CredentialChange)> {
        let mut accounts = self.write();
        // The sources that accounts share are made once for all of them.
        let mut sources = Sources::new(self.shared.clone()).knowing(credentials);
        let mut changes = Vec::new();
        for AccountCredentials { uid, credential } in credentials {
            let (present, digest) = (accounts.get(uid), credential.digest());
            if present.is_some_and(|present| present.digest == digest) || !takes(uid, present) {
                continue;
            }
            let change = if present.is_some() { CredentialChange::Replaced } else { CredentialChange::Added };
            let watch = present.map(|present| present.watch.clone());
            let new = || AccountWatch::new(uid.clone(), self.news.clone(), self.shared.clock.clone());
            let watch = watch.unwrap_or_else(new);
            let client = AccountClient::new(uid.clone(), sources.of(credential), self.shared.clone());
            let client = Arc::new(client.watched(watch.clone()));
            let (cbn, smartag) = (Cbn::new(client.clone()), Smartag::new(client.clone()));
            let products = Products { cbn, smartag, vpc: Vpc::new(client.clone()), client };
            if change == CredentialChange::Replaced {
                watch.replaced();
            }
            let account = Account { products, watch, kind: credential.kind(), digest };
            accounts.insert(uid.clone(), account);
            changes.push((uid.clone(), change));
        }
        changes
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AccountUid, Account>> {
        self.accounts.read().expect("no holder of this lock panics")
    }

    fn write(&self) -> RwLockWriteGuard<'_, HashMap<AccountUid, Account>> {
        self.accounts.write().expect("no holder of this lock panics")
    }

    /// The accounts to be asked for their identity now.
    fn due(&self, unknown: bool) -> Vec<AccountUid> {
        let now = self.shared.clock.uptime();
        let is_due = |account: &Account| {
            let standing = account.watch.standing();
            standing.next_question().is_some_and(|due| due <= now)
                || (unknown && *standing.standing() == Standing::Unknown)
        };
        let mut due: Vec<AccountUid> =
            self.read().iter().filter(|(_, account)| is_due(account)).map(|(uid, _)| uid.clone()).collect();
        due.sort_unstable();
        due
    }

    /// Reads the credentials of refused accounts anew. Another one is asked for at once.
    async fn renew(&self) {
        let refused: BTreeSet<AccountUid> = {
            let accounts = self.read();
            let refused = |account: &Account| account.watch.standing().standing().refusal().is_some();
            accounts.iter().filter(|(_, account)| refused(account)).map(|(uid, _)| uid.clone()).collect()
        };
        let Some(configured) = self.configured.clone().filter(|_| !refused.is_empty()) else { return };
        let read = tokio::task::spawn_blocking(move || configured()).await;
        let Ok(Some(credentials)) = read else { return };
        for (uid, _) in self.replace(&credentials, |uid, present| present.is_some() && refused.contains(uid)) {
            tracing::info!(account.uid = %uid, "another credential of account {uid} is configured; tries it");
        }
    }

    /// Ends the sessions of refused accounts that are asked now: the role may be another by now.
    fn end_sessions(&self, due: &[AccountUid]) {
        for uid in due.iter().filter(|uid| self.refusal(uid).is_some()) {
            if let Ok(Products { client, .. }) = self.products(uid)
                && let Some(held) = client.source().held()
            {
                client.source().invalidate(&held.keys);
            }
        }
    }

    async fn ask(&self, uid: &AccountUid) {
        let Some((client, watch)) =
            self.read().get(uid).map(|account| (account.products.client.clone(), account.watch.clone()))
        else {
            return;
        };
        watch.asks();
        // The watch has heard of a refusal.
        if let Err(error) = client.identify().await {
            tracing::debug!(account.uid = %uid, %error, "the credential of the account is not confirmed");
        }
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

    fn products(&self, account: &AccountUid) -> Result<Products, CloudError> {
        self.read()
            .get(account)
            .map(|account| account.products.clone())
            .ok_or_else(|| CloudError::not_sent(None, format!("no credential is configured for account {account}")))
    }
}

impl Readers for Accounts {
    fn resource_reader(&self, account: &AccountUid) -> Result<Arc<dyn ResourceReader>, CloudError> {
        Ok(Arc::new(ReadAsResource(self.products(account)?)))
    }

    fn transit_router_reader(&self, account: &AccountUid) -> Result<Arc<dyn TransitRouterReader>, CloudError> {
        Ok(Arc::new(ReadAsTransitRouter(self.products(account)?.cbn)))
    }

    fn read_interval(&self) -> Duration {
        let interval = |limits: Limits| limits.interval(Operation::DescribeGrantRulesToCen);
        self.shared.budget.limits().map(interval).unwrap_or_default() * self.shared.budget.workers()
    }
}

#[async_trait]
impl Cloud for Accounts {
    async fn resource_writer(
        &self,
        account: &AccountUid,
        permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn ResourceWriter>, CloudError> {
        let Products { cbn, smartag, .. } = self.products(account)?;
        cbn.client.verify().await?;
        Ok(Arc::new(WriteAsResource { cbn, smartag, permit }))
    }

    async fn transit_router_writer(
        &self,
        account: &AccountUid,
        permit: Arc<WritePermit>,
    ) -> Result<Arc<dyn TransitRouterWriter>, CloudError> {
        let cbn = self.products(account)?.cbn;
        cbn.client.verify().await?;
        Ok(Arc::new(WriteAsTransitRouter { cbn, permit }))
    }

    async fn room(&self, account: &AccountUid, operation: Operation) -> Result<Option<Operation>, NoRoom> {
        self.shared.room(account, operation).await
    }

    /// Asks whose a credential is, which has to be asked in any case; the next one, if that was not answered.
    async fn ask_time(&self) {
        let mut accounts: Vec<AccountUid> = self.read().keys().cloned().collect();
        accounts.sort_unstable();
        for account in accounts {
            match self.verify(&account).await {
                _ if self.shared.clock.is_told() => return,
                Ok(()) => {}
                Err(error) => tracing::debug!(account.uid = %account, %error, "the cloud did not tell the time"),
            }
        }
    }

    fn share(&self, workers: u32) {
        self.shared.budget.share(workers, self.shared.clock.as_ref());
    }

    fn accounts(&self) -> Vec<AccountReport> {
        let now = self.shared.clock.uptime();
        let report = |(uid, account): (&AccountUid, &Account)| {
            let (standing, held) = (account.watch.standing(), account.products.client.source().held());
            AccountReport {
                uid: uid.clone(),
                credential: account.kind.to_owned(),
                key_end: held.as_ref().and_then(|held| end(&held.keys.access_key_id)),
                expires_at: held.and_then(|held| held.ends),
                last_success: standing.last_success(),
                standing: standing.standing().clone(),
                budget: self.shared.budget.report(uid, now),
            }
        };
        let mut accounts: Vec<AccountReport> = self.read().iter().map(report).collect();
        accounts.sort_unstable_by(|one, other| one.uid.cmp(&other.uid));
        accounts
    }

    fn refusal(&self, account: &AccountUid) -> Option<RefusedCredential> {
        self.read().get(account)?.watch.standing().standing().refusal().cloned()
    }

    fn admits(&self, account: &AccountUid) -> Result<(), CloudError> {
        self.read().get(account).map_or(Ok(()), |account| account.watch.gate())
    }

    async fn ask_accounts(&self, unknown: bool) {
        self.renew().await;
        let due = self.due(unknown);
        self.end_sessions(&due);
        stream::iter(&due).for_each_concurrent(AT_ONCE, |uid| self.ask(uid)).await;
    }

    fn next_question(&self) -> Option<Duration> {
        self.read().values().filter_map(|account| account.watch.standing().next_question()).min()
    }

    async fn account_turned(&self) {
        self.news.notify.notified().await;
    }

    fn freed_accounts(&self) -> Vec<AccountUid> {
        self.news.freed()
    }
}

/// The last four characters of the id of a key; of a short one nothing, which would be all of it.
fn end(id: &str) -> Option<String> {
    let from = id.char_indices().rev().nth(3).map(|(at, _)| at).filter(|from| *from >= 4)?;
    Some(id[from..].to_owned())
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
    use crate::cloud::credentials::StaticKeys;
    use crate::cloud::observer::{CallObserver, Unobserved};
    use crate::cloud::testing::{
        self, RESOURCE_ACCOUNT, SECRET, Scripted, TOKEN, TR_ACCOUNT, cen, instance, permit, uid,
    };
    use crate::cloud::transport::TransportError;
    use crate::engine::ports::cloud::Failure;
    use crate::engine::ports::crash_points::NoCrashes;

    fn why(error: CloudError) -> String {
        match error.failure {
            Failure::NotSent { why } | Failure::Credential { why, .. } | Failure::AccountRefused { why } => why,
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
        let cloud = Scripted::new().identities_too().json(200, stranger());
        let accounts = testing::accounts(&cloud, Unobserved);
        let account = uid(RESOURCE_ACCOUNT);
        assert!(why(accounts.resource_writer(&account, permit()).await.err().unwrap()).contains("belongs to account"));
        // An empty list, read with the key of another account, would prove an absence falsely.
        let reader = accounts.resource_reader(&account).unwrap();
        let read = reader.describe_grant_rules_to_resource(&instance(InstanceType::VPC)).await;
        assert!(why(read.unwrap_err()).contains("belongs to another account"));
        assert_eq!(cloud.actions(), ["GetCallerIdentity"], "what is known to be refused is not asked again");
    }

    #[tokio::test]
    async fn other_credentials_are_told_from_those_in_use() {
        let accounts = testing::accounts(&Scripted::new(), Unobserved);
        let both = || vec![testing::credentials(RESOURCE_ACCOUNT), testing::credentials(TR_ACCOUNT)];
        assert!(accounts.differing(&both()).is_empty() && accounts.reconfigure(&both()).is_empty());
        let secret = StaticKeys::new(format!("key-of-{RESOURCE_ACCOUNT}"), "0ther".into(), None);
        let new = [AccountCredentials::new(uid(RESOURCE_ACCOUNT), secret), testing::credentials("1999999999999999")];
        let differ = BTreeSet::from([RESOURCE_ACCOUNT, TR_ACCOUNT, "1999999999999999"].map(uid));
        assert_eq!(accounts.differing(&new), differ);
        let changes = [
            (uid(TR_ACCOUNT), CredentialChange::Removed),
            (uid(RESOURCE_ACCOUNT), CredentialChange::Replaced),
            (uid("1999999999999999"), CredentialChange::Added),
        ];
        assert_eq!(accounts.reconfigure(&new), changes);
        assert_eq!(accounts.next_question(), Some(Duration::ZERO), "whose the new ones are is asked at once");
        accounts.ask_accounts(false).await;
        assert_eq!(accounts.next_question(), None);
        let known: Vec<_> = accounts.accounts().into_iter().map(|known| (known.uid, known.standing)).collect();
        assert_eq!(known, [(uid(RESOURCE_ACCOUNT), Standing::Ok), (uid("1999999999999999"), Standing::Ok)]);
    }

    #[tokio::test]
    async fn of_an_account_no_more_of_its_key_is_told_than_the_end() {
        let known = testing::accounts(&Scripted::new(), Unobserved).accounts();
        assert_eq!(known[1].key_end.as_deref(), Some("0001"));
        assert_eq!((known[1].credential.as_str(), known[1].expires_at), ("access-key", None));
        assert!(!serde_json::to_string(&known).unwrap().contains(SECRET));
        for (id, told) in
            [("", None), ("abc", None), ("abcdefg", None), ("abcdefgh", Some("efgh")), ("abcdéfgh", Some("éfgh"))]
        {
            assert_eq!(end(id).as_deref(), told, "{id}");
        }
    }

    /// While it is refused no call is made, however many ask; the file is read anew, and a role is assumed anew.
    #[tokio::test]
    async fn a_refused_account_is_asked_once_a_minute_with_its_credential_read_anew() {
        let no = || json!({"RequestId": "R", "Code": "SignatureDoesNotMatch", "Message": "no"});
        let yes = || json!({"RequestId": "R", "AccountId": RESOURCE_ACCOUNT});
        let cloud = Scripted::new().identities_too().json(400, no()).json(400, no()).json(400, no()).json(200, yes());
        let clock = Arc::new(testing::clock());
        let configured = Arc::new(Mutex::new(testing::credentials(RESOURCE_ACCOUNT)));
        let read = configured.clone();
        let parts = ClientParts { clock: clock.clone(), ..testing::parts(cloud.clone()) };
        let accounts = Accounts::new(parts, vec![testing::credentials(RESOURCE_ACCOUNT)])
            .reading(Arc::new(move || Some(vec![read.lock().unwrap().clone()])));
        let account = uid(RESOURCE_ACCOUNT);
        accounts.verify(&account).await.unwrap_err();
        for _ in 0..300 {
            let error = accounts.resource_writer(&account, permit()).await.err().unwrap();
            assert!(matches!(error.failure, Failure::AccountRefused { .. }), "{error}");
        }
        assert_eq!(cloud.actions().len(), 1);
        accounts.ask_accounts(false).await;
        accounts.ask_accounts(false).await;
        assert_eq!(cloud.actions().len(), 2, "at once, and not again within the minute");
        clock.advance(Duration::from_secs(60));
        accounts.ask_accounts(false).await;
        assert_eq!((cloud.actions().len(), accounts.freed_accounts()), (3, vec![]));

        let keys = StaticKeys::new(format!("key-of-{RESOURCE_ACCOUNT}"), "0ther".into(), None);
        configured.lock().unwrap().credential = keys.into();
        accounts.ask_accounts(false).await;
        assert_eq!(cloud.actions().len(), 4, "another credential is tried at once");
        assert_eq!((accounts.freed_accounts(), accounts.freed_accounts()), (vec![account.clone()], vec![]));
        accounts.resource_writer(&account, permit()).await.unwrap();
        assert_eq!(cloud.actions().len(), 4);
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
