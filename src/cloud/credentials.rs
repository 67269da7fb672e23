//! The keys of an account, and where they come from. Every secret is a [`SecretString`](secrecy::SecretString), which has
//! no `Display` and whose `Debug` shows nothing.
//!
//! | file | |
//! |---|---|
//! | `keys`, `static_keys` | what signs a request, and keys that are configured |
//! | `source` | the port: anything that hands out keys |
//! | `credential` | what is configured for an account, and the source of keys made from it |
//! | `role` | the parameters for assuming a role, checked |
//! | `renewing` | keys that end: renewed before they do, once for all callers that wait |
//! | `assume_role`, `oidc`, `instance`, `uri` | the services that issue them |
//! | `local` | requests to a service beside the worker, not to the cloud |

mod assume_role;
mod credential;
mod instance;
mod issued;
mod keys;
mod local;
mod oidc;
mod renewing;
mod role;
mod source;
mod static_keys;
#[cfg(test)]
mod tests;
mod uri;

pub use credential::{AccountCredentials, Credential};
pub(super) use credential::{CredentialDigest, Sources};
pub use instance::MachineRole;
pub use keys::Keys;
pub use oidc::OidcRole;
pub use role::{BadRole, ExternalId, Role, RoleArn, SessionLength, SessionName};
pub use source::{CredentialError, CredentialSource, HeldKeys};
pub use static_keys::StaticKeys;
pub use uri::{BadCredentialsUri, CredentialsUri};
