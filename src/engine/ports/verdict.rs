//! What a failed call means, by the table of error classes.

use crate::domain::Operation;
use crate::engine::ports::cloud::{CloudError, Failure, Refusal};
use crate::workflow::{Class, Effect, ErrorClasses, Verdict};

impl CloudError {
    /// What the error-class table says of it.
    pub fn verdict<'a>(&self, classes: &'a ErrorClasses) -> Verdict<'a> {
        match &self.failure {
            Failure::NotSent { .. } => classes.not_sent(),
            Failure::Held { .. } => Verdict { class: Class::Held, ..classes.not_sent() },
            Failure::AccountRefused { .. } => Verdict { class: Class::Credential, ..classes.not_sent() },
            Failure::Unanswered { .. } => classes.unanswered(),
            Failure::Credential { refusal, .. } => {
                let Refusal { asked, status, code } = refusal.as_ref();
                let verdict = classes.classify(asked, *status, code, self.retry_after.is_some());
                Verdict { effect: Effect::None, ..verdict }
            }
            Failure::Refused { status, code, .. } => classes.classify(
                self.operation.map_or("", Operation::as_str),
                *status,
                code,
                self.retry_after.is_some(),
            ),
        }
    }

    /// Its class by that table.
    pub fn class(&self, classes: &ErrorClasses) -> Class {
        self.verdict(classes).class
    }
}

impl Failure {
    /// The code and message to keep of a write that was refused.
    pub fn code_and_message(&self) -> (String, String) {
        match self {
            Self::Refused { status, code, message } if code.is_empty() => (format!("HTTP {status}"), message.clone()),
            Self::Refused { code, message, .. } => (code.clone(), message.clone()),
            Self::Credential { why, .. }
            | Self::NotSent { why }
            | Self::AccountRefused { why }
            | Self::Held { why }
            | Self::Unanswered { why } => ("not sent".to_owned(), why.clone()),
        }
    }
}
