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
use super::rpc::Caller;
use crate::engine::ports::cloud::{Answer, CloudError, Listing};
use crate::engine::ports::write_permit::WritePermit;

/// The Cbn operations, as one account.
#[derive(Clone)]
pub(super) struct Cbn {
    caller: Arc<Caller>,
}

impl Cbn {
    pub fn new(caller: Arc<Caller>) -> Self {
        Self { caller }
    }

    /// See [`Caller::verify`].
    pub async fn verify(&self) -> Result<(), CloudError> {
        self.caller.verify().await
    }

    /// See [`Caller::identify`].
    pub async fn identify(&self) -> Result<Option<Timestamp>, CloudError> {
        self.caller.identify().await
    }

    async fn call(&self, request: &RpcRequest) -> Result<Reply, CloudError> {
        self.caller.call(request).await
    }

    async fn write(&self, request: &RpcRequest, permit: &WritePermit) -> Result<Answer<()>, CloudError> {
        self.caller.write(request, permit).await
    }
}

/// The complete answer to a question that needs no call: the cloud has no such thing.
fn nothing<T>() -> Answer<Listing<T>> {
    let value = Listing { items: Vec::new(), complete: true };
    Answer { value, request_id: String::new(), date: None, calls: 0 }
}
