//! The word that was probably meant.

/// The known name that `word` was most likely meant to be; `None` when nothing is near.
///
/// ```
/// use crossgrant::domain::nearest;
/// assert_eq!(nearest("retri", ["retry", "timeout"]), Some("retry"));
/// assert_eq!(nearest("colour", ["retry", "timeout"]), None);
/// ```
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    known
        .into_iter()
        .map(|name| (strsim::jaro_winkler(word, name), name))
        .filter(|(likeness, _)| *likeness >= 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, name)| name)
}
