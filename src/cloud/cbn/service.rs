//! Whether an account has activated the transit-router service (API §A.12).

use serde_json_borrow::Value;

use super::Cbn;
use crate::cloud::request::RpcRequest;
use crate::cloud::wire;
use crate::domain::Operation;
use crate::engine::ports::cloud::CloudError;

impl Cbn {
    /// `Enabled` of `CheckTransitRouterService`; `None` when the answer does not say. An account that has not activated the
    /// service is refused with `USER_NOT_OPEN_TR_SERVICE`.
    pub async fn transit_router_service(&self) -> Result<Option<bool>, CloudError> {
        let reply = self.client.call(&RpcRequest::new(Operation::CheckTransitRouterService)).await?;
        Ok(match wire::field(&reply.body, "Enabled") {
            Some(Value::Bool(enabled)) => Some(*enabled),
            Some(Value::Str(text)) => text.trim().to_ascii_lowercase().parse().ok(),
            _ => None,
        })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use crate::cloud::Unobserved;
    use crate::cloud::testing::{Scripted, TR_ACCOUNT, accounts, uid};
    use crate::engine::ports::cloud::Failure;

    #[tokio::test]
    async fn an_account_is_asked_without_parameters_and_believed_only_when_it_says_so() {
        for (answer, enabled) in [
            (json!({"RequestId": "R", "Enabled": true}), Some(true)),
            (json!({"RequestId": "R", "Enabled": "True\n"}), Some(true)),
            (json!({"RequestId": "R", "Enabled": false}), Some(false)),
            (json!({"RequestId": "R", "Enabled": 1}), None),
            (json!({"RequestId": "R"}), None),
        ] {
            let cloud = Scripted::new().json(200, answer.clone());
            let said = accounts(&cloud, Unobserved).transit_router_service(&uid(TR_ACCOUNT)).await;
            assert_eq!(said, Ok(enabled), "{answer}");
            assert_eq!((cloud.actions(), cloud.query(0)), (vec!["CheckTransitRouterService".to_owned()], vec![]));
        }
        let refusal = json!({"RequestId": "R", "Code": "USER_NOT_OPEN_TR_SERVICE", "Message": "m"});
        let cloud = Scripted::new().json(400, refusal);
        let error = accounts(&cloud, Unobserved).transit_router_service(&uid(TR_ACCOUNT)).await.unwrap_err();
        assert!(
            matches!(&error.failure, Failure::Refused { code, .. } if code == "USER_NOT_OPEN_TR_SERVICE"),
            "{error}"
        );
    }
}
