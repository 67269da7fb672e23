use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::Arc;

use futures_util::FutureExt as _;
use secrecy::ExposeSecret;

use super::*;
use crate::cloud::{Credential, ExternalId, Keys, MachineRole, OidcRole, Product};
use crate::domain::{Code, Requester};
use crate::engine::guards::HourlyLimits;

const ACCOUNTS: &str = r#"
[accounts."1250123456123456"]
access_key_id = "cen-key"
access_key_secret = "s3cr3t-cen"
"#;

struct Written {
    _dir: tempfile::TempDir,
    path: PathBuf,
}

fn written(text: &str) -> Written {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("crossgrant.toml");
    std::fs::write(&path, text).unwrap();
    private(&path);
    Written { path, _dir: dir }
}

fn private(path: &Path) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)).unwrap();
}

fn load(text: &str, env: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let file = written(text);
    Config::load(Some(&file.path), env.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())))
}

/// The lines of the error, each without the directory of the file.
fn faults(text: &str, env: &[(&str, &str)]) -> Vec<String> {
    let error = load(text, env).unwrap_err();
    let strip = |line: &String| line.split_once("/crossgrant.toml:").map_or(line.clone(), |(_, rest)| rest.to_owned());
    error.0.iter().map(strip).collect()
}

/// Keys that stay.
fn keys(credential: &Credential) -> Arc<Keys> {
    match credential {
        Credential::Source(source) => source.keys().now_or_never().unwrap().unwrap(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn everything_but_the_accounts_has_a_default() {
    let config = Config::load(None, std::iter::empty()).unwrap();
    assert_eq!(config.hour, Hour::REAL);
    assert!(matches!(&config.store, StoreConfig::File(path) if path.to_str() == Some("crossgrant.db")));
    assert_eq!(config.admin.listen.to_string(), "127.0.0.1:9180");
    assert!(config.admin.token.is_none() && config.accounts.is_empty() && config.allow.is_empty());
    assert_eq!((config.worker.concurrency, config.worker.drain), (256, Duration::from_secs(20)));
    assert_eq!(
        (config.broker.prefix.as_str(), config.broker.prefetch, config.broker.declare),
        ("crossgrant", 200, true)
    );
    assert_eq!(config.log, LogConfig { format: LogFormat::Text, filter: "info".into() });
    assert_eq!(config.limits, crate::cloud::Limits::default());
    assert_eq!(config.hourly, HourlyLimits { revokes_per_cen: Some(20), payer_changes_per_account: Some(50) });
    assert!(!config.worker.name.is_empty());
    assert_eq!(config.endpoints, Endpoints::default());
    assert_eq!(config.warnings, vec![]);
}

#[test]
fn the_sample_is_read_and_says_the_defaults() {
    let sample = include_str!("../../deploy/crossgrant.toml");
    let dir = tempfile::tempdir().unwrap();
    for secret in ["broker-url", "hub", "1250123456123456"] {
        let path = dir.path().join(secret);
        std::fs::write(&path, "s3cr3t\n").unwrap();
        private(&path);
    }
    let config = load(&sample.replace("/etc/crossgrant/secrets", &dir.path().display().to_string()), &[]).unwrap();
    assert_eq!((config.accounts.len(), config.allow.len(), config.warnings.len()), (2, 1, 0));
    let known: Vec<&str> = schema::SECTIONS.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    for key in known.iter().copied().chain(schema::account_keys()).chain(schema::RULE.iter().copied()) {
        assert!(sample.contains(&format!("{key} =")), "the sample does not show `{key}`");
    }
}

#[test]
fn unknown_keys_are_refused_all_at_once_with_line_and_nearest_name() {
    let text = format!(
        "hours = \"1h\"\n[admin]\nlisen = \"127.0.0.1:1\"\n[brokr]\nurl = \"x\"\n{ACCOUNTS}site = \"china\"\ntokn = \"\"\n[[allow]]\nrequester = []\n"
    );
    let found = faults(&text, &[]);
    assert_eq!(found.len(), 5, "{found:#?}");
    for (line, place, hint) in [
        ("1: unknown key `hours`", "this file", "did you mean `hour`?"),
        ("3: unknown key `lisen`", "`[admin]`", "did you mean `listen`?"),
        ("4: unknown key `brokr`", "this file", "did you mean `broker`?"),
        ("11: unknown key `tokn`", "`[accounts.\"1250123456123456\"]`", "known: "),
        ("13: unknown key `requester`", "`[[allow]]`", "did you mean `requesters`?"),
    ] {
        assert!(
            found.iter().any(|f| f.starts_with(line) && f.contains(place) && f.contains(hint)),
            "{line}: {found:#?}"
        );
    }
}

#[test]
fn wrong_values_are_refused_with_their_place() {
    let text =
        "[worker]\nconcurrency = 0\ndrain = \"soon\"\n[log]\nformat = \"xml\"\n[cloud.endpoints]\ncbn = \"cbn\"\n";
    let found = faults(text, &[("CROSSGRANT_BROKER_PREFETCH", "70000"), ("CROSSGRANT_ADMIN_LISTEN", "here")]);
    let begins: Vec<&str> = found.iter().map(|line| line.split(" must").next().unwrap()).collect();
    assert_eq!(begins[..3], ["2: `concurrency`", "3: `drain`", "5: `format`"]);
    assert!(found[3].starts_with("7: `cbn` cannot be \"cbn\": an endpoint is a URL"), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("CROSSGRANT_BROKER_PREFETCH: `prefetch` must be a whole number")));
    assert!(found.iter().any(|f| f.starts_with("CROSSGRANT_ADMIN_LISTEN: `listen` cannot be \"here\"")));
    assert!(faults("[admin\n", &[])[0].starts_with("1: "));
    assert!(
        Config::load(Some(Path::new("/nowhere/x.toml")), std::iter::empty()).unwrap_err().0[0].contains("cannot read")
    );
}

#[test]
fn an_hourly_limit_is_a_number_or_none() {
    let hourly = |text: &str, env: &[(&str, &str)]| load(&format!("[limits]\n{text}"), env).unwrap().hourly;
    let limits = hourly("revokes_per_cen = 0\npayer_changes_per_account = \"none\"\n", &[]);
    assert_eq!(limits, HourlyLimits { revokes_per_cen: Some(0), payer_changes_per_account: None });
    let env = [("CROSSGRANT_LIMITS_REVOKES_PER_CEN", "none"), ("CROSSGRANT_LIMITS_PAYER_CHANGES_PER_ACCOUNT", "7")];
    let limits = hourly("revokes_per_cen = 3\n", &env);
    assert_eq!(limits, HourlyLimits { revokes_per_cen: None, payer_changes_per_account: Some(7) });
    assert_eq!(
        hourly("revokes_per_cen = 3\n", &[]).payer_changes_per_account,
        Some(50),
        "left out, it has its default"
    );
    for wrong in ["-1", "\"20\"", "\"all\"", "true", "1000001"] {
        let found = faults(&format!("[limits]\nrevokes_per_cen = {wrong}\n"), &[]);
        assert!(found[0].starts_with("2: `revokes_per_cen` must be a whole number from 0"), "{wrong}: {found:?}");
    }
}

#[test]
fn the_environment_goes_before_the_file() {
    let text = format!("[store]\npath = \"a.db\"\n[broker]\nurl = [\"amqp://a\", \"amqp://b\"]\n{ACCOUNTS}");
    let config = load(
        &text,
        &[
            ("CROSSGRANT_STORE_PATH", "b.db"),
            ("CROSSGRANT_ADMIN_LISTEN", "127.0.0.1:0"),
            ("CROSSGRANT_LOG_FILTER", ""),
            ("CROSSGRANT_ACCOUNT_1250123456123456_ACCESS_KEY_SECRET", "other"),
            ("CROSSGRANT_ACCOUNT_1688000000000001_ACCESS_KEY_ID", "resource-key"),
            ("CROSSGRANT_ACCOUNT_1688000000000001_ACCESS_KEY_SECRET", "hers"),
            ("CROSSGRANT_ACCOUNT_1688000000000001_SECURITY_TOKEN", "token"),
            ("CROSSGRANT_ACCOUNT_1688000000000001_SITE", "international"),
        ],
    )
    .unwrap();
    assert!(matches!(&config.store, StoreConfig::File(path) if path.to_str() == Some("b.db")));
    assert_eq!(config.admin.listen.port(), 0);
    assert_eq!(config.log.filter, "info", "an empty variable sets nothing");
    let urls: Vec<_> = config.broker.urls.iter().map(ExposeSecret::expose_secret).collect();
    assert_eq!(urls, ["amqp://a", "amqp://b"]);
    let account = |uid: &str| keys(&config.accounts[&AccountUid::parse(uid).unwrap()].credential);
    assert_eq!(account("1250123456123456").access_key_secret.expose_secret(), "other");
    assert_eq!(account("1250123456123456").access_key_id, "cen-key");
    assert_eq!(account("1688000000000001").security_token.as_ref().unwrap().expose_secret(), "token");
    assert_eq!(config.accounts[&AccountUid::parse("1688000000000001").unwrap()].site, Site::International);
    assert_eq!(config.accounts[&AccountUid::parse("1250123456123456").unwrap()].site, Site::China);
    assert_eq!(config.credentials().len(), 2);
    let urls = load("", &[("CROSSGRANT_BROKER_URL", "amqp://a amqp://b")]).unwrap().broker.urls;
    assert_eq!(urls.len(), 2);
}

#[test]
fn a_variable_that_sets_nothing_is_warned_of_and_does_no_harm() {
    let config = load("", &[("CROSSGRANT_BROKER_URI", "x"), ("CROSSGRANT_CONFIG", "y")]).unwrap();
    assert_eq!(config.warnings.len(), 1);
    assert!(config.warnings[0].message.contains("did you mean CROSSGRANT_BROKER_URL?"), "{:?}", config.warnings);
}

#[test]
fn secrets_are_read_from_files_without_their_last_newline() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "s3cr3t\n").unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).unwrap();
    let text = format!("[admin]\ntoken_file = \"{}\"\nlisten = \"0.0.0.0:9180\"\n", path.display());
    let config = load(&text, &[]).unwrap();
    assert_eq!(config.admin.token.unwrap().expose_secret(), "s3cr3t");
    assert!(config.warnings[0].message.contains("readable by everybody"), "{:?}", config.warnings);
    private(&path);
    assert_eq!(load(&text, &[]).unwrap().warnings, vec![]);
    let config = load(&text, &[("CROSSGRANT_ADMIN_TOKEN", "other")]).unwrap();
    assert_eq!(config.admin.token.unwrap().expose_secret(), "other");
    assert!(faults(&text.replace("token_file", "token = \"x\"\ntoken_file"), &[])[0].contains("both set"));
    std::fs::write(&path, "\n").unwrap();
    assert!(faults(&text, &[]).iter().any(|f| f.contains("is empty")));
    assert!(faults("[admin]\ntoken_file = \"/nowhere/token\"\n", &[])[0].contains("cannot read `token_file`"));
}

