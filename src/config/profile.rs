//! A profile of the vendor's command line: one entry of `~/.aliyun/config.json`, by name. It is meant for the machine of an
//! engineer, and used only if the configuration or the command line names it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;

use super::raw_settings::RawSettings;
use super::schema::{ACCOUNTS, HUB, VENDOR};
use super::source::Setting;
use crate::cloud::{Credential, ExternalId, MachineRole, Role, RoleArn, SessionLength, SessionName, StaticKeys};
use crate::document::Location;
use crate::domain::{AccountUid, Code};

/// The modes that can be used, as the vendor writes them.
const MODES: &str = "AK, StsToken, RamRoleArn, EcsRamRole";
/// The shortest session, in seconds. The vendor's command line allows 15 minutes, and asks for them by default.
const SHORTEST: u64 = 1800;

/// A profile for an account or for the hub, as the command line gives it: `1250123456123456=NAME`, `hub=NAME`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ProfileFor {
    /// The account whose credential it is; `None` for the hub.
    pub account: Option<AccountUid>,
    /// The `name` of the entry.
    pub profile: String,
}

impl std::str::FromStr for ProfileFor {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wanted = "a profile must be given with its account, such as 1250123456123456=NAME or hub=NAME";
        let (account, profile) = text.split_once('=').filter(|(_, name)| !name.is_empty()).ok_or(wanted)?;
        let account = match account {
            "hub" => None,
            uid => Some(AccountUid::parse(uid).map_err(|error| format!("{wanted}: {error}"))?),
        };
        Ok(Self { account, profile: profile.to_owned() })
    }
}

impl ProfileFor {
    /// Puts the profile in the place of the credential that is configured.
    pub(super) fn replace(&self, raw: &mut RawSettings<'_>) {
        let (who, section) = match &self.account {
            Some(uid) => (uid.as_str(), format!("{ACCOUNTS}.{uid}")),
            None => ("hub", HUB.to_owned()),
        };
        let location = Location::Option(format!("--profile {who}={}", self.profile));
        raw.replace_credential(&section, Setting { value: self.profile.clone(), location });
    }
}

#[derive(Deserialize)]
struct ProfilesFile {
    #[serde(default)]
    profiles: Option<Vec<Profile>>,
}

/// The fields that the modes need. An entry has others.
#[derive(Deserialize)]
struct Profile {
    #[serde(default)]
    name: String,
    mode: Option<String>,
    access_key_id: Option<String>,
    access_key_secret: Option<SecretString>,
    sts_token: Option<SecretString>,
    ram_role_name: Option<String>,
    ram_role_arn: Option<String>,
    ram_session_name: Option<String>,
    external_id: Option<String>,
    /// Seconds; 0 stands for the default.
    expired_seconds: Option<u64>,
}

/// The credential of the profile that a section names; `None` if it cannot be used, which is reported.
pub(super) fn credential(raw: &mut RawSettings<'_>, section: &str, who: &str) -> Option<Credential> {
    let Setting { value: name, location } = raw.text(section, "profile")?;
    let file = path(raw, &location)?;
    let profiles = read(raw, &file, &location)?;
    let made = match profiles.iter().find(|profile| profile.name == name) {
        Some(profile) => profile.credential(!raw.is_switched_on("imdsv1_disabled")),
        None if profiles.is_empty() => Err(format!("{} has no profiles", file.display())),
        None => {
            let known: Vec<&str> = profiles.iter().map(|profile| profile.name.as_str()).collect();
            Err(format!("{} has only these: {}", file.display(), known.join(", ")))
        }
    };
    let made = made.and_then(|credential| match credential {
        Credential::InstanceRole(_) if raw.is_switched_on("ecs_metadata_disabled") => {
            Err("it is the role of the machine, and ALIBABA_CLOUD_ECS_METADATA_DISABLED is true".to_owned())
        }
        credential => Ok(credential),
    });
    made.inspect_err(|why| {
        let message = format!("the profile \"{name}\" of {who} cannot be used: {why}");
        raw.report_as(Code::ConfigCredential, &location, message);
    })
    .ok()
}

