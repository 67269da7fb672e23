//! Keys as STS and the metadata service write them (API §A.13).

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use serde_json_borrow::{OwnedValue, Value};

use super::CredentialError;
use super::keys::Keys;
use crate::clock::until;
use crate::cloud::wire::text;

/// Keys that end, as they were issued.
#[derive(Debug, Clone)]
pub(super) struct Issued {
    pub keys: Arc<Keys>,
    /// How long they were good for when they were issued, by the issuer's clock. The instant in the answer would be wrong by
    /// as much as this machine's clock is.
    pub life: Duration,
}

/// A service that hands out keys.
#[async_trait]
pub(super) trait Issuer: fmt::Debug + Send + Sync + 'static {
    /// Requests new keys. Called once at a time; the caller keeps the result.
    async fn issue(&self) -> Result<Issued, CredentialError>;
}

/// Reads the answer of a service beside the worker: an object with keys, whose `Code` must be `Success` (API §K).
/// `principal` tells from the key's id who the keys act as.
pub(super) fn read_answer(
    answer: &[u8],
    of: &str,
    principal: impl FnOnce(&str) -> String,
    at: Timestamp,
) -> Result<Issued, CredentialError> {
    let body = OwnedValue::from_slice(answer)
        .map_err(|_| CredentialError::new(format!("what {of} was answered with is not JSON")))?;
    match text(&body, "Code") {
        Some("Success") => read(&body, principal(text(&body, "AccessKeyId").unwrap_or_default()), at),
        Some(code) => Err(CredentialError::new(format!("{of} was answered with Code {code:?} and not \"Success\""))),
        None => Err(CredentialError::new(format!("{of} was answered without Code \"Success\""))),
    }
}

/// Reads an object with `AccessKeyId`, `AccessKeySecret`, `SecurityToken` and `Expiration` from an answer given at `at`.
/// An error names what is missing and shows nothing of what is there.
pub(super) fn read(body: &Value<'_>, principal: String, at: Timestamp) -> Result<Issued, CredentialError> {
    let need = |name: &str| {
        text(body, name).ok_or_else(|| CredentialError::new(format!("the answer has no {name} for {principal}")))
    };
    let expires: Timestamp = need("Expiration")?
        .parse()
        .map_err(|_| CredentialError::new(format!("the answer has no readable Expiration for {principal}")))?;
    let (id, secret, token) = (need("AccessKeyId")?, need("AccessKeySecret")?, need("SecurityToken")?);
    let life = until(at, expires);
    if life.is_zero() {
        return Err(CredentialError::new(format!("the keys that were issued for {principal} have already ended")));
    }
    let keys = Keys {
        access_key_id: id.to_owned(),
        access_key_secret: secret.into(),
        security_token: Some(token.into()),
        principal,
    };
    Ok(Issued { keys: Arc::new(keys), life })
}
