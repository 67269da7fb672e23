//! Reading an answer: the JSON of a good one, the error envelope of a bad one (API §D.1).
//!
//! A good answer is a JSON object with a `RequestId`. Anything else under a 2xx, such as a proxy's page or half a body,
//! says nothing about what the cloud did and counts as no answer. Any other status is an answer whatever the body is.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Response};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimeParser;
use serde::Deserialize;
use serde_json_borrow::OwnedValue;

use super::wire;
use crate::engine::ports::cloud::Failure;

/// A longer delay that a server asks for is cut to this.
const MAX_RETRY_AFTER: Duration = Duration::from_secs(120);

/// A good answer, body included.
#[derive(Debug)]
pub(super) struct Reply {
    pub body: OwnedValue,
    pub request_id: String,
    pub date: Option<Timestamp>,
}

/// A refusal, or no answer at all.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Bad {
    pub failure: Failure,
    pub request_id: Option<String>,
    pub retry_after: Option<Duration>,
}

/// The fields of an error, in either spelling, JSON or XML.
#[derive(Debug, Default, Deserialize)]
struct ErrorBody {
    #[serde(rename = "Code", alias = "code", default)]
    code: String,
    #[serde(rename = "Message", alias = "message", default)]
    message: String,
    #[serde(rename = "RequestId", alias = "requestId", default)]
    request_id: String,
}

pub(super) fn read(response: &Response<Bytes>) -> Result<Reply, Bad> {
    let status = response.status();
    if status.is_success() { good(response) } else { Err(bad(status.as_u16(), response)) }
}

fn good(response: &Response<Bytes>) -> Result<Reply, Bad> {
    let unanswered = |what: &str| {
        let why = format!("HTTP {} with {what} ({})", response.status().as_u16(), describe(response));
        Bad { failure: Failure::Unanswered { why }, request_id: None, retry_after: None }
    };
    let body = OwnedValue::from_slice(response.body()).map_err(|_| unanswered("a body that is not JSON"))?;
    let request_id = ["RequestId", "requestId"].iter().find_map(|key| wire::text(&body, key)).map(str::to_owned);
    let Some(request_id) = request_id else {
        return Err(unanswered("a body that has no RequestId"));
    };
    Ok(Reply { body, request_id, date: date(response.headers()) })
}

fn bad(status: u16, response: &Response<Bytes>) -> Bad {
    let text = String::from_utf8_lossy(response.body());
    let text = text.trim_start_matches('\u{feff}').trim();
    let envelope: Option<ErrorBody> =
        if text.starts_with('{') { serde_json::from_str(text).ok() } else { quick_xml::de::from_str(text).ok() };
    let ErrorBody { code, message, request_id } = envelope.unwrap_or_default();
    // The vendor publishes some codes with a TAB at the end (API §K).
    let [code, mut message, request_id] = [code, message, request_id].map(|text| text.trim().to_owned());
    if code.is_empty() && message.is_empty() {
        message = format!("the body is not an error envelope ({})", describe(response));
    }
    // The header means something on 4xx and 5xx only (API §J).
    let retry_after = if status >= 400 { retry_after(response.headers()) } else { None };
    Bad {
        failure: Failure::Refused { status, code, message },
        request_id: Some(request_id).filter(|id| !id.is_empty()),
        retry_after,
    }
}

fn describe(response: &Response<Bytes>) -> String {
    let kind = response.headers().get("content-type").and_then(|v| v.to_str().ok()).unwrap_or("no content type");
    format!("{kind}, {} bytes", response.body().len())
}

fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get("x-acs-retry-after")?.to_str().ok()?;
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    // A number that overflows is a positive one all the same, and is capped like any other.
    let delay = digits.then(|| Duration::from_millis(text.parse().unwrap_or(u64::MAX)))?;
    (!delay.is_zero()).then_some(delay.min(MAX_RETRY_AFTER))
}

