//! A role, assumed with a token that an OIDC provider signed: what a pod has. The call carries no signature. Its
//! parameters are the same as in the vendor's SDKs; the token travels in the body.

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

use super::CredentialError;
use super::assume_role::{granted, refused};
use super::issued::{Issued, Issuer};
use super::keys::presentable;
use super::role::Role;
use crate::cloud::envelope::{Bad, Reply, read};
use crate::cloud::rpc::{Client, bad};
use crate::domain::Operation;
use crate::engine::ports::cloud::Failure;

const OPERATION: Operation = Operation::AssumeRoleWithOIDC;

/// A role that trusts the tokens of an OIDC provider.
#[derive(Debug, Clone)]
pub struct OidcRole {
    /// A role of the account.
    pub role: Role,
    /// The ARN of the provider in the role's account.
    pub provider_arn: String,
    /// The file with the token, read anew for each session.
    pub token_file: PathBuf,
}

/// Assumes a role with a token for each new session.
pub(super) struct AssumeRoleWithOidc {
    oidc: OidcRole,
    shared: Arc<Client>,
}

impl AssumeRoleWithOidc {
    pub fn new(oidc: OidcRole, shared: Arc<Client>) -> Self {
        Self { oidc, shared }
    }

    async fn ask(&self, token: &SecretString) -> Result<Reply, Bad> {
        let http = self.request(token).map_err(|why| bad(Failure::NotSent { why }))?;
        let response = self.shared.send(http).await?;
        read(&response).map_err(|mut bad| {
            if let Failure::Refused { message, .. } = &mut bad.failure {
                *message = presentable(message, [token]);
            }
            bad
        })
    }

    fn request(&self, token: &SecretString) -> Result<Request<Bytes>, String> {
        let role = &self.oidc.role;
        let form: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("RoleArn", role.arn.as_str())
            .append_pair("OIDCProviderArn", &self.oidc.provider_arn)
            .append_pair("OIDCToken", token.expose_secret())
            .append_pair("RoleSessionName", role.session_name.as_str())
            .append_pair("DurationSeconds", &role.session_length.as_secs().to_string())
            .finish();
        let query: String = form_urlencoded::Serializer::new(String::new())
            .append_pair("Action", OPERATION.as_str())
            .append_pair("Version", OPERATION.product().version())
            .append_pair("Format", "JSON")
            .append_pair("Timestamp", &self.shared.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string())
            .append_pair("SignatureNonce", &Uuid::new_v4().simple().to_string())
            .finish();
        let endpoint = self.shared.endpoints.sts();
        Request::post(format!("{endpoint}/?{query}"))
            .header(HOST, endpoint.authority())
            .header(ACCEPT, "application/json")
            .header(USER_AGENT, concat!("crossgrant/", env!("CARGO_PKG_VERSION")))
            .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
            .body(form.into())
            .map_err(|error| format!("cannot make the request: {error}"))
    }
}

impl std::fmt::Debug for AssumeRoleWithOidc {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("AssumeRoleWithOidc").field(&self.oidc).finish()
    }
}

#[async_trait]
impl Issuer for AssumeRoleWithOidc {
    async fn issue(&self) -> Result<Issued, CredentialError> {
        let OidcRole { role, token_file, .. } = &self.oidc;
        // Read anew for each session: the file is rewritten before its token ends.
        let token = std::fs::read_to_string(token_file)
            .map_err(|error| format!("cannot read the OIDC token in {}: {error}", token_file.display()))
            .map(|text| SecretString::from(text.trim()))
            .map_err(CredentialError::new)?;
        // No key signs the call, so the role's account is the only one it can count on.
        let passed = self.shared.pass(role.arn.account(), OPERATION).await;
        passed.map_err(|error| refused(role, error))?;
        let began = self.shared.clock.uptime();
        let result = self.ask(&token).await.map_err(|bad| bad.of(OPERATION));
        let reply = self.shared.told(role.arn.account(), OPERATION, None, began, result);
        granted(role, &reply.map_err(|error| refused(role, error))?, &self.shared)
    }
}
