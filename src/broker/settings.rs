//! How to reach the broker, and how much to take at once.

use std::time::Duration;

use secrecy::SecretString;

use super::topology::Topology;

/// Settings of everything that talks to the broker.
#[derive(Debug, Clone)]
pub struct BrokerSettings {
    /// `amqp://` or `amqps://` URLs, tried in turn from the last that worked; secret, since they hold passwords.
    pub urls: Vec<SecretString>,
    /// PEM certificates to trust for `amqps`, beside those of the machine.
    pub ca_pem: Option<String>,
    /// What the connections are called in the broker's listings; the role is appended.
    pub name: String,
    /// The names of exchanges and queues.
    pub topology: Topology,
    /// Whether to declare the topology. Without it everything must exist already, and no `configure` permission is
    /// needed.
    pub declare: bool,
    /// Unacknowledged deliveries in flight, 1 or more.
    pub prefetch: u16,
    /// Most deliveries in one batch to the intake.
    pub batch: usize,
    /// Heartbeat interval, unless a URL names one (`?heartbeat=`): a dead broker is noticed after two.
    pub heartbeat: Duration,
    /// For one URL: TCP, TLS and AMQP handshake together.
    pub connect_timeout: Duration,
    /// For every call that the broker answers at once.
    pub call_timeout: Duration,
    /// For the confirms of one window of messages, while the broker is not blocking publishers.
    pub confirm_timeout: Duration,
    /// How long deliveries are held while the store cannot be written. Below the broker's 30 minutes
    /// (`consumer_timeout`): giving them back costs each one unit of its delivery limit.
    pub hold: Duration,
    /// How long a stop may spend on taking what was already delivered.
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
            drain: Duration::from_secs(10),
        }
    }
}
