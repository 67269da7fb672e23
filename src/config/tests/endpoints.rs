//! Where the products of the cloud are.

use super::*;

#[test]
fn sts_is_where_the_vendors_variables_say_unless_the_configuration_says_otherwise() {
    let region = ("ALIBABA_CLOUD_STS_REGION", "cn-beijing");
    let private = ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "True");
    let host = ("ALIBABA_CLOUD_STS_ENDPOINT", "sts-vpc.cn-shanghai.aliyuncs.com");
    let url = ("ALIBABA_CLOUD_STS_ENDPOINT", "https://sts.proxy.example:8443");
    let configured = "[cloud.endpoints]\nsts = \"http://127.0.0.1:8080\"\n";
    for (text, env, at) in [
        ("", &[][..], "https://sts.aliyuncs.com"),
        ("", &[region], "https://sts.cn-beijing.aliyuncs.com"),
        ("", &[region, private], "https://sts-vpc.cn-beijing.aliyuncs.com"),
        ("", &[region, ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "no")], "https://sts.cn-beijing.aliyuncs.com"),
        ("", &[private], "https://sts.aliyuncs.com"),
        ("", &[region, private, host], "https://sts-vpc.cn-shanghai.aliyuncs.com"),
        ("", &[url], "https://sts.proxy.example:8443"),
        (configured, &[region, private, host], "http://127.0.0.1:8080"),
    ] {
        assert_eq!(load(text, env).unwrap().endpoints.sts().to_string(), at, "{env:?}");
    }
    for (env, fault) in [
        (("ALIBABA_CLOUD_STS_REGION", "Beijing!"), "ALIBABA_CLOUD_STS_REGION: "),
        (("ALIBABA_CLOUD_STS_ENDPOINT", "sts.example/path"), "ALIBABA_CLOUD_STS_ENDPOINT: "),
    ] {
        let found = faults("", &[env]);
        assert!(found.len() == 1 && found[0].starts_with(fault), "{found:?}");
    }
}

#[test]
fn the_host_of_an_endpoint_may_name_the_region_of_the_call_where_calls_have_one() {
    let text = |product: &str, url: &str| format!("[cloud.endpoints]\n{product} = \"{url}\"\n");
    let beijing = crate::domain::Region::parse("cn-beijing").unwrap();
    for (product, name, url, at) in [
        (Product::Vpc, "vpc", "https://vpc-vpc.{region}.aliyuncs.com", "https://vpc-vpc.cn-beijing.aliyuncs.com"),
        (Product::Smartag, "smartag", "https://{region}.x.example:81", "https://cn-beijing.x.example:81"),
        (Product::Cbn, "cbn", "https://cen.vpc-proxy.aliyuncs.com", "https://cen.vpc-proxy.aliyuncs.com"),
    ] {
        let endpoints = load(&text(name, url), &[]).unwrap().endpoints;
        assert_eq!(endpoints.of(product, Some(&beijing)).unwrap().to_string(), at);
    }
    let private = text("sts", "https://sts-vpc.{region}.aliyuncs.com");
    let region = ("ALIBABA_CLOUD_STS_REGION", "cn-beijing");
    let endpoints = load(&private, &[region]).unwrap().endpoints;
    assert_eq!(endpoints.sts().to_string(), "https://sts-vpc.cn-beijing.aliyuncs.com");
    for (text, fault) in [
        (private, "`sts` has `{region}`, and ALIBABA_CLOUD_STS_REGION, which would replace it, is not set"),
        (text("cbn", "https://cbn.{region}.aliyuncs.com"), "`cbn` has `{region}`, but its calls are made in no region"),
        (text("metadata", "https://{region}"), "`metadata` has `{region}`, but its calls are made in no region"),
        (text("vpc", "https://vpc.{zone}.aliyuncs.com"), "`{zone}` cannot be filled in; only `{region}` can"),
        (text("vpc", "https://vpc.{region.aliyuncs.com"), "`vpc` cannot be"),
    ] {
        let found = faults(&text, &[]);
        assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:?}");
    }
}

#[test]
fn plain_http_to_another_machine_has_to_be_asked_for() {
    let text = |product: &str, url: &str| format!("[cloud.endpoints]\n{product} = \"{url}\"\n");
    for product in ["cbn", "sts", "smartag", "vpc", "metadata"] {
        let plain = text(product, "http://192.0.2.1");
        let found = faults(&plain, &[]);
        assert!(found.len() == 1 && found[0].contains("set `[cloud] plain_http = true`"), "{product}: {found:?}");
        assert!(load(&format!("[cloud]\nplain_http = true\n{plain}"), &[]).is_ok(), "{product}");
        assert!(load(&text(product, "http://127.0.0.1:8080"), &[]).is_ok(), "{product}");
        for near in ["http://169.254.7.7", "http://[fe80::1]", "http://100.100.100.200"] {
            assert_eq!(load(&text(product, near), &[]).is_ok(), product == "metadata", "{product} {near}");
        }
    }
    let found = faults("", &[("ALIBABA_CLOUD_STS_ENDPOINT", "http://sts.example")]);
    assert!(found.len() == 1 && found[0].starts_with("ALIBABA_CLOUD_STS_ENDPOINT: "), "{found:?}");
}
