//! What both ways of signing a request have in common: the key, the date, the session token and the nonce.

use std::collections::{HashSet, VecDeque};
use std::time::Duration;

use jiff::Timestamp;
use subtle::ConstantTimeEq;

use super::accounts::{AccessKey, KeysById};
use super::answer::ErrorAnswer;
use crate::clock::{later, until};
use crate::domain::AccountUid;

/// How far the date of a request may be from the gateway's (API §C.2).
const SKEW: Duration = Duration::from_secs(15 * 60);

/// The nonces seen lately, each kept for as long as its request could be replayed.
#[derive(Debug, Default)]
pub(super) struct Nonces {
    seen: HashSet<String>,
    until: VecDeque<(Timestamp, String)>,
}

impl Nonces {
    /// Remembers a nonce; false if it was seen before.
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

/// Finds the key that a request names, with the account it belongs to.
///
/// # Errors
/// The key is unknown or disabled.
pub(super) fn usable<'k>(keys: &'k KeysById, id: &str) -> Result<&'k (AccountUid, AccessKey), ErrorAnswer> {
    match keys.get(id) {
        None => Err(ErrorAnswer::new(404, "InvalidAccessKeyId.NotFound", "Specified access key is not found.")),
        Some((_, key)) if key.disabled => {
            Err(ErrorAnswer::bad("InvalidAccessKeyId.Inactive", "Specified access key is disabled."))
        }
        Some(owned) => Ok(owned),
    }
}

pub(super) fn in_time(date: &str, now: Timestamp) -> Result<(), ErrorAnswer> {
    let shaped = date.len() == 20 && date.ends_with('Z');
    let Some(at) = shaped.then(|| date.parse::<Timestamp>().ok()).flatten() else {
        return Err(ErrorAnswer::bad("InvalidTimeStamp.Format", "The date must have the form yyyy-MM-ddTHH:mm:ssZ."));
    };
    if until(at, now).max(until(now, at)) > SKEW {
        let message = "The date is more than 15 minutes from the server's.";
        return Err(ErrorAnswer::bad("InvalidTimeStamp.Expired", message));
    }
    Ok(())
}

/// Compares secrets and what is computed from them, in a time that tells nothing of where they differ.
pub(super) fn same(a: &str, b: &str) -> bool {
    a.as_bytes().ct_eq(b.as_bytes()).into()
}

/// Shows the caller the string that should have been signed, as the vendor does.
pub(super) fn mismatch(to_sign: &str) -> ErrorAnswer {
    let message = format!("The signature is not the one the server computed. Server string to sign: {to_sign}");
    ErrorAnswer::bad("SignatureDoesNotMatch", message)
}

/// Checks what a right signature leaves open: that the session lives, and that the request is no replay.
///
/// # Errors
/// The token is not the key's, the session has ended, or the nonce was used before.
pub(super) fn live(
    key: &AccessKey,
    token: &str,
    nonce: &str,
    nonces: &mut Nonces,
    now: Timestamp,
) -> Result<(), ErrorAnswer> {
    if !same(token, key.token.as_deref().unwrap_or_default()) {
        let message = "The token does not belong to this key.";
        return Err(ErrorAnswer::bad("InvalidSecurityToken.MismatchWithAccessKey", message));
    }
    if key.expires.is_some_and(|at| at <= now) {
        return Err(ErrorAnswer::bad("InvalidSecurityToken.Expired", "The session has ended."));
    }
    if !nonces.fresh(format!("{} {nonce}", key.id), now) {
        return Err(ErrorAnswer::bad("SignatureNonceUsed", "The nonce was used before."));
    }
    Ok(())
}
