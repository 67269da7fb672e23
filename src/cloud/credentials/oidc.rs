//! A role, assumed with a token that somebody else signed: what a pod has. The call carries no signature; its
//! parameters are those of the vendor's own SDKs, the token among them in the body.

use async_trait::async_trait;
use bytes::Bytes;
use http::Request;
use http::header::{ACCEPT, CONTENT_TYPE, HOST, USER_AGENT};
use secrecy::{ExposeSecret, SecretString};
use std::sync::Arc;
use uuid::Uuid;

use super::CredentialError;
use super::assume_role::{granted, refused};
use super::credential::OidcRole;
use super::issued::{Issued, Issuer};
use super::keys::presentable;
use crate::cloud::envelope::{Bad, Reply, read};
use crate::cloud::rpc::{Shared, bad};
use crate::domain::Operation;
use crate::engine::ports::cloud::Failure;

const OPERATION: Operation = Operation::AssumeRoleWithOIDC;

/// Assumes a role with a token, again and again.
pub(super) struct AssumeRoleWithOidc {
    oidc: OidcRole,
    shared: Arc<Shared>,
}

impl AssumeRoleWithOidc {
    pub fn new(oidc: OidcRole, shared: Arc<Shared>) -> Self {
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
        // Each time anew: the file is written again before the token in it ends.
        let token = std::fs::read_to_string(token_file)
            .map_err(|error| format!("cannot read the OIDC token in {}: {error}", token_file.display()))
            .map(|text| SecretString::from(text.trim()))
            .map_err(CredentialError::new)?;
        // No key signs it, so there is no other account that it could be counted on.
        let passed = self.shared.pass(role.arn.account(), OPERATION).await;
        passed.map_err(|error| refused(role, error))?;
        let began = self.shared.clock.uptime();
        let result = self.ask(&token).await;
        let reply = self.shared.told(role.arn.account(), OPERATION, began, result);
        granted(role, &reply.map_err(|error| refused(role, error))?, &self.shared)
    }
}
