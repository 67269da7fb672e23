//! Sessions: a cookie that names a token and is signed with a key made of it.
//!
//! No worker remembers a session. All that know the token take its cookie, and none does once the token is replaced.

use std::time::Duration;

use hmac::{Hmac, KeyInit, Mac};
use http::HeaderMap;
use http::header::COOKIE;
use jiff::Timestamp;
use sha2::Sha256;

use super::parts::Page;
use crate::admin::Authority;
use crate::clock::later;

/// How long a session lasts: a shift.
const LASTS: Duration = Duration::from_secs(8 * 3600);
/// The longest name that a visitor gives.
pub(super) const LONGEST_NAME: usize = 64;

/// Who looks at the page.
#[derive(Debug)]
pub(super) struct Session {
    /// What the token allows now.
    pub authority: Authority,
    /// What the visitor is called, who may be one of several with the token.
    name: Option<String>,
    /// What its forms carry.
    pub form: String,
}

impl Session {
    /// Who is kept as the author of what is done.
    pub fn by(&self) -> &str {
        self.name.as_deref().unwrap_or(&self.authority.token)
    }

    /// Whether a form was made for this session.
    pub fn made(&self, form: &str) -> bool {
        subtle::ConstantTimeEq::ct_eq(self.form.as_bytes(), form.as_bytes()).into()
    }
}

/// A name that a visitor gives, if it can stand in a record.
pub(super) fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let fits = !text.is_empty() && text.len() <= LONGEST_NAME && !text.contains(char::is_control);
    fits.then(|| text.to_owned())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn bytes(hex: &str) -> Option<Vec<u8>> {
    let pairs = hex.as_bytes().chunks(2);
    pairs.map(|pair| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()).collect()
}

fn signed(key: &[u8; 32], what: &str, text: &str) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("a key can have any length");
    mac.update(format!("{what}\n{text}").as_bytes());
    mac
}

impl Page {
    /// The name of the cookie. With the prefix, no other host can set it (RFC 6265bis, section 4.1.3).
    fn cookie_name(&self) -> &'static str {
        if self.https() { "__Host-crossgrant" } else { "crossgrant" }
    }

    /// The cookie of a new session, as a header.
    pub(super) fn begin(&self, authority: &Authority, name: Option<&str>) -> Option<String> {
        let (_, key) = self.parts().tokens.named(&authority.token)?;
        let ends = later(self.parts().engine.clock.now(), LASTS).as_second();
        let text = format!("{ends}.{}.{}", hex(name.unwrap_or_default().as_bytes()), authority.token);
        let mac = hex(&signed(&key, "session", &text).finalize().into_bytes());
        Some(self.cookie(&format!("{mac}.{text}"), LASTS.as_secs()))
    }

    /// The header that ends a session in its browser.
    pub(super) fn end(&self) -> String {
        self.cookie("", 0)
    }

    fn cookie(&self, value: &str, seconds: u64) -> String {
        let secure = if self.https() { "; Secure" } else { "" };
        format!("{}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}", self.cookie_name())
    }

    /// The session of a request.
    pub(super) fn session(&self, headers: &HeaderMap) -> Option<Session> {
        let texts = headers.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
        let mut cookies = texts.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
        cookies.find_map(|(name, value)| if name == self.cookie_name() { self.read(value) } else { None })
    }

    fn read(&self, cookie: &str) -> Option<Session> {
        let (mac, text) = cookie.split_once('.')?;
        let mut parts = text.splitn(3, '.');
        let (ends, name, token) = (parts.next()?, parts.next()?, parts.next()?);
        let (authority, key) = self.parts().tokens.named(token)?;
        signed(&key, "session", text).verify_slice(&bytes(mac)?).ok()?;
        let ends = Timestamp::from_second(ends.parse().ok()?).ok()?;
        if self.parts().engine.clock.now() >= ends {
            return None;
        }
        let name = String::from_utf8(bytes(name)?).ok().filter(|name| !name.is_empty());
        let form = hex(&signed(&key, "form", text).finalize().into_bytes());
        Some(Session { authority, name, form })
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;
    use crate::admin::testing::{admin, secret};
    use crate::admin::{AdminRole, AdminTokens};

    fn with(cookie: &str) -> HeaderMap {
        let pair = cookie.split(';').next().unwrap();
        HeaderMap::from_iter([(COOKIE, HeaderValue::from_str(&format!("other=1; {pair}")).unwrap())])
    }

    #[tokio::test]
    async fn a_session_is_of_its_token_and_of_no_other_and_ends_with_it() {
        let admin = admin().await;
        let page = Page::new(admin.clone(), false);
        let authority = admin.parts().tokens.authority(&secret(AdminRole::Operator)).unwrap();
        let cookie = page.begin(&authority, Some("Ann Ó")).unwrap();
        assert!(cookie.contains("; HttpOnly; SameSite=Strict") && !cookie.contains("Secure"), "{cookie}");
        let session = page.session(&with(&cookie)).unwrap();
        assert_eq!((session.by(), session.authority.role), ("Ann Ó", AdminRole::Operator));
        assert!(session.made(&session.form) && !session.made("") && !session.made(&session.form[1..]));
        let unnamed = page.session(&with(&page.begin(&authority, None).unwrap())).unwrap();
        assert_eq!(unnamed.by(), "operator");
        assert_ne!(unnamed.form, session.form, "a form is of one session");

        for wrong in [
            cookie.replace("operator", "approver"),
            cookie.replacen("crossgrant=", "crossgrant=0", 1),
            cookie.replacen("; Path", "x; Path", 1),
            "crossgrant=".into(),
            "crossgrant=..".into(),
            page.end(),
        ] {
            assert!(page.session(&with(&wrong)).is_none(), "{wrong}");
        }
        let changed = AdminTokens::new([]);
        admin.parts().tokens.replace(&changed);
        assert!(page.session(&with(&cookie)).is_none(), "its token is gone");
    }

    #[tokio::test]
    async fn a_session_ends_after_a_shift_and_is_for_https_alone_where_that_is_used() {
        let admin = admin().await;
        let page = Page::new(admin.clone(), true);
        let authority = admin.parts().tokens.authority(&secret(AdminRole::Reader)).unwrap();
        let cookie = page.begin(&authority, None).unwrap();
        assert!(cookie.starts_with("__Host-crossgrant=") && cookie.ends_with("; Secure"), "{cookie}");
        assert!(page.session(&with(&cookie)).is_some());
        assert!(page.session(&with(&cookie.replace("__Host-", ""))).is_none());
        let old = cookie.split('.').nth(1).unwrap();
        let now = admin.parts().engine.clock.now().as_second();
        assert_eq!(old.parse::<i64>().unwrap() - now, 8 * 3600);
    }
}
