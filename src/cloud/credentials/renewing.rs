//! Keys that end, kept until shortly before they do.
//!
//! They are renewed when less than a quarter of their life is left, or 15 minutes if that is less, by whoever comes
//! first; everybody else who comes meanwhile waits for that one request and shares its end. A failure is told to those
//! who waited for it and to nobody after. While the old keys are still good a failure is no error: they are used on,
//! and the renewal is tried again half a minute later.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;

use super::issued::{Issued, Issuer};
use super::keys::Keys;
use super::{CredentialError, CredentialSource};
use crate::clock::{Clock, later};
use crate::cloud::single_flight::SingleFlight;

/// The most that is left of a life when it is renewed.
const MARGIN: Duration = Duration::from_secs(15 * 60);
/// After a renewal failed that was not needed yet.
const PAUSE: Duration = Duration::from_secs(30);

/// A session with an issuer.
pub(super) struct Renewing<I> {
    issuer: I,
    clock: Arc<dyn Clock>,
    held: Mutex<Option<Current>>,
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
        Self { issuer, clock, held: Mutex::default(), flight: SingleFlight::default() }
    }

    fn held(&self) -> std::sync::MutexGuard<'_, Option<Current>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Keys that need nothing.
    fn fresh(&self) -> Option<Arc<Keys>> {
        let now = self.clock.now();
        self.held().as_ref().filter(|held| now < held.renew).map(|held| held.keys.clone())
    }

    async fn renew(&self) -> Result<Arc<Keys>, CredentialError> {
        let asked = self.clock.now();
        match self.issuer.issue().await {
            Ok(Issued { keys, life }) => {
                let ends = later(asked, life);
                let renew = later(asked, life - MARGIN.min(life / 4));
                *self.held() = Some(Current { keys: keys.clone(), renew, ends });
                tracing::debug!(
                    credential.principal = keys.principal,
                    credential.life_seconds = life.as_secs(),
                    "has new keys"
                );
                Ok(keys)
            }
            Err(error) => {
                let now = self.clock.now();
                let mut held = self.held();
                let Some(old) = held.as_mut().filter(|held| now < held.ends) else { return Err(error) };
                tracing::warn!(
                    credential.principal = old.keys.principal,
                    %error,
                    "cannot renew keys that are still good; tries again"
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

    fn invalidate(&self, refused: &Arc<Keys>) {
        let mut held = self.held();
        if held.as_ref().is_some_and(|held| Arc::ptr_eq(&held.keys, refused)) {
            *held = None;
        }
    }
}
