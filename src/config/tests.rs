mod credentials;
mod endpoints;
mod forms;
mod profiles;
mod trace;

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use secrecy::ExposeSecret;

use super::*;
use crate::admin::AdminRole;
use crate::cloud::{Credential, Endpoints, ExternalId, Keys, MachineRole, OidcRole};
use crate::domain::{AccountUid, Code, Hour, Product, Requester, Site};
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

/// The lines of the error, each without the path of the file.
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
    assert_eq!(config.unbegun_per_instance, Some(100));
    assert!(!config.worker.name.is_empty());
    assert_eq!(config.endpoints, Endpoints::default());
    assert_eq!(config.warnings, vec![]);
}

#[test]
fn an_installation_has_the_name_it_is_given_or_its_prefix() {
    let installation = |text: &str| load(text, &[]).unwrap().installation;
    assert_eq!(installation(""), "crossgrant");
    assert_eq!(installation("[broker]\nprefix = \"cg\""), "cg");
    assert_eq!(installation("[broker]\nprefix = \"cg\"\n[events]\ninstallation = \"prod.1_a-b\""), "prod.1_a-b");
    for wrong in ["a b".to_owned(), "a/b".into(), "ü".into(), "x".repeat(65)] {
        let found = faults(&format!("[events]\ninstallation = \"{wrong}\""), &[]);
        assert!(found.len() == 1 && found[0].starts_with("2: `installation` must be one word"), "{found:?}");
    }
}

