//! Typed operations of the Cbn product. An operation that the cloud does not have for a type of instance is refused
//! here, before anything is sent.

mod attachments;
mod grants;
mod routers;
mod service;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use jiff::Timestamp;

use super::envelope::Reply;
use super::request::RpcRequest;
use super::rpc::AccountClient;
use crate::engine::ports::cloud::{Answer, CloudError, Listing};
use crate::engine::ports::write_permit::WritePermit;

/// The Cbn operations, as one account.
#[derive(Clone)]
pub(super) struct Cbn {
    client: Arc<AccountClient>,
}

impl Cbn {
    pub fn new(client: Arc<AccountClient>) -> Self {
        Self { client }
    }

    /// See [`AccountClient::verify`].
    pub async fn verify(&self) -> Result<(), CloudError> {
        self.client.verify().await
    }

    /// See [`AccountClient::identify`].
    pub async fn identify(&self) -> Result<Option<Timestamp>, CloudError> {
        self.client.identify().await
    }

    async fn call(&self, request: &RpcRequest) -> Result<Reply, CloudError> {
        self.client.call(request).await
    }

    async fn write(&self, request: &RpcRequest, permit: &WritePermit) -> Result<Answer<()>, CloudError> {
        self.client.write(request, permit).await
    }
}

/// A complete empty answer without a call, where the cloud has no such thing.
fn nothing<T>() -> Answer<Listing<T>> {
    let value = Listing { items: Vec::new(), complete: true };
    Answer { value, request_id: String::new(), date: None, calls: 0 }
}
