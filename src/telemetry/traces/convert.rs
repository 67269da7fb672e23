//! A span in the types of OpenTelemetry.

use std::time::SystemTime;

use jiff::Timestamp;
use opentelemetry::trace::{self as otel, Link, SpanContext, SpanId, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{InstrumentationScope, KeyValue, Value};
use opentelemetry_sdk::trace::{SpanData, SpanEvents, SpanLinks};

use crate::domain::TraceContext;
use crate::engine::ports::trace::{Span, SpanKind, SpanValue};

/// The longest text of an attribute, in bytes.
const TEXT_BYTES: usize = 512;

pub(super) fn converted(span: Span, scope: &InstrumentationScope) -> SpanData {
    let Span { context: own, parent, remote, name, kind, began, ended, attributes, links, error } = span;
    let mut attributes: Vec<KeyValue> =
        attributes.into_iter().map(|(name, value)| KeyValue::new(name, converted_value(value))).collect();
    attributes.extend(error.as_ref().map(|error| KeyValue::new("error.type", cut(error.clone().into_owned()))));
    SpanData {
        span_context: context(own),
        parent_span_id: parent.map_or(SpanId::INVALID, |parent| SpanId::from_bytes(parent.span.to_be_bytes())),
        parent_span_is_remote: remote && parent.is_some(),
        span_kind: match kind {
            SpanKind::Consumer => otel::SpanKind::Consumer,
            SpanKind::Producer => otel::SpanKind::Producer,
            SpanKind::Client => otel::SpanKind::Client,
            SpanKind::Internal => otel::SpanKind::Internal,
        },
        name,
        start_time: time(began),
        end_time: time(ended),
        attributes,
        dropped_attributes_count: 0,
        events: SpanEvents::default(),
        links: linked(links),
        // An error has its word in `error.type`; its message can hold anything.
        status: if error.is_some() { Status::error("") } else { Status::Unset },
        instrumentation_scope: scope.clone(),
    }
}

fn linked(to: Vec<TraceContext>) -> SpanLinks {
    let mut links = SpanLinks::default();
    links.links = to.into_iter().map(|to| Link::with_context(context(to))).collect();
    links
}

fn context(TraceContext { trace, span, sampled }: TraceContext) -> SpanContext {
    let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::default() };
    let (trace, span) = (TraceId::from_bytes(trace.to_be_bytes()), SpanId::from_bytes(span.to_be_bytes()));
    SpanContext::new(trace, span, flags, false, TraceState::default())
}

fn converted_value(value: SpanValue) -> Value {
    match value {
        SpanValue::Text(text) => Value::String(cut(text.into_owned()).into()),
        SpanValue::Number(number) => Value::I64(number),
        SpanValue::Flag(flag) => Value::Bool(flag),
    }
}

fn cut(mut text: String) -> String {
    if text.len() > TEXT_BYTES {
        let end = (0..=TEXT_BYTES).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
        text.truncate(end);
    }
    text
}

fn time(at: Timestamp) -> SystemTime {
    at.into()
}