#[test]
fn an_address_others_can_reach_needs_a_token() {
    for listen in ["0.0.0.0:9180", "192.168.1.1:80", "[::]:9180"] {
        let text = format!("[admin]\nlisten = \"{listen}\"\n");
        assert!(faults(&text, &[])[0].contains("which others can reach"), "{listen}");
        assert!(load(&text, &[("CROSSGRANT_ADMIN_TOKEN", "t")]).is_ok(), "{listen}");
    }
    for listen in ["127.0.0.1:0", "[::1]:9180"] {
        assert!(load(&format!("[admin]\nlisten = \"{listen}\"\n"), &[]).is_ok(), "{listen}");
    }
}

#[test]
fn another_hour_needs_another_cloud() {
    assert!(faults("hour = \"10s\"\n", &[])[0].starts_with("1: `hour` can only be changed together with"));
    let text = "hour = \"10s\"\n[cloud.endpoints]\ncbn = \"http://127.0.0.1:8080\"\n";
    assert_eq!(load(text, &[]).unwrap().hour.length(), Duration::from_secs(10));
    assert!(load("hour = \"1h\"\n", &[]).is_ok());
    assert!(faults("", &[("CROSSGRANT_HOUR", "1ms")])[0].starts_with("CROSSGRANT_HOUR: `hour` must be at least 10 ms"));
}

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
        (Product::Smartag, "smartag", "http://{region}.x.example:81", "http://cn-beijing.x.example:81"),
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
        (private, "`sts` has `{region}`, and ALIBABA_CLOUD_STS_REGION, which would fill it in, is not set"),
        (text("cbn", "https://cbn.{region}.aliyuncs.com"), "`cbn` has `{region}`, and its calls are made in no region"),
        (text("metadata", "http://{region}"), "`metadata` has `{region}`, and its calls are made in no region"),
        (text("vpc", "https://vpc.{zone}.aliyuncs.com"), "`{zone}` cannot be filled in; only `{region}` can"),
        (text("vpc", "https://vpc.{region.aliyuncs.com"), "`vpc` cannot be"),
    ] {
        let found = faults(&text, &[]);
        assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:?}");
    }
}

