//! The settings of a worker: one TOML file with the environment over it. Everything is read before anything is refused, so
//! that all mistakes are reported together, each with its place. `deploy/crossgrant.toml` shows every key.
//!
//! Environment variables override the file: key `k` of section `s` is `CROSSGRANT_S_K`, so `[broker] url` is
//! `CROSSGRANT_BROKER_URL`, `[cloud.endpoints] cbn` is `CROSSGRANT_CLOUD_ENDPOINTS_CBN` and the top-level `hour` is
//! `CROSSGRANT_HOUR`; a key of an account is `CROSSGRANT_ACCOUNT_<UID>_<KEY>`. White space separates the items of a list.
//! `[[allow]]` and `[[admin.token]]` can only be set in the file. Where there is no `[credentials.hub]`, the vendor's own variables
//! (`ALIBABA_CLOUD_ACCESS_KEY_ID` and so on) set the credential of the hub; where `[cloud.endpoints] sts` is not set, they
//! set the host of STS. The file of profiles of the vendor's command line is looked for in `HOME`.
//!
//! Every secret can be given as `<key>_file` instead. Relative paths are relative to the working directory.

mod allow;
mod bounds;
mod credentials;
mod endpoints;
mod error;
mod json_schema;
mod load;
mod profile;
mod raw_settings;
mod read;
mod schema;
mod secrets;
mod settings;
mod source;
#[cfg(test)]
mod tests;

pub use error::{ConfigError, Warning};
pub use json_schema::json_schema;
pub use profile::ProfileFor;
pub use settings::{
    AccountConfig, AdminConfig, BrokerConfig, Config, ConfigFor, DEFAULT_PREFIX, LogConfig, LogFormat, StoreConfig,
    TraceConfig, WorkerConfig,
};
