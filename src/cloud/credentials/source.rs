//! Anything that hands out the keys of an account.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use secrecy::SecretString;

use super::keys::Keys;
use crate::engine::ports::cloud::Refusal;

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

/// Keys that a source has handed out.
#[derive(Debug, Clone)]
pub struct HeldKeys {
    /// What signs.
    pub keys: Arc<Keys>,
    /// When they end; `None` if they do not.
    pub ends: Option<Timestamp>,
}

/// A source of keys.
#[async_trait]
pub trait CredentialSource: fmt::Debug + Send + Sync + 'static {
    /// Keys that are good for a request sent now. Called before every attempt, so an implementation caches.
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError>;

    /// The keys that were handed out last, and when they end; `None` before there were any.
    fn held(&self) -> Option<HeldKeys> {
        None
    }

    /// What is configured, with its secrets, to tell two sources apart; empty for one that is not told apart. Only its digest is
    /// kept.
    fn configured(&self) -> Vec<SecretString> {
        vec![]
    }

    /// The cloud refused a request because these keys are no longer good: the next call of [`Self::keys`] gets others, if
    /// there are any. If the keys were replaced meanwhile, nothing changes.
    fn invalidate(&self, _refused: &Arc<Keys>) {}
}
