//! Where the products of the cloud are: `[cloud.endpoints]`, and for STS the vendor's variables.

use super::layers::Layers;
use super::schema::{STS_ENDPOINT, STS_REGION, VENDOR};
use crate::cloud::{Endpoint, EndpointPattern, Endpoints};
use crate::domain::Region;

const SECTION: &str = "cloud.endpoints";

/// The overrides.
pub(super) fn read(layers: &mut Layers) -> Endpoints {
    Endpoints {
        cbn: central(layers, "cbn"),
        sts: sts(layers),
        smartag: pattern(layers, "smartag"),
        vpc: pattern(layers, "vpc"),
        metadata: central(layers, "metadata"),
    }
}

fn pattern(layers: &mut Layers, product: &str) -> Option<EndpointPattern> {
    layers.parsed(SECTION, product).map(|pattern| pattern.value)
}

/// The endpoint of a product that is called in no region.
fn central(layers: &mut Layers, product: &str) -> Option<Endpoint> {
    let pattern = layers.parsed::<EndpointPattern>(SECTION, product)?;
    let endpoint = pattern.value.in_region(None);
    if endpoint.is_none() {
        let message =
            format!("`{product}` has `{{region}}`, and its calls are made in no region: write the host itself");
        layers.faults.report(&pattern.origin, message);
    }
    endpoint
}

/// By the vendor's rule (API §K): what is configured; else the host that a variable names; else the one of the region that
/// a variable names, on the private network if a third says so; else the central one.
fn sts(layers: &mut Layers) -> Option<Endpoint> {
    let region = layers.parsed::<Region>(VENDOR, "sts_region").map(|region| region.value);
    if let Some(pattern) = layers.parsed::<EndpointPattern>(SECTION, "sts") {
        let endpoint = pattern.value.in_region(region.as_ref());
        if endpoint.is_none() {
            let message = format!("`sts` has `{{region}}`, and {STS_REGION}, which would fill it in, is not set");
            layers.faults.report(&pattern.origin, message);
        }
        return endpoint;
    }
    if let Some(host) = layers.text(VENDOR, "sts_endpoint") {
        // The vendor's clients take a host; some write it as a URL.
        let url = if host.value.contains("://") { host.value.clone() } else { format!("https://{}", host.value) };
        let endpoint = Endpoint::parse(&url);
        if let Err(error) = &endpoint {
            layers.faults.report(&host.origin, format!("{STS_ENDPOINT} cannot be \"{}\": {error}", host.value));
        }
        return endpoint.ok();
    }
    let network = if layers.is_switched_on("vpc_endpoint_enabled") { "sts-vpc" } else { "sts" };
    let host = format!("https://{network}.{}.aliyuncs.com", region?);
    Some(Endpoint::parse(&host).expect("a region is fit for a host"))
}
