//! A JSON text with marks at some places in it. Pure.

use serde::de::IgnoredAny;

/// How deep a level is indented.
const INDENT: &str = "  ";
/// The deepest level that is taken apart: a job has three. `serde_json` reads no text that is deeper than 128.
const DEEPEST: usize = 128;

/// A line of a JSON text, with the JSON pointer of the value that begins on it.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Line {
    at: String,
    text: String,
}

/// The text line by line, each mark below the line of its place: `places` are JSON pointers and what is to be said there. A place
/// that is not there is marked at the nearest value around it. `None` if it is no JSON.
pub(crate) fn marked(text: &str, places: &[(&str, String)]) -> Option<Vec<String>> {
    serde_json::from_str::<IgnoredAny>(text).ok()?;
    let lines = lines(text);
    let line_of = |place: &str| {
        let mut around = place;
        loop {
            if let Some(line) = lines.iter().position(|line| line.at == around) {
                return line;
            }
            around = around.rsplit_once('/').map_or("", |(around, _)| around);
        }
    };
    let marks: Vec<(usize, &String)> = places.iter().map(|(place, says)| (line_of(place), says)).collect();
    let mut marked = Vec::with_capacity(lines.len() + marks.len());
    for (number, line) in lines.iter().enumerate() {
        marked.push(format!("  {}", line.text));
        let indent = line.text.len() - line.text.trim_start().len();
        let here = marks.iter().filter(|(at, _)| *at == number);
        marked.extend(here.map(|(_, says)| format!("> {:indent$}^ {says}", "")));
    }
    Some(marked)
}

/// An object or array that is open.
enum Open {
    /// With the key of the member that is being read.
    Object(Option<String>),
    /// With the place of the element that is being read.
    Array(usize),
}

/// A JSON text with one value on each line. What is written, numbers and repeated keys included, stays as it is.
fn lines(text: &str) -> Vec<Line> {
    let (mut lines, mut open) = (vec![Line { at: String::new(), text: String::new() }], Vec::<Open>::new());
    let mut rest = text.trim();
    while let Some(first) = rest.chars().next() {
        let token = token(rest);
        rest = rest[token.len()..].trim_start();
        let line = lines.last_mut().expect("there is a first line");
        line.text.push_str(token);
        match first {
            '{' | '[' => {
                open.push(if first == '{' { Open::Object(None) } else { Open::Array(0) });
                if !rest.starts_with(['}', ']']) {
                    lines.push(next_line(&open));
                }
            }
            '}' | ']' => drop(open.pop()),
            ',' => {
                match open.last_mut() {
                    Some(Open::Object(key)) => *key = None,
                    Some(Open::Array(place)) => *place += 1,
                    None => {}
                }
                lines.push(next_line(&open));
            }
            ':' => line.text.push(' '),
            '"' => {
                if let Some(Open::Object(key @ None)) = open.last_mut() {
                    *key = serde_json::from_str(token).ok();
                    line.at = pointer(&open);
                }
            }
            _ => {}
        }
        if rest.starts_with(['}', ']']) && !matches!(first, '{' | '[') {
            let closing = INDENT.repeat(open.len().saturating_sub(1).min(DEEPEST));
            // It is the place of none: what is missing is said where its object begins.
            lines.push(Line { at: "end".to_owned(), text: closing });
        }
    }
    lines
}

fn next_line(open: &[Open]) -> Line {
    Line { at: pointer(open), text: INDENT.repeat(open.len().min(DEEPEST)) }
}

fn pointer(open: &[Open]) -> String {
    let step = |open: &Open| match open {
        Open::Object(None) => "/\0".to_owned(),
        Open::Object(Some(key)) => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
        Open::Array(place) => format!("/{place}"),
    };
    open.iter().map(step).collect()
}

/// The first token of a JSON text.
fn token(text: &str) -> &str {
    let bytes = text.as_bytes();
    let end = match bytes[0] {
        b'"' => {
            let mut end = 1;
            while end < bytes.len() && bytes[end] != b'"' {
                end += if bytes[end] == b'\\' { 2 } else { 1 };
            }
            end + 1
        }
        b'{' | b'}' | b'[' | b']' | b',' | b':' => 1,
        _ => text.find(|c: char| c.is_whitespace() || "{}[],:\"".contains(c)).unwrap_or(text.len()),
    };
    &text[..end.min(text.len())]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(json: &str, places: &[(&str, &str)]) -> String {
        let places: Vec<_> = places.iter().map(|(place, says)| (*place, (*says).to_owned())).collect();
        marked(json, &places).unwrap().join("\n")
    }

    #[test]
    fn faults_are_marked_below_what_they_are_about() {
        let json = r#"{"id":"a","instance":{"id": 12345678901234567890.0,"type":"VPC"},"labels":{},"more":[1,{"x/y":null}], "id":"b"}"#;
        let faults = [
            ("/instance/id", "must be a string"),
            ("/instance/owner", "is missing"),
            ("/kind", "is missing"),
            ("/more/1/x~1y", "is not known"),
            ("/more/1/x~1y", "and is null"),
        ];
        let expected = r#"  {
> ^ is missing
    "id": "a",
    "instance": {
>   ^ is missing
      "id": 12345678901234567890.0,
>     ^ must be a string
      "type": "VPC"
    },
    "labels": {},
    "more": [
      1,
      {
        "x/y": null
>       ^ is not known
>       ^ and is null
      }
    ],
    "id": "b"
  }"#;
        assert_eq!(text(json, &faults), expected);
    }

    #[test]
    fn any_json_is_taken_apart_and_nothing_else_is() {
        for json in
            ["null", "\"a\\\"{,\"", "[]", "{}", " [ ] ", "[[],{}]", "-1e9", "{\"\":{\"\":1}}", "[\"ä\",\"\\u0000\"]"]
        {
            let shown = text(json, &[("/none/of/it", "here")]);
            let kept: String = shown.lines().filter(|line| !line.starts_with('>')).collect();
            let (kept, was): (serde_json::Value, serde_json::Value) =
                (serde_json::from_str(&kept).unwrap(), serde_json::from_str(json).unwrap());
            assert_eq!((kept, shown.matches("^ here").count()), (was, 1), "{shown}");
        }
        for other in ["", "{", "{\"a\"}", "nul", "{}{}"] {
            assert_eq!(marked(other, &[]), None, "{other}");
        }
    }
}
