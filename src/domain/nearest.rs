//! The word that was probably meant.

/// `; did you mean NAME?`, with `quote` on both sides of the name; empty when no known name is near `word`.
///
/// ```
/// use crossgrant::domain::did_you_mean;
/// assert_eq!(did_you_mean("retri", ["retry", "timeout"], "`"), "; did you mean `retry`?");
/// assert_eq!(did_you_mean("colour", ["retry", "timeout"], "`"), "");
/// ```
pub fn did_you_mean<'a>(word: &str, known: impl IntoIterator<Item = &'a str>, quote: &str) -> String {
    let near = known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0));
    near.map(|(_, name)| format!("; did you mean {quote}{name}{quote}?")).unwrap_or_default()
}
