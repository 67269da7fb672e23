//! Colours on a terminal. They repeat what a word says, so that nothing is lost without them: red for what failed, yellow for what
//! needs a person or is kept from going on, green for what is done, cyan for what waits for its hour; headings are bold.

use std::io::{self, IsTerminal};
use std::sync::OnceLock;

use crate::telemetry::log::has_colours;

const RED: &str = "31";
const GREEN: &str = "32";
const YELLOW: &str = "33";
const CYAN: &str = "36";
const BOLD: &str = "1";

/// The words that have a colour, wherever they stand as a whole word.
const WORDS: [(&str, &str); 17] = [
    ("HALF DONE", RED),
    ("FAILS", RED),
    ("failed", RED),
    ("FAILED", RED),
    ("rejected", RED),
    ("refused", RED),
    ("parked", YELLOW),
    ("held", YELLOW),
    ("paused", YELLOW),
    ("overdue", YELLOW),
    ("warning", YELLOW),
    ("completed", GREEN),
    ("planned", GREEN),
    ("ok", GREEN),
    ("PASSED", GREEN),
    ("passed", GREEN),
    ("waiting", CYAN),
];

/// A line as standard output shows it. It has no control characters yet.
pub(super) fn on_stdout(line: String) -> String {
    static COLOURS: OnceLock<bool> = OnceLock::new();
    let colours = COLOURS.get_or_init(|| {
        let variable = |name: &str| std::env::var_os(name);
        io::stdout().is_terminal() && has_colours(variable("NO_COLOR"), variable("TERM"))
    });
    if *colours { painted(&line) } else { line }
}

/// A line in colours. JSON stays as it is.
fn painted(line: &str) -> String {
    if line.starts_with(['{', '[']) {
        return line.to_owned();
    }
    let heading = heading(line);
    let (head, mut rest) = line.split_at(heading);
    let mut text = if head.is_empty() { String::new() } else { format!("\u{1b}[{BOLD}m{head}\u{1b}[0m") };
    let mut before = head.chars().next_back();
    while let Some(first) = rest.chars().next() {
        let word = if before.is_none_or(separates) { word_at(rest) } else { None };
        if let Some((word, colour)) = word {
            text.push_str(&format!("\u{1b}[{colour}m{word}\u{1b}[0m"));
            (before, rest) = (word.chars().next_back(), &rest[word.len()..]);
        } else {
            text.push(first);
            (before, rest) = (Some(first), &rest[first.len_utf8()..]);
        }
    }
    text
}

/// The length of the words in capitals that a line begins with.
fn heading(line: &str) -> usize {
    let capitals = |c: char| c.is_ascii_uppercase() || c == ' ';
    let end = line.find(|c| !capitals(c)).unwrap_or(line.len());
    // `Failed` begins with a capital, too.
    let end =
        if line[end..].starts_with(|c: char| c.is_alphanumeric()) { line[..end].rfind(' ').unwrap_or(0) } else { end };
    let head = line[..end].trim_end();
    // An id can begin with capitals.
    let ends = line[head.len()..].chars().next().is_none_or(char::is_whitespace);
    if line.starts_with(' ') || head.len() < 2 || !ends { 0 } else { head.len() }
}

fn word_at(text: &str) -> Option<(&'static str, &'static str)> {
    WORDS.into_iter().find(|(word, _)| {
        text.strip_prefix(word)
            .is_some_and(|rest| rest.chars().next().is_none_or(|next| separates(next) || next == ':'))
    })
}

/// Whether a word can stand beside it. Not beside a hyphen, a point or a slash: that is part of a name.
fn separates(c: char) -> bool {
    c.is_whitespace() || ",;()·".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(painted: &str) -> String {
        let mut text = String::new();
        for (n, part) in painted.split('\u{1b}').enumerate() {
            text.push_str(if n == 0 { part } else { part.split_once('m').unwrap().1 });
        }
        text
    }

    #[test]
    fn words_of_states_have_their_colour_and_names_have_none() {
        for (line, shown) in [
            ("payer-change NET-1 · completed", "payer-change NET-1 · \u{1b}[32mcompleted\u{1b}[0m"),
            (
                "10:20:06  failed      NET-1: held (x)",
                "10:20:06  \u{1b}[31mfailed\u{1b}[0m      NET-1: \u{1b}[33mheld\u{1b}[0m (x)",
            ),
            ("completed: 1", "\u{1b}[32mcompleted\u{1b}[0m: 1"),
            ("NEEDS A PERSON  3", "\u{1b}[1mNEEDS A PERSON\u{1b}[0m  3"),
            (
                "CHECKS   store ok, broker FAILS",
                "\u{1b}[1mCHECKS\u{1b}[0m   store \u{1b}[32mok\u{1b}[0m, broker \u{1b}[31mFAILS\u{1b}[0m",
            ),
            ("AGE  STATE  WHY", "\u{1b}[1mAGE  STATE  WHY\u{1b}[0m"),
            ("parked · HALF DONE", "\u{1b}[33mparked\u{1b}[0m · \u{1b}[31mHALF DONE\u{1b}[0m"),
        ] {
            assert_eq!(painted(line), shown);
            assert_eq!(plain(shown), line);
        }
        for same in [
            "crossgrant.job.failed",
            "failed-1 re-held unheld",
            "  failure",
            "{\"state\": \"failed\"}",
            "ä ö",
            "A job",
            "NET-1 of it",
            "",
            "token tokens",
        ] {
            assert_eq!(painted(same), same);
        }
    }
}
