//! The Alibaba Cloud client: one signed RPC call at a time, typed per account.
//!
//! ```text
//! accounts      which credential serves which uid; hands out readers and writers   (the engine's port)
//!   cbn         typed operations: spelling, paging, lenient reading of answers
//!   smartag     the same for a CCN, which Cbn does not grant
//!   vpc         what an IPsec-VPN connection is attached to
//!   probe       single reads, answered as they come, for `doctor --probe`
//!   credentials where the keys come from, and when they are renewed
//!   identity    before keys are used: are they the expected account's?
//!   standing    whether the cloud takes an account's credential                       (pure)
//!   watch       hears how calls end, and keeps them back while it does not
//!   budget      when a call may go out: a bucket for each account and operation
//!   rpc         one attempt: keys, nonce, date, signature, send, read the answer, tell the observer
//!   request sign endpoint envelope                                                   (pure)
//!   transport   how bytes leave: HTTPS, or a router in this process
//! ```
//!
//! The client makes one attempt per call and repeats none. Before a grant or a revoke is repeated, the cloud has to be
//! looked at (API §D.4); the engine decides that. The client tells it exactly what is known when a call fails: not sent,
//! no answer, or refused.

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
mod roles;
mod rpc;
mod sign;
mod single_flight;
mod smartag;
pub mod spelling;
mod standing;
mod transport;
mod vpc;
mod watch;
mod wire;

#[cfg(test)]
mod testing;

pub use accounts::{Accounts, CredentialChange, CredentialReader};
pub use budget::Limits;
pub use credentials::{
    AccountCredentials, BadCredentialsUri, BadRole, Credential, CredentialError, CredentialSource, CredentialsUri,
    ExternalId, HeldKeys, Keys, MachineRole, OidcRole, Role, RoleArn, SessionLength, SessionName, StaticKeys,
};
pub use endpoint::{BadEndpoint, Endpoint, EndpointPattern, Endpoints};
pub use observer::{CallObserver, Unobserved};
pub use probe::{NotARead, ProbeRead, RawAnswer, RawReply};
pub use rpc::{ClientParts, Timeouts};
pub use sign::{Canonical, canonicalize};
pub use transport::{HttpTransport, MAX_BODY, RouterTransport, Transport, TransportError};
