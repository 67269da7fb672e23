//! Keys that end, kept until shortly before they do.
//!
//! The first caller that comes when less than a quarter of their life is left (or 15 minutes, if that is less) renews
//! them; callers that come meanwhile wait for that one request and share its result. If it fails while the old keys are
//! still good, these are used on, and the renewal is tried again half a minute later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::issued::{Issued, Issuer};
use super::keys::Keys;
use super::{CredentialError, CredentialSource, HeldKeys};
use crate::clock::{Clock, later};
use crate::cloud::single_flight::SingleFlight;

/// Keys are not renewed earlier than this before they end.
const MARGIN: Duration = Duration::from_secs(15 * 60);
/// The pause after a failed renewal while the old keys are still good.
const PAUSE: Duration = Duration::from_secs(30);

/// The keys of one issuer.
pub(super) struct Renewing<I> {
    issuer: I,
    clock: Arc<dyn Clock>,
    current: Mutex<Option<Current>>,
    flight: SingleFlight<CredentialError>,
}

#[derive(Clone)]
struct Current {
    keys: Arc<Keys>,
    renew: Timestamp,
    ends: Timestamp,
}

impl<I: Issuer> Renewing<I> {
    pub fn new(issuer: I, clock: Arc<dyn Clock>) -> Self {
        Self { issuer, clock, current: Mutex::default(), flight: SingleFlight::default() }
    }

    fn current(&self) -> std::sync::MutexGuard<'_, Option<Current>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The keys, if they need no renewal yet.
    fn fresh(&self) -> Option<Arc<Keys>> {
        let now = self.clock.now();
        self.current().as_ref().filter(|current| now < current.renew).map(|current| current.keys.clone())
    }

    async fn renew(&self) -> Result<Arc<Keys>, CredentialError> {
        let asked = self.clock.now();
        match self.issuer.issue().await {
            Ok(Issued { keys, life }) => {
                let ends = later(asked, life);
                let renew = later(asked, life - MARGIN.min(life / 4));
                *self.current() = Some(Current { keys: keys.clone(), renew, ends });
                tracing::debug!(
                    credential.principal = keys.principal,
                    credential.life_seconds = life.as_secs(),
                    "keys renewed"
                );
                Ok(keys)
            }
            Err(error) => {
                let now = self.clock.now();
                let mut current = self.current();
                let Some(old) = current.as_mut().filter(|old| now < old.ends) else { return Err(error) };
                tracing::warn!(
                    credential.principal = old.keys.principal,
                    %error,
                    "renewal of keys failed; the old keys are still good, and renewal is tried again"
                );
                old.renew = later(now, error.retry_after.unwrap_or_default().max(PAUSE)).min(old.ends);
                Ok(old.keys.clone())
            }
        }
    }
}

impl<I: Issuer> std::fmt::Debug for Renewing<I> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Renewing").field(&self.issuer).finish()
    }
}

#[async_trait]
impl<I: Issuer> CredentialSource for Renewing<I> {
    async fn keys(&self) -> Result<Arc<Keys>, CredentialError> {
        self.flight.run(|| self.fresh(), || self.renew()).await
    }

    fn held(&self) -> Option<HeldKeys> {
        self.current().as_ref().map(|current| HeldKeys { keys: current.keys.clone(), ends: Some(current.ends) })
    }

    fn invalidate(&self, refused: &Arc<Keys>) {
        let mut current = self.current();
        if current.as_ref().is_some_and(|current| Arc::ptr_eq(&current.keys, refused)) {
            *current = None;
        }
    }
}
