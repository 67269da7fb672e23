//! Lenient reading of answers: fields come and go (API §1), so one odd field must not spoil a page. Only ids must be
//! what they should be.

use serde_json::Value;

use crate::domain::{AccountUid, OrderType};

/// An id that is there and cannot be one.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A text that is there and not empty.
pub(super) fn text<'a>(item: &'a Value, key: &str) -> Option<&'a str> {
    item.get(key)?.as_str().filter(|text| !text.is_empty())
}

/// An account uid, integer or string; `None` when absent.
pub(super) fn uid(item: &Value, key: &str) -> Result<Option<AccountUid>, Unreadable> {
    let text = match item.get(key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::String(text)) if text.is_empty() => return Ok(None),
        Some(Value::String(text)) => text.clone(),
        Some(Value::Number(number)) => number.to_string(),
        Some(_) => return Err(Unreadable),
    };
    AccountUid::parse(text).map(Some).map_err(|_| Unreadable)
}

/// A payer. A word we do not know is as good as none: unknown, never the default (API §B).
pub(super) fn order_type(item: &Value, key: &str) -> Option<OrderType> {
    OrderType::parse(text(item, key)?)
}

/// A count, integer or string.
pub(super) fn count(answer: &Value, key: &str) -> Option<u64> {
    match answer.get(key)? {
        Value::Number(number) => number.as_u64(),
        Value::String(text) => text.parse().ok(),
        _ => None,
    }
}

/// The items of a list, which is an array or an object that holds one: `GrantRules` is either, by operation
/// (API §A.4, §A.5).
pub(super) fn list<'a>(answer: &'a Value, outer: &str, inner: &str) -> &'a [Value] {
    let list = match answer.get(outer) {
        Some(Value::Object(object)) => object.get(inner),
        other => other,
    };
    list.and_then(Value::as_array).map_or(&[], Vec::as_slice)
}

/// `NextToken`; absent or empty at the end (API §H11).
pub(super) fn next_token(answer: &Value) -> Option<String> {
    text(answer, "NextToken").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn uids_are_read_as_integers_and_as_strings() {
        let expected = Ok(Some(AccountUid::parse("1250123456123456").unwrap()));
        assert_eq!(uid(&json!({"U": 1_250_123_456_123_456_u64}), "U"), expected);
        assert_eq!(uid(&json!({"U": "1250123456123456"}), "U"), expected);
        for absent in [json!({}), json!({"U": null}), json!({"U": ""})] {
            assert_eq!(uid(&absent, "U"), Ok(None));
        }
        for odd in [json!({"U": 1.25e15}), json!({"U": "me"}), json!({"U": -1}), json!({"U": [1]})] {
            assert_eq!(uid(&odd, "U"), Err(Unreadable), "{odd}");
        }
    }

    #[test]
    fn an_unknown_payer_is_unknown() {
        assert_eq!(order_type(&json!({"O": "PayByResourceOwner"}), "O"), Some(OrderType::PayByResourceOwner));
        for unknown in [json!({}), json!({"O": null}), json!({"O": "PayByNobody"}), json!({"O": 1}), json!({"O": ""})] {
            assert_eq!(order_type(&unknown, "O"), None);
        }
    }

    #[test]
    fn a_list_is_flat_or_wrapped() {
        for two in [json!({"L": [1, 2]}), json!({"L": {"I": [1, 2]}})] {
            assert_eq!(list(&two, "L", "I").len(), 2);
        }
        for none in [json!({}), json!({"L": null}), json!({"L": ""}), json!({"L": {}}), json!({"L": {"I": null}})] {
            assert!(list(&none, "L", "I").is_empty());
        }
    }
}
