//! Every secret that the simulated cloud knows, for tests that search outputs for leaked secrets.

use super::handle::Simulator;

impl Simulator {
    /// Secrets and tokens of all keys so far, OIDC tokens that roles trust, and tokens of the metadata service.
    pub fn secrets(&self) -> Vec<String> {
        self.with(|state, _| {
            let keys = state.world.keys.values().flat_map(|(_, key)| [Some(key.secret.clone()), key.token.clone()]);
            let trusted = state.world.oidc_tokens.values().flatten().cloned();
            keys.flatten().chain(trusted).chain(state.metadata_tokens.keys().cloned()).collect()
        })
    }

    /// The secret of one key and, for a key of STS, its token. An unknown id has neither.
    pub fn secrets_of(&self, access_key_id: &str) -> Vec<String> {
        self.with(|state, _| {
            let key = state.world.keys.get(access_key_id);
            key.into_iter().flat_map(|(_, key)| [Some(key.secret.clone()), key.token.clone()]).flatten().collect()
        })
    }
}
