//! The verifier is given requests that the vendor's own SDK signed.

use std::collections::BTreeMap;

use http::{HeaderMap, HeaderName, HeaderValue};
use serde::Deserialize;

use super::*;

#[derive(Deserialize)]
struct File {
    vectors: Vec<Vector>,
    sdk_wire_captures: Vec<Capture>,
    negative: Vec<Negative>,
}

#[derive(Deserialize)]
struct Vector {
    name: String,
    inputs: Inputs,
    expected: BTreeMap<String, String>,
}

#[derive(Deserialize)]
struct Inputs {
    access_key_id: String,
    access_key_secret: String,
    method: String,
    query: BTreeMap<String, String>,
    body: String,
    headers_to_sign: BTreeMap<String, String>,
}

#[derive(Deserialize, Clone)]
struct Capture {
    name: String,
    method: String,
    query: BTreeMap<String, String>,
    body: String,
    headers: BTreeMap<String, String>,
    access_key_id: String,
    access_key_secret: String,
    authorization: String,
}

#[derive(Deserialize)]
struct Negative {
    name: String,
    based_on: String,
    expect_http: u16,
    expect_code: String,
}

fn file() -> File {
    serde_json::from_str(include_str!("../../../tests/data/signature-vectors.json")).unwrap()
}

fn capture(name: &str) -> Capture {
    file().sdk_wire_captures.into_iter().find(|c| c.name == name).unwrap()
}

/// A request as it could stand on the wire: the order of the query turned round, spaces as `+`.
struct Wire {
    method: String,
    query: String,
    headers: HeaderMap,
    body: String,
    key: AccessKey,
}

impl Wire {
    fn new(capture: &Capture) -> Self {
        let pair =
            |(n, v): (&String, &String)| format!("{}={}", codec::encode(n), codec::encode(v).replace("%20", "+"));
        let query: Vec<_> = capture.query.iter().rev().map(pair).collect();
        let mut headers: HeaderMap = capture
            .headers
            .iter()
            .map(|(n, v)| (n.parse::<HeaderName>().unwrap(), v.parse::<HeaderValue>().unwrap()))
            .collect();
        headers.insert("authorization", capture.authorization.parse().unwrap());
        let key = AccessKey {
            id: capture.access_key_id.clone(),
            secret: capture.access_key_secret.clone(),
            token: capture.headers.get("x-acs-security-token").cloned(),
            expires: None,
            disabled: false,
            role: None,
        };
        Self { method: capture.method.clone(), query: query.join("&"), headers, body: capture.body.clone(), key }
    }

    fn arrived(&self) -> Arrived<'_> {
        let body = self.body.as_bytes();
        Arrived { method: &self.method, path: "/", query: &self.query, headers: &self.headers, body }
    }

    fn verify(&self, now: &str, nonces: &mut Nonces) -> Result<(), ErrorAnswer> {
        let keys = KeysById::from([(self.key.id.clone(), ("1250123456123456".parse().unwrap(), self.key.clone()))]);
        verify(&self.arrived(), now.parse().unwrap(), nonces, &keys).map(|_| ())
    }

    fn code(&self) -> String {
        self.verify(NOW, &mut Nonces::default()).err().map(|r| r.code).unwrap_or_default()
    }
}

const NOW: &str = "2026-05-09T08:31:00Z";

#[test]
fn every_request_the_vendors_sdk_signed_is_accepted() {
    let captures = file().sdk_wire_captures;
    assert_eq!(captures.len(), 13);
    let mut nonces = Nonces::default();
    for capture in captures {
        assert_eq!(Wire::new(&capture).verify(NOW, &mut nonces), Ok(()), "{}", capture.name);
    }
}

#[test]
fn every_vector_is_canonicalised_and_verified() {
    let vectors = file().vectors;
    assert_eq!(vectors.len(), 18);
    for Vector { name, inputs, expected } in vectors {
        let capture = Capture {
            name: name.clone(),
            method: inputs.method,
            query: inputs.query,
            body: inputs.body,
            headers: inputs.headers_to_sign,
            access_key_id: inputs.access_key_id,
            access_key_secret: inputs.access_key_secret,
            authorization: expected["authorization"].clone(),
        };
        let wire = Wire::new(&capture);
        let canonical = canonical_request(&wire.arrived(), &expected["signed_headers"]);
        assert_eq!(canonical, expected["canonical_request"], "{name}");
        assert_eq!(string_to_sign(&canonical), expected["string_to_sign"], "{name}");
        let date = capture.headers["x-acs-date"].clone();
        assert_eq!(wire.verify(&date, &mut Nonces::default()), Ok(()), "{name}");
    }
}

