//! Single reads for `doctor --probe`, with any parameters; the answer is the JSON as it came. Nothing but a read can be made
//! here.

use std::sync::Arc;

use jiff::Timestamp;

use super::request::RpcRequest;
use super::rpc::AccountClient;
use crate::domain::{Operation, Purpose, Region};
use crate::engine::ports::cloud::{CloudError, Failure};

/// The operation changes something or issues keys, so it cannot be probed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0} is not a read that can be probed")]
pub struct NotARead(Operation);

/// A read operation and its parameters.
#[derive(Debug, Clone)]
pub struct ProbeRead(RpcRequest);

impl ProbeRead {
    /// A read without parameters.
    ///
    /// # Errors
    /// If the operation is not a read.
    pub fn new(operation: Operation) -> Result<Self, NotARead> {
        match operation.purpose() {
            Purpose::Read => Ok(Self(RpcRequest::new(operation))),
            Purpose::Write | Purpose::WriteWithToken | Purpose::Keys => Err(NotARead(operation)),
        }
    }

    /// Uses the endpoint of a region, and names the region in `RegionId`.
    #[must_use]
    pub fn in_region(self, region: &Region) -> Self {
        Self(self.0.in_region(region))
    }

    /// Adds a parameter to the query.
    #[must_use]
    pub fn with(self, name: &str, value: impl ToString) -> Self {
        Self(self.0.query(name, value))
    }

    /// The operation, for the findings about its answer.
    pub fn operation(&self) -> Operation {
        self.0.operation
    }
}

/// An answer as it came.
#[derive(Debug, Clone, PartialEq)]
pub struct RawAnswer {
    /// The body, or the refusal.
    pub reply: RawReply,
    /// `RequestId`, where the answer had one.
    pub request_id: Option<String>,
    /// The `Date` of a good answer; a refusal has lost it.
    pub date: Option<Timestamp>,
}

/// Good, or a refusal.
#[derive(Debug, Clone, PartialEq)]
pub enum RawReply {
    /// The JSON of a 2xx answer.
    Body(serde_json::Value),
    /// Any other status.
    Refused {
        /// HTTP status.
        status: u16,
        /// `Code` without blanks around it; empty if there is none.
        code: String,
    },
}

/// Sends a read once.
pub(super) async fn probe(client: &Arc<AccountClient>, read: &ProbeRead) -> Result<RawAnswer, CloudError> {
    match client.call(&read.0).await {
        Ok(reply) => {
            let body = serde_json::Value::from(&*reply.body);
            Ok(RawAnswer { reply: RawReply::Body(body), request_id: Some(reply.request_id), date: reply.date })
        }
        Err(CloudError { failure: Failure::Refused { status, code, .. }, request_id, .. }) => {
            Ok(RawAnswer { reply: RawReply::Refused { status, code }, request_id, date: None })
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cloud::Unobserved;
    use crate::cloud::testing::{Scripted, TR_ACCOUNT, accounts, uid};
    use crate::cloud::transport::TransportError;

    #[test]
    fn what_can_be_probed_are_the_reads_this_client_makes_and_nothing_else() {
        let is_read = |name: &str| ["Describe", "List", "Check", "Get"].iter().any(|verb| name.starts_with(verb));
        for operation in Operation::ALL {
            assert_eq!(ProbeRead::new(*operation).is_ok(), is_read(operation.as_str()), "{operation}");
        }
    }

    #[tokio::test]
    async fn an_answer_comes_back_as_it_is_and_a_refusal_with_its_status_and_code() {
        let odd = json!({"RequestId": "R-1", "TotalCount": "2", "Odd": {"Items": [1.5, null, "x\n"]}});
        let cloud = Scripted::new()
            .json(200, odd.clone())
            .json(400, json!({"RequestId": "R-2", "Code": "IllegalParam.CenIdOrRegionId\t", "Message": "m"}))
            .fail(TransportError::Unanswered("reset".into()));
        let accounts = accounts(&cloud, Unobserved);
        let read = ProbeRead::new(Operation::ListTransitRouterVpcAttachments).unwrap().with("CenId", "cen-1");
        let ask = async || accounts.probe(&uid(TR_ACCOUNT), &read).await;
        let good = ask().await.unwrap();
        assert_eq!((good.reply, good.request_id.as_deref()), (RawReply::Body(odd), Some("R-1")));
        let refused = ask().await.unwrap();
        let code = "IllegalParam.CenIdOrRegionId".to_owned();
        assert_eq!(refused.reply, RawReply::Refused { status: 400, code });
        assert_eq!(refused.request_id.as_deref(), Some("R-2"));
        assert!(matches!(ask().await.unwrap_err().failure, Failure::Unanswered { .. }));
        assert_eq!(cloud.query(0), [("CenId".to_owned(), "cen-1".to_owned())]);
        assert_eq!(cloud.requests()[0].headers()["host"], "cbn.aliyuncs.com");
    }

    #[tokio::test]
    async fn without_a_credential_nothing_is_asked() {
        let cloud = Scripted::new();
        let read = ProbeRead::new(Operation::DescribeCens).unwrap();
        let error = accounts(&cloud, Unobserved).probe(&uid("1999999999999999"), &read).await.unwrap_err();
        assert!(error.to_string().contains("no credential is configured"), "{error}");
        assert!(cloud.requests().is_empty());
    }
}
