//! Crossgrant: a durable worker for cross-account network authorization (Alibaba Cloud CEN).

pub mod actions;
pub mod clock;
pub mod cloud;
pub mod domain;
pub mod engine;
pub mod sweep;
pub mod workflow;
