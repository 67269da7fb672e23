//! Patterns in which `*` stands for any run of characters. Upper and lower case are the same: the vendor itself spells one
//! code in two ways (API §A.7).

/// Whether the whole of `text` matches `pattern`.
pub(super) fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.to_ascii_lowercase(), text.to_ascii_lowercase());
    let mut parts = pattern.split('*');
    let first = parts.next().expect("splitting yields at least one part");
    let Some(mut rest) = text.strip_prefix(first) else { return false };
    let Some(last) = parts.next_back() else { return rest.is_empty() };
    for part in parts {
        // The leftmost match leaves the most text for the parts that follow, so a later one is never better.
        let Some(found) = rest.find(part) else { return false };
        rest = &rest[found + part.len()..];
    }
    rest.len() >= last.len() && rest.ends_with(last)
}

/// Whether every text that matches `pattern` begins with `start`.
pub(super) fn begins_with(pattern: &str, start: &str) -> bool {
    let fixed = pattern.split('*').next().unwrap_or_default();
    fixed.to_ascii_lowercase().starts_with(&start.to_ascii_lowercase())
}

#[cfg(test)]
mod tests {
    use super::{begins_with, matches};

    #[test]
    fn what_a_pattern_begins_with_is_known_up_to_its_first_star() {
        for pattern in ["List*", "listX", "List*Attachments"] {
            assert!(begins_with(pattern, "List"), "{pattern}");
        }
        for pattern in ["*", "L*", "*List*", "XList", ""] {
            assert!(!begins_with(pattern, "List"), "{pattern}");
        }
    }

    #[test]
    fn a_star_stands_for_any_run_and_case_does_not_matter() {
        for (pattern, text) in [
            ("Throttling", "throttling"),
            ("Throttling.*", "Throttling.user"),
            ("*", ""),
            ("*.LockFailed", "Vpc.LockFailed"),
            ("InvalidOperation.*Status", "InvalidOperation.CenInstanceStatus"),
            ("a*b*c", "a-b-b-c"),
            ("a*b*b", "abb"),
        ] {
            assert!(matches(pattern, text), "{pattern} {text}");
        }
        for (pattern, text) in [
            ("Throttling", "Throttling.User"),
            ("Throttling.*", "Throttling"),
            ("Invalid*Status", "InvalidStatus.ResourceStatu"),
            ("ab*ba", "aba"),
            ("", "x"),
            ("a*b*b", "ab"),
        ] {
            assert!(!matches(pattern, text), "{pattern} {text}");
        }
    }
}