/// The path of the file of profiles.
fn path(raw: &mut RawSettings<'_>, location: &Location) -> Option<PathBuf> {
    if raw.is_switched_on("cli_profile_disabled") {
        let message = "`profile` is set, and ALIBABA_CLOUD_CLI_PROFILE_DISABLED is true; remove one";
        raw.report_as(Code::ConfigContradiction, location, message);
        return None;
    }
    let Some(home) = raw.text(VENDOR, "home") else {
        let message = "`profile` names an entry of ~/.aliyun/config.json, and HOME is not set";
        raw.report_as(Code::ConfigUnreadable, location, message);
        return None;
    };
    Some(Path::new(&home.value).join(".aliyun/config.json"))
}

/// Reads the profiles of the file.
fn read(raw: &mut RawSettings<'_>, file: &Path, location: &Location) -> Option<Vec<Profile>> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) => {
            let message = format!("cannot read the profiles in {}: {error}", file.display());
            raw.report_as(Code::ConfigUnreadable, location, message);
            return None;
        }
    };
    raw.warn_if_open(file);
    match serde_json::from_str::<ProfilesFile>(&text) {
        Ok(file) => Some(file.profiles.unwrap_or_default()),
        Err(error) => {
            // Without the text of the error, which may hold a secret.
            let (path, line, column) = (file.display(), error.line(), error.column());
            let message =
                format!("{path}:{line}:{column}: this is not a file of profiles as `aliyun configure` writes it");
            raw.report(location, message);
            None
        }
    }
}

impl Profile {
    fn credential(&self, without_token: bool) -> Result<Credential, String> {
        let mode = given(self.mode.as_ref()).unwrap_or_default();
        match mode.to_ascii_lowercase().as_str() {
            "ak" => Ok(self.keys(None)?.into()),
            "ststoken" => {
                let token = self.sts_token.clone().ok_or("it has no sts_token")?;
                Ok(self.keys(Some(token))?.into())
            }
            "ramrolearn" => {
                let with = Arc::new(self.keys(self.sts_token.clone())?.into());
                Ok(Credential::AssumeRole { role: self.role()?, with })
            }
            "ecsramrole" => {
                let name = given(self.ram_role_name.as_ref()).map(str::to_owned);
                Ok(Credential::InstanceRole(MachineRole { name, without_token }))
            }
            "" => Err(format!("it has no mode; these can be used: {MODES}")),
            _ => Err(format!("its mode is {mode}; these can be used: {MODES}")),
        }
    }

    fn keys(&self, token: Option<SecretString>) -> Result<StaticKeys, String> {
        let id = given(self.access_key_id.as_ref()).ok_or("it has no access_key_id")?;
        let secret = self.access_key_secret.clone().ok_or("it has no access_key_secret")?;
        Ok(StaticKeys::new(id, secret, token))
    }

    fn role(&self) -> Result<Role, String> {
        let field = |name: &str, error: &dyn std::fmt::Display| format!("its {name} cannot be used: {error}");
        let arn = given(self.ram_role_arn.as_ref()).ok_or("it has no ram_role_arn")?;
        let mut role = Role::new(arn.parse::<RoleArn>().map_err(|error| field("ram_role_arn", &error))?);
        if let Some(name) = given(self.ram_session_name.as_ref()) {
            role.session_name = name.parse::<SessionName>().map_err(|error| field("ram_session_name", &error))?;
        }
        if let Some(id) = given(self.external_id.as_ref()) {
            role.external_id = Some(id.parse::<ExternalId>().map_err(|error| field("external_id", &error))?);
        }
        if let Some(seconds) = self.expired_seconds.filter(|seconds| *seconds > 0) {
            let span = Duration::from_secs(seconds.max(SHORTEST));
            role.session_length = SessionLength::new(span).map_err(|error| field("expired_seconds", &error))?;
        }
        Ok(role)
    }
}

/// A field that is there and not blank.
fn given(field: Option<&String>) -> Option<&str> {
    field.map(|text| text.trim()).filter(|text| !text.is_empty())
}
