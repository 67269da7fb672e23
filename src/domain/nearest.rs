//! The word that was probably meant.

/// `; did you mean NAME?`, with `quote` on both sides of the name; empty when no known name is near `word`.
///
/// ```
/// use crossgrant::domain::did_you_mean;
/// assert_eq!(did_you_mean("retri", ["retry", "timeout"], "`"), "; did you mean `retry`?");
/// assert_eq!(did_you_mean("colour", ["retry", "timeout"], "`"), "");
/// assert_eq!(did_you_mean("modify", ["modify-grant"], ""), "; did you mean modify-grant?");
/// assert_eq!(did_you_mean("nonsense", ["not-sent"], ""), "", "a beginning that both have is not enough");
/// ```
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, quote: &str) -> String {
    let alike = |name: &str| name.starts_with(word) || strsim::normalized_damerau_levenshtein(word, name) > 0.5;
    let near = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, name)| *likeness >= 0.8 && alike(name))
        .max_by(|a, b| a.0.total_cmp(&b.0));
    near.map(|(_, name)| format!("; did you mean {quote}{name}{quote}?")).unwrap_or_default()
}