#[test]
fn an_external_id_that_sts_would_refuse_is_a_fault() {
    let hub = "[credentials.hub]\necs_role = \"machine\"\n";
    for (id, good) in
        [("x1", true), ("A_z+=,.@:/-9", true), ("x", false), ("a b", false), ("a#b", false), ("é1", false)]
    {
        let loaded = load(&format!("{hub}{ROLE}external_id = \"{id}\"\n"), &[]);
        let said = loaded.as_ref().map_or_else(|error| error.to_string(), |_| String::new());
        assert_eq!(loaded.is_ok(), good, "{id}: {said}");
        assert!(good || (said.contains("`external_id` cannot be") && said.contains("2 to 1224")), "{id}: {said}");
    }
}

#[test]
fn an_account_is_whole_or_a_fault() {
    let found = faults("[accounts.\"12x\"]\naccess_key_id = \"a\"\n[accounts.\"125\"]\naccess_key_id = \"a\"\n", &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("2: `12x` is not an account: "), "{found:#?}");
    assert!(found[1].starts_with("4: account 125 has no usable `access_key_secret`"), "{found:#?}");
}

const UID: &str = "1688000000000001";
const TABLE: &str = "[accounts.\"1688000000000001\"]\n";
const ROLE: &str = "[accounts.\"1688000000000001\"]\nrole_arn = \"acs:ram::1688000000000001:role/crossgrant\"\n";

