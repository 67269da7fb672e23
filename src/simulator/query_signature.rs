//! Verifies a request signed the older way, with HMAC-SHA1 and the signature in the query. The vendor's credentials
//! libraries sign so when they ask STS for the keys of a role (API §A.13). Proven by a signature of theirs.

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use sha1::Sha1;

use super::accounts::{AccessKey, KeysById};
use super::answer::ErrorAnswer;
use super::arrived::Arrived;
use super::codec;
use super::signing::{self, Nonces, same};
use crate::domain::AccountUid;

/// The parameters that must be in the query besides the signature.
const REQUIRED: [&str; 3] = ["AccessKeyId", "SignatureNonce", "Timestamp"];

/// Whether a request is signed this way.
pub(super) fn signed(arrived: &Arrived) -> bool {
    !arrived.headers.contains_key("authorization") && arrived.parameter("Signature").is_some()
}

/// Checks the signature of a request, and returns its key with the key's account.
///
/// # Errors
/// The gateway's (API §D.3).
pub(super) fn verify<'k>(
    arrived: &Arrived,
    now: Timestamp,
    nonces: &mut Nonces,
    keys: &'k KeysById,
) -> Result<&'k (AccountUid, AccessKey), ErrorAnswer> {
    let method = arrived.parameter("SignatureMethod").unwrap_or_default();
    if method != "HMAC-SHA1" || arrived.parameter("SignatureVersion").as_deref() != Some("1.0") {
        let message = format!("{method} is not supported. Sign with HMAC-SHA1, version 1.0.");
        return Err(ErrorAnswer::bad("InvalidSignatureMethod", message));
    }
    let given = REQUIRED.map(|name| arrived.parameter(name).ok_or(name));
    let [id, nonce, timestamp] = match given {
        [Ok(id), Ok(nonce), Ok(timestamp)] => [id, nonce, timestamp],
        missing => {
            let name = missing.into_iter().find_map(Result::err).unwrap_or_default();
            return Err(ErrorAnswer::bad("IncompleteSignature", format!("The parameter {name} is missing.")));
        }
    };
    signing::in_time(&timestamp, now)?;
    let owned = signing::usable(keys, &id)?;
    let key = &owned.1;
    let to_sign = string_to_sign(arrived.method, &codec::pairs(arrived.query));
    if !same(&signature(&key.secret, &to_sign), &arrived.parameter("Signature").unwrap_or_default()) {
        return Err(signing::mismatch(&to_sign));
    }
    let token = arrived.parameter("SecurityToken").unwrap_or_default();
    signing::live(key, &token, &nonce, nonces, now)?;
    Ok(owned)
}

/// The method, the path and every parameter but the signature; the parameters are sorted and encoded twice.
fn string_to_sign(method: &str, query: &[(String, String)]) -> String {
    let mut pairs: Vec<_> = query.iter().filter(|(name, _)| name != "Signature").collect();
    pairs.sort();
    let pairs: Vec<_> = pairs.iter().map(|(n, v)| format!("{}={}", codec::encode(n), codec::encode(v))).collect();
    format!("{method}&%2F&{}", codec::encode(&pairs.join("&")))
}

fn signature(secret: &str, string_to_sign: &str) -> String {
    let mut mac = Hmac::<Sha1>::new_from_slice(format!("{secret}&").as_bytes()).expect("HMAC takes keys of any length");
    mac.update(string_to_sign.as_bytes());
    codec::base64(&mac.finalize().into_bytes())
}

#[cfg(test)]
mod tests {
    use http::HeaderMap;

    use super::*;

    /// Signed by the vendor's credentials library for Python, 1.0.12.
    const QUERY: &str = "Action=AssumeRole&Format=JSON&Version=2015-04-01&DurationSeconds=3600\
        &RoleArn=acs%3Aram%3A%3A1688000000000001%3Arole%2Fcrossgrant&RoleSessionName=hub&SignatureMethod=HMAC-SHA1\
        &SignatureVersion=1.0&Timestamp=2026-05-09T08%3A30%3A00Z&SignatureNonce=nonce-1&AccessKeyId=cen-key\
        &ExternalId=a%2Bb%3Dc%2Cd.e%40f%3Ag%2Fh-i%2A~%C3%A9&Signature=b6cplK%2BqKc%2Ft%2BlBe6hBuncSI2Bw%3D";

    fn verified(query: &str) -> Result<String, String> {
        let key = AccessKey {
            id: "cen-key".into(),
            secret: "cen-secret".into(),
            token: None,
            expires: None,
            disabled: false,
            role: None,
        };
        let headers = HeaderMap::new();
        let arrived = Arrived { method: "GET", path: "/", query, headers: &headers, body: b"" };
        assert!(signed(&arrived));
        let now = "2026-05-09T08:31:00Z".parse().unwrap();
        let keys = KeysById::from([(key.id.clone(), ("1250123456123456".parse().unwrap(), key))]);
        let found = verify(&arrived, now, &mut Nonces::default(), &keys);
        found.map(|(_, key)| key.id.clone()).map_err(|error| error.code)
    }

    #[test]
    fn the_vendors_signature_is_good_and_any_change_makes_it_bad() {
        assert_eq!(verified(QUERY), Ok("cen-key".into()));
        for (from, to, code) in [
            ("hub", "hob", "SignatureDoesNotMatch"),
            ("cen-key", "no-key", "InvalidAccessKeyId.NotFound"),
            ("T08%3A30", "T09%3A30", "InvalidTimeStamp.Expired"),
            ("HMAC-SHA1", "HMAC-MD5", "InvalidSignatureMethod"),
            ("&SignatureNonce=nonce-1", "", "IncompleteSignature"),
            ("&Signature=", "&SecurityToken=t&Signature=", "SignatureDoesNotMatch"),
        ] {
            assert_eq!(verified(&QUERY.replace(from, to)), Err(code.to_owned()), "{from} -> {to}");
        }
    }
}
