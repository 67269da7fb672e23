//! Crossgrant: a durable worker for cross-account network authorization (Alibaba Cloud CEN).

pub mod broker;
pub mod clock;
pub mod domain;
pub mod engine;
