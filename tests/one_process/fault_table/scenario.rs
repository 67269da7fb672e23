//! Jobs in which, together, every operation that the client knows is called.

use std::path::Path;
use std::sync::{Arc, OnceLock};

use async_trait::async_trait;
use bytes::Bytes;
use crossgrant::clock::{Clock as _, ManualClock};
use crossgrant::cloud::{
    AccountCredentials, Accounts, ClientParts, Credential, OidcRole, Role, RouterTransport, SessionLength, StaticKeys,
    Timeouts, Transport, TransportError,
};
use crossgrant::domain::{AccountUid, Hour};
use crossgrant::engine::policy::Policy;
use crossgrant::simulator::{Simulator, World};
use crossgrant::store::Sqlite;
use crossgrant::workflow::{Catalog, Overrides, OverridingFile};
use serde_json::{Value, json};

use super::column::Column;
use crate::support::plant::{self, CEN, CEN_OWNER, Plant, RESOURCE, grant, payer_change, revoke, with};

/// How the instance stands when the job comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stands {
    NotGranted,
    Granted,
    Attached,
    /// To the transit router of the Basic Edition, in the region of that.
    AttachedBasic,
}

/// How both accounts' keys are had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keys {
    /// Access keys that stay.
    Given,
    /// Roles, assumed with the transit-router account's key.
    Role,
    /// Roles, assumed with a token each.
    Pod,
}

/// A job, and the world it comes into.
#[derive(Debug, Clone)]
pub struct Scenario {
    pub name: String,
    /// The type of the instance.
    pub of: &'static str,
    pub job: Value,
    pub keys: Keys,
    world: World,
}

const TYPES: [(&str, &str, &str); 5] = [
    ("VPC", "vpc-bp1h8vbrbcgohcju50003", "cn-hangzhou"),
    ("VBR", "vbr-bp1svadp4lq38janc0001", "cn-hangzhou"),
    ("VPN", "vco-bp1bbi27hojx80nck0001", "cn-hangzhou"),
    ("ECR", "ecr-n78omt2qsko06y0001", "cn-hangzhou"),
    ("CCN", "ccn-n2935s1mnwv8i00001", "cn-shanghai"),
];
/// A CEN that has no transit router yet.
const BARE: &str = "cen-faults0000000001";
/// A VPC in the region whose transit router is of the Basic Edition.
const BASIC: (&str, &str) = ("vpc-2zefaults00000001", "cn-beijing");

impl Scenario {
    /// All of them; the plainest job in which an operation is called comes first.
    pub fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for (of, id, _) in TYPES {
            let new = "PayByResourceOwner";
            let deleting = with(revoke("j", id), "options", json!({"attachments": "delete"}));
            all.push(Self::new(of, "grant", Stands::NotGranted, grant("j", id)));
            all.push(Self::new(of, "revoke", Stands::Granted, revoke("j", id)));
            all.push(Self::new(of, "revoke with its attachment", Stands::Attached, deleting.clone()));
            if ["VPC", "VBR", "VPN"].contains(&of) {
                all.push(Self::new(of, "payer change", Stands::Attached, payer_change("j", id, new)));
            }
            if of != "CCN" {
                all.push(Self::new(of, "payer change by a new grant", Stands::Granted, payer_change("j", id, new)));
            }
            if of == "VPC" {
                let bare = Self::new(of, "grant to a CEN without a transit router", Stands::NotGranted, grant("j", id));
                all.push(bare.in_a_bare_cen());
                all.push(Self::new(of, "revoke with its Basic attachment", Stands::AttachedBasic, deleting));
                let changing = Self::new(of, "payer change", Stands::Attached, payer_change("j", id, new));
                all.push(Self { name: format!("{}, roles", changing.name), keys: Keys::Role, ..changing.clone() });
                all.push(Self { name: format!("{}, pods", changing.name), keys: Keys::Pod, ..changing });
            }
        }
        all
    }

    fn new(of: &'static str, what: &str, stands: Stands, job: Value) -> Self {
        let (_, id, region) = TYPES.into_iter().find(|(word, ..)| *word == of).unwrap();
        let (id, region) = if stands == Stands::AttachedBasic { BASIC } else { (id, region) };
        let mut world = include_str!("../../../examples/world.toml").to_owned();
        world += &format!("\n[[cens]]\nid = {BARE:?}\nowner = {CEN_OWNER:?}\n");
        if stands == Stands::AttachedBasic {
            world +=
                &format!("\n[[instances]]\ntype = {of:?}\nid = {id:?}\nregion = {region:?}\nowner = {RESOURCE:?}\n");
        }
        if stands != Stands::NotGranted {
            world += &format!("\n[[grants]]\ncen = \"{CEN}\"\ninstance = \"{id}\"\n");
        }
        let router = match stands {
            Stands::Attached => Some("tr-bp1su1ytdxtataupl0001"),
            Stands::AttachedBasic => Some("tr-bp1su1ytdxtataupl0002"),
            Stands::NotGranted | Stands::Granted => None,
        };
        if let Some(router) = router {
            let attachment = "tr-attach-faults0000000001";
            world += &format!(
                "\n[[attachments]]\nid = \"{attachment}\"\ntransit_router = \"{router}\"\ninstance = \"{id}\"\n"
            );
        }
        let job = with(job, "instance", json!({"type": of, "id": id, "region": region, "owner": RESOURCE}));
        let mut world = World::from_toml(&world).unwrap();
        for account in [RESOURCE, CEN_OWNER] {
            world.trust_token(&uid(account), "pod", "s3cr3t-oidc");
        }
        world.add_role(&uid(CEN_OWNER), "crossgrant", [uid(CEN_OWNER)]);
        Self { name: format!("{of}: {what}"), of, job, keys: Keys::Given, world }
    }

    fn in_a_bare_cen(mut self) -> Self {
        self.job["cen"]["id"] = BARE.into();
        self
    }

    /// A worker in this world. `operation` is the one that the column strikes: of an answer that comes too late it is
    /// what the client gives up. `token` is a file with the OIDC token.
    pub async fn plant(&self, keys: Keys, token: &Path, operation: &str, column: Option<Column>) -> Plant {
        let clock = Arc::new(ManualClock::new("2026-11-21T10:20:00Z".parse().unwrap()));
        let cloud = Simulator::new(self.world.clone(), Hour::REAL, clock.clone());
        let credentials = [(RESOURCE, "resource-key", "resource-secret"), (CEN_OWNER, "cen-key", "cen-secret")].map(
            |(account, id, secret)| AccountCredentials {
                uid: uid(account),
                credential: keys.of(token, account, id, secret),
            },
        );
        let late = column.filter(|column| matches!(column, Column::Slow | Column::TooSlow));
        let transport = Patient {
            inner: RouterTransport::new(cloud.router()),
            clock: clock.clone(),
            operation: late.map(|_| operation.to_owned()),
            gives_up: late == Some(Column::TooSlow),
        };
        let parts = ClientParts::new(clock.clone(), Arc::new(transport), &catalog().classes);
        let accounts = Accounts::new(parts, credentials.into());
        Plant::under(Policy::everybody(), clock, cloud, accounts, Arc::new(Sqlite::in_memory().unwrap()), catalog())
            .await
    }
}

