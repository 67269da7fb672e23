//! Watches how the calls of an account end, says once what turns, and keeps calls back while the credential is refused: no job
//! that waits for it costs a call.

use std::collections::BTreeSet;
use std::mem::take;
use std::sync::atomic::AtomicU64;
use std::sync::atomic::Ordering::SeqCst;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use super::standing::{AccountStanding, Heard, Moment, Turned};
use crate::clock::Clock;
use crate::domain::AccountUid;
use crate::engine::ports::account::{RefusedCredential, Standing, held_by};
use crate::engine::ports::cloud::{CloudError, Failure};

/// What has turned, for the loop that follows it.
#[derive(Default)]
pub(super) struct AccountNews {
    /// Notified when a question may be due, or an account was freed.
    pub notify: Notify,
    freed: Mutex<BTreeSet<AccountUid>>,
}

impl AccountNews {
    /// The jobs of this account go on.
    pub fn free(&self, account: AccountUid) {
        locked(&self.freed).insert(account);
        self.notify.notify_one();
    }

    /// The accounts whose jobs go on, each once.
    pub fn freed(&self) -> Vec<AccountUid> {
        take(&mut *locked(&self.freed)).into_iter().collect()
    }
}

/// An account under watch.
pub(super) struct AccountWatch {
    account: AccountUid,
    state: Mutex<AccountStanding>,
    news: Arc<AccountNews>,
    clock: Arc<dyn Clock>,
    /// Counts the credentials that were configured, one after the other.
    credential: AtomicU64,
}

impl AccountWatch {
    pub fn new(account: AccountUid, news: Arc<AccountNews>, clock: Arc<dyn Clock>) -> Arc<Self> {
        Arc::new(Self { account, state: Mutex::default(), news, clock, credential: AtomicU64::new(0) })
    }

    /// What is known of the credential.
    pub fn standing(&self) -> AccountStanding {
        locked(&self.state).clone()
    }

    /// The number of the credential that is configured now.
    pub fn credential(&self) -> u64 {
        self.credential.load(SeqCst)
    }

    /// Another credential takes the place of this one, which is not used and says nothing any more.
    pub fn replaced(&self) {
        self.credential.fetch_add(1, SeqCst);
        self.ask_soon();
    }

    /// Whose the credential is, is asked at once.
    pub fn ask_soon(&self) {
        locked(&self.state).replaced(self.clock.uptime());
        self.news.notify.notify_one();
    }

    /// The question whose credential it is goes out.
    pub fn asks(&self) {
        locked(&self.state).asks(self.clock.uptime());
    }

    /// Keeps a call back that would use a credential which was replaced while the call waited.
    pub fn gate_of(&self, credential: u64) -> Result<(), CloudError> {
        if credential != self.credential() {
            let account = &self.account;
            let why =
                format!("the credential of account {account} was replaced meanwhile; the next try uses the new one");
            return Err(CloudError::new(None, Failure::NotSent { why }));
        }
        self.gate()
    }

    /// Keeps a call back while the credential is refused. The delay is the time until the account is asked again.
    pub fn gate(&self) -> Result<(), CloudError> {
        let state = locked(&self.state);
        let Some(refusal) = state.standing().refusal() else { return Ok(()) };
        let again = state.next_question().unwrap_or_default().saturating_sub(self.clock.uptime());
        let failure = Failure::AccountRefused { why: held_by(&self.account, refusal) };
        Err(CloudError { retry_after: Some(again), ..CloudError::new(None, failure) })
    }

    /// Hears how a call with this credential ended that began at the uptime `began`.
    pub fn hear(&self, credential: u64, heard: &Heard<'_>, began: Duration) {
        if credential != self.credential() {
            return;
        }
        let now = Moment { at: self.clock.now(), uptime: self.clock.uptime() };
        let (turned, due, standing) = {
            let mut state = locked(&self.state);
            let before = state.next_question();
            let turned = state.hear(heard, began, now);
            (turned, state.next_question() != before, state.standing().clone())
        };
        self.say(turned, &standing);
        if matches!(turned, Turned::Freed | Turned::Mended { .. }) {
            locked(&self.news.freed).insert(self.account.clone());
        }
        if turned != Turned::Not || due {
            self.news.notify.notify_one();
        }
    }

    fn say(&self, turned: Turned, standing: &Standing) {
        let account = &self.account;
        match (turned, standing) {
            (Turned::Refused, Standing::Refused(RefusedCredential { code, asked, message, .. })) => tracing::warn!(
                account.uid = %account, cloud.operation = asked, cloud.code = code, error = message,
                "the cloud refuses the credential of account {account}; its jobs wait, and go on by themselves when its key is \
                 good: see `crossgrant doctor`"
            ),
            (Turned::Mended { since }, _) => tracing::info!(
                account.uid = %account, since = %since, "the cloud takes the credential of account {account} again; its jobs go on"
            ),
            (Turned::Unreachable, Standing::Unreachable { since, message }) => tracing::warn!(
                account.uid = %account, since = %since, error = message,
                "no call as account {account} is answered; its jobs try again"
            ),
            (Turned::Reached { since }, _) => {
                tracing::info!(account.uid = %account, since = %since, "calls as account {account} are answered again");
            }
            _ => {}
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
