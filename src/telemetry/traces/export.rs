//! What sends spans.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use opentelemetry::{InstrumentationScope, KeyValue};
use opentelemetry_otlp::{SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::resource::EnvResourceDetector;
use opentelemetry_sdk::trace::{SpanData, SpanExporter as _};
use tokio::sync::watch;

use super::WaitingSpans;
use super::convert::converted;
use crate::clock::Clock;
use crate::domain::causes;

/// The most spans in one request: about half a MiB.
const BATCH: usize = 512;
/// For how long spans are gathered before they are sent. A worker that is killed loses them.
const GATHERED: Duration = Duration::from_secs(1);
/// How often it is said that spans are lost.
const WARNED: Duration = Duration::from_secs(60);

/// Where spans are sent, and as whom.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportSettings {
    /// The URL that takes them. What is not here, such as headers, its own library reads from the variables of OpenTelemetry.
    pub url: String,
    /// How long one request may take. Meanwhile spans wait.
    pub timeout: Duration,
    /// The name of the installation.
    pub installation: String,
    /// The name of this worker.
    pub worker: String,
}

/// Sends spans to a collector.
pub struct Exporter {
    exporter: SpanExporter,
    timeout: Duration,
}

impl Exporter {
    /// One with these settings.
    ///
    /// # Errors
    /// What is wrong with the settings or the variables.
    pub fn new(settings: &ExportSettings) -> Result<Self, String> {
        // Fails if a provider is set already; any will do.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(settings.timeout)
            .build()
            .map_err(|error| causes(&error))?;
        let builder = SpanExporter::builder().with_http().with_http_client(client);
        let builder = builder.with_endpoint(&settings.url).with_timeout(settings.timeout);
        let mut exporter = builder.build().map_err(|error| causes(&error))?;
        exporter.set_resource(&resource(settings));
        Ok(Self { exporter, timeout: settings.timeout })
    }

    /// Sends what waits until `stop` says true, and then what is left, unless the collector does not take it.
    pub async fn run(self, mut waiting: WaitingSpans, clock: Arc<dyn Clock>, mut stop: watch::Receiver<bool>) {
        let scope = InstrumentationScope::builder("crossgrant").with_version(env!("CARGO_PKG_VERSION")).build();
        let mut losses = Losses::default();
        loop {
            tokio::select! {
                () = clock.sleep(GATHERED) => {}
                _ = stop.changed() => {}
            }
            let stops = *stop.borrow();
            while let Some(batch) = next_batch(&mut waiting, &scope) {
                let count = batch.len() as u64;
                let Err(why) = self.send(batch).await else {
                    waiting.counts.exported.fetch_add(count, Relaxed);
                    continue;
                };
                waiting.counts.dropped.fetch_add(count, Relaxed);
                losses.tell(waiting.counts.dropped(), &why, clock.uptime());
                if stops {
                    break;
                }
            }
            if stops {
                return;
            }
        }
    }

    async fn send(&self, batch: Vec<SpanData>) -> Result<(), String> {
        // The library sends again what may be taken then, within its own limit. This one holds whatever it does.
        let limit = 2 * self.timeout;
        match tokio::time::timeout(limit, self.exporter.export(batch)).await {
            Ok(sent) => sent.map_err(|error| error.to_string()),
            Err(_) => Err(format!("no answer within {limit:?}")),
        }
    }
}

/// Who sends: what the variables say goes before what the worker knows.
fn resource(settings: &ExportSettings) -> Resource {
    let named = |name: &'static str, value: &str| KeyValue::new(name, value.to_owned());
    let resource = Resource::builder_empty()
        .with_attributes([
            named("service.name", "crossgrant"),
            named("service.namespace", &settings.installation),
            named("service.version", env!("CARGO_PKG_VERSION")),
            named("service.instance.id", &settings.worker),
        ])
        .with_detector(Box::new(EnvResourceDetector::new()));
    match std::env::var("OTEL_SERVICE_NAME") {
        Ok(name) if !name.is_empty() => resource.with_service_name(name),
        _ => resource,
    }
    .build()
}

/// The next spans; `None` if there are none.
fn next_batch(waiting: &mut WaitingSpans, scope: &InstrumentationScope) -> Option<Vec<SpanData>> {
    let spans = std::iter::from_fn(|| waiting.spans.try_recv().ok());
    let batch: Vec<SpanData> = spans.take(BATCH).map(|span| converted(span, scope)).collect();
    (!batch.is_empty()).then_some(batch)
}

/// How many lost spans were told of, and when.
#[derive(Debug, Default)]
struct Losses {
    told: u64,
    at: Option<Duration>,
}

impl Losses {
    /// Says that spans were lost, once in a while.
    fn tell(&mut self, lost: u64, why: &str, now: Duration) {
        if self.at.is_none_or(|at| now >= at + WARNED) {
            tracing::warn!(
                spans = lost.saturating_sub(self.told),
                error = why,
                "the collector does not take the spans of traces; they are lost, and no job waits for them"
            );
            *self = Self { told: lost, at: Some(now) };
        }
    }
}
