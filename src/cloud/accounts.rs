//! The accounts this worker has credentials for, as the engine's [`Cloud`].

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::{StreamExt, stream};
use jiff::Timestamp;

use super::budget::Limits;
use super::cbn::Cbn;
use super::credentials::{AccountCredentials, CredentialDigest, Sources};
use super::probe::{self, ProbeRead, RawAnswer};
use super::roles::{Products, ReadAsResource, ReadAsTransitRouter, WriteAsResource, WriteAsTransitRouter};
use super::rpc::{AccountClient, Client, ClientParts};
use super::smartag::Smartag;
use super::vpc::Vpc;
use super::watch::{AccountNews, AccountWatch};
use crate::domain::{AccountUid, Operation};
use crate::engine::ports::account::{AccountReport, RefusedCredential, Standing, held_by};
use crate::engine::ports::cloud::{
    Cloud, CloudError, Failure, NoRoom, Readers, ResourceReader, ResourceWriter, TransitRouterReader,
    TransitRouterWriter,
};
use crate::engine::ports::write_permit::WritePermit;

/// Reads the credentials as they are configured now; `None` if the configuration cannot be used at the moment.
pub type CredentialReader = Arc<dyn Fn() -> Option<Vec<AccountCredentials>> + Send + Sync>;

/// Questions about accounts that are out at a time. An account that does not answer must not hold up the others.
const AT_ONCE: usize = 8;

/// The cloud, through one transport, as several accounts.
pub struct Accounts {
    accounts: RwLock<HashMap<AccountUid, Account>>,
    /// Those that were configured, and are no more.
    gone: Mutex<BTreeMap<AccountUid, Gone>>,
    /// Those whose credential was read anew and taken over since this was asked for.
    renewed: Mutex<BTreeSet<AccountUid>>,
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

/// An account that is in the configuration no more.
struct Gone {
    since: Timestamp,
    /// Whether it was needed since.
    needed: bool,
}

/// How long jobs wait before they ask again for an account that is in the configuration no more.
const UNTIL_CONFIGURED: Duration = Duration::from_secs(60);

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
        let accounts = Self {
            accounts: RwLock::default(),
            gone: Mutex::default(),
            renewed: Mutex::default(),
            shared: Client::new(parts),
            news: Arc::default(),
            configured: None,
        };
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
            accounts.get(uid).into_iter().for_each(|account| account.watch.ask_soon());
        }
        let removed: Vec<AccountUid> = accounts.keys().filter(|uid| gone(uid)).cloned().collect();
        for uid in removed {
            accounts.remove(&uid);
            self.gone().insert(uid.clone(), Gone { since: self.shared.clock.now(), needed: false });
            changes.push((uid, CredentialChange::Removed));
        }
        changes.sort_by(|(one, _), (other, _)| one.cmp(other));
        changes
    }

    /// The accounts whose credential was read anew without being told to since this was asked for last, and what is known of it.
    pub fn renewed(&self) -> Vec<(AccountUid, Standing)> {
        let renewed = std::mem::take(&mut *self.renewed.lock().unwrap_or_else(PoisonError::into_inner));
        let accounts = self.read();
        let standing = |uid: AccountUid| {
            let standing = accounts.get(&uid)?.watch.standing().standing().clone();
            Some((uid, standing))
        };
        renewed.into_iter().filter_map(standing).collect()
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
            if change == CredentialChange::Replaced {
                watch.replaced();
            }
            let client = AccountClient::new(uid.clone(), sources.of(credential), self.shared.clone());
            let client = Arc::new(client.watched(watch.clone()));
            let (cbn, smartag) = (Cbn::new(client.clone()), Smartag::new(client.clone()));
            let products = Products { cbn, smartag, vpc: Vpc::new(client.clone()), client };
            let account = Account { products, watch, kind: credential.kind(), digest };
            accounts.insert(uid.clone(), account);
            if self.gone().remove(uid).is_some() {
                self.news.free(uid.clone());
            }
            changes.push((uid.clone(), change));
        }
        changes
    }

    fn read(&self) -> RwLockReadGuard<'_, HashMap<AccountUid, Account>> {
        self.accounts.read().expect("no holder of this lock panics")
    }

    fn gone(&self) -> MutexGuard<'_, BTreeMap<AccountUid, Gone>> {
        self.gone.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is asked as an account that is in the configuration no more; `None` for one that never was. The first job that
    /// needs it is told of.
    fn missed(&self, account: &AccountUid) -> Option<CloudError> {
        let mut gone = self.gone();
        let Gone { since, needed } = gone.get_mut(account)?;
        if !*needed {
            *needed = true;
            tracing::warn!(
                account.uid = %account, since = %since,
                "account {account} is gone from the configuration, and jobs need it: they wait, and go on by themselves when it is \
                 put back and `crossgrant reload` has taken it over"
            );
        }
        let why = held_by(account, &RefusedCredential::not_configured(*since));
        let error = CloudError::new(None, Failure::AccountRefused { why });
        Some(CloudError { retry_after: Some(UNTIL_CONFIGURED), ..error })
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
            self.renewed.lock().unwrap_or_else(PoisonError::into_inner).insert(uid);
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
        let known = self.read().get(account).map(|account| account.products.clone());
        known.ok_or_else(|| {
            self.missed(account).unwrap_or_else(|| {
                CloudError::not_sent(None, format!("no credential is configured for account {account}"))
            })
        })
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
        let gone = self.gone();
        let needed = gone.iter().filter(|(_, gone)| gone.needed).map(|(uid, gone)| AccountReport {
            uid: uid.clone(),
            credential: "none".to_owned(),
            key_end: None,
            expires_at: None,
            last_success: None,
            standing: Standing::Refused(RefusedCredential::not_configured(gone.since)),
            budget: None,
        });
        accounts.extend(needed);
        accounts.sort_unstable_by(|one, other| one.uid.cmp(&other.uid));
        accounts
    }

    fn refusal(&self, account: &AccountUid) -> Option<RefusedCredential> {
        if let Some(account) = self.read().get(account) {
            return account.watch.standing().standing().refusal().cloned();
        }
        Some(RefusedCredential::not_configured(self.gone().get(account)?.since))
    }

    fn admits(&self, account: &AccountUid) -> Result<(), CloudError> {
        if let Some(account) = self.read().get(account) {
            return account.watch.gate();
        }
        self.missed(account).map_or(Ok(()), Err)
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

#[cfg(test)]
mod tests;
