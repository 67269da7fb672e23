//! What a `ClientToken` is good for (API §I): the same token with the same request gives the same answer without a
//! second effect.

use std::collections::{HashMap, VecDeque};
use std::time::Duration;

use jiff::Timestamp;

use super::envelope::Refusal;
use super::operations::Answer;
use super::request::Call;
use super::world::{Status, World};
use crate::clock::later;
use crate::domain::AccountUid;

/// How long a token is remembered; the vendor does not say (API gap G3).
const LIFETIME: Duration = Duration::from_secs(24 * 3600);

type Key = (AccountUid, String);

/// The tokens used lately.
#[derive(Debug, Default)]
pub(super) struct Tokens {
    used: HashMap<Key, Used>,
    until: VecDeque<(Timestamp, Key)>,
}

#[derive(Debug)]
struct Used {
    request: String,
    request_id: String,
    answer: Answer,
}

impl Tokens {
    /// The RequestId and answer of the same request made before, if it was.
    ///
    /// # Errors
    /// `IdempotentParameterMismatch` when the token stands for another request, `TokenProcessing` while what that
    /// request began still goes on.
    pub(super) fn known(
        &mut self,
        world: &World,
        call: &Call,
        token: &str,
    ) -> Result<Option<(String, Answer)>, Refusal> {
        while let Some((_, key)) = self.until.front().filter(|(until, _)| *until <= call.now) {
            self.used.remove(key);
            self.until.pop_front();
        }
        let Some(used) = self.used.get(&(call.caller.account.clone(), token.to_owned())) else { return Ok(None) };
        if used.request != request(call) {
            let message = "The ClientToken was used with other parameters.";
            return Err(Refusal::bad("IdempotentParameterMismatch", message));
        }
        let attachment = used.answer.effect.as_ref().and_then(|e| e.attachment.as_ref());
        let attachment = attachment.and_then(|id| world.attachments.get(id)).and_then(|h| h.now());
        if attachment.is_some_and(|a| a.status != Status::Attached) {
            return Err(Refusal::bad("TokenProcessing", "The request with this ClientToken still runs."));
        }
        let answer = Answer { body: used.answer.body.clone(), effect: None };
        Ok(Some((used.request_id.clone(), answer)))
    }

    /// Remembers a request that succeeded.
    pub(super) fn remember(&mut self, call: &Call, token: &str, answer: &Answer) {
        let key = (call.caller.account.clone(), token.to_owned());
        self.until.push_back((later(call.now, LIFETIME), key.clone()));
        let used = Used { request: request(call), request_id: call.request_id.clone(), answer: answer.clone() };
        self.used.insert(key, used);
    }
}

fn request(call: &Call) -> String {
    format!("{}?{}", call.operation, call.params.fingerprint())
}
