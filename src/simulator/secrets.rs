//! Every secret the simulated cloud knows, for tests that look for them where none may be.

use super::Simulator;

impl Simulator {
    /// Secrets and tokens of all keys there ever were, tokens that roles trust, and tokens of the metadata service.
    pub fn secrets(&self) -> Vec<String> {
        self.with(|cloud, _| {
            let keys = cloud.world.keys.values().flat_map(|(_, key)| [Some(key.secret.clone()), key.token.clone()]);
            let trusted = cloud.world.oidc_tokens.values().flatten().cloned();
            keys.flatten().chain(trusted).chain(cloud.metadata_tokens.keys().cloned()).collect()
        })
    }

    /// The secret and the token of one key.
    pub fn secrets_of(&self, access_key_id: &str) -> Vec<String> {
        self.with(|cloud, _| {
            let key = cloud.world.keys.get(access_key_id);
            key.into_iter().flat_map(|(_, key)| [Some(key.secret.clone()), key.token.clone()]).flatten().collect()
        })
    }
}
