//! The sources against a cloud that answers by script, on a manual clock.

mod budget;
mod local;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use serde_json::{Value, json};

use async_trait::async_trait;

use super::*;
use crate::clock::ManualClock;
use crate::cloud::rpc::{AccountClient, Client, ClientParts};
use crate::cloud::testing::{self, RESOURCE_ACCOUNT, Scripted, TR_ACCOUNT};
use crate::cloud::{Limits, RouterTransport, TransportError};
use crate::domain::{AccountUid, Hour, Operation};
use crate::engine::ports::cloud::{Failure, Refusal};
use crate::simulator::{OutsideChange, Simulator, World};

const ROLE: &str = "acs:ram::1688000000000001:role/crossgrant";

struct Bench {
    clock: Arc<ManualClock>,
    shared: Arc<Client>,
}

impl Bench {
    fn new(transport: impl crate::cloud::Transport) -> Self {
        Self::limited(transport, None)
    }

    fn limited(transport: impl crate::cloud::Transport, limits: Option<Limits>) -> Self {
        let clock = Arc::new(testing::clock());
        let parts = ClientParts { clock: clock.clone(), limits, ..testing::parts(transport) };
        Self { clock, shared: Client::new(parts) }
    }

    fn source(&self, credential: &Credential) -> Arc<dyn CredentialSource> {
        Sources::new(self.shared.clone()).of(credential)
    }

    fn client(&self, uid: &str, credential: &Credential) -> AccountClient {
        AccountClient::new(AccountUid::parse(uid).unwrap(), self.source(credential), self.shared.clone())
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }
}

fn role(seconds: u64) -> Role {
    let session_length = SessionLength::new(Duration::from_secs(seconds)).unwrap();
    Role { session_length, external_id: Some("x-1".parse().unwrap()), ..Role::new(ROLE.parse().unwrap()) }
}

fn hub() -> Arc<Credential> {
    Arc::new(StaticKeys::new("key-of-hub", "s3cr3t-hub".into(), None).into())
}

fn assumed(seconds: u64) -> Credential {
    Credential::AssumeRole { role: role(seconds), with: hub() }
}

/// An answer with keys that end at a time of the day.
fn session(id: &str, ends: &str) -> Value {
    json!({
        "RequestId": "R",
        "AssumedRoleUser": {"Arn": "acs:ram::1688000000000001:role/crossgrant/crossgrant", "AssumedRoleId": "1:c"},
        "Credentials": {
            "AccessKeyId": id, "AccessKeySecret": format!("s3cr3t-{id}"), "SecurityToken": format!("s3cr3t-t-{id}"),
            "Expiration": format!("2026-05-09T{ends}Z"),
        },
    })
}

fn key_id(request: &Request<bytes::Bytes>) -> String {
    let authorization = request.headers()["authorization"].to_str().unwrap();
    authorization.split("Credential=").nth(1).unwrap().split(',').next().unwrap().to_owned()
}

async fn id(source: &Arc<dyn CredentialSource>) -> String {
    source.keys().await.unwrap().access_key_id.clone()
}

#[test]
fn debug_shows_no_secret() {
    let keys = StaticKeys::new("LTAI-visible", "s3cr3t-key".into(), Some("s3cr3t-token".into()));
    let account = AccountCredentials::new(AccountUid::parse(TR_ACCOUNT).unwrap(), keys);
    let shown = format!("{account:?} {account:#?}");
    assert!(shown.contains("LTAI-visible"), "{shown}");
    assert!(!shown.contains("s3cr3t"), "{shown}");
}

#[tokio::test]
async fn a_session_is_asked_for_as_configured_and_renewed_when_a_quarter_is_left() {
    let cloud = Scripted::new().json(200, session("STS.1", "09:00:00")).json(200, session("STS.2", "09:22:31"));
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(1800));
    assert_eq!(id(&source).await, "STS.1");
    let asked: std::collections::BTreeMap<_, _> = cloud.query(0).into_iter().collect();
    let expected =
        [("DurationSeconds", "1800"), ("ExternalId", "x-1"), ("RoleArn", ROLE), ("RoleSessionName", "crossgrant")];
    assert_eq!(asked, expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
    assert_eq!(key_id(&cloud.requests()[0]), "key-of-hub");
    bench.pass(1349);
    assert_eq!(id(&source).await, "STS.1");
    assert_eq!(cloud.actions().len(), 1);
    bench.pass(1);
    assert_eq!(id(&source).await, "STS.2");
    assert_eq!(cloud.actions(), ["AssumeRole", "AssumeRole"]);
}

