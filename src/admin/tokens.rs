//! The tokens that requests carry, and what each of them allows.

use std::sync::Arc;

use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::domain::{Live, Requester, words};

words! {
    /// What a token allows. Each role includes those before it, but none includes the first: who watches or operates does not
    /// ask for jobs as well.
    pub enum AdminRole {
        /// Submits jobs by the door, and reads those that it has submitted.
        Submitter = "submitter",
        /// Reads jobs, pauses and dead messages.
        Reader = "reader",
        /// Commands: cancel, resume, pause, replay.
        Operator = "operator",
        /// Approves what an hourly limit has parked.
        Approver = "approver",
    }
}

/// The name of the token of `[admin] token`.
pub const ADMIN: &str = "admin";
/// The name of the token that a worker makes beside its store.
pub const LOCAL: &str = "local";

/// A token, as it is configured or made.
#[derive(Debug, Clone)]
pub struct AdminToken {
    /// Whose it is, or what for. It stands in records and in the log with everything that is done with the token.
    pub name: String,
    /// What it allows.
    pub role: AdminRole,
    /// What requests carry.
    pub secret: SecretString,
    /// The requesters that its owner submits jobs as, besides the one of its own name.
    pub requesters: Vec<Requester>,
}

/// Whether a text can be the name of a token: one word, so that it can stand in sentences and in one column of the store.
pub fn is_name(text: &str) -> bool {
    let word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    (1..=64).contains(&text.len()) && text.bytes().all(word)
}

/// By which right a request is carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Authority {
    /// The name of its token.
    pub token: String,
    /// What the token allows.
    pub role: AdminRole,
    /// The requesters that its owner submits jobs as, besides the one of its own name.
    pub requesters: Vec<Requester>,
}

impl Authority {
    /// The requester whose jobs alone the token may see; `None` for those of all.
    pub fn sees_only(&self) -> Option<Requester> {
        let own = || Requester::at_door(&self.token).expect("the name of a token is short and printable");
        (self.role == AdminRole::Submitter).then(own)
    }

    /// Whether the owner of the token is this requester, as far as is configured.
    pub fn is_of(&self, requester: &Requester) -> bool {
        self.token == requester.as_str()
            || requester.token() == Some(&self.token)
            || self.requesters.contains(requester)
    }
}

/// A token that a worker knows, and the digest of its secret.
type KnownToken = (Authority, [u8; 32]);

/// The tokens that a worker knows: their names and roles, and only a digest of each. Clones are the same tokens.
#[derive(Debug, Clone, Default)]
pub struct AdminTokens(Arc<Live<Vec<KnownToken>>>);

impl AdminTokens {
    /// Of two tokens with the same secret, the first counts.
    pub fn new(tokens: impl IntoIterator<Item = AdminToken>) -> Self {
        let mut known: Vec<KnownToken> = Vec::new();
        for AdminToken { name, role, secret, requesters } in tokens {
            let digest = digest(secret.expose_secret());
            if known.iter().all(|(_, other)| *other != digest) {
                known.push((Authority { token: name, role, requesters }, digest));
            }
        }
        Self(Arc::new(known.into()))
    }

    /// Knows the tokens of `other` instead, from now on. Returns whether these are others.
    pub fn replace(&self, other: &Self) -> bool {
        let differ = self.0.get() != other.0.get();
        self.0.set(other.0.get().to_vec());
        differ
    }

    /// Whether there is none, so that no request can have one.
    pub fn is_empty(&self) -> bool {
        self.0.get().is_empty()
    }

    /// The names and roles, for the log.
    pub fn authorities(&self) -> Vec<Authority> {
        self.0.get().iter().map(|(authority, _)| authority.clone()).collect()
    }

    /// What the token with this name allows, and a key for what is signed in its name: all that know the secret make the same one.
    pub fn named(&self, name: &str) -> Option<(Authority, [u8; 32])> {
        let known = self.0.get();
        let (authority, digest) = known.iter().find(|(authority, _)| authority.token == name)?;
        Some((authority.clone(), key(digest)))
    }

    /// What a request with this secret may do; `None` if no token has it. Every token is compared, each in constant time and by
    /// a digest of fixed length, so that the time tells nothing of the tokens.
    pub fn authority(&self, secret: &str) -> Option<Authority> {
        let given = digest(secret);
        let mut found = None;
        for (authority, known) in self.0.get().iter() {
            if known.ct_eq(&given).into() {
                found = Some(authority.clone());
            }
        }
        found
    }
}

fn key(digest: &[u8; 32]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(digest).expect("a key can have any length");
    mac.update(b"sessions of the page");
    mac.finalize().into_bytes().into()
}

fn digest(secret: &str) -> [u8; 32] {
    Sha256::digest(secret.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn token(name: &str, role: AdminRole, secret: &str) -> AdminToken {
        AdminToken { name: name.into(), role, secret: secret.into(), requesters: vec![] }
    }

    #[test]
    fn a_secret_stands_for_its_token_and_no_part_of_it_does() {
        let tokens = AdminTokens::new([
            token("night-shift", AdminRole::Operator, "s3cr3t"),
            token("dashboard", AdminRole::Reader, "0ther"),
            token("again", AdminRole::Approver, "s3cr3t"),
        ]);
        assert_eq!(tokens.authority("s3cr3t").unwrap().token, "night-shift");
        assert_eq!(tokens.authority("0ther").unwrap().role, AdminRole::Reader);
        assert_eq!(tokens.authorities().len(), 2);
        for wrong in ["", "s3cr3", "s3cr3tt", "S3CR3T", "0ther "] {
            assert_eq!(tokens.authority(wrong), None, "{wrong:?}");
        }
        assert!(AdminTokens::default().authority("").is_none() && AdminTokens::default().is_empty());
        assert!(!format!("{tokens:?}").contains("s3cr3t"));
    }

    #[test]
    fn a_token_stands_for_the_requester_of_its_name_and_for_those_that_are_configured() {
        let requester = |name: &str| Requester::parse(name).unwrap();
        let ann = AdminToken { requesters: vec![requester("tickets")], ..token("ann", AdminRole::Approver, "s") };
        let tokens = AdminTokens::new([ann]);
        let ann = tokens.authority("s").unwrap();
        assert!(ann.is_of(&requester("ann")) && ann.is_of(&requester("tickets")) && !ann.is_of(&requester("bot")));
        assert!(ann.is_of(&requester("http:ann")) && !ann.is_of(&requester("http:bot")), "it is the name at the door");
    }

    #[test]
    fn tokens_that_are_replaced_are_replaced_for_all_who_have_them() {
        let one = || AdminTokens::new([token("night-shift", AdminRole::Operator, "s3cr3t")]);
        let (tokens, served) = (one(), one());
        let served = {
            tokens.replace(&served);
            tokens.clone()
        };
        assert!(!tokens.replace(&one()), "the same tokens are no change");
        assert!(tokens.replace(&AdminTokens::new([token("night-shift", AdminRole::Operator, "0ther")])));
        assert!(served.authority("s3cr3t").is_none() && served.authority("0ther").is_some());
    }

    #[test]
    fn a_role_includes_those_before_it() {
        assert!(AdminRole::Submitter < AdminRole::Reader, "it sees less than a reader");
        assert!(AdminRole::Reader < AdminRole::Operator && AdminRole::Operator < AdminRole::Approver);
    }

    #[test]
    fn a_name_is_one_word() {
        assert!(is_name("night-shift") && is_name("ops.2"));
        for wrong in ["", "night shift", "a\u{1f}b", "ann)", &"x".repeat(65)] {
            assert!(!is_name(wrong), "{wrong:?}");
        }
    }
}
