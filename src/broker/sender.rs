//! Who has sent a message: the user that the broker has verified, or the requester that has signed it.
//!
//! A broker that verifies no `user_id` lets everybody write any name there. So the sender signs, with a key that it shares with
//! the worker: HMAC-SHA-256 (RFC 2104) over a text of seven lines, joined by line feeds,
//!
//! ```text
//! crossgrant-1                          names this form
//! tickets                               the requester
//! 1764403200                            AMQP timestamp: seconds since 1970
//! NET-4312/1                            AMQP message_id; empty if there is none
//! 5e0c…                                 AMQP correlation_id; empty if there is none
//! tickets.answers                       AMQP reply_to; empty if there is none
//! 44136fa355b3678a1146ad16f7e8649e…     SHA-256 of the body, in hexadecimal digits
//! ```
//!
//! and the header `x-crossgrant-signature` has the requester, a blank, and the signature in hexadecimal digits. The routing key is
//! not signed: it must say what the body says. Of a direct reply-to only `amq.rabbitmq.reply-to` is signed, because the broker
//! writes the rest.
//!
//! Who can read a signed message can send it again, unchanged. It is then the same job, as long as the store remembers that
//! job. So a signature is believed only for the time that the store keeps a job after its end.
//!
//! What comes in by the door, over HTTP, is signed in the same way by the worker that publishes it, as the requester `http:` and
//! the name of the token, with a key that the workers of a queue share. This holds at every kind of broker. No other key counts for
//! a name that begins so, and no `user_id` does.

use std::collections::BTreeMap;
use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};

use crate::clock::later;
use crate::domain::contract::Fault;
use crate::domain::{Code, Requester, hex, whole_second};
use crate::engine::ports::mail::Incoming;

/// The header with the requester and the signature.
pub(super) const SIGNATURE: &str = "x-crossgrant-signature";
/// The header, as faults name it.
const AT: &str = "amqp:headers/x-crossgrant-signature";
/// What direct reply-to begins with.
const DIRECT: &str = "amq.rabbitmq.reply-to";
/// How far the clock of a sender may be ahead: a message that claims to be from later could be sent again after its job is
/// forgotten.
const AHEAD: Duration = Duration::from_secs(15 * 60);

/// How the senders of messages are known.
#[derive(Debug, Clone, Default)]
pub enum Senders {
    /// By `user_id`, which the broker has verified.
    #[default]
    ByUserId,
    /// By their signatures alone. A sender without a key is unknown.
    BySignature {
        /// The keys of each requester. The first is for signing; a further one is still believed.
        keys: BTreeMap<Requester, Vec<SecretString>>,
        /// For how long a signature is believed: as long as a job is kept after its end.
        within: Duration,
    },
}

/// The keys of the door, which all workers of a queue have.
#[derive(Debug, Clone)]
pub struct DoorKeys {
    /// The first is for signing; a further one is still believed.
    pub keys: Vec<SecretString>,
    /// For how long a signature is believed: as long as a job is kept after its end.
    pub within: Duration,
}

/// A requester that signs what it sends.
#[derive(Debug, Clone)]
pub struct Signer {
    /// The requester.
    pub requester: Requester,
    /// Its key.
    pub key: SecretString,
}

/// What is signed of a message.
#[derive(Debug, Clone, Copy)]
pub(super) struct Signed<'a> {
    pub timestamp: u64,
    pub message_id: &'a str,
    pub correlation_id: &'a str,
    pub reply_to: &'a str,
    pub body_sha256: &'a str,
}

