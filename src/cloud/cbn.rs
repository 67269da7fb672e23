//! Typed operations of the Cbn product. An operation that the cloud does not have for a type of instance is refused
//! here, before anything is sent.

mod attachments;
mod grants;
mod routers;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::rpc::AccountClient;
use crate::engine::ports::cloud::{Answer, Listing};

/// The Cbn operations, as one account.
#[derive(Clone)]
pub(super) struct Cbn {
    pub(super) client: Arc<AccountClient>,
}

impl Cbn {
    pub fn new(client: Arc<AccountClient>) -> Self {
        Self { client }
    }
}

/// A complete empty answer without a call, where the cloud has no such thing.
fn nothing<T>() -> Answer<Listing<T>> {
    let value = Listing { items: Vec::new(), complete: true };
    Answer { value, request_id: String::new(), date: None, calls: 0 }
}
