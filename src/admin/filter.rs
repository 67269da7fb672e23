//! The filters that `/v1/jobs` and `/v1/approvals` share.

use super::error::ApiError;
use super::query::bad;
use crate::domain::{CenId, InstanceId, Kind, Requester};
use crate::engine::ports::store::Filter;

/// The keys that [`narrow`] knows.
pub(super) const FILTERS: [&str; 5] = ["kind", "instance", "cen", "requester", "label"];

/// Narrows a filter by one pair of a query. False when `key` is none of [`FILTERS`].
pub(super) fn narrow(filter: &mut Filter, key: &str, value: &str) -> Result<bool, ApiError> {
    match key {
        "kind" => {
            filter.kind = Some(Kind::parse(value).ok_or_else(|| one_of(key, value, &Kind::ALL.map(Kind::as_str)))?)
        }
        "instance" => filter.instance = Some(InstanceId::parse(value).map_err(|e| bad(key, value, &e.to_string()))?),
        "cen" => filter.cen = Some(CenId::parse(value).map_err(|e| bad(key, value, &e.to_string()))?),
        "requester" => filter.requester = Some(Requester::parse(value).map_err(|e| bad(key, value, &e.to_string()))?),
        "label" => {
            let (name, value) = value.split_once('=').ok_or_else(|| bad(key, value, "must be label=name=value"))?;
            filter.label = Some((name.to_owned(), value.to_owned()));
        }
        _ => return Ok(false),
    }
    Ok(true)
}

/// A value that is none of the words for `key`.
pub(super) fn one_of(key: &str, value: &str, words: &[&str]) -> ApiError {
    bad(key, value, &format!("must be one of {}", words.join(", ")))
}
