//! How often, and for how long, a failed call is tried again.

use std::time::Duration;

/// Invariant: `initial > 0`, `factor ≥ 1` and finite, `cap ≥ initial`, `0 ≤ jitter < 1`, `give_up ≥ initial`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    initial: Duration,
    factor: f64,
    cap: Duration,
    jitter: f64,
    give_up: Duration,
}

/// Why values make no retry policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRetryPolicy {
    /// `initial` is zero.
    #[error("`initial` must be longer than zero")]
    Initial,
    /// `factor` is less than 1 or not finite.
    #[error("`factor` must be a number of at least 1")]
    Factor,
    /// `cap` is shorter than `initial`.
    #[error("`cap` must be at least `initial`")]
    Cap,
    /// `jitter` is negative, or 1 or more.
    #[error("`jitter` must be at least 0 and less than 1")]
    Jitter,
    /// `give-up` is shorter than `initial`.
    #[error("`give-up` must be at least `initial`")]
    GiveUp,
}

impl BadRetryPolicy {
    /// The key of the wrong value, as in `policies.toml`.
    pub fn key(self) -> &'static str {
        match self {
            Self::Initial => "initial",
            Self::Factor => "factor",
            Self::Cap => "cap",
            Self::Jitter => "jitter",
            Self::GiveUp => "give-up",
        }
    }
}

impl RetryPolicy {
    /// Checks the invariant; the error is the first key that breaks it.
    pub fn new(
        initial: Duration,
        factor: f64,
        cap: Duration,
        jitter: f64,
        give_up: Duration,
    ) -> Result<Self, BadRetryPolicy> {
        if initial.is_zero() {
            Err(BadRetryPolicy::Initial)
        } else if !factor.is_finite() || factor < 1.0 {
            Err(BadRetryPolicy::Factor)
        } else if cap < initial {
            Err(BadRetryPolicy::Cap)
        } else if !(0.0..1.0).contains(&jitter) {
            Err(BadRetryPolicy::Jitter)
        } else if give_up < initial {
            Err(BadRetryPolicy::GiveUp)
        } else {
            Ok(Self { initial, factor, cap, jitter, give_up })
        }
    }

    /// The delay before the second attempt, without jitter.
    pub fn initial(&self) -> Duration {
        self.initial
    }

    /// Each further delay is the one before it times this.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// The longest delay.
    pub fn cap(&self) -> Duration {
        self.cap
    }

    /// The largest part of a delay that may be left out at random, so that jobs which failed together do not retry together.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// How long it is tried before the job parks.
    pub fn give_up(&self) -> Duration {
        self.give_up
    }
}
