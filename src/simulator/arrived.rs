//! A request as it arrived, and which operation of which product it asks for.

use http::HeaderMap;

use super::codec;

/// The one operation that needs no signature.
const WITH_OIDC: &str = "AssumeRoleWithOIDC";

#[derive(Debug, Clone, Copy)]
pub(super) struct Arrived<'a> {
    pub(super) method: &'a str,
    pub(super) path: &'a str,
    pub(super) query: &'a str,
    pub(super) headers: &'a HeaderMap,
    pub(super) body: &'a [u8],
}

impl Arrived<'_> {
    /// A header's value, trimmed; empty if the header is absent.
    pub(super) fn header(&self, name: &str) -> String {
        let values: Vec<_> = self.headers.get_all(name).iter().map(|v| String::from_utf8_lossy(v.as_bytes())).collect();
        values.join(",").trim().to_owned()
    }

    /// A parameter of the query, decoded; those of a form body are not looked at.
    pub(super) fn parameter(&self, name: &str) -> Option<String> {
        codec::pairs(self.query).into_iter().find_map(|(key, value)| (key == name).then_some(value))
    }

    /// The operation: from the header or, in a request that is not signed in its headers, from the query.
    pub(super) fn action(&self) -> String {
        if self.unsigned() { WITH_OIDC.to_owned() } else { self.named("x-acs-action", "Action") }
    }

    /// The version, which stands for the product; found as [`Arrived::action`].
    pub(super) fn version(&self) -> String {
        self.named("x-acs-version", "Version")
    }

    fn named(&self, header: &str, parameter: &str) -> String {
        match self.header(header) {
            empty if empty.is_empty() => self.parameter(parameter).unwrap_or_default(),
            value => value,
        }
    }

    /// Whether this is the one request that needs no signature: a token opens a session.
    pub(super) fn unsigned(&self) -> bool {
        let asks = |(name, value): &(String, String)| name == "Action" && value == WITH_OIDC;
        !self.headers.contains_key("authorization") && codec::pairs(self.query).iter().any(asks)
    }
}