#[tokio::test]
async fn of_a_long_session_the_last_quarter_of_an_hour_is_not_used() {
    let cloud = Scripted::new().json(200, session("STS.1", "12:30:00")).json(200, session("STS.2", "16:00:00"));
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(14_400));
    assert_eq!(id(&source).await, "STS.1");
    bench.pass(4 * 3600 - 901);
    assert_eq!(id(&source).await, "STS.1");
    bench.pass(1);
    assert_eq!(id(&source).await, "STS.2");
}

#[tokio::test]
async fn the_life_of_a_session_is_reckoned_by_the_clouds_clock() {
    // The cloud is ten minutes ahead: what ends at 09:10 there ends at 09:00 here.
    let body = session("STS.1", "09:10:00").to_string();
    let headers = [("date", "Sat, 09 May 2026 08:40:00 GMT")];
    let cloud = Scripted::new().raw(200, &headers, &body).json(200, session("STS.2", "10:00:00"));
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(1800));
    assert_eq!(id(&source).await, "STS.1");
    bench.pass(1350);
    assert_eq!(id(&source).await, "STS.2");
}

#[tokio::test]
async fn everybody_who_waits_shares_one_request_and_one_hub() {
    let cloud = Scripted::new().json(200, session("STS.1", "09:30:00")).held();
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(3600));
    let all: Vec<_> = (0..16)
        .map(|_| {
            tokio::spawn({
                let source = source.clone();
                async move { id(&source).await }
            })
        })
        .collect();
    cloud.wait_for_requests(1).await;
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    cloud.release();
    for one in all {
        assert_eq!(one.await.unwrap(), "STS.1");
    }
    assert_eq!(cloud.actions().len(), 1);

    // Two roles of one hub whose own keys are a session: one session of the hub.
    let hub = Arc::new(assumed(3600));
    let of = |name: &str| Credential::AssumeRole {
        role: Role::new(format!("acs:ram::{TR_ACCOUNT}:role/{name}").parse().unwrap()),
        with: hub.clone(),
    };
    let cloud = ["STS.hub", "STS.a", "STS.b"]
        .iter()
        .fold(Scripted::new(), |cloud, id| cloud.json(200, session(id, "09:30:00")));
    let bench = Bench::new(cloud.clone());
    let mut sources = Sources::new(bench.shared.clone());
    let (a, b) = (sources.of(&of("a")), sources.of(&of("b")));
    assert_eq!((id(&a).await, id(&b).await), ("STS.a".to_owned(), "STS.b".to_owned()));
    let keys: Vec<_> = cloud.requests().iter().map(key_id).collect();
    assert_eq!(keys, ["key-of-hub", "STS.hub", "STS.hub"]);
}

#[tokio::test]
async fn a_failure_is_told_to_those_who_wait_and_not_kept() {
    let refused = json!({"RequestId": "R", "Code": "NoPermission", "Message": "no s3cr3t-hub"});
    let cloud = Scripted::new().json(403, refused).json(200, session("STS.1", "09:30:00")).held();
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(3600));
    let all: Vec<_> = (0..8)
        .map(|_| {
            tokio::spawn({
                let source = source.clone();
                async move { source.keys().await }
            })
        })
        .collect();
    cloud.wait_for_requests(1).await;
    for _ in 0..64 {
        tokio::task::yield_now().await;
    }
    cloud.release();
    for one in all {
        let error = one.await.unwrap().unwrap_err();
        assert!(error.why.contains(ROLE) && error.why.contains("NoPermission"), "{error}");
        assert!(!error.why.contains("s3cr3t"), "{error}");
    }
    assert_eq!(cloud.actions().len(), 1);
    assert_eq!(id(&source).await, "STS.1");
}