fn credential(text: &str, env: &[(&str, &str)], uid: &str) -> Credential {
    load(text, env).unwrap().accounts[&AccountUid::parse(uid).unwrap()].credential.clone()
}

#[test]
fn a_role_is_assumed_with_the_hubs_keys_or_its_own() {
    let hub = "[credentials.hub]\naccess_key_id = \"hub-key\"\naccess_key_secret = \"s3cr3t\"\n";
    let text = format!("{hub}{ROLE}external_id = \"x1\"\nsession_name = \"me\"\nsession_length = \"30m\"\n{ACCOUNTS}");
    let Credential::AssumeRole { role, with } = credential(&text, &[], "1688000000000001") else { panic!() };
    assert_eq!((role.external_id.as_ref().map(ExternalId::as_str), role.session_name.as_str()), (Some("x1"), "me"));
    assert_eq!((role.session_length.as_secs(), keys(&with).access_key_id.as_str()), (1800, "hub-key"));
    let own = format!("{hub}{ROLE}ecs_role = \"machine\"\n");
    let Credential::AssumeRole { with, .. } = credential(&own, &[], "1688000000000001") else { panic!() };
    assert!(matches!(&*with, Credential::InstanceRole(role) if *role == "machine".into()));
    let hub_itself = format!("{hub}[accounts.\"1250123456123456\"]\nhub = true\n{ROLE}");
    let config = load(&hub_itself, &[]).unwrap();
    let parts: Vec<_> = config.credentials().into_iter().map(|account| account.credential).collect();
    let [Credential::Shared(one), Credential::AssumeRole { with: two, .. }] = &parts[..] else { panic!("{parts:?}") };
    assert!(Arc::ptr_eq(one, two), "one hub is one source");
}

