//! The endpoints of the cloud's products: `[cloud.endpoints]`, and for STS the vendor's variables.

use super::schema::{STS_ENDPOINT, STS_REGION, VENDOR};
use super::sources::Sources;
use crate::cloud::{Endpoint, EndpointPattern, Endpoints};
use crate::domain::Region;

const SECTION: &str = "cloud.endpoints";

/// Reads the endpoints that replace the vendor's own.
pub(super) fn read(sources: &mut Sources<'_>) -> Endpoints {
    Endpoints {
        cbn: central(sources, "cbn"),
        sts: sts(sources),
        smartag: pattern(sources, "smartag"),
        vpc: pattern(sources, "vpc"),
        metadata: central(sources, "metadata"),
    }
}

fn pattern(sources: &mut Sources<'_>, product: &str) -> Option<EndpointPattern> {
    sources.parsed(SECTION, product).map(|pattern| pattern.value)
}

/// The endpoint of a product that is called in no region.
fn central(sources: &mut Sources<'_>, product: &str) -> Option<Endpoint> {
    let pattern = sources.parsed::<EndpointPattern>(SECTION, product)?;
    let endpoint = pattern.value.in_region(None);
    if endpoint.is_none() {
        let message =
            format!("`{product}` has `{{region}}`, but its calls are made in no region: write the host itself");
        sources.report(&pattern.location, message);
    }
    endpoint
}

/// By the vendor's rule (API §K): the configured endpoint; else the host that a variable names; else the host in the region
/// that a variable names, on the private network if a third variable says so; else the central one.
fn sts(sources: &mut Sources<'_>) -> Option<Endpoint> {
    let region = sources.parsed::<Region>(VENDOR, "sts_region").map(|region| region.value);
    if let Some(pattern) = sources.parsed::<EndpointPattern>(SECTION, "sts") {
        let endpoint = pattern.value.in_region(region.as_ref());
        if endpoint.is_none() {
            let message = format!("`sts` has `{{region}}`, and {STS_REGION}, which would replace it, is not set");
            sources.report(&pattern.location, message);
        }
        return endpoint;
    }
    if let Some(host) = sources.text(VENDOR, "sts_endpoint") {
        // The vendor's clients expect a host here; people also write a URL.
        let url = if host.value.contains("://") { host.value.clone() } else { format!("https://{}", host.value) };
        let endpoint = Endpoint::parse(&url);
        if let Err(error) = &endpoint {
            sources.report(&host.location, format!("{STS_ENDPOINT} cannot be \"{}\": {error}", host.value));
        }
        return endpoint.ok();
    }
    let network = if sources.is_switched_on("vpc_endpoint_enabled") { "sts-vpc" } else { "sts" };
    let host = format!("https://{network}.{}.aliyuncs.com", region?);
    Some(Endpoint::parse(&host).expect("a region is fit for a host"))
}
