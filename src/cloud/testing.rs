//! For the tests of this module: a cloud that gives scripted answers, and a client for it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use bytes::Bytes;
use http::{Request, Response};
use serde_json::{Value, json};
use tokio::sync::watch;

use super::credentials::{AccountCredentials, Sources, StaticKeys};
use super::rpc::{AccountClient, Client, ClientParts};
use super::transport::{Transport, TransportError};
use super::{Accounts, CallObserver};
use crate::clock::ManualClock;
use crate::domain::{AccountUid, Cen, CenId, Instance, InstanceId, InstanceType, Region};
use crate::engine::ports::crash_points::NoCrashes;
use crate::engine::ports::write_permit::WritePermit;
use crate::workflow::ErrorClasses;

pub const RESOURCE_ACCOUNT: &str = "1688000000000001";
pub const TR_ACCOUNT: &str = "1250123456123456";
pub const SECRET: &str = "s3cr3t-key";
pub const TOKEN: &str = "s3cr3t-token";

/// Gives its answers in order and keeps the requests. It confirms the account of every credential by itself, unless
/// [`Scripted::identities_too`] was called.
#[derive(Clone)]
pub struct Scripted(Arc<Inner>);

struct Inner {
    answers: Mutex<VecDeque<Result<Response<Bytes>, TransportError>>>,
    requests: Mutex<Vec<Request<Bytes>>>,
    identities: Mutex<bool>,
    asked: watch::Sender<usize>,
    open: watch::Sender<bool>,
}

impl Scripted {
    pub fn new() -> Self {
        Self(Arc::new(Inner {
            answers: Mutex::default(),
            requests: Mutex::default(),
            identities: Mutex::new(false),
            asked: watch::Sender::new(0),
            open: watch::Sender::new(true),
        }))
    }

    pub fn identities_too(self) -> Self {
        *self.0.identities.lock().unwrap() = true;
        self
    }

    /// Answers nothing until [`Scripted::release`].
    pub fn held(self) -> Self {
        self.0.open.send_replace(false);
        self
    }

    pub fn release(&self) {
        self.0.open.send_replace(true);
    }

    pub async fn wait_for_requests(&self, count: usize) {
        self.0.asked.subscribe().wait_for(|asked| *asked >= count).await.unwrap();
    }

    pub fn json(self, status: u16, body: Value) -> Self {
        self.raw(status, &[("content-type", "application/json")], &body.to_string())
    }

    pub fn raw(self, status: u16, headers: &[(&str, &str)], body: &str) -> Self {
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(Bytes::copy_from_slice(body.as_bytes())).unwrap();
        self.0.answers.lock().unwrap().push_back(Ok(response));
        self
    }

    pub fn fail(self, error: TransportError) -> Self {
        self.0.answers.lock().unwrap().push_back(Err(error));
        self
    }

    /// The requests, without those for identities that were not scripted.
    pub fn requests(&self) -> Vec<Request<Bytes>> {
        self.0.requests.lock().unwrap().clone()
    }

    pub fn actions(&self) -> Vec<String> {
        self.requests().iter().map(action).collect()
    }

    /// The decoded query of a request.
    pub fn query(&self, index: usize) -> Vec<(String, String)> {
        let requests = self.requests();
        form_urlencoded::parse(requests[index].uri().query().unwrap_or("").as_bytes()).into_owned().collect()
    }
}

/// The operation; of a request that names none, its method and path.
fn action(request: &Request<Bytes>) -> String {
    match request.headers().get("x-acs-action") {
        Some(action) => action.to_str().unwrap().to_owned(),
        None => format!("{} {}", request.method(), request.uri().path()),
    }
}

#[async_trait]
impl Transport for Scripted {
    async fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        if action(&request) == "GetCallerIdentity" && !*self.0.identities.lock().unwrap() {
            let authorization = request.headers()["authorization"].to_str().unwrap();
            let uid = authorization.split("key-of-").nth(1).unwrap().split(',').next().unwrap();
            let body = json!({"RequestId": "identity", "AccountId": uid}).to_string();
            return Ok(Response::new(body.into()));
        }
        self.0.requests.lock().unwrap().push(request);
        self.0.asked.send_modify(|asked| *asked += 1);
        self.0.open.subscribe().wait_for(|open| *open).await.unwrap();
        self.0.answers.lock().unwrap().pop_front().expect("the script has an answer for every request")
    }
}

pub fn credentials(uid: &str) -> AccountCredentials {
    let keys = StaticKeys::new(format!("key-of-{uid}"), SECRET.into(), Some(TOKEN.into()));
    AccountCredentials::new(AccountUid::parse(uid).unwrap(), keys)
}

pub fn clock() -> ManualClock {
    ManualClock::new("2026-05-09T08:30:00Z".parse().unwrap())
}

/// A permit that does not end.
pub fn permit() -> Arc<WritePermit> {
    WritePermit::new(Arc::new(clock()), Arc::new(NoCrashes), Duration::MAX)
}

pub fn client(cloud: &Scripted, uid: &str) -> AccountClient {
    client_of(uid, parts(cloud.clone()))
}

pub fn client_of(uid: &str, parts: ClientParts) -> AccountClient {
    let shared = Client::new(parts);
    let AccountCredentials { uid, credential } = credentials(uid);
    AccountClient::new(uid, Sources::new(shared.clone()).of(&credential), shared)
}

pub fn accounts(cloud: &Scripted, observer: impl CallObserver) -> Accounts {
    let parts = ClientParts { observer: Arc::new(observer), ..parts(cloud.clone()) };
    Accounts::new(parts, vec![credentials(RESOURCE_ACCOUNT), credentials(TR_ACCOUNT)])
}

/// A client on [`clock`], by the embedded error table.
pub fn parts(transport: impl Transport) -> ClientParts {
    let classes = ErrorClasses::load(include_str!("../../workflows/errors.toml"), None).unwrap();
    ClientParts::new(Arc::new(clock()), Arc::new(transport), &classes)
}

pub fn uid(text: &str) -> AccountUid {
    AccountUid::parse(text).unwrap()
}

pub fn cen() -> Cen {
    Cen { id: CenId::parse("cen-44m0p68spvlrqq0001").unwrap(), owner: uid(TR_ACCOUNT) }
}

pub fn instance(kind: InstanceType) -> Instance {
    Instance {
        kind,
        id: InstanceId::parse(format!("{}bp1h8vbrbcgohcju50001", kind.prefix())).unwrap(),
        region: Region::parse("cn-hangzhou").unwrap(),
        owner: uid(RESOURCE_ACCOUNT),
    }
}
