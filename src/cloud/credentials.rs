//! The keys of an account, and where they come from. A secret is a [`SecretString`]: it has no `Display`, and its
//! `Debug` shows nothing.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use crate::domain::AccountUid;

/// What signs a request.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Names the key; not a secret.
    pub access_key_id: String,
    /// Signs.
    pub access_key_secret: SecretString,
    /// Goes with temporary keys (`STS.…`).
    pub security_token: Option<SecretString>,
}

/// Why there are no keys to sign with. The text never holds a secret.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct CredentialError(pub String);

/// Where keys come from. A source is one identity, however often it renews its keys.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Keys good for a request that is sent now. Asked before every attempt, so an implementation caches.
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError>;
}

/// Keys that were configured and stay.
#[derive(Debug, Clone)]
pub struct StaticKeys(Arc<Keys>);

impl StaticKeys {
    /// An access key pair, with the security token if it is a temporary one.
    pub fn new(access_key_id: impl Into<String>, secret: SecretString, security_token: Option<SecretString>) -> Self {
        Self(Arc::new(Keys { access_key_id: access_key_id.into(), access_key_secret: secret, security_token }))
    }
}

#[async_trait]
impl CredentialSource for StaticKeys {
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError> {
        Ok(self.0.clone())
    }
}

/// The credential that is configured for an account.
#[derive(Debug, Clone)]
pub struct AccountCredentials {
    /// The account it is meant to be of; what it is really of is checked before it is used.
    pub uid: AccountUid,
    /// Where its keys come from.
    pub source: Arc<dyn CredentialSource>,
}

impl AccountCredentials {
    /// A credential of an account.
    pub fn new(uid: AccountUid, source: impl CredentialSource) -> Self {
        Self { uid, source: Arc::new(source) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debug_shows_no_secret() {
        let keys = StaticKeys::new("LTAI-visible", "s3cr3t-key".into(), Some("s3cr3t-token".into()));
        let account = AccountCredentials::new(AccountUid::parse("1250123456123456").unwrap(), keys);
        let shown = format!("{account:?} {account:#?}");
        assert!(shown.contains("LTAI-visible"), "{shown}");
        assert!(!shown.contains("s3cr3t"), "{shown}");
    }
}
