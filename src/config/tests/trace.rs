//! `[trace]`, and the variables of OpenTelemetry.

use std::time::Duration;

use super::*;

fn read(text: &str, env: &[(&str, &str)]) -> Option<(String, f64, Duration)> {
    let config = load(text, env).unwrap();
    config.trace.map(|trace| (trace.url, trace.sampling.ratio, trace.timeout))
}

fn url(text: &str, env: &[(&str, &str)]) -> Option<String> {
    read(text, env).map(|(url, ..)| url)
}

const HERE: &str = "[trace]\nendpoint = \"http://here:4318\"\n";
const THERE: (&str, &str) = ("OTEL_EXPORTER_OTLP_ENDPOINT", "https://there:4318/otlp/");

#[test]
fn traces_are_off_until_an_endpoint_is_named() {
    assert_eq!(read("", &[]), None);
    assert_eq!(read("[trace]\nratio = 0.5\n", &[("OTEL_SERVICE_NAME", "x")]), None);
    assert_eq!(read(HERE, &[]), Some(("http://here:4318/v1/traces".into(), 1.0, Duration::from_secs(10))));
    for off in [("OTEL_SDK_DISABLED", "true"), ("OTEL_TRACES_EXPORTER", "none")] {
        assert_eq!(read(HERE, &[off]), None, "{off:?}");
    }
}

#[test]
fn the_endpoint_is_that_of_the_configuration_or_of_the_variables() {
    assert_eq!(url("", &[THERE]).unwrap(), "https://there:4318/otlp/v1/traces");
    assert_eq!(url(HERE, &[THERE]).unwrap(), "http://here:4318/v1/traces");
    let own = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://own:1/x");
    assert_eq!(url("", &[THERE, own]).unwrap(), "http://own:1/x", "as it is");
    let of_arms = HERE.replace(":4318", "/adapt_x@y/api/otlp/traces");
    assert_eq!(url(&of_arms, &[]).unwrap(), "http://here/adapt_x@y/api/otlp/traces", "a path is complete");
}

#[test]
fn the_ratio_is_that_of_the_configuration_or_of_the_sampler() {
    let ratio = |text: &str, env: &[(&str, &str)]| read(text, env).unwrap().1;
    let (sampler, argument) =
        (("OTEL_TRACES_SAMPLER", "parentbased_traceidratio"), ("OTEL_TRACES_SAMPLER_ARG", "0.25"));
    assert!((ratio(HERE, &[sampler, argument]) - 0.25).abs() < 1e-9);
    assert!((ratio(HERE, &[argument]) - 1.0).abs() < 1e-9);
    assert!(ratio(HERE, &[("OTEL_TRACES_SAMPLER", "always_off")]).abs() < 1e-9);
    assert!((ratio(&format!("{HERE}ratio = 0.1\n"), &[sampler, argument]) - 0.1).abs() < 1e-9);
    assert!((ratio(HERE, &[("CROSSGRANT_TRACE_RATIO", "0")])).abs() < 1e-9);
    for bad in ["1.5", "-0.1", "\"half\"", "nan"] {
        let error = load(&format!("{HERE}ratio = {bad}\n"), &[]).unwrap_err().to_string();
        assert!(error.contains("`ratio` must be a number from 0 to 1"), "{error}");
    }
}

#[test]
fn what_cannot_be_sent_to_is_refused() {
    for bad in ["here:4318", "grpc://here:4317", "http://"] {
        let error = load(&HERE.replace("http://here:4318", bad), &[]).unwrap_err().to_string();
        assert!(error.contains("`endpoint` cannot be"), "{error}");
    }
    let grpc = ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    let config = load("", &[THERE, grpc]).unwrap();
    assert!(config.trace.is_none() && config.warnings[0].to_string().contains("speaks http/protobuf alone"));
    assert!(read(HERE, &[grpc]).is_some(), "what is configured for this program alone is meant");
    assert_eq!(read(HERE, &[("OTEL_EXPORTER_OTLP_TIMEOUT", "2500")]).unwrap().2, Duration::from_millis(2500));
}
