//! How webhooks are called, as it is configured.

use std::time::Duration;

use super::network::Network;
use super::signature::SigningKey;
use crate::domain::webhook::HostPattern;

/// How webhooks are called.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WebhookSettings {
    /// Each of them signs.
    pub keys: Vec<SigningKey>,
    /// Receivers with keys of their own. The first whose host is meant counts.
    pub receivers: Vec<Receiver>,
    /// For about how long a message is tried.
    pub give_up: Duration,
    /// Networks that may be called although they are not public.
    pub networks: Vec<Network>,
    /// PEM certificates to trust instead of those of the machine.
    pub ca_pem: Option<String>,
}

/// A receiver, or all below a name, with keys of its own: what it can sign, no other receiver believes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Receiver {
    /// Its host.
    pub host: HostPattern,
    /// Each of them signs.
    pub keys: Vec<SigningKey>,
}
