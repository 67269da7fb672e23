//! Accounts that the cloud refuses: asks for their identity again, and lets their jobs go on once the credential is taken.
//!
//! A job that meets a refused account rests until the next question, so that one that is not woken loses a minute.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::clock::until;
use crate::domain::AccountUid;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::LatestDue;

/// The pause after a store that could not be used.
const STORE_PAUSE: Duration = Duration::from_secs(1);

/// While an account is refused, its files are looked at so often, so that a new key works as soon as it is there.
const LOOK_AT_FILES: Duration = Duration::from_secs(5);

/// What a worker remembers between two rounds.
#[derive(Default)]
pub struct Rounds {
    /// Accounts whose jobs are still to be woken.
    freed: BTreeSet<AccountUid>,
    /// Accounts that were refused for `keys-patience`, which is said once.
    alarmed: BTreeSet<AccountUid>,
}

/// Follows the accounts until `stop` says true. Begins with a question about each, so that a wrong credential is told before a
/// job needs it.
pub async fn follow(engine: Arc<Engine>, mut stop: watch::Receiver<bool>) {
    let mut rounds = Rounds::default();
    let mut unknown = true;
    while !*stop.borrow() {
        let round = async {
            engine.cloud.ask_accounts(unknown).await;
            rounds.settle(&engine).await
        };
        let pause = tokio::select! {
            pause = round => pause,
            _ = stop.changed() => continue,
        };
        unknown = false;
        let refused = engine.cloud.accounts().iter().any(|account| account.standing.refusal().is_some());
        let pause = if refused { pause.map(|pause| pause.min(LOOK_AT_FILES)) } else { pause };
        tokio::select! {
            () = engine.clock.pause(pause) => {}
            () = engine.cloud.account_turned() => {}
            _ = stop.changed() => {}
        }
    }
}

impl Rounds {
    /// Wakes the jobs of accounts that were freed, and says which have been refused for long. Returns after how long there is
    /// something to do again.
    pub async fn settle(&mut self, engine: &Engine) -> Option<Duration> {
        self.freed.extend(engine.cloud.freed_accounts());
        while let Some(account) = self.freed.first() {
            let now = engine.clock.now();
            match engine.store.bring_forward(now, LatestDue::all(now), Some(account)).await {
                Ok(jobs) => tracing::debug!(account.uid = %account, jobs, "jobs of the account go on"),
                Err(error) => {
                    tracing::error!(account.uid = %account, %error, "cannot wake the jobs of the account; tries again");
                    return Some(STORE_PAUSE);
                }
            }
            self.freed.pop_first();
            engine.work.notify_one();
            engine.hours.notify_one();
        }
        self.alarm(engine);
        let due = engine.cloud.next_question()?;
        Some(due.saturating_sub(engine.clock.uptime()))
    }

    fn alarm(&mut self, engine: &Engine) {
        let (now, patience) = (engine.clock.now(), engine.catalog.policies.keys_patience);
        let accounts = engine.cloud.accounts();
        let refused = accounts.iter().filter_map(|account| Some((&account.uid, account.standing.refusal()?)));
        let long: Vec<_> = refused.filter(|(_, refusal)| until(refusal.since, now) >= patience).collect();
        self.alarmed.retain(|uid| long.iter().any(|(refused, _)| *refused == uid));
        for (uid, refusal) in long {
            if self.alarmed.insert(uid.clone()) {
                tracing::error!(
                    account.uid = %uid, cloud.operation = refusal.asked, cloud.code = refusal.code, error = refusal.message,
                    "account {uid} is {refusal}, longer than a change of keys takes; its jobs wait until its credential is \
                     corrected: see `crossgrant doctor`"
                );
            }
        }
    }
}
