//! A simulated cloud: the operations of the vendor that Crossgrant uses, behind real HTTP with real signature checks, and
//! with the owner checks, asynchronous attachments, hourly payer changes, lagging reads and failures that make the real one
//! hard (API §I, §J). It serves tests, demonstrations and `simulate`. It takes product calls on `/`, its control endpoints
//! are under `/_sim/`, and under `/latest/` it plays the metadata service of a machine.
//!
//! | Files | |
//! |---|---|
//! | `handle`, `state` | the simulated cloud as a value, and all it holds behind one lock |
//! | `world`, `accounts`, `history` | what exists, and its recent past |
//! | `building`, `validation`, `world_file` | the world to begin with: its parts, what is impossible, and how TOML describes it |
//! | `clock_effects`, `cooldown` | what time does to the world, and the hour without payer changes |
//! | `server`, `served`, `answering` | from an HTTP request to its answer, or to what a fault makes of it |
//! | `arrived`, `verify`, `query_signature`, `signing`, `codec` | the request as it arrived, and its signature |
//! | `admission`, `request`, `combinations`, `flow` | who calls what with which parameters, and how often |
//! | `performing`, `operations`, `tokens` | running an operation, once for each `ClientToken` |
//! | `cbn`, `attachments`, `children`, `cens`, `routers`, `smartag`, `vpc`, `sts` | the operations |
//! | `answer`, `envelope`, `paging` | what is answered, and how it is written |
//! | `switches`, `faults` | doubtful behaviour to choose from, and failures to inject |
//! | `ledger`, `call_log`, `secrets` | what happened, who called, and what must be shown nowhere |
//! | `control`, `changes` | the control endpoints, and what an outsider does to the cloud |
//! | `metadata` | the keys of a machine's role |
//!
//! It shares no code with the client: a signature or a page token that is wrong on both sides would go unnoticed.

mod accounts;
mod admission;
mod answer;
mod answering;
mod arrived;
mod attachments;
mod building;
mod call_log;
mod cbn;
mod cens;
mod changes;
mod children;
mod clock_effects;
mod codec;
mod combinations;
mod control;
mod cooldown;
mod envelope;
mod faults;
mod flow;
mod handle;
mod history;
mod ledger;
mod metadata;
mod operations;
mod paging;
mod performing;
mod query_signature;
mod request;
mod routers;
mod secrets;
mod served;
mod server;
mod signing;
mod smartag;
mod state;
mod sts;
mod switches;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;
mod tokens;
mod validation;
mod verify;
mod vpc;
mod world;
mod world_file;

pub use accounts::AccessKey;
pub use building::BadWorld;
pub use call_log::{CallCount, CallRecord, ParameterSet};
pub use changes::OutsideChange;
pub use combinations::{Combination, combinations};
pub use control::CONTROL;
pub use faults::{FaultKind, InjectedFault};
pub use handle::Simulator;
pub use ledger::{LedgerEffect, LedgerEntry};
pub use operations::operations;
pub use server::run;
pub use switches::{ChildInstances, ChildRows, EcrRules, OkOrError, Shown, Switches, TimeForm};
pub use world::{RouterEdition, Status, World};
pub use world_file::{AccountEntry, AttachmentEntry, CenEntry, GrantEntry, RoleEntry, RouterEntry, WorldFile};
