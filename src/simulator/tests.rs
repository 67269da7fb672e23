use serde_json::json;

use crate::simulator::testing::{Bench, OWNER, RESOURCE, TR, about};

const ABSENT: &str = "vpc-bp1h8vbrbcgohcju50003";

#[tokio::test]
async fn the_control_endpoints_show_and_change_the_cloud() {
    let bench = Bench::new();
    let send =
        async |method: &str, path: &str, body: &str| bench.send(bench.control(method, path, body)).await.unwrap();
    let fault = json!({"operation": "GrantInstanceToTransitRouter", "kind": "conflict"}).to_string();
    assert_eq!(send("POST", "/_sim/faults", &fault).await.status, 200);
    assert_eq!(bench.grant(ABSENT, "").await, "OperationFailed.TaskConflict");
    assert_eq!(send("POST", "/_sim/faults", &format!("[{fault}]")).await.status, 200);
    assert_eq!(send("DELETE", "/_sim/faults", "").await.status, 200);
    assert_eq!(bench.grant(ABSENT, "").await, "OK");
    let ledger = send("GET", "/_sim/ledger", "").await.json();
    assert_eq!((ledger.as_array().unwrap().len(), &ledger[0]["instance"]), (1, &json!(ABSENT)));
    let calls = send("GET", "/_sim/calls", "").await.json();
    assert_eq!(calls["total"], 2);
    let state = send("GET", "/_sim/state", "").await.json();
    assert_eq!(state["grants"].as_array().unwrap().len(), 5);
    assert_eq!(state["attachments"][0]["order_type"], "PayByCenOwner");
    assert_eq!(send("PUT", "/_sim/switches", r#"{"duplicate_grant": "ok"}"#).await.status, 200);
    assert_eq!(bench.grant(ABSENT, "").await, "OK");
    let revoke = json!({"revoke": {"cen": "cen-44m0p68spvlrqq0001", "instance": ABSENT}}).to_string();
    assert_eq!(send("POST", "/_sim/do", &revoke).await.status, 200);
    assert_eq!(bench.rule(ABSENT).await, None);
    assert_eq!(send("POST", "/_sim/do", &revoke).await.status, 400, "it is gone");
    assert_eq!(send("POST", "/_sim/do", r#"{"explode": {}}"#).await.status, 400);
    assert_eq!(send("PUT", "/_sim/switches", r#"{"x": "ok"}"#).await.status, 400);
}

#[tokio::test]
async fn a_wait_answers_once_what_it_waits_for_has_happened() {
    let bench = Bench::new();
    let wait =
        async |query: &str| bench.send(bench.control("GET", &format!("/_sim/wait?{query}"), "")).await.unwrap().status;
    assert_eq!(wait("ledger=1&timeout_ms=1").await, 504);
    assert_eq!(wait("calls=X").await, 400);
    let params = about(ABSENT);
    let grant = bench.call(RESOURCE, "GrantInstanceToTransitRouter", &params);
    let (waited, granted) = tokio::join!(wait("ledger=1&calls=GrantInstanceToTransitRouter:1"), grant);
    assert_eq!((waited, granted.status), (200, 200));
}

#[tokio::test]
async fn a_wait_sees_what_time_does_without_any_call() {
    let bench = Bench::new();
    bench.modify("vpc-bp1h8vbrbcgohcju50002", "OrderType=PayByResourceOwner").await;
    let hour = async {
        while bench.clock.sleepers() == 0 {
            tokio::task::yield_now().await;
        }
        bench.pass(30 * 60);
    };
    tokio::join!(bench.simulator.wait_for_ledger(2), hour);
    assert_eq!(bench.simulator.ledger()[1].operation, "hour");
}

#[tokio::test]
async fn a_session_that_was_ended_is_refused() {
    let bench = Bench::new();
    let end = super::OutsideChange::EndKey { access_key_id: "resource-key".into() };
    bench.simulator.change(end).unwrap();
    assert_eq!(bench.grant(ABSENT, "").await, "InvalidAccessKeyId.Inactive");
}

#[tokio::test]
async fn a_role_is_assumed_where_it_trusts_and_ends_in_time() {
    let bench = Bench::new();
    let params =
        format!("RoleArn=acs%3Aram%3A%3A{OWNER}%3Arole%2Fcrossgrant&RoleSessionName=worker&DurationSeconds=900");
    assert_eq!(bench.code(RESOURCE, "AssumeRole", &params).await, "NoPermission");
    let code = |from: &'static str, to: &'static str| {
        let (bench, params) = (&bench, params.replace(from, to));
        async move { bench.code(TR, "AssumeRole", &params).await }
    };
    assert_eq!(code("crossgrant", "stranger").await, "EntityNotExist.Role");
    assert_eq!(code("900", "899").await, "InvalidParameter.DurationSeconds");
    assert_eq!(code("worker", "%2F").await, "InvalidParameter.RoleSessionName");
    assert_eq!(code("900", "900&ExternalId=a").await, "InvalidParameter.ExternalId");
    assert_eq!(code("900", "900&ExternalId=a%23b").await, "InvalidParameter.ExternalId");
    assert_eq!(code("900", "900&ExternalId=a%2Bb_%3D%2C.%40%3A%2F-").await, "OK");
    let session = bench.call(TR, "AssumeRole", &params).await.json()["Credentials"].clone();
    assert_eq!(session["Expiration"], "2026-05-09T08:45:00Z");
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    let (id, secret, token) = (text("AccessKeyId"), text("AccessKeySecret"), text("SecurityToken"));
    let call = async |token| bench.send(bench.signed(&id, &secret, token, "GetCallerIdentity", "")).await.unwrap();
    assert_eq!(call(None).await.code(), "MissingSecurityToken");
    let me = call(Some(&token)).await.json();
    assert_eq!((&me["AccountId"], &me["IdentityType"]), (&json!(OWNER), &json!("AssumedRoleUser")));
    assert_eq!(me["Arn"], format!("acs:ram::{OWNER}:assumed-role/crossgrant/worker"));
    bench.pass(900);
    assert_eq!(call(Some(&token)).await.code(), "InvalidSecurityToken.Expired");
}

/// An unsigned request as the vendor's libraries make it: without `accept`, parameters partly in the form.
async fn with_oidc(bench: &Bench, form: &str) -> crate::simulator::testing::Got {
    let query =
        "Action=AssumeRoleWithOIDC&Version=2015-04-01&Format=JSON&Timestamp=2026-05-09T08%3A30%3A00Z&SignatureNonce=n";
    let request = http::Request::post(format!("/?{query}"))
        .header("host", "127.0.0.1:18080")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(axum::body::Body::from(form.to_owned()))
        .unwrap();
    bench.send(request).await.unwrap()
}

#[tokio::test]
async fn a_token_opens_a_session_of_the_role_that_trusts_it() {
    let trusting = include_str!("../../examples/world.toml")
        .replace("trusts = [\"1250123456123456\"]", "oidc_tokens = [\"token-a\"]");
    let bench = Bench::of(super::World::from_toml(&trusting).unwrap());
    let form = format!(
        "RoleArn=acs%3Aram%3A%3A{OWNER}%3Arole%2Fcrossgrant&OIDCProviderArn=acs%3Aram%3A%3A{OWNER}%3Aoidc-provider%2Fp\
         &OIDCToken=token-a&RoleSessionName=worker&DurationSeconds=900"
    );
    let code = |from: &str, to: &str| {
        let (bench, form) = (&bench, form.replace(from, to));
        async move { with_oidc(bench, &form).await.code() }
    };
    assert_eq!(code("token-a", "token-b").await, "AuthenticationFail.NoPermission");
    assert_eq!(code("token-a", "abc").await, "AuthenticationFail.OIDCToken.Invalid");
    assert_eq!(code("token-a", &"a".repeat(20_001)).await, "AuthenticationFail.OIDCToken.Invalid");
    assert_eq!(code(&format!("{OWNER}%3Aoidc"), "1250123456123456%3Aoidc").await, "AuthenticationFail.NoPermission");
    assert_eq!(code("%2Fcrossgrant", "%2Fstranger").await, "EntityNotExist.Role");
    assert_eq!(code("OIDCToken", "OidcToken").await, "MissingParameter.OIDCToken");
    assert_eq!(code("&DurationSeconds", "&Durationseconds").await, "InvalidParameter");
    let opened = with_oidc(&bench, &form).await.json();
    assert_eq!(opened["Credentials"]["Expiration"], "2026-05-09T08:45:00Z");
}
