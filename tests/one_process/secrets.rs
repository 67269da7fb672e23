//! No secret shows: not in a log line of any level, not in an event, not in the store's files, not in the text of an
//! error. A whole run with each way of having keys, over real HTTP, with refusals that quote the secrets, and with
//! sessions that are ended in the middle of a job.

use std::io::Write;
use std::path::Path;
use std::sync::{Arc, Mutex};

use crossgrant::clock::ManualClock;
use crossgrant::cloud::{
    AccountCredentials, Accounts, ClientParts, Credential, Endpoint, Endpoints, HttpTransport, OidcRole, Role,
    StaticKeys, Timeouts,
};
use crossgrant::config::{Config, ConfigFor, ProfileFor};
use crossgrant::domain::{AccountUid, Hour};
use crossgrant::simulator::{AccessKey, FaultKind, InjectedFault, OutsideChange, Simulator, World};
use crossgrant::store::Sqlite;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tracing::subscriber::DefaultGuard;

use crate::support::plant::{ATTACHED, CEN_OWNER, NOT_GRANTED, Plant, RESOURCE, grant, payer_change, revoke, usual};

/// Everything that is logged on this thread: the runtime of a test has one. The store has threads of its own, which see
/// no keys; what reaches them is looked for in its files.
#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Log {
    fn start() -> (Self, DefaultGuard) {
        let log = Self::default();
        let writer = log.clone();
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing::Level::TRACE)
            .with_ansi(false)
            .with_writer(move || writer.clone())
            .finish();
        (log, tracing::subscriber::set_default(subscriber))
    }

    /// A place that logs for the first time just while another test changes its subscriber may have been left out.
    fn miss_nothing() {
        tracing::callsite::rebuild_interest_cache();
    }

    fn text(&self) -> String {
        String::from_utf8(self.0.lock().unwrap().clone()).unwrap()
    }
}

fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

fn role(account: &str, name: &str) -> Role {
    Role::new(format!("acs:ram::{account}:role/{name}").parse().unwrap())
}

/// The example world, with everything that keys can be had by.
fn world() -> World {
    let mut world = World::from_toml(include_str!("../../examples/world.toml")).unwrap();
    for account in [RESOURCE, CEN_OWNER] {
        let session = AccessKey {
            id: format!("STS.{account}"),
            secret: format!("s3cr3t-session-{account}"),
            token: Some(format!("s3cr3t-token-{account}")),
            expires: None,
            disabled: false,
            role: None,
        };
        world.add_key(&uid(account), session).unwrap();
        world.trust_token(&uid(account), "pod", &format!("s3cr3t-oidc-{account}"));
    }
    world.add_role(&uid(CEN_OWNER), "crossgrant", [uid(CEN_OWNER)]);
    world.set_machine(&uid(CEN_OWNER), "machine");
    world
}

/// A way of having the keys of an account.
type Way = fn(account: &str, dir: &Path) -> Credential;

fn access_key(account: &str, _: &Path) -> Credential {
    let (id, secret) =
        if account == RESOURCE { ("resource-key", "resource-secret") } else { ("cen-key", "cen-secret") };
    StaticKeys::new(id, secret.to_owned().into(), None).into()
}

fn given_session(account: &str, _: &Path) -> Credential {
    let (secret, token) = (format!("s3cr3t-session-{account}"), format!("s3cr3t-token-{account}"));
    StaticKeys::new(format!("STS.{account}"), secret.into(), Some(token.into())).into()
}

fn assumed_role(account: &str, dir: &Path) -> Credential {
    Credential::AssumeRole { role: role(account, "crossgrant"), with: Arc::new(access_key(CEN_OWNER, dir)) }
}

fn pod(account: &str, dir: &Path) -> Credential {
    let token_file = dir.join(format!("token-{account}"));
    std::fs::write(&token_file, format!("s3cr3t-oidc-{account}\n")).unwrap();
    let provider_arn = format!("acs:ram::{account}:oidc-provider/cluster");
    Credential::Oidc(OidcRole { role: role(account, "pod"), provider_arn, token_file })
}

/// The machine's role is the transit-router account's, and assumes the other.
fn machine(account: &str, _: &Path) -> Credential {
    let machine = Credential::InstanceRole("machine".into());
    if account == CEN_OWNER {
        return machine;
    }
    Credential::AssumeRole { role: role(account, "crossgrant"), with: Arc::new(machine) }
}

