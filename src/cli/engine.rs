//! An engine from its settings: what `serve` and `run` have in common, and the cloud alone for those that only read it.

use std::path::Path;
use std::sync::Arc;

use crate::actions;
use crate::clock::Clock;
use crate::cloud::{
    AccountCredentials, Accounts, CallObserver, ClientParts, Endpoints, HttpTransport, Limits, RouterTransport,
    Timeouts, Transport,
};
use crate::config::Config;
use crate::domain::{Code, Hour};
use crate::engine::events::Announcer;
use crate::engine::loops::shared::{Engine, EngineParts};
use crate::engine::policy::Policy;
use crate::engine::ports::crash_points::CrashPoints;
use crate::engine::ports::store::Store;
use crate::simulator::Simulator;
use crate::telemetry::Metrics;
use crate::workflow::{Catalog, Overrides};

use super::exit::Failure;
use super::world;

/// What an engine is made of.
pub(super) struct Settings {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub access: Access,
    pub policy: Policy,
    /// Where events are published.
    pub exchange: String,
    /// The holder of leases.
    pub holder: String,
    pub metrics: Arc<Metrics>,
    /// Where to be cut.
    pub crash_points: Arc<dyn CrashPoints>,
}

/// The cloud, and what is taken for true of it.
pub(super) struct Access {
    /// How requests leave; `None` for the network.
    pub transport: Option<Arc<dyn Transport>>,
    pub endpoints: Endpoints,
    pub credentials: Vec<AccountCredentials>,
    /// The budgets of calls; `None` for a cloud that has all the time.
    pub limits: Option<Limits>,
    pub overrides: Overrides,
    pub hour: Hour,
}

impl Access {
    /// What the configuration names.
    pub fn configured(config: &Config) -> Result<Self, Failure> {
        if config.accounts.is_empty() {
            let how = "`[accounts.\"<uid>\"]`, see deploy/crossgrant.toml";
            return Err(Failure::usage(format!("no account is configured: {how}")).code(Code::ConfigNoAccount));
        }
        Ok(Self {
            transport: None,
            endpoints: config.endpoints.clone(),
            credentials: config.credentials(),
            limits: Some(config.limits.clone()),
            overrides: config.overrides.clone(),
            hour: config.hour,
        })
    }

    /// A simulated cloud in this process, of the world in that file or of the example, with its accounts.
    pub fn simulated(world: Option<&Path>, hour: Hour, clock: Arc<dyn Clock>) -> Result<Self, Failure> {
        let (world, credentials) = world::read(world)?;
        let cloud = Simulator::new(world, hour, clock);
        Ok(Self {
            transport: Some(Arc::new(RouterTransport::new(cloud.router()))),
            endpoints: Endpoints::default(),
            credentials,
            limits: None,
            overrides: Overrides::default(),
            hour,
        })
    }
}

/// The accounts, as a client of the cloud.
pub(super) fn accounts(
    access: Access,
    catalog: &Catalog,
    clock: &Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
) -> Result<Accounts, Failure> {
    let timeouts = Timeouts { request: catalog.policies.request_timeout, ..Timeouts::default() };
    let transport = match access.transport {
        Some(transport) => transport,
        None => Arc::new(
            HttpTransport::new(timeouts.connect)
                .map_err(|error| Failure::failed(format!("cannot make requests to the cloud: {error}")))?,
        ),
    };
    let Access { endpoints, credentials, limits, .. } = access;
    let parts = ClientParts::new(Arc::clone(clock), transport, &catalog.classes);
    Ok(Accounts::new(ClientParts { endpoints, timeouts, observer, limits, ..parts }, credentials))
}

/// Builds it; what is wrong with the operator's own policies and error classes is reported together.
pub(super) async fn build(settings: Settings) -> Result<Arc<Engine>, Failure> {
    let registry = actions::registry();
    let (catalog, hour) = (catalog(&settings.access.overrides)?, settings.access.hour);
    let cloud = accounts(settings.access, &catalog, &settings.clock, settings.metrics.clone())?;
    let parts = EngineParts {
        store: settings.store,
        cloud: Arc::new(cloud),
        clock: settings.clock,
        catalog: Arc::new(catalog),
        registry: Arc::new(registry),
        policy: settings.policy,
        announcer: Announcer { exchange: settings.exchange, hour },
        crash_points: settings.crash_points,
        observer: settings.metrics,
        holder: settings.holder,
    };
    Ok(Arc::new(Engine::new(parts).await?))
}

/// The definitions of this program, with the operator's own policies and error classes.
pub(super) fn catalog(overrides: &Overrides) -> Result<Catalog, Failure> {
    Catalog::embedded(&actions::registry().specs(), overrides).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let message = format!("the workflow files cannot be used:\n{}", lines.join("\n"));
        Failure::usage(message).code(Code::WorkflowUnusable)
    })
}
