//! Webhooks: the URLs that answers can be sent to, and the hosts that a rule allows.
//!
//! A URL is read strictly, so that whatever reads it later finds the same host in it: `https`, a host in ASCII, a port, and a path
//! with a query, and neither user nor fragment. A `reply_to` is at most as long as AMQP lets it be.

use std::fmt;

/// What the URL of a webhook begins with. A store knows its messages by it.
pub const SCHEME: &str = "https://";
/// The port where the URL has none.
const PORT: u16 = 443;
/// The longest URL, in bytes: AMQP `reply_to` is a short string, and over HTTP the same holds.
const LONGEST: usize = 255;
/// What a URL can have after its host besides letters and digits (RFC 3986, 3.3 and 3.4).
const OF_A_PATH: &[u8] = b"-._~:/?[]@!$&'()*+,;=%";

/// Whether a `reply_to` is meant as a URL. None of another scheme can be called, and none is the name of a queue either.
pub fn is_url(reply_to: &str) -> bool {
    let begins = |scheme: &str| reply_to.get(..scheme.len()).is_some_and(|text| text.eq_ignore_ascii_case(scheme));
    begins(SCHEME) || begins("http://")
}

/// Where a webhook goes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Destination {
    host: String,
    port: u16,
}

impl Destination {
    /// Reads a URL.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn of(url: &str) -> Result<Self, String> {
        if url.len() > LONGEST {
            return Err(format!("it has more than {LONGEST} bytes"));
        }
        let rest = url.strip_prefix(SCHEME).ok_or_else(|| format!("it must begin with {SCHEME}, in small letters"))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !(path.is_empty() || path.starts_with('/')) {
            return Err("after the host comes nothing, or a path that begins with /".into());
        }
        if let Some(other) = path.chars().find(|c| !is_of_a_path(*c)) {
            return Err(format!(
                "{other:?} cannot stand in its path; write it percent-encoded, and leave a fragment out"
            ));
        }
        Self::at(authority)
    }

    /// Reads `host` or `host:port`.
    fn at(authority: &str) -> Result<Self, String> {
        if authority.contains('@') {
            return Err("it must have no user and no password; the signature says who calls".into());
        }
        if authority.starts_with('[') {
            return Err("an IPv6 address cannot be named; give its host a name".into());
        }
        let (host, port) = match authority.split_once(':') {
            Some((host, port)) => (host, self::port(port)?),
            None => (authority, PORT),
        };
        let host = host.to_ascii_lowercase();
        host_fault(&host).map_or(Ok(Self { host, port }), Err)
    }

    /// The name of the host, in small letters, or its IPv4 address.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl fmt::Display for Destination {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        if self.port == PORT { Ok(()) } else { write!(f, ":{}", self.port) }
    }
}

fn is_of_a_path(c: char) -> bool {
    u8::try_from(c).is_ok_and(|byte| byte.is_ascii_alphanumeric() || OF_A_PATH.contains(&byte))
}

fn port(text: &str) -> Result<u16, String> {
    let port = text.parse().ok().filter(|port| *port > 0 && text.bytes().all(|byte| byte.is_ascii_digit()));
    port.ok_or_else(|| format!("its port {text:?} is no number from 1 to 65535"))
}

/// What is wrong with the name of a host.
fn host_fault(host: &str) -> Option<String> {
    let of_a_label = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'-';
    let label = |label: &str| {
        (1..=63).contains(&label.len())
            && label.bytes().all(of_a_label)
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    if host.len() > 253 || !host.split('.').all(label) {
        return Some(format!("{host:?} is not the name of a host: letters, digits and - between dots"));
    }
    // Readers of URLs take a host whose last part is a number for an address, in many spellings.
    let last = host.rsplit('.').next().unwrap_or_default();
    let number = last.bytes().all(|byte| byte.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|rest| rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    (number && !is_ipv4(host)).then(|| format!("{host:?} is no IPv4 address as it is usually written"))
}

fn is_ipv4(host: &str) -> bool {
    let parts: Vec<&str> = host.split('.').collect();
    parts.len() == 4 && parts.iter().all(|part| part.parse::<u8>().is_ok_and(|number| number.to_string() == *part))
}

/// Hosts that a rule allows: `hooks.example.com`, or `*.example.com` for every name below it; with a port, if it is not 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostPattern {
    below: bool,
    at: Destination,
}

impl HostPattern {
    /// Reads it.
    ///
    /// # Errors
    /// What is wrong with it.
    pub fn parse(text: &str) -> Result<Self, String> {
        let rest = text.strip_prefix("*.");
        if is_url(text) || text.contains('/') {
            return Err("write the host alone, without scheme and path".into());
        }
        let at = Destination::at(rest.unwrap_or(text))?;
        let below = rest.is_some();
        if below && is_ipv4(&at.host) {
            return Err("there is nothing below an address".into());
        }
        Ok(Self { below, at })
    }

    /// The one host that it allows; `None` if it allows all below a name.
    pub fn only(&self) -> Option<&Destination> {
        (!self.below).then_some(&self.at)
    }

    /// Whether it allows this host.
    pub fn allows(&self, destination: &Destination) -> bool {
        let Destination { host, port } = destination;
        let is_below = || host.strip_suffix(&self.at.host).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'));
        *port == self.at.port && if self.below { is_below() } else { *host == self.at.host }
    }
}

impl fmt::Display for HostPattern {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", if self.below { "*." } else { "" }, self.at)
    }
}

