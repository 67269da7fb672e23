//! Query strings: their pairs, their values, and the errors about both.

use std::str::FromStr;

use super::error::ApiError;
use crate::domain::did_you_mean;

/// The size of a page when the request names none.
pub(super) const PAGE: usize = 50;
/// The largest size of a page that a request may name.
pub(super) const LARGEST_PAGE: usize = 1000;

/// The decoded pairs of a query string, in order.
pub(super) fn pairs(query: Option<&str>) -> Vec<(String, String)> {
    form_urlencoded::parse(query.unwrap_or_default().as_bytes()).into_owned().collect()
}

/// Parses a value; `what` says what it must be.
pub(super) fn parsed<T: FromStr>(key: &str, value: &str, what: &str) -> Result<T, ApiError> {
    value.parse().map_err(|_| bad(key, value, &format!("must be {what}")))
}

/// Parses the `limit` of a page.
pub(super) fn limit(value: &str) -> Result<usize, ApiError> {
    let limit = value.parse().ok().filter(|limit| (1..=LARGEST_PAGE).contains(limit));
    limit.ok_or_else(|| bad("limit", value, &format!("must be a number from 1 to {LARGEST_PAGE}")))
}

/// A value that cannot be used.
pub(super) fn bad(key: &str, value: &str, why: &str) -> ApiError {
    ApiError::BadRequest(format!("{key}={value}: {why}"))
}

/// A key that is not `known`. It is refused, since a misspelt filter would otherwise match every job.
pub(super) fn unknown(key: &str, known: &[&str]) -> ApiError {
    let hint = did_you_mean(key, known.iter().copied(), "");
    ApiError::BadRequest(format!("there is no parameter {key}{hint} (known: {})", known.join(", ")))
}