/// A sidecar, whose address is a secret too.
fn credentials_uri(account: &str, _: &Path) -> Credential {
    let secret = format!("s3cr3t-session-{account}");
    let keys = json!({
        "Code": "Success",
        "AccessKeyId": format!("STS.{account}"),
        "AccessKeySecret": secret,
        "SecurityToken": format!("s3cr3t-token-{account}"),
        "Expiration": "2026-11-22T10:20:00Z",
    });
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let at = listener.local_addr().unwrap();
    let router = axum::Router::new().fallback(move || std::future::ready(axum::Json(keys.clone())));
    let listener = TcpListener::from_std(listener).unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    Credential::Uri(format!("http://{at}/{secret}?key={secret}").parse().unwrap())
}

/// A profile of the vendor's command line, with a role.
fn profile(account: &str, dir: &Path) -> Credential {
    let file = dir.join(".aliyun/config.json");
    std::fs::create_dir_all(file.parent().unwrap()).unwrap();
    let profile = json!({
        "name": "p",
        "mode": "RamRoleArn",
        "access_key_id": "cen-key",
        "access_key_secret": "cen-secret",
        "ram_role_arn": format!("acs:ram::{account}:role/crossgrant"),
        "ram_session_name": "ann",
    });
    std::fs::write(file, json!({"profiles": [profile]}).to_string()).unwrap();
    let home = ("HOME".to_owned(), dir.display().to_string());
    let profiles = [ProfileFor { account: Some(uid(account)), profile: "p".into() }];
    let config = Config::load_for(ConfigFor::Everything, None, std::iter::once(home), &profiles).unwrap();
    config.accounts[&uid(account)].credential.clone()
}

/// Serves a cloud on the loopback, on this thread.
async fn serve(cloud: &Simulator) -> Endpoints {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    tokio::spawn(cloud.clone().serve(listener, std::future::pending()));
    Endpoints::all(&Endpoint::parse(&format!("http://{at}")).unwrap())
}

fn accounts(clock: &Arc<ManualClock>, endpoints: Endpoints, credentials: Vec<AccountCredentials>) -> Accounts {
    let transport = Arc::new(HttpTransport::new(Timeouts::default().connect).unwrap());
    let parts = ClientParts::new(clock.clone(), transport, &usual().classes);
    Accounts::new(ClientParts { endpoints, ..parts }, credentials)
}

/// What quotes secrets if something does: the cloud itself.
fn quoting(cloud: &Simulator, operation: &str, code: &str, key: &str) -> InjectedFault {
    let message = format!("Server string to sign: {}", cloud.secrets_of(key).join("\n"));
    let kind = FaultKind::Error { http: 400, code: code.into(), message };
    InjectedFault::new(operation, kind)
}

fn last_key(cloud: &Simulator) -> String {
    cloud.ledger().iter().rev().find_map(|entry| entry.access_key_id.clone()).unwrap()
}

