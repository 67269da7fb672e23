//! `Idempotency-Key` of an HTTP request (draft-ietf-httpapi-idempotency-key-header): the id of the job or of the batch that the
//! body brings, where the body has none.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::code::Code;
use super::contract::{Fault, is_whole};
use super::ids::JobId;
use super::strict_json;

/// The header, as faults name it.
const AT: &str = "header:idempotency-key";

/// Reads the header: a string of Structured Fields (RFC 9651), in quotes, or the key alone.
///
/// # Errors
/// What is wrong with it.
pub fn parse(header: &str) -> Result<String, Fault> {
    let text = header.trim_matches([' ', '\t']);
    let key = match text.strip_prefix('"') {
        Some(rest) => unquoted(rest).ok_or("the quotes do not end, or something follows them".to_owned()),
        None => Ok(text.to_owned()),
    };
    let key = key.and_then(|key| JobId::parse(key).map(String::from).map_err(|error| error.to_string()));
    key.map_err(|why| fault(Code::JobBadValue, format!("this is no key: {why}")))
}

/// What is in quotes, up to the last character. Only a quote and a backslash have a backslash before them.
fn unquoted(rest: &str) -> Option<String> {
    let (mut key, mut characters) = (String::new(), rest.chars());
    loop {
        match characters.next()? {
            '"' => return characters.next().is_none().then_some(key),
            '\\' => key.push(characters.next().filter(|c| ['"', '\\'].contains(c))?),
            other => key.push(other),
        }
    }
}

/// The body with the key in the place of an id that it does not have. Nothing else in it is changed; a body that is no JSON object
/// stays as it is.
///
/// # Errors
/// The body has another id.
pub fn applied<'a>(body: &'a [u8], key: &str) -> Result<Cow<'a, [u8]>, Fault> {
    let Some((text, fields)) = object(body) else { return Ok(Cow::Borrowed(body)) };
    let whole = is_whole(body);
    let id = if whole { fields.get("batch").map(|batch| &batch["id"]) } else { fields.get("id") };
    match id {
        Some(Value::String(id)) if id != key => {
            let of = if whole { "/batch/id" } else { "/id" };
            Err(fault(
                Code::JobBadValue,
                format!("the header says {key:?}, and {of} of the body {id:?}: leave one out, or say the same in both"),
            ))
        }
        // What else is wrong with it is told by the contract.
        Some(_) if !whole || fields["batch"].get("id").is_some() => Ok(Cow::Borrowed(body)),
        Some(_) => Ok(with_batch_id(text, key).map_or(Cow::Borrowed(body), Cow::Owned)),
        None => {
            let id = Value::from(key).to_string();
            let id = if whole { format!("\"batch\":{{\"id\":{id}}}") } else { format!("\"id\":{id}") };
            let comma = if fields.is_empty() { "" } else { "," };
            let (_, rest) = text.split_once('{').unwrap_or_default();
            Ok(Cow::Owned(format!("{{{id}{comma}{rest}").into_bytes()))
        }
    }
}

/// The text with the id in its batch, which is an object without one. `None` if there is no such object, or if its name is written
/// with escapes.
fn with_batch_id(text: &str, key: &str) -> Option<Vec<u8>> {
    let (at, rest) = inside_of_batch(text)?;
    let comma = if rest.trim_start().starts_with('}') { "" } else { "," };
    Some(format!("{}\"id\":{}{comma}{rest}", &text[..at], Value::from(key)).into_bytes())
}

/// Where the object `batch` of valid JSON begins, after its brace, and what comes from there on.
fn inside_of_batch(text: &str) -> Option<(usize, &str)> {
    let (mut depth, mut characters) = (0, text.char_indices());
    while let Some((at, character)) = characters.next() {
        match character {
            '{' | '[' => depth += 1,
            '}' | ']' => depth -= 1,
            '"' => {
                while let Some((_, inner)) = characters.next() {
                    match inner {
                        '\\' => drop(characters.next()),
                        '"' => break,
                        _ => {}
                    }
                }
                let after = |name| text[at..].strip_prefix(name).map(str::trim_start)?.strip_prefix(':');
                let value = after("\"batch\"").filter(|_| depth == 1).map(str::trim_start);
                if let Some(rest) = value.and_then(|value| value.strip_prefix('{')) {
                    return Some((text.len() - rest.len(), rest));
                }
            }
            _ => {}
        }
    }
    None
}

