//! Verifies a request signed with ACS3-HMAC-SHA256 (API §C), as the gateway does: from the bytes that arrived, by the
//! header list the caller signed. Proven by requests of the vendor's own SDK, never by our own client.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use jiff::Timestamp;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use super::accounts::AccessKey;
use super::codec;
use super::envelope::Refusal;
use super::query_signature;
use super::sts;
use crate::clock::{later, until};

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// How far a request's date may be from the gateway's (API §C.2).
const SKEW: Duration = Duration::from_secs(15 * 60);

/// What must be signed at the least.
const REQUIRED: [&str; 6] =
    ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"];

/// A request as it arrived.
#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Arrived<'_> {
    /// A header's value, trimmed; empty when it is not there.
    pub(super) fn header(&self, name: &str) -> String {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        values.join(",").trim().to_owned()
    }

    /// A parameter of the query, decoded.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        codec::pairs(self.query).into_iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// Which operation is asked for: by a header, or in the query by what is not signed in the headers.
    pub(super) fn action(&self) -> String {
        if self.unsigned() { sts::WITH_OIDC.to_owned() } else { self.named("x-acs-action", "Action") }
    }

    /// Which version of which product is asked.
    pub(super) fn version(&self) -> String {
        self.named("x-acs-version", "Version")
    }

    fn named(&self, header: &str, parameter: &str) -> String {
        match self.header(header) {
            empty if empty.is_empty() => self.parameter(parameter).unwrap_or_default(),
            value => value,
        }
    }

    /// Whether this is a request that needs no signature.
    pub(super) fn unsigned(&self) -> bool {
        let asks = |(name, value): &(String, String)| name == "Action" && value == sts::WITH_OIDC;
        !self.headers.contains_key("authorization") && codec::pairs(self.query).iter().any(asks)
    }
}

/// Nonces seen, for as long as their request could be replayed.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    seen: HashSet<String>,
    until: VecDeque<(Timestamp, String)>,
}

impl Nonces {
    /// False when the nonce was there already.
    pub(super) fn fresh(&mut self, nonce: String, now: Timestamp) -> bool {
        while let Some((_, old)) = self.until.front().filter(|(until, _)| *until < now) {
            self.seen.remove(old);
            self.until.pop_front();
        }
        // A request dated 15 minutes ahead stays valid for half an hour.
        self.until.push_back((later(now, SKEW * 2), nonce.clone()));
        self.seen.insert(nonce)
    }
}

/// The canonical request of API §C.3 to §C.5.
pub(super) fn canonical_request(arrived: &Arrived, signed_headers: &str) -> String {
    let mut query = codec::pairs(arrived.query);
    query.sort();
    let query: Vec<_> = query.iter().map(|(n, v)| format!("{}={}", codec::encode(n), codec::encode(v))).collect();
    let headers: String = signed_headers.split(';').map(|n| format!("{n}:{}\n", arrived.header(n))).collect();
    let hash = codec::hex(&Sha256::digest(arrived.body));
    [arrived.method, arrived.path, &query.join("&"), &headers, signed_headers, &hash].join("\n")
}

/// The string to sign of API §C.6.
pub(super) fn string_to_sign(canonical_request: &str) -> String {
    format!("{ALGORITHM}\n{}", codec::hex(&Sha256::digest(canonical_request)))
}

/// The signature of API §C.7.
pub(super) fn signature(secret: &str, string_to_sign: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("HMAC takes keys of any length");
    mac.update(string_to_sign.as_bytes());
    codec::hex(&mac.finalize().into_bytes())
}

/// Checks a request and says with which key it was signed.
///
/// # Errors
/// The gateway's refusals (API §D.3): nothing about the request can be believed then.
pub(super) fn verify<'k>(
    arrived: &Arrived,
    now: Timestamp,
    nonces: &mut Nonces,
    find: impl FnOnce(&str) -> Option<&'k AccessKey>,
) -> Result<&'k AccessKey, Refusal> {
    if query_signature::signed(arrived) {
        return query_signature::verify(arrived, now, nonces, find);
    }
    let authorization = arrived.header("authorization");
    let (algorithm, fields) = authorization.split_once(' ').unwrap_or((&authorization, ""));
    if authorization.is_empty() {
        return Err(Refusal::bad("IncompleteSignature", "The request has no Authorization header."));
    }
    if algorithm != ALGORITHM {
        return Err(Refusal::bad("InvalidSignatureMethod", format!("{algorithm} is not supported, {ALGORITHM} is.")));
    }
    let field = |name: &str| fields.split(',').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
    let (Some(key_id), Some(signed), Some(claimed)) = (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        return Err(Refusal::bad("IncompleteSignature", "Credential, SignedHeaders and Signature are needed."));
    };
    let signs = |name: &str| signed.split(';').any(|n| n == name) && arrived.headers.contains_key(name);
    if let Some(missing) = REQUIRED.into_iter().find(|name| !signs(name)) {
        return Err(Refusal::bad("IncompleteSignature", format!("The header {missing} is missing or not signed.")));
    }
    in_time(&arrived.header("x-acs-date"), now)?;
    let key = find(key_id)
        .ok_or_else(|| Refusal::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found."))?;
    if key.disabled {
        return Err(Refusal::bad("InvalidAccessKeyId.Inactive", "Specified access key is disabled."));
    }
    if key.token.is_some() && !signs("x-acs-security-token") {
        return Err(Refusal::bad("MissingSecurityToken", "A session's key needs its token, signed."));
    }
    let to_sign = string_to_sign(&canonical_request(arrived, signed));
    let same = |a: &str, b: &str| bool::from(a.as_bytes().ct_eq(b.as_bytes()));
    let body = codec::hex(&Sha256::digest(arrived.body));
    if !same(&body, &arrived.header("x-acs-content-sha256")) || !same(&signature(&key.secret, &to_sign), claimed) {
        let message = format!("The signature is not the one the server computed. Server string to sign: {to_sign}");
        return Err(Refusal::bad("SignatureDoesNotMatch", message));
    }
    token(&arrived.header("x-acs-security-token"), key, now)?;
    if !nonces.fresh(format!("{key_id} {}", arrived.header("x-acs-signature-nonce")), now) {
        return Err(Refusal::bad("SignatureNonceUsed", "The nonce was used before."));
    }
    Ok(key)
}

pub(super) fn in_time(date: &str, now: Timestamp) -> Result<(), Refusal> {
    let shaped = date.len() == 20 && date.ends_with('Z');
    let Some(at) = shaped.then(|| date.parse::<Timestamp>().ok()).flatten() else {
        return Err(Refusal::bad("InvalidTimeStamp.Format", "x-acs-date is written yyyy-MM-ddTHH:mm:ssZ."));
    };
    if until(at, now).max(until(now, at)) > SKEW {
        return Err(Refusal::bad("InvalidTimeStamp.Expired", "x-acs-date is more than 15 minutes from the server's."));
    }
    Ok(())
}

pub(super) fn token(sent: &str, key: &AccessKey, now: Timestamp) -> Result<(), Refusal> {
    let expected = key.token.as_deref().unwrap_or_default();
    if !bool::from(sent.as_bytes().ct_eq(expected.as_bytes())) {
        return Err(Refusal::bad("InvalidSecurityToken.MismatchWithAccessKey", "The token is not this key's."));
    }
    if key.expires.is_some_and(|at| at <= now) {
        return Err(Refusal::bad("InvalidSecurityToken.Expired", "The session has ended."));
    }
    Ok(())
}

#[cfg(test)]
mod tests;