#[test]
fn every_tampering_is_refused_with_its_code() {
    let negative = file().negative;
    assert_eq!(negative.len(), 7);
    for case in negative {
        let mut wire = Wire::new(&capture(&case.based_on));
        let (mut now, mut nonces) = (NOW, Nonces::default());
        match case.name.as_str() {
            "tampered_parameter" => wire.query = wire.query.replace("PayByResourceOwner", "PayByCenOwner"),
            "wrong_secret" => wire.key.secret = "anotherSecret".into(),
            "unknown_access_key" => {
                let text = wire.headers["authorization"].to_str().unwrap();
                let text = text.replace(&format!("={},", wire.key.id), "=unknownAccessKeyId,");
                wire.headers.insert("authorization", text.parse().unwrap());
            }
            "stale_date" => now = "2026-05-09T08:45:01Z",
            "nonce_replay" => assert_eq!(wire.verify(now, &mut nonces), Ok(())),
            "body_hash_mismatch" => wire.body.push('x'),
            "sts_token_missing" => {
                wire.headers.remove("x-acs-security-token");
            }
            other => panic!("unknown case {other}"),
        }
        let error = wire.verify(now, &mut nonces).expect_err(&case.name);
        assert_eq!((error.http, error.code), (case.expect_http, case.expect_code), "{}", case.name);
    }
}

#[test]
fn a_date_is_good_for_fifteen_minutes_both_ways() {
    let wire = Wire::new(&capture("grant_vpc_query_only"));
    for (now, good) in [
        ("2026-05-09T08:14:59Z", false),
        ("2026-05-09T08:15:00Z", true),
        ("2026-05-09T08:45:00Z", true),
        ("2026-05-09T08:45:01Z", false),
    ] {
        assert_eq!(wire.verify(now, &mut Nonces::default()).is_ok(), good, "{now}");
    }
}

#[test]
fn a_session_needs_its_own_living_token() {
    let mut wire = Wire::new(&capture("revoke_vbr_sts_token"));
    wire.key.expires = Some(NOW.parse().unwrap());
    assert_eq!(wire.code(), "InvalidSecurityToken.Expired");
    wire.key.token = Some("another".into());
    assert_eq!(wire.code(), "InvalidSecurityToken.MismatchWithAccessKey");
}

#[test]
fn what_is_not_signed_is_not_believed() {
    let whole = Wire::new(&capture("grant_vpc_query_only"));
    let edit = |from: &str, to: &str| {
        let mut wire = Wire::new(&capture("grant_vpc_query_only"));
        let text = whole.headers["authorization"].to_str().unwrap().replace(from, to);
        wire.headers.insert("authorization", text.parse().unwrap());
        wire.code()
    };
    assert_eq!(edit(";x-acs-action", ""), "IncompleteSignature");
    assert_eq!(edit("SignedHeaders", "Signed"), "IncompleteSignature");
    assert_eq!(edit("ACS3-HMAC-SHA256", "HMAC-SHA1"), "InvalidSignatureMethod");
    let mut wire = Wire::new(&capture("grant_vpc_query_only"));
    wire.key.disabled = true;
    assert_eq!(wire.code(), "InvalidAccessKeyId.Inactive");
    wire.headers.remove("authorization");
    assert_eq!(wire.code(), "IncompleteSignature");
}

#[test]
fn a_nonce_may_come_again_once_its_request_is_long_stale() {
    let mut nonces = Nonces::default();
    let at = |text: &str| text.parse().unwrap();
    assert!(nonces.fresh("a".into(), at("2026-05-09T08:00:00Z")));
    assert!(!nonces.fresh("a".into(), at("2026-05-09T08:30:00Z")));
    assert!(nonces.fresh("a".into(), at("2026-05-09T09:00:01Z")));
}
