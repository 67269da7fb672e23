//! A frame: its type, its channel, and its payload between a length and an end mark.

pub(super) const METHOD: u8 = 1;
pub(super) const HEADER: u8 = 2;
pub(super) const BODY: u8 = 3;
pub(super) const HEARTBEAT: u8 = 8;
const END: u8 = 0xCE;
/// Type, channel and length, before the payload.
const BEFORE: usize = 7;

/// The frames of RabbitMQ have 128 KiB, unless somebody raised that. One frame is kept in memory until its end has come.
const LARGEST: usize = 1 << 20;

/// The broker sent a frame that is not read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error(
    "the broker sent a frame of {size} bytes, and at most {LARGEST} are read: lower `frame_max` at the broker, or write \
     `?frame_max=131072` at the end of `[broker] url`"
)]
pub(in crate::broker) struct FrameTooLarge {
    size: u32,
}

/// A whole frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Frame<'a> {
    pub kind: u8,
    pub channel: u16,
    pub payload: &'a [u8],
    /// All of it, as it came.
    pub whole: &'a [u8],
}

/// What stands at the beginning of bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Split<'a> {
    /// A whole frame, and what comes after it.
    Frame(Frame<'a>, &'a [u8]),
    /// A frame whose end has not come, or nothing.
    Begun,
    /// Something else.
    NoFrame,
}

pub(super) fn split(bytes: &[u8]) -> Result<Split<'_>, FrameTooLarge> {
    match bytes {
        [] => return Ok(Split::Begun),
        [METHOD | HEADER | BODY | HEARTBEAT, ..] => {}
        _ => return Ok(Split::NoFrame),
    }
    let &[kind, c1, c2, s1, s2, s3, s4, ..] = bytes else { return Ok(Split::Begun) };
    let size = u32::from_be_bytes([s1, s2, s3, s4]);
    let length = match usize::try_from(size) {
        Ok(length) if length <= LARGEST => length,
        _ => return Err(FrameTooLarge { size }),
    };
    let Some((whole, after)) = bytes.split_at_checked(BEFORE + length + 1) else { return Ok(Split::Begun) };
    let payload = &whole[BEFORE..BEFORE + length];
    if whole[BEFORE + length] != END {
        return Ok(Split::NoFrame);
    }
    Ok(Split::Frame(Frame { kind, channel: u16::from_be_bytes([c1, c2]), payload, whole }, after))
}

pub(super) fn write(kind: u8, channel: u16, payload: &[u8], out: &mut Vec<u8>) {
    let size = u32::try_from(payload.len()).expect("a payload is no longer than the largest frame");
    out.push(kind);
    out.extend_from_slice(&channel.to_be_bytes());
    out.extend_from_slice(&size.to_be_bytes());
    out.extend_from_slice(payload);
    out.push(END);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_is_known_when_its_end_has_come() {
        let mut bytes = Vec::new();
        write(BODY, 258, b"abc", &mut bytes);
        assert_eq!(bytes, b"\x03\x01\x02\x00\x00\x00\x03abc\xce");
        for end in 0..bytes.len() {
            assert_eq!(split(&bytes[..end]), Ok(Split::Begun), "{end}");
        }
        let frame = Frame { kind: BODY, channel: 258, payload: b"abc", whole: &bytes };
        assert_eq!(split(&bytes), Ok(Split::Frame(frame, b"")));
        assert_eq!(split(b"AMQP\0\0\x09\x01"), Ok(Split::NoFrame), "the protocol header of another version");
        bytes[10] = 0;
        assert_eq!(split(&bytes), Ok(Split::NoFrame));
    }

    #[test]
    fn a_frame_without_bound_is_refused_before_it_has_come() {
        let error = split(b"\x03\x00\x01\x7f\xff\xff\xff").unwrap_err();
        assert_eq!(error, FrameTooLarge { size: 0x7fff_ffff });
        assert!(error.to_string().contains("frame_max"), "{error}");
    }
}
