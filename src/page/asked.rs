//! What a view is asked with: who asks, where, and for what; and the admin API, which it asks in turn.

use axum::body::{Body, to_bytes};
use axum::extract::RawPathParams;
use http::{Method, Request};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use tower::ServiceExt;

use super::parts::Page;
use super::session::Session;
use super::trouble::Trouble;
use crate::admin::{AdminRole, Authority, Vouched};
use crate::cli::Moments;

/// The longest answer of the API that is read: a page of a hundred jobs has some 400 kB, a job with its events less.
const LONGEST_ANSWER: usize = 16 << 20;

/// What a view is asked with.
pub(super) struct Asked {
    pub page: Page,
    pub session: Session,
    /// The parameters of the path.
    path: Vec<(String, String)>,
    /// The query, as it came.
    pub query: String,
    /// The fields of the form; none for what only shows.
    form: Vec<(String, String)>,
}

impl Asked {
    /// `form` is the body of a form; empty for what only shows.
    pub fn new(page: Page, session: Session, path: &RawPathParams, query: Option<String>, form: &str) -> Self {
        let path = path.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        // A browser ends the lines of a text with both characters.
        let form = form_urlencoded::parse(form.as_bytes());
        let form = form.map(|(name, value)| (name.into_owned(), value.replace("\r\n", "\n"))).collect();
        Self { page, session, path, query: query.unwrap_or_default(), form }
    }

    /// A parameter of the path; empty if the path has none.
    pub fn named(&self, name: &str) -> &str {
        self.path.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value)
    }

    /// A field of the form, without the space around it; `None` if it is empty.
    pub fn field(&self, name: &str) -> Option<&str> {
        self.form.iter().find(|(key, _)| key == name).map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The parameters of the query that have a value: an empty field of a form asks for nothing.
    pub fn parameters(&self) -> Vec<(String, String)> {
        parameters(&self.query)
    }

    /// One of them.
    pub fn parameter(&self, name: &str) -> Option<String> {
        self.parameters().into_iter().find(|(key, _)| key == name).map(|(_, value)| value)
    }

    pub fn now(&self) -> Timestamp {
        self.page.parts().engine.clock.now()
    }

    /// How points in time are written: in UTC, as the log and every other worker write them.
    pub fn moments(&self) -> Moments {
        Moments::for_people_at(self.now())
    }

    pub fn may(&self, role: AdminRole) -> bool {
        self.session.authority.role >= role
    }

    /// Asks the API.
    pub async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, Trouble> {
        self.page.ask(Method::GET, path, &self.session.authority, String::new()).await
    }

    /// Commands the API.
    pub async fn post<T: DeserializeOwned>(&self, path: &str, body: String) -> Result<T, Trouble> {
        self.page.ask(Method::POST, path, &self.session.authority, body).await
    }

    /// What is said with a command: by whom, and why. A person says why.
    pub fn mandate(&self) -> Result<Vec<(&'static str, String)>, Trouble> {
        let reason = self.field("reason").ok_or_else(|| {
            Trouble::bad("say why in the field beside the button: it is kept with what is done, and read by those who come after you")
        })?;
        Ok(vec![("by", self.session.by().to_owned()), ("reason", reason.to_owned())])
    }
}

/// The parameters of a query that have a value.
pub(super) fn parameters(query: &str) -> Vec<(String, String)> {
    form_urlencoded::parse(query.as_bytes()).into_owned().filter(|(_, value)| !value.is_empty()).collect()
}

/// Pairs as a query.
pub(super) fn query<'a>(pairs: impl IntoIterator<Item = (&'a str, &'a str)>) -> String {
    form_urlencoded::Serializer::new(String::new()).extend_pairs(pairs).finish()
}

/// A text as one segment of a path.
pub(super) fn segment(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>().replace('+', "%20")
}

impl Page {
    /// Asks the admin API by a right that this program has checked.
    pub(super) async fn ask<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        authority: &Authority,
        body: String,
    ) -> Result<T, Trouble> {
        let request = Request::builder().method(method).uri(path).extension(Vouched(authority.clone()));
        let request = request.body(Body::from(body)).map_err(|_| Trouble::bad("there is no such address"))?;
        let answer = self.api().oneshot(request).await.unwrap_or_else(|never| match never {});
        let status = answer.status();
        let bytes = to_bytes(answer.into_body(), LONGEST_ANSWER).await.map_err(|_| Trouble::unread())?;
        if !status.is_success() {
            return Err(Trouble::answered(status, &bytes));
        }
        serde_json::from_slice(&bytes).map_err(|_| Trouble::unread())
    }
}