#[test]
fn the_sample_is_read_and_says_the_defaults() {
    let sample = include_str!("../../deploy/crossgrant.toml");
    let dir = tempfile::tempdir().unwrap();
    for (file, secret) in [("broker-url", "amqp://u:s3cr3t@h"), ("hub", "s3cr3t"), ("1250123456123456", "s3cr3t")] {
        let path = dir.path().join(file);
        std::fs::write(&path, format!("{secret}\n")).unwrap();
        private(&path);
    }
    let config = load(&sample.replace("/etc/crossgrant/secrets", &dir.path().display().to_string()), &[]).unwrap();
    assert_eq!((config.accounts.len(), config.allow.len(), config.warnings.len()), (2, 1, 0));
    let known: Vec<&str> = schema::SECTIONS.iter().flat_map(|(_, keys)| keys.iter().copied()).collect();
    for key in known
        .iter()
        .copied()
        .chain(schema::TOKEN_KEYS.iter().copied())
        .chain(schema::REQUESTER_KEYS.iter().copied())
        .chain(schema::account_keys())
        .chain(schema::ALLOW_KEYS.iter().copied())
    {
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
    assert_eq!(begins[..2], ["2: `concurrency`", "3: `drain`"]);
    assert!(found[2].starts_with("5: `format` cannot be `xml` (known: `text`, `json`)"), "{found:#?}");
    assert!(found[3].starts_with("7: `cbn` cannot be \"cbn\": an endpoint is a URL"), "{found:#?}");
    assert!(found.iter().any(|f| f.starts_with("CROSSGRANT_BROKER_PREFETCH: `prefetch` must be a whole number")));
    assert!(found.iter().any(|f| f.starts_with("CROSSGRANT_ADMIN_LISTEN: `listen` cannot be \"here\"")));
    assert!(faults("[admin\n", &[])[0].starts_with("1: "));
    assert!(
        Config::load(Some(Path::new("/nowhere/x.toml")), std::iter::empty()).unwrap_err().0[0].contains("cannot read")
    );
}

#[test]
fn jobs_that_have_not_begun_are_limited_by_a_number_or_not_at_all() {
    let unbegun =
        |value: &str| load(&format!("[limits]\nunbegun_per_instance = {value}"), &[]).unwrap().unbegun_per_instance;
    assert_eq!([unbegun("7"), unbegun("\"none\"")], [Some(7), None]);
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
    assert!(config.warnings[0].message.contains("every user can read it"), "{:?}", config.warnings);
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
fn a_token_has_a_name_of_its_own_and_a_role() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("token");
    std::fs::write(&path, "s3cr3t\n").unwrap();
    private(&path);
    let of_file = format!("[[admin.token]]\nname = \"night-shift\"\nrole = \"operator\"\ntoken_file = {path:?}\n");
    let other = "[[admin.token]]\nname = \"dashboard\"\nrole = \"reader\"\ntoken = \"0ther\"\n";
    let text = format!("[admin]\nlisten = \"0.0.0.0:9180\"\nhosts = [\"a.internal\", \"b\"]\n{of_file}{other}");
    let admin = load(&text, &[("CROSSGRANT_ADMIN_TOKEN", "mine")]).unwrap().admin;
    let tokens: Vec<_> = admin.tokens.iter().map(|t| (t.name.as_str(), t.role, t.secret.expose_secret())).collect();
    assert_eq!(tokens, [("night-shift", AdminRole::Operator, "s3cr3t"), ("dashboard", AdminRole::Reader, "0ther")]);
    assert_eq!((admin.hosts, admin.token.unwrap().expose_secret()), (vec!["a.internal".into(), "b".into()], "mine"));
    let admin = load(other, &[("CROSSGRANT_ADMIN_HOSTS", "a b")]).unwrap().admin;
    assert!(admin.token.is_none() && admin.hosts == ["a", "b"]);
    let of_ann = format!("{other}requesters = [\"tickets\", \"bot\"]\n[approval]\ntwo_persons = true\n");
    let config = load(&of_ann, &[]).unwrap();
    let requesters: Vec<&str> = config.admin.tokens[0].requesters.iter().map(|requester| requester.as_str()).collect();
    assert_eq!((requesters, config.policy().needs_two_persons()), (vec!["tickets", "bot"], true));
    assert!(!load(other, &[]).unwrap().policy().needs_two_persons());

    for (changed, line, says) in [
        (other.replace("dashboard", "night-shift"), "6: `name`", "every token needs its own"),
        (other.replace("dashboard", "local"), "6: `name`", "every token needs its own"),
        (other.replace("dashboard", "the dashboard"), "6: `name`", "one word"),
        (other.replace("0ther", "s3cr3t"), "", "the tokens night-shift and dashboard are the same"),
        (other.replace("reader", "redaer"), "7: `role`", "did you mean `reader`?"),
        (other.replace("token = \"0ther\"\n", ""), "", "has neither `token` nor `token_file`"),
        (other.replace("role = \"reader\"\n", ""), "5: `role`", "is missing in `[[admin.token]]`"),
        (other.replace("role =", "requesters = [\"ö\"]\nrole ="), "7: `requesters`", "printable ASCII"),
        (other.replace("role", "rol"), "7: unknown key `rol`", "did you mean `role`?"),
        ("[admin]\nhosts = [\"http://a\"]".to_owned(), "6: `hosts`", "the name alone"),
    ] {
        let found = match changed.starts_with("[admin]") {
            true => faults(&format!("#\n#\n#\n#\n{changed}"), &[]),
            false => faults(&format!("{of_file}{changed}"), &[]),
        };
        let fault = found.iter().find(|fault| fault.contains(says));
        assert!(fault.is_some_and(|fault| fault.starts_with(line)), "{line} {says}: {found:#?}");
        assert!(!found.concat().contains("s3cr3t"), "{found:#?}");
    }
    assert!(faults("[[admin.token]]\n", &[]).len() == 2, "name and role are missing");
}

#[test]
fn a_password_in_a_url_is_never_repeated() {
    let url = "http://ann:s3cr3t@host:1/x";
    let text = format!(
        "[store]\npath = \"postgres://ann:s3cr3t@host/jobs\"\n[admin]\nlisten = \"{url}\"\nhosts = [\"{url}\"]\n\
         [cloud.endpoints]\ncbn = \"{url}\"\nvpc = \"{url}\"\nmetadata = \"{url}\"\n\
         [credentials.hub]\ncredentials_uri = \"ftp://ann:s3cr3t@host\"\n"
    );
    let env = [
        ("ALIBABA_CLOUD_STS_ENDPOINT", url),
        ("ALIBABA_CLOUD_STS_REGION", url),
        ("CROSSGRANT_HOUR", url),
        ("CROSSGRANT_LOG_FORMAT", url),
    ];
    let found = faults(&text, &env);
    for key in ["path", "listen", "hosts", "cbn", "vpc", "metadata", "credentials_uri", "sts_region", "hour", "format"]
    {
        assert!(found.iter().any(|fault| fault.contains(&format!("`{key}`"))), "{key}: {found:#?}");
    }
    assert!(!found.concat().contains("s3cr3t"), "{found:#?}");
}

#[test]
fn another_hour_needs_another_cloud() {
    let missing = |text: &str| faults(text, &[])[0].split_once("of which ").map(|(_, missing)| missing.to_owned());
    assert!(missing("hour = \"10s\"\n").unwrap().starts_with("`cbn`, `sts`, `smartag`, `vpc` is missing"));
    let mut text = "hour = \"10s\"\n[cloud.endpoints]\n".to_owned();
    for product in ["cbn", "smartag", "vpc"] {
        text.push_str(&format!("{product} = \"http://127.0.0.1:8080\"\n"));
    }
    // The keys of the simulated cloud would go to the vendor's STS.
    assert!(missing(&text).unwrap().starts_with("`sts` is missing"));
    text.push_str("sts = \"http://127.0.0.1:8080\"\n");
    assert_eq!(load(&text, &[]).unwrap().hour.length(), Duration::from_secs(10));
    assert!(load("hour = \"1h\"\n", &[]).is_ok());
    assert!(faults("", &[("CROSSGRANT_HOUR", "1ms")])[0].starts_with("CROSSGRANT_HOUR: `hour` must be at least 10 ms"));
}

#[test]
fn a_job_is_kept_for_at_least_a_day() {
    let keep = |span: &str| format!("[store]\nkeep = \"{span}\"\n{ACCOUNTS}");
    assert_eq!(load(&keep("24h"), &[]).unwrap().keep, Duration::from_secs(86_400));
    let found = faults(&keep("5s"), &[]);
    assert!(found.len() == 1 && found[0].contains("`keep` must be at least 24h"), "{found:?}");
}

#[test]
fn rules_are_read_as_the_policy_has_them() {
    let text = "[[allow]]\nrequesters = [\"ticketing\"]\nkinds = [\"grant\"]\n";
    let config = load(text, &[]).unwrap();
    assert_eq!(config.allow[0].requesters, [Requester::parse("ticketing").unwrap().as_str()]);
    assert_eq!(config.allow[0].kinds.as_deref(), Some(&[crate::domain::Kind::Grant][..]));
}

#[test]
fn all_faults_of_a_rule_are_said_together_each_at_its_line() {
    let rule = "[[allow]]\nrequesters = [\"*\", 5]\nkinds = [\"grants\"]\nresource_accounts = [\"x1688\"]\n\
                cens = [\"vpc-1\"]\norder_types = \"PayByCenOwner\"\n";
    let found = faults(rule, &[]);
    let right = [
        ("2: `requesters` must be a string, not a number", ""),
        ("3: `kinds` cannot be `grants`; did you mean `grant`? (known: `grant`, `revoke`, `payer-change`)", ""),
        ("4: `resource_accounts`: ", "1 to 20 digits"),
        ("5: `cens`: ", "cen-"),
        ("6: `order_types` must be a list, not a string", ""),
    ];
    assert_eq!(found.len(), right.len(), "{found:#?}");
    for (said, (begins, holds)) in found.iter().zip(right) {
        assert!(said.starts_with(begins) && said.contains(holds), "{said}");
    }
}

#[test]
fn a_table_or_a_key_that_is_there_twice_is_said_once_and_by_name() {
    let account = "[accounts.\"1688000000000001\"]\nsite = \"china\"\nsite = \"china\"\n";
    let found = faults(account, &[]);
    assert!(found.len() == 1 && found[0].starts_with("3: the key `site` is in this table twice"), "{found:#?}");
    let table = "[admin]\nlisten = \"127.0.0.1:1\"\n";
    let found = faults(&format!("{table}\n{table}[store]\npath = \"a\"\npath = \"b\"\n"), &[]);
    assert_eq!(found.len(), 2, "{found:#?}");
    assert!(found[0].starts_with("4: the table [admin] is there already, from line 1"), "{found:#?}");
    assert!(found[1].starts_with("8: the key `path`"), "{found:#?}");
}

#[test]
fn each_sort_of_fault_has_its_code() {
    for (text, code) in [
        ("[broker]\nca_file = \"/nowhere/ca.pem\"\n", Code::ConfigUnreadable),
        ("[admin\n", Code::ConfigSyntax),
        ("hours = \"1h\"\n", Code::ConfigUnknownKey),
        ("[worker]\nconcurrency = 0\n", Code::ConfigBadValue),
        ("[broker]\nurl = \"amqp://a\"\nurl_file = \"b\"\n", Code::ConfigContradiction),
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
    assert!(alone.len() == 1 && alone[0].contains("belong to `url`"), "{alone:?}");
}

#[test]
fn a_broker_url_that_is_none_is_refused_with_its_line_and_without_its_password() {
    for (urls, says) in [
        ("\"rabbit.example.com\"", "`url` is not that of a broker (relative URL without a base)"),
        ("\"http://u:s3cr3t@h:5672\"", "`url` is not that of a broker ("),
        ("[\"amqp://a\", \"amqp://u:s3cr3t@[b\"]", "`url`, URL number 2 is not that of a broker ("),
    ] {
        let found = faults(&format!("[broker]\nurl = {urls}\n"), &[]);
        assert!(found.len() == 1 && found[0].starts_with(&format!("2: {says}")), "{found:?}");
        assert!(found[0].ends_with("amqps://user:password@host:5671/%2f\" [config-bad-value]"), "{found:?}");
        assert!(!found[0].contains("s3cr3t"), "{found:?}");
    }
    assert!(faults("", &[("CROSSGRANT_BROKER_URL", "rabbit")])[0].starts_with("CROSSGRANT_BROKER_URL: `url` is not"));
}

#[test]
fn deliveries_are_held_for_less_than_the_broker_waits_for_them() {
    let hold = |text: &str| load(&format!("[broker]\n{text}"), &[]).unwrap().broker.hold.as_secs();
    let kind = "kind = \"apsaramq\"\n";
    assert_eq!((hold(""), hold(kind), hold("kind = \"amazonmq\"")), (1200, 40, 1200));
    assert_eq!(hold(&format!("{kind}redelivery = \"5m\"")), 200);
    assert_eq!((hold("hold = \"25m\""), hold(&format!("{kind}hold = \"50s\""))), (1500, 50));
    for (text, says) in [
        ("hold = \"26m\"\n", "2: `hold` must be at most 1500s: after 1800s the broker takes back"),
        ("hold = \"51s\"\nkind = \"apsaramq\"\n", "2: `hold` must be at most 50s: after 60s"),
        ("redelivery = \"9s\"\n", "2: `redelivery` must be at least 10s"),
        (
            "kind = \"apsara\"\n",
            "2: `kind` cannot be `apsara`; did you mean `apsaramq`? (known: `rabbitmq`, `apsaramq`, `amazonmq`)",
        ),
    ] {
        let found = faults(&format!("[broker]\n{text}"), &[]);
        assert!(found.len() == 1 && found[0].starts_with(says), "{says}: {found:?}");
    }
}

#[test]
fn a_requester_that_signs_has_a_name_of_its_own_and_a_long_key() {
    let key = "0123456789abcdef0123456789abcdef";
    let one = format!("[[broker.requester]]\nname = \"ticketing\"\nkey = \"{key}\"\n");
    let config = load(&format!("[broker]\nkind = \"apsaramq\"\n{one}"), &[]).unwrap();
    assert_eq!((config.broker.declare, config.warnings.len()), (false, 0));
    let keys = &config.broker.requesters[&Requester::parse("ticketing").unwrap()];
    assert_eq!(keys.iter().map(ExposeSecret::expose_secret).collect::<Vec<_>>(), [key]);
    assert!(!format!("{config:?}").contains(key));
    let two = one.replace(&format!("\"{key}\""), &format!("[\"{key}\", \"{key}-old\"]"));
    assert_eq!(load(&two, &[]).unwrap().broker.requesters.values().next().unwrap().len(), 2);
    for (text, says) in [
        (format!("{one}{one}"), "`name` is \"ticketing\", as that of another requester is"),
        (one.replace(key, "short"), "`key` must have at least 32 characters"),
        (one.replace("key =", "kye ="), "unknown key `kye`"),
        (one.replace(&format!("key = \"{key}\"\n"), ""), "has neither `key` nor `key_file`"),
        (one.replace("name = \"ticketing\"\n", ""), "is missing in `[[broker.requester]]`"),
    ] {
        let found = faults(&text, &[]);
        assert!(found.iter().any(|fault| fault.contains(says)), "{says}: {found:?}");
        assert!(!found.concat().contains(key), "{found:?}");
    }
    let warnings = load("[broker]\nkind = \"apsaramq\"\n", &[]).unwrap().warnings;
    assert!(warnings.len() == 1 && warnings[0].code == Code::ConfigNoRequester, "{warnings:?}");
}

#[test]
fn the_door_has_keys_of_its_own() {
    let key = "0123456789abcdef0123456789abcdef";
    let submitter = "[[admin.token]]\nname = 'bot'\nrole = 'submitter'\ntoken = 's3cr3t'";
    let open = load(&format!("[door]\nkey = ['{key}', 'old-{key}']\n{submitter}"), &[]).unwrap();
    assert_eq!((open.door.len(), open.warnings.len()), (2, 0));
    assert!(load("", &[]).unwrap().door.is_empty());
    let unused = load(&format!("[door]\nkey = '{key}'"), &[]).unwrap();
    assert!(unused.warnings[0].code == Code::DoorClosed && unused.warnings[0].message.contains("no token"));
    let closed = load(submitter, &[]).unwrap();
    assert_eq!(closed.warnings[0].code, Code::DoorClosed);
    for (text, says) in [
        ("[door]\nkey = 'short'".to_owned(), "at least 32 characters"),
        (format!("[door]\nkey = '{key}'\n[[broker.requester]]\nname = 'x'\nkey = '{key}'"), "make another one"),
        (format!("[[broker.requester]]\nname = 'http:x'\nkey = '{key}'"), "must not begin with \"http:\""),
    ] {
        let error = faults(&text, &[]).join("; ");
        assert!(error.contains(says) && !error.contains(key), "{error}");
    }
}

#[test]
fn webhooks_are_off_without_their_table_and_need_a_secret() {
    assert!(load(ACCOUNTS, &[]).unwrap().webhook.is_none());
    let (one, two) = (format!("whsec_{}", "A".repeat(32)), format!("whsec_{}", "B".repeat(43) + "="));
    let rule = "[[allow]]\nrequesters = ['*']\nwebhook_hosts = ['hooks.example.com', '*.example.org:8443']\n";
    let text = format!(
        "{ACCOUNTS}[webhook]\nsecret = [{one:?}, {two:?}]\ngive_up = '2h'\nnetworks = ['10.0.0.0/8', 'fd00::/8']\n{rule}"
    );
    let config = load(&text, &[]).unwrap();
    let webhook = config.webhook.clone().unwrap();
    assert_eq!((webhook.keys.len(), webhook.networks.len()), (2, 2));
    assert_eq!(webhook.give_up, Duration::from_secs(7200));
    let hosts: Vec<String> = config.allow[0].webhook_hosts.iter().map(ToString::to_string).collect();
    assert_eq!(hosts, ["hooks.example.com", "*.example.org:8443"]);
    assert!(!format!("{config:?}").contains("AAAAAAAA"), "a secret is not shown");
    let by_env = load(ACCOUNTS, &[("CROSSGRANT_WEBHOOK_SECRET", &one)]).unwrap().webhook.unwrap();
    assert_eq!(by_env.give_up, Duration::from_secs(24 * 3600));

    let receiver = |lines: &str| format!("secret = {one:?}\n[[webhook.receiver]]\n{lines}");
    let own = format!("{ACCOUNTS}[webhook]\n{}\n", receiver(&format!("host = '*.example.com'\nsecret = {two:?}")));
    let own = load(&own, &[]).unwrap().webhook.unwrap().receivers;
    assert_eq!((own.len(), own[0].host.to_string(), own[0].keys.len()), (1, "*.example.com".to_owned(), 1));
    let twice = format!("host = 'h.example.com'\nsecret = {two:?}\n");

    let three = format!("secret = [{one:?}, {one:?}, {one:?}]");
    for (lines, says) in [
        ("give_up = '1h'", "neither `secret` nor `secret_file`"),
        ("secret = 's3cr3t-of-ours'", "must be whsec_"),
        ("secret = 'whsec_AAAA'", "24 to 64 random bytes"),
        (three.as_str(), "has 3 secrets; 2 can sign"),
        (&format!("secret = {one:?}\ngive_up = '169h'"), "at most 168h"),
        (&format!("secret = {one:?}\nnetworks = ['10.0.0.1/8']"), "bits set beyond"),
        (&format!("secret = {one:?}\nca_file = '/dev/null'"), "`ca_file` cannot be used"),
        (&format!("secret = {one:?}\nurl = 'x'"), "url"),
        (&receiver("host = 'h.example.com'"), "this `[[webhook.receiver]]` has neither `secret` nor `secret_file`"),
        (&receiver("secret = 's3cr3t-of-ours'"), "host"),
        (&receiver("host = 'h.example.com'\nsecret = 's3cr3t-of-ours'"), "must be whsec_"),
        (&receiver(&format!("host = 'https://h/'\nsecret = {two:?}")), "`host` cannot be"),
        (&receiver(&format!("{twice}[[webhook.receiver]]\n{twice}")), "as that of another receiver is"),
    ] {
        let said = faults(&format!("{ACCOUNTS}[webhook]\n{lines}\n"), &[]);
        assert!(said.len() == 1 && said[0].contains(says) && !said[0].contains("s3cr3t-of-ours"), "{lines}: {said:?}");
    }
    for host in ["https://h/", "*", "h/x", "user@h", "127.1", "*.10.0.0.1"] {
        let said = faults(&format!("{ACCOUNTS}[[allow]]\nrequesters = ['*']\nwebhook_hosts = [{host:?}]\n"), &[]);
        assert!(said.len() == 1 && said[0].contains("`webhook_hosts` cannot have"), "{host}: {said:?}");
    }
}

#[test]
fn a_secret_is_opened_only_by_a_command_that_uses_it() {
    let text = "[broker]\nurl_file = \"/nowhere/broker\"\n[store]\nurl_file = \"/nowhere/store\"\n\
                [accounts.\"1250123456123456\"]\naccess_key_id = \"k\"\naccess_key_secret_file = \"/nowhere/cen\"\n\
                [door]\nkey_file = \"/nowhere/door\"\n[webhook]\nsecret_file = \"/nowhere/webhook\"\n";
    let file = written(text);
    let read = |purpose| Config::load_for(purpose, Some(&file.path), std::iter::empty(), &[]);
    let missing = |purpose| read(purpose).unwrap_err().0;
    let worker = read(ConfigFor::Worker).unwrap();
    assert!(worker.accounts.is_empty() && worker.broker.urls.is_empty());
    assert!(matches!(worker.store, StoreConfig::Database(_)), "where its token is follows from it");
    let of_broker = missing(ConfigFor::Broker);
    assert!(
        of_broker.len() == 2
            && of_broker.iter().all(|fault| !["cen", "door", "webhook"].iter().any(|name| fault.contains(name))),
        "{of_broker:?}"
    );
    let all = missing(ConfigFor::Everything);
    let of_account: Vec<&String> = all.iter().filter(|fault| fault.contains("1250123456123456")).collect();
    assert_eq!(of_account.len(), 1, "one fault for one missing file: {all:?}");
    let says = "cannot read `access_key_secret_file` of account 1250123456123456 \"/nowhere/cen\": No such file";
    assert!(of_account[0].contains(says), "{all:?}");
}
