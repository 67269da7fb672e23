//! The broker that the configuration names.

use crate::broker::{BrokerSettings, Topology};
use crate::config::Config;

/// Its settings; what the configuration leaves open has the default.
pub(super) fn settings(config: &Config) -> BrokerSettings {
    BrokerSettings {
        urls: config.broker.urls.clone(),
        ca_pem: config.broker.ca_pem.clone(),
        name: format!("crossgrant {}", config.worker.name),
        topology: Topology::new(config.broker.prefix.as_str()),
        declare: config.broker.declare,
        prefetch: config.broker.prefetch,
        ..BrokerSettings::default()
    }
}
