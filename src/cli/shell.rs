//! Command lines to be pasted into a shell.

/// A command line of these words, each quoted where a shell would read it otherwise.
pub(super) fn line(words: &[String]) -> String {
    words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=,@%+".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        word.to_owned()
    } else {
        format!("'{}'", word.replace('\'', r"'\''"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_shell_would_read_otherwise_is_quoted() {
        let words = ["crossgrant", "jobs", "--label", "ticket=NET-1", "--requester", "it's $HOME", ""];
        assert_eq!(
            line(&words.map(str::to_owned)),
            r"crossgrant jobs --label ticket=NET-1 --requester 'it'\''s $HOME' ''"
        );
    }
}
