//! Where each product listens (API §1). Every endpoint can be overridden. Only an override may be plain HTTP, for a
//! simulated cloud. In the host of a product with an endpoint in each region, `{region}` stands for the region of the
//! call, for private hosts such as `vpc-vpc.{region}.aliyuncs.com` (API §K).

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use http::Uri;

use crate::domain::{Product, Region};

/// The placeholder for the region of the call.
const REGION: &str = "{region}";
/// The address of the metadata service, on every machine of the cloud.
const METADATA: &str = "100.100.100.200";

/// Scheme, host and port of a product. The host that is signed is exactly the one that is sent, port included.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    tls: bool,
    authority: String,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BadEndpoint {
    /// The text is not a URL of scheme and host alone.
    #[error(
        "an endpoint is a URL of scheme and host only, such as \"https://cbn.aliyuncs.com\" or \"http://127.0.0.1:8080\""
    )]
    Url,
    /// It has a placeholder that nothing fills in.
    #[error("`{{{0}}}` cannot be filled in; only `{{region}}` can")]
    Placeholder(String),
}

/// A product with an endpoint in each region was called without a region.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{0} has an endpoint in each region, and is called in none")]
pub struct NoRegion(&'static str);

impl Endpoint {
    /// Reads an `https://` or `http://` URL without user, path or query.
    ///
    /// # Errors
    /// If it is anything else, or has a placeholder.
    pub fn parse(url: &str) -> Result<Self, BadEndpoint> {
        let uri: Uri = url.parse().map_err(|_| BadEndpoint::Url)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadEndpoint::Url),
        };
        let authority = uri.authority().ok_or(BadEndpoint::Url)?.as_str();
        let bare = !authority.contains('@') && uri.path() == "/" && uri.query().is_none();
        if bare { Ok(Self { tls, authority: authority.to_owned() }) } else { Err(BadEndpoint::Url) }
    }

    /// Whether requests to it can be read on their way: plain HTTP to another machine.
    fn is_readable_on_the_way(&self) -> bool {
        !self.tls && !is_this_machine(self.host())
    }

    /// Whether others can read what is sent to it as the metadata service. The metadata service of the cloud has plain HTTP only. Its
    /// address, like every link-local one, leads no further than the host of the machine.
    pub fn is_readable_as_metadata(&self) -> bool {
        !self.tls && !is_local(self.host()) && self.host() != METADATA
    }

    fn host(&self) -> &str {
        let port = self.authority.rsplit_once(':').filter(|(_, port)| !port.contains(']'));
        port.map_or(&*self.authority, |(host, _)| host)
    }

    fn secure(host: String) -> Self {
        Self { tls: true, authority: host }
    }

    /// The `Host` header, and what is signed as it.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

/// Whether a host is this machine.
pub(super) fn is_this_machine(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse::<IpAddr>() {
        Ok(address) => address.is_loopback(),
        Err(_) => host.eq_ignore_ascii_case("localhost"),
    }
}

