//! Keys that are configured, and do not end.

use std::sync::Arc;

use async_trait::async_trait;
use secrecy::SecretString;

use super::keys::Keys;
use super::source::{CredentialError, CredentialSource};

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
}
