//! The simulator's own percent coding, hex, Base64 and page tokens. The client has its own, because a mistake that both sides
//! of the wire share would cancel out.

use std::fmt::Write as _;

/// Lower-case hexadecimal.
pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(bytes.len() * 2), |mut text, byte| {
        let _ = write!(text, "{byte:02x}"); // writing to a String cannot fail
        text
    })
}

/// Base64 with padding (RFC 4648, 4).
pub(super) fn base64(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    bytes.chunks(3).fold(String::new(), |mut text, chunk| {
        let bits = (0..3).fold(0, |bits, at| bits << 8 | usize::from(chunk.get(at).copied().unwrap_or_default()));
        for digit in 0..4 {
            let at = bits >> (18 - 6 * digit) & 63;
            text.push(if digit > chunk.len() { '=' } else { char::from(DIGITS[at]) });
        }
        text
    })
}

/// Encodes as a signature needs it: `A-Za-z0-9-_.~` stay, every other byte becomes `%XX` in upper case (API §C.3).
pub(super) fn encode(text: &str) -> String {
    text.bytes().fold(String::with_capacity(text.len()), |mut out, byte| {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            let _ = write!(out, "%{byte:02X}"); // writing to a String cannot fail
        }
        out
    })
}

/// Decodes a name or a value of a query or form: `+` is a space and `%XX` a byte. A broken escape stays as it is.
pub(super) fn decode(text: &str) -> String {
    let raw = text.as_bytes();
    let digit = |at: usize| raw.get(at).and_then(|b| char::from(*b).to_digit(16)).and_then(|d| u8::try_from(d).ok());
    let mut out = Vec::with_capacity(raw.len());
    let mut at = 0;
    while let Some(&byte) = raw.get(at) {
        at += 1;
        match byte {
            b'+' => out.push(b' '),
            b'%' => match (digit(at), digit(at + 1)) {
                (Some(high), Some(low)) => {
                    out.push(high << 4 | low);
                    at += 2;
                }
                _ => out.push(b'%'),
            },
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The decoded pairs of names and values of a query or form body, in their order.
pub(super) fn pairs(text: &str) -> Vec<(String, String)> {
    text.split('&')
        .filter(|part| !part.is_empty())
        .map(|part| {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            (decode(name), decode(value))
        })
        .collect()
}

/// A page token of `listing`: the next page begins after `last`. It holds `+`, `/` and `=`, as the vendor's tokens do, so
/// that a client that does not encode it fails.
pub(super) fn page_token(listing: &str, last: &str) -> String {
    format!("{}+/==", hex(format!("{listing}|{last}").as_bytes()))
}

/// The last key already shown, from a token that [`page_token`] made for the same listing.
pub(super) fn read_page_token(listing: &str, token: &str) -> Option<String> {
    let hex = token.strip_suffix("+/==")?.as_bytes();
    let digit = |b: u8| char::from(b).to_digit(16).and_then(|d| u8::try_from(d).ok());
    let bytes = hex.chunks(2).map(|c| Some(digit(c[0])? << 4 | digit(*c.get(1)?)?)).collect::<Option<Vec<u8>>>()?;
    String::from_utf8(bytes).ok()?.strip_prefix(listing)?.strip_prefix('|').map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn coding_goes_both_ways_and_a_plus_is_a_space() {
        let text = "a b!*'();:@&=+$,/?#[]%\"~-_.\r\n网🚀";
        assert_eq!(decode(&encode(text)), text);
        assert_eq!(encode("a b*/~"), "a%20b%2A%2F~");
        assert_eq!(decode("a+b%2Bc%zz%4"), "a b+c%zz%4");
        assert_eq!(pairs("b=1&a&c=x%3Dy"), [("b", "1"), ("a", ""), ("c", "x=y")].map(|(n, v)| (n.into(), v.into())));
    }

    #[test]
    fn base64_matches_the_rfc() {
        for (text, encoded) in [("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foobar", "Zm9vYmFy")] {
            assert_eq!(base64(text.as_bytes()), encoded);
        }
        assert_eq!(base64(&[0xfb, 0xff, 0xfe]), "+//+");
    }

    #[test]
    fn a_page_token_is_good_only_for_its_own_listing() {
        let token = page_token("List", "vpc-1");
        assert!(["+", "/", "="].iter().all(|c| token.contains(c)));
        assert_eq!(read_page_token("List", &token).as_deref(), Some("vpc-1"));
        assert_eq!(read_page_token("Other", &token), None);
        assert_eq!(read_page_token("List", "abc"), None);
        assert_eq!(read_page_token("List", "abc+/=="), None);
    }
}