#[test]
fn the_vendors_variables_are_a_hub_in_the_vendors_order() {
    let token = ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "/var/token");
    let all = [
        ("ALIBABA_CLOUD_ACCESS_KEY_ID", "vendor-key"),
        ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "s3cr3t"),
        ("ALIBABA_CLOUD_SECURITY_TOKEN", "s3cr3t-token"),
        ("ALIBABA_CLOUD_ROLE_ARN", "acs:ram::1250123456123456:role/pod"),
        ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "acs:ram::1250123456123456:oidc-provider/c"),
        token,
        ("ALIBABA_CLOUD_ECS_METADATA", "machine"),
    ];
    let hub = |env: &[(&str, &str)]| match credential(ROLE, env, "1688000000000001") {
        Credential::AssumeRole { with, .. } => with,
        other => panic!("{other:?}"),
    };
    let with = keys(&hub(&all));
    assert_eq!((with.access_key_id.as_str(), with.security_token.is_some()), ("vendor-key", true));
    assert!(matches!(&*hub(&all[2..]), Credential::Oidc(OidcRole { token_file, .. }) if token_file.ends_with("token")));
    assert!(matches!(&*hub(&all[4..]), Credential::InstanceRole(role) if *role == "machine".into()));
    assert!(faults(ROLE, &[token])[0].contains("account 1688000000000001 needs the hub's keys, and there are none"));
    // Nobody asks for a hub: what a platform sets does no harm.
    assert_eq!(load(ACCOUNTS, &all).unwrap().warnings, vec![]);
    let own = format!("{ROLE}oidc_provider_arn = \"acs:ram::1688000000000001:oidc-provider/c\"\n");
    let Credential::Oidc(oidc) = credential(&own, &[token], "1688000000000001") else { panic!() };
    assert_eq!(oidc.token_file, PathBuf::from("/var/token"));
}

const PROFILES: &str = r#"{"current": "core", "profiles": [
    {"name": "core", "mode": "AK", "access_key_id": "core-key", "access_key_secret": "s3cr3t-core", "region_id": "x"},
    {"name": "session", "mode": "ststoken", "access_key_id": "STS.k", "access_key_secret": "s3cr3t-sts",
     "sts_token": "s3cr3t-token", "sts_expiration": 0},
    {"name": "network", "mode": "RamRoleArn", "access_key_id": "base-key", "access_key_secret": "s3cr3t-base",
     "ram_role_arn": "acs:ram::1688000000000001:role/network", "ram_session_name": "ann", "external_id": "x1",
     "expired_seconds": 900},
    {"name": "machine", "mode": "EcsRamRole", "ram_role_name": ""},
    {"name": "sso", "mode": "CloudSSO", "access_token": "s3cr3t-sso"},
    {"name": "half", "mode": "AK", "access_key_id": "half-key", "access_key_secret": null},
    {"name": "far", "mode": "RamRoleArn", "access_key_id": "k", "access_key_secret": "s3cr3t",
     "ram_role_arn": "acs:ram::1250123456123456:role/far"}
]}"#;

/// A home with these profiles.
fn home(profiles: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join(".aliyun/config.json");
    std::fs::create_dir(dir.path().join(".aliyun")).unwrap();
    std::fs::write(&file, profiles).unwrap();
    private(&file);
    (dir, file)
}

fn profile(name: &str) -> String {
    format!("[accounts.\"1688000000000001\"]\nprofile = \"{name}\"\n")
}

#[test]
fn a_profile_of_the_vendors_command_line_is_a_credential_in_four_modes() {
    let (dir, _) = home(PROFILES);
    let env = [("HOME", dir.path().to_str().unwrap())];
    let of = |name: &str| credential(&profile(name), &env, "1688000000000001");
    assert_eq!(keys(&of("core")).access_key_secret.expose_secret(), "s3cr3t-core");
    assert_eq!(keys(&of("session")).security_token.as_ref().unwrap().expose_secret(), "s3cr3t-token");
    let Credential::AssumeRole { role, with } = of("network") else { panic!() };
    assert_eq!((role.session_name.as_str(), role.external_id.unwrap().as_str()), ("ann", "x1"));
    assert_eq!(role.session_length.as_secs(), 1800, "raised to the least that a session lasts here");
    assert_eq!(keys(&with).access_key_id, "base-key");
    assert!(matches!(of("machine"), Credential::InstanceRole(role) if role == MachineRole::any()));
    // A role that is assumed with the keys of a profile.
    let text = format!("{}role_arn = \"acs:ram::1688000000000001:role/x\"\n", profile("core"));
    let Credential::AssumeRole { with, .. } = credential(&text, &env, "1688000000000001") else { panic!() };
    assert_eq!(keys(&with).access_key_id, "core-key");
    assert_eq!(load(&profile("core"), &env).unwrap().warnings, vec![]);
}