#[tokio::test]
async fn while_the_old_keys_are_good_a_failed_renewal_is_no_failure() {
    let cloud = Scripted::new()
        .json(200, session("STS.1", "09:30:00"))
        .fail(TransportError::Unanswered("reset".into()))
        .fail(TransportError::NotSent("refused".into()))
        .fail(TransportError::NotSent("refused".into()));
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(3600));
    assert_eq!(id(&source).await, "STS.1");
    bench.pass(2700);
    assert_eq!((id(&source).await, id(&source).await), ("STS.1".to_owned(), "STS.1".to_owned()));
    assert_eq!(cloud.actions().len(), 2, "not asked again at once");
    bench.pass(30);
    assert_eq!(id(&source).await, "STS.1");
    assert_eq!(cloud.actions().len(), 3);
    bench.pass(870);
    assert!(source.keys().await.unwrap_err().why.contains("refused"), "they have ended");
}

#[tokio::test]
async fn a_delay_that_sts_asks_for_is_passed_on() {
    let busy = r#"{"RequestId":"R","Code":"Throttling.User","Message":"m"}"#;
    let cloud = Scripted::new().raw(400, &[("x-acs-retry-after", "7000")], busy);
    let client = Bench::new(cloud).client(RESOURCE_ACCOUNT, &assumed(3600));
    let error = client.verify().await.unwrap_err();
    assert_eq!(error.retry_after, Some(Duration::from_secs(7)));
    let Failure::Credential { refusal, .. } = error.failure else { panic!("{error:?}") };
    assert_eq!((refusal.asked, refusal.code.as_str()), ("AssumeRole", "Throttling.User"));
}

#[tokio::test]
async fn refused_keys_are_given_up_once_and_new_ones_are_not() {
    let cloud = Scripted::new().json(200, session("STS.1", "09:30:00")).json(200, session("STS.2", "09:30:00"));
    let bench = Bench::new(cloud.clone());
    let source = bench.source(&assumed(3600));
    let first = source.keys().await.unwrap();
    source.invalidate(&first);
    assert_eq!(id(&source).await, "STS.2");
    // A second refusal of the first keys comes late.
    source.invalidate(&first);
    assert_eq!(id(&source).await, "STS.2");
    assert_eq!(cloud.actions().len(), 2);
}

/// A world in which the resource account's role can be had in every way.
fn world() -> World {
    let mut world = World::from_toml(include_str!("../../../examples/world.toml")).unwrap();
    let owner = AccountUid::parse(RESOURCE_ACCOUNT).unwrap();
    world.trust_token(&owner, "pod", "s3cr3t-oidc");
    world.set_machine(&owner, "machine");
    world
}

fn oidc(file: &Path) -> Credential {
    Credential::Oidc(OidcRole {
        role: Role::new(format!("acs:ram::{RESOURCE_ACCOUNT}:role/pod").parse().unwrap()),
        provider_arn: format!("acs:ram::{RESOURCE_ACCOUNT}:oidc-provider/cluster"),
        token_file: file.into(),
    })
}

fn simulated() -> (Simulator, Bench, tempfile::TempDir) {
    let clock = Arc::new(testing::clock());
    let simulator = Simulator::new(world(), Hour::REAL, clock.clone());
    let transport = RouterTransport::new(simulator.router());
    let shared = Client::new(ClientParts { clock: clock.clone(), ..testing::parts(transport) });
    (simulator, Bench { clock, shared }, tempfile::tempdir().unwrap())
}

#[tokio::test]
async fn each_way_of_having_keys_shows_to_be_the_expected_account() {
    let (simulator, bench, dir) = simulated();
    let file = dir.path().join("token");
    std::fs::write(&file, "s3cr3t-oidc\n").unwrap();
    let hub = Arc::new(StaticKeys::new("cen-key", "cen-secret".into(), None).into());
    let ways = [
        Credential::AssumeRole { role: Role::new(ROLE.parse().unwrap()), with: hub },
        oidc(&file),
        Credential::InstanceRole("machine".into()),
        Credential::InstanceRole(MachineRole::any()),
    ];
    for way in &ways {
        bench.client(RESOURCE_ACCOUNT, way).verify().await.unwrap();
        let error = bench.client(TR_ACCOUNT, way).verify().await.unwrap_err();
        assert!(error.to_string().contains("belongs to account"), "{error}");
    }
    for (operation, count) in [("AssumeRole", 2), ("AssumeRoleWithOIDC", 2), ("metadata", 4)] {
        let counted = simulator.counts().iter().filter(|c| c.operation == operation).map(|c| c.count).sum::<u64>();
        assert_eq!(counted, count, "{operation}");
    }
}

