//! Parsers of option values.

use crate::domain::{AccountUid, Cen, CenId, Hour, Requester, parse_duration};

pub(super) fn hour(text: &str) -> Result<Hour, String> {
    Hour::new(parse_duration(text).map_err(|bad| bad.to_string())?)
        .ok_or_else(|| "an hour is at least 10 ms long, in whole milliseconds".to_owned())
}

pub(super) fn requester(text: &str) -> Result<Requester, String> {
    Requester::parse(text).map_err(|error| error.to_string())
}

/// A CEN with its owner, as `<uid>/<cen>`.
pub(super) fn cen(text: &str) -> Result<Cen, String> {
    let (owner, id) = text.split_once('/').ok_or("give the CEN with its owner, such as 1250123456123456/cen-…")?;
    Ok(Cen {
        id: CenId::parse(id).map_err(|error| error.to_string())?,
        owner: AccountUid::parse(owner).map_err(|error| error.to_string())?,
    })
}
