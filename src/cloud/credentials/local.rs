//! Requests to a service beside the worker that hands out keys: the metadata service of the machine, or a credentials URI.
//! The time they take and the length of the answer are bounded.

use std::fmt;
use std::time::Duration;

use bytes::Bytes;
use http::Request;

use super::CredentialError;
use crate::cloud::rpc::Client;
use crate::engine::ports::cloud::{Failure, Refusal};

/// The longest answer that is read, in bytes. Keys take less than two thousand.
const LONGEST: usize = 64 << 10;

/// Why there is no answer to use.
#[derive(Debug)]
pub(super) enum Miss {
    /// The service was not reached.
    NotSent(String),
    /// It did not answer in time, not to the end, or with too many bytes.
    Unanswered(String),
    /// It refused, with this HTTP status.
    Refused(u16),
}

impl fmt::Display for Miss {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotSent(why) | Self::Unanswered(why) => f.write_str(why),
            Self::Refused(status) => write!(f, "HTTP {status}"),
        }
    }
}

impl Miss {
    /// The error that there are no keys. The error table names both services `metadata`.
    pub fn error(&self, why: String) -> CredentialError {
        let refusal = match self {
            Self::Refused(status) => Some(Refusal { asked: "metadata", status: *status, code: String::new() }),
            Self::NotSent(_) | Self::Unanswered(_) => None,
        };
        CredentialError { refusal, ..CredentialError::new(why) }
    }
}

/// Sends a request; returns the body of a good answer.
pub(super) async fn ask(shared: &Client, request: Request<Bytes>, within: Duration) -> Result<Bytes, Miss> {
    let response = match tokio::time::timeout(within, shared.send(request)).await {
        Ok(Ok(response)) => response,
        Ok(Err(bad)) => {
            return Err(match bad.failure {
                Failure::NotSent { why } => Miss::NotSent(why),
                failure => Miss::Unanswered(failure.to_string()),
            });
        }
        Err(_elapsed) => return Err(Miss::Unanswered(format!("no answer within {within:?}"))),
    };
    if !response.status().is_success() {
        return Err(Miss::Refused(response.status().as_u16()));
    }
    let body = response.into_body();
    if body.len() > LONGEST {
        return Err(Miss::Unanswered(format!("the answer is longer than {LONGEST} bytes")));
    }
    Ok(body)
}
