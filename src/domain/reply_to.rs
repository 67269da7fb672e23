//! `reply_to`: which names of queues an answer can be sent to. What begins with a scheme is the URL of a webhook
//! ([`webhook`](super::webhook)) and no queue.
//!
//! The worker publishes to the queue that a stranger names. Of names that begin with `amq.` RabbitMQ gives some a meaning of
//! its own; one that only looks like a direct reply-to makes it close the whole connection (541).

use super::{base64, webhook};

/// What a direct reply-to begins with: the address of a client's channel, in place of a queue.
const DIRECT: &str = "amq.rabbitmq.reply-to.";
/// What the names begin with that the broker makes up for queues declared without one.
const GENERATED: &str = "amq.gen-";

/// Whether a routing key of the default exchange is a direct reply-to. The broker delivers to it as long as the client's
/// channel is there, and says of a mandatory message all the same that no queue takes it.
pub fn is_direct(routing_key: &str) -> bool {
    routing_key.starts_with(DIRECT)
}

/// Whether a queue has a name that the broker has made up. No client can declare one of that name again (names that begin with
/// `amq.` are the broker's), so once it is gone it will never be there.
pub fn is_generated(queue: &str) -> bool {
    queue.starts_with(GENERATED)
}

/// Why no answer may be sent to the queue or the URL that `reply_to` names; `None` if one may. `reserved` is the prefix of the
/// worker's own queues.
pub fn reply_to_fault(queue: &str, reserved: &str) -> Option<String> {
    if webhook::is_url(queue) {
        return webhook::Destination::of(queue).err().map(|why| format!("reply_to is no URL of a webhook: {why}"));
    }
    if queue.is_empty() || queue.len() > 255 {
        return Some("reply_to is the name of a queue, 1 to 255 bytes".into());
    }
    if queue.chars().any(char::is_control) {
        return Some("reply_to has a control character; the name of a queue has none".into());
    }
    let own = !reserved.is_empty() && queue.strip_prefix(reserved).is_some_and(|rest| rest.starts_with('.'));
    if own {
        return Some(format!("reply_to may not begin with \"{reserved}.\""));
    }
    let amq = queue.starts_with("amq.");
    let known = queue.starts_with(GENERATED) || queue.strip_prefix(DIRECT).is_some_and(names_a_channel);
    (amq && !known).then(|| {
        format!(
            "reply_to begins with \"amq.\" and is neither a queue that the broker has named ({GENERATED}…) nor a direct \
             reply-to as the broker writes it ({DIRECT}<channel>.<key>)"
        )
    })
}

/// Whether this is `<channel>.<key>` as RabbitMQ writes it (rabbit_direct_reply_to, rabbit_volatile_queue): two parts in
/// Base64, of which the first is a process id in the external term format of Erlang.
fn names_a_channel(text: &str) -> bool {
    let parts: Vec<&str> = text.split('.').collect();
    let [channel, key] = parts[..] else { return false };
    base64::decode(key).is_some_and(|key| !key.is_empty())
        && base64::decode(channel).is_some_and(|term| is_process(&term))
}

/// A process id: version 131, NEW_PID_EXT, the node as an atom, then id, serial and creation of four bytes each. RabbitMQ
/// puts the hash of the node's name in place of its host.
fn is_process(term: &[u8]) -> bool {
    let node = match term {
        // ATOM_UTF8_EXT with a length of two bytes; SMALL_ATOM_UTF8_EXT with one.
        [131, 88, 118, high, low, rest @ ..] => rest.split_at_checked(usize::from(u16::from_be_bytes([*high, *low]))),
        [131, 88, 119, length, rest @ ..] => rest.split_at_checked(usize::from(*length)),
        _ => None,
    };
    node.is_some_and(|(node, numbers)| numbers.len() == 12 && is_hashed(node))
}

/// `<word>@<number>`.
fn is_hashed(node: &[u8]) -> bool {
    let Some(at) = node.iter().position(|byte| *byte == b'@') else { return false };
    let (word, hash) = (&node[..at], &node[at + 1..]);
    !word.is_empty()
        && word.iter().all(u8::is_ascii_lowercase)
        && (1..=10).contains(&hash.len())
        && hash.iter().all(u8::is_ascii_digit)
}

#[cfg(test)]
mod tests;
