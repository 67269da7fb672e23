//! The keys of an account, and where they come from. A secret is a [`SecretString`](secrecy::SecretString): it has no
//! `Display`, and its `Debug` shows nothing.
//!
//! | file | |
//! |---|---|
//! | `keys` | what signs, and keys that stay |
//! | `credential` | what is configured for an account, and the source it becomes |
//! | `role` | what a role is assumed with, checked |
//! | `session` | keys that end: renewed before they do, once for all who wait |
//! | `assume_role`, `oidc`, `instance`, `uri` | who issues them |
//! | `local` | requests to a service beside the worker |

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
pub use credential::{AccountCredentials, Credential, OidcRole};
pub use instance::MachineRole;
pub use keys::{Keys, StaticKeys};
pub use role::{BadRole, ExternalId, Role, RoleArn, SessionLength, SessionName};
pub use uri::{BadCredentialsUri, CredentialsUri};

/// Why there are no keys to sign with. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{why}")]
pub struct CredentialError {
    /// What was in the way.
    pub why: String,
    /// The delay that whoever issues the keys asked for.
    pub retry_after: Option<Duration>,
    /// What it was refused with, if it was refused.
    pub refusal: Option<Refusal>,
}

impl CredentialError {
    /// An error that asks for no delay and was no refusal.
    pub fn new(why: impl Into<String>) -> Self {
        Self { why: why.into(), retry_after: None, refusal: None }
    }
}

/// Where keys come from.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Keys good for a request that is sent now. Asked before every attempt, so an implementation caches.
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError>;

    /// The cloud refused a request signed with these keys because they are no longer good. Whoever is asked next gets
    /// others, if there are any; a refusal of keys that were replaced meanwhile changes nothing.
    fn invalidate(&self, _refused: &Arc<Keys>) {}
}
