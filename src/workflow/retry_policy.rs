//! How often, and for how long, something is tried again.

use std::time::Duration;

/// A retry policy that makes sense: `initial > 0`, `factor ≥ 1` and finite, `cap ≥ initial`, `0 ≤ jitter < 1`,
/// `give_up ≥ initial`. No other value of this type exists.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct RetryPolicy {
    initial: Duration,
    factor: f64,
    cap: Duration,
    jitter: f64,
    give_up: Duration,
}

/// Why a retry policy makes no sense; names the key that is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum BadRetryPolicy {
    /// `initial`
    #[error("initial must be longer than zero")]
    Initial,
    /// `factor`
    #[error("factor must be a number of at least 1")]
    Factor,
    /// `cap`
    #[error("cap must be at least initial")]
    Cap,
    /// `jitter`
    #[error("jitter must be at least 0 and less than 1")]
    Jitter,
    /// `give-up`
    #[error("give-up must be at least initial")]
    GiveUp,
}

impl BadRetryPolicy {
    /// The key that is wrong.
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
    /// A policy, or the first reason why it cannot be one.
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

    /// What each further delay is multiplied with.
    pub fn factor(&self) -> f64 {
        self.factor
    }

    /// No delay is longer.
    pub fn cap(&self) -> Duration {
        self.cap
    }

    /// The largest part of a delay that may be taken off, so that many jobs do not come back in step.
    pub fn jitter(&self) -> f64 {
        self.jitter
    }

    /// The time after which trying ends and the job parks.
    pub fn give_up(&self) -> Duration {
        self.give_up
    }
}
