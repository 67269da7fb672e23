//! Text of strangers, made fit to be shown: what moves a cursor, changes a terminal or turns the direction of writing is
//! written as an escape.

use std::borrow::Cow;
use std::fmt::Write as _;

/// `text` with every character that a reader would not see as itself written as `\u001b`. The escapes are those of JSON, so
/// that a JSON text keeps its meaning.
pub fn visible(text: &str) -> Cow<'_, str> {
    escape(text, is_unseen)
}

/// The same, for text of several lines: line feeds stay.
pub fn visible_lines(text: &str) -> Cow<'_, str> {
    escape(text, |c| c != '\n' && is_unseen(c))
}

/// Control characters, line and paragraph separators, marks that turn the direction of writing, and tags, which show
/// nothing at all (Unicode, UAX #9 and UTS #39).
fn is_unseen(c: char) -> bool {
    let turns = matches!(c, '\u{061c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let hides = matches!(c, '\u{200b}' | '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}');
    c.is_control() || turns || hides || ('\u{e0000}'..='\u{e007f}').contains(&c)
}

fn escape(text: &str, unseen: impl Fn(char) -> bool) -> Cow<'_, str> {
    let Some(first) = text.find(&unseen) else { return Cow::Borrowed(text) };
    let (seen, rest) = text.split_at(first);
    let mut shown = String::with_capacity(text.len() + 16);
    shown.push_str(seen);
    for c in rest.chars() {
        if unseen(c) {
            for unit in c.encode_utf16(&mut [0; 2]) {
                write!(shown, "\\u{unit:04x}").expect("writing to a String cannot fail");
            }
        } else {
            shown.push(c);
        }
    }
    Cow::Owned(shown)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_reader_would_not_see_is_written_out() {
        for (text, shown) in [
            ("\u{1b}]0;owned\u{7}", "\\u001b]0;owned\\u0007"),
            ("a\r\nb\tc", "a\\u000d\\u000ab\\u0009c"),
            ("\u{9b}2J", "\\u009b2J"),
            ("pay\u{202e}er\u{2066}", "pay\\u202eer\\u2066"),
            ("\u{e0041}", "\\udb40\\udc41"),
            ("\u{feff}x\u{2028}y", "\\ufeffx\\u2028y"),
        ] {
            assert_eq!(visible(text), shown);
        }
    }

    #[test]
    fn what_a_reader_sees_stays() {
        for text in ["", "grant NET-1 · queued", "Zürich 北京 😀", "क्ष\u{200d}", "a\\u001b"] {
            assert!(matches!(visible(text), Cow::Borrowed(same) if same == text), "{text}");
        }
        assert_eq!(visible_lines("a\nb\u{1b}"), "a\nb\\u001b");
    }

    #[test]
    fn json_keeps_its_meaning() {
        let value = serde_json::json!({"label": "a\u{1b}[2J\u{202e}\u{e0041}\u{9b}\n"});
        let text = value.to_string();
        let shown = visible(&text);
        assert!(!shown.contains(is_unseen), "{shown}");
        assert_eq!(serde_json::from_str::<serde_json::Value>(&shown).unwrap(), value);
    }
}
