//! The methods that bring content, and their texts.

use super::table::{readable, short_string, write_short};

/// The class of all methods that bring content.
const BASIC: u16 = 60;
/// The tag of the consumer of whole batches.
pub(in crate::broker) const BATCHES_CONSUMER: &str = "batches";

/// A method that brings content.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct ContentMethod {
    /// The names of its texts that are not UTF-8.
    pub unreadable: Vec<&'static str>,
    /// Whether it comes to the consumer of whole batches.
    pub to_batches: bool,
    /// Its payload with readable texts, if one was not.
    pub mended: Option<Vec<u8>>,
}

/// An argument of a method.
enum Argument {
    Text(&'static str),
    Bytes(usize),
}

/// Reads a method; `None` if it brings no content, or is not whole.
pub(super) fn with_content(payload: &[u8]) -> Option<ContentMethod> {
    use Argument::{Bytes, Text};
    let (&[c1, c2, m1, m2], mut rest) = payload.split_first_chunk::<4>()?;
    if u16::from_be_bytes([c1, c2]) != BASIC {
        return None;
    }
    let arguments: &[Argument] = match u16::from_be_bytes([m1, m2]) {
        // basic.return: reply-code, reply-text, exchange, routing-key
        50 => &[Bytes(2), Text("reply_text"), Text("exchange"), Text("routing_key")],
        // basic.deliver: consumer-tag, delivery-tag, redelivered, exchange, routing-key
        60 => &[Text("consumer_tag"), Bytes(9), Text("exchange"), Text("routing_key")],
        // basic.get-ok: delivery-tag, redelivered, exchange, routing-key, message-count
        71 => &[Bytes(9), Text("exchange"), Text("routing_key"), Bytes(4)],
        _ => return None,
    };
    let (mut unreadable, mut mended) = (Vec::new(), vec![c1, c2, m1, m2]);
    let mut to_batches = false;
    for argument in arguments {
        match *argument {
            Bytes(count) => {
                let (bytes, after) = rest.split_at_checked(count)?;
                mended.extend_from_slice(bytes);
                rest = after;
            }
            Text(name) => {
                let (text, after) = short_string(rest)?;
                to_batches |= name == "consumer_tag" && text == BATCHES_CONSUMER.as_bytes();
                if std::str::from_utf8(text).is_err() {
                    unreadable.push(name);
                }
                write_short(&readable(text), &mut mended);
                rest = after;
            }
        }
    }
    let changed = !unreadable.is_empty();
    Some(ContentMethod { unreadable, to_batches, mended: (changed && rest.is_empty()).then_some(mended) })
}
