//! Keys that are configured, and do not end.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::keys::Keys;
use super::source::{CredentialError, CredentialSource, HeldKeys};

/// An access key of the configuration or the environment.
#[derive(Debug, Clone)]
pub struct StaticKeys(Arc<Keys>);

impl StaticKeys {
    /// An access key pair, with its security token if it has one.
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

    fn held(&self) -> Option<HeldKeys> {
        Some(HeldKeys { keys: self.0.clone(), ends: None })
    }

    fn configured(&self) -> Vec<SecretString> {
        let Keys { access_key_id, access_key_secret, security_token, .. } = self.0.as_ref();
        let secrets = [Some(access_key_secret.clone()), security_token.clone()];
        std::iter::once(access_key_id.as_str().into()).chain(secrets.into_iter().flatten()).collect()
    }
}
