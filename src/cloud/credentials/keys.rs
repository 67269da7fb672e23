//! What signs a request.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::{ExposeSecret, SecretString};

use super::{CredentialError, CredentialSource};

/// The longest message of the cloud that is kept.
const MAX_MESSAGE: usize = 1024;

/// What signs a request.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Who these keys act as: the same for all keys of one role's sessions, another for another role. What was found
    /// out about the identity of a credential holds for as long as this stays the same.
    pub principal: String,
    /// Names the key; not a secret.
    pub access_key_id: String,
    /// Signs.
    pub access_key_secret: SecretString,
    /// Goes with temporary keys (`STS.…`).
    pub security_token: Option<SecretString>,
}

impl Keys {
    /// The cloud's message as it can be shown.
    pub(in crate::cloud) fn presentable(&self, message: &str) -> String {
        presentable(message, [Some(&self.access_key_secret), self.security_token.as_ref()].into_iter().flatten())
    }
}

/// The cloud's message without our secrets and not longer than is useful. A refused signature is answered with the
/// text the server signed, and that holds the security token.
pub(super) fn presentable<'s>(message: &str, secrets: impl IntoIterator<Item = &'s SecretString>) -> String {
    let mut text = message.to_owned();
    for secret in secrets.into_iter().map(SecretString::expose_secret).filter(|s| !s.is_empty()) {
        text = text.replace(secret, "***");
    }
    if let Some((end, _)) = text.char_indices().nth(MAX_MESSAGE) {
        text.truncate(end);
        text.push('…');
    }
    text
}

/// Keys that were configured and stay.
#[derive(Debug, Clone)]
pub struct StaticKeys(Arc<Keys>);

impl StaticKeys {
    /// An access key pair, with the security token if it is a temporary one.
    pub fn new(access_key_id: impl Into<String>, secret: SecretString, security_token: Option<SecretString>) -> Self {
        let access_key_id = access_key_id.into();
        let principal = access_key_id.clone();
        Self(Arc::new(Keys { principal, access_key_id, access_key_secret: secret, security_token }))
    }
}

#[async_trait]
impl CredentialSource for StaticKeys {
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError> {
        Ok(self.0.clone())
    }
}
