//! A delivery as the engine's [`Incoming`], without a type of the library in it.

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, FieldTable, ShortString};

use super::filter::{BODY_LENGTH, BODY_SHA256, UNREADABLE};
use super::sender::SIGNATURE;
use crate::engine::ports::mail::{DeadLettered, Incoming, WholeBody};

/// A `traceparent` has 55 bytes, in a later version perhaps more. A longer one is ignored: it travels on in one frame
/// with other headers, and would leave no room for them.
const LONGEST_TRACEPARENT: usize = 256;

pub(super) fn to_incoming(delivery: Delivery) -> Incoming {
    let Delivery { properties: p, routing_key, redelivered, data, .. } = delivery;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let header = |name: &str| p.headers().as_ref().and_then(|headers| text_of(headers, name));
    let length = p.headers().as_ref().and_then(|headers| match headers.inner().get(BODY_LENGTH) {
        Some(AMQPValue::LongLongInt(length)) => u64::try_from(*length).ok(),
        _ => None,
    });
    Incoming {
        body: Bytes::from(data),
        routing_key: routing_key.to_string(),
        redelivered,
        message_id: text(p.message_id()),
        correlation_id: text(p.correlation_id()),
        reply_to: text(p.reply_to()),
        user_id: text(p.user_id()),
        app_id: text(p.app_id()),
        content_type: text(p.content_type()),
        content_encoding: text(p.content_encoding()),
        kind: text(p.kind()),
        timestamp: *p.timestamp(),
        priority: *p.priority(),
        traceparent: header("traceparent").filter(|text| text.len() <= LONGEST_TRACEPARENT),
        whole: length.zip(header(BODY_SHA256)).map(|(length, sha256)| WholeBody { length, sha256 }),
        unreadable: header(UNREADABLE).map(|names| names.split(' ').map(str::to_owned).collect()).unwrap_or_default(),
        dead_lettered: None,
        unproven: None,
    }
}

/// The header in which its sender has signed a message.
pub(super) fn signature(delivery: &Delivery) -> Option<String> {
    delivery.properties.headers().as_ref().and_then(|headers| text_of(headers, SIGNATURE))
}

/// Why the broker dead-lettered a message: the newest entry of `x-death`, which only the broker writes into a message that it
/// routes to a dead-letter exchange.
pub(super) fn dead_lettered(delivery: &Delivery) -> DeadLettered {
    let headers = delivery.properties.headers().as_ref();
    let reason = headers.and_then(|headers| match headers.inner().get("x-death") {
        Some(AMQPValue::FieldArray(deaths)) => match deaths.as_slice().first() {
            Some(AMQPValue::FieldTable(death)) => text_of(death, "reason"),
            _ => None,
        },
        _ => None,
    });
    DeadLettered { reason: reason.unwrap_or_else(|| "unknown".into()) }
}

fn text_of(table: &FieldTable, name: &str) -> Option<String> {
    match table.inner().get(name) {
        Some(AMQPValue::LongString(value)) => std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned),
        Some(AMQPValue::ShortString(value)) => Some(value.to_string()),
        _ => None,
    }
}
