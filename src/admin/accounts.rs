//! Accounts that are paused.

use axum::Json;
use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use serde::{Deserialize, Serialize};

use super::Admin;
use super::error::ApiError;
use crate::domain::AccountUid;
use crate::engine::guards::Pause;

/// The longest text that is kept with a pause, in bytes.
const LONGEST: usize = 500;

/// The accounts that are paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Paused {
    /// By uid.
    pub accounts: Vec<Pause>,
}

/// What was unpaused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Unpaused {
    /// The account.
    pub account: AccountUid,
}

pub(super) async fn paused(State(admin): State<Admin>) -> Result<Json<Paused>, ApiError> {
    Ok(Json(Paused { accounts: admin.0.engine.store.pauses().await? }))
}

/// Pauses an account: `reason=…`, and `by=…`, which nobody verifies.
pub(super) async fn pause(
    State(admin): State<Admin>,
    uid: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Pause>, ApiError> {
    let account = account(uid)?;
    let (mut by, mut reason) = (String::new(), String::new());
    for (key, value) in form_urlencoded::parse(query.unwrap_or_default().as_bytes()) {
        let place = match key.as_ref() {
            "by" => &mut by,
            "reason" => &mut reason,
            _ => return Err(ApiError::BadRequest(format!("there is no parameter {key} (known: by, reason)"))),
        };
        *place = value.trim().to_owned();
    }
    for (name, text) in [("by", &by), ("reason", &reason)] {
        if text.is_empty() || text.len() > LONGEST || text.contains(char::is_control) {
            let message = format!("{name}=… must be a text of one line, up to {LONGEST} bytes");
            return Err(ApiError::BadRequest(message));
        }
    }
    Ok(Json(admin.0.engine.pause(account, by, reason).await?))
}

pub(super) async fn unpause(
    State(admin): State<Admin>,
    uid: Result<Path<String>, PathRejection>,
) -> Result<Json<Unpaused>, ApiError> {
    let account = account(uid)?;
    admin.0.engine.unpause(&account).await?;
    Ok(Json(Unpaused { account }))
}

fn account(uid: Result<Path<String>, PathRejection>) -> Result<AccountUid, ApiError> {
    let Path(uid) = uid.map_err(|error| ApiError::BadRequest(error.body_text()))?;
    AccountUid::parse(uid.as_str()).map_err(|error| ApiError::BadRequest(format!("{uid}: {error}")))
}
