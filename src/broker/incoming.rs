//! A delivery as the engine's [`Incoming`], without a type of the library in it.

use bytes::Bytes;
use lapin::message::Delivery;
use lapin::types::{AMQPValue, ShortString};

use crate::engine::ports::mail::Incoming;

/// A `traceparent` has 55 bytes, in a later version perhaps more. A longer one is ignored: it travels on in one frame
/// with other headers, and would leave no room for them.
const LONGEST_TRACEPARENT: usize = 256;

pub(super) fn to_incoming(delivery: Delivery) -> Incoming {
    let Delivery { properties: p, routing_key, redelivered, data, .. } = delivery;
    let text = |value: &Option<ShortString>| value.as_ref().map(ToString::to_string);
    let traceparent = p.headers().as_ref().and_then(|h| match h.inner().get("traceparent") {
        Some(AMQPValue::LongString(value)) => std::str::from_utf8(value.as_bytes()).ok().map(str::to_owned),
        Some(AMQPValue::ShortString(value)) => Some(value.to_string()),
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
        traceparent: traceparent.filter(|text| text.len() <= LONGEST_TRACEPARENT),
    }
}
