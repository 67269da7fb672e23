//! Verifies a request signed with ACS3-HMAC-SHA256 (API §C), as the gateway does: from the bytes that arrived, and by the
//! list of headers that the caller signed. Proven by requests of the vendor's own SDK, never by our own client.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha2::{Digest, Sha256};

use super::accounts::{AccessKey, KeysById};
use super::answer::ErrorAnswer;
use super::arrived::Arrived;
use super::codec;
use super::query_signature;
use super::signing::{self, Nonces, same};
use crate::domain::AccountUid;

const ALGORITHM: &str = "ACS3-HMAC-SHA256";

/// The headers that must be present and signed.
const REQUIRED: [&str; 6] =
    ["host", "x-acs-action", "x-acs-version", "x-acs-date", "x-acs-signature-nonce", "x-acs-content-sha256"];

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

/// Checks the signature of a request, whichever of the two ways it is signed, and returns its key with the key's account.
///
/// # Errors
/// The gateway's (API §D.3).
pub(super) fn verify<'k>(
    arrived: &Arrived,
    now: Timestamp,
    nonces: &mut Nonces,
    keys: &'k KeysById,
) -> Result<&'k (AccountUid, AccessKey), ErrorAnswer> {
    if query_signature::signed(arrived) {
        return query_signature::verify(arrived, now, nonces, keys);
    }
    let authorization = arrived.header("authorization");
    let (algorithm, fields) = authorization.split_once(' ').unwrap_or((&authorization, ""));
    if authorization.is_empty() {
        return Err(ErrorAnswer::bad("IncompleteSignature", "The request has no Authorization header."));
    }
    if algorithm != ALGORITHM {
        let message = format!("{algorithm} is not supported. Sign with {ALGORITHM}.");
        return Err(ErrorAnswer::bad("InvalidSignatureMethod", message));
    }
    let field = |name: &str| fields.split(',').find_map(|f| f.strip_prefix(name)?.strip_prefix('='));
    let (Some(key_id), Some(signed), Some(claimed)) = (field("Credential"), field("SignedHeaders"), field("Signature"))
    else {
        let message = "Authorization must hold Credential, SignedHeaders and Signature.";
        return Err(ErrorAnswer::bad("IncompleteSignature", message));
    };
    let signs = |name: &str| signed.split(';').any(|n| n == name) && arrived.headers.contains_key(name);
    if let Some(missing) = REQUIRED.into_iter().find(|name| !signs(name)) {
        let message = format!("The header {missing} is missing or not signed.");
        return Err(ErrorAnswer::bad("IncompleteSignature", message));
    }
    signing::in_time(&arrived.header("x-acs-date"), now)?;
    let owned = signing::usable(keys, key_id)?;
    let key = &owned.1;
    if key.token.is_some() && !signs("x-acs-security-token") {
        return Err(ErrorAnswer::bad("MissingSecurityToken", "The key of a session needs its token, signed."));
    }
    let to_sign = string_to_sign(&canonical_request(arrived, signed));
    let body = codec::hex(&Sha256::digest(arrived.body));
    if !same(&body, &arrived.header("x-acs-content-sha256")) || !same(&signature(&key.secret, &to_sign), claimed) {
        return Err(signing::mismatch(&to_sign));
    }
    let (token, nonce) = (arrived.header("x-acs-security-token"), arrived.header("x-acs-signature-nonce"));
    signing::live(key, &token, &nonce, nonces, now)?;
    Ok(owned)
}

#[cfg(test)]
mod tests;
