//! Every key of the configuration. Other keys are refused in the file, and warned of in the environment.

use crate::domain::Operation;

/// The keys of each section; `""` stands for the top of the file.
pub(super) const SECTIONS: &[(&str, &[&str])] = &[
    ("", &["hour"]),
    ("store", &["path", "keep", "url", "url_file", "password", "password_file", "ca_file"]),
    ("broker", &["kind", "url", "url_file", "prefix", "prefetch", "declare", "redelivery", "hold", "ca_file"]),
    ("door", &["key", "key_file"]),
    ("events", &["installation"]),
    ("admin", &["listen", "hosts", "page", "https", "token", "token_file"]),
    ("cloud", &["plain_http"]),
    ("cloud.endpoints", &["cbn", "sts", "smartag", "vpc", "metadata"]),
    ("cloud.budget", &["reads_per_second", "writes_per_second", "burst"]),
    ("cloud.budget.operations", Operation::NAMES),
    ("limits", &["revokes_per_cen", "payer_changes_per_account", "unbegun_per_instance"]),
    ("approval", &["two_persons"]),
    ("webhook", &["secret", "secret_file", "give_up", "networks", "ca_file"]),
    ("credentials", &[]),
    (HUB, CREDENTIAL),
    ("worker", &["concurrency", "drain", "name"]),
    ("workflows", &["policies", "errors"]),
    ("log", &["format", "filter"]),
    ("trace", &["endpoint", "ratio"]),
];

/// The credential that roles are assumed with, `[credentials.hub]`.
pub(super) const HUB: &str = "credentials.hub";
/// The keys of a credential.
pub(super) const CREDENTIAL: &[&str] = &[
    "access_key_id",
    "access_key_secret",
    "access_key_secret_file",
    "security_token",
    "security_token_file",
    "role_arn",
    "external_id",
    "session_name",
    "session_length",
    "oidc_provider_arn",
    "oidc_token_file",
    "ecs_role",
    "credentials_uri",
    "profile",
];

/// The section of the variables that the vendor's own tools read: the credential of a hub where none is configured, the
/// endpoint of STS, what is switched off, and the place of the file of profiles.
pub(super) const VENDOR: &str = "vendor";
const VENDOR_VARIABLES: &[(&str, &str)] = &[
    ("ALIBABA_CLOUD_ACCESS_KEY_ID", "access_key_id"),
    ("ALIBABA_CLOUD_ACCESS_KEY_SECRET", "access_key_secret"),
    ("ALIBABA_CLOUD_SECURITY_TOKEN", "security_token"),
    ("ALIBABA_CLOUD_ROLE_ARN", "role_arn"),
    ("ALIBABA_CLOUD_ROLE_SESSION_NAME", "session_name"),
    ("ALIBABA_CLOUD_OIDC_PROVIDER_ARN", "oidc_provider_arn"),
    ("ALIBABA_CLOUD_OIDC_TOKEN_FILE", "oidc_token_file"),
    ("ALIBABA_CLOUD_ECS_METADATA", "ecs_role"),
    ("ALIBABA_CLOUD_ECS_METADATA_DISABLED", "ecs_metadata_disabled"),
    ("ALIBABA_CLOUD_IMDSV1_DISABLED", "imdsv1_disabled"),
    ("ALIBABA_CLOUD_CREDENTIALS_URI", "credentials_uri"),
    ("ALIBABA_CLOUD_CLI_PROFILE_DISABLED", "cli_profile_disabled"),
    (STS_ENDPOINT, "sts_endpoint"),
    (STS_REGION, "sts_region"),
    ("ALIBABA_CLOUD_VPC_ENDPOINT_ENABLED", "vpc_endpoint_enabled"),
    ("HOME", "home"),
];
/// The section of the variables of OpenTelemetry: where traces are sent, and which. Its own library reads the others.
pub(super) const OTEL: &str = "otel";
const OTEL_VARIABLES: &[(&str, &str)] = &[
    ("OTEL_SDK_DISABLED", "disabled"),
    ("OTEL_TRACES_EXPORTER", "exporter"),
    ("OTEL_EXPORTER_OTLP_ENDPOINT", "endpoint"),
    ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "traces_endpoint"),
    ("OTEL_EXPORTER_OTLP_PROTOCOL", "protocol"),
    ("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL", "traces_protocol"),
    ("OTEL_EXPORTER_OTLP_TIMEOUT", "timeout"),
    ("OTEL_EXPORTER_OTLP_TRACES_TIMEOUT", "traces_timeout"),
    ("OTEL_TRACES_SAMPLER", "sampler"),
    ("OTEL_TRACES_SAMPLER_ARG", "sampler_arg"),
];
/// Names the host of STS.
pub(super) const STS_ENDPOINT: &str = "ALIBABA_CLOUD_STS_ENDPOINT";
/// Names the region whose STS is called.
pub(super) const STS_REGION: &str = "ALIBABA_CLOUD_STS_REGION";

