//! What calls to the cloud tell, and what is known of its accounts.

use std::borrow::Cow;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::registry::Registry;

use super::family::{
    CounterFamily, GaugeFamily, HistogramFamily, Labels, Seconds, histograms, metric, observe, seconds,
};
use crate::cloud::CallObserver;
use crate::domain::{AccountUid, Operation, Sampling};
use crate::engine::ports::account::AccountReport;
use crate::engine::ports::trace::{Span, Tracer};
use crate::workflow::Class;

pub(super) struct Calls {
    tracer: Arc<dyn Tracer>,
    ended: CounterFamily<3>,
    failed: CounterFamily<2>,
    duration: HistogramFamily<1>,
    budget_deferred: CounterFamily<2>,
    budget_waited: Family<Labels<2>, Counter<f64, AtomicU64>>,
    budget_rate: Family<Labels<2>, Seconds>,
    account_usable: GaugeFamily<1>,
    credential_expires: Family<Labels<1>, Seconds>,
}

impl Calls {
    pub fn new(r: &mut Registry, tracer: Arc<dyn Tracer>) -> Self {
        Self {
            tracer,
            ended: metric(
                r,
                "cloud_calls",
                "Calls to the cloud, by operation, account, and outcome: ok, not-sent, unanswered, or the error code",
            ),
            failed: metric(
                r,
                "cloud_errors",
                "Calls to the cloud that failed, by account and by what the worker makes of the error: its class",
            ),
            duration: histograms(r, "cloud_call_duration", "Duration of a call to the cloud"),
            budget_deferred: metric(
                r,
                "cloud_budget_deferred",
                "Calls that were not made, because the budget of their operation and account had no room in time",
            ),
            budget_waited: seconds(
                r,
                "cloud_budget_waited",
                "Total time that calls waited for the budget of their operation and account",
                Family::default(),
            ),
            budget_rate: metric(
                r,
                "cloud_budget_rate",
                "Calls per second that an operation of an account may make now; throttled calls lower it",
            ),
            account_usable: metric(
                r,
                "account_usable",
                "0 if the cloud refuses the credential of the account or does not answer, else 1",
            ),
            credential_expires: seconds(
                r,
                "account_credential_expiry_timestamp",
                "Unix time at which the keys in use of the account end; +Inf for keys that do not",
                Family::default(),
            ),
        }
    }

    /// Shows the configured accounts. One that was taken out of the configuration goes.
    pub fn know(&self, accounts: &[AccountReport]) {
        self.account_usable.clear();
        self.credential_expires.clear();
        for account in accounts {
            let labels = [("account", account.uid.to_string().into())];
            self.account_usable.get_or_create(&labels).set(i64::from(account.standing.is_usable()));
            for class in Class::ALL {
                drop(self.failed.get_or_create(&account_and_class(&account.uid, class)));
            }
            let expires = account.expires_at.map_or(f64::INFINITY, |at| at.as_second() as f64);
            self.credential_expires.get_or_create(&labels).set(expires);
        }
    }
}

impl Tracer for Calls {
    fn sampling(&self) -> Option<Sampling> {
        self.tracer.sampling()
    }

    fn span(&self, span: Span) {
        self.tracer.span(span);
    }
}

impl CallObserver for Calls {
    fn called(&self, operation: Operation, account: &AccountUid, outcome: &str, took: Duration) {
        let operation = || Cow::Borrowed(operation.as_str());
        let labels = [
            ("operation", operation()),
            ("account", account.to_string().into()),
            ("outcome", outcome.to_owned().into()),
        ];
        self.ended.get_or_create(&labels).inc();
        observe(&self.duration.get_or_create(&[("operation", operation())]), took.as_secs_f64());
    }

    fn failed(&self, account: &AccountUid, class: Class) {
        self.failed.get_or_create(&account_and_class(account, class)).inc();
    }

    fn deferred(&self, operation: Operation, account: &AccountUid) {
        self.budget_deferred.get_or_create(&operation_and_account(operation, account)).inc();
    }

    fn budgeted(&self, operation: Operation, account: &AccountUid, waited: Duration, rate: Option<f64>) {
        let labels = operation_and_account(operation, account);
        self.budget_waited.get_or_create(&labels).inc_by(waited.as_secs_f64());
        if let Some(rate) = rate {
            self.budget_rate.get_or_create(&labels).set(rate);
        }
    }
}

fn account_and_class(account: &AccountUid, class: Class) -> Labels<2> {
    [("account", account.to_string().into()), ("class", class.as_str().into())]
}

fn operation_and_account(operation: Operation, account: &AccountUid) -> Labels<2> {
    [("operation", operation.as_str().into()), ("account", account.to_string().into())]
}
