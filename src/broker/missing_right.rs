//! A right to publish that the broker does not give to the worker's user.

use crate::domain::Code;
use crate::engine::ports::mail::Lane;

/// An exchange that the worker publishes to and its user may not write to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "the user {user:?} may not write to exchange {}, so {} cannot be published ({why}). Give it the right: rabbitmqctl \
     set_permissions -p {vhost:?} {user:?} {}",
    self.exchange_name(), self.purpose(), self.permissions()
)]
pub struct MissingRight {
    pub(super) user: String,
    pub(super) vhost: String,
    pub(super) exchange: String,
    pub(super) prefix: String,
    pub(super) why: String,
}

impl MissingRight {
    /// The code under which `crossgrant explain` has more.
    pub fn code(&self) -> Code {
        Code::BrokerNoRight
    }

    fn exchange_name(&self) -> &str {
        if self.exchange.is_empty() { "amq.default" } else { &self.exchange }
    }

    fn purpose(&self) -> &'static str {
        match Lane::of(&self.exchange) {
            Lane::Events => "events",
            Lane::Replies => "replies and copies of rejected messages",
        }
    }

    /// What a worker needs: configure, write, read.
    fn permissions(&self) -> String {
        let prefix = self.prefix.replace('.', "[.]");
        format!("'^{prefix}([.]|$)' '^(amq[.]default$|{prefix}([.]|$))' '^{prefix}([.]|$)'")
    }
}
