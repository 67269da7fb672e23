//! The frame around every view: the document, where one can go, and the headers that let nothing foreign into it.

use axum::response::{Html, IntoResponse, Redirect, Response};
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS};
use http::{HeaderName, HeaderValue, StatusCode};
use maud::{DOCTYPE, Markup, html};

use super::asked::{Asked, segment};
use super::asset::{ICON, SCRIPT, STYLE};
use super::mark::{code, said, time};
use super::trouble::Trouble;
use super::view::{Live, View};

/// Nothing is loaded but from this worker, and nothing runs that stands in a document. What is said of the parts that
/// `default-src` does not cover is said for itself.
const POLICY: &str = "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; img-src 'self'; \
                      form-action 'self'; frame-ancestors 'none'; base-uri 'none'";
/// For how many seconds a view stands without a script: long enough to type a reason.
const REFRESH: u32 = 30;
/// Where one can go.
const PLACES: [(&str, &str); 7] = [
    ("/", "Now"),
    ("/jobs", "Jobs"),
    ("/approvals", "Approvals"),
    ("/batches", "Batches"),
    ("/dead", "Dead"),
    ("/plan", "Plan"),
    ("/codes", "Codes"),
];

/// Leads to another address, which is asked for anew.
pub(super) fn see(address: &str) -> Redirect {
    Redirect::to(address)
}

/// A document without places: of who has no session.
pub(super) fn bare(title: &str, content: Markup) -> Response {
    guarded(html! {
        (DOCTYPE)
        html lang="en" {
            head { (head(title)) }
            body.bare { main #main { (content) } }
        }
    })
}

/// A view in its frame.
pub(super) fn response(asked: &Asked, path: &str, view: View) -> Response {
    let View { title, status, live, content } = view;
    let live = live.map(|live| match live {
        Live::Everything => "/live".to_owned(),
        Live::Job(uid) => format!("/live?job={}", segment(&uid)),
    });
    let is_here = |place: &str| if place == "/" { path == "/" } else { path.starts_with(place) };
    let session = &asked.session;
    let mut response = guarded(html! {
        (DOCTYPE)
        html lang="en" {
            head {
                (head(&format!("{title} · Crossgrant")))
                @if live.is_some() {
                    noscript { meta http-equiv="refresh" content=(REFRESH); }
                    script src=(SCRIPT.path()) defer {}
                }
            }
            body data-live=[live] {
                a.skip href="#main" { "Skip to the content" }
                header {
                    a.brand href="/" { (logo()) "Crossgrant" }
                    nav aria-label="Views" {
                        @for (place, name) in PLACES {
                            a href=(place) aria-current=[is_here(place).then_some("page")] { (name) }
                        }
                    }
                    form.who method="post" action="/logout" {
                        input type="hidden" name="form" value=(session.form);
                        span { (said(session.by())) " · " (session.authority.role) }
                        button type="submit" { "Log out" }
                    }
                }
                main #main tabindex="-1" { (content) }
                footer {
                    p #as-of { "As of " (time(asked.now(), &asked.moments())) ". Times are UTC." }
                }
            }
        }
    });
    *response.status_mut() = status;
    response
}

/// Why something is not shown or was not done.
pub(super) fn trouble(trouble: Trouble) -> View {
    let Trouble { status, code: word, message } = trouble;
    let title = if status == StatusCode::NOT_FOUND { "Not found" } else { "Not done" };
    let content = html! {
        h1 { (title) }
        p.trouble role="alert" { (said(&message)) }
        p { "What this means: " (code(&word)) }
    };
    View { status, ..View::of(title, content) }
}

/// The mark of the program: the same as its icon.
pub(super) fn logo() -> Markup {
    html! {
        svg.logo viewBox="0 0 16 16" width="22" height="22" aria-hidden="true" {
            rect width="16" height="16" rx="4" {}
            path d="M4 6h6.5M8.5 3.5 11 6 8.5 8.500M12 10H5.500M7.500 7.500 5 10l2.500 2.500" {}
        }
    }
}

fn head(title: &str) -> Markup {
    html! {
        meta charset="utf-8";
        meta name="viewport" content="width=device-width, initial-scale=1";
        meta name="color-scheme" content="light dark";
        title { (said(title)) }
        link rel="icon" href=(ICON.path()) type="image/svg+xml";
        link rel="stylesheet" href=(STYLE.path());
    }
}

fn guarded(document: Markup) -> Response {
    let mut response = Html(document.into_string()).into_response();
    let headers: [(HeaderName, &str); 5] = [
        (CONTENT_SECURITY_POLICY, POLICY),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        // The address of a view is a filter, and says what someone looks for.
        (REFERRER_POLICY, "same-origin"),
    ];
    response.headers_mut().extend(headers.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}
