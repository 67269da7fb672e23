//! Commands on one job: cancel, resume, approve and release.

use std::sync::Arc;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, RawQuery, State};
use axum::{Extension, Json};

use super::error::ApiError;
use super::mandate;
use super::parts::Admin;
use super::tokens::Authority;
use crate::engine::decide::command::Command;
use crate::engine::record::Record;

pub(super) async fn cancel(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, query.as_deref(), Command::Cancel, &authority).await
}

pub(super) async fn resume(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, query.as_deref(), Command::Resume, &authority).await
}

pub(super) async fn approve(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, query.as_deref(), Command::Approve, &authority).await
}

pub(super) async fn release(
    State(admin): State<Admin>,
    Extension(authority): Extension<Authority>,
    reference: Result<Path<String>, PathRejection>,
    RawQuery(query): RawQuery,
) -> Result<Json<Record>, ApiError> {
    admin.command(reference, query.as_deref(), Command::Release, &authority).await
}

impl Admin {
    async fn command(
        &self,
        reference: Result<Path<String>, PathRejection>,
        query: Option<&str>,
        command: Command,
        authority: &Authority,
    ) -> Result<Json<Record>, ApiError> {
        let said = mandate::read(query)?;
        let job = self.find(reference).await?;
        self.may_command(&job, command, authority)?;
        let obeyed = self.parts().engine.command(job.uid, command, said.with(authority)).await?;
        self.changed().await;
        Ok(Json(Arc::unwrap_or_clone(obeyed)))
    }
}
