//! What the broker has, held against what a worker needs, and left as it is.
//!
//! AMQP knows no call that reads the properties of a queue. But whoever declares one that exists is told by the broker
//! whether it is the same, and if not, in what it differs; nothing is changed either way. So each is asked for passively
//! first, which creates nothing, and declared only if it is there. Bindings cannot be looked at in any such way: asking
//! for one makes it.

use std::sync::atomic::AtomicUsize;
use std::time::Duration;

use lapin::Connection;

use super::error::BrokerError;
use super::link::{Role, Wire};
use super::settings::BrokerSettings;
use super::topology::{Declared, NOT_FOUND, PRECONDITION_FAILED};

const ACCESS_REFUSED: u16 = 403;

/// How an exchange or a queue is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Found {
    /// As the worker declares it.
    AsWanted,
    /// With other properties; in what, as the broker says it.
    Differs(String),
    /// It is not there.
    Missing,
    /// It is there, and this user may not ask for more.
    Unseen,
}

/// Connects, and looks at each exchange and queue: what it is, its name, and how it is.
///
/// # Errors
/// When there is no way to the broker, or it breaks.
pub async fn inspect(settings: &BrokerSettings) -> Result<Vec<(&'static str, String, Found)>, BrokerError> {
    let wire = Wire::open(settings, Role::Doctor, &AtomicUsize::new(0), |_| ()).await?;
    let mut found = Vec::new();
    for declared in settings.topology.declared() {
        let how = look(&wire.conn, &declared, settings.call_timeout).await?;
        found.push((declared.what(), declared.name().to_owned(), how));
    }
    wire.close(settings.call_timeout).await;
    Ok(found)
}

async fn look(conn: &Connection, declared: &Declared, limit: Duration) -> Result<Found, BrokerError> {
    for passive in [true, false] {
        match declared.ask(conn, limit, passive).await {
            Ok(()) => {}
            Err(error) if error.has_reply_code(NOT_FOUND) => return Ok(Found::Missing),
            Err(error) if error.has_reply_code(PRECONDITION_FAILED) => return Ok(Found::Differs(error.to_string())),
            Err(error) if error.has_reply_code(ACCESS_REFUSED) => return Ok(Found::Unseen),
            Err(error) => return Err(error),
        }
    }
    Ok(Found::AsWanted)
}