/// Whether a host is this machine, or an address that routers do not forward. Every machine on the same wire can answer for the
/// latter, so it is good only for services that a host offers its own machines and containers there.
pub(super) fn is_local(host: &str) -> bool {
    match host.trim_matches(['[', ']']).parse() {
        Ok(IpAddr::V4(address)) => address.is_loopback() || address.is_link_local(),
        Ok(IpAddr::V6(address)) => address.is_loopback() || address.is_unicast_link_local(),
        Err(_) => is_this_machine(host),
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

/// An endpoint as it is written, with or without `{region}` in its host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointPattern(String);

impl EndpointPattern {
    /// Whether requests to it can be read on their way: plain HTTP to another machine.
    pub fn is_readable_on_the_way(&self) -> bool {
        self.in_region(Region::parse("cn-hangzhou").ok().as_ref())
            .is_some_and(|endpoint| endpoint.is_readable_on_the_way())
    }

    /// The endpoint in a region; `None` if it has `{region}` and there is none.
    pub fn in_region(&self, region: Option<&Region>) -> Option<Endpoint> {
        let url = match region {
            Some(region) => self.0.replace(REGION, region.as_str()),
            None if self.0.contains(REGION) => return None,
            None => self.0.clone(),
        };
        Some(Endpoint::parse(&url).expect("it was read with a region in it, and every region is fit for a host"))
    }
}

impl FromStr for EndpointPattern {
    type Err = BadEndpoint;

    fn from_str(url: &str) -> Result<Self, BadEndpoint> {
        let filled = url.replace(REGION, "cn-hangzhou");
        let placeholder = filled.split_once('{').and_then(|(_, rest)| rest.split_once('}'));
        match placeholder {
            Some((name, _)) => Err(BadEndpoint::Placeholder(name.to_owned())),
            None => Endpoint::parse(&filled).map(|_| Self(url.to_owned())),
        }
    }
}

impl From<&Endpoint> for EndpointPattern {
    fn from(endpoint: &Endpoint) -> Self {
        Self(endpoint.to_string())
    }
}

/// Overrides of the vendor's endpoints, per product.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Cbn has one host for all regions.
    pub cbn: Option<Endpoint>,
    /// Sts has a central host, which serves all regions.
    pub sts: Option<Endpoint>,
    /// Smartag has a host in each region.
    pub smartag: Option<EndpointPattern>,
    /// Vpc has a host in most regions, and a central one for the others.
    pub vpc: Option<EndpointPattern>,
    /// The metadata service of the machine, which hands out the keys of the machine's role.
    pub metadata: Option<Endpoint>,
}

/// Regions in which Vpc has no endpoint of its own (API §1).
const CENTRAL_VPC: [&str; 8] = [
    "cn-hangzhou",
    "cn-shanghai-finance-1",
    "cn-shenzhen-finance-1",
    "cn-hangzhou-finance",
    "cn-north-2-gov-1",
    "cn-beijing-gov-1",
    "cn-wuhan",
    "cn-fujian",
];

impl Endpoints {
    /// One endpoint for every product: a simulated cloud.
    pub fn all(endpoint: &Endpoint) -> Self {
        let (at, pattern) = (|| Some(endpoint.clone()), || Some(endpoint.into()));
        Self { cbn: at(), sts: at(), smartag: pattern(), vpc: pattern(), metadata: at() }
    }

    /// The endpoint of a product, for a call in a region.
    ///
    /// # Errors
    /// If the product has an endpoint in each region, and the call names none.
    pub fn of(&self, product: Product, region: Option<&Region>) -> Result<Endpoint, NoRegion> {
        match product {
            Product::Cbn => Ok(self.cbn.clone().unwrap_or_else(|| Endpoint::secure("cbn.aliyuncs.com".into()))),
            Product::Sts => Ok(self.sts()),
            Product::Smartag => regional(self.smartag.as_ref(), "smartag", region, &[]),
            Product::Vpc => regional(self.vpc.as_ref(), "vpc", region, &CENTRAL_VPC),
        }
    }

    /// The endpoint of Sts, without an override the central one.
    pub fn sts(&self) -> Endpoint {
        self.sts.clone().unwrap_or_else(|| Endpoint::secure("sts.aliyuncs.com".into()))
    }

    /// The metadata service of the machine, without an override at the address it has on every machine.
    pub fn metadata(&self) -> Endpoint {
        self.metadata.clone().unwrap_or_else(|| Endpoint { tls: false, authority: METADATA.into() })
    }
}

/// The endpoint of a product with one in each region, except for the regions that share the central one.
fn regional(
    pattern: Option<&EndpointPattern>,
    product: &'static str,
    region: Option<&Region>,
    central: &[&str],
) -> Result<Endpoint, NoRegion> {
    match (pattern, region) {
        (Some(pattern), region) => pattern.in_region(region).ok_or(NoRegion(product)),
        (None, None) => Err(NoRegion(product)),
        (None, Some(region)) if central.contains(&region.as_str()) => {
            Ok(Endpoint::secure(format!("{product}.aliyuncs.com")))
        }
        (None, Some(region)) => Ok(Endpoint::secure(format!("{product}.{region}.aliyuncs.com"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoints: &Endpoints, product: Product, region: &str) -> String {
        let region = Region::parse(region).ok();
        endpoints.of(product, region.as_ref()).map_or_else(|error| error.to_string(), |endpoint| endpoint.to_string())
    }

    #[test]
    fn products_listen_where_the_vendor_put_them() {
        let none = Endpoints::default();
        assert_eq!(of(&none, Product::Cbn, "ap-southeast-1"), "https://cbn.aliyuncs.com");
        assert_eq!(of(&none, Product::Sts, ""), "https://sts.aliyuncs.com");
        assert_eq!(of(&none, Product::Vpc, "cn-hangzhou"), "https://vpc.aliyuncs.com");
        assert_eq!(of(&none, Product::Vpc, "cn-beijing"), "https://vpc.cn-beijing.aliyuncs.com");
        assert_eq!(of(&none, Product::Smartag, "cn-shanghai"), "https://smartag.cn-shanghai.aliyuncs.com");
        for product in [Product::Vpc, Product::Smartag] {
            assert!(of(&none, product, "").contains("is called in none"), "{product:?}");
        }
    }

    #[test]
    fn an_override_counts_in_every_region_and_keeps_its_port() {
        let endpoint = Endpoint::parse("http://127.0.0.1:18080/").unwrap();
        assert_eq!(endpoint.authority(), "127.0.0.1:18080");
        let all = Endpoints::all(&endpoint);
        for product in [Product::Cbn, Product::Sts, Product::Smartag, Product::Vpc] {
            assert_eq!(of(&all, product, "cn-beijing"), "http://127.0.0.1:18080");
        }
    }

    #[test]
    fn a_region_is_filled_in_where_it_stands() {
        let pattern: EndpointPattern = "https://vpc-vpc.{region}.aliyuncs.com".parse().unwrap();
        let endpoints = Endpoints { vpc: Some(pattern), ..Endpoints::default() };
        assert_eq!(of(&endpoints, Product::Vpc, "cn-hangzhou"), "https://vpc-vpc.cn-hangzhou.aliyuncs.com");
        assert_eq!(of(&endpoints, Product::Vpc, ""), "vpc has an endpoint in each region, and is called in none");
        for (bad, why) in [
            ("https://vpc.{zone}.x", BadEndpoint::Placeholder("zone".into())),
            ("https://{region}.{}", BadEndpoint::Placeholder(String::new())),
            ("https://x/{region}", BadEndpoint::Url),
        ] {
            assert_eq!(bad.parse::<EndpointPattern>(), Err(why), "{bad}");
        }
    }

    #[test]
    fn requests_over_plain_http_to_another_machine_can_be_read_on_the_way() {
        for (url, readable) in [
            ("https://cbn.example", false),
            ("http://127.0.0.1:8080", false),
            ("http://[::1]:8080", false),
            ("http://[::1]", false),
            ("http://localhost", false),
            ("http://100.100.100.200", true),
            ("http://169.254.7.7", true),
            ("http://[fe80::1]:80", true),
            ("http://192.0.2.1", true),
            ("http://[2001:db8::1]:80", true),
            ("http://cbn.{region}.example:80", true),
            ("http://127.0.0.1.example", true),
        ] {
            assert_eq!(url.parse::<EndpointPattern>().unwrap().is_readable_on_the_way(), readable, "{url}");
        }
        for (url, readable) in [
            ("http://100.100.100.200", false),
            ("http://169.254.7.7", false),
            ("http://[fe80::1]:80", false),
            ("http://127.0.0.1:8080", false),
            ("https://metadata.example", false),
            ("http://192.0.2.1", true),
            ("http://100.100.100.201", true),
        ] {
            assert_eq!(Endpoint::parse(url).unwrap().is_readable_as_metadata(), readable, "{url}");
        }
    }

    #[test]
    fn an_endpoint_is_scheme_and_host_only() {
        for bad in ["cbn.aliyuncs.com", "ftp://x", "https://u:p@x", "https://x/path", "https://x/?a=b", "", "https://"]
        {
            assert!(Endpoint::parse(bad).is_err(), "{bad}");
        }
    }
}
