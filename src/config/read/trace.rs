//! `[trace]`: where spans are sent, and which traces begin here. What it leaves out is read from the variables of OpenTelemetry.

use std::time::Duration;

use super::super::error::Warning;
use super::super::raw_settings::RawSettings;
use super::super::schema::OTEL;
use super::super::settings::TraceConfig;
use super::super::source::Setting;
use crate::domain::{Code, Sampling, without_secrets};

/// The path at which a collector takes spans, below an endpoint for all of OTLP.
const PATH: &str = "/v1/traces";
/// How long one request may take, if no variable says otherwise.
const TIMEOUT: Duration = Duration::from_secs(10);

/// `None` if traces are off.
pub(super) fn read_trace(raw: &mut RawSettings<'_>) -> Option<TraceConfig> {
    let configured = raw.text("trace", "endpoint").map(|setting| with_path(setting, str::is_empty));
    let by_variables = configured.is_none();
    let named = configured.or_else(|| raw.text(OTEL, "traces_endpoint"));
    let named = named.or_else(|| raw.text(OTEL, "endpoint").map(|setting| with_path(setting, |_| true)));
    // Read in any case, so that a wrong value is reported.
    let ratio = raw.part("trace", "ratio");
    let ratio = ratio.unwrap_or_else(|| of_sampler(raw));
    let url = named?;
    let off = raw.is_switched(OTEL, "disabled")
        || raw.text(OTEL, "exporter").is_some_and(|setting| setting.value.trim() != "otlp");
    if off {
        return None;
    }
    if let Err(why) = usable(&url.value) {
        raw.report(&url.location, format!("`endpoint` cannot be \"{}\": {why}", without_secrets(&url.value)));
    }
    let protocol = raw.text(OTEL, "traces_protocol").or_else(|| raw.text(OTEL, "protocol"));
    let protocol = protocol.filter(|setting| by_variables && setting.value.trim() != "http/protobuf");
    if let Some(Setting { value, .. }) = protocol {
        // These variables are often set for all programs of a cluster.
        let message = format!(
            "no traces are sent: OTEL_EXPORTER_OTLP_PROTOCOL asks for {value}, and this program speaks http/protobuf alone; \
             set `[trace] endpoint` to the port for that, 4318 as a rule"
        );
        raw.warnings.push(Warning { code: Code::ConfigUnknownVariable, message });
        return None;
    }
    let timeout = raw.text(OTEL, "traces_timeout").or_else(|| raw.text(OTEL, "timeout"));
    let timeout = timeout.and_then(|setting| setting.value.trim().parse().ok()).map(Duration::from_millis);
    let timeout = timeout.filter(|timeout| !timeout.is_zero()).unwrap_or(TIMEOUT).min(6 * TIMEOUT);
    Some(TraceConfig { url: url.value, sampling: Sampling { ratio }, timeout })
}

/// An endpoint with the path for spans after it, if its own path `lacks` it.
fn with_path(setting: Setting<String>, lacks: impl Fn(&str) -> bool) -> Setting<String> {
    let base = setting.value.trim().trim_end_matches('/');
    let path = base.split_once("://").and_then(|(_, rest)| rest.split_once('/')).map_or("", |(_, path)| path);
    let value = if lacks(path) { format!("{base}{PATH}") } else { setting.value.trim().to_owned() };
    Setting { value, ..setting }
}

fn usable(url: &str) -> Result<(), &'static str> {
    let uri: http::Uri = url.parse().map_err(|_| "it is no URL")?;
    match (uri.scheme_str(), uri.host()) {
        (Some("http" | "https"), Some(host)) if !host.is_empty() => Ok(()),
        _ => Err("it must begin with http:// or https://, and name a host"),
    }
}

/// The part of the traces that OTEL_TRACES_SAMPLER asks for. Jobs of a traced publisher are not counted by it here either.
fn of_sampler(raw: &mut RawSettings<'_>) -> f64 {
    let ratio = raw.part(OTEL, "sampler_arg");
    match raw.text(OTEL, "sampler").as_ref().map(|setting| setting.value.trim()) {
        Some("always_off" | "parentbased_always_off") => 0.0,
        Some("traceidratio" | "parentbased_traceidratio") => ratio.unwrap_or(1.0),
        _ => 1.0,
    }
}
