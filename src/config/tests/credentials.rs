//! How the keys of an account are obtained.

use super::*;

const UID: &str = "1688000000000001";
const TABLE: &str = "[accounts.\"1688000000000001\"]\n";
pub(super) const ROLE: &str =
    "[accounts.\"1688000000000001\"]\nrole_arn = \"acs:ram::1688000000000001:role/crossgrant\"\n";

pub(super) fn credential(text: &str, env: &[(&str, &str)], uid: &str) -> Credential {
    load(text, env).unwrap().accounts[&AccountUid::parse(uid).unwrap()].credential.clone()
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
    assert!(found[0].starts_with("2: `12x` is not the uid of an account: "), "{found:#?}");
    assert!(found[1].starts_with("4: account 125 has no usable `access_key_secret`"), "{found:#?}");
}

#[test]
fn an_account_whose_table_is_empty_is_not_passed_over() {
    let text = "[accounts.\"1688000000000001\"]\naccess_key_id = \"k\"\naccess_key_secret = \"s\"\n\n[accounts.\"1250123456123456\"]\n";
    let found = faults(text, &[]);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(found[0].starts_with("5: account 1250123456123456 has no keys: set `hub = true`"), "{found:#?}");
    let keys = [
        ("CROSSGRANT_ACCOUNT_1250123456123456_ACCESS_KEY_ID", "k"),
        ("CROSSGRANT_ACCOUNT_1250123456123456_ACCESS_KEY_SECRET", "s"),
    ];
    assert_eq!(load(text, &keys).unwrap().accounts.len(), 2, "the environment has its keys");
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
    // No account asks for a hub: what a platform sets does no harm.
    assert_eq!(load(ACCOUNTS, &all).unwrap().warnings, vec![]);
    let own = format!("{ROLE}oidc_provider_arn = \"acs:ram::1688000000000001:oidc-provider/c\"\n");
    let Credential::Oidc(oidc) = credential(&own, &[token], "1688000000000001") else { panic!() };
    assert_eq!(oidc.token_file, PathBuf::from("/var/token"));
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
        ("ecs_role = false", &[][..], "`ecs_role` must be a name or true, not false"),
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
        (format!("{hub}{ROLE}access_key_secret = \"s3cr3t\"\n"), "has no `access_key_id`"),
        (format!("{hub}{ACCOUNTS}hub = true\n"), "has `hub = true` and keys of its own"),
        ("[credentials.hub]\nsession_name = \"ab\"\n".to_owned(), "the hub has no keys"),
        ("[accounts.\"125\"]\nsite = \"china\"\n".to_owned(), "has no keys: set `hub = true`, `role_arn`"),
    ] {
        let found = faults(&text, &[]);
        assert!(found.len() == 1 && found[0].contains(fault), "{fault}: {found:#?}");
        assert!(!found[0].contains("s3cr3t"));
    }
}
