//! How the keys of an account are obtained.
//!
//! One key of a table says from where: `access_key_id` has the keys themselves; `oidc_provider_arn` stands for the token of a
//! pod, `ecs_role` for the metadata service of the machine, `credentials_uri` for a URL that hands out keys, `profile` for
//! the vendor's command line. A table with none of these uses the keys of the hub. With `role_arn` the keys only assume that
//! role; a pod's token can do nothing else. Two of these keys in one table are refused, since one would be ignored silently.

use std::fmt::Display;
use std::str::FromStr;
use std::sync::Arc;

use super::profile;
use super::raw_settings::RawSettings;
use super::schema::{HUB, VENDOR};
use crate::cloud::{Credential, CredentialsUri, MachineRole, OidcRole, Role, RoleArn, SessionLength, StaticKeys};
use crate::document::{Location, list};
use crate::domain::{AccountUid, Code};

/// Where keys can come from.
#[derive(Clone, Copy)]
enum KeysFrom {
    Keys,
    Token,
    Machine,
    Uri,
    Profile,
}

/// The keys of a table that say where its keys come from.
const KEYS_FROM: [(&str, KeysFrom); 5] = [
    ("access_key_id", KeysFrom::Keys),
    ("oidc_provider_arn", KeysFrom::Token),
    ("ecs_role", KeysFrom::Machine),
    ("credentials_uri", KeysFrom::Uri),
    ("profile", KeysFrom::Profile),
];
/// Switches off the metadata service.
const NO_METADATA: &str = "ecs_metadata_disabled";

/// The credential that roles are assumed with.
pub(super) enum Hub {
    Is(Arc<Credential>),
    /// It is configured and cannot be used, which is reported.
    Broken,
    Absent,
}

/// The credential of the hub: as configured, or else from the vendor's variables.
pub(super) fn hub(raw: &mut RawSettings<'_>) -> Hub {
    let (found, otherwise) = match raw.beginning(HUB) {
        Some(at) => (configured_hub(raw, at), Hub::Broken),
        None => (vendors_hub(raw), Hub::Absent),
    };
    found.map_or(otherwise, |credential| Hub::Is(Arc::new(credential)))
}

fn configured_hub(raw: &mut RawSettings<'_>, at: Location) -> Option<Credential> {
    let mut table = CredentialTable { raw, section: HUB, who: "the hub".to_owned(), at };
    match table.own()? {
        Own { role: None, keys: Some(keys) } => Some(keys),
        Own { role: Some(role), keys: Some(keys) } => Some(Credential::AssumeRole { role, with: Arc::new(keys) }),
        Own { keys: None, .. } => table.refuse(format!("the hub has no keys: set one of {}", ways())),
    }
}

/// The vendor's variables, in the order in which the vendor's own clients try them.
fn vendors_hub(raw: &mut RawSettings<'_>) -> Option<Credential> {
    let at = raw.location(VENDOR, &["access_key_id", "role_arn", "ecs_role", "credentials_uri"])?;
    let mut table = CredentialTable { raw, section: VENDOR, who: "the hub".to_owned(), at };
    if table.has("access_key_id") && table.has("access_key_secret") {
        table.keys()
    } else if ["role_arn", "oidc_provider_arn", "oidc_token_file"].iter().all(|key| table.has(key)) {
        let role = table.role()?;
        table.token(role)
    } else if table.has("ecs_role") && !table.raw.is_switched_on(NO_METADATA) {
        table.machine()
    } else {
        table.uri()
    }
}

/// The credential of an account; `None` if it cannot be used, which is reported.
pub(super) fn account(
    raw: &mut RawSettings<'_>,
    section: &str,
    uid: &AccountUid,
    at: Location,
    hub: &Hub,
) -> Option<Credential> {
    let is_hub = raw.flag(section, "hub").unwrap_or(false);
    let who = format!("account {uid}");
    let mut table = CredentialTable { raw, section, who, at };
    let own = table.own()?;
    if let Some(arn) = own.assumed().map(|role| &role.arn).filter(|arn| arn.account() != uid) {
        return table.refuse(format!("the role of {}, {arn}, is a role of account {}", table.who, arn.account()));
    }
    match own {
        Own { role: Some(role), keys: None } => Some(Credential::AssumeRole { role, with: table.shared(hub)? }),
        Own { role: None, keys: None } if is_hub => Some(Credential::Shared(table.shared(hub)?)),
        Own { role: None, keys: None } => {
            table.refuse(format!("{} has no keys: set `hub = true`, `role_arn`, or one of {}", table.who, ways()))
        }
        _ if is_hub => table.contradicts(format!("{} has `hub = true` and keys of its own; remove one", table.who)),
        Own { role: Some(role), keys: Some(keys) } => Some(Credential::AssumeRole { role, with: Arc::new(keys) }),
        Own { role: None, keys: Some(keys) } => Some(keys),
    }
}

fn ways() -> String {
    list(KEYS_FROM.map(|(key, _)| key))
}

/// What a table has of its own.
struct Own {
    /// The role that the keys of this table, or else those of the hub, assume.
    role: Option<Role>,
    keys: Option<Credential>,
}

impl Own {
    fn assumed(&self) -> Option<&Role> {
        match &self.keys {
            Some(Credential::Oidc(OidcRole { role, .. }) | Credential::AssumeRole { role, .. }) => Some(role),
            _ => self.role.as_ref(),
        }
    }
}

