//! The role of the machine this runs on, from the metadata service: first a token, which a request forwarded by
//! somebody else's mistake cannot get, then with it the keys.

use std::sync::Arc;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Method, Request};
use serde_json_borrow::OwnedValue;

use super::CredentialError;
use super::issued::{self, Issued, Issuer};
use crate::cloud::endpoint::Endpoint;
use crate::cloud::rpc::Shared;
use crate::cloud::transport::Direct;
use crate::engine::cloud::Refusal;

const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
/// A token is asked for anew each time keys are; it need not last.
const TTL_SECONDS: HeaderValue = HeaderValue::from_static("60");

/// The keys of an instance role.
pub(super) struct InstanceRole {
    role: String,
    shared: Arc<Shared>,
}

impl InstanceRole {
    pub fn new(role: String, shared: Arc<Shared>) -> Self {
        Self { role, shared }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        (name, value): (&'static str, HeaderValue),
    ) -> Result<Bytes, CredentialError> {
        let endpoint: Endpoint = self.shared.endpoints.metadata();
        let failed =
            |why: String| CredentialError::new(format!("no keys of the instance role {}: {path}: {why}", self.role));
        let mut request = Request::builder()
            .method(method)
            .uri(format!("{endpoint}{path}"))
            .header(HOST, endpoint.authority())
            .header(name, value)
            .body(Bytes::new())
            .map_err(|error| failed(error.to_string()))?;
        request.extensions_mut().insert(Direct);
        let response = self.shared.send(request).await.map_err(|bad| failed(bad.failure.to_string()))?;
        if !response.status().is_success() {
            let status = response.status().as_u16();
            let refusal = Some(Refusal { asked: "metadata".to_owned(), status, code: String::new() });
            return Err(CredentialError { refusal, ..failed(format!("HTTP {status}")) });
        }
        Ok(response.into_body())
    }
}

impl std::fmt::Debug for InstanceRole {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("InstanceRole").field(&self.role).finish()
    }
}

#[async_trait]
impl Issuer for InstanceRole {
    async fn issue(&self) -> Result<Issued, CredentialError> {
        let token = self.ask(Method::PUT, "/latest/api/token", (TTL, TTL_SECONDS)).await?;
        let mut token = HeaderValue::from_maybe_shared(token)
            .map_err(|_| CredentialError::new("the metadata service's token is not fit for a header"))?;
        token.set_sensitive(true);
        let path = format!("/latest/meta-data/ram/security-credentials/{}", self.role);
        let asked = self.shared.clock.now();
        let body = self.ask(Method::GET, &path, (TOKEN, token)).await?;
        let body = OwnedValue::from_slice(&body)
            .map_err(|_| CredentialError::new(format!("the keys of the instance role {} are not JSON", self.role)))?;
        issued::read(&body, format!("ecs-ram-role/{}", self.role), asked)
    }
}
