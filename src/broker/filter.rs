//! A filter between the broker and the library: it bounds what a message may cost, and mends what the library cannot read.
//!
//! A publisher may send a body of 128 MiB, and properties that are not UTF-8. RabbitMQ takes both. The library keeps every
//! body whole, as many as are prefetched, and ends the connection at a text that is not UTF-8, so that everything that was
//! delivered with it comes again. So the bytes that come from the broker are read here first, frame by frame (AMQP 0-9-1,
//! section 4.2). Of a large body only the beginning goes on, with its length and its digest as headers; what cannot be read
//! is made readable, with a header that names it. Everything else goes on as it came.
//!
//! [`ContentFilter`] has no IO. [`FilteredTokio`] puts it into a connection, above TLS.

mod frame;
mod method;
mod properties;
mod stream;
mod table;
#[cfg(test)]
mod tests;

use std::collections::HashMap;

use sha2::{Digest as _, Sha256};

use self::frame::{Frame, FrameTooLarge, Split};
pub(super) use self::method::BATCHES_CONSUMER;
use self::method::ContentMethod;
use self::properties::BEFORE_PROPERTIES;
pub(super) use self::properties::{BODY_LENGTH, BODY_SHA256, UNREADABLE};
pub(super) use self::stream::{FilteredStream, FilteredTokio};
use crate::domain::hex;

/// Reads the bytes that the broker sends, and says what the library shall read instead.
#[derive(Debug)]
pub(super) struct ContentFilter {
    keep: Kept,
    /// What has come of a frame whose end has not.
    begun: Vec<u8>,
    /// The content that is arriving, by channel: a method, a header and a body, in this order. The frames of other channels
    /// may come in between.
    arriving: HashMap<u16, Arriving>,
    /// What came was not a frame. From there on all goes on as it comes, and the library names the fault.
    lost: bool,
}

/// How much of a body is kept, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Kept {
    /// Of a message in general.
    pub usual: usize,
    /// Of one that comes to the consumer of whole batches.
    pub of_batches: usize,
}

#[derive(Debug)]
enum Arriving {
    /// The method has come.
    Method(ContentMethod),
    /// The header has come, and a body that is too large is coming.
    LargeBody(Box<LargeBody>),
}

#[derive(Debug)]
struct LargeBody {
    /// The payload of the header that came.
    header: Vec<u8>,
    unreadable: Vec<&'static str>,
    /// How much of it is kept.
    keep: usize,
    length: u64,
    missing: u64,
    beginning: Vec<u8>,
    digest: Sha256,
    /// The longest piece that has come: those that go on are no longer, so that they fit into the frames agreed on.
    piece: usize,
}

impl ContentFilter {
    /// A filter that keeps so much of each body, at least one byte.
    pub fn new(keep: Kept) -> Self {
        let keep = Kept { usual: keep.usual.max(1), of_batches: keep.of_batches.max(1) };
        Self { keep, begun: Vec::new(), arriving: HashMap::new(), lost: false }
    }

    /// Reads `bytes` as they come, and appends to `out` what the library shall read instead.
    pub fn read(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), FrameTooLarge> {
        let mut come = std::mem::take(&mut self.begun);
        come.extend_from_slice(bytes);
        let (mut rest, mut swallowed) = (come.as_slice(), false);
        while !self.lost {
            match frame::split(rest)? {
                Split::Frame(frame, after) => {
                    let before = out.len();
                    self.frame(&frame, out);
                    swallowed |= out.len() == before;
                    rest = after;
                }
                Split::Begun => break,
                Split::NoFrame => self.lost = true,
            }
        }
        if self.lost {
            out.extend_from_slice(rest);
            return Ok(());
        }
        let done = come.len() - rest.len();
        come.drain(..done);
        self.begun = come;
        // The library takes a silent broker for a dead one, and of a large body it sees nothing until the end.
        if swallowed && out.is_empty() {
            frame::write(frame::HEARTBEAT, 0, &[], out);
        }
        Ok(())
    }

    fn frame(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        match (frame.kind, self.arriving.remove(&frame.channel)) {
            (frame::METHOD, _) => self.method(frame, out),
            (frame::HEADER, Some(Arriving::Method(method))) => self.header(frame, method, out),
            (frame::BODY, Some(Arriving::LargeBody(body))) => self.body(frame, body, out),
            (_, arriving) => {
                self.arriving.extend(arriving.map(|arriving| (frame.channel, arriving)));
                out.extend_from_slice(frame.whole);
            }
        }
    }

    fn method(&mut self, frame: &Frame<'_>, out: &mut Vec<u8>) {
        if let Some(method) = method::with_content(frame.payload) {
            match &method.mended {
                Some(payload) => frame::write(frame::METHOD, frame.channel, payload, out),
                None => out.extend_from_slice(frame.whole),
            }
            self.arriving.insert(frame.channel, Arriving::Method(method));
        } else {
            out.extend_from_slice(frame.whole);
        }
    }

    fn header(&mut self, frame: &Frame<'_>, method: ContentMethod, out: &mut Vec<u8>) {
        let ContentMethod { unreadable, to_batches, .. } = method;
        let keep = if to_batches { self.keep.of_batches } else { self.keep.usual };
        let Some((fixed, properties)) = frame.payload.split_at_checked(BEFORE_PROPERTIES) else {
            return out.extend_from_slice(frame.whole);
        };
        let length = u64::from_be_bytes(fixed[4..].try_into().expect("the rest of 12 bytes after 4 is 8"));
        if usize::try_from(length).is_ok_and(|length| length <= keep) {
            return match properties::mend(properties, &unreadable, None) {
                Some(mended) => frame::write(frame::HEADER, frame.channel, &[fixed, &mended].concat(), out),
                None => out.extend_from_slice(frame.whole),
            };
        }
        let body = LargeBody {
            header: frame.payload.to_vec(),
            unreadable,
            keep,
            length,
            missing: length,
            beginning: Vec::new(),
            digest: Sha256::new(),
            piece: 1,
        };
        self.arriving.insert(frame.channel, Arriving::LargeBody(Box::new(body)));
    }

    fn body(&mut self, frame: &Frame<'_>, mut body: Box<LargeBody>, out: &mut Vec<u8>) {
        let piece = frame.payload;
        body.digest.update(piece);
        body.piece = body.piece.max(piece.len());
        let room = body.keep - body.beginning.len();
        body.beginning.extend_from_slice(&piece[..room.min(piece.len())]);
        body.missing = body.missing.saturating_sub(piece.len() as u64);
        if body.missing > 0 {
            self.arriving.insert(frame.channel, Arriving::LargeBody(body));
            return;
        }
        let LargeBody { mut header, unreadable, length, beginning, digest, piece, .. } = *body;
        let cut = (length, hex(&digest.finalize()));
        let mended = properties::mend(&header[BEFORE_PROPERTIES..], &unreadable, Some(&cut));
        header.truncate(4);
        header.extend_from_slice(&(beginning.len() as u64).to_be_bytes());
        header.extend_from_slice(&mended.expect("what is added is a change"));
        frame::write(frame::HEADER, frame.channel, &header, out);
        for piece in beginning.chunks(piece) {
            frame::write(frame::BODY, frame.channel, piece, out);
        }
    }
}
