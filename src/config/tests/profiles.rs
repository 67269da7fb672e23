//! Profiles of the vendor's command line.

use super::credentials::{ROLE, credential};
use super::*;

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
    assert!(warnings[0].message.contains("config.json holds a secret and every user can read it"), "{warnings:?}");
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
        Config::load_for(
            ConfigFor::Everything,
            Some(&file.path),
            env.map(|(k, v)| (k.to_owned(), v.to_owned())).into_iter(),
            &profiles,
        )
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
