//! Who am I (API §A.13).

use serde_json::json;

use super::envelope::Refusal;
use super::operations::Answer;
use super::request::Call;
use super::world::World;

/// The account behind the key that signed the call. All values are strings.
pub(super) fn get_caller_identity(_: &mut World, call: &Call) -> Result<Answer, Refusal> {
    let account = &call.caller.account;
    let body = if call.caller.session {
        json!({
            "AccountId": account,
            "UserId": "",
            "RoleId": "344584339364950001",
            "PrincipalId": "344584339364950001:simulated",
            "Arn": format!("acs:ram::{account}:assumed-role/simulated/simulated"),
            "IdentityType": "AssumedRoleUser",
        })
    } else {
        json!({
            "AccountId": account,
            "UserId": account,
            "RoleId": "",
            "PrincipalId": account,
            "Arn": format!("acs:ram::{account}:root"),
            "IdentityType": "Account",
        })
    };
    Ok(Answer::of(body))
}
