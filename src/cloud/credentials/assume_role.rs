//! A role of one account, assumed with the keys of another (API §A.13).

use async_trait::async_trait;

use super::CredentialError;
use super::issued::{self, Issued, Issuer};
use super::role::Role;
use crate::cloud::envelope::Reply;
use crate::cloud::request::RpcRequest;
use crate::cloud::rpc::{AccountClient, Client};
use crate::cloud::wire::{field, text};
use crate::domain::Operation;
use crate::engine::ports::cloud::{CloudError, Failure, Refusal};

/// Assumes a role for each new session.
pub(super) struct AssumeRole {
    role: Role,
    /// Calls as the other account, because STS counts the call there (API §K).
    client: AccountClient,
}

impl AssumeRole {
    pub fn new(role: Role, client: AccountClient) -> Self {
        Self { role, client }
    }
}

impl std::fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssumeRole").field("role", &self.role.arn).field("with", self.client.source()).finish()
    }
}

#[async_trait]
impl Issuer for AssumeRole {
    async fn issue(&self) -> Result<Issued, CredentialError> {
        let Role { arn, external_id, session_name, session_length } = &self.role;
        let mut request = RpcRequest::new(Operation::AssumeRole)
            .query("RoleArn", arn)
            .query("RoleSessionName", session_name.as_str())
            .query("DurationSeconds", session_length.as_secs());
        if let Some(id) = external_id {
            request = request.query("ExternalId", id.as_str());
        }
        let reply = self.client.call(&request).await.map_err(|error| refused(&self.role, error))?;
        granted(&self.role, &reply, self.client.shared())
    }
}

/// The error that a role cannot be assumed, with the refusal that caused it.
pub(super) fn refused(role: &Role, error: CloudError) -> CredentialError {
    let why = format!("cannot assume {}: {error}", role.arn);
    let refusal = match error.failure {
        Failure::Refused { status, code, .. } => {
            error.operation.map(|operation| Refusal { asked: operation.as_str(), status, code })
        }
        // The credential it is assumed with was refused itself.
        Failure::Credential { refusal, .. } => Some(*refusal),
        Failure::NotSent { .. }
        | Failure::AccountRefused { .. }
        | Failure::Held { .. }
        | Failure::Unanswered { .. } => None,
    };
    CredentialError { why, retry_after: error.retry_after, refusal }
}

/// Reads the session in an answer of STS.
pub(super) fn granted(role: &Role, reply: &Reply, shared: &Client) -> Result<Issued, CredentialError> {
    let user = field(&reply.body, "AssumedRoleUser").and_then(|user| text(user, "Arn"));
    let principal = user.map_or_else(|| format!("{}/{}", role.arn, role.session_name.as_str()), str::to_owned);
    issued::read(reply.body.get("Credentials"), principal, reply.date.unwrap_or_else(|| shared.clock.now()))
}
