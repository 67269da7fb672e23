//! Reading the configuration of the worker again, on demand.

use axum::extract::State;
use axum::{Extension, Json};

use super::error::ApiError;
use super::parts::Admin;
use super::reload::{Reloaded, reading};
use super::tokens::Authority;

pub(super) async fn reload(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
) -> Result<Json<Reloaded>, ApiError> {
    let Some(reload) = admin.reload() else {
        return Err(ApiError::Declined("this worker has no configuration to read again".into()));
    };
    let by = format!("POST /v1/reload, token {}", authority.token);
    let reloaded = reading(reload, move |reload| reload.reload(&by)).await?;
    let unusable = |faults: Vec<String>| {
        let faults = faults.join("; ");
        ApiError::Declined(format!("the configuration cannot be used, and nothing was changed: {faults}"))
    };
    reloaded.map(Json).map_err(unusable)
}
