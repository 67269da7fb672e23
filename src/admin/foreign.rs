//! Requests that a web page makes a browser send. A page may send a request to any address, and can make a name of its own
//! lead here (DNS rebinding) and then read the answer. Programs send none of these headers, or the right ones.

use axum::extract::{Request, State};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use http::header::{HOST, ORIGIN};
use http::{HeaderMap, HeaderName, Method, Uri};

use super::error::ApiError;
use super::parts::Admin;

/// Says where the page is that the request comes from, as every browser since 2023 sends it.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// What a browser makes the request for.
const SEC_FETCH_MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const SEC_FETCH_DEST: HeaderName = HeaderName::from_static("sec-fetch-dest");

/// Refuses such a request.
pub(super) async fn refuse(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    match check(request.headers(), request.uri(), &admin.parts().hosts) {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

/// The same, but a link on a page of somebody else may lead to a view here: a view changes nothing, no page can read it, and none can
/// have it in a frame.
pub(crate) async fn refuse_but_links(State(admin): State<Admin>, request: Request, next: Next) -> Response {
    let hosts = &admin.parts().hosts;
    let checked = match is_link(request.method(), request.headers()) {
        true => check_host(request.headers(), request.uri(), hosts),
        false => check(request.headers(), request.uri(), hosts),
    };
    match checked {
        Ok(()) => next.run(request).await,
        Err(error) => error.into_response(),
    }
}

fn is_link(method: &Method, headers: &HeaderMap) -> bool {
    let says = |name: HeaderName, what: &str| headers.get(name).is_some_and(|text| text == what);
    method == Method::GET && says(SEC_FETCH_MODE, "navigate") && says(SEC_FETCH_DEST, "document")
}

/// `Host` has to be an address, `localhost`, or one of the configured `hosts`. One that is missing passes: no browser leaves it
/// out, and probes do. An origin has to be the same as the host.
fn check(headers: &HeaderMap, uri: &Uri, hosts: &[String]) -> Result<(), ApiError> {
    check_host(headers, uri, hosts)?;
    let texts = |name: HeaderName| headers.get_all(name).iter().map(|text| text.to_str().unwrap_or("?"));
    for origin in texts(ORIGIN) {
        let place = origin.split_once("://").map(|(_, place)| place);
        if !place.is_some_and(|place| texts(HOST).any(|host| host.eq_ignore_ascii_case(place))) {
            return Err(ApiError::ForeignOrigin(format!("Origin: {origin}")));
        }
    }
    for site in texts(SEC_FETCH_SITE) {
        if !["same-origin", "none"].contains(&site) {
            return Err(ApiError::ForeignOrigin(format!("Sec-Fetch-Site: {site}")));
        }
    }
    Ok(())
}

fn check_host(headers: &HeaderMap, uri: &Uri, hosts: &[String]) -> Result<(), ApiError> {
    let given = headers.get_all(HOST).iter().map(|text| text.to_str().unwrap_or("?"));
    // Where the request line has a whole URL, its host is the one that counts.
    for host in given.chain(uri.authority().map(|authority| authority.as_str())) {
        if !is_ours(host, hosts) {
            return Err(ApiError::ForeignHost(host.to_owned()));
        }
    }
    Ok(())
}

fn is_ours(host: &str, hosts: &[String]) -> bool {
    let name = match host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((address, port)) => return is_port(port) && address.parse::<std::net::Ipv6Addr>().is_ok(),
        None => {
            host.rsplit_once(':').map_or(host, |(name, port)| if is_port(&format!(":{port}")) { name } else { host })
        }
    };
    name.parse::<std::net::Ipv4Addr>().is_ok()
        || name.eq_ignore_ascii_case("localhost")
        || hosts.iter().any(|ours| ours.eq_ignore_ascii_case(name))
}

/// Whether a text is empty, or a colon and a port.
fn is_port(text: &str) -> bool {
    text.is_empty() || text.strip_prefix(':').is_some_and(|port| port.parse::<u16>().is_ok())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn checked(headers: &[(&str, &str)]) -> Result<(), ApiError> {
        let pair = |(name, value): &(&str, &str)| {
            (HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap())
        };
        let mut map = HeaderMap::new();
        for (name, value) in headers.iter().map(pair) {
            map.append(name, value);
        }
        check(&map, &Uri::from_static("/v1/jobs"), &["crossgrant.internal".to_owned()])
    }

    #[test]
    fn the_host_is_an_address_or_a_known_name() {
        for host in [
            "127.0.0.1:9180",
            "10.0.0.1",
            "[::1]:9180",
            "[2001:db8::1]",
            "localhost",
            "LOCALHOST:9180",
            "crossgrant.internal:80",
            "Crossgrant.Internal",
        ] {
            assert!(checked(&[("host", host)]).is_ok(), "{host}");
        }
        for host in [
            "evil.example",
            "evil.example:9180",
            "127.0.0.1.evil.example",
            "localhost.evil.example",
            "",
            ":9180",
            "[::1].evil.example",
            "127.0.0.1:x",
            "::1",
            "2130706433",
            "x.crossgrant.internal",
        ] {
            assert!(matches!(checked(&[("host", host)]), Err(ApiError::ForeignHost(_))), "{host}");
        }
        assert!(checked(&[]).is_ok(), "HTTP/1.0 has none");
        assert!(checked(&[("host", "127.0.0.1"), ("host", "evil.example")]).is_err());
        let rebound = check(&HeaderMap::new(), &Uri::from_static("http://evil.example/v1/jobs"), &[]);
        assert!(matches!(rebound, Err(ApiError::ForeignHost(_))));
    }

    #[test]
    fn a_page_of_another_origin_is_refused() {
        let host = ("host", "127.0.0.1:9180");
        for (name, value) in [
            ("origin", "http://evil.example"),
            ("origin", "null"),
            ("origin", "http://127.0.0.1:8080"),
            ("origin", "http://127.0.0.1:9180.evil.example"),
            ("origin", ""),
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-site", "same-site"),
            ("sec-fetch-site", "anything"),
        ] {
            assert!(matches!(checked(&[host, (name, value)]), Err(ApiError::ForeignOrigin(_))), "{name}: {value}");
        }
        assert!(checked(&[("origin", "http://127.0.0.1:9180")]).is_err(), "there is no host that it is the same as");
        for (name, value) in
            [("origin", "http://127.0.0.1:9180"), ("sec-fetch-site", "same-origin"), ("sec-fetch-site", "none")]
        {
            assert!(checked(&[host, (name, value)]).is_ok(), "{name}: {value}");
        }
    }
}