impl Keys {
    fn of(self, token: &Path, account: &str, id: &str, secret: &str) -> Credential {
        let given = |id: &str, secret: &str| StaticKeys::new(id, secret.to_owned().into(), None).into();
        let role = |name: &str| Role {
            session_length: SessionLength::new(std::time::Duration::from_secs(12 * 3600)).unwrap(),
            ..Role::new(format!("acs:ram::{account}:role/{name}").parse().unwrap())
        };
        match self {
            Self::Given => given(id, secret),
            Self::Role => {
                Credential::AssumeRole { role: role("crossgrant"), with: Arc::new(given("cen-key", "cen-secret")) }
            }
            Self::Pod => Credential::Oidc(OidcRole {
                role: role("pod"),
                provider_arn: format!("acs:ram::{account}:oidc-provider/cluster"),
                token_file: token.to_owned(),
            }),
        }
    }
}

/// The policies, with less patience: trying for a quarter of an hour shows as much as trying for six.
fn catalog() -> Arc<Catalog> {
    static CATALOG: OnceLock<Arc<Catalog>> = OnceLock::new();
    let read = || {
        let text: String =
            ["read", "write", "busy", "state"].map(|name| format!("[retry.{name}]\ngive-up = \"15m\"\n")).concat()
                + "[timing]\ngive-up-after = \"5h\"\n";
        let policies = Some(OverridingFile { file: "faults.toml".into(), text });
        plant::catalog(&Overrides { policies, errors: None })
    };
    CATALOG.get_or_init(read).clone()
}

fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

/// The simulated cloud's answers as time passes over them: an answer that is late moves the clock, by itself or, if it
/// is later than the client waits, by that long.
struct Patient {
    inner: RouterTransport,
    clock: Arc<ManualClock>,
    /// Whose answers may be late.
    operation: Option<String>,
    gives_up: bool,
}

impl Patient {
    /// How many answers are held back, those whose time has come let go.
    async fn held(&self) -> usize {
        for _ in 0..8 {
            tokio::task::yield_now().await;
        }
        self.clock.sleepers()
    }

    /// Returns once more answers than `before` are held back.
    async fn held_back(&self, before: usize) {
        while self.clock.sleepers() <= before {
            tokio::task::yield_now().await;
        }
    }
}

#[async_trait]
impl Transport for Patient {
    async fn send(&self, request: http::Request<Bytes>) -> Result<http::Response<Bytes>, TransportError> {
        let action = request.headers().get("x-acs-action").map(|action| action.to_str().unwrap().to_owned());
        let unsigned = || request.uri().query().is_some_and(|query| query.contains("Action=AssumeRoleWithOIDC"));
        let action = action.unwrap_or_else(|| if unsigned() { "AssumeRoleWithOIDC".into() } else { String::new() });
        let answer = self.inner.send(request);
        if self.operation != Some(action) {
            return answer.await;
        }
        let before = self.held().await;
        tokio::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = self.held_back(before) => {}
        }
        let limit = Timeouts::default().request;
        if self.gives_up {
            self.clock.advance(limit);
            return Err(TransportError::Unanswered(format!("no answer within {limit:?}")));
        }
        let wakes = self.clock.next_wake().unwrap_or_else(|| self.clock.now());
        self.clock.advance_to(wakes);
        answer.await
    }
}