impl<'de> serde::Deserialize<'de> for HostPattern {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_told_from_a_queue_by_its_scheme() {
        for url in ["https://a", "http://a", "HTTPS://a", "https://", "Http://x"] {
            assert!(is_url(url), "{url}");
        }
        for queue in ["https", "https:", "https:/a", "q.https://a", "", "amqps://a", "httpſ://a"] {
            assert!(!is_url(queue), "{queue}");
        }
    }

    #[test]
    fn a_good_url_has_one_host_and_port() {
        for (url, host, port) in [
            ("https://hooks.example.com", "hooks.example.com", 443),
            ("https://Hooks.Example.com/a/b?c=d&e=%20", "hooks.example.com", 443),
            ("https://h:8443/", "h", 8443),
            ("https://10.0.0.1:1/x", "10.0.0.1", 1),
            ("https://xn--bcher-kva.example/~u/;p=@:[1]!$'()*+,", "xn--bcher-kva.example", 443),
            ("https://a0x.com.x1/", "a0x.com.x1", 443),
        ] {
            let destination = Destination::of(url).unwrap();
            assert_eq!((destination.host(), destination.port()), (host, port), "{url}");
        }
        assert_eq!(Destination::of("https://h:8443/x").unwrap().to_string(), "h:8443");
        assert_eq!(Destination::of("https://h:443/x").unwrap().to_string(), "h");
    }

    #[test]
    fn everything_that_readers_could_take_for_another_host_is_refused() {
        let long = format!("https://h/{}", "x".repeat(LONGEST));
        let label = format!("https://{}.com/", "x".repeat(64));
        for url in [
            "http://h/",
            "HTTPS://h/",
            "https:///path",
            "https://",
            "https://user@h/",
            "https://u:p@h/",
            "https://h#f",
            "https://h/#f",
            "https://h?x=https://other/",
            "https://h\\@other/",
            "https://h/\\x",
            "https://h/ x",
            "https://h\t/",
            "https://h/\n",
            "https://h:/",
            "https://h:0/",
            "https://h:65536/",
            "https://h:+1/",
            "https://h:1:2/",
            "https://.h/",
            "https://h./",
            "https://a..b/",
            "https://-a/",
            "https://a_b/",
            "https://h%2eexample/",
            "https://bücher.example/",
            "https://h/ü",
            "https://[::1]/",
            "https://2130706433/",
            "https://127.1/",
            "https://0x7f.1/",
            "https://a.0x7f/",
            "https://a.0x/",
            "https://127.0.0.01/",
            "https://127.0.0.256/",
            "https://1.2.3.4.5/",
            "https://a.1/",
            &long,
            &label,
        ] {
            assert!(Destination::of(url).is_err(), "{url}");
        }
    }

    #[test]
    fn a_pattern_allows_its_host_at_its_port_and_nothing_beside_it() {
        let to = |host: &str| Destination::of(&format!("https://{host}/x")).unwrap();
        for (pattern, allowed, refused) in [
            (
                "hooks.example.com",
                &["hooks.example.com", "HOOKS.example.com:443"][..],
                &["hooks.example.com:8443", "a.hooks.example.com", "xhooks.example.com", "hooks.example.com.evil.org"]
                    [..],
            ),
            (
                "*.example.com",
                &["a.example.com", "a.b.example.com"],
                &["example.com", "xexample.com", "a.example.com:1", "example.com.evil.org"],
            ),
            ("*.example.com:8443", &["a.example.com:8443"], &["a.example.com"]),
            ("10.0.0.1", &["10.0.0.1"], &["10.0.0.11", "110.0.0.1"]),
        ] {
            let read = HostPattern::parse(pattern).unwrap();
            assert_eq!(read.to_string(), pattern);
            assert!(allowed.iter().all(|host| read.allows(&to(host))), "{pattern}");
            assert!(!refused.iter().any(|host| read.allows(&to(host))), "{pattern}");
        }
        for bad in ["", "*", "*.", "https://h", "h/x", "a*.com", "*.10.0.0.1", "*.*.com", "h:x", "user@h"] {
            assert!(HostPattern::parse(bad).is_err(), "{bad}");
        }
    }
}
