//! Signatures of standard-webhooks 1.0.0: HMAC-SHA-256 over `<webhook-id>.<webhook-timestamp>.<body>`.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::domain::base64;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// How many bytes a secret stands for.
const LENGTH: std::ops::RangeInclusive<usize> = 24..=64;

/// A secret that the worker shares with the receivers.
#[derive(Clone, PartialEq, Eq)]
pub struct SigningKey(Vec<u8>);

impl SigningKey {
    /// Reads `whsec_` and the Base64 of 24 to 64 bytes.
    ///
    /// # Errors
    /// What is wrong with it, without the secret.
    pub fn parse(text: &str) -> Result<Self, String> {
        let bytes = text.strip_prefix(PREFIX).and_then(base64::decode).filter(|bytes| LENGTH.contains(&bytes.len()));
        bytes.map(Self).ok_or_else(|| {
            let (least, most) = (LENGTH.start(), LENGTH.end());
            format!(
                "must be {PREFIX} and the Base64 of {least} to {most} random bytes, as `echo {PREFIX}$(openssl rand -base64 32)` makes it"
            )
        })
    }

    fn sign(&self, id: &str, timestamp: i64, body: &[u8]) -> String {
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("a key may have any length");
        mac.update(format!("{id}.{timestamp}.").as_bytes());
        mac.update(body);
        format!("v1,{}", base64::encode(&mac.finalize().into_bytes()))
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(…)")
    }
}

/// The value of `webhook-signature`: a signature by each key, so that a receiver can go over from one to the next.
pub(super) fn signatures(keys: &[SigningKey], id: &str, timestamp: i64, body: &[u8]) -> String {
    keys.iter().map(|key| key.sign(id, timestamp, body)).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the libraries of standard-webhooks.
    #[test]
    fn it_signs_as_others_do() {
        let key = SigningKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signed = key.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#);
        assert_eq!(signed, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }

    #[test]
    fn each_key_signs() {
        let [one, two] = ["A", "B"].map(|c| SigningKey::parse(&format!("whsec_{}", c.repeat(32))).unwrap());
        let both = signatures(&[one.clone(), two.clone()], "i", 1, b"b");
        assert_eq!(both, format!("{} {}", one.sign("i", 1, b"b"), two.sign("i", 1, b"b")));
        assert_ne!(one, two);
    }

    #[test]
    fn a_bad_secret_is_not_repeated() {
        for text in ["", "s3cr3t", "whsec_", "whsec_AAAA", "whsec_!!!!", &format!("whsec_{}", "A".repeat(88))] {
            let why = SigningKey::parse(text).unwrap_err();
            assert!(text.len() < 7 || !why.contains(&text[6..]), "{why}");
        }
        let key = SigningKey::parse(&format!("whsec_{}", "A".repeat(32))).unwrap();
        assert_eq!(format!("{key:?}"), "SigningKey(…)");
    }
}
