//! The role of the machine this runs on, from the metadata service (API §K). First a token is requested, which a
//! mistakenly forwarded request could not get; with it the name of the role, if none is configured, and then the keys.
//!
//! An old machine serves no tokens, and in a container the answer with the token may not arrive (its hop limit is one).
//! Then the keys are requested without a token, as the vendor's clients do, unless that is switched off. This is no risk:
//! a service that insists on tokens refuses, and one that does not would answer every program on the machine.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::header::{HOST, HeaderValue};
use http::{Method, Request};

use super::CredentialError;
use super::issued::{self, Issued, Issuer};
use super::local::{self, Miss};
use crate::cloud::rpc::Client;
use crate::cloud::transport::Direct;

const TTL: &str = "x-aliyun-ecs-metadata-token-ttl-seconds";
const TOKEN: &str = "x-aliyun-ecs-metadata-token";
/// How long a token lasts. Each request for keys gets a new one.
const TTL_SECONDS: HeaderValue = HeaderValue::from_static("60");
/// Lists the machine's role, and holds its keys.
const FOLDER: &str = "/latest/meta-data/ram/security-credentials/";
/// The service is on the same machine, so an answer that takes longer will not come.
const WITHIN: Duration = Duration::from_secs(2);

/// A role of the machine, and how its keys are requested.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineRole {
    /// The role's name; `None`: the machine is asked for it.
    pub name: Option<String>,
    /// Whether keys may be requested without a token if the service gives none.
    pub without_token: bool,
}

impl MachineRole {
    /// The role that the machine has, whatever its name is.
    pub fn any() -> Self {
        Self { name: None, without_token: true }
    }
}

impl From<&str> for MachineRole {
    fn from(name: &str) -> Self {
        Self { name: Some(name.to_owned()), ..Self::any() }
    }
}

impl fmt::Display for MachineRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "the instance role {name}"),
            None => f.write_str("the role of this machine"),
        }
    }
}

/// Requests the keys of the machine's role.
pub(super) struct InstanceRole {
    role: MachineRole,
    shared: Arc<Client>,
}

/// What a request to the service carries.
enum Pass {
    Token(HeaderValue),
    /// No token, and why there is none.
    Nothing(Miss),
}

impl InstanceRole {
    pub fn new(role: MachineRole, shared: Arc<Client>) -> Self {
        Self { role, shared }
    }

    async fn ask(
        &self,
        method: Method,
        path: &str,
        header: Option<(&'static str, HeaderValue)>,
    ) -> Result<Bytes, Miss> {
        let endpoint = self.shared.endpoints.metadata();
        let mut request =
            Request::builder().method(method).uri(format!("{endpoint}{path}")).header(HOST, endpoint.authority());
        if let Some((name, value)) = header {
            request = request.header(name, value);
        }
        let mut request = request.body(Bytes::new()).map_err(|error| Miss::NotSent(error.to_string()))?;
        request.extensions_mut().insert(Direct);
        local::ask(&self.shared, request, WITHIN).await
    }

    fn failed(&self, miss: &Miss, path: &str, more: &str) -> CredentialError {
        miss.error(format!("no keys of {}: {path}: {miss}{more}", self.role))
    }

    async fn pass(&self) -> Result<Pass, CredentialError> {
        const PATH: &str = "/latest/api/token";
        let miss = match self.ask(Method::PUT, PATH, Some((TTL, TTL_SECONDS))).await {
            Ok(token) => {
                let mut token = HeaderValue::from_maybe_shared(token)
                    .map_err(|_| CredentialError::new("the metadata service's token is not fit for a header"))?;
                token.set_sensitive(true);
                return Ok(Pass::Token(token));
            }
            Err(miss) => miss,
        };
        // A service that is not there, or fails for the moment, would not answer without a token either.
        let knows_none = match miss {
            Miss::Refused(status) => status == 501 || (400..500).contains(&status) && status != 429,
            Miss::Unanswered(_) => true,
            Miss::NotSent(_) => false,
        };
        if !knows_none {
            return Err(self.failed(&miss, PATH, ""));
        }
        if !self.role.without_token {
            let more = "; asking without a token is switched off (ALIBABA_CLOUD_IMDSV1_DISABLED)";
            return Err(self.failed(&miss, PATH, more));
        }
        tracing::info!(why = %miss, "the metadata service gives no token; the keys are requested without one");
        Ok(Pass::Nothing(miss))
    }

    async fn get(&self, path: &str, pass: &Pass) -> Result<Bytes, CredentialError> {
        match pass {
            Pass::Token(token) => {
                let got = self.ask(Method::GET, path, Some((TOKEN, token.clone()))).await;
                got.map_err(|miss| self.failed(&miss, path, ""))
            }
            Pass::Nothing(no_token) => self.ask(Method::GET, path, None).await.map_err(|miss| {
                let more = format!(", asked without a token (the request for one: {no_token})");
                let error = self.failed(&miss, path, &more);
                // The token may come the next time, so this refusal, without one, means nothing.
                match no_token {
                    Miss::Unanswered(_) => CredentialError::new(error.why),
                    Miss::Refused(_) | Miss::NotSent(_) => error,
                }
            }),
        }
    }

    async fn name(&self, pass: &Pass) -> Result<String, CredentialError> {
        if let Some(name) = &self.role.name {
            return Ok(name.clone());
        }
        let listed = self.get(FOLDER, pass).await?;
        let name = String::from_utf8_lossy(&listed).trim().to_owned();
        let named = name.bytes().all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b));
        if name.is_empty() || !named {
            let why = format!("no keys of {}: {FOLDER} does not list one role", self.role);
            return Err(CredentialError::new(why));
        }
        Ok(name)
    }
}

impl fmt::Debug for InstanceRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("InstanceRole").field(&self.role).finish()
    }
}

#[async_trait]
impl Issuer for InstanceRole {
    async fn issue(&self) -> Result<Issued, CredentialError> {
        let pass = self.pass().await?;
        let name = self.name(&pass).await?;
        let asked = self.shared.clock.now();
        let answer = self.get(&format!("{FOLDER}{name}"), &pass).await?;
        issued::read_answer(&answer, &self.role.to_string(), |_| format!("ecs-ram-role/{name}"), asked)
    }
}
