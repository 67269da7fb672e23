//! Admission: what the gateway checks before an operation runs (who calls, whether there is such an operation, and how often
//! it is called), and the fault that awaits the call.

use jiff::Timestamp;

use super::answer::ErrorAnswer;
use super::arrived::Arrived;
use super::call_log::{CallRecord, ParameterSet};
use super::faults::Strike;
use super::handle::Simulator;
use super::history::AsOf;
use super::operations::{self, Handler};
use super::request::{ApiCall, CallerIdentity, Params};
use super::state::SimulatorState;
use super::sts;
use super::verify::verify;
use crate::domain::AccountUid;

/// A call that passed the gateway, and the operation that it runs.
pub(super) struct Admitted {
    pub(super) call: ApiCall,
    pub(super) run: Handler,
}

impl Simulator {
    /// Admits a request, and takes the fault that strikes it.
    ///
    /// # Errors
    /// The gateway's, which are logged here. No fault is used up then.
    pub(super) fn admit(&self, arrived: &Arrived, request_id: &str) -> Result<(Admitted, Option<Strike>), ErrorAnswer> {
        let (operation, hour) = (arrived.action(), self.hour());
        self.with(|state, now| {
            let mut account = None;
            match state.admit(arrived, &operation, now, &mut account) {
                Ok((product, run, caller, params)) => {
                    let strike = state.strike(&operation, &params);
                    let (request_id, as_of) = (request_id.to_owned(), AsOf::Now);
                    let call = ApiCall { product, operation, caller, params, request_id, now, hour, as_of };
                    Ok((Admitted { call, run }, strike))
                }
                Err(error) => {
                    state.log(CallRecord { at: now, operation, account, code: error.code.clone(), effect: false });
                    Err(error)
                }
            }
        })
    }
}

impl SimulatorState {
    /// `account` is set as soon as it is known, so that it is logged with an error as well.
    fn admit(
        &mut self,
        arrived: &Arrived,
        operation: &str,
        now: Timestamp,
        account: &mut Option<AccountUid>,
    ) -> Result<(&'static str, Handler, CallerIdentity, Params), ErrorAnswer> {
        let params = Params::of(arrived);
        let signed = !arrived.unsigned();
        let caller = if signed {
            let (owner, key) = verify(arrived, now, &mut self.nonces, &self.world.keys)?;
            CallerIdentity::of(owner, key)
        } else {
            CallerIdentity { account: sts::account_asked_for(&params)?, access_key_id: String::new(), role: None }
        };
        *account = Some(caller.account.clone());
        if signed && !["GET", "POST"].contains(&arrived.method) {
            let message = format!("{} is not supported.", arrived.method);
            return Err(ErrorAnswer::bad("UnsupportedHTTPMethod", message));
        }
        let (product, run) =
            if signed { operations::find(&arrived.version(), operation)? } else { operations::UNSIGNED };
        self.parameter_sets.insert(ParameterSet::of(operation, product, &params));
        let limit = self.world.switches.calls_per_second.filter(|_| signed);
        if limit.is_some_and(|limit| !self.flow.takes(&caller.account, operation, now, limit)) {
            return Err(ErrorAnswer::throttled());
        }
        Ok((product, run, caller, params))
    }
}
