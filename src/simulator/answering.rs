//! Answering: from an HTTP request to its answer, or to what a fault makes of it.

use std::time::Duration;

use axum::body::to_bytes;
use axum::extract::Request;
use axum::response::Response;
use http::HeaderValue;

use super::admission::Admitted;
use super::answer::{ErrorAnswer, Success};
use super::arrived::Arrived;
use super::envelope::{self, Format};
use super::faults::{FaultKind, Strike};
use super::performing::{LogAs, Performed};
use super::served::Served;

/// The largest body that is read; no request of these products is larger.
const LARGEST: usize = 1 << 20;

/// Answers a product call.
pub(super) async fn respond(served: &Served, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = to_bytes(body, LARGEST).await else { return envelope::broken_off() };
    let arrived = Arrived {
        method: parts.method.as_str(),
        path: parts.uri.path(),
        query: parts.uri.query().unwrap_or_default(),
        headers: &parts.headers,
        body: &body,
    };
    let answering = Answering {
        served,
        format: Format::wanted(parts.headers.get(http::header::ACCEPT), arrived.query),
        host: arrived.header("host"),
        action: arrived.action(),
        request_id: uuid::Uuid::new_v4().to_string().to_uppercase(),
    };
    match served.simulator.admit(&arrived, &answering.request_id) {
        Ok((admitted, Some(strike))) => answering.struck(admitted, strike).await,
        Ok((mut admitted, None)) => answering.whole(served.simulator.perform(&mut admitted, LogAs::Result)),
        Err(error) => answering.error(answering.format, &error),
    }
}

/// What the answer to one request is written with, whichever answer that is.
struct Answering<'a> {
    served: &'a Served,
    format: Format,
    host: String,
    action: String,
    request_id: String,
}

impl Answering<'_> {
    fn whole(&self, result: Performed) -> Response {
        match result {
            Ok((request_id, success)) => envelope::success(self.format, &self.action, &request_id, success.body),
            Err(error) => self.error(self.format, &error),
        }
    }

    fn error(&self, format: Format, error: &ErrorAnswer) -> Response {
        envelope::failure(format, &self.host, &self.request_id, error)
    }

    /// Does to a call what a fault does; [`FaultKind`] says what that is.
    async fn struck(&self, mut admitted: Admitted, Strike { kind, effect }: Strike) -> Response {
        let (simulator, call) = (&self.served.simulator, &mut admitted);
        let error_instead = |call: &mut Admitted, format, error: ErrorAnswer| {
            simulator.replace(call, effect, &error.code);
            self.error(format, &error)
        };
        match kind {
            FaultKind::Throttle { retry_after_ms } => {
                let mut response = error_instead(call, self.format, ErrorAnswer::throttled());
                if let Some(ms) = retry_after_ms {
                    response.headers_mut().insert("x-acs-retry-after", HeaderValue::from(ms));
                }
                response
            }
            FaultKind::Http { status } => {
                let code = if status == 503 { "ServiceUnavailable" } else { "InternalError" };
                let message = "The request has failed due to a fault of the server.";
                error_instead(call, self.format, ErrorAnswer::new(status, code, message))
            }
            FaultKind::Error { http, code, message } => {
                error_instead(call, self.format, ErrorAnswer::new(http, code, message))
            }
            FaultKind::Conflict => {
                let message = "Another task runs on this instance.";
                error_instead(call, self.format, ErrorAnswer::bad("OperationFailed.TaskConflict", message))
            }
            FaultKind::XmlError { http, code } => {
                error_instead(call, Format::Xml, ErrorAnswer::new(http, code, "This error is always XML."))
            }
            FaultKind::HtmlError => {
                simulator.replace(call, effect, "fault:html_error");
                envelope::bad_gateway()
            }
            FaultKind::Empty => {
                simulator.replace(call, effect, "fault:empty");
                self.whole(Ok((self.request_id.clone(), Success::bare())))
            }
            FaultKind::EmptyList => {
                let result = simulator.perform(call, LogAs::Result);
                self.whole(result.map(|(request_id, success)| (request_id, success.emptied())))
            }
            FaultKind::Stale => self.whole(simulator.perform_stale(call)),
            FaultKind::DropBefore => {
                simulator.replace(call, false, "fault:drop_before");
                envelope::broken_off()
            }
            FaultKind::DropAfter => {
                simulator.replace(call, true, "fault:drop_after");
                envelope::broken_off()
            }
            FaultKind::HangBefore => {
                simulator.replace(call, false, "fault:hang_before");
                self.after_release(|| simulator.perform(call, LogAs::Nothing)).await
            }
            FaultKind::HangAfter => {
                let result = simulator.perform(call, LogAs::Code("fault:hang_after"));
                self.after_release(|| result).await
            }
            FaultKind::Slow { ms } => {
                let result = simulator.perform(call, LogAs::Result);
                tokio::select! {
                    () = simulator.clock().sleep(Duration::from_millis(ms)) => self.whole(result),
                    () = self.served.stopping() => envelope::broken_off(),
                }
            }
        }
    }

    /// Answers once the request is released. A server that stops first answers nothing.
    async fn after_release(&self, result: impl FnOnce() -> Performed) -> Response {
        if self.served.hold(&self.action).await { self.whole(result()) } else { envelope::broken_off() }
    }
}
