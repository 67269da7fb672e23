//! Commands on one job: cancel, resume, approve and release.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::{Extension, Json};

use super::error::ApiError;
use super::parts::Admin;
use super::tokens::Authority;
use crate::engine::decide::command::Command;
use crate::engine::record::Record;

pub(super) async fn cancel(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, Command::Cancel, &authority).await
}

pub(super) async fn resume(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, Command::Resume, &authority).await
}

pub(super) async fn approve(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, Command::Approve, &authority).await
}

pub(super) async fn release(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, Command::Release, &authority).await
}

impl Admin {
    async fn command(
        &self,
        reference: Result<Path<String>, PathRejection>,
        command: Command,
        authority: &Authority,
    ) -> Result<Json<Record>, ApiError> {
        let job = self.find(reference).await?;
        Ok(Json(Arc::unwrap_or_clone(self.parts().engine.command(job.uid, command, &authority.token).await?)))
    }
}
