//! How the keys of an account are had.
//!
//! A table says with which keys: its own (`access_key_id`), those of a pod (`oidc_provider_arn`), those of the machine
//! (`ecs_role`), those that a URL hands out (`credentials_uri`), those of a profile of the vendor's command line
//! (`profile`), or, if it says nothing of these, the hub's. With `role_arn` they are what that role is assumed with; a
//! pod's token is good for nothing else. Two sorts of keys in one table contradict each other, since whichever was meant,
//! the other would be used without a word.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use super::error::Origin;
use super::layers::Layers;
use super::profile;
use super::schema::{HUB, VENDOR};
use crate::cloud::{Credential, CredentialsUri, MachineRole, OidcRole, Role, RoleArn, SessionLength, StaticKeys};
use crate::domain::{AccountUid, Code};

/// The keys of a table that each say with which keys.
const SORTS: [&str; 5] = ["access_key_id", "oidc_provider_arn", "ecs_role", "credentials_uri", "profile"];

/// What a table has of its own.
enum Own {
    Keys(Credential),
    Role(Role, Option<Credential>),
    Nothing,
}

/// What the hub has.
pub(super) enum Hub {
    Is(Arc<Credential>),
    /// What is wrong with it was reported.
    Broken,
    Absent,
}

/// The hub's credential. The vendor's variables are gone through in the vendor's order.
pub(super) fn hub(layers: &mut Layers) -> Hub {
    let configured = layers.env.entries.keys().chain(layers.file.entries.keys()).any(|(section, _)| section == HUB);
    let (found, otherwise) =
        if configured { (configured_hub(layers), Hub::Broken) } else { (vendors_hub(layers), Hub::Absent) };
    found.map_or(otherwise, |credential| Hub::Is(Arc::new(credential)))
}

fn configured_hub(layers: &mut Layers) -> Option<Credential> {
    let origin = first_origin(layers, HUB);
    match own(layers, HUB, "the hub", &origin)? {
        Own::Keys(credential) => Some(credential),
        Own::Role(role, Some(with)) => Some(Credential::AssumeRole { role, with: Arc::new(with) }),
        Own::Role(_, None) | Own::Nothing => {
            let message = format!("the hub has nothing to assume a role with: one of {}", quoted(&SORTS));
            layers.faults.report_as(Code::ConfigCredential, &origin, message);
            None
        }
    }
}

fn vendors_hub(layers: &mut Layers) -> Option<Credential> {
    if has(layers, VENDOR, "access_key_id") && has(layers, VENDOR, "access_key_secret") {
        keys(layers, VENDOR)
    } else if ["role_arn", "oidc_provider_arn", "oidc_token_file"].iter().all(|key| has(layers, VENDOR, key)) {
        let role = role(layers, VENDOR)?;
        oidc(layers, VENDOR, role)
    } else if has(layers, VENDOR, "ecs_role") && !layers.is_switched_on(NO_METADATA) {
        machine(layers, VENDOR)
    } else {
        uri(layers, VENDOR)
    }
}

/// Switches off the metadata service.
const NO_METADATA: &str = "ecs_metadata_disabled";

/// The role of the machine; without a token where its service gives none, unless the vendor's variable forbids it.
fn machine(layers: &mut Layers, section: &str) -> Option<Credential> {
    let name = layers.name_or_true(section, "ecs_role")?;
    Some(Credential::InstanceRole(MachineRole { name, without_token: !layers.is_switched_on("imdsv1_disabled") }))
}

fn uri(layers: &mut Layers, section: &str) -> Option<Credential> {
    let uri = layers.text(section, "credentials_uri")?;
    match uri.value.parse::<CredentialsUri>() {
        Ok(uri) => Some(Credential::Uri(uri)),
        Err(error) => {
            // It may hold a secret.
            layers.faults.report(&uri.origin, format!("`credentials_uri` cannot be used: {error}"));
            None
        }
    }
}

fn quoted(keys: &[&str]) -> String {
    keys.iter().map(|key| format!("`{key}`")).collect::<Vec<_>>().join(", ")
}

/// The credential of an account. Reports what is wrong with it.
pub(super) fn account(
    layers: &mut Layers,
    section: &str,
    uid: &AccountUid,
    origin: &Origin,
    hub: &Hub,
) -> Option<Credential> {
    let who = format!("account {uid}");
    let is_hub = layers.flag(section, "hub").unwrap_or(false);
    let own = own(layers, section, &who, origin)?;
    if let Own::Role(role, _) | Own::Keys(Credential::Oidc(OidcRole { role, .. }) | Credential::AssumeRole { role, .. }) =
        &own
        && role.arn.account() != uid
    {
        let message = format!("the role of {who}, {}, is a role of account {}", role.arn, role.arn.account());
        layers.faults.report_as(Code::ConfigCredential, origin, message);
        return None;
    }
    let shared = |layers: &mut Layers| match hub {
        Hub::Is(credential) => Some(credential.clone()),
        Hub::Broken => None,
        Hub::Absent => {
            let message = format!("{who} needs the hub's keys, and there are none: `[credentials.hub]`");
            layers.faults.report_as(Code::ConfigCredential, origin, message);
            None
        }
    };
    match own {
        Own::Keys(_) | Own::Role(_, Some(_)) if is_hub => {
            layers.faults.report_as(
                Code::ConfigContradiction,
                origin,
                format!("{who} is the `hub` and has other keys; one must go"),
            );
            None
        }
        Own::Keys(credential) => Some(credential),
        Own::Role(role, Some(with)) => Some(Credential::AssumeRole { role, with: Arc::new(with) }),
        Own::Role(role, None) => Some(Credential::AssumeRole { role, with: shared(layers)? }),
        Own::Nothing if is_hub => Some(Credential::Shared(shared(layers)?)),
        Own::Nothing => {
            let message = format!("{who} has no usable `hub = true`, `role_arn`, or one of {}", quoted(&SORTS));
            layers.faults.report_as(Code::ConfigCredential, origin, message);
            None
        }
    }
}