#[test]
fn a_profile_that_cannot_be_used_says_why() {
    let (dir, file) = home(PROFILES);
    let home_is = ("HOME", dir.path().to_str().unwrap());
    let off = ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "true");
    let no_machine = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "TRUE");
    for (name, env, fault) in [
        ("sso", &[home_is][..], "its mode is CloudSSO; these can be used: AK, StsToken, RamRoleArn, EcsRamRole"),
        ("half", &[home_is], "cannot be used: it has no access_key_secret"),
        ("far", &[home_is], "is a role of account 1250123456123456"),
        ("none", &[home_is], "has only these: core, session, network, machine, sso, half, far"),
        ("core", &[home_is, off], "ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true"),
        ("machine", &[home_is, no_machine], "ALIBABA_CLOUD_ECS_METADATA_DISABLED is true"),
        ("core", &[], "HOME is not set"),
        ("core", &[("HOME", "/nowhere")], "cannot read the profiles in /nowhere/.aliyun/config.json: No such file"),
    ] {
        let found = faults(&profile(name), env);
        assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:#?}");
        assert!(found[0].starts_with("2: ") || found[0].starts_with("1: "), "{found:#?}");
        assert!(!found[0].contains("s3cr3t"), "{found:#?}");
    }
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o644)).unwrap();
    let twice = format!("{}[credentials.hub]\nprofile = \"core\"\n", profile("core"));
    let warnings = load(&twice, &[home_is]).unwrap().warnings;
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert!(warnings[0].message.contains("config.json holds a secret and is readable by everybody"), "{warnings:?}");
    for broken in [r#"{"profiles": [{"name": "core", "mode": "AK", "access_key_secret": 53210}]}"#, "{s3cr3t", "17"] {
        std::fs::write(&file, broken).unwrap();
        let found = faults(&profile("core"), &[home_is]);
        assert!(found.len() == 1 && found[0].contains("config.json:1:"), "{found:#?}");
        assert!(!found[0].contains("53210") && !found[0].contains("s3cr3t"), "{found:#?}");
    }
}

#[test]
fn a_profile_on_the_command_line_goes_before_what_is_configured() {
    let (dir, _) = home(PROFILES);
    let env =
        [("HOME", dir.path().to_str().unwrap()), ("CROSSGRANT_ACCOUNT_1250123456123456_ACCESS_KEY_ID", "other-key")];
    let load_with = |text: &str, profiles: &[&str]| {
        let file = written(text);
        let profiles: Vec<ProfileFor> = profiles.iter().map(|text| text.parse().unwrap()).collect();
        Config::load_with(Some(&file.path), env.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter(), &profiles)
    };
    let credential = |config: &Config, uid: &str| config.accounts[&AccountUid::parse(uid).unwrap()].credential.clone();
    let text = format!("{ACCOUNTS}site = \"international\"\n{ROLE}");
    let config = load_with(&text, &["1250123456123456=core", "hub=session"]).unwrap();
    assert_eq!(keys(&credential(&config, "1250123456123456")).access_key_id, "core-key");
    let Credential::AssumeRole { with, .. } = credential(&config, "1688000000000001") else { panic!() };
    assert_eq!(keys(&with).access_key_id, "STS.k");
    let site = config.accounts[&AccountUid::parse("1250123456123456").unwrap()].site;
    assert_eq!(site, Site::International, "where an account is registered stays as it is configured");
    let alone = load_with("", &["1688000000000001=network", "1250123456123456=core"]).unwrap();
    assert_eq!(alone.accounts.len(), 2);
    let error = load_with("", &["1250123456123456=sso"]).unwrap_err().to_string();
    assert!(error.starts_with("--profile 1250123456123456=sso: the profile \"sso\""), "{error}");
}

