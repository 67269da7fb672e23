//! The way in: a form that takes a token, and the end of a session.

use axum::extract::{RawQuery, State};
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, REFRESH, SET_COOKIE};
use http::{HeaderMap, HeaderValue, StatusCode};
use maud::{Markup, html};

use super::asked::{Asked, parameters};
use super::frame;
use super::mark::said;
use super::parts::Page;
use super::session;
use super::trouble::Trouble;
use super::view::Shown;
use crate::admin::ApiError;

/// What is shown to who has no session.
pub(super) fn instead(page: &Page, headers: &HeaderMap, next: &str) -> Response {
    // A browser sends no strict cookie with a link from elsewhere. Asked again by this page, it does.
    let site = headers.get("sec-fetch-site").and_then(|site| site.to_str().ok()).unwrap_or("none");
    if ["cross-site", "same-site"].contains(&site) {
        let mut answer = frame::bare("Crossgrant", html! { p { a href=(local(next)) { "Go on" } } });
        if let Ok(value) = HeaderValue::from_str(&format!("0;url={}", local(next))) {
            answer.headers_mut().insert(REFRESH, value);
        }
        return answer;
    }
    let mut answer = frame::bare("Log in · Crossgrant", fields(page, next, None));
    *answer.status_mut() = StatusCode::UNAUTHORIZED;
    answer
}

pub(super) async fn form(State(page): State<Page>, RawQuery(query): RawQuery) -> Response {
    let next = parameters(query.as_deref().unwrap_or_default()).into_iter().find(|(key, _)| key == "next");
    frame::bare("Log in · Crossgrant", fields(&page, next.as_ref().map_or("/", |(_, next)| next), None))
}

/// Begins a session if the token is one of the worker's.
pub(super) async fn enter(State(page): State<Page>, body: String) -> Response {
    let form = parameters(&body);
    let field = |name: &str| form.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim());
    let next = local(field("next"));
    let name = field("name");
    let known = page.parts().tokens.authority(field("token"));
    let cookie = known.as_ref().and_then(|known| page.begin(known, session::name(name).as_deref()));
    let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) else {
        let why = "This worker has no such token: it is mistyped, of another worker, or outdated.";
        let mut answer = frame::bare("Log in · Crossgrant", fields(&page, next, Some(why)));
        *answer.status_mut() = StatusCode::UNAUTHORIZED;
        return answer;
    };
    if let Some(known) = known {
        tracing::info!(token = known.token, by = session::name(name), "a session of the page begins");
    }
    let mut answer = frame::see(next).into_response();
    answer.headers_mut().insert(SET_COOKIE, cookie);
    answer
}

/// Ends the session.
pub(super) async fn leave(asked: &Asked) -> Result<Shown, Trouble> {
    let mut answer = frame::see("/login").into_response();
    if let Ok(cookie) = HeaderValue::from_str(&asked.page.end()) {
        answer.headers_mut().insert(SET_COOKIE, cookie);
    }
    answer.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(Shown::Answer(answer))
}

/// An address of this worker, whatever a link says: a browser reads `//` and `/\` as the beginning of another host.
fn local(next: &str) -> &str {
    let printable = next.bytes().all(|byte| byte.is_ascii_graphic());
    if next.starts_with('/') && !next.starts_with("//") && !next.contains('\\') && printable { next } else { "/" }
}

fn fields(page: &Page, next: &str, why: Option<&str>) -> Markup {
    let off = page.parts().tokens.is_empty();
    html! {
        h1.brand { (frame::logo()) "Crossgrant" }
        @if off {
            p.trouble role="alert" { (said(&ApiError::CommandsOff.to_string())) }
        } @else {
            @if let Some(why) = why { p.trouble role="alert" { (why) } }
            form.login method="post" action="/login" {
                input type="hidden" name="next" value=(local(next));
                label for="token" { "Token" }
                input #token type="password" name="token" required autocomplete="current-password" autofocus;
                label for="name" { "Your name" }
                input #name type="text" name="name" maxlength=(session::LONGEST_NAME) autocomplete="name" aria-describedby="why-name";
                p #why-name .hint { "Kept with what you do here, beside the name of the token." }
                button.act type="submit" { "Log in" }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_login_leads_to_no_other_host() {
        for (next, to) in [
            ("/jobs?state=parked", "/jobs?state=parked"),
            ("//evil.example", "/"),
            ("/\\evil.example", "/"),
            ("https://evil.example", "/"),
            ("/a\r\nSet-Cookie: x", "/"),
            ("", "/"),
        ] {
            assert_eq!(local(next), to, "{next:?}");
        }
    }
}