/// When the server says that it answered.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    DateTimeParser::new().parse_timestamp(headers.get("date")?).ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::workflow::{Class, ErrorClasses};

    fn response(status: u16, headers: &[(&str, &str)], body: &str) -> Response<Bytes> {
        let mut builder = Response::builder().status(status);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        builder.body(Bytes::copy_from_slice(body.as_bytes())).unwrap()
    }

    fn refused(status: u16, body: &str) -> (String, String, Option<String>) {
        match read(&response(status, &[], body)).unwrap_err() {
            Bad { failure: Failure::Refused { status: s, code, message }, request_id, .. } => {
                assert_eq!(s, status);
                (code, message, request_id)
            }
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn an_error_is_read_in_every_form_it_comes_in() {
        let expected = ("OperationFailed.TaskConflict".to_owned(), "busy".to_owned(), Some("R-1".to_owned()));
        for body in [
            r#"{"RequestId":"R-1","HostId":"h","Code":"OperationFailed.TaskConflict","Message":"busy","Recommend":"u"}"#,
            r#"{"requestId":"R-1","code":"OperationFailed.TaskConflict","message":"busy","accessDeniedDetail":{"a":1}}"#,
            "<?xml version='1.0' encoding='UTF-8'?><Error><RequestId>R-1</RequestId><HostId>h</HostId>\
             <Code>OperationFailed.TaskConflict</Code><Message>busy</Message></Error>",
        ] {
            assert_eq!(refused(400, body), expected, "{body}");
        }
    }

    /// The vendor publishes two codes with a TAB at the end (API §K); others may come with a line feed or blanks.
    #[test]
    fn blanks_around_an_error_are_none_of_it() {
        let expected = ("InvalidInstanceId.NotFound".to_owned(), "Not found.".to_owned(), Some("R-1".to_owned()));
        for body in [
            r#"{"RequestId":" R-1\n","Code":"InvalidInstanceId.NotFound\t","Message":"\tNot found.\r\n"}"#,
            r#"{"requestId":"R-1 ","code":" InvalidInstanceId.NotFound\n","message":"Not found. "}"#,
            "<Error><RequestId>\nR-1\t</RequestId><Code>InvalidInstanceId.NotFound\t</Code>\
             <Message>\n  Not found.\n</Message></Error>",
            "<Error><RequestId>R-1&#10;</RequestId><Code>InvalidInstanceId.NotFound&#9;</Code>\
             <Message><![CDATA[ Not found.\t]]></Message></Error>",
        ] {
            assert_eq!(refused(404, body), expected, "{body}");
        }
        let blank = r#"{"RequestId":"\n","Code":"\t","Message":" "}"#;
        let (code, message, request_id) = refused(400, blank);
        assert_eq!((code.as_str(), request_id), ("", None));
        assert!(message.contains("not an error envelope"), "{message}");
        let good = read(&response(200, &[], r#"{"RequestId":"R-2\n"}"#)).unwrap();
        assert_eq!(good.request_id, "R-2");
    }

    #[test]
    fn a_published_code_with_a_tab_is_classed_as_the_code() {
        let table = ErrorClasses::load(include_str!("../../workflows/errors.toml"), None).unwrap();
        for (operation, published, class) in [
            ("RevokeInstanceFromTransitRouter", r"InvalidInstanceId.NotFound\t", Class::Done),
            ("RevokeInstanceFromCbn", r"InvalidInstanceId.NotFound\t", Class::Done),
            ("GrantInstanceToTransitRouter", r"InvalidInstanceId.NotFound\t", Class::Permanent),
            ("DescribeGrantRulesToResource", r"MissingParameter\t", Class::Held),
        ] {
            let body = format!(r#"{{"RequestId":"R","Code":"{published}","Message":"m"}}"#);
            let (code, _, _) = refused(404, &body);
            assert_eq!(table.classify(operation, 404, &code, false).class, class, "{operation} {published}");
        }
    }

    #[test]
    fn a_body_that_is_no_envelope_leaves_only_the_status() {
        let html = "<html><body><h1>502 Bad Gateway</h1><p>nginx</p></body></html>";
        for body in [html, "", "<", "upstream connect error", "[1]", "{"] {
            let (code, message, request_id) = refused(502, body);
            assert_eq!((code.as_str(), request_id), ("", None), "{body}");
            assert!(message.contains("not an error envelope"), "{message}");
        }
    }

    #[test]
    fn a_good_status_with_a_foreign_body_is_no_answer() {
        for body in ["<html/>", "", r#"{"RequestId":"#, "{}", r#"{"RequestId":""}"#, "[]"] {
            let bad = read(&response(200, &[], body)).unwrap_err();
            assert!(matches!(bad.failure, Failure::Unanswered { .. }), "{body}: {bad:?}");
        }
    }

    #[test]
    fn the_delay_counts_on_errors_only_and_is_capped() {
        let delay = |status: u16, value: &str| {
            let body = r#"{"RequestId":"R","Code":"Throttling","Message":"m"}"#;
            read(&response(status, &[("x-acs-retry-after", value)], body)).err().and_then(|bad| bad.retry_after)
        };
        assert_eq!(delay(400, "1500"), Some(Duration::from_millis(1500)));
        assert_eq!(delay(503, "999999999"), Some(MAX_RETRY_AFTER));
        assert_eq!(delay(503, "99999999999999999999999"), Some(MAX_RETRY_AFTER));
        for ignored in ["0", "-5", "+5", "1.5", "soon", ""] {
            assert_eq!(delay(400, ignored), None, "{ignored}");
        }
        assert_eq!(delay(302, "1500"), None);
        assert_eq!(delay(200, "1500"), None);
    }

    #[test]
    fn the_clouds_own_clock_is_read() {
        let with = |date: &str| read(&response(200, &[("date", date)], r#"{"RequestId":"R"}"#)).unwrap().date;
        assert_eq!(with("Sat, 09 May 2026 08:30:00 GMT"), Some("2026-05-09T08:30:00Z".parse().unwrap()));
        assert_eq!(with("yesterday"), None);
    }
}
