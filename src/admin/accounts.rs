//! Pauses of accounts: listing, making and ending them.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};
use serde::{Deserialize, Serialize};

use super::error::ApiError;
use super::mandate;
use super::parts::Admin;
use super::tokens::Authority;
use crate::domain::AccountUid;
use crate::engine::guards::Pause;

/// The answer to `GET /v1/accounts/paused`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// The pauses, in the order of their accounts' uids.
    pub accounts: Vec<Pause>,
}

/// The answer to `POST /v1/accounts/{uid}/unpause`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaused {
    /// The account whose pause has ended.
    pub account: AccountUid,
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
    Ok(Json(admin.parts().engine.pause(account, by, reason, &authority.token).await?))
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
    Ok(Json(Unpaused { account }))
}

fn account(uid: Result<Path<String>, PathRejection>) -> Result<AccountUid, ApiError> {
    let Path(uid) = uid.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    AccountUid::parse(uid.as_str()).map_err(|error| ApiError::BadRequest(format!("{uid}: {error}")))
}