impl Senders {
    /// Makes known who has sent a message, or why that is not believed.
    pub(super) fn identify(
        &self,
        door: Option<&DoorKeys>,
        signature: Option<&str>,
        incoming: Incoming,
        now: Timestamp,
    ) -> Incoming {
        let known = match (signature, self) {
            (Some(signature), _) if signature.starts_with(Requester::DOOR) => {
                by_door(signature, &incoming, door, now).map(Some)
            }
            (_, Self::ByUserId) => by_user_id(&incoming),
            (signature, Self::BySignature { keys, within }) => {
                let keys = |name: &Requester| keys.get(name).map(Vec::as_slice);
                let proven = |signature| proven(signature, &incoming, keys, *within, now).map_err(not_believed);
                signature.map(proven).transpose()
            }
        };
        let (user_id, unproven) = match known {
            Ok(requester) => (requester, None),
            Err(fault) => (None, Some(fault)),
        };
        Incoming { user_id, unproven, ..incoming }
    }
}

/// The user that the broker has verified. Its name must not be one of the door.
fn by_user_id(incoming: &Incoming) -> Result<Option<String>, Fault> {
    match &incoming.user_id {
        Some(user) if user.starts_with(Requester::DOOR) => {
            let message = format!(
                "the user of the broker is called {user:?}, and names that begin with \"{}\" are those of tokens, for jobs that \
                 come in over HTTP: take a user of another name",
                Requester::DOOR
            );
            Err(Fault { at: "amqp:user_id".into(), code: Code::JobBadUser, message })
        }
        user => Ok(user.clone()),
    }
}

/// The requester that a worker has signed for.
fn by_door(signature: &str, incoming: &Incoming, door: Option<&DoorKeys>, now: Timestamp) -> Result<String, Fault> {
    let Some(DoorKeys { keys, within }) = door else {
        let message = "it says that the job came in over HTTP by another worker, and this worker has no `[door] key`: give every \
                       worker of the queue the same one, and send the job again";
        return Err(Fault { at: AT.into(), code: Code::JobNoDoor, message: message.into() });
    };
    proven(signature, incoming, |_| Some(keys), *within, now).map_err(not_believed)
}

fn not_believed(why: String) -> Fault {
    Fault { at: AT.into(), code: Code::JobBadSignature, message: why }
}

fn proven<'a>(
    signature: &str,
    incoming: &Incoming,
    keys: impl Fn(&Requester) -> Option<&'a [SecretString]>,
    within: Duration,
    now: Timestamp,
) -> Result<String, String> {
    let (name, digits) = signature.rsplit_once(' ').ok_or("it is not a requester, a blank and hexadecimal digits")?;
    let bytes = from_hex(digits).ok_or("what follows the requester is not 64 hexadecimal digits")?;
    let known = Requester::parse(name).ok().and_then(|requester| Some((keys(&requester)?, requester)));
    let (keys, requester) = known.ok_or_else(|| format!("the worker has no key of a requester {name:?}"))?;
    let timestamp = incoming.timestamp.ok_or("the message has no timestamp, which is signed as well")?;
    let computed;
    let body_sha256 = match &incoming.whole {
        Some(whole) if whole.length > incoming.body.len() as u64 => &whole.sha256,
        _ => {
            computed = hex(&Sha256::digest(&incoming.body));
            &computed
        }
    };
    let signed = Signed {
        timestamp,
        message_id: incoming.message_id.as_deref().unwrap_or_default(),
        correlation_id: incoming.correlation_id.as_deref().unwrap_or_default(),
        reply_to: incoming.reply_to.as_deref().unwrap_or_default(),
        body_sha256,
    };
    if !keys.iter().any(|key| mac(key, &requester, &signed).is_some_and(|mac| mac.verify_slice(&bytes).is_ok())) {
        return Err(format!("it is not what {requester} would sign with its key: the message, or the key, is another"));
    }
    let at = i64::try_from(timestamp).ok().and_then(|seconds| Timestamp::from_second(seconds).ok());
    let at = at.ok_or("the timestamp is not seconds since 1970")?;
    if at > later(now, AHEAD) {
        return Err(format!(
            "it is from {at}, and the worker's time is {}: set the clock of the sender",
            whole_second(now)
        ));
    }
    if now > later(at, within) {
        return Err(format!(
            "it is from {at}, and is not believed for longer than a job is kept: sign the message again"
        ));
    }
    Ok(requester.into())
}

