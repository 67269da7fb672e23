//! Points in time, as a job writes them: RFC 3339, and nothing else that a reader of times could make sense of.

use jiff::Timestamp;
use jiff::fmt::temporal::Pieces;
use jiff::tz::TimeZone;

/// The shape, as a regular expression (ECMA-262).
pub const PATTERN: &str = "^[0-9]{4}-(0[1-9]|1[0-2])-(0[1-9]|[12][0-9]|3[01])[Tt]([01][0-9]|2[0-3]):[0-5][0-9]:\
                           [0-5][0-9]([.][0-9]{1,9})?([Zz]|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$";

/// Reads a point in time (RFC 3339 section 5.6, with at most nine digits of a second, and without leap seconds). `None` also
/// for a day that its month does not have.
///
/// The last 26 hours of the year 9999, with which many programs say "never", are beyond what the library of times can hold:
/// they are its last instant.
pub fn parse(text: &str) -> Option<Timestamp> {
    let never = || {
        let date = Pieces::parse(text).ok()?.date();
        (date >= Timestamp::MAX.to_zoned(TimeZone::UTC).date()).then_some(Timestamp::MAX)
    };
    has_shape(text).then(|| text.parse().ok().or_else(never))?
}

fn has_shape(text: &str) -> bool {
    let Some((date_time, rest)) = text.split_at_checked(19) else { return false };
    let offset = match rest.strip_prefix('.') {
        Some(fraction) => {
            let digits = fraction.bytes().take_while(u8::is_ascii_digit).count();
            if digits == 0 {
                return false;
            }
            &fraction[digits..]
        }
        None => rest,
    };
    let is_offset = offset.eq_ignore_ascii_case("z")
        || ["+00:00", "-00:00"].into_iter().any(|like| is_like(offset, like)) && &offset[1..3] < "24";
    is_like(date_time, "0000-00-00T00:00:00") && &date_time[17..] < "60" && is_offset
}

/// Whether a text has digits where `like` has a 0, and the same letters elsewhere, in upper or lower case.
fn is_like(text: &str, like: &str) -> bool {
    let same =
        |(byte, like): (u8, u8)| if like == b'0' { byte.is_ascii_digit() } else { byte.eq_ignore_ascii_case(&like) };
    text.len() == like.len() && text.bytes().zip(like.bytes()).all(same)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_by_the_rfc_is_read_and_nothing_else() {
        for good in [
            "2026-11-21T09:00:00Z",
            "2026-11-21t09:00:00.123456789z",
            "2026-11-21T18:00:00+08:00",
            "2024-02-29T23:59:59-23:59",
        ] {
            assert!(parse(good).is_some(), "{good}");
        }
        for bad in [
            "2026-11-21",
            "2026-11-21T09:00Z",
            "2026-11-21 09:00:00Z",
            "20261121T090000Z",
            "2026-11-21T09:00:00",
            "2026-11-21T09:00:00+08",
            "2026-11-21T09:00:00+24:00",
            "2026-11-21T09:00:00,5Z",
            "2026-11-21T09:00:00.Z",
            "2026-11-21T09:00:00.1234567890Z",
            "2026-11-21T09:00:00Z[UTC]",
            "2026-02-30T09:00:00Z",
            "2026-13-01T09:00:00Z",
            "2016-12-31T23:59:60Z",
            "+002026-11-21T09:00:00Z",
            "2026-11-21T24:00:00Z",
            "ü026-11-21T09:00:00Z",
            "",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
    }
}
