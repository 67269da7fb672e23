//! What signs a request.

use secrecy::{ExposeSecret, SecretString};

/// The longest message of the cloud that is kept, in characters.
const MAX_MESSAGE: usize = 1024;

/// An access key, with the security token if it is a temporary one.
#[derive(Debug, Clone)]
pub struct Keys {
    /// Who these keys act as: the same for all sessions of one role, another for another role. The account that was proven
    /// for a credential holds while this stays the same.
    pub principal: String,
    /// The name of the key, which is not secret.
    pub access_key_id: String,
    /// The HMAC key of every signature.
    pub access_key_secret: SecretString,
    /// Sent with temporary keys (`STS.…`); `None` for others.
    pub security_token: Option<SecretString>,
}

impl Keys {
    /// A message of the cloud without these keys' secrets.
    pub(in crate::cloud) fn presentable(&self, message: &str) -> String {
        presentable(message, [Some(&self.access_key_secret), self.security_token.as_ref()].into_iter().flatten())
    }
}

/// A message of the cloud without our secrets, and shortened. The cloud answers a wrong signature with the text it
/// signed itself, which holds the security token.
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