fn own(layers: &mut Layers, section: &str, who: &str, origin: &Origin) -> Option<Own> {
    let sorts: Vec<&str> = SORTS.into_iter().filter(|key| has(layers, section, key)).collect();
    if let [one, other, ..] = sorts[..] {
        layers.faults.report_as(
            Code::ConfigContradiction,
            origin,
            format!("{who} has both `{one}` and `{other}`; one must go"),
        );
        return None;
    }
    let wants_role = has(layers, section, "role_arn");
    let role = role(layers, section);
    if wants_role && role.is_none() {
        return None;
    }
    let secret = ["access_key_secret", "access_key_secret_file"].iter().any(|key| has(layers, section, key));
    let with = match sorts.first() {
        Some(&"oidc_provider_arn") => {
            let Some(role) = role else {
                layers.faults.report_as(
                    Code::ConfigCredential,
                    origin,
                    format!("{who} has an `oidc_provider_arn` and no `role_arn`"),
                );
                return None;
            };
            let credential = oidc(layers, section, role);
            if credential.is_none() {
                layers.faults.report_as(
                    Code::ConfigCredential,
                    origin,
                    format!("{who} has no usable `oidc_token_file`"),
                );
            }
            return credential.map(Own::Keys);
        }
        Some(&"ecs_role") if layers.is_switched_on(NO_METADATA) => {
            let message = format!("{who} has `ecs_role`, and ALIBABA_CLOUD_ECS_METADATA_DISABLED is true; one must go");
            layers.faults.report_as(Code::ConfigContradiction, origin, message);
            return None;
        }
        Some(&"ecs_role") => Some(machine(layers, section)?),
        Some(&"credentials_uri") => Some(uri(layers, section)?),
        Some(&"profile") => Some(profile::credential(layers, section, who)?),
        Some(_) => {
            let keys = keys(layers, section);
            if keys.is_none() {
                let message = format!("{who} has no usable `access_key_secret` or `access_key_secret_file`");
                layers.faults.report_as(Code::ConfigCredential, origin, message);
                return None;
            }
            keys
        }
        None if secret => {
            layers.faults.report_as(Code::ConfigCredential, origin, format!("{who} has no usable `access_key_id`"));
            return None;
        }
        None => None,
    };
    Some(match (role, with) {
        (Some(role), with) => Own::Role(role, with),
        (None, Some(with)) => Own::Keys(with),
        (None, None) => Own::Nothing,
    })
}

fn keys(layers: &mut Layers, section: &str) -> Option<Credential> {
    let (id, secret) = (layers.text(section, "access_key_id"), layers.secret(section, "access_key_secret"));
    let token = layers.secret(section, "security_token");
    Some(StaticKeys::new(id?.value, secret?, token).into())
}

/// The token's file is the vendor's variable where the table does not say it: a platform sets that for every pod.
fn oidc(layers: &mut Layers, section: &str, role: Role) -> Option<Credential> {
    let provider_arn = layers.text(section, "oidc_provider_arn")?.value;
    let file = layers.text(section, "oidc_token_file").or_else(|| layers.text(VENDOR, "oidc_token_file"))?;
    Some(Credential::Oidc(OidcRole { role, provider_arn, token_file: file.value.into() }))
}

fn role(layers: &mut Layers, section: &str) -> Option<Role> {
    let mut role = Role::new(read::<RoleArn>(layers, section, "role_arn")?);
    role.session_name = read(layers, section, "session_name").unwrap_or_default();
    if let Some(span) = layers.duration(section, "session_length") {
        match SessionLength::new(span.value) {
            Ok(length) => role.session_length = length,
            Err(error) => layers.faults.report(&span.origin, format!("`session_length` cannot be used: {error}")),
        }
    }
    role.external_id = read(layers, section, "external_id");
    Some(role)
}

fn read<T: FromStr<Err: Display>>(layers: &mut Layers, section: &str, key: &str) -> Option<T> {
    layers.parsed(section, key).map(|set| set.value)
}

fn has(layers: &Layers, section: &str, key: &str) -> bool {
    layers.env.get(section, key).is_some() || layers.file.get(section, key).is_some()
}

/// Where a section begins to be set.
fn first_origin(layers: &Layers, section: &str) -> Origin {
    let entries = layers.file.entries.iter().chain(&layers.env.entries);
    let found = entries.filter(|((of, _), _)| of == section).map(|(_, entry)| entry.origin.clone()).min();
    found.unwrap_or(Origin::Default)
}