#[test]
fn the_machines_role_has_a_name_or_is_whatever_role_there_is() {
    let machine = |text: &str, env: &[(&str, &str)]| match credential(&format!("{}{text}\n", TABLE), env, UID) {
        Credential::InstanceRole(role) => (role.name, role.without_token),
        other => panic!("{other:?}"),
    };
    let careful = ("ALIBABA_CLOUD_IMDSV1_DISABLED", "true");
    assert_eq!(machine("ecs_role = \"web\"", &[]), (Some("web".into()), true));
    assert_eq!(machine("ecs_role = true", &[careful]), (None, false));
    let variable = ("CROSSGRANT_ACCOUNT_1688000000000001_ECS_ROLE", "true");
    assert_eq!(machine("site = \"china\"", &[variable]), (None, true));
    let off = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "True");
    for (text, env, fault) in [
        ("ecs_role = false", &[][..], "`ecs_role` must be a name or true"),
        ("ecs_role = true", &[off], "ALIBABA_CLOUD_ECS_METADATA_DISABLED is true"),
    ] {
        let found = faults(&format!("{TABLE}{text}\n"), env);
        assert!(found.iter().any(|found| found.contains(fault)), "{found:?}");
    }
    // The vendor's own variable is then as good as not set.
    let named = ("ALIBABA_CLOUD_ECS_METADATA", "machine");
    assert!(faults(ROLE, &[named, off])[0].contains("needs the hub's keys, and there are none"));
}

#[test]
fn a_credentials_uri_is_the_last_thing_the_vendors_variables_are_looked_at_for() {
    let uri = ("ALIBABA_CLOUD_CREDENTIALS_URI", "http://127.0.0.1:6666/s3cr3t");
    let hub = |env: &[(&str, &str)]| match credential(ROLE, env, UID) {
        Credential::AssumeRole { with, .. } => with,
        other => panic!("{other:?}"),
    };
    assert!(matches!(&*hub(&[uri]), Credential::Uri(_)));
    let named = ("ALIBABA_CLOUD_ECS_METADATA", "machine");
    assert!(matches!(&*hub(&[uri, named]), Credential::InstanceRole(_)));
    let off = ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "true");
    assert!(matches!(&*hub(&[uri, named, off]), Credential::Uri(_)));
    let text = format!("{TABLE}credentials_uri = \"https://keys.example/s3cr3t\"\n");
    let shown = format!("{:?}", load(&text, &[]).unwrap());
    assert!(shown.contains("https://keys.example/…") && !shown.contains("s3cr3t"), "{shown}");
    let plain = format!("{TABLE}credentials_uri = \"http://keys.example/s3cr3t\"\n");
    let found = faults(&plain, &[]);
    assert!(
        found[0].contains("`credentials_uri` cannot be used: keys come over plain http from a loopback"),
        "{found:?}"
    );
    assert!(!found[0].contains("s3cr3t"), "{found:?}");
}

#[test]
fn a_credential_that_cannot_be_meant_is_a_fault() {
    let hub = "[credentials.hub]\necs_role = \"machine\"\n";
    for (text, fault) in [
        (format!("{hub}{ROLE}access_key_id = \"a\"\necs_role = \"b\"\n"), "has both `access_key_id` and `ecs_role`"),
        (format!("{hub}{}", ROLE.replace("ram::1688", "ram::1250")), "is a role of account 1250000000000001"),
        (format!("{hub}{}", ROLE.replace(":role/", ":user/")), "`role_arn` cannot be"),
        (format!("{hub}{ROLE}session_length = \"15m\"\n"), "`session_length` cannot be used"),
        (format!("{hub}{ROLE}session_name = \"a b\"\n"), "`session_name` cannot be"),
        (format!("{hub}{ROLE}oidc_provider_arn = \"x\"\n"), "no usable `oidc_token_file`"),
        (format!("{hub}{ROLE}access_key_secret = \"s3cr3t\"\n"), "no usable `access_key_id`"),
        (format!("{hub}{ACCOUNTS}hub = true\n"), "is the `hub` and has other keys"),
        ("[credentials.hub]\nsession_name = \"ab\"\n".to_owned(), "the hub has nothing"),
        ("[accounts.\"125\"]\nsite = \"china\"\n".to_owned(), "no usable `hub = true`, `role_arn`"),
    ] {
        let found = faults(&text, &[]);
        assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:#?}");
        assert!(!found[0].contains("s3cr3t"));
    }
}

