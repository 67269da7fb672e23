//! The commands of operators, carried out: decided, committed, logged.

use std::sync::Arc;

use crate::domain::{AccountUid, JobUid};
use crate::engine::decide::command::{Command, Declined, command};
use crate::engine::guards::Pause;
use crate::engine::loops::shared::Engine;
use crate::engine::ports::store::{Committed, LeaseUse, StoreError};
use crate::engine::record::Record;

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

impl Engine {
    /// Whether a command on a job would be carried out now.
    pub async fn would_obey(&self, record: &Record, what: Command) -> Result<bool, StoreError> {
        let (definition, _) = self.definition_of(record).await?;
        Ok(command(&self.context(&definition), record, what, "", self.clock.now()).is_ok())
    }

    /// Carries out a command on a job, given with the token of this name.
    pub async fn command(&self, uid: JobUid, what: Command, authority: &str) -> Result<Arc<Record>, CommandError> {
        let record = self.store.load(uid).await?.ok_or(CommandError::NotFound)?;
        let definition = self.definition(&record.definition).await?;
        let now = self.clock.now();
        let decision = command(&self.context(&definition), &record, what, authority, now)?;
        let (change, moved) = self.change(decision, LeaseUse::None, now);
        let decided = Arc::clone(&change.record);
        match self.store.commit(change).await? {
            Committed::Conflict | Committed::Paused | Committed::OverLimit(_) | Committed::Locked(_) => {
                Err(CommandError::Conflict)
            }
            Committed::Done => {
                let command = what.as_str();
                tracing::info!(job.uid = %uid, command, token = authority, "an operator's command was carried out");
                self.moved(&moved);
                self.work.notify_one();
                Ok(decided)
            }
        }
    }

    /// Approves these jobs in one commit, each for itself. Returns those that were approved: a job that changed at the same
    /// moment is not among them.
    pub async fn approve(&self, jobs: &[Record], authority: &str) -> Result<Vec<JobUid>, CommandError> {
        let now = self.clock.now();
        let (mut changes, mut moves) = (Vec::with_capacity(jobs.len()), Vec::with_capacity(jobs.len()));
        for record in jobs {
            let definition = self.definition(&record.definition).await?;
            let decision = command(&self.context(&definition), record, Command::Approve, authority, now)?;
            let (change, moved) = self.change(decision, LeaseUse::None, now);
            changes.push(change);
            moves.push((record.uid, moved));
        }
        let committed = self.store.commit_all(changes).await?;
        let done = moves.iter().zip(committed).filter(|(_, committed)| *committed == Committed::Done);
        let approved: Vec<JobUid> = done
            .map(|((uid, moved), _)| {
                self.moved(moved);
                *uid
            })
            .collect();
        tracing::info!(jobs = approved.len(), token = authority, "an operator approved jobs");
        self.work.notify_one();
        Ok(approved)
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
    pub async fn unpause(&self, account: &AccountUid, authority: &str) -> Result<(), CommandError> {
        if !self.store.unpause(account).await? {
            return Err(Declined(format!("account {account} is not paused")).into());
        }
        tracing::warn!(account.uid = %account, token = authority, "an account was unpaused");
        self.work.notify_one();
        Ok(())
    }
}
