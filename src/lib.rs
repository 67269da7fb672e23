//! Crossgrant: a durable worker for cross-account network authorization (Alibaba Cloud CEN).
//!
//! Inner layers know nothing of outer ones; where they need one, they own a trait and the outer layer implements it.
//! `tests/one_process/layers.rs` keeps it so.
//!
//! | Module | Responsible for | May use |
//! |---|---|---|
//! | `allocator` | where memory comes from | nothing |
//! | [`clock`] | time, as a port | nothing |
//! | [`domain`] | ids, order types, hours, the job contract, events | nothing |
//! | [`document`] | TOML files that people write: every mistake at once, with its line | domain |
//! | [`workflow`] | definitions, policies and error classes, as data | document, domain |
//! | [`engine`] | what is decided, committed and done about a job | workflow and within |
//! | [`actions`] | the verbs a step can call | engine and within |
//! | [`sweep`] | the hourly pass over waiting jobs | engine and within |
//! | [`cloud`] | the API: signing, calls, credentials | engine and within |
//! | [`store`] | what is durable | engine and within |
//! | [`broker`] | RabbitMQ | engine and within |
//! | [`webhook`] | calling webhooks | engine and within |
//! | [`simulator`] | a cloud of one's own, behind real HTTP | domain, clock |
//! | [`config`], [`telemetry`], [`admin`], [`page`], [`schema`], [`cli`] | the process around it all | everything |

pub mod actions;
pub mod admin;
mod allocator;
pub mod broker;
pub mod cli;
pub mod clock;
pub mod cloud;
pub mod config;
pub mod document;
pub mod domain;
pub mod engine;
pub mod page;
pub mod schema;
pub mod simulator;
pub mod store;
pub mod sweep;
pub mod telemetry;
pub mod webhook;
pub mod workflow;