#[test]
fn rules_are_read_as_the_policy_has_them() {
    let text = "[[allow]]\nrequesters = [\"ticketing\"]\nkinds = [\"grant\"]\n";
    let config = load(text, &[]).unwrap();
    assert_eq!(config.allow[0].requesters, [Requester::parse("ticketing").unwrap().as_str()]);
    assert_eq!(config.allow[0].kinds.as_deref(), Some(&[crate::domain::Kind::Grant][..]));
    let found = faults("[[allow]]\nrequesters = [\"*\"]\n\n[[allow]]\nrequesters = [\"*\"]\nkinds = [\"gift\"]\n", &[]);
    assert!(found.len() == 1 && found[0].starts_with("4: this `[[allow]]` cannot be used: "), "{found:#?}");
}

#[test]
fn each_sort_of_fault_has_its_code() {
    for (text, code) in [
        ("[broker]\nca_file = \"/nowhere/ca.pem\"\n", Code::ConfigUnreadable),
        ("[admin\n", Code::ConfigSyntax),
        ("hours = \"1h\"\n", Code::ConfigUnknownKey),
        ("[worker]\nconcurrency = 0\n", Code::ConfigBadValue),
        ("[broker]\nurl = \"amqp://a\"\nurl_file = \"b\"\n", Code::ConfigContradiction),
        ("[admin]\nlisten = \"0.0.0.0:9180\"\n", Code::ConfigNeedsToken),
        ("hour = \"10s\"\n", Code::ConfigHour),
        ("[accounts.\"125\"]\nsite = \"china\"\n", Code::ConfigCredential),
    ] {
        let found = faults(text, &[]);
        assert!(found.len() == 1 && found[0].ends_with(&format!(" [{code}]")), "{code}: {found:#?}");
    }
}

#[test]
fn no_secret_is_shown() {
    let text = format!(
        "[admin]\ntoken = \"s3cr3t-token\"\n[broker]\nurl = \"amqp://u:s3cr3t@h\"\n{ACCOUNTS}security_token = \"s3cr3t-sts\"\n"
    );
    let config = load(&text, &[]).unwrap();
    let shown = format!("{config:?} {config:#?}");
    assert!(shown.contains("cen-key"), "{shown}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
    let found = faults(&format!("{text}[store]\npath = 1\n"), &[("CROSSGRANT_ADMIN_TOKEN", "s3cr3t two")]);
    assert!(found.len() == 2 && found.iter().all(|f| !f.contains("s3cr3t")), "{found:#?}");
}

#[test]
fn a_database_is_named_by_its_url_and_its_password_is_a_secret() {
    let dir = tempfile::tempdir().unwrap();
    let password = dir.path().join("password");
    std::fs::write(&password, "s3cr3t\n").unwrap();
    private(&password);
    let text = |more: &str| format!("[store]\nurl = \"postgres://crossgrant@db.example/jobs\"\n{more}\n{ACCOUNTS}");
    let config = load(&text(&format!("password_file = {password:?}")), &[("CROSSGRANT_WORKER_NAME", "w7")]).unwrap();
    let StoreConfig::Database(settings) = &config.store else { panic!("{:?}", config.store) };
    assert_eq!((settings.name.as_str(), settings.password.as_ref().unwrap().expose_secret()), ("w7", "s3cr3t"));
    assert!(!format!("{config:?}").contains("s3cr3t"));
    for (more, says) in
        [("path = \"a.db\"", "both set"), ("password = \"\"", "empty"), ("ca_file = \"/none\"", "ca_file")]
    {
        let found = faults(&text(more), &[]);
        assert!(found.len() == 1 && found[0].contains(says), "{more}: {found:?}");
    }
    let found = faults(&text("").replace("postgres://", "mysql://"), &[]);
    assert!(found.len() == 1 && found[0].contains("`url` cannot be used"), "{found:?}");
    let alone = faults(&format!("[store]\npassword = \"s3cr3t\"\n{ACCOUNTS}"), &[]);
    assert!(alone.len() == 1 && alone[0].contains("go with `url`"), "{alone:?}");
}
