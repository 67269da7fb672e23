//! The terminal that a person looks at: how wide it is, whether its cursor moves, and text that fits into it.

use std::ffi::OsString;
use std::os::fd::AsFd;

use crate::domain::visible;

/// The narrowest terminal that is believed. A serial line says 0, and some programs a few columns.
const NARROWEST: usize = 20;

/// The columns of the terminal behind a stream; `None` if it is no terminal, or does not say.
pub(super) fn columns(stream: impl AsFd) -> Option<usize> {
    let size = rustix::termios::tcgetwinsize(stream).ok()?;
    Some(usize::from(size.ws_col)).filter(|columns| *columns >= NARROWEST)
}

/// Whether a line can be written over. `TERM` is `dumb` where it cannot, as in the shell of an editor.
pub(super) fn moves_cursor(term: Option<OsString>) -> bool {
    term.is_none_or(|term| term != "dumb")
}

/// A line of strangers' text, made visible, of at most `width` characters: what is too much is cut off its end.
pub(super) fn cut(line: &str, width: usize) -> String {
    let line = visible(line);
    match line.char_indices().nth(width) {
        None => line.into_owned(),
        Some(_) => line.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
    }
}

/// A name of at most `width` characters: what is too much is cut out of its middle, because names differ at their ends.
pub(super) fn cut_middle(name: &str, width: usize) -> String {
    let characters: Vec<char> = visible(name).chars().collect();
    if characters.len() <= width {
        return characters.into_iter().collect();
    }
    let kept = width.saturating_sub(1);
    let end = characters.len() - kept / 2;
    characters[..kept - kept / 2].iter().chain(&['…']).chain(&characters[end..]).collect()
}

/// A paragraph in lines of at most `width` characters. A word that is longer stands on a line of its own.
pub(super) fn wrapped(paragraph: &str, width: usize) -> String {
    let (mut text, mut used) = (String::new(), 0);
    for word in paragraph.split_whitespace() {
        let length = word.chars().count();
        let (before, at) = match used {
            0 => ("", 0),
            used if used + 1 + length <= width => (" ", used + 1),
            _ => ("\n", 0),
        };
        text.push_str(before);
        text.push_str(word);
        used = at + length;
    }
    text
}

/// Stands for a space at which no line is broken: of the private use area, where no text has one.
const UNBROKEN: &str = "\u{e000}";

/// The lines of a page, each broken between words where it is too long for the terminal, and gone on with below its value. A
/// command in backticks is one word, and a line that is one stays whole: they are there to be copied.
pub(super) fn folded(lines: Vec<String>, columns: Option<usize>, indent: usize) -> Vec<String> {
    let Some(width) = columns.filter(|columns| *columns > 2 * indent) else { return lines };
    let fold = |line: String| {
        let parts = line.split('`').enumerate();
        let parts: Vec<String> =
            parts.map(|(n, part)| if n % 2 == 1 { part.replace(' ', UNBROKEN) } else { part.to_owned() }).collect();
        let line = parts.join("`");
        if line.chars().count() <= width || line.chars().count() <= indent || line.contains("crossgrant ") {
            return vec![line.replace(UNBROKEN, " ")];
        }
        let (head, value) = line.split_at(line.char_indices().nth(indent).map_or(line.len(), |(at, _)| at));
        let value = wrapped(value, width - indent);
        let mut parts = value.lines();
        let first = format!("{head}{}", parts.next().unwrap_or_default());
        let all = std::iter::once(first).chain(parts.map(|part| format!("{:indent$}{part}", "")));
        all.map(|line| line.replace(UNBROKEN, " ")).collect()
    };
    lines.into_iter().flat_map(fold).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_goes_on_below_itself_and_a_command_stays_whole() {
        let page = |columns| {
            let lines = ["head", "  why     one `two  three` four", "  next    crossgrant show NET-1"];
            folded(lines.map(str::to_owned).to_vec(), columns, 10)
        };
        let narrow =
            ["head", "  why     one", "          `two  three`", "          four", "  next    crossgrant show NET-1"];
        assert_eq!(page(Some(23)), narrow);
        for wide in [None, Some(80), Some(20)] {
            assert_eq!(page(wide).len(), 3, "{wide:?}");
        }
    }

    #[test]
    fn what_is_too_long_is_cut_at_its_end_and_a_name_in_its_middle() {
        assert_eq!((cut("as it is", 8).as_str(), cut("as it was", 8).as_str()), ("as it is", "as it w…"));
        assert_eq!(cut("Zürich 北京", 4), "Zür…");
        for (width, shown) in [(10, "NET-4312/1"), (9, "NET-…12/1"), (8, "NET-…2/1"), (2, "N…"), (1, "…")] {
            assert_eq!(cut_middle("NET-4312/1", width), shown);
        }
        assert_eq!(cut_middle("\u{1b}", 9), "\\u001b", "an escape is counted as it is shown");
    }

    #[test]
    fn a_paragraph_is_broken_between_words() {
        assert_eq!(wrapped("The change was\nmade, and a read", 14), "The change was\nmade, and a\nread");
        assert_eq!(wrapped("a crossgrant-explain b", 8), "a\ncrossgrant-explain\nb");
        assert_eq!(wrapped(" \n", 8), "");
    }

    #[test]
    fn a_pipe_has_no_columns_and_a_dumb_terminal_no_cursor() {
        let (reader, _writer) = std::io::pipe().unwrap();
        assert_eq!(columns(&reader), None);
        assert!(moves_cursor(None) && moves_cursor(Some("xterm".into())) && !moves_cursor(Some("dumb".into())));
    }
}
