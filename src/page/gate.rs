//! The gate before every view: a session for what is shown, and a form of that session for what is done.

use axum::extract::{RawPathParams, RawQuery, State};
use axum::response::{IntoResponse, Response};
use futures_util::future::BoxFuture;
use http::{HeaderMap, StatusCode, Uri};

use super::asked::Asked;
use super::frame;
use super::login;
use super::parts::Page;
use super::trouble::Trouble;
use super::view::{Shown, View};

/// What shows a view.
type Shows = for<'a> fn(&'a Asked) -> BoxFuture<'a, Result<View, Trouble>>;
/// What carries out a form.
type Acts = for<'a> fn(&'a Asked) -> BoxFuture<'a, Result<Shown, Trouble>>;

/// A handler of a view that only shows.
macro_rules! shows {
    ($view:path) => {
        |state, path, query, uri, headers| {
            crate::page::gate::show(state, path, query, uri, headers, |asked| Box::pin($view(asked)))
        }
    };
}
/// A handler of a form.
macro_rules! acts {
    ($act:path) => {
        |state, path, query, headers, body| {
            crate::page::gate::act(state, path, query, headers, body, |asked| Box::pin($act(asked)))
        }
    };
}
pub(super) use {acts, shows};

/// Shows a view to who has a session, and the way in to all others.
pub(super) async fn show(
    State(page): State<Page>,
    path: RawPathParams,
    RawQuery(query): RawQuery,
    uri: Uri,
    headers: HeaderMap,
    view: Shows,
) -> Response {
    let Some(session) = page.session(&headers) else {
        return login::instead(&page, &headers, uri.path_and_query().map_or("/", |at| at.as_str()));
    };
    let asked = Asked::new(page, session, &path, query, "");
    let view = view(&asked).await.unwrap_or_else(frame::trouble);
    frame::response(&asked, uri.path(), view)
}

/// Carries out a form, if it is one that was made for this session.
pub(super) async fn act(
    State(page): State<Page>,
    path: RawPathParams,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: String,
    act: Acts,
) -> Response {
    let Some(session) = page.session(&headers) else { return login::instead(&page, &headers, "/") };
    let asked = Asked::new(page, session, &path, query, &body);
    let done = match asked.session.made(asked.field("form").unwrap_or_default()) {
        true => act(&asked).await,
        false => Err(Trouble::new(
            StatusCode::FORBIDDEN,
            "foreign-origin",
            "the form is not of this session, and nothing was done: go back, load the page again, and try once more",
        )),
    };
    match done.unwrap_or_else(|trouble| Shown::View(frame::trouble(trouble))) {
        Shown::View(view) => frame::response(&asked, "", view),
        Shown::Answer(answer) => answer,
        Shown::See(address) => frame::see(&address).into_response(),
    }
}
