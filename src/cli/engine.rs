//! An engine from its settings: what `serve` and `run` have in common.

use std::sync::Arc;

use crate::actions;
use crate::clock::Clock;
use crate::cloud::{AccountCredentials, Accounts, Endpoints, HttpTransport, Limits, Timeouts, Transport};
use crate::domain::Hour;
use crate::engine::announce::Announcer;
use crate::engine::core::{Core, Parts};
use crate::engine::faults::NoFaults;
use crate::engine::policy::Policy;
use crate::engine::store::Store;
use crate::telemetry::Metrics;
use crate::workflow::{Catalog, Overrides};

use super::exit::Failure;

/// What an engine is made of.
pub(super) struct Settings {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    /// How requests leave; `None` for the network.
    pub transport: Option<Arc<dyn Transport>>,
    pub endpoints: Endpoints,
    pub credentials: Vec<AccountCredentials>,
    /// The budgets of calls; `None` for a cloud that has all the time.
    pub limits: Option<Limits>,
    pub overrides: Overrides,
    pub hour: Hour,
    pub policy: Policy,
    /// Where events are published.
    pub exchange: String,
    /// The holder of leases.
    pub holder: String,
    pub metrics: Arc<Metrics>,
}

/// Builds it; what is wrong with the operator's own policies and error classes is reported together.
pub(super) async fn engine(settings: Settings) -> Result<Arc<Core>, Failure> {
    let registry = actions::registry();
    let catalog = catalog(&settings.overrides)?;
    let timeouts = Timeouts { request: catalog.policies.request_timeout, ..Timeouts::default() };
    let transport = match settings.transport {
        Some(transport) => transport,
        None => Arc::new(
            HttpTransport::new(timeouts.connect)
                .map_err(|error| Failure::failed(format!("cannot make requests to the cloud: {error}")))?,
        ),
    };
    let cloud = Accounts::new(
        Arc::clone(&settings.clock),
        transport,
        settings.endpoints,
        settings.credentials,
        timeouts,
        settings.metrics.clone(),
        settings.limits,
    );
    let parts = Parts {
        store: settings.store,
        cloud: Arc::new(cloud),
        clock: settings.clock,
        catalog: Arc::new(catalog),
        registry: Arc::new(registry),
        policy: settings.policy,
        announcer: Announcer { exchange: settings.exchange, hour: settings.hour },
        faults: Arc::new(NoFaults),
        observer: settings.metrics,
        holder: settings.holder,
    };
    Ok(Arc::new(Core::new(parts).await?))
}

/// The definitions of this program, with the operator's own policies and error classes.
pub(super) fn catalog(overrides: &Overrides) -> Result<Catalog, Failure> {
    Catalog::embedded(&actions::registry().specs(), overrides).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        Failure::usage(lines.join("\n"))
    })
}
