//! The broker that the configuration names.

use crate::broker::{BrokerSettings, DoorKeys, Senders, Topology};
use crate::config::Config;

/// Its settings; what the configuration leaves open has the default.
pub(super) fn settings(config: &Config) -> BrokerSettings {
    BrokerSettings {
        urls: config.broker.urls.clone(),
        ca_pem: config.broker.ca_pem.clone(),
        name: format!("crossgrant {}", config.worker.name),
        topology: Topology::new(config.broker.prefix.as_str()).at(config.broker.kind),
        declare: config.broker.declare,
        prefetch: config.broker.prefetch,
        hold: config.broker.hold,
        senders: senders(config),
        door: (!config.door.is_empty()).then(|| DoorKeys { keys: config.door.clone(), within: config.keep }),
        ..BrokerSettings::default()
    }
}

/// Who signs is known by that alone, at every kind of broker.
fn senders(config: &Config) -> Senders {
    let keys = &config.broker.requesters;
    if keys.is_empty() && config.broker.kind.verifies_user_id() {
        return Senders::ByUserId;
    }
    Senders::BySignature { keys: keys.clone(), within: config.keep }
}
