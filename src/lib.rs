//! Crossgrant: a durable worker for cross-account network authorization (Alibaba Cloud CEN).

pub mod clock;
pub mod domain;
pub mod engine;
pub mod store;
