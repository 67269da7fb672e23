//! `[admin]` and `[door]`: where HTTP is answered, to whom, and who may send jobs by it.

use std::net::SocketAddr;

use secrecy::{ExposeSecret, SecretString};

use super::super::error::Warning;
use super::super::raw_settings::RawSettings;
use super::super::schema;
use super::super::settings::{AdminConfig, BrokerConfig, ConfigFor};
use super::super::source::Setting;
use super::broker::check_keys;
use crate::admin::{ADMIN, AdminRole, AdminToken, LOCAL, is_name};
use crate::domain::{Code, Requester, without_secrets};

pub(super) fn read_door(raw: &mut RawSettings<'_>, broker: &BrokerConfig, admin: &AdminConfig) -> Vec<SecretString> {
    let submits = admin.tokens.iter().any(|token| token.role == AdminRole::Submitter);
    if raw.purpose != ConfigFor::Everything {
        return Vec::new();
    }
    let Some(at) = raw.location("door", &["key", "key_file"]) else {
        if submits {
            let message =
                "there is a token with the role \"submitter\" and no `[door] key`, so no job comes in over HTTP";
            raw.warnings.push(Warning { code: Code::DoorClosed, message: message.into() });
        }
        return Vec::new();
    };
    if !submits {
        let message = "there is a `[door] key` and no token with the role \"submitter\", so no job comes in over HTTP";
        raw.warnings.push(Warning { code: Code::DoorClosed, message: message.into() });
    }
    let keys = raw.secrets("door", "key").unwrap_or_default();
    check_keys(raw, &at, &keys);
    let of_requesters = broker.requesters.values().flatten().map(SecretString::expose_secret);
    if of_requesters.into_iter().any(|other| keys.iter().any(|key| key.expose_secret() == other)) {
        let message =
            "`key` is that of a `[[broker.requester]]` as well, who could then sign for every token: make another one";
        raw.report_as(Code::ConfigContradiction, &at, message);
    }
    keys
}

pub(super) fn read_admin(raw: &mut RawSettings<'_>) -> AdminConfig {
    let listen = raw.parsed::<SocketAddr>("admin", "listen");
    AdminConfig {
        listen: listen.map_or(SocketAddr::from(([127, 0, 0, 1], 9180)), |listen| listen.value),
        hosts: read_hosts(raw),
        page: raw.flag("admin", "page").unwrap_or(true),
        https: raw.flag("admin", "https").unwrap_or(false),
        token: raw.secret("admin", "token"),
        tokens: read_tokens(raw),
    }
}

fn read_hosts(raw: &mut RawSettings<'_>) -> Vec<String> {
    let Some(Setting { value: hosts, location }) = raw.strings("admin", "hosts") else { return Vec::new() };
    let of_a_name = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
    for host in hosts.iter().filter(|host| !host.bytes().all(of_a_name)) {
        let host = without_secrets(host);
        raw.report(&location, format!("`hosts` cannot have \"{host}\": write the name alone, without scheme and port"));
    }
    hosts
}

fn read_tokens(raw: &mut RawSettings<'_>) -> Vec<AdminToken> {
    let roles = AdminRole::ALL.map(|role| (role.as_str(), role));
    let mut tokens: Vec<AdminToken> = Vec::new();
    for number in 0.. {
        let section = format!("{}.{number}", schema::TOKENS);
        let Some(at) = raw.beginning(&section) else { break };
        let (name, role) = (raw.text(&section, "name"), raw.word(&section, "role", &roles));
        if raw.location(&section, &["token", "token_file"]).is_none() {
            raw.report(&at, "this `[[admin.token]]` has neither `token` nor `token_file`");
        }
        let requesters = requesters_of(raw, &section);
        let (Some(name), Some(role), Some(secret)) = (name, role, raw.secret(&section, "token")) else { continue };
        let Setting { value: name, location } = name;
        let twice = |other: &&AdminToken| other.secret.expose_secret() == secret.expose_secret();
        if !is_name(&name) {
            raw.report(&location, "`name` must be one word of at most 64 letters, digits, `-`, `_` and `.`");
        } else if [ADMIN, LOCAL].contains(&name.as_str()) || tokens.iter().any(|other| other.name == name) {
            let message = format!("`name` is \"{name}\", as that of another token is; every token needs its own");
            raw.report_as(Code::ConfigContradiction, &location, message);
        } else if let Some(other) = tokens.iter().find(twice) {
            let message = format!("the tokens {} and {name} are the same; every token needs its own", other.name);
            raw.report_as(Code::ConfigContradiction, &at, message);
        }
        tokens.push(AdminToken { name, role, secret, requesters });
    }
    tokens
}

fn requesters_of(raw: &mut RawSettings<'_>, section: &str) -> Vec<Requester> {
    let Some(Setting { value: names, location }) = raw.strings(section, "requesters") else { return Vec::new() };
    let parsed = |name: &String| match Requester::parse(name.as_str()) {
        Ok(requester) => Some(requester),
        Err(error) => {
            raw.report(&location, format!("`requesters` cannot have \"{name}\": {error}"));
            None
        }
    };
    names.iter().filter_map(parsed).collect()
}
