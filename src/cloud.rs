//! The Alibaba Cloud client: one signed RPC call at a time, typed per account.
//!
//! ```text
//! accounts   which credential serves which uid; hands out readers and writers   (the engine's port)
//!   cbn      typed operations: spelling, paging, lenient reading of answers
//!   smartag  the same for a CCN, which Cbn does not grant
//!   vpc      what an IPsec-VPN connection is attached to
//!   credentials where its keys come from, and when they are renewed
//!   probe    single reads as they are answered, for `doctor --probe`
//!   identity the credential is the expected account's, checked before it is used
//!   budget   when a call may go out: a bucket for each account and operation
//!   rpc      one attempt: keys, nonce, date, signature, send, read the envelope, tell the observer
//!   request sign endpoint envelope                                              (pure)
//!   transport how bytes leave: HTTPS, or a router in this process
//! ```
//!
//! The client does one attempt per call and never repeats one. Repeating a grant or a revoke is a decision that needs
//! a look at the cloud first (API §D.4), and that is the engine's to make. What it does owe the engine is an exact
//! account of what is known when a call fails: not sent, no answer, or refused.

mod accounts;
mod bucket;
mod budget;
mod cbn;
mod credentials;
mod endpoint;
mod envelope;
mod identity;
mod observer;
mod paging;
mod probe;
mod request;
mod rpc;
mod sign;
mod smartag;
pub mod spelling;
mod transport;
mod turns;
mod vpc;
mod wire;

#[cfg(test)]
mod testing;

pub use accounts::Accounts;
pub use budget::Limits;
pub use credentials::{
    AccountCredentials, BadCredentialsUri, BadRole, Credential, CredentialError, CredentialSource, CredentialsUri,
    ExternalId, Keys, MachineRole, OidcRole, Role, RoleArn, SessionLength, SessionName, StaticKeys,
};
pub use endpoint::{BadEndpoint, Endpoint, EndpointPattern, Endpoints};
pub use observer::{CallObserver, Unobserved};
pub use probe::{NotARead, ProbeRead, RawAnswer, Told};
pub use rpc::Timeouts;
pub use sign::{Canonical, canonicalize};
pub use transport::{HttpTransport, MAX_BODY, RouterTransport, Transport, TransportError};
