//! Makes the status: from counts, and from the records of the jobs that need a person.

use std::collections::BTreeMap;

use axum::Json;
use axum::extract::State;

use super::error::ApiError;
use super::needs::{Needs, dead_lettered, unreadable};
use super::parts::Admin;
use super::status::{AccountStatus, GoesOn, OpenBatches, Status};
use crate::clock::earlier;
use crate::engine::guards::Pause;
use crate::engine::loops::listing::MOST_READ;
use crate::engine::ports::account::{AccountReport, RefusedCredential, Standing};
use crate::engine::ports::store::{Filter, StoreError};
use crate::engine::record::State as JobState;

pub(super) async fn status(State(admin): State<Admin>) -> Result<Json<Status>, ApiError> {
    let clock = &*admin.parts().engine.clock;
    Ok(Json(admin.asked().status.get(clock, admin.status()).await?))
}

impl Admin {
    async fn status(&self) -> Result<Status, StoreError> {
        let engine = &self.parts().engine;
        let (store, now) = (&engine.store, engine.clock.now());
        let counts = store.counts().await?;
        let mut jobs = BTreeMap::new();
        for ((_, state), count) in &counts.jobs {
            *jobs.entry(*state).or_default() += count;
        }
        let mut needs = Needs::default();
        let parked = jobs.get(&JobState::Parked).copied().unwrap_or_default();
        // Half done is worse than anything, so it is read first; what is parked so, again with the others.
        let half_done = Filter { half_done: Some(true), ..Filter::default() };
        engine.visit(&half_done, MOST_READ, |record| needs.add(record)).await?;
        if parked > 0 {
            let others = Filter { states: vec![JobState::Parked], ..Filter::default() };
            engine.visit(&others, MOST_READ, |record| needs.add(record)).await?;
        }
        // A wait is overdue hours after the hour, and no wait is before its job was accepted.
        let until = earlier(now, engine.announcer.hour.length());
        let ages = store.ages(until).await?;
        let late = Filter { states: vec![JobState::Waiting], until: Some(until), ..Filter::default() };
        engine.visit(&late, MOST_READ, |record| needs.add(record)).await?;
        let checks = self.readiness().await.checks;
        let accounts = store.pauses().await?.into_iter().map(|pause| {
            let held = Some(counts.held.get(&pause.account).copied().unwrap_or_default());
            let Pause { account, since, by, authority, reason } = pause;
            let token = authority.map(|name| format!(" (token {name})")).unwrap_or_default();
            AccountStatus { account, state: "paused".into(), since, detail: format!("by {by}{token}: {reason}"), held }
        });
        let known = self.needed_accounts().await?;
        let accounts = accounts.chain(known.iter().filter_map(in_trouble)).collect();
        let goes_on = store.outlook().await?.into_iter().map(|outlook| GoesOn {
            state: outlook.state,
            jobs: outlook.jobs,
            until: outlook.due.filter(|due| *due > now),
            oldest: outlook.oldest,
        });
        let kept = self.parts().broker.as_ref().map_or(0, |broker| broker.dead_lettered());
        let mut needs = needs.all(now, parked, counts.undeliverable, &checks, &known);
        // Once more, for those that were met in between.
        needs.extend(unreadable(&store.counts().await?.unreadable));
        needs.extend(dead_lettered(kept));
        Ok(Status {
            version: env!("CARGO_PKG_VERSION").into(),
            workers: store.workers(),
            running_seconds: self.running().as_secs(),
            store_bytes: store.size().await?,
            now,
            next_hour: engine.announcer.hour.next_after(now),
            hour_seconds: engine.announcer.hour.length().as_secs(),
            needs,
            goes_on: goes_on.collect(),
            accounts,
            checks,
            batches: OpenBatches { open: ages.open_batches, oldest: ages.oldest_batch },
            outbox: counts.outbox,
            rejected: counts.rejected,
            jobs,
        })
    }
}

impl Admin {
    /// The accounts, without those that are gone from the configuration and that no job needs any more.
    async fn needed_accounts(&self) -> Result<Vec<AccountReport>, StoreError> {
        let engine = &self.parts().engine;
        let open: Vec<JobState> = JobState::ALL.into_iter().filter(|state| !state.is_terminal()).collect();
        let mut needed = Vec::new();
        for known in engine.cloud.accounts() {
            if known.standing.refusal().is_some_and(RefusedCredential::is_not_configured) {
                let (states, account) = (open.clone(), Some(known.uid.clone()));
                let jobs = Filter { states, account, limit: 1, ..Filter::default() };
                if engine.store.list(&jobs).await?.is_empty() {
                    continue;
                }
            }
            needed.push(known);
        }
        Ok(needed)
    }
}

/// An account with which the worker cannot do everything.
fn in_trouble(known: &AccountReport) -> Option<AccountStatus> {
    let since = match &known.standing {
        Standing::Unknown | Standing::Ok => return None,
        Standing::Refused(refusal) | Standing::Probing(refusal) => refusal.since,
        Standing::Unreachable { since, .. } => *since,
    };
    let detail = known.standing.says().unwrap_or_default();
    Some(AccountStatus { account: known.uid.clone(), state: known.standing.as_str().into(), since, detail, held: None })
}
