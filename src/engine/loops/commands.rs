//! The commands of operators, carried out: decided, committed, logged.

use std::sync::Arc;

use crate::domain::{AccountUid, JobUid};
use crate::engine::decide::command::{Command, Declined, command};
use crate::engine::guards::Pause;
use crate::engine::loops::moved::Moved;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{Change, Committed, LeaseUse, StoreError};
use crate::engine::ports::trace::during;
use crate::engine::record::{Mandate, Record};

/// Why a command of an operator was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum CommandError {
    /// There is no such job.
    #[error("there is no such job")]
    NotFound,
    /// The job is not in a state for it.
    #[error(transparent)]
    Declined(#[from] Declined),
    /// The job changed at the same moment; ask again.
    #[error("the job changed at the same moment; look again and repeat")]
    Conflict,
    /// The store could not be used.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// How many commands share a commit. A group is locked and judged whole, so a larger one would keep workers waiting.
const AT_ONCE: usize = 100;

impl Engine {
    /// Whether a command on a job would be carried out now.
    pub async fn would_obey(&self, record: &Record, what: Command) -> Result<bool, StoreError> {
        let (definition, _) = self.definition_of(record).await?;
        Ok(command(&self.context(&definition), record, what, &Mandate::from(""), self.clock.now()).is_ok())
    }

    /// Carries out a command on a job, given on the word of `mandate`.
    pub async fn command(
        &self,
        uid: JobUid,
        what: Command,
        mandate: impl Into<Mandate>,
    ) -> Result<Arc<Record>, CommandError> {
        let mandate = mandate.into();
        let record = self.store.load(uid).await?.ok_or(CommandError::NotFound)?;
        let (change, moved) = self.decided(&record, what, &mandate).await?;
        let decided = Arc::clone(&change.record);
        match self.store.commit(change).await? {
            Committed::Conflict | Committed::Paused | Committed::OverLimit(_) | Committed::Locked(_) => {
                Err(CommandError::Conflict)
            }
            Committed::Done => {
                during(self.span_of(&decided), || tell(&decided, what, &mandate));
                self.moved(&moved);
                self.work.notify_one();
                Ok(decided)
            }
        }
    }

    /// Carries out a command on each of these jobs, for itself; one result for each, in order.
    ///
    /// # Errors
    /// The store's. Then the command may have been carried out on some of them.
    pub async fn command_all(
        &self,
        jobs: &[Record],
        what: Command,
        mandate: &Mandate,
    ) -> Result<Vec<Result<(), CommandError>>, StoreError> {
        let mut results = Vec::with_capacity(jobs.len());
        for group in jobs.chunks(AT_ONCE) {
            let (mut decided, mut changes) = (Vec::new(), Vec::new());
            for record in group {
                decided.push(match self.decided(record, what, mandate).await {
                    Ok((change, moved)) => {
                        changes.push(change);
                        Ok(moved)
                    }
                    Err(CommandError::Store(error)) => return Err(error),
                    Err(error) => Err(error),
                });
            }
            let records: Vec<_> = changes.iter().map(|change| Arc::clone(&change.record)).collect();
            let mut committed = records.into_iter().zip(self.store.commit_all(changes).await?);
            for decision in decided {
                results.push(decision.and_then(|moved| match committed.next() {
                    Some((record, Committed::Done)) => {
                        during(self.span_of(&record), || tell(&record, what, mandate));
                        self.moved(&moved);
                        Ok(())
                    }
                    _ => Err(CommandError::Conflict),
                }));
            }
            self.work.notify_one();
        }
        Ok(results)
    }

    async fn decided(
        &self,
        record: &Record,
        what: Command,
        mandate: &Mandate,
    ) -> Result<(Change, Moved), CommandError> {
        let definition = self.definition(&record.definition).await?;
        let now = self.clock.now();
        let decision = command(&self.context(&definition), record, what, mandate, now)?;
        Ok(self.change(record, decision, LeaseUse::None, now))
    }

    /// Pauses an account: no further job on it begins. Jobs that have written go on, and the sweep goes on reading. `by` is
    /// whom the operator gave as the author, `authority` the name of the token.
    pub async fn pause(
        &self,
        account: AccountUid,
        by: String,
        reason: String,
        authority: &str,
    ) -> Result<Pause, CommandError> {
        if !self.policy.get().knows(&account) {
            return Err(
                Declined(format!("no credentials are configured for account {account}; is it mistyped?")).into()
            );
        }
        let pause = Pause { account, since: self.clock.now(), by, authority: Some(authority.to_owned()), reason };
        if !self.store.pause(&pause).await? {
            let before = self.store.pauses().await?.into_iter().find(|known| known.account == pause.account);
            let before = before.map_or_else(|| "it has just changed".to_owned(), |before| before.to_string());
            return Err(Declined(format!("nothing was changed: {before}")).into());
        }
        let Pause { account, by, reason, .. } = &pause;
        tracing::warn!(account.uid = %account, by, token = authority, reason, "an account was paused");
        Ok(pause)
    }

    /// Ends the pause of an account: the jobs held for it begin.
    pub async fn unpause(&self, account: &AccountUid, mandate: impl Into<Mandate>) -> Result<(), CommandError> {
        let Mandate { authority, by, reason } = mandate.into();
        if !self.store.unpause(account).await? {
            return Err(Declined(format!("account {account} is not paused")).into());
        }
        tracing::warn!(account.uid = %account, by, token = authority, reason, "an account was unpaused");
        self.work.notify_one();
        Ok(())
    }
}

fn tell(record: &Record, what: Command, mandate: &Mandate) {
    let Mandate { authority, by, reason } = mandate;
    let (uid, id, command) = (record.uid, &record.job.id, what.as_str());
    tracing::info!(
        job.uid = %uid, job.id = %id, command, by, token = authority, reason, "an operator's command was carried out"
    );
}
