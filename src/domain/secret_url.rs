//! URLs as messages show them.

/// A URL for a message: without user, password and query, which can hold secrets. The text may be no URL at all.
pub fn without_secrets(url: &str) -> String {
    let (scheme, rest) = url.split_once("://").map_or(("", url), |(scheme, rest)| (&url[..scheme.len() + 3], rest));
    // Up to the last `@`, so that one in a password does not end it early.
    let shown = match (rest.rfind('@'), rest.find('?')) {
        // The `?` of a password, or the `@` of a query.
        (Some(at), Some(query)) if query < at => "***".to_owned(),
        (at, query) => {
            let user = if at.is_some() { "***@" } else { "" };
            let hidden = if query.is_some() { "?***" } else { "" };
            format!("{user}{}{hidden}", &rest[at.map_or(0, |at| at + 1)..query.unwrap_or(rest.len())])
        }
    };
    format!("{scheme}{shown}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_place_is_shown() {
        for (url, shown) in [
            ("http://127.0.0.1:9180", "http://127.0.0.1:9180"),
            ("http://ann:s3cr3t@host:1/x", "http://***@host:1/x"),
            ("amqp://ann:s3/cr@et@host/%2f", "amqp://***@host/%2f"),
            ("amqp://ann:s3cr?et@host/%2f", "amqp://***"),
            ("postgres://db/jobs?user=ann&password=s3cr3t", "postgres://db/jobs?***"),
            ("http://host/?at=a@s3cr3t", "http://***"),
            ("ann:s3cr3t@host", "***@host"),
            ("cn-hangzhou", "cn-hangzhou"),
        ] {
            assert_eq!(without_secrets(url), shown, "{url}");
        }
    }
}