/// The table of the hub or of an account, or the vendor's variables.
struct CredentialTable<'s, 'a> {
    raw: &'s mut RawSettings<'a>,
    section: &'s str,
    /// Whose keys these are, for messages.
    who: String,
    at: Location,
}

impl CredentialTable<'_, '_> {
    fn has(&self, key: &str) -> bool {
        self.raw.has(self.section, key)
    }

    fn refuse<T>(&mut self, message: String) -> Option<T> {
        self.raw.report_as(Code::ConfigCredential, &self.at, message);
        None
    }

    fn contradicts<T>(&mut self, message: String) -> Option<T> {
        self.raw.report_as(Code::ConfigContradiction, &self.at, message);
        None
    }

    fn own(&mut self) -> Option<Own> {
        let from = self.keys_from()?;
        let role = if self.has("role_arn") { Some(self.role()?) } else { None };
        let Some(from) = from else { return Some(Own { role, keys: None }) };
        let keys = match from {
            KeysFrom::Keys => self.keys(),
            KeysFrom::Token => {
                let Some(role) = role else {
                    return self.refuse(format!("{} has an `oidc_provider_arn` and no `role_arn`", self.who));
                };
                return self.token(role).map(|keys| Own { role: None, keys: Some(keys) });
            }
            KeysFrom::Machine => self.machine(),
            KeysFrom::Uri => self.uri(),
            KeysFrom::Profile => profile::credential(self.raw, self.section, &self.who),
        };
        Some(Own { role, keys: Some(keys?) })
    }

    /// Where the keys come from; `Some(None)` if not from this table.
    fn keys_from(&mut self) -> Option<Option<KeysFrom>> {
        let mut named = KEYS_FROM.into_iter().filter(|(key, _)| self.has(key));
        match (named.next(), named.next()) {
            (Some((one, _)), Some((other, _))) => {
                self.contradicts(format!("{} has both `{one}` and `{other}`; remove one", self.who))
            }
            (Some((_, from)), None) => Some(Some(from)),
            (None, _) if self.has("access_key_secret") || self.has("access_key_secret_file") => {
                self.refuse(format!("{} has no `access_key_id`", self.who))
            }
            (None, _) => Some(None),
        }
    }

    /// The hub's credential, for an account that needs it.
    fn shared(&mut self, hub: &Hub) -> Option<Arc<Credential>> {
        match hub {
            Hub::Is(credential) => Some(credential.clone()),
            Hub::Broken => None,
            Hub::Absent => {
                self.refuse(format!("{} needs the hub's keys, and there are none: set `[credentials.hub]`", self.who))
            }
        }
    }

    fn keys(&mut self) -> Option<Credential> {
        let reported = self.raw.problems.len();
        let id = self.raw.text(self.section, "access_key_id");
        let secret = self.raw.secret(self.section, "access_key_secret");
        let token = self.raw.secret(self.section, "security_token");
        match (id, secret) {
            (Some(id), Some(secret)) => Some(StaticKeys::new(id.value, secret, token).into()),
            // One fault is enough for one key.
            _ if self.raw.problems.len() > reported => None,
            _ => self.refuse(format!("{} has no usable `access_key_secret` or `access_key_secret_file`", self.who)),
        }
    }

    /// A role that the token of a pod assumes. A platform sets the vendor's variable of the token's file for every pod, so it
    /// counts where the table does not name one.
    fn token(&mut self, role: Role) -> Option<Credential> {
        let provider_arn = self.raw.text(self.section, "oidc_provider_arn");
        let file = self.raw.text(self.section, "oidc_token_file");
        let Some(file) = file.or_else(|| self.raw.text(VENDOR, "oidc_token_file")) else {
            return self.refuse(format!("{} has no usable `oidc_token_file`", self.who));
        };
        Some(Credential::Oidc(OidcRole { role, provider_arn: provider_arn?.value, token_file: file.value.into() }))
    }

    /// The role of the machine. Its service may be asked without a token, unless the vendor's variable forbids it.
    fn machine(&mut self) -> Option<Credential> {
        if self.raw.is_switched_on(NO_METADATA) {
            let message =
                format!("{} has `ecs_role`, and ALIBABA_CLOUD_ECS_METADATA_DISABLED is true; remove one", self.who);
            return self.contradicts(message);
        }
        let name = self.raw.name_or_true(self.section, "ecs_role")?;
        let without_token = !self.raw.is_switched_on("imdsv1_disabled");
        Some(Credential::InstanceRole(MachineRole { name, without_token }))
    }

    fn uri(&mut self) -> Option<Credential> {
        let uri = self.raw.text(self.section, "credentials_uri")?;
        match uri.value.parse::<CredentialsUri>() {
            Ok(uri) => Some(Credential::Uri(uri)),
            Err(error) => {
                // Without the URI, which may hold a secret.
                self.raw.report(&uri.location, format!("`credentials_uri` cannot be used: {error}"));
                None
            }
        }
    }

    fn role(&mut self) -> Option<Role> {
        let mut role = Role::new(self.parsed::<RoleArn>("role_arn")?);
        role.session_name = self.parsed("session_name").unwrap_or_default();
        role.external_id = self.parsed("external_id");
        if let Some(span) = self.raw.duration(self.section, "session_length") {
            match SessionLength::new(span.value) {
                Ok(length) => role.session_length = length,
                Err(error) => self.raw.report(&span.location, format!("`session_length` cannot be used: {error}")),
            }
        }
        Some(role)
    }

    fn parsed<T: FromStr<Err: Display>>(&mut self, key: &str) -> Option<T> {
        self.raw.parsed(self.section, key).map(|setting| setting.value)
    }
}
