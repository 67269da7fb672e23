//! Builds the engine for `serve` and `run`, and the client of the cloud alone for commands that only read it.

use std::path::Path;
use std::sync::Arc;

use crate::actions;
use crate::clock::Clock;
use crate::cloud::{
    AccountCredentials, Accounts, CallObserver, ClientParts, CredentialReader, Endpoints, HttpTransport, Limits,
    RouterTransport, Timeouts, Transport,
};
use crate::config::Config;
use crate::domain::{Code, Hour, event_source};
use crate::engine::events::Announcer;
use crate::engine::loops::shared::{Engine, EngineParts};
use crate::engine::policy::Policy;
use crate::engine::ports::crash_points::CrashPoints;
use crate::engine::ports::store::Store;
use crate::simulator::Simulator;
use crate::telemetry::Metrics;
use crate::workflow::{Catalog, Overrides};

use super::exit::CliError;
use super::world;

/// The parts that `serve` and `run` choose differently.
pub(super) struct EngineSettings {
    pub store: Arc<dyn Store>,
    pub clock: Arc<dyn Clock>,
    pub access: CloudAccess,
    pub policy: Policy,
    /// The exchange that events are published to.
    pub exchange: String,
    /// The name of the installation, which events tell.
    pub installation: String,
    /// The name of this worker, as the holder of its leases.
    pub holder: String,
    pub metrics: Arc<Metrics>,
    pub crash_points: Arc<dyn CrashPoints>,
}

/// How to reach the cloud, and the settings that depend on which cloud it is.
pub(super) struct CloudAccess {
    /// `None` sends requests over the network.
    pub transport: Option<Arc<dyn Transport>>,
    pub endpoints: Endpoints,
    pub credentials: Vec<AccountCredentials>,
    /// Reads the credentials anew, for accounts that the cloud refuses; `None` if they are not read from anywhere.
    pub reader: Option<CredentialReader>,
    /// The budgets of calls; `None` for a simulated cloud, which needs none.
    pub limits: Option<Limits>,
    pub overrides: Overrides,
    pub hour: Hour,
}

impl CloudAccess {
    /// The configured accounts.
    pub fn configured(config: &Config) -> Result<Self, CliError> {
        if config.accounts.is_empty() {
            let message = "no account is configured; add `[accounts.\"<uid>\"]`, as in deploy/crossgrant.toml";
            return Err(CliError::usage(message).code(Code::ConfigNoAccount));
        }
        Ok(Self::of(config))
    }

    /// The accounts that are configured, which may be none.
    pub fn of(config: &Config) -> Self {
        Self {
            transport: None,
            endpoints: config.endpoints.clone(),
            credentials: config.credentials(),
            reader: None,
            limits: Some(config.limits.clone()),
            overrides: config.overrides.clone(),
            hour: config.hour,
        }
    }

    /// A simulated cloud in this process, made from a world file or from the example, with the credentials of its accounts.
    pub fn simulated(world: Option<&Path>, hour: Hour, clock: Arc<dyn Clock>) -> Result<Self, CliError> {
        let (world, credentials) = world::read(world)?;
        let cloud = Simulator::new(world, hour, clock);
        Ok(Self {
            transport: Some(Arc::new(RouterTransport::new(cloud.router()))),
            endpoints: Endpoints::default(),
            credentials,
            reader: None,
            limits: None,
            overrides: Overrides::default(),
            hour,
        })
    }
}

/// A client of the cloud for these accounts.
pub(super) fn accounts(
    access: CloudAccess,
    catalog: &Catalog,
    clock: &Arc<dyn Clock>,
    observer: Arc<dyn CallObserver>,
) -> Result<Accounts, CliError> {
    let timeouts = Timeouts { request: catalog.policies.request_timeout, ..Timeouts::default() };
    let transport = match access.transport {
        Some(transport) => transport,
        None => Arc::new(
            HttpTransport::new(timeouts.connect)
                .map_err(|error| CliError::failed(format!("cannot set up the HTTP client for the cloud: {error}")))?,
        ),
    };
    let CloudAccess { endpoints, credentials, reader, limits, .. } = access;
    let parts = ClientParts::new(Arc::clone(clock), transport, &catalog.classes);
    let accounts = Accounts::new(ClientParts { endpoints, timeouts, observer, limits, ..parts }, credentials);
    Ok(match reader {
        Some(reader) => accounts.reading(reader),
        None => accounts,
    })
}

/// Checks the workflow files with the operator's overrides, sets up the client of the cloud, and stores the definitions. The
/// engine uses the accounts that are returned beside it.
pub(super) async fn build(settings: EngineSettings) -> Result<(Arc<Engine>, Arc<Accounts>), CliError> {
    let registry = actions::registry();
    let (catalog, hour) = (catalog(&settings.access.overrides)?, settings.access.hour);
    let cloud = Arc::new(accounts(settings.access, &catalog, &settings.clock, settings.metrics.cloud())?);
    let parts = EngineParts {
        store: settings.store,
        cloud: Arc::clone(&cloud) as _,
        clock: settings.clock,
        catalog: Arc::new(catalog),
        registry: Arc::new(registry),
        policy: settings.policy.into(),
        announcer: Announcer {
            exchange: settings.exchange,
            source: event_source(&settings.installation),
            hour,
            sampling: settings.metrics.sampling(),
        },
        crash_points: settings.crash_points,
        observer: settings.metrics.engine(),
        holder: settings.holder,
    };
    Ok((Arc::new(Engine::new(parts).await?), cloud))
}

/// The definitions of this program, with the operator's own policies and error classes. All faults of these are reported
/// together.
pub(super) fn catalog(overrides: &Overrides) -> Result<Catalog, CliError> {
    Catalog::embedded(&actions::registry().specs(), overrides).map_err(|problems| {
        let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
        let message = format!("the workflow files cannot be used:\n{}", lines.join("\n"));
        CliError::usage(message).code(Code::WorkflowUnusable)
    })
}
