//! Headers that fit into one frame. All properties of a message travel in one frame, and the broker has the last word on how
//! large that may be; it closes the connection of a client that sends a larger one.

use std::collections::BTreeMap;

use serde_json::Value;

/// Names the headers that were cut or left out.
const CUT: &str = "x-crossgrant-cut";

/// What a frame holds besides headers: its own frame, the fixed part of the header, and the other properties, of which none
/// is longer than 255 bytes (content type, correlation id, message id, type, app id; timestamp, delivery mode).
const BESIDE: usize = 8 + 14 + 5 * 256 + 8 + 1 + 4;

/// The headers as they fit into a frame of `frame_max` bytes (0 is without limit). The largest are cut: a JSON array loses
/// its last elements, so that it can still be read, and anything else is left out. A header of its own says which.
pub(super) fn fitting(headers: &BTreeMap<String, String>, frame_max: u32) -> BTreeMap<String, String> {
    let mut fitting = headers.clone();
    let room = match frame_max {
        0 => return fitting,
        limit => usize::try_from(limit).unwrap_or(usize::MAX).saturating_sub(BESIDE),
    };
    let mut cut: Vec<String> = Vec::new();
    while size(&fitting) > room {
        let largest = fitting.iter().filter(|(name, _)| *name != CUT).max_by_key(|(_, value)| value.len());
        let Some((name, value)) = largest.map(|(name, value)| (name.clone(), value.clone())) else { break };
        if !cut.contains(&name) {
            cut.push(name.clone());
            fitting.insert(CUT.to_owned(), cut.join(" "));
        }
        let others = size(&fitting) - value.len();
        match shorter(&value, room.saturating_sub(others)) {
            Some(shorter) => fitting.insert(name, shorter),
            None => fitting.remove(&name),
        };
    }
    fitting
}

/// The bytes of headers that are strings: each has a name and its length, a type, and a value and its length.
fn size(headers: &BTreeMap<String, String>) -> usize {
    headers.iter().map(|(name, value)| 1 + name.len() + 1 + 4 + value.len()).sum()
}

/// A JSON array with as many of its elements as have room.
fn shorter(value: &str, room: usize) -> Option<String> {
    let Ok(Value::Array(all)) = serde_json::from_str(value) else { return None };
    let mut text = String::from("[");
    for (place, element) in all.iter().enumerate() {
        let next = format!("{}{element}", if place == 0 { "" } else { "," });
        if text.len() + next.len() + 1 > room {
            break;
        }
        text.push_str(&next);
    }
    text.push(']');
    (text.len() <= room).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(reasons: usize) -> BTreeMap<String, String> {
        let fault = |n| serde_json::json!({"at": format!("/f{n}"), "message": "x".repeat(200)});
        let reasons = Value::from((0..reasons).map(fault).collect::<Vec<_>>()).to_string();
        [("x-crossgrant-reasons", reasons), ("x-crossgrant-uid", "u".into())].map(|(k, v)| (k.into(), v)).into()
    }

    #[test]
    fn what_fits_stays_as_it_is() {
        for (headers, frame_max) in [(headers(3), 4_096), (headers(60), 0), (headers(60), 32 << 10)] {
            assert_eq!(fitting(&headers, frame_max), headers);
        }
    }

    #[test]
    fn reasons_are_cut_to_the_frame_and_can_still_be_read() {
        for frame_max in [4_096, 8_192] {
            let fitting = fitting(&headers(60), frame_max);
            assert!(size(&fitting) + BESIDE <= frame_max as usize, "{}", size(&fitting));
            assert_eq!(fitting[CUT], "x-crossgrant-reasons");
            let left: Vec<Value> = serde_json::from_str(&fitting["x-crossgrant-reasons"]).unwrap();
            assert!(left.len() > 10 && left[0]["at"] == "/f0", "{frame_max}: {}", left.len());
            assert_eq!(fitting["x-crossgrant-uid"], "u");
        }
    }

    #[test]
    fn what_is_no_list_is_left_out_whole() {
        let headers = [("traceparent", "t".repeat(5_000)), ("x-crossgrant-uid", "u".into())];
        let fitting = fitting(&headers.map(|(k, v)| (k.into(), v)).into(), 4_096);
        let expected = [(CUT, "traceparent"), ("x-crossgrant-uid", "u")];
        assert_eq!(fitting, expected.map(|(k, v)| (k.into(), v.into())).into());
    }
}
