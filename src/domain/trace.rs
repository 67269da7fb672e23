//! The trace of a job (W3C Trace Context): which one it belongs to, and the ids of its spans.
//!
//! Nothing of it is stored but the `traceparent` of the publisher. Every id follows from that, the uid of the job and what the span
//! tells of, so that a restarted worker and another one go on with the same trace, and a span that is told of twice is the same one.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::JobUid;

/// A span, as others refer to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct TraceContext {
    /// The id of the trace; not 0.
    pub trace: u128,
    /// The id of the span; not 0.
    pub span: u64,
    /// Whether the trace is recorded.
    pub sampled: bool,
}

impl TraceContext {
    /// Reads a `traceparent`. `None` for one that the standard tells to ignore.
    pub fn parse(text: &str) -> Option<Self> {
        let (version, rest) = text.split_at_checked(2)?;
        let rest = rest.strip_prefix('-')?;
        let (trace, rest) = rest.split_at_checked(32)?;
        let (span, rest) = rest.strip_prefix('-')?.split_at_checked(16)?;
        let (flags, rest) = rest.strip_prefix('-')?.split_at_checked(2)?;
        // A later version may append fields.
        let whole = if version == "00" { rest.is_empty() } else { rest.is_empty() || rest.starts_with('-') };
        let lower_hex = |text: &str| text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        if !whole || version == "ff" || ![version, trace, span, flags].into_iter().all(lower_hex) {
            return None;
        }
        let context = Self {
            trace: u128::from_str_radix(trace, 16).ok()?,
            span: u64::from_str_radix(span, 16).ok()?,
            sampled: u8::from_str_radix(flags, 16).ok()? & 1 == 1,
        };
        (context.trace != 0 && context.span != 0).then_some(context)
    }

    /// Another span of the same trace, known by what it tells of.
    #[must_use]
    pub fn of(self, what: &str) -> Self {
        Self { span: derived(&[&self.trace.to_be_bytes(), &self.span.to_be_bytes(), what.as_bytes()]), ..self }
    }
}

/// As a `traceparent`.
impl fmt::Display for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { trace, span, sampled } = self;
        write!(f, "00-{trace:032x}-{span:016x}-{:02x}", u8::from(*sampled))
    }
}

/// Which of the traces that begin here are recorded.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Sampling {
    /// The part of them, from 0 to 1.
    pub ratio: f64,
}

impl Sampling {
    /// Whether that of this job or pass is. All workers say the same.
    pub fn takes(self, trace: u128) -> bool {
        (derived(&[&trace.to_be_bytes()]) as f64) < self.ratio * (u64::MAX as f64)
    }
}

/// The trace of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct JobTrace {
    /// The span of its acceptance, which those of all that is done for it are under.
    pub accepted: TraceContext,
    /// The span of the publisher. Without one, the trace begins with the acceptance.
    pub parent: Option<TraceContext>,
}

impl JobTrace {
    /// That of a job which came with this `traceparent`. One that cannot be read counts as none: then the id of the trace is the uid,
    /// so that a person finds the one by the other.
    pub fn new(uid: JobUid, traceparent: Option<&str>, sampling: Sampling) -> Self {
        let parent = traceparent.and_then(TraceContext::parse);
        let trace = parent.map_or(uid.0.as_u128().max(1), |parent| parent.trace);
        let sampled = parent.map_or_else(|| sampling.takes(trace), |parent| parent.sampled);
        let span = derived(&[&trace.to_be_bytes(), uid.0.as_bytes()]);
        Self { accepted: TraceContext { trace, span, sampled }, parent }
    }
}

/// An id of a span, which is not 0.
fn derived(parts: &[&[u8]]) -> u64 {
    let mut hash = Sha256::new();
    parts.iter().for_each(|part| hash.update(part));
    let digest = hash.finalize();
    digest.iter().take(8).fold(0, |id, byte| id << 8 | u64::from(*byte)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use uuid::Uuid;

    const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const ALL: Sampling = Sampling { ratio: 1.0 };

    fn uid(n: u128) -> JobUid {
        JobUid(Uuid::from_u128(n))
    }

    #[test]
    fn a_traceparent_is_read_as_the_standard_says() {
        let read = TraceContext::parse(PARENT).unwrap();
        assert_eq!(
            (read.trace, read.span, read.sampled),
            (0x4bf9_2f35_77b3_4da6_a3ce_929d_0e0e_4736, 0x00f0_67aa_0ba9_02b7, true)
        );
        assert_eq!(read.to_string(), PARENT);
        assert!(!TraceContext::parse(&format!("{}00", &PARENT[..53])).unwrap().sampled);
        assert!(TraceContext::parse(&format!("01{}-more", &PARENT[2..])).is_some(), "a later version");
        for bad in [
            "",
            "00-1",
            "00-äöü",
            &PARENT.to_uppercase(),
            &format!("{PARENT}-more"),
            &format!("ff{}", &PARENT[2..]),
            &PARENT.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &PARENT.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &PARENT.replace('-', "_"),
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn a_job_stays_in_the_trace_of_its_publisher_and_begins_one_of_its_own_without() {
        let joined = JobTrace::new(uid(7), Some(PARENT), Sampling { ratio: 0.0 });
        assert_eq!(joined.parent, TraceContext::parse(PARENT));
        assert!(joined.accepted.sampled, "the flag of the publisher counts, not the ratio");
        assert_ne!(joined.accepted.span, joined.parent.unwrap().span);
        let other = JobTrace::new(uid(8), Some(PARENT), ALL);
        assert_eq!(joined.accepted.trace, other.accepted.trace);
        assert_ne!(joined.accepted.span, other.accepted.span, "two jobs of one trace");
        for none in [None, Some("00-1")] {
            let own = JobTrace::new(uid(7), none, ALL);
            assert_eq!((own.accepted.trace, own.parent), (7, None));
            assert_eq!(own, JobTrace::new(uid(7), none, ALL), "every worker derives the same");
        }
    }

    #[test]
    fn the_ratio_says_how_many_traces_begin() {
        let taken = |ratio: f64| (0..1000).filter(|n| Sampling { ratio }.takes(*n)).count();
        assert_eq!((taken(0.0), taken(1.0)), (0, 1000));
        assert!((200..300).contains(&taken(0.25)), "{}", taken(0.25));
    }

    #[test]
    fn spans_are_known_by_what_they_tell_of() {
        let job = JobTrace::new(uid(7), None, ALL).accepted;
        assert_eq!(job.of("write 0.1"), job.of("write 0.1"));
        assert_ne!(job.of("write 0.1").span, job.of("write 0.2").span);
        assert_eq!(job.of("write 0.1").trace, job.trace);
    }
}
