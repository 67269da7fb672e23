//! The endpoints of the cloud's products: `[cloud.endpoints]`, and for STS the vendor's variables.

use super::raw_settings::RawSettings;
use super::schema::{STS_ENDPOINT, STS_REGION, VENDOR};
use super::source::Setting;
use crate::cloud::{Endpoint, EndpointPattern, Endpoints};
use crate::domain::{Code, Region, without_secrets};

const SECTION: &str = "cloud.endpoints";
const METADATA: &str = "metadata";

/// Reads the endpoints that replace the vendor's own.
pub(super) fn read(raw: &mut RawSettings<'_>) -> Endpoints {
    // Read in any case, so that a value that is neither true nor false is reported, and once.
    let plain = raw.flag("cloud", "plain_http") == Some(true);
    Endpoints {
        cbn: central(raw, "cbn", plain),
        sts: sts(raw, plain),
        smartag: pattern(raw, "smartag", plain),
        vpc: pattern(raw, "vpc", plain),
        metadata: central(raw, METADATA, plain),
    }
}

fn pattern(raw: &mut RawSettings<'_>, product: &str, plain: bool) -> Option<EndpointPattern> {
    let pattern = raw.parsed::<EndpointPattern>(SECTION, product)?;
    refuse_plain(raw, product, &pattern, plain);
    Some(pattern.value)
}

/// Requests carry signatures and tokens, so plain HTTP to another machine has to be asked for.
fn refuse_plain(raw: &mut RawSettings<'_>, what: &str, endpoint: &Setting<EndpointPattern>, plain: bool) {
    let readable = match endpoint.value.in_region(None) {
        Some(service) if what == METADATA => service.is_readable_as_metadata(),
        _ => endpoint.value.is_readable_on_the_way(),
    };
    if readable && !plain {
        let message = format!(
            "`{what}` is plain http to another machine, so requests and their tokens can be read on the way: write https, or \
             set `[cloud] plain_http = true` if the way is private"
        );
        raw.report_as(Code::ConfigPlainHttp, &endpoint.location, message);
    }
}

/// The endpoint of a product that is called in no region.
fn central(raw: &mut RawSettings<'_>, product: &str, plain: bool) -> Option<Endpoint> {
    let pattern = raw.parsed::<EndpointPattern>(SECTION, product)?;
    refuse_plain(raw, product, &pattern, plain);
    let endpoint = pattern.value.in_region(None);
    if endpoint.is_none() {
        let message =
            format!("`{product}` has `{{region}}`, but its calls are made in no region: write the host itself");
        raw.report(&pattern.location, message);
    }
    endpoint
}

/// By the vendor's rule (API §K): the configured endpoint; else the host that a variable names; else the host in the region
/// that a variable names, on the private network if a third variable says so; else the central one.
fn sts(raw: &mut RawSettings<'_>, plain: bool) -> Option<Endpoint> {
    let region = raw.parsed::<Region>(VENDOR, "sts_region").map(|region| region.value);
    if let Some(pattern) = raw.parsed::<EndpointPattern>(SECTION, "sts") {
        refuse_plain(raw, "sts", &pattern, plain);
        let endpoint = pattern.value.in_region(region.as_ref());
        if endpoint.is_none() {
            let message = format!("`sts` has `{{region}}`, and {STS_REGION}, which would replace it, is not set");
            raw.report(&pattern.location, message);
        }
        return endpoint;
    }
    if let Some(host) = raw.text(VENDOR, "sts_endpoint") {
        // The vendor's clients expect a host here; people also write a URL.
        let url = if host.value.contains("://") { host.value.clone() } else { format!("https://{}", host.value) };
        return match Endpoint::parse(&url) {
            Ok(endpoint) => {
                refuse_plain(raw, STS_ENDPOINT, &Setting { value: (&endpoint).into(), location: host.location }, plain);
                Some(endpoint)
            }
            Err(error) => {
                raw.report(
                    &host.location,
                    format!("{STS_ENDPOINT} cannot be \"{}\": {error}", without_secrets(&host.value)),
                );
                None
            }
        };
    }
    let network = if raw.is_switched_on("vpc_endpoint_enabled") { "sts-vpc" } else { "sts" };
    let host = format!("https://{network}.{}.aliyuncs.com", region?);
    Some(Endpoint::parse(&host).expect("a region is fit for a host"))
}
