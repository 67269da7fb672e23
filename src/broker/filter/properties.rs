//! The properties of a message: read, and written again with what had to be changed.

use super::table::{LONGEST_TABLE, long_string, readable, readable_entries, short_string, write_long, write_short};

/// The header that holds the length of a body of which only the beginning was kept.
pub(in crate::broker) const BODY_LENGTH: &str = "x-crossgrant-body-length";
/// The header that holds the digest of all of that body.
pub(in crate::broker) const BODY_SHA256: &str = "x-crossgrant-body-sha256";
/// The header that names the properties that could not be read.
pub(in crate::broker) const UNREADABLE: &str = "x-crossgrant-unreadable";

/// Class, weight and body size, before the properties in the header of content.
pub(super) const BEFORE_PROPERTIES: usize = 12;

/// How a property is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    Text,
    Table,
    Bytes(usize),
}

/// The properties in the order of their flags, the highest bit first.
const PROPERTIES: [(&str, Form); 14] = [
    ("content_type", Form::Text),
    ("content_encoding", Form::Text),
    ("headers", Form::Table),
    ("delivery_mode", Form::Bytes(1)),
    ("priority", Form::Bytes(1)),
    ("correlation_id", Form::Text),
    ("reply_to", Form::Text),
    ("expiration", Form::Text),
    ("message_id", Form::Text),
    ("timestamp", Form::Bytes(8)),
    ("type", Form::Text),
    ("user_id", Form::Text),
    ("app_id", Form::Text),
    ("cluster_id", Form::Text),
];
const HEADERS: usize = 2;
/// The bit of the first property, and that of the headers.
const FIRST_FLAG: u16 = 1 << 15;
/// Flags that no property has. The lowest says that more flags follow, which AMQP 0-9-1 has no use for.
const NO_PROPERTY: u16 = 0b11;
/// What a payload of a header may have in any case: AMQP's smallest frame of 4096 bytes holds it, and it holds every text
/// and the headers that are added here.
const ALWAYS_FITS: usize = 4096 - 8 - BEFORE_PROPERTIES;

/// The headers that are added, in bytes: three names, a number, a digest, and the names of all properties at most.
const OWN_AT_MOST: usize = 512;

/// The headers that only the filter writes: what a publisher writes there is left out.
const OWN: [&str; 3] = [BODY_LENGTH, BODY_SHA256, UNREADABLE];

/// The encoded properties that are there, by their place in [`PROPERTIES`].
type Found<'a> = [Option<&'a [u8]>; PROPERTIES.len()];

/// The properties for the library, or `None` if it can read them as they are. `unreadable` are further names that are
/// noted; `cut` is the length and the digest of a body of which only the beginning goes on.
pub(super) fn mend(properties: &[u8], unreadable: &[&'static str], cut: Option<&(u64, String)>) -> Option<Vec<u8>> {
    let mut names = unreadable.to_vec();
    let found = read(properties).unwrap_or_else(|| {
        names.push("properties");
        Found::default()
    });
    let mut changed = cut.is_some() || !names.is_empty();
    let texts = PROPERTIES.iter().zip(&found).filter(|((_, form), _)| *form == Form::Text);
    for ((name, _), text) in texts {
        if text.is_some_and(|text| std::str::from_utf8(text).is_err()) {
            names.push(name);
            changed = true;
        }
    }
    let table = found[HEADERS].unwrap_or_default();
    let (entries, left_out) = readable_entries(table, &OWN, LONGEST_TABLE);
    changed |= left_out || entries != table;
    changed.then(|| {
        let texts = write(&found, &[]);
        let room = properties.len().max(ALWAYS_FITS) - texts.len() - OWN_AT_MOST;
        let (mut headers, left_out) = readable_entries(table, &OWN, room.min(LONGEST_TABLE));
        if left_out {
            names.push("headers");
        }
        add_own_headers(&names, cut, &mut headers);
        write(&found, &headers)
    })
}

/// `None` if they do not end where they should.
fn read(properties: &[u8]) -> Option<Found<'_>> {
    let (flags, mut rest) = properties.split_first_chunk::<2>()?;
    let flags = u16::from_be_bytes(*flags);
    let mut found = Found::default();
    for (place, (_, form)) in PROPERTIES.iter().enumerate() {
        if flags & (FIRST_FLAG >> place) == 0 {
            continue;
        }
        let (value, after) = match form {
            Form::Text => short_string(rest)?,
            Form::Table => long_string(rest)?,
            Form::Bytes(size) => rest.split_at_checked(*size)?,
        };
        (found[place], rest) = (Some(value), after);
    }
    (flags & NO_PROPERTY == 0 && rest.is_empty()).then_some(found)
}

/// The properties with texts that can be read, and with these headers; without a table if there are none.
fn write(found: &Found<'_>, headers: &[u8]) -> Vec<u8> {
    let (mut flags, mut values) = (0, Vec::new());
    for (place, ((_, form), value)) in PROPERTIES.iter().zip(found).enumerate() {
        match (form, value) {
            (Form::Table, _) if !headers.is_empty() => write_long(headers, &mut values),
            (Form::Text, Some(text)) => write_short(&readable(text), &mut values),
            (Form::Bytes(_), Some(bytes)) => values.extend_from_slice(bytes),
            _ => continue,
        }
        flags |= FIRST_FLAG >> place;
    }
    [&flags.to_be_bytes(), values.as_slice()].concat()
}

fn add_own_headers(names: &[&str], cut: Option<&(u64, String)>, headers: &mut Vec<u8>) {
    if let Some((length, sha256)) = cut {
        write_short(BODY_LENGTH, headers);
        headers.push(b'l');
        headers.extend_from_slice(&length.to_be_bytes());
        write_short(BODY_SHA256, headers);
        headers.push(b'S');
        write_long(sha256.as_bytes(), headers);
    }
    if !names.is_empty() {
        write_short(UNREADABLE, headers);
        headers.push(b'S');
        write_long(names.join(" ").as_bytes(), headers);
    }
}
