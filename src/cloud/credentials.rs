//! The keys of an account, and where they come from. Every secret is a [`SecretString`](secrecy::SecretString), which has
//! no `Display` and whose `Debug` shows nothing.
//!
//! | file | |
//! |---|---|
//! | `keys` | what signs a request, and keys that do not end |
//! | `credential` | what is configured for an account, and the source of keys made from it |
//! | `role` | the parameters for assuming a role, checked |
//! | `renewing` | keys that end: renewed before they do, once for all callers that wait |
//! | `assume_role`, `oidc`, `instance`, `uri` | the services that issue them |
//! | `local` | requests to a service beside the worker, not to the cloud |

mod assume_role;
mod credential;
mod instance;
mod issued;
mod keys;
mod local;
mod oidc;
mod renewing;
mod role;
#[cfg(test)]
mod tests;
mod uri;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::engine::ports::cloud::Refusal;

pub(super) use credential::Sources;
pub use credential::{AccountCredentials, Credential};
pub use instance::MachineRole;
pub use keys::{Keys, StaticKeys};
pub use oidc::OidcRole;
pub use role::{BadRole, ExternalId, Role, RoleArn, SessionLength, SessionName};
pub use uri::{BadCredentialsUri, CredentialsUri};

/// Why there are no keys to sign with. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct CredentialError {
    /// The cause, in one sentence.
    pub why: String,
    /// The delay that the issuer asked for.
    pub retry_after: Option<Duration>,
    /// The issuer's refusal, if that was the cause.
    pub refusal: Option<Refusal>,
}

impl CredentialError {
    /// An error that is no refusal and names no delay.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None, refusal: None }
    }
}

/// A source of keys.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Keys that are good for a request sent now. Called before every attempt, so an implementation caches.
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError>;

    /// The cloud refused a request because these keys are no longer good: the next call of [`Self::keys`] gets others, if
    /// there are any. If the keys were replaced meanwhile, nothing changes.
    fn invalidate(&self, _refused: &Arc<Keys>) {}
}