async fn no_secret_shows(way: Way, can_be_renewed: bool) {
    let (log, _guard) = Log::start();
    let dir = tempfile::tempdir().unwrap();
    let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
    let cloud = Simulator::new(world(), Hour::REAL, clock.clone());
    let endpoints = serve(&cloud).await;
    let credentials: Vec<_> = [RESOURCE, CEN_OWNER].map(|a| AccountCredentials::new(uid(a), way(a, dir.path()))).into();
    let mut shown = vec![format!("{credentials:?}")];
    let store = dir.path().join("store").join("jobs.db");
    let accounts = accounts(&clock, endpoints.clone(), credentials);
    let plant = Plant::of(clock.clone(), cloud.clone(), accounts, Arc::new(Sqlite::open(&store).unwrap())).await;

    Log::miss_nothing();
    let granted = plant.job(grant("grant", NOT_GRANTED)).await;
    plant.run().await;
    Log::miss_nothing();
    let key = last_key(&cloud);
    cloud.inject(quoting(&cloud, "RevokeInstanceFromTransitRouter", "SignatureDoesNotMatch", &key));
    let refused = plant.job(revoke("refused", NOT_GRANTED)).await;
    plant.run().await;
    let changed = plant.job(payer_change("change", ATTACHED, "PayByResourceOwner")).await;
    if can_be_renewed {
        // The write itself meets a session that has ended, with the message quoting it.
        let key = last_key(&cloud);
        cloud.inject(quoting(&cloud, "ModifyGrantInstanceToTransitRouter", "InvalidSecurityToken.Expired", &key));
    }
    let before_the_hour = "2026-11-21T10:59:00Z".parse().unwrap();
    plant.run_until(before_the_hour).await;
    assert_eq!(plant.said(changed).await, ["accepted", "waiting"]);
    if can_be_renewed {
        // All sessions end while the job waits for the hour.
        let keys: std::collections::BTreeSet<_> = cloud.ledger().into_iter().filter_map(|e| e.access_key_id).collect();
        for access_key_id in keys {
            assert!(access_key_id.starts_with("STS."), "{access_key_id}");
            cloud.change(OutsideChange::EndKey { access_key_id }).unwrap();
        }
    }
    plant.run().await;

    assert_eq!(plant.said(granted).await, ["accepted", "completed"]);
    assert_eq!(plant.said(refused).await, ["accepted", "completed"]);
    assert_eq!(plant.said(changed).await.last().unwrap(), "completed");
    let writes = ["GrantInstance", "ModifyGrant", "UpdateTransit"];
    for write in writes {
        assert_eq!(plant.effects().iter().filter(|e| e.starts_with(write)).count(), 1, "{:?}", plant.effects());
    }
    let mut events: Vec<Value> = Vec::new();
    for job in [granted, refused, changed] {
        events.extend(plant.events(job).await);
        shown.push(format!("{:?}", plant.record(job).await));
    }
    let events = serde_json::to_string(&events).unwrap();
    shown.push(events);
    shown.extend(errors(&clock, &endpoints, way, dir.path()).await);

    let log = log.text();
    assert!(log.contains("TRACE") && log.contains("cloud call ended"), "nothing was logged: {log}");
    let told = |line: &str| line.contains("WARN") && line.contains("SignatureDoesNotMatch") && line.contains("***");
    assert!(log.lines().any(told), "the refusal was told, without what it quoted: {log}");
    let files: Vec<Vec<u8>> = std::fs::read_dir(store.parent().unwrap())
        .unwrap()
        .map(|f| std::fs::read(f.unwrap().path()).unwrap())
        .collect();
    assert!(files.iter().any(|bytes| find(bytes, NOT_GRANTED)), "the store holds the jobs");
    for secret in cloud.secrets() {
        // A token's last characters may be written otherwise in a URL.
        let secret = secret.trim_end_matches("+/==");
        assert!(secret.len() >= 10, "long enough to be looked for: {secret}");
        for line in log.lines() {
            assert!(!line.contains(secret), "logged: {secret} in {line}");
        }
        assert!(shown.iter().all(|text| !text.contains(secret)), "told: {secret}");
        assert!(files.iter().all(|bytes| !find(bytes, secret)), "stored: {secret}");
    }
}

/// What is said when each account is given the keys of the other, and when there are none.
async fn errors(clock: &Arc<ManualClock>, endpoints: &Endpoints, way: Way, dir: &Path) -> Vec<String> {
    let crossed = [AccountCredentials::new(uid(RESOURCE), way(CEN_OWNER, dir))];
    let unusable = AccountCredentials::new(
        uid(CEN_OWNER),
        StaticKeys::new("no-key", "s3cr3t-of-no-account".to_owned().into(), None),
    );
    let accounts = accounts(clock, endpoints.clone(), crossed.into_iter().chain([unusable]).collect());
    let mut texts = Vec::new();
    for account in [RESOURCE, CEN_OWNER] {
        let error = accounts.verify(&uid(account)).await.unwrap_err();
        texts.push(format!("{error} {error:?}"));
    }
    texts
}

fn find(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn no_secret_of_an_access_key_shows() {
    no_secret_shows(access_key, false).await;
}

#[tokio::test]
async fn no_secret_of_a_session_that_was_given_shows() {
    no_secret_shows(given_session, false).await;
}

#[tokio::test]
async fn no_secret_of_an_assumed_role_shows() {
    no_secret_shows(assumed_role, true).await;
}

#[tokio::test]
async fn no_secret_of_a_pod_shows() {
    no_secret_shows(pod, true).await;
}

#[tokio::test]
async fn no_secret_of_a_machine_shows() {
    no_secret_shows(machine, true).await;
}

#[tokio::test]
async fn no_secret_of_a_credentials_uri_shows() {
    no_secret_shows(credentials_uri, false).await;
}

#[tokio::test]
async fn no_secret_of_a_profile_shows() {
    no_secret_shows(profile, true).await;
}
