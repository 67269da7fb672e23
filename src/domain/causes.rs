//! An error with what caused it.

use std::error::Error;

/// An error with all its causes, in one line. A cause that the text already says is not said again.
pub fn causes(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut next = error.source();
    while let Some(cause) = next {
        let more = cause.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        next = cause.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_cause_is_said_once() {
        #[derive(Debug, thiserror::Error)]
        #[error("{text}")]
        struct Said {
            text: &'static str,
            #[source]
            cause: Option<Box<Said>>,
        }
        let refused = Said { text: "connection refused", cause: None };
        let repeated = Said { text: "connect failed: connection refused", cause: Some(Box::new(refused)) };
        let whole = Said { text: "no answer", cause: Some(Box::new(repeated)) };
        assert_eq!(causes(&whole), "no answer: connect failed: connection refused");
    }
}
