//! RabbitMQ: the jobs that come in and the events that go out.
//!
//! Two connections, because a broker that blocks publishers (memory or disk alarm) stops reading from the connection
//! that published, acknowledgements included: [`consume`] has one, [`AmqpPublisher`] has the other. Reconnecting is
//! ours, not the library's: a session is one connection with everything on it, any surprise ends it, and the next one
//! starts from nothing. So an acknowledgement can never reach a channel that did not deliver the message.

mod client;
mod consumer;
mod error;
mod inspect;
mod link;
mod publisher;
mod settings;
mod state;
mod topology;
mod window;

pub use client::{Arrivals, EventTap, Submission, Submitter};
pub use consumer::{ConsumeReport, consume};
pub use error::BrokerError;
pub use inspect::{Found, inspect};
pub use publisher::AmqpPublisher;
pub use settings::BrokerSettings;
pub use state::{BrokerCounts, BrokerState, Link, LinkStatus};
pub use topology::Topology;
