//! Spans of time as people write them.

use std::time::Duration;

use jiff::SignedDuration;

/// The text is no duration, or one that is not longer than zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("must be a duration longer than zero, such as \"20s\" or \"1h 30m\"")]
pub struct BadDuration;

/// Reads a duration longer than zero, in jiff's friendly format.
///
/// ```
/// use std::time::Duration;
/// use crossgrant::domain::{BadDuration, parse_duration};
/// assert_eq!(parse_duration("1h 30m"), Ok(Duration::from_secs(5400)));
/// assert_eq!(parse_duration("0s"), Err(BadDuration));
/// ```
pub fn parse_duration(text: &str) -> Result<Duration, BadDuration> {
    let span = text.parse::<SignedDuration>().ok().and_then(|span| Duration::try_from(span).ok());
    span.filter(|span| !span.is_zero()).ok_or(BadDuration)
}