fn object(body: &[u8]) -> Option<(&str, Map<String, Value>)> {
    let text = std::str::from_utf8(body).ok()?;
    match strict_json::parse(text.strip_prefix('\u{feff}').unwrap_or(text)) {
        Ok(Value::Object(fields)) => Some((text, fields)),
        _ => None,
    }
}

fn fault(code: Code, message: String) -> Fault {
    Fault { at: AT.into(), code, message }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_stands_in_quotes_or_alone() {
        for (header, key) in [
            ("\"NET-1/1\"", "NET-1/1"),
            ("NET-1/1", "NET-1/1"),
            (" \"a \\\"b\\\" \\\\\" ", "a \"b\" \\"),
            ("a\"b", "a\"b"),
        ] {
            assert_eq!(parse(header).as_deref(), Ok(key), "{header}");
        }
        for header in ["", "\"\"", "\"", "\"a", "\"a\"b", "\"a\"; p=1", "\"a\\n\"", "ä", &"x".repeat(129)] {
            assert_eq!(parse(header).unwrap_err().code, Code::JobBadValue, "{header}");
        }
    }

    #[test]
    fn a_key_takes_the_place_of_an_id_that_is_missing() {
        for (body, expected) in [
            ("{\"kind\":\"grant\"}", "{\"id\":\"k\\\"1\",\"kind\":\"grant\"}"),
            ("\u{feff} { \"a\": 1e2}", "{\"id\":\"k\\\"1\", \"a\": 1e2}"),
            ("{}", "{\"id\":\"k\\\"1\"}"),
            ("{\"id\":\"k\\\"1\"}", "{\"id\":\"k\\\"1\"}"),
            ("{\"jobs\":[]}", "{\"batch\":{\"id\":\"k\\\"1\"},\"jobs\":[]}"),
            ("{\"jobs\":[],\"batch\":{\"id\":\"k\\\"1\"}}", "{\"jobs\":[],\"batch\":{\"id\":\"k\\\"1\"}}"),
            ("{\"jobs\":[],\"batch\":{}}", "{\"jobs\":[],\"batch\":{\"id\":\"k\\\"1\"}}"),
            (
                "{\"jobs\":[{\"batch\":{}, \"a\":\"\\\"batch\\\":{\"}], \"batch\" : { \"on_failure\":\"stop\"}}",
                "{\"jobs\":[{\"batch\":{}, \"a\":\"\\\"batch\\\":{\"}], \"batch\" : {\"id\":\"k\\\"1\", \"on_failure\":\"stop\"}}",
            ),
            // What the contract refuses, it refuses as it came.
            ("{\"jobs\":[],\"batch\":7}", "{\"jobs\":[],\"batch\":7}"),
            ("{\"jobs\":[],\"b\\u0061tch\":{}}", "{\"jobs\":[],\"b\\u0061tch\":{}}"),
            ("{\"id\":7}", "{\"id\":7}"),
            ("{\"id\":\"a\",\"id\":\"b\"}", "{\"id\":\"a\",\"id\":\"b\"}"),
            ("[]", "[]"),
            ("{", "{"),
        ] {
            let applied = applied(body.as_bytes(), "k\"1").unwrap();
            assert_eq!(std::str::from_utf8(&applied).unwrap(), expected, "{body}");
        }
    }

    #[test]
    fn a_body_with_another_id_is_refused_and_both_are_named() {
        for body in ["{\"id\":\"NET-2\"}", "{\"jobs\":[],\"batch\":{\"id\":\"NET-2\"}}"] {
            let fault = applied(body.as_bytes(), "NET-1").unwrap_err();
            assert!(fault.message.contains("\"NET-1\"") && fault.message.contains("\"NET-2\""), "{}", fault.message);
        }
    }
}
