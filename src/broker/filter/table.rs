//! Short strings and field tables, as far as one must understand them to tell what the library can read.

use std::borrow::Cow;

/// Deeper than any header in use: RabbitMQ's own `x-death` is an array of tables. The library reads a value in a value by
/// calling itself, so without a bound one message of 26,000 arrays ends the process.
const DEEPEST: usize = 8;
/// The most values in the headers of a message. In memory one byte of a table can become a hundred.
const MOST_VALUES: usize = 256;
/// The headers that are used, those that matter most first: why the broker gave a message up, and the trace that it belongs to.
const USED: [&str; 2] = ["x-death", "traceparent"];
/// The longest table of headers that goes on, in bytes.
pub(super) const LONGEST_TABLE: usize = 16 << 10;
/// The longest short string, in bytes.
const LONGEST_TEXT: usize = 255;

/// Splits a short string off: its text, and what comes after it.
pub(super) fn short_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&length, rest) = bytes.split_first()?;
    rest.split_at_checked(length.into())
}

/// Splits what a four-byte length stands before off: its content, and what comes after it.
pub(super) fn long_string(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<4>()?;
    rest.split_at_checked(usize::try_from(u32::from_be_bytes(*length)).ok()?)
}

pub(super) fn write_short(text: &str, out: &mut Vec<u8>) {
    let end = (0..=LONGEST_TEXT.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or_default();
    let text = &text[..end];
    out.push(u8::try_from(text.len()).expect("it was cut to 255 bytes"));
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn write_long(content: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&u32::try_from(content.len()).expect("a table is shorter than a frame").to_be_bytes());
    out.extend_from_slice(content);
}

/// A text as UTF-8: a byte that is none of it is shown as `\xff` (in digits), so that different bytes stay different.
pub(super) fn readable(text: &[u8]) -> Cow<'_, str> {
    if let Ok(text) = std::str::from_utf8(text) {
        return text.into();
    }
    let mut shown = String::new();
    for chunk in text.utf8_chunks() {
        shown.push_str(chunk.valid());
        shown.extend(chunk.invalid().iter().map(|byte| format!("\\x{byte:02x}")));
    }
    shown.into()
}

/// The entries of a table that the library can read, without those named in `except`, in at most `longest` bytes; and
/// whether an entry was left out because it cannot be read or does not fit. Those that are used are never left out for want of
/// room that others take.
pub(super) fn readable_entries(table: &[u8], except: &[&str], longest: usize) -> (Vec<u8>, bool) {
    let is_in = |names: &[&str], key: &[u8]| names.iter().any(|name| name.as_bytes() == key);
    let mut kept = Kept { longest, ..Kept::default() };
    kept.add(table, |key| !is_in(except, key));
    if kept.left_out {
        kept = Kept { longest, ..Kept::default() };
        for name in USED {
            kept.add(table, |key| key == name.as_bytes());
        }
        kept.add(table, |key| !is_in(&USED, key) && !is_in(except, key));
    }
    (kept.entries, kept.left_out)
}

/// The entries that go on.
#[derive(Default)]
struct Kept {
    entries: Vec<u8>,
    /// The most bytes of them.
    longest: usize,
    values: usize,
    left_out: bool,
}

impl Kept {
    /// Adds those of a table whose key is `wanted`, as far as they can be read and fit.
    fn add(&mut self, mut table: &[u8], wanted: impl Fn(&[u8]) -> bool) {
        while !table.is_empty() {
            let key_and_rest = short_string(table).and_then(|(key, value)| Some((key, value, after_value(value)?)));
            let Some((key, value, after)) = key_and_rest else {
                self.left_out = true;
                return;
            };
            let (entry, rest) = table.split_at(table.len() - after.len());
            table = rest;
            if !wanted(key) {
                continue;
            }
            let value = &value[..value.len() - after.len()];
            let so_far = self.values;
            if self.entries.len() + entry.len() <= self.longest
                && std::str::from_utf8(key).is_ok()
                && is_readable(value, 1, &mut self.values).is_some_and(<[u8]>::is_empty)
            {
                self.entries.extend_from_slice(entry);
            } else {
                self.values = so_far;
                self.left_out = true;
            }
        }
    }
}

/// What comes after a value. The length of a table or an array says where it ends, whatever is in it.
fn after_value(value: &[u8]) -> Option<&[u8]> {
    let (kind, rest) = value.split_first()?;
    let size = match kind {
        b'S' | b'x' | b'A' | b'F' => return Some(long_string(rest)?.1),
        b'V' => 0,
        b't' | b'b' | b'B' => 1,
        b's' | b'U' | b'u' => 2,
        b'I' | b'i' | b'f' => 4,
        b'D' => 5,
        b'L' | b'l' | b'd' | b'T' => 8,
        _ => return None,
    };
    rest.get(size..)
}

/// What comes after a value, if the library can read it and all that is in it. Counts the values.
fn is_readable<'a>(value: &'a [u8], depth: usize, values: &mut usize) -> Option<&'a [u8]> {
    *values += 1;
    if depth > DEEPEST || *values > MOST_VALUES {
        return None;
    }
    let after = after_value(value)?;
    if let [kind @ (b'A' | b'F'), rest @ ..] = value {
        let (mut within, _) = long_string(rest)?;
        while !within.is_empty() {
            if *kind == b'F' {
                let (key, value) = short_string(within)?;
                std::str::from_utf8(key).ok()?;
                within = value;
            }
            within = is_readable(within, depth + 1, values)?;
        }
    }
    Some(after)
}