/// The table of accounts, `[accounts."<uid>"]`.
pub(super) const ACCOUNTS: &str = "accounts";
/// The keys of an account besides those of a credential.
const ACCOUNT: &[&str] = &["hub", "site"];

/// Whether a key of an account or of the hub belongs to its credential.
pub(super) fn is_of_credential(key: &str) -> bool {
    CREDENTIAL.contains(&key) || key == "hub"
}

/// The keys of an account.
pub(super) fn account_keys() -> impl Iterator<Item = &'static str> + Clone {
    CREDENTIAL.iter().chain(ACCOUNT).copied()
}

/// The list of tokens, `[[admin.token]]`. The settings of each are a section of that name and its number.
pub(super) const TOKENS: &str = "admin.token";
/// The keys of a token.
pub(super) const TOKEN_KEYS: &[&str] = &["name", "role", "token", "token_file", "requesters"];

/// The list of requesters that sign, `[[broker.requester]]`, with the settings of each like those of tokens.
pub(super) const REQUESTERS: &str = "broker.requester";
/// The keys of a requester.
pub(super) const REQUESTER_KEYS: &[&str] = &["name", "key", "key_file"];

/// The list of receivers with secrets of their own, `[[webhook.receiver]]`.
pub(super) const RECEIVERS: &str = "webhook.receiver";
/// The keys of a receiver.
pub(super) const RECEIVER_KEYS: &[&str] = &["host", "secret", "secret_file"];

/// The lists in a section: the keys of each element, and those of them that it must have.
pub(super) const LISTS: [(&str, &[&str], &[&str]); 3] = [
    (TOKENS, TOKEN_KEYS, &["name", "role"]),
    (REQUESTERS, REQUESTER_KEYS, &["name"]),
    (RECEIVERS, RECEIVER_KEYS, &["host"]),
];

/// The list of allow-rules, `[[allow]]`.
pub(super) const ALLOW: &str = "allow";
/// The keys of an allow-rule.
pub(super) const ALLOW_KEYS: &[&str] =
    &["requesters", "kinds", "resource_accounts", "cens", "order_types", "reply_to", "webhook_hosts"];

pub(super) fn keys_of(section: &str) -> &'static [&'static str] {
    SECTIONS.iter().find(|(name, _)| *name == section).map_or(&[], |(_, keys)| keys)
}

/// Whether a table of that path can be in the file, besides those of accounts.
pub(super) fn is_section(path: &str) -> bool {
    !path.is_empty() && SECTIONS.iter().any(|(section, _)| *section == path)
}

/// The names of the tables inside of a section; of those at the top for `""`.
pub(super) fn subsections(section: &str) -> impl Iterator<Item = &'static str> {
    SECTIONS.iter().filter_map(move |(path, _)| match path.rsplit_once('.') {
        Some((parent, name)) => (parent == section).then_some(name),
        None => (section.is_empty() && !path.is_empty()).then_some(*path),
    })
}

/// The names of the lists inside of a section that are no keys of it as well.
pub(super) fn lists_of(section: &str) -> impl Iterator<Item = &'static str> {
    let names = LISTS.iter().filter_map(|(path, ..)| path.rsplit_once('.'));
    names.filter(move |(parent, name)| *parent == section && !keys_of(section).contains(name)).map(|(_, name)| name)
}

