//! An RPC request, and the HTTP request it becomes (API §1). The HTTP request is built anew for every attempt, so that
//! nonce, date and signature are never used twice.

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue, USER_AGENT};
use http::{HeaderMap, Method, Request};
use jiff::Timestamp;
use secrecy::ExposeSecret;

use super::credentials::Keys;
use super::endpoint::Endpoint;
use super::sign::{canonicalize, content_sha256};
use crate::domain::{Operation, Region};

/// An operation and its parameters.
#[derive(Debug, Clone)]
pub(super) struct RpcRequest {
    pub operation: Operation,
    /// Chooses the endpoint of a product that has one in each region.
    pub region: Option<Region>,
    /// Most parameters.
    query: Vec<(String, String)>,
    /// The few parameters that travel in the body, which is otherwise empty.
    form: Vec<(String, String)>,
}

impl RpcRequest {
    pub fn new(operation: Operation) -> Self {
        Self { operation, region: None, query: Vec::new(), form: Vec::new() }
    }

    /// Uses the endpoint of a region, and names the region in the query.
    pub fn in_region(self, region: &Region) -> Self {
        Self { region: Some(region.clone()), ..self }.query("RegionId", region)
    }

    /// Adds a parameter to the query.
    pub fn query(mut self, name: &str, value: impl ToString) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// Adds a parameter to the form body.
    pub fn form(mut self, name: &str, value: impl ToString) -> Self {
        self.form.push((name.to_owned(), value.to_string()));
        self
    }

    /// The signed HTTP request. Fails only if a key is not fit for a header; the error text does not show the key.
    pub fn to_http(
        &self,
        endpoint: &Endpoint,
        keys: &Keys,
        date: Timestamp,
        nonce: &str,
    ) -> Result<Request<Bytes>, String> {
        let body: Bytes = if self.form.is_empty() {
            Bytes::new()
        } else {
            form_urlencoded::Serializer::new(String::new()).extend_pairs(&self.form).finish().into()
        };
        let mut headers = HeaderMap::new();
        let mut set = |name: HeaderName, value: &str| -> Result<(), String> {
            let value =
                HeaderValue::from_str(value).map_err(|_| format!("the value for {name} is not fit for a header"))?;
            headers.insert(name, value);
            Ok(())
        };
        set(HOST, endpoint.authority())?;
        set(ACCEPT, "application/json")?;
        set(USER_AGENT, concat!("crossgrant/", env!("CARGO_PKG_VERSION")))?;
        set(HeaderName::from_static("x-acs-action"), self.operation.as_str())?;
        set(HeaderName::from_static("x-acs-version"), self.operation.product().version())?;
        set(HeaderName::from_static("x-acs-date"), &date.strftime("%Y-%m-%dT%H:%M:%SZ").to_string())?;
        set(HeaderName::from_static("x-acs-signature-nonce"), nonce)?;
        set(HeaderName::from_static("x-acs-content-sha256"), &content_sha256(&body))?;
        if !body.is_empty() {
            set(CONTENT_TYPE, "application/x-www-form-urlencoded")?;
        }
        if let Some(token) = &keys.security_token {
            set(HeaderName::from_static("x-acs-security-token"), token.expose_secret())?;
        }
        let canonical = canonicalize(Method::POST.as_str(), &self.query, &headers, &body);
        let authorization = canonical.authorization(&keys.access_key_id, &keys.access_key_secret);
        let authorization = HeaderValue::from_str(&authorization)
            .map_err(|_| "the access key id is not fit for a header".to_owned())?;
        headers.insert(AUTHORIZATION, authorization);
        // Debug output of the request does not show sensitive values.
        for name in ["authorization", "x-acs-security-token"] {
            if let Some(value) = headers.get_mut(name) {
                value.set_sensitive(true);
            }
        }
        let separator = if canonical.query.is_empty() { "" } else { "?" };
        let mut request = Request::new(body);
        *request.method_mut() = Method::POST;
        *request.uri_mut() =
            format!("{endpoint}/{separator}{}", canonical.query).parse().map_err(|e| format!("not a URL: {e}"))?;
        *request.headers_mut() = headers;
        Ok(request)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keys() -> Keys {
        Keys {
            principal: "role".into(),
            access_key_id: "STS.id".into(),
            access_key_secret: "s3cr3t-key".into(),
            security_token: Some("s3cr3t-token".into()),
        }
    }

    fn built(request: &RpcRequest) -> Request<Bytes> {
        let endpoint = Endpoint::parse("http://127.0.0.1:18080").unwrap();
        request.to_http(&endpoint, &keys(), "2026-05-09T08:30:00.9Z".parse().unwrap(), "n0").unwrap()
    }

    #[test]
    fn parameters_travel_in_the_query_and_the_body_stays_empty() {
        let http = built(&RpcRequest::new(Operation::DescribeCens).query("B", "x y*").query("A", 1));
        assert_eq!(http.uri().to_string(), "http://127.0.0.1:18080/?A=1&B=x%20y%2A");
        assert!(http.body().is_empty());
        assert_eq!(http.headers()["host"], "127.0.0.1:18080");
        assert_eq!(http.headers()["x-acs-date"], "2026-05-09T08:30:00Z");
        assert_eq!(http.headers()["accept"], "application/json");
        assert!(http.headers()["user-agent"].to_str().unwrap().starts_with("crossgrant/"));
        assert!(http.headers().get("content-type").is_none());
        let authorization = http.headers()["authorization"].to_str().unwrap();
        assert!(authorization.contains("SignedHeaders=host;x-acs-action;"), "{authorization}");
        assert!(authorization.contains(";x-acs-security-token;"), "{authorization}");
    }

    #[test]
    fn a_form_parameter_makes_a_signed_body() {
        let http = built(
            &RpcRequest::new(Operation::ModifyGrantInstanceToTransitRouter).query("A", 1).form("ClientToken", "a:b c"),
        );
        assert_eq!(http.uri().query(), Some("A=1"));
        assert_eq!(&http.body()[..], b"ClientToken=a%3Ab+c");
        assert_eq!(http.headers()["content-type"], "application/x-www-form-urlencoded");
        assert_eq!(http.headers()["x-acs-content-sha256"], &*content_sha256(http.body()));
        assert!(http.headers()["authorization"].to_str().unwrap().contains("SignedHeaders=content-type;host;"));
    }

    #[test]
    fn debug_of_a_request_shows_neither_token_nor_signature() {
        let shown = format!("{:?}", built(&RpcRequest::new(Operation::GetCallerIdentity)));
        assert!(!shown.contains("s3cr3t") && !shown.contains("Signature="), "{shown}");
    }
}
