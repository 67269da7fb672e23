//! Performing: runs the operation of an admitted call, once for each `ClientToken`, and logs the call.

use super::admission::Admitted;
use super::answer::{ErrorAnswer, Success};
use super::call_log::CallRecord;
use super::handle::Simulator;
use super::history::AsOf;
use super::request::ApiCall;
use super::world::World;
use super::{combinations, operations};
use crate::clock::earlier;

/// The RequestId to answer with, which is an earlier request's if the `ClientToken` is, and what the operation answers.
pub(super) type Performed = Result<(String, Success), ErrorAnswer>;

/// How a performed call is logged.
#[derive(Clone, Copy)]
pub(super) enum LogAs<'a> {
    /// As `OK` or the code of its error.
    Result,
    /// Under this code, because the caller does not get the result.
    Code(&'a str),
    /// Not at all: it is in the log already.
    Nothing,
}

impl Simulator {
    pub(super) fn perform(&self, admitted: &mut Admitted, log: LogAs<'_>) -> Performed {
        self.perform_as_of(admitted, log, lagging)
    }

    /// Performs a call whose reads see the state before the latest write.
    pub(super) fn perform_stale(&self, admitted: &mut Admitted) -> Performed {
        self.perform_as_of(admitted, LogAs::Result, |world, _| AsOf::Before(world.last_write))
    }

    /// Logs a call under the code of a fault that takes its place. With `effect` it is performed all the same.
    pub(super) fn replace(&self, admitted: &mut Admitted, effect: bool, code: &str) {
        if effect {
            // The caller does not learn the result.
            drop(self.perform(admitted, LogAs::Code(code)));
            return;
        }
        let record = |at| record(&admitted.call, at, code.to_owned(), false);
        self.with(|state, at| state.log(record(at)));
    }

    fn perform_as_of(
        &self,
        Admitted { call, run }: &mut Admitted,
        log: LogAs<'_>,
        as_of: impl FnOnce(&World, &ApiCall) -> AsOf,
    ) -> Performed {
        self.with(|state, now| {
            // A request that was held is performed now, not when it came.
            call.now = now;
            call.as_of = as_of(&state.world, call);
            let token = call.params.text("ClientToken").filter(|_| operations::takes_token(&call.operation));
            let known = combinations::check(&call.operation, &call.params).and_then(|()| match token {
                Some(token) => state.tokens.known(&state.world, call, token),
                None => Ok(None),
            });
            let result = match known {
                Ok(None) => run(&mut state.world, call).map(|success| (call.request_id.clone(), success)),
                Ok(Some(known)) => Ok(known),
                Err(error) => Err(error),
            };
            let effect = result.as_ref().ok().and_then(|(_, success)| success.effect.clone());
            let code = match (log, &result) {
                (LogAs::Code(code), _) => Some(code),
                (LogAs::Nothing, _) => None,
                (LogAs::Result, Ok(_)) => Some("OK"),
                (LogAs::Result, Err(error)) => Some(error.code.as_str()),
            };
            if let Some(code) = code {
                state.log(record(call, now, code.to_owned(), effect.is_some()));
            }
            if let Some(effect) = effect {
                if let (Some(token), Ok((_, success))) = (token, &result) {
                    state.tokens.remember(call, token, success);
                }
                state.enter(&call.operation, Some(call), now, effect);
            }
            result
        })
    }
}

fn record(call: &ApiCall, at: jiff::Timestamp, code: String, effect: bool) -> CallRecord {
    CallRecord { at, operation: call.operation.clone(), account: Some(call.caller.account.clone()), code, effect }
}

fn lagging(world: &World, call: &ApiCall) -> AsOf {
    world.switches.lag(&call.operation).map_or(AsOf::Now, |lag| AsOf::At(earlier(call.now, lag)))
}