#[tokio::test]
async fn an_ended_or_revoked_session_is_replaced_and_its_account_is_not_asked_for_again() {
    let (simulator, bench, dir) = simulated();
    let file = dir.path().join("token");
    std::fs::write(&file, "s3cr3t-oidc").unwrap();
    let hub = Arc::new(StaticKeys::new("cen-key", "cen-secret".into(), None).into());
    let ways = [
        Credential::AssumeRole { role: Role::new(ROLE.parse().unwrap()), with: hub },
        oidc(&file),
        Credential::InstanceRole("machine".into()),
    ];
    let request = crate::cloud::request::RpcRequest::new(Operation::DescribeGrantRulesToResource)
        .query("ProductType", "VPC")
        .query("ResourceId", "vpc-bp1h8vbrbcgohcju50001")
        .query("RegionId", "cn-hangzhou");
    let identities = |simulator: &Simulator| {
        simulator.counts().iter().filter(|c| c.operation == "GetCallerIdentity").map(|c| c.count).sum::<u64>()
    };
    for way in &ways {
        let client = bench.client(RESOURCE_ACCOUNT, way);
        let before = identities(&simulator);
        client.call(&request).await.unwrap();
        let old = client.keys(Operation::DescribeGrantRulesToResource).await.unwrap();
        simulator.change(OutsideChange::EndKey { access_key_id: old.access_key_id.clone() }).unwrap();
        let error = client.call(&request).await.unwrap_err();
        assert!(error.to_string().contains("InvalidSecurityToken.Expired"), "{error}");
        client.call(&request).await.unwrap();
        assert_ne!(
            client.keys(Operation::DescribeGrantRulesToResource).await.unwrap().access_key_id,
            old.access_key_id
        );
        assert_eq!(identities(&simulator) - before, 1, "the principal is the same");
    }
}

#[tokio::test]
async fn another_principal_shows_its_account_before_it_is_used() {
    #[derive(Debug)]
    struct Changing(std::sync::Mutex<Arc<Keys>>);
    #[async_trait]
    impl CredentialSource for Arc<Changing> {
        async fn keys(&self) -> Result<Arc<Keys>, CredentialError> {
            Ok(self.0.lock().unwrap().clone())
        }
    }
    let keys = |id: &str, secret: &str, principal: &str| {
        Arc::new(Keys {
            principal: principal.into(),
            access_key_id: id.into(),
            access_key_secret: secret.to_owned().into(),
            security_token: None,
        })
    };
    let (simulator, bench, _dir) = simulated();
    let source = Arc::new(Changing(std::sync::Mutex::new(keys("resource-key", "resource-secret", "one"))));
    let client = bench.client(RESOURCE_ACCOUNT, &source.clone().into());
    let request = crate::cloud::request::RpcRequest::new(Operation::DescribeGrantRulesToResource);
    client.verify().await.unwrap();
    *source.0.lock().unwrap() = keys("cen-key", "cen-secret", "two");
    let error = client.call(&request).await.unwrap_err();
    assert!(error.to_string().contains("belongs to account 1250123456123456"), "{error}");
    assert!(simulator.counts().iter().all(|c| c.operation == "GetCallerIdentity"), "{:?}", simulator.counts());
}

#[tokio::test]
async fn a_token_that_is_written_again_is_read_again() {
    let (_simulator, bench, dir) = simulated();
    let file = dir.path().join("token");
    let source = bench.source(&oidc(&file));
    assert!(source.keys().await.unwrap_err().why.contains("cannot read the OIDC token"));
    std::fs::write(&file, "s3cr3t-stale").unwrap();
    let error = source.keys().await.unwrap_err();
    assert!(error.why.contains("NoPermission") && !error.why.contains("s3cr3t"), "{error}");
    std::fs::write(&file, "s3cr3t-oidc").unwrap();
    source.keys().await.unwrap();
}

#[tokio::test]
async fn a_machine_without_the_role_is_told_so() {
    let (_simulator, bench, _dir) = simulated();
    let error = bench.source(&Credential::InstanceRole("other".into())).keys().await.unwrap_err();
    assert!(error.why.contains("the instance role other") && error.why.contains("HTTP 404"), "{error}");
    let refusal = Refusal { asked: "metadata", status: 404, code: String::new() };
    assert_eq!(error.refusal, Some(refusal));
}