/// What can be at the top of the file.
pub(super) fn top_names() -> Vec<&'static str> {
    keys_of("").iter().copied().chain(subsections("")).chain([ACCOUNTS, ALLOW]).collect()
}

/// The prefix of all variables of this program.
const PREFIX: &str = "CROSSGRANT_";
/// Names the configuration file. The command line reads it.
const FILE_VARIABLE: &str = "CROSSGRANT_CONFIG";

/// What a variable of the environment sets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Variable {
    /// A key of a section. The section of an account is `accounts.<uid>`.
    Key(String, &'static str),
    /// Nothing, although it has our prefix.
    Unknown,
    /// Nothing of this program.
    Foreign,
}

/// The variable of a key: `CROSSGRANT_`, section and key in upper case, joined by `_`.
pub(super) fn variable(section: &str, key: &str) -> String {
    let section = section.strip_prefix("accounts.").map_or(section.to_owned(), |uid| format!("account_{uid}"));
    let path = if section.is_empty() { key.to_owned() } else { format!("{section}_{key}") };
    format!("{PREFIX}{}", path.replace('.', "_").to_ascii_uppercase())
}

/// What the variable of that name sets.
pub(super) fn set_by(name: &str) -> Variable {
    for (section, variables) in [(VENDOR, VENDOR_VARIABLES), (OTEL, OTEL_VARIABLES)] {
        if let Some((_, key)) = variables.iter().find(|(variable, _)| *variable == name) {
            return Variable::Key(section.to_owned(), key);
        }
    }
    if !name.starts_with(PREFIX) || name == FILE_VARIABLE {
        return Variable::Foreign;
    }
    for (section, keys) in SECTIONS {
        if let Some(key) = keys.iter().find(|key| variable(section, key) == name) {
            return Variable::Key((*section).to_owned(), key);
        }
    }
    let account = name.strip_prefix("CROSSGRANT_ACCOUNT_").and_then(|rest| rest.split_once('_'));
    if let Some((uid, _)) = account.filter(|(uid, _)| uid.bytes().all(|b| b.is_ascii_digit()) && !uid.is_empty()) {
        let section = format!("{ACCOUNTS}.{uid}");
        if let Some(key) = account_keys().find(|key| variable(&section, key) == name) {
            return Variable::Key(section, key);
        }
    }
    Variable::Unknown
}

/// The variables of all keys outside of accounts, for hints.
pub(super) fn variables() -> Vec<String> {
    SECTIONS.iter().flat_map(|(section, keys)| keys.iter().map(move |key| variable(section, key))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_key_has_a_variable_of_its_own() {
        let mut names = variables();
        let count = names.len();
        names.sort();
        names.dedup();
        assert_eq!(names.len(), count);
        for (section, keys) in SECTIONS {
            for key in *keys {
                assert_eq!(set_by(&variable(section, key)), Variable::Key((*section).to_owned(), key));
            }
        }
    }

    #[test]
    fn variables_are_named_by_section_and_key() {
        assert_eq!(variable("broker", "url"), "CROSSGRANT_BROKER_URL");
        assert_eq!(variable("", "hour"), "CROSSGRANT_HOUR");
        assert_eq!(variable("cloud.endpoints", "cbn"), "CROSSGRANT_CLOUD_ENDPOINTS_CBN");
        let account = set_by("CROSSGRANT_ACCOUNT_1250123456123456_ACCESS_KEY_SECRET_FILE");
        assert_eq!(account, Variable::Key("accounts.1250123456123456".into(), "access_key_secret_file"));
        for (name, expected) in [
            ("CROSSGRANT_BROKR_URL", Variable::Unknown),
            ("CROSSGRANT_ACCOUNT_12_KEY", Variable::Unknown),
            ("CROSSGRANT_CONFIG", Variable::Foreign),
            ("PATH", Variable::Foreign),
            ("ALIBABA_CLOUD_ROLE_ARN", Variable::Key("vendor".into(), "role_arn")),
            ("CROSSGRANT_CREDENTIALS_HUB_ECS_ROLE", Variable::Key("credentials.hub".into(), "ecs_role")),
        ] {
            assert_eq!(set_by(name), expected, "{name}");
        }
    }
}
