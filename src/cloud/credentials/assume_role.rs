//! A role of an account, assumed with the keys of another (API §A.13).

use async_trait::async_trait;

use super::CredentialError;
use super::issued::{self, Issued, Issuer};
use super::role::Role;
use crate::cloud::envelope::Reply;
use crate::cloud::request::RpcRequest;
use crate::cloud::rpc::{Caller, Shared};
use crate::cloud::wire::{field, text};
use crate::domain::Operation;
use crate::engine::ports::cloud::{CloudError, Failure, Refusal};

/// Assumes a role, again and again.
pub(super) struct AssumeRole {
    role: Role,
    /// Calls with the keys of the other account, on whose budget STS counts the call (API §K).
    caller: Caller,
}

impl AssumeRole {
    pub fn new(role: Role, caller: Caller) -> Self {
        Self { role, caller }
    }
}

impl std::fmt::Debug for AssumeRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AssumeRole").field("role", &self.role.arn).field("with", self.caller.source()).finish()
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
        let reply = self.caller.call(&request).await.map_err(|error| refused(&self.role, error))?;
        granted(&self.role, &reply, self.caller.shared())
    }
}

/// A session could not be had.
pub(super) fn refused(role: &Role, error: CloudError) -> CredentialError {
    let why = format!("cannot assume {}: {error}", role.arn);
    let refusal = match error.failure {
        Failure::Refused { status, code, .. } => {
            error.operation.map(|operation| Refusal { asked: operation.as_str(), status, code })
        }
        // It was to be assumed with a credential that was itself refused.
        Failure::Credential { refusal, .. } => Some(*refusal),
        Failure::NotSent { .. } | Failure::Held { .. } | Failure::Unanswered { .. } => None,
    };
    CredentialError { why, retry_after: error.retry_after, refusal }
}

/// The session in an answer of STS.
pub(super) fn granted(role: &Role, reply: &Reply, shared: &Shared) -> Result<Issued, CredentialError> {
    let user = field(&reply.body, "AssumedRoleUser").and_then(|user| text(user, "Arn"));
    let principal = user.map_or_else(|| format!("{}/{}", role.arn, role.session_name.as_str()), str::to_owned);
    issued::read(reply.body.get("Credentials"), principal, reply.date.unwrap_or_else(|| shared.clock.now()))
}
