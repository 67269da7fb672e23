//! Accounts: what is known of them; listing, making and ending their pauses.

use std::collections::BTreeSet;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::mandate;
use super::parts::Admin;
use super::reload::reading;
use super::tokens::Authority;
use crate::domain::{AccountUid, Site};
use crate::engine::guards::Pause;
use crate::engine::ports::account::AccountReport;

/// The answer to `GET /v1/accounts`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountsView {
    /// In the order of the uids.
    pub accounts: Vec<AccountView>,
    /// What is wrong with the configuration as it is now, so that it cannot be compared with what the worker uses.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub faults: Vec<String>,
}

/// An account of a worker.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct AccountView {
    /// What this worker knows of it.
    #[serde(flatten)]
    pub report: AccountReport,
    /// The vendor's site at which it is registered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub site: Option<Site>,
    /// Whether another credential is configured for it by now than the worker uses.
    #[serde(default)]
    pub outdated: bool,
}

/// The answer to `GET /v1/accounts/paused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Paused {
    /// The pauses, in the order of their accounts' uids.
    pub accounts: Vec<Pause>,
}

/// The answer to `POST /v1/accounts/{uid}/unpause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Unpaused {
    /// The account whose pause has ended.
    pub account: AccountUid,
}

pub(super) async fn accounts(State(admin): State<Admin>) -> Result<Json<AccountsView>, ApiError> {
    let engine = &admin.parts().engine;
    let (outdated, faults) = match admin.outdated().await {
        Ok(outdated) => (outdated, vec![]),
        Err(faults) => (BTreeSet::new(), faults),
    };
    let policy = engine.policy.get();
    let view = |report: AccountReport| AccountView {
        site: policy.site(&report.uid),
        outdated: outdated.contains(&report.uid),
        report,
    };
    Ok(Json(AccountsView { accounts: engine.cloud.accounts().into_iter().map(view).collect(), faults }))
}

impl Admin {
    /// Read at each request, which needs a token: right after a reload an older answer would be wrong.
    async fn outdated(&self) -> Result<BTreeSet<AccountUid>, Vec<String>> {
        let Some(reload) = self.reload() else { return Ok(BTreeSet::new()) };
        reading(reload, |reload| reload.outdated()).await.unwrap_or_else(|error| Err(vec![error.to_string()]))
    }
}

pub(super) async fn paused(State(admin): State<Admin>) -> Result<Json<Paused>, ApiError> {
    Ok(Json(Paused { accounts: admin.parts().engine.store.pauses().await? }))
}

/// Pauses an account. `by=…` and `reason=…` are kept as given, beside the name of the token; `by` is not verified.
pub(super) async fn pause(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    uid: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Pause>, ApiError> {
    let account = account(uid)?;
    let said = mandate::read(query.as_deref())?;
    let (Some(by), Some(reason)) = (said.by, said.reason) else {
        return Err(ApiError::BadRequest("by=… and reason=… are required: jobs that are held show both".into()));
    };
    let pause = admin.parts().engine.pause(account, by, reason, &authority.token).await?;
    admin.changed().await;
    Ok(Json(pause))
}

pub(super) async fn unpause(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    uid: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Unpaused>, ApiError> {
    let account = account(uid)?;
    let said = mandate::read(query.as_deref())?;
    admin.parts().engine.unpause(&account, said.with(&authority)).await?;
    admin.changed().await;
    Ok(Json(Unpaused { account }))
}

fn account(uid: Result<Path<String>, PathRejection>) -> Result<AccountUid, ApiError> {
    let Path(uid) = uid.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    AccountUid::parse(uid.as_str()).map_err(|error| ApiError::BadRequest(format!("{uid}: {error}")))
}