/// The signature of a message, as the header has it. `None` if one of the texts has a line feed, so that it could be read in
/// two ways.
pub(super) fn signature(signer: &Signer, signed: &Signed<'_>) -> Option<String> {
    let mac = mac(&signer.key, &signer.requester, signed)?;
    Some(format!("{} {}", signer.requester, hex(&mac.finalize().into_bytes())))
}

fn mac(key: &SecretString, requester: &Requester, signed: &Signed<'_>) -> Option<Hmac<Sha256>> {
    let Signed { timestamp, message_id, correlation_id, reply_to, body_sha256 } = signed;
    let direct = reply_to.strip_prefix(DIRECT).is_some_and(|rest| rest.starts_with('.'));
    let reply_to = if direct { DIRECT } else { reply_to };
    let timestamp = timestamp.to_string();
    let lines = ["crossgrant-1", requester.as_str(), &*timestamp, *message_id, *correlation_id, reply_to, *body_sha256];
    if lines.iter().any(|line| line.contains('\n')) {
        return None;
    }
    let mut mac =
        Hmac::<Sha256>::new_from_slice(key.expose_secret().as_bytes()).expect("HMAC takes a key of any length");
    mac.update(lines.join("\n").as_bytes());
    Some(mac)
}

fn from_hex(digits: &str) -> Option<[u8; 32]> {
    let mut bytes = [0; 32];
    if digits.len() != 64 || !digits.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::ports::mail::WholeBody;

    const KEY: &str = "0123456789abcdef0123456789abcdef";
    const NOW: i64 = 1_764_403_200;
    const DAY: Duration = Duration::from_secs(86_400);

    fn requester(name: &str) -> Requester {
        Requester::parse(name).unwrap()
    }

    fn senders() -> Senders {
        let keys = [("tickets", vec!["new".repeat(12), KEY.to_owned()]), ("ops bot", vec![KEY.to_owned()])];
        let of = |(name, keys): (&str, Vec<String>)| (requester(name), keys.into_iter().map(Into::into).collect());
        Senders::BySignature { keys: keys.into_iter().map(of).collect(), within: DAY }
    }

    fn message() -> Incoming {
        Incoming {
            body: "{}".into(),
            message_id: Some("NET-4312/1".into()),
            correlation_id: Some("c".into()),
            reply_to: Some("tickets.answers".into()),
            timestamp: Some(NOW.unsigned_abs()),
            user_id: Some("written by anybody".into()),
            ..Incoming::default()
        }
    }

    /// As a requester signs it.
    fn sign(name: &str, key: &str, message: &Incoming) -> String {
        let body_sha256 = hex(&Sha256::digest(&message.body));
        let signed = Signed {
            timestamp: message.timestamp.unwrap_or_default(),
            message_id: message.message_id.as_deref().unwrap_or_default(),
            correlation_id: message.correlation_id.as_deref().unwrap_or_default(),
            reply_to: message.reply_to.as_deref().unwrap_or_default(),
            body_sha256: &body_sha256,
        };
        signature(&Signer { requester: requester(name), key: key.to_owned().into() }, &signed).unwrap()
    }

    fn at(seconds: i64, signature: Option<&str>, message: Incoming) -> Result<Option<String>, String> {
        let known = senders().identify(None, signature, message, Timestamp::from_second(seconds).unwrap());
        known.unproven.map_or(Ok(known.user_id), |fault| Err(fault.message))
    }

    /// Who has sent a message to a worker with these keys of the door, at a broker that verifies `user_id`.
    fn at_door(keys: &[&str], signature: Option<&str>, message: Incoming) -> Result<Option<String>, (Code, String)> {
        let keys: Vec<SecretString> = keys.iter().map(|key| (*key).into()).collect();
        let door = (!keys.is_empty()).then_some(DoorKeys { keys, within: DAY });
        let now = Timestamp::from_second(NOW).unwrap();
        let known = Senders::ByUserId.identify(door.as_ref(), signature, message, now);
        known.unproven.map_or(Ok(known.user_id), |fault| Err((fault.code, fault.message)))
    }

    /// Made with `printf … | openssl dgst -sha256 -hmac 0123456789abcdef0123456789abcdef`, as docs/security.md shows it.
    #[test]
    fn a_signature_is_the_one_that_other_programs_make() {
        let expected = "tickets d0fff8db34a2002f6f1db17424aa9653a944c51ffa64250a45c1493e6d92f7b3";
        assert_eq!(sign("tickets", KEY, &message()), expected);
    }

    #[test]
    fn who_has_signed_a_message_has_sent_it_and_no_other() {
        let message = message();
        let good = sign("tickets", KEY, &message);
        assert_eq!(at(NOW, Some(&good), message.clone()), Ok(Some("tickets".into())));
        let newer = sign("tickets", &"new".repeat(12), &message);
        assert_eq!(at(NOW, Some(&newer), message.clone()), Ok(Some("tickets".into())), "the newer of two keys");
        assert_eq!(at(NOW, Some(&sign("ops bot", KEY, &message)), message.clone()), Ok(Some("ops bot".into())));
        assert_eq!(at(NOW, None, message.clone()), Ok(None), "the user_id is never believed");
        for (bad, says) in [
            (good.replace("tickets", "ops bot"), "would sign with its key"),
            (good.replace("tickets", "stranger"), "no key of a requester \"stranger\""),
            (good.replace(' ', ""), "a requester, a blank"),
            (good[..good.len() - 1].to_owned(), "64 hexadecimal digits"),
            (sign("tickets", "another key", &message), "would sign with its key"),
        ] {
            let why = at(NOW, Some(&bad), message.clone()).unwrap_err();
            assert!(why.contains(says) && !why.contains(KEY), "{bad}: {why}");
        }
    }

    #[test]
    fn nothing_that_is_signed_can_be_changed() {
        let good = sign("tickets", KEY, &message());
        let other = |change: &dyn Fn(&mut Incoming)| {
            let mut message = message();
            change(&mut message);
            at(NOW, Some(&good), message)
        };
        let changes: [&dyn Fn(&mut Incoming); 7] = [
            &|m| m.body = "{} ".into(),
            &|m| m.message_id = None,
            &|m| m.correlation_id = Some("d".into()),
            &|m| m.reply_to = Some("others.answers".into()),
            &|m| m.timestamp = Some(NOW.unsigned_abs() + 1),
            &|m| (m.message_id, m.correlation_id) = (Some("NET-4312/1\nc".into()), None),
            &|m| m.whole = Some(WholeBody::of(b"another, of which only the beginning is there")),
        ];
        for (number, change) in changes.into_iter().enumerate() {
            assert!(other(change).unwrap_err().contains("would sign"), "{number}");
        }
        assert!(other(&|m| m.timestamp = None).unwrap_err().contains("has no timestamp"));
        assert_eq!(other(&|m| m.user_id = None), Ok(Some("tickets".into())));
        // Of a large body the worker has the beginning, and the digest of all of it.
        let cut = |m: &mut Incoming| {
            m.whole = Some(WholeBody::of(&m.body));
            m.body = "{".into();
        };
        assert_eq!(other(&cut), Ok(Some("tickets".into())));
        // A digest that comes with all of a body says nothing.
        let claimed = |m: &mut Incoming| {
            m.whole = Some(WholeBody::of(&m.body));
            m.body = "[]".into();
        };
        assert!(other(&claimed).is_err());
    }

    #[test]
    fn a_name_of_the_door_counts_by_a_signature_of_the_door_alone() {
        let by = |user: Option<&str>| Incoming { user_id: user.map(str::to_owned), ..message() };
        let good = sign("http:bot", KEY, &message());
        for user in [None, Some("crossgrant-worker"), Some("http:bot")] {
            assert_eq!(at_door(&[KEY], Some(&good), by(user)), Ok(Some("http:bot".into())), "{user:?}");
            assert_eq!(at_door(&["another", KEY], Some(&good), by(user)), Ok(Some("http:bot".into())), "a second key");
        }
        // Who may publish and has no key can neither sign, nor move a signature, nor have the name of a token.
        let forged = sign("http:bot", "a key of somebody else", &message());
        let other = Incoming { body: "{\"id\":\"x\"}".into(), ..by(Some("tickets")) };
        let led_away = Incoming { reply_to: Some("others.answers".into()), ..by(Some("tickets")) };
        for (signature, message, says) in [
            (forged.as_str(), by(Some("tickets")), "would sign with its key"),
            (&*good, other, "would sign with its key"),
            (&*good, led_away, "would sign with its key"),
            (&*good.replace("http:bot", "http:ann"), by(Some("tickets")), "would sign with its key"),
            ("http:bot", by(Some("tickets")), "a requester, a blank"),
        ] {
            let (code, why) = at_door(&[KEY], Some(signature), message).unwrap_err();
            assert!(code == Code::JobBadSignature && why.contains(says), "{signature}: {code} {why}");
        }
        for keys in [&[][..], &[KEY]] {
            let (code, why) = at_door(keys, None, by(Some("http:bot"))).unwrap_err();
            assert!(code == Code::JobBadUser && why.contains("\"http:bot\""), "{why}");
        }
        assert_eq!(at_door(&[KEY], None, by(Some("tickets"))), Ok(Some("tickets".into())));
        assert_eq!(
            at_door(&[KEY], Some(&sign("tickets", KEY, &message())), by(None)),
            Ok(None),
            "it is no name of the door"
        );
        // A worker without the key says that, and believes no name.
        let (code, why) = at_door(&[], Some(&good), by(Some("crossgrant-worker"))).unwrap_err();
        assert!(code == Code::JobNoDoor && why.contains("`[door] key`"), "{why}");
    }

    /// Where requesters sign, the keys of the door are apart from theirs.
    #[test]
    fn the_keys_of_the_door_and_those_of_requesters_are_apart() {
        let door = DoorKeys { keys: vec![KEY.into()], within: DAY };
        let known = |name: &str| {
            let now = Timestamp::from_second(NOW).unwrap();
            let known = senders().identify(Some(&door), Some(&sign(name, KEY, &message())), message(), now);
            known.user_id
        };
        assert_eq!(known("http:bot").as_deref(), Some("http:bot"));
        assert_eq!(known("ops bot").as_deref(), Some("ops bot"));
        assert_eq!(known("stranger"), None);
    }

    /// A copy that comes later than the store remembers its job would be a new job.
    #[test]
    fn a_signature_is_believed_for_as_long_as_its_job_is_remembered() {
        let good = sign("tickets", KEY, &message());
        let day = i64::try_from(DAY.as_secs()).unwrap();
        for (seconds, believed) in [(NOW + day, true), (NOW + day + 1, false), (NOW - 900, true), (NOW - 901, false)] {
            assert_eq!(at(seconds, Some(&good), message()).is_ok(), believed, "{}", seconds - NOW);
        }
    }

    #[test]
    fn of_a_direct_reply_to_only_what_the_sender_wrote_is_signed() {
        let direct = |reply_to: &str| Incoming { reply_to: Some(reply_to.into()), ..message() };
        let good = sign("tickets", KEY, &direct(DIRECT));
        assert!(at(NOW, Some(&good), direct("amq.rabbitmq.reply-to.g2dk.k==")).is_ok());
        assert!(at(NOW, Some(&good), direct("amq.rabbitmq.reply-tomorrow")).is_err());
    }
}
