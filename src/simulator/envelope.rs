//! Answers as they are on the wire: successes, and errors in the envelope of API §D.1, as JSON or XML.

use axum::body::Body;
use axum::response::Response;
use http::{HeaderValue, StatusCode, header};
use jiff::Timestamp;
use jiff::fmt::rfc2822::DateTimePrinter;
use serde_json::{Map, Value, json};

use super::answer::ErrorAnswer;
use super::codec;

/// The format of an answer: by `accept` or, where that leaves it open, by the parameter `Format` (API §K). The gateway
/// answers XML if neither names JSON (API §1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Format {
    Json,
    Xml,
}

impl Format {
    pub(super) fn wanted(accept: Option<&HeaderValue>, query: &str) -> Self {
        let accept = accept.and_then(|v| v.to_str().ok()).unwrap_or_default().to_ascii_lowercase();
        let named = |(name, value): &(String, String)| name == "Format" && value.eq_ignore_ascii_case("json");
        let open = accept.is_empty() || accept.contains("*/*");
        if accept.contains("json") || open && codec::pairs(query).iter().any(named) { Self::Json } else { Self::Xml }
    }
}

/// Writes a 200 with `body` and its RequestId; the root element of XML is named after the action.
pub(super) fn success(format: Format, action: &str, request_id: &str, mut body: Map<String, Value>) -> Response {
    body.insert("RequestId".into(), request_id.into());
    write(format, StatusCode::OK, &format!("{action}Response"), &Value::Object(body))
}

/// Writes the envelope that every error of these products has.
pub(super) fn failure(format: Format, host: &str, request_id: &str, error: &ErrorAnswer) -> Response {
    let body = json!({
        "RequestId": request_id,
        "HostId": host,
        "Code": error.code,
        "Message": error.message,
        "Recommend": format!("https://simulated.invalid/troubleshoot?q={}", error.code),
    });
    let status = StatusCode::from_u16(error.http).unwrap_or(StatusCode::BAD_REQUEST);
    write(format, status, "Error", &body)
}

/// A 502 as of a load balancer in front of the gateway: HTML, without a RequestId.
pub(super) fn bad_gateway() -> Response {
    let html = "<html><head><title>502 Bad Gateway</title></head><body><h1>502 Bad Gateway</h1></body></html>";
    plain(StatusCode::BAD_GATEWAY, "text/html", html.into())
}

/// An answer that breaks off: the connection closes before the response is whole, so the client sees a closed connection or
/// an incomplete message.
pub(super) fn broken_off() -> Response {
    let broken =
        futures_util::stream::once(async { Err::<bytes::Bytes, _>(std::io::Error::other("dropped by a fault")) });
    Response::new(Body::from_stream(broken))
}

/// Sets the `date` of an answer.
pub(super) fn dated(mut response: Response, now: Timestamp) -> Response {
    let date = DateTimePrinter::new().timestamp_to_rfc9110_string(&now).ok();
    if let Some(date) = date.and_then(|text| HeaderValue::from_str(&text).ok()) {
        response.headers_mut().insert(header::DATE, date);
    }
    response
}

fn write(format: Format, status: StatusCode, root: &str, body: &Value) -> Response {
    match format {
        Format::Json => plain(status, "application/json;charset=utf-8", body.to_string()),
        Format::Xml => {
            let mut text = String::from("<?xml version='1.0' encoding='UTF-8'?>");
            xml(&mut text, root, body);
            plain(status, "text/xml;charset=utf-8", text)
        }
    }
}

fn plain(status: StatusCode, content_type: &'static str, text: String) -> Response {
    let mut response = Response::new(Body::from(text));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    response
}

fn xml(out: &mut String, name: &str, value: &Value) {
    match value {
        Value::Array(items) => items.iter().for_each(|item| xml(out, name, item)),
        Value::Object(fields) => {
            out.push_str(&format!("<{name}>"));
            fields.iter().for_each(|(name, value)| xml(out, name, value));
            out.push_str(&format!("</{name}>"));
        }
        Value::String(text) => {
            let text = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            out.push_str(&format!("<{name}>{text}</{name}>"));
        }
        other => out.push_str(&format!("<{name}>{other}</{name}>")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;

    async fn text(response: Response) -> String {
        String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
    }

    #[tokio::test]
    async fn an_error_is_an_envelope_in_json_or_xml() {
        let error = ErrorAnswer::new(409, "A.B", "no <good>");
        let response = failure(Format::Json, "h", "R1", &error);
        assert_eq!(response.status(), 409);
        let body: Value = serde_json::from_str(&text(response).await).unwrap();
        assert_eq!((&body["Code"], &body["RequestId"], &body["HostId"]), (&json!("A.B"), &json!("R1"), &json!("h")));
        let body = text(failure(Format::Xml, "h", "R1", &error)).await;
        assert!(
            body.contains("<Error>") && body.contains("<Code>A.B</Code>") && body.contains("no &lt;good&gt;"),
            "{body}"
        );
    }

    #[tokio::test]
    async fn a_list_in_xml_repeats_its_element() {
        let body = json!({"Rules": {"Rule": [{"A": 1}, {"A": 2}]}});
        let Value::Object(body) = body else { unreachable!() };
        let body = text(success(Format::Xml, "Do", "R", body)).await;
        assert!(body.contains("<Rules><Rule><A>1</A></Rule><Rule><A>2</A></Rule></Rules>"), "{body}");
    }

    #[test]
    fn format_decides_where_accept_leaves_it_open() {
        for (accept, query, wanted) in [
            (None, "", Format::Xml),
            (None, "Action=A&Format=JSON", Format::Json),
            (None, "Format=json", Format::Json),
            (None, "Format=XML", Format::Xml),
            (Some("*/*"), "Format=JSON", Format::Json),
            (Some("*/*"), "", Format::Xml),
            (Some("text/xml"), "Format=JSON", Format::Xml),
            (Some("application/json"), "Format=XML", Format::Json),
        ] {
            let accept = accept.map(HeaderValue::from_static);
            assert_eq!(Format::wanted(accept.as_ref(), query), wanted, "{accept:?} {query}");
        }
    }

    #[test]
    fn dates_are_in_the_http_form() {
        let at = "2026-05-09T08:30:00Z".parse().unwrap();
        let response = dated(bad_gateway(), at);
        assert_eq!(response.headers()["date"], "Sat, 09 May 2026 08:30:00 GMT");
    }

    #[tokio::test]
    async fn a_broken_off_answer_has_no_whole_body() {
        assert!(broken_off().into_body().collect().await.is_err());
    }
}
