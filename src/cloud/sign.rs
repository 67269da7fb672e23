//! ACS3-HMAC-SHA256, the signature of every request (API §C). Pure: the same input gives the same signature.
//!
//! The documented set of headers is signed: `host`, `content-type` when there is a body, and every `x-acs-*` header. A
//! proxy may rewrite others without breaking the signature.

use std::borrow::Cow;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};

use crate::domain::hex;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// A request in the one form that both ends agree on, ready to be signed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Canonical {
    /// Sorted and percent-encoded parameters, as they are sent too; empty when there are none.
    pub query: String,
    /// Names of the signed headers, joined by `;`.
    pub signed_headers: String,
    /// The whole canonical request.
    pub request: String,
}

/// Brings a request into canonical form. `query` holds decoded names and values. A header value that is not visible
/// ASCII is left out of the signature's view as an empty value; the request builder never makes one.
pub fn canonicalize(method: &str, query: &[(String, String)], headers: &HeaderMap, body: &[u8]) -> Canonical {
    let query = canonical_query(query);
    let mut signed: Vec<(&str, &str)> = headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap_or("").trim()))
        .filter(|(name, _)| {
            *name == "host" || name.starts_with("x-acs-") || (*name == "content-type" && !body.is_empty())
        })
        .collect();
    signed.sort_unstable();
    let (mut signed_headers, mut lines) = (String::with_capacity(160), String::with_capacity(512));
    for (name, value) in signed {
        if !signed_headers.is_empty() {
            signed_headers.push(';');
        }
        signed_headers.push_str(name);
        lines.extend([name, ":", value, "\n"]);
    }
    let payload = content_sha256(body);
    let request = [method, "\n/\n", &query, "\n", &lines, "\n", &signed_headers, "\n", &payload].concat();
    Canonical { query, signed_headers, request }
}

impl Canonical {
    /// What the key signs.
    pub fn string_to_sign(&self) -> String {
        format!("{ALGORITHM}\n{}", hex(&Sha256::digest(self.request.as_bytes())))
    }

    /// The signature, in lower-case hexadecimal. The secret itself is the HMAC key; nothing is derived from it.
    pub fn signature(&self, secret: &SecretString) -> String {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(secret.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
        mac.update(self.string_to_sign().as_bytes());
        hex(&mac.finalize().into_bytes())
    }

    /// The value of the `Authorization` header.
    pub fn authorization(&self, access_key_id: &str, secret: &SecretString) -> String {
        let signature = self.signature(secret);
        format!("{ALGORITHM} Credential={access_key_id},SignedHeaders={},Signature={signature}", self.signed_headers)
    }
}

/// The hash of an empty body, which most requests have.
const EMPTY_SHA256: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The value of `x-acs-content-sha256`.
pub(super) fn content_sha256(body: &[u8]) -> Cow<'static, str> {
    if body.is_empty() { Cow::Borrowed(EMPTY_SHA256) } else { Cow::Owned(hex(&Sha256::digest(body))) }
}

fn canonical_query(parameters: &[(String, String)]) -> String {
    let mut sorted: Vec<&(String, String)> = parameters.iter().collect();
    sorted.sort_unstable();
    let mut query = String::with_capacity(256);
    for (name, value) in sorted {
        if !query.is_empty() {
            query.push('&');
        }
        percent_encode(&mut query, name);
        query.push('=');
        percent_encode(&mut query, value);
    }
    query
}

fn percent_encode(out: &mut String, text: &str) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    for byte in text.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => out.push(char::from(byte)),
            _ => out.extend([
                '%',
                char::from(DIGITS[usize::from(byte >> 4)]),
                char::from(DIGITS[usize::from(byte & 15)]),
            ]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use http::{HeaderName, HeaderValue};
    use serde::Deserialize;

    use super::*;

    #[derive(Deserialize)]
    struct Vectors {
        vectors: Vec<Vector>,
    }

    #[derive(Deserialize)]
    struct Vector {
        name: String,
        inputs: Inputs,
        expected: Expected,
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

    #[derive(Deserialize)]
    struct Expected {
        canonical_query_string: String,
        hashed_payload: String,
        canonical_request: String,
        hashed_canonical_request: String,
        string_to_sign: String,
        signed_headers: String,
        signature: String,
        authorization: String,
    }

    #[test]
    fn every_published_vector_is_reproduced_to_the_letter() {
        let text = include_str!("../../tests/data/signature-vectors.json");
        let vectors: Vectors = serde_json::from_str(text).unwrap();
        assert_eq!(vectors.vectors.len(), 18);
        for Vector { name, inputs, expected } in vectors.vectors {
            let mut headers: HeaderMap = inputs
                .headers_to_sign
                .iter()
                .map(|(k, v)| (k.parse::<HeaderName>().unwrap(), v.parse::<HeaderValue>().unwrap()))
                .collect();
            headers.insert("accept", HeaderValue::from_static("application/json"));
            headers.insert("user-agent", HeaderValue::from_static("not signed"));
            let secret = SecretString::from(inputs.access_key_secret);
            let query: Vec<(String, String)> = inputs.query.into_iter().rev().collect();

            let canonical = canonicalize(&inputs.method, &query, &headers, inputs.body.as_bytes());
            assert_eq!(canonical.query, expected.canonical_query_string, "{name}");
            assert_eq!(content_sha256(inputs.body.as_bytes()), expected.hashed_payload, "{name}");
            assert_eq!(canonical.request, expected.canonical_request, "{name}");
            assert_eq!(canonical.signed_headers, expected.signed_headers, "{name}");
            assert_eq!(canonical.string_to_sign(), expected.string_to_sign, "{name}");
            assert!(canonical.string_to_sign().ends_with(&expected.hashed_canonical_request), "{name}");
            assert_eq!(canonical.signature(&secret), expected.signature, "{name}");
            assert_eq!(canonical.authorization(&inputs.access_key_id, &secret), expected.authorization, "{name}");
        }
    }

    #[test]
    fn a_content_type_without_a_body_is_not_signed() {
        let mut headers = HeaderMap::new();
        headers.insert("host", HeaderValue::from_static("cbn.aliyuncs.com"));
        headers.insert("content-type", HeaderValue::from_static("application/json"));
        assert_eq!(canonicalize("POST", &[], &headers, b"").signed_headers, "host");
        assert_eq!(canonicalize("POST", &[], &headers, b"a=b").signed_headers, "content-type;host");
    }
}
