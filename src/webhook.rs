//! Webhooks over the network: one POST for each message, as a CloudEvent in structured mode, signed as standard-webhooks says.
//!
//! The URL comes from a requester, so the worker could be led to call what only it can reach. Therefore it speaks https alone, to
//! hosts that a rule names; only to addresses that are public or that the configuration names, checked where the connection is
//! made; by no proxy; and it follows no redirect.

mod client;
mod network;
mod resolver;
mod settings;
mod signature;

pub use client::{CallLimits, HttpCaller};
pub use network::Network;
pub use resolver::{Lookup, callable, system};
pub use settings::{Receiver, WebhookSettings};
pub use signature::SigningKey;
