//! Names become addresses here, and only those that may be called leave. A connection is made to what was checked: the owner of a
//! name cannot have it checked with one address and called with another.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use futures_util::future::BoxFuture;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::network::{Network, refusal};
use super::settings::WebhookSettings;

/// Finds the addresses of a name.
pub type Lookup = Arc<dyn Fn(String) -> BoxFuture<'static, io::Result<Vec<IpAddr>>> + Send + Sync>;

/// Looks a name up as the system does.
pub fn system() -> Lookup {
    Arc::new(|name| {
        Box::pin(async move { Ok(tokio::net::lookup_host((name, 0)).await?.map(|address| address.ip()).collect()) })
    })
}

/// A host that has addresses, and none that may be called.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{host} has only addresses that may not be called: {addresses}; `[webhook] networks` can allow them")]
pub(super) struct NotAllowed {
    host: String,
    addresses: String,
}

/// Resolves names to the addresses that may be called.
#[derive(Clone)]
pub(super) struct CheckingResolver {
    lookup: Lookup,
    allowed: Arc<[Network]>,
}

/// How many addresses of a name are looked at.
const ADDRESSES: usize = 16;

impl CheckingResolver {
    pub fn new(lookup: Lookup, allowed: &[Network]) -> Self {
        Self { lookup, allowed: allowed.into() }
    }

    /// The addresses of a host that may be called.
    pub fn check(&self, host: &str, addresses: Vec<IpAddr>) -> Result<Vec<IpAddr>, NotAllowed> {
        let judged: Vec<_> = addresses.into_iter().take(ADDRESSES).map(|ip| (ip, refusal(ip, &self.allowed))).collect();
        let good: Vec<IpAddr> = judged.iter().filter(|(_, why)| why.is_none()).map(|(ip, _)| *ip).collect();
        if good.is_empty() && !judged.is_empty() {
            let bad = judged.iter().filter_map(|(ip, why)| Some(format!("{ip} ({})", (*why)?)));
            return Err(NotAllowed { host: host.to_owned(), addresses: bad.collect::<Vec<_>>().join(", ") });
        }
        Ok(good)
    }
}

impl Resolve for CheckingResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let addresses = (this.lookup)(host.clone()).await?;
            let good = this.check(&host, addresses)?;
            Ok(Box::new(good.into_iter().map(|ip| SocketAddr::new(ip, 0))) as Addrs)
        })
    }
}

/// The addresses at which a host may be called with these settings.
///
/// # Errors
/// That it has none, or that its name cannot be looked up.
pub async fn callable(settings: &WebhookSettings, lookup: &Lookup, host: &str) -> Result<Vec<IpAddr>, String> {
    let found = match host.parse::<IpAddr>() {
        Ok(address) => vec![address],
        Err(_) => (lookup)(host.to_owned()).await.map_err(|error| format!("{host} cannot be looked up: {error}"))?,
    };
    let good = CheckingResolver::new(Arc::clone(lookup), &settings.networks).check(host, found);
    match good.map_err(|refused| refused.to_string())? {
        none if none.is_empty() => Err(format!("{host} has no address")),
        good => Ok(good),
    }
}
