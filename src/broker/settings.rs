//! How to reach the broker, its time limits, and how many messages to take at once.

use std::time::Duration;

use secrecy::SecretString;

use super::sender::{DoorKeys, Senders, Signer};
use super::topology::Topology;

/// Settings of every connection to the broker.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// `amqp://` or `amqps://` URLs, tried in turn beginning with the last that worked. They hold passwords.
    pub urls: Vec<SecretString>,
    /// PEM certificates to trust for `amqps`, in addition to the machine's.
    pub ca_pem: Option<String>,
    /// The name of the connections in the broker's listings; their purpose is appended.
    pub name: String,
    /// The exchanges and queues to use.
    pub topology: Topology,
    /// Whether to declare the topology. If not, everything must exist already, and the user needs no `configure`
    /// permission.
    pub declare: bool,
    /// The most deliveries that may be unacknowledged at once, 1 or more.
    pub prefetch: u16,
    /// The most deliveries in one batch to the intake.
    pub batch: usize,
    /// Heartbeat interval, unless the URL has its own (`?heartbeat=`). A dead broker is noticed after two intervals.
    pub heartbeat: Duration,
    /// Time limit for one URL: TCP, TLS and AMQP handshake together.
    pub connect_timeout: Duration,
    /// Time limit for every call that the broker answers at once.
    pub call_timeout: Duration,
    /// Time limit for the confirms of one window of messages. It does not run while the broker blocks publishers.
    pub confirm_timeout: Duration,
    /// How long deliveries are held while the store cannot be written, before they are given back at the cost of one unit
    /// of their delivery limit. It must stay below the time after which the broker takes them back itself, which costs a unit
    /// each time ([`BrokerKind::redelivery`](super::BrokerKind::redelivery)).
    pub hold: Duration,
    /// How the senders of jobs are known.
    pub senders: Senders,
    /// The keys of the door; `None` if it is closed.
    pub door: Option<DoorKeys>,
    /// Who signs the jobs that are submitted.
    pub signer: Option<Signer>,
    /// How long a stop may take for messages that were already delivered.
    pub drain: Duration,
}

impl Default for BrokerSettings {
    fn default() -> Self {
        Self {
            urls: vec![SecretString::from("amqp://guest:guest@127.0.0.1:5672/%2f")],
            ca_pem: None,
            name: "crossgrant".into(),
            topology: Topology::new("crossgrant"),
            declare: true,
            prefetch: 200,
            batch: 256,
            heartbeat: Duration::from_secs(10),
            connect_timeout: Duration::from_secs(5),
            call_timeout: Duration::from_secs(10),
            confirm_timeout: Duration::from_secs(30),
            hold: Duration::from_secs(20 * 60),
            senders: Senders::ByUserId,
            door: None,
            signer: None,
            drain: Duration::from_secs(10),
        }
    }
}
