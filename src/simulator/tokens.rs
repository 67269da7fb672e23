//! Idempotency by `ClientToken` (API §I): the same token with the same request gets the same answer, without a second effect.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::answer::{ErrorAnswer, Success};
use super::request::ApiCall;
use super::world::{Status, World};
use crate::clock::later;
use crate::domain::AccountUid;

/// How long a token is remembered. An assumption: the vendor does not say (API gap G3).
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

type TokenKey = (AccountUid, String);

/// The requests with a token that succeeded within [`LIFETIME`].
#[derive(Debug, Default)]
pub(super) struct Tokens {
    used: HashMap<TokenKey, Used>,
    until: VecDeque<(Timestamp, TokenKey)>,
}

#[derive(Debug)]
struct Used {
    request: String,
    request_id: String,
    answer: Success,
}

impl Tokens {
    /// The RequestId and answer of the same request, if it was made before.
    ///
    /// # Errors
    /// `IdempotentParameterMismatch` if the token stands for another request; `TokenProcessing` while the attachment that the
    /// first request changed is still busy.
    pub(super) fn known(
        &mut self,
        world: &World,
        call: &ApiCall,
        token: &str,
    ) -> Result<Option<(String, Success)>, ErrorAnswer> {
        while let Some((_, key)) = self.until.front().filter(|(until, _)| *until <= call.now) {
            self.used.remove(key);
            self.until.pop_front();
        }
        let Some(used) = self.used.get(&(call.caller.account.clone(), token.to_owned())) else { return Ok(None) };
        if used.request != request(call) {
            let message = "The ClientToken was used with other parameters.";
            return Err(ErrorAnswer::bad("IdempotentParameterMismatch", message));
        }
        let attachment = used.answer.effect.as_ref().and_then(|e| e.attachment.as_ref());
        let attachment = attachment.and_then(|id| world.attachments.get(id)).and_then(|h| h.now());
        if attachment.is_some_and(|a| a.status != Status::Attached) {
            return Err(ErrorAnswer::bad("TokenProcessing", "The request with this ClientToken is still running."));
        }
        let answer = Success { body: used.answer.body.clone(), effect: None };
        Ok(Some((used.request_id.clone(), answer)))
    }

    pub(super) fn remember(&mut self, call: &ApiCall, token: &str, answer: &Success) {
        let key = (call.caller.account.clone(), token.to_owned());
        self.until.push_back((later(call.now, LIFETIME), key.clone()));
        let used = Used { request: request(call), request_id: call.request_id.clone(), answer: answer.clone() };
        self.used.insert(key, used);
    }
}

fn request(call: &ApiCall) -> String {
    format!("{}?{}", call.operation, call.params.fingerprint())
}
