//! What is configured for an account, and the source of keys made from it. A credential that several accounts name
//! becomes one source: the roles of a hundred accounts are assumed with one session of the hub.

use std::collections::HashMap;
use std::sync::Arc;

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};

use super::CredentialSource;
use super::assume_role::AssumeRole;
use super::instance::{InstanceRole, MachineRole};
use super::oidc::{AssumeRoleWithOidc, OidcRole};
use super::renewing::Renewing;
use super::role::Role;
use super::uri::{CredentialsUri, UriKeys};
use crate::cloud::rpc::{AccountClient, Client};
use crate::domain::AccountUid;

/// How an account gets its keys.
#[derive(Debug, Clone)]
pub enum Credential {
    /// From this source, such as [`super::StaticKeys`].
    Source(Arc<dyn CredentialSource>),
    /// By `AssumeRole`.
    AssumeRole {
        /// A role of the account.
        role: Role,
        /// The credential that signs the call, of this or another account.
        with: Arc<Credential>,
    },
    /// By `AssumeRoleWithOIDC`.
    Oidc(OidcRole),
    /// From the metadata service of the machine.
    InstanceRole(MachineRole),
    /// From a URL that hands out keys.
    Uri(CredentialsUri),
    /// The same as other accounts that name it: they share one source.
    Shared(Arc<Credential>),
}

/// A digest of a credential as it is configured, secrets included.
pub(in crate::cloud) type CredentialDigest = [u8; 32];

impl Credential {
    /// The word for how the keys are had.
    pub(in crate::cloud) fn kind(&self) -> &'static str {
        match self {
            Self::Source(_) => "access-key",
            Self::AssumeRole { .. } => "assumed-role",
            Self::Oidc(_) => "oidc-role",
            Self::InstanceRole(_) => "ecs-role",
            Self::Uri(_) => "credentials-uri",
            Self::Shared(_) => "hub",
        }
    }

    /// Tells two credentials apart without keeping what they hold.
    pub(in crate::cloud) fn digest(&self) -> CredentialDigest {
        let mut hash = Sha256::new_with_prefix(self.kind());
        let mut add = |text: &str| {
            hash.update(text.len().to_be_bytes());
            hash.update(text);
        };
        match self {
            Self::Source(source) => source.configured().iter().for_each(|part| add(part.expose_secret())),
            Self::AssumeRole { role, .. } => add(&format!("{role:?}")),
            Self::Oidc(oidc) => add(&format!("{oidc:?}")),
            Self::InstanceRole(role) => add(&format!("{role:?}")),
            Self::Uri(uri) => add(uri.secret().expose_secret()),
            Self::Shared(_) => {}
        }
        if let Self::AssumeRole { with, .. } | Self::Shared(with) = self {
            hash.update(with.digest());
        }
        hash.finalize().into()
    }
}

impl<S: CredentialSource> From<S> for Credential {
    fn from(source: S) -> Self {
        Self::Source(Arc::new(source))
    }
}

/// The credential that is configured for an account.
#[derive(Debug, Clone)]
pub struct AccountCredentials {
    /// The account it should belong to. Whether it does is checked before it is used.
    pub uid: AccountUid,
    /// How the account gets its keys.
    pub credential: Credential,
}

impl AccountCredentials {
    /// A credential that should belong to `uid`.
    pub fn new(uid: AccountUid, credential: impl Into<Credential>) -> Self {
        Self { uid, credential: credential.into() }
    }
}

/// Makes a source of keys from each credential.
pub(in crate::cloud) struct Sources {
    shared: Arc<Client>,
    /// Sources by the address of their credential. The credential is kept too, so that its address stays its own.
    made: HashMap<*const Credential, (Arc<Credential>, Arc<dyn CredentialSource>)>,
    /// The owners of shared credentials, by address in the same way.
    owners: HashMap<*const Credential, (Arc<Credential>, AccountUid)>,
}

impl Sources {
    pub fn new(shared: Arc<Client>) -> Self {
        Self { shared, made: HashMap::new(), owners: HashMap::new() }
    }

    /// Notes the owners of the shared credentials among these.
    pub fn knowing(mut self, all: &[AccountCredentials]) -> Self {
        for AccountCredentials { uid, credential } in all {
            if let Credential::Shared(shared) = credential {
                self.owners.insert(Arc::as_ptr(shared), (shared.clone(), uid.clone()));
            }
        }
        self
    }

    /// The source of an account's keys.
    pub fn of(&mut self, credential: &Credential) -> Arc<dyn CredentialSource> {
        let (shared, clock) = (self.shared.clone(), self.shared.clock.clone());
        match credential {
            Credential::Source(source) => source.clone(),
            Credential::AssumeRole { role, with } => {
                let client = AccountClient::new(self.calling(with, role), self.once(with), shared);
                Arc::new(Renewing::new(AssumeRole::new(role.clone(), client), clock))
            }
            Credential::Oidc(oidc) => Arc::new(Renewing::new(AssumeRoleWithOidc::new(oidc.clone(), shared), clock)),
            Credential::InstanceRole(role) => Arc::new(Renewing::new(InstanceRole::new(role.clone(), shared), clock)),
            Credential::Uri(uri) => Arc::new(Renewing::new(UriKeys::new(uri.clone(), shared), clock)),
            Credential::Shared(credential) => self.once(credential),
        }
    }

    /// The account that STS counts `AssumeRole` on: the one that calls, with all its users and roles (API §K). For keys that
    /// no account names as its own it is not known; then everything assumed with them counts on the account of the first
    /// role.
    fn calling(&mut self, with: &Arc<Credential>, role: &Role) -> AccountUid {
        match &**with {
            Credential::AssumeRole { role, .. } | Credential::Oidc(OidcRole { role, .. }) => role.arn.account().clone(),
            Credential::Shared(shared) => self.calling(shared, role),
            Credential::Source(_) | Credential::InstanceRole(_) | Credential::Uri(_) => {
                let first = || (with.clone(), role.arn.account().clone());
                self.owners.entry(Arc::as_ptr(with)).or_insert_with(first).1.clone()
            }
        }
    }

    fn once(&mut self, credential: &Arc<Credential>) -> Arc<dyn CredentialSource> {
        if let Some((_, source)) = self.made.get(&Arc::as_ptr(credential)) {
            return source.clone();
        }
        let source = self.of(credential);
        self.made.insert(Arc::as_ptr(credential), (credential.clone(), source.clone()));
        source
    }
}
