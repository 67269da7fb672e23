//! STS: the identity of the caller, and the sessions of roles (API §A.13).

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::accounts::AccessKey;
use super::answer::{ErrorAnswer, Success};
use super::request::{ApiCall, Params};
use super::world::World;
use crate::clock::later;
use crate::domain::AccountUid;

/// The longest session that a role allows, in seconds; the same for every simulated role.
const LONGEST: usize = 12 * 3600;

/// Tells which account or session the key belongs to that signed the call. All values of the answer are strings.
pub(super) fn get_caller_identity(_: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let account = &call.caller.account;
    let body = match &call.caller.role {
        Some(role) => json!({
            "AccountId": account,
            "UserId": "",
            "RoleId": ROLE_ID,
            "PrincipalId": format!("{ROLE_ID}:{}", role.rsplit('/').next().unwrap_or_default()),
            "Arn": format!("acs:ram::{account}:assumed-role/{role}"),
            "IdentityType": "AssumedRoleUser",
        }),
        None => json!({
            "AccountId": account,
            "UserId": account,
            "RoleId": "",
            "PrincipalId": account,
            "Arn": format!("acs:ram::{account}:root"),
            "IdentityType": "Account",
        }),
    };
    Ok(Success::of(body))
}

const ROLE_ID: &str = "344584339364950001";

/// Opens a session in the account of a role that trusts the caller's account.
pub(super) fn assume_role(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    if call.params.text("ExternalId").is_some_and(|id| !is_external_id(id)) {
        return Err(wrong("ExternalId"));
    }
    let untrusted = ErrorAnswer::new(403, "NoPermission", "The role does not trust the caller.");
    assume(world, call, untrusted, |world, arn| {
        let trusts = world.roles.get(arn)?;
        Some(trusts.contains(&call.caller.account))
    })
}

/// Opens a session of a role that trusts the OIDC token. The provider must be one of the role's account.
pub(super) fn assume_role_with_oidc(world: &mut World, call: &ApiCall) -> Result<Success, ErrorAnswer> {
    let (provider, token) = (call.params.required("OIDCProviderArn")?, call.params.required("OIDCToken")?);
    if !(4..=20_000).contains(&token.chars().count()) {
        return Err(ErrorAnswer::bad("AuthenticationFail.OIDCToken.Invalid", "The OIDC token is not valid."));
    }
    let untrusted = ErrorAnswer::new(403, "AuthenticationFail.NoPermission", "The role does not trust the token.");
    let provided = format!("acs:ram::{}:oidc-provider/", call.caller.account);
    if !provider.starts_with(&provided) {
        return Err(untrusted);
    }
    assume(world, call, untrusted, |world, arn| {
        world.roles.get(arn)?;
        Some(world.oidc_tokens.get(arn).is_some_and(|tokens| tokens.contains(token)))
    })
}

/// The account of the role that a request without a signature asks for.
pub(super) fn account_asked_for(params: &Params) -> Result<AccountUid, ErrorAnswer> {
    let arn = params.required("RoleArn")?;
    let (account, _) = role_of(arn).ok_or_else(|| wrong("RoleArn"))?;
    Ok(account)
}

/// Whether a text matches `[\w+=,.@:\/-]{2,1224}` (API §K).
fn is_external_id(text: &str) -> bool {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || b"_+=,.@:/-".contains(&b);
    (2..=1224).contains(&text.len()) && text.bytes().all(allowed)
}

fn wrong(name: &str) -> ErrorAnswer {
    ErrorAnswer::bad(format!("InvalidParameter.{name}"), format!("{name} is not valid."))
}

/// Checks the parameters that both ways of assuming a role share, and opens the session. `trusted` answers `None` for a role
/// that does not exist.
fn assume(
    world: &mut World,
    call: &ApiCall,
    untrusted: ErrorAnswer,
    trusted: impl FnOnce(&World, &str) -> Option<bool>,
) -> Result<Success, ErrorAnswer> {
    let params = &call.params;
    let arn = params.required("RoleArn")?;
    let session = params.required("RoleSessionName")?;
    let (account, role) = role_of(arn).ok_or_else(|| wrong("RoleArn"))?;
    let named = session.bytes().all(|b| b.is_ascii_alphanumeric() || b".@-_".contains(&b));
    if !named || !(2..=64).contains(&session.len()) {
        return Err(wrong("RoleSessionName"));
    }
    let seconds = params.number("DurationSeconds", 900, LONGEST, 3600).map_err(|_| wrong("DurationSeconds"))?;
    match trusted(world, arn) {
        None => return Err(ErrorAnswer::new(404, "EntityNotExist.Role", format!("The role {arn} does not exist."))),
        Some(false) => return Err(untrusted),
        Some(true) => {}
    }
    let life = Duration::from_secs(u64::try_from(seconds).unwrap_or(u64::MAX));
    let credentials = open_session(world, call.now, life, (&account, role), session);
    let user = json!({
        "Arn": format!("acs:ram::{account}:role/{role}/{session}"),
        "AssumedRoleId": format!("{ROLE_ID}:{session}"),
    });
    Ok(Success::of(json!({"AssumedRoleUser": user, "Credentials": credentials})))
}

/// Opens a session, and returns its keys as STS and the metadata service write them.
pub(super) fn open_session(
    world: &mut World,
    now: Timestamp,
    life: Duration,
    (account, role): (&AccountUid, &str),
    session: &str,
) -> Value {
    let expires = later(now, life);
    let id = format!("STS.{}", uuid::Uuid::new_v4().simple());
    let secret = uuid::Uuid::new_v4().simple().to_string();
    let token = format!("{}+/==", uuid::Uuid::new_v4().simple());
    let credentials = json!({
        "AccessKeyId": id,
        "AccessKeySecret": secret,
        "SecurityToken": token,
        "Expiration": expires.strftime("%Y-%m-%dT%H:%M:%SZ").to_string(),
    });
    let role = Some(format!("{role}/{session}"));
    let key = AccessKey { id: id.clone(), secret, token: Some(token), expires: Some(expires), disabled: false, role };
    world.keys.insert(id, (account.clone(), key));
    credentials
}

pub(super) fn role_of(arn: &str) -> Option<(AccountUid, &str)> {
    let (account, role) = arn.strip_prefix("acs:ram::")?.split_once(":role/")?;
    Some((AccountUid::parse(account).ok()?, role))
}
