//! RabbitMQ: jobs come in, events go out.
//!
//! [`consume`] and the [`AmqpPublisher`] of each lane have a connection each. A broker that blocks publishers (memory or disk alarm) stops
//! reading from every connection that has published, so on a shared connection it would also stop reading
//! acknowledgements. The library's reconnecting is not used: a session is one connection with all that is on it, any error
//! ends it, and the next session starts from nothing. So an acknowledgement never reaches a channel that did not deliver
//! the message.

mod call;
mod client;
mod connection;
mod consumer;
mod dead_lettered;
mod declared;
mod door;
mod error;
mod filter;
mod headers;
mod incoming;
mod inspect;
mod kind;
mod lead;
mod missing_right;
mod publisher;
mod sender;
mod settings;
mod state;
mod topology;
mod window;

pub use client::{EventTap, ExclusiveQueue, Submission, Submitter};
pub use connection::url_fault;
pub use consumer::{ConsumeReport, consume};
pub use dead_lettered::{PutBack, count_dead_lettered, put_back};
pub use door::AmqpDoor;
pub use error::BrokerError;
pub use inspect::{Inspected, inspect, missing_rights};
pub use kind::BrokerKind;
pub use missing_right::MissingRight;
pub use publisher::AmqpPublisher;
pub use sender::{DoorKeys, Senders, Signer};
pub use settings::BrokerSettings;
pub use state::{BrokerCounts, BrokerState, Link, LinkStatus};
pub use topology::{BATCH_KEY, Topology};
