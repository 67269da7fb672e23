//! Where each product listens (API §1). Every endpoint can be overridden, and only an override may be plain HTTP: that
//! is for a simulated cloud.

use std::fmt;

use http::Uri;
use serde::Deserialize;

use crate::domain::Region;

/// A product of the cloud's API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Product {
    /// Cloud Enterprise Network.
    Cbn,
    /// Security Token Service.
    Sts,
    /// Smart Access Gateway, which grants CCNs.
    Smartag,
    /// Virtual Private Cloud.
    Vpc,
}

impl Product {
    /// The value of `x-acs-version`.
    pub fn version(self) -> &'static str {
        match self {
            Self::Cbn => "2017-09-12",
            Self::Sts => "2015-04-01",
            Self::Smartag => "2018-03-13",
            Self::Vpc => "2016-04-28",
        }
    }
}

/// Scheme, host and port of a product. The host that is signed is exactly the one that is sent, port included.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Endpoint {
    tls: bool,
    authority: String,
}

/// Why a text is not an endpoint.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "an endpoint is a URL of scheme and host only, such as \"https://cbn.aliyuncs.com\" or \"http://127.0.0.1:8080\""
)]
pub struct BadEndpoint;

impl Endpoint {
    /// Reads an `https://` or `http://` URL without user, path or query.
    pub fn parse(url: &str) -> Result<Self, BadEndpoint> {
        let uri: Uri = url.parse().map_err(|_| BadEndpoint)?;
        let tls = match uri.scheme_str() {
            Some("https") => true,
            Some("http") => false,
            _ => return Err(BadEndpoint),
        };
        let authority = uri.authority().ok_or(BadEndpoint)?.as_str();
        let bare = !authority.contains('@') && uri.path() == "/" && uri.query().is_none();
        if bare { Ok(Self { tls, authority: authority.to_owned() }) } else { Err(BadEndpoint) }
    }

    fn secure(host: String) -> Self {
        Self { tls: true, authority: host }
    }

    /// The `Host` header, and what is signed as it.
    pub fn authority(&self) -> &str {
        &self.authority
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}://{}", if self.tls { "https" } else { "http" }, self.authority)
    }
}

impl TryFrom<String> for Endpoint {
    type Error = BadEndpoint;
    fn try_from(url: String) -> Result<Self, BadEndpoint> {
        Self::parse(&url)
    }
}

/// Overrides of the vendor's endpoints, per product.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Endpoints {
    /// Of Cbn.
    pub cbn: Option<Endpoint>,
    /// Of Sts.
    pub sts: Option<Endpoint>,
    /// Of Smartag.
    pub smartag: Option<Endpoint>,
    /// Of Vpc.
    pub vpc: Option<Endpoint>,
    /// Of the metadata service of the machine, for the keys of its role.
    pub metadata: Option<Endpoint>,
}

/// Regions whose Vpc and Sts have no endpoint of their own (API §1).
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
const CENTRAL_STS: [&str; 5] = ["ap-south-1", "ap-southeast-2", "cn-wuhan", "cn-fujian", "cn-beijing-gov-1"];

impl Endpoints {
    /// One endpoint for every product: a simulated cloud.
    pub fn all(endpoint: &Endpoint) -> Self {
        let at = || Some(endpoint.clone());
        Self { cbn: at(), sts: at(), smartag: at(), vpc: at(), metadata: at() }
    }

    /// Whether any product is not where the vendor has it.
    pub fn is_overridden(&self) -> bool {
        *self != Self::default()
    }

    /// The endpoint of a product as seen from a region. Without a region, the central one, which Smartag does not
    /// have: it answers to `None` with that of Shanghai, where the vendor put the first.
    pub fn of(&self, product: Product, region: Option<&Region>) -> Endpoint {
        let region = region.map(Region::as_str);
        let (overridden, host) = match product {
            // One host for every region.
            Product::Cbn => (&self.cbn, "cbn.aliyuncs.com".into()),
            Product::Sts => (&self.sts, regional("sts", region, &CENTRAL_STS)),
            Product::Smartag => (&self.smartag, regional("smartag", Some(region.unwrap_or("cn-shanghai")), &[])),
            Product::Vpc => (&self.vpc, regional("vpc", region, &CENTRAL_VPC)),
        };
        overridden.clone().unwrap_or_else(|| Endpoint::secure(host))
    }

    /// The metadata service of the machine, which is the same address on every one.
    pub fn metadata(&self) -> Endpoint {
        self.metadata.clone().unwrap_or_else(|| Endpoint { tls: false, authority: "100.100.100.200".into() })
    }
}

fn regional(product: &str, region: Option<&str>, central: &[&str]) -> String {
    match region {
        Some(region) if !central.contains(&region) => format!("{product}.{region}.aliyuncs.com"),
        _ => format!("{product}.aliyuncs.com"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(endpoints: &Endpoints, product: Product, region: &str) -> String {
        let region = Region::parse(region).ok();
        endpoints.of(product, region.as_ref()).to_string()
    }

    #[test]
    fn products_listen_where_the_vendor_put_them() {
        let none = Endpoints::default();
        assert_eq!(of(&none, Product::Cbn, "ap-southeast-1"), "https://cbn.aliyuncs.com");
        assert_eq!(of(&none, Product::Sts, "cn-hangzhou"), "https://sts.cn-hangzhou.aliyuncs.com");
        assert_eq!(of(&none, Product::Sts, "cn-wuhan"), "https://sts.aliyuncs.com");
        assert_eq!(of(&none, Product::Sts, ""), "https://sts.aliyuncs.com");
        assert_eq!(of(&none, Product::Vpc, "cn-hangzhou"), "https://vpc.aliyuncs.com");
        assert_eq!(of(&none, Product::Vpc, "cn-beijing"), "https://vpc.cn-beijing.aliyuncs.com");
        assert_eq!(of(&none, Product::Smartag, "cn-shanghai"), "https://smartag.cn-shanghai.aliyuncs.com");
    }

    #[test]
    fn an_override_counts_in_every_region_and_keeps_its_port() {
        let endpoint = Endpoint::parse("http://127.0.0.1:18080/").unwrap();
        assert_eq!(endpoint.authority(), "127.0.0.1:18080");
        let all = Endpoints::all(&endpoint);
        assert!(all.is_overridden());
        for product in [Product::Cbn, Product::Sts, Product::Smartag, Product::Vpc] {
            assert_eq!(of(&all, product, "cn-beijing"), "http://127.0.0.1:18080");
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
