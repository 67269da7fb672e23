//! A bench for tests of the simulator: the example world at 08:30, and calls signed as a client signs them.

use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{HeaderMap, Request};
use http_body_util::BodyExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tower::util::ServiceExt as _;

use super::arrived::Arrived;
use super::verify::{canonical_request, signature, string_to_sign};
use super::{Simulator, World, codec};
use crate::clock::{Clock as _, ManualClock};
use crate::domain::Hour;

pub(super) const CEN: &str = "cen-44m0p68spvlrqq0001";
pub(super) const CEN_OWNER: &str = "1250123456123456";
pub(super) const OWNER: &str = "1688000000000001";

/// The id and the secret of an access key.
pub(super) type SigningKey = (&'static str, &'static str);
pub(super) const RESOURCE: SigningKey = ("resource-key", "resource-secret");
pub(super) const TR: SigningKey = ("cen-key", "cen-secret");

pub(super) struct Bench {
    pub(super) clock: Arc<ManualClock>,
    pub(super) simulator: Simulator,
}

/// A whole answer.
#[derive(Debug)]
pub(super) struct Got {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) text: String,
}

impl Got {
    pub(super) fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// `OK`, or the code of the error.
    pub(super) fn code(&self) -> String {
        match (self.status, self.json()["Code"].as_str()) {
            (200, None) => "OK".into(),
            (_, Some(code)) => code.into(),
            other => panic!("{other:?}"),
        }
    }
}

impl Bench {
    pub(super) fn new() -> Self {
        Self::of(World::from_toml(include_str!("../../examples/world.toml")).unwrap())
    }

    pub(super) fn of(world: World) -> Self {
        let clock = Arc::new(ManualClock::new("2026-05-09T08:30:00Z".parse().unwrap()));
        let simulator = Simulator::new(world, Hour::REAL, clock.clone());
        Self { clock, simulator }
    }

    pub(super) fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) fn switch(&self, patch: Value) {
        self.simulator.patch_switches(patch).unwrap();
    }

    /// A signed request; its parameters, written `A=b&C=d`, are in the query.
    pub(super) fn request(&self, key: SigningKey, action: &str, params: &str) -> Request<Body> {
        self.signed(key.0, key.1, None, action, params)
    }

    /// As [`Bench::request`], also with the key of a session.
    pub(super) fn signed(
        &self,
        id: &str,
        secret: &str,
        token: Option<&str>,
        action: &str,
        params: &str,
    ) -> Request<Body> {
        let version = match action {
            "GetCallerIdentity" | "AssumeRole" => "2015-04-01",
            "GrantInstanceToCbn" | "RevokeInstanceFromCbn" | "DescribeGrantRules" => "2018-03-13",
            "DescribeVpnAttachments" => "2016-04-28",
            _ => "2017-09-12",
        };
        let mut headers = HeaderMap::new();
        let mut put = |name: &'static str, value: &str| headers.insert(name, value.parse().unwrap());
        put("host", "127.0.0.1:18080");
        put("accept", "application/json");
        put("x-acs-action", action);
        put("x-acs-version", version);
        put("x-acs-date", &self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
        put("x-acs-signature-nonce", &uuid::Uuid::new_v4().to_string());
        put("x-acs-content-sha256", &codec::hex(&Sha256::digest(b"")));
        token.into_iter().for_each(|token| drop(put("x-acs-security-token", token)));
        let mut signed =
            String::from("host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version");
        signed.push_str(if token.is_some() { ";x-acs-security-token" } else { "" });
        let arrived = Arrived { method: "POST", path: "/", query: params, headers: &headers, body: b"" };
        let signature = signature(secret, &string_to_sign(&canonical_request(&arrived, &signed)));
        let authorization = format!("ACS3-HMAC-SHA256 Credential={},SignedHeaders={signed},Signature={signature}", id);
        headers.insert("authorization", authorization.parse().unwrap());
        let mut request = Request::post(format!("/?{params}")).body(Body::empty()).unwrap();
        *request.headers_mut() = headers;
        request
    }

    /// Sends a request; `None` if the answer broke off.
    pub(super) async fn send(&self, request: Request<Body>) -> Option<Got> {
        let response = self.simulator.router().oneshot(request).await.unwrap();
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let text = response.into_body().collect().await.ok()?.to_bytes();
        Some(Got { status, headers, text: String::from_utf8(text.to_vec()).unwrap() })
    }

    pub(super) async fn call(&self, key: SigningKey, action: &str, params: &str) -> Got {
        self.send(self.request(key, action, params)).await.expect("a whole answer")
    }

    /// Calls an operation, and returns `OK` or the code of the error.
    pub(super) async fn code(&self, key: SigningKey, action: &str, params: &str) -> String {
        self.call(key, action, params).await.code()
    }

    pub(super) async fn grant(&self, instance: &str, more: &str) -> String {
        self.code(RESOURCE, "GrantInstanceToTransitRouter", &format!("{}{more}", about(instance))).await
    }

    pub(super) async fn revoke(&self, instance: &str) -> String {
        self.code(RESOURCE, "RevokeInstanceFromTransitRouter", &about(instance)).await
    }

    pub(super) async fn modify(&self, instance: &str, more: &str) -> String {
        let params = format!("CenId={CEN}&InstanceId={instance}&{more}");
        self.code(RESOURCE, "ModifyGrantInstanceToTransitRouter", &params).await
    }

    /// The grant rule of an instance, as the owner of the CEN sees it.
    pub(super) async fn rule(&self, instance: &str) -> Option<Value> {
        let params = format!("CenId={CEN}&ProductType={}&ChildInstanceId={instance}", kind(instance));
        let mut body = self.call(TR, "DescribeGrantRulesToCen", &params).await.json();
        let rules = body["GrantRules"]["GrantRule"].as_array_mut().expect("rules");
        assert!(rules.len() < 2);
        rules.pop()
    }

    pub(super) fn control(&self, method: &str, path: &str, body: &str) -> Request<Body> {
        let request = Request::builder().method(method).uri(path).header("content-type", "application/json");
        request.body(Body::from(body.to_owned())).unwrap()
    }
}

/// The parameters of grant and revoke for an instance of the example world.
pub(super) fn about(instance: &str) -> String {
    let kind = if instance.starts_with("vbr-") { "ExpressConnect" } else { kind(instance) };
    format!("CenId={CEN}&CenOwnerId={CEN_OWNER}&InstanceId={instance}&InstanceType={kind}&RegionId=cn-hangzhou")
}

fn kind(instance: &str) -> &'static str {
    let kinds = [("vpc-", "VPC"), ("vbr-", "VBR"), ("vco-", "VPN"), ("ecr-", "ECR"), ("ccn-", "CCN")];
    kinds.into_iter().find(|(prefix, _)| instance.starts_with(prefix)).expect("an instance's id").1
}
