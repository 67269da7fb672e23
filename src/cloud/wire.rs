//! Lenient reading of answers. Fields come and go (API §1), so one odd field must not spoil a page; only ids must be
//! readable. The values borrow from the body they were read from.

use serde_json_borrow::Value;

use crate::domain::{AccountUid, OrderType};

/// A field that should hold an id and holds something else.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Unreadable;

/// A field of an object, `null` included.
pub(super) fn field<'a, 'body>(item: &'a Value<'body>, key: &str) -> Option<&'a Value<'body>> {
    item.as_object()?.get(key)
}

/// A text that is not empty, without the blanks, TABs and line feeds that the vendor sends around some (API §K).
pub(super) fn text<'a>(item: &'a Value<'_>, key: &str) -> Option<&'a str> {
    field(item, key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}

/// An account uid, which comes as an integer or a string; `None` when absent.
pub(super) fn uid(item: &Value<'_>, key: &str) -> Result<Option<AccountUid>, Unreadable> {
    let text = match field(item, key) {
        None | Some(Value::Null) => return Ok(None),
        Some(Value::Str(text)) if text.trim().is_empty() => return Ok(None),
        Some(Value::Str(text)) => text.trim().to_owned(),
        Some(Value::Number(number)) => number.as_u64().ok_or(Unreadable)?.to_string(),
        Some(_) => return Err(Unreadable),
    };
    AccountUid::parse(text).map(Some).map_err(|_| Unreadable)
}

/// A payer; `None` for an unknown word too. It is never taken for the default (API §B).
pub(super) fn order_type(item: &Value<'_>, key: &str) -> Option<OrderType> {
    OrderType::parse(text(item, key)?)
}

/// A count, which comes as an integer or a string.
pub(super) fn count(answer: &Value<'_>, key: &str) -> Option<u64> {
    match field(answer, key)? {
        Value::Number(number) => number.as_u64(),
        Value::Str(text) => text.trim().parse().ok(),
        _ => None,
    }
}

/// The items of a list, which is an array or an object that holds one: `GrantRules` is either, by operation
/// (API §A.4, §A.5).
pub(super) fn list<'a, 'body>(answer: &'a Value<'body>, outer: &str, inner: &str) -> &'a [Value<'body>] {
    let list = match field(answer, outer) {
        Some(Value::Object(object)) => object.get(inner),
        other => other,
    };
    list.and_then(Value::as_array).unwrap_or(&[])
}

/// `NextToken` without blanks around it, otherwise unchanged; `None` when absent or empty, at the end (API §H11).
pub(super) fn next_token(answer: &Value<'_>) -> Option<String> {
    text(answer, "NextToken").map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// Reads a body as a client does.
    fn body(json: serde_json::Value) -> serde_json_borrow::OwnedValue {
        serde_json_borrow::OwnedValue::from_string(json.to_string()).unwrap()
    }

    #[test]
    fn uids_are_read_as_integers_and_as_strings() {
        let expected = Ok(Some(AccountUid::parse("1250123456123456").unwrap()));
        assert_eq!(uid(&body(json!({"U": 1_250_123_456_123_456_u64})), "U"), expected);
        assert_eq!(uid(&body(json!({"U": "1250123456123456"})), "U"), expected);
        for absent in [json!({}), json!({"U": null}), json!({"U": ""})] {
            assert_eq!(uid(&body(absent), "U"), Ok(None));
        }
        for odd in [json!({"U": 1.25e15}), json!({"U": "me"}), json!({"U": -1}), json!({"U": [1]})] {
            assert_eq!(uid(&body(odd.clone()), "U"), Err(Unreadable), "{odd}");
        }
    }

    #[test]
    fn an_unknown_payer_is_unknown() {
        assert_eq!(order_type(&body(json!({"O": "PayByResourceOwner"})), "O"), Some(OrderType::PayByResourceOwner));
        for unknown in [json!({}), json!({"O": null}), json!({"O": "PayByOthers"}), json!({"O": 1}), json!({"O": ""})] {
            assert_eq!(order_type(&body(unknown), "O"), None);
        }
    }

    /// A documented example has an id with a line feed at its end.
    #[test]
    fn blanks_around_a_value_are_not_part_of_it() {
        for (id, read) in [("cen-1\n", Some("cen-1")), ("\t cen-1 ", Some("cen-1")), (" \r\n", None), ("", None)] {
            assert_eq!(text(&body(json!({"I": id})), "I"), read, "{id:?}");
        }
        let expected = Ok(Some(AccountUid::parse("1250123456123456").unwrap()));
        assert_eq!(uid(&body(json!({"U": " 1250123456123456\n"})), "U"), expected);
        assert_eq!(uid(&body(json!({"U": "\t"})), "U"), Ok(None));
        assert_eq!(uid(&body(json!({"U": "1250123456 123456"})), "U"), Err(Unreadable));
        assert_eq!(order_type(&body(json!({"O": "PayByCenOwner\t"})), "O"), Some(OrderType::PayByCenOwner));
        assert_eq!(count(&body(json!({"C": " 12\n"})), "C"), Some(12));
    }

    #[test]
    fn a_token_is_given_back_as_it_came_inside() {
        let token = |value: &str| next_token(&body(json!({"NextToken": value})));
        assert_eq!(token("a b\tc+/=\n").as_deref(), Some("a b\tc+/="));
        assert_eq!(token("\n"), None);
    }

    #[test]
    fn a_list_is_flat_or_wrapped() {
        for two in [json!({"L": [1, 2]}), json!({"L": {"I": [1, 2]}})] {
            assert_eq!(list(&body(two), "L", "I").len(), 2);
        }
        for none in [json!({}), json!({"L": null}), json!({"L": ""}), json!({"L": {}}), json!({"L": {"I": null}})] {
            assert!(list(&body(none), "L", "I").is_empty());
        }
    }
}
