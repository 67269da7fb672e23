//! What the parts without any IO cost: `make bench-pure`. The envelope is read through the client, with a transport that
//! answers at once, since nothing else can reach it; so a call is its parameters, its signature and its answer.

#![allow(missing_docs, reason = "the macros of criterion make functions without any")]

use std::collections::VecDeque;
use std::hint::black_box;
use std::sync::{Arc, Mutex};

use anyhow::{Context as _, Result};
use async_trait::async_trait;
use bytes::Bytes;
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use crossgrant::actions;
use crossgrant::clock::SystemClock;
use crossgrant::cloud::{
    AccountCredentials, Accounts, ClientParts, StaticKeys, Transport, TransportError, canonicalize,
};
use crossgrant::domain::contract::{Envelope, parse};
use crossgrant::domain::{
    AccountUid, Attachment, Cen, CenId, ChildInstance, Edition, GrantRule, Hour, InstanceId, InstanceType, Job, JobUid,
    Kind, ListedAttachment, OrderType, Requester, TransitRouter,
};
use crossgrant::engine::decide::decision::{Context, Observation, decide};
use crossgrant::engine::decide::waiting::decide_swept;
use crossgrant::engine::look::cen_rules::CenSearch;
use crossgrant::engine::ports::cloud::{
    Answer, CloudError, Listing, Readers as _, RuleFilter, RulePage, TransitRouterReader,
};
use crossgrant::engine::record::{Phase, Record, Turn};
use crossgrant::engine::seen::Seen;
use crossgrant::workflow::{Catalog, Overrides};
use http::{HeaderMap, HeaderValue, Request, Response};
use jiff::Timestamp;
use serde_json::json;
use tokio::runtime::Runtime;
use uuid::Uuid;

const OWNER: &str = "1250123456123456";
const CEN: &str = "cen-44m0p68spvlrqq0001";
const RESOURCE: &str = "1688000000000001";
const NOW: Timestamp = Timestamp::constant(1_793_700_000, 0);
/// Rules on a page of the cloud.
const PAGE: usize = 100;

fn instance(n: usize) -> Result<InstanceId> {
    Ok(InstanceId::parse(format!("vpc-{n:016}"))?)
}

fn cen() -> Result<Cen> {
    Ok(Cen { id: CenId::parse(CEN)?, owner: AccountUid::parse(OWNER)? })
}

fn message() -> Vec<u8> {
    let instance = json!({"type": "VPC", "id": "vpc-0000000000000000", "region": "cn-hangzhou", "owner": RESOURCE});
    let cen = json!({"id": CEN, "owner": OWNER});
    let job = json!({"id": "NET-4312/1", "kind": "payer-change", "instance": instance, "cen": cen,
        "order_type": "PayByResourceOwner", "labels": {"ticket": "NET-4312"}});
    job.to_string().into_bytes()
}

fn job() -> Result<Job> {
    let envelope =
        Envelope { message_id: None, routing_key: "job.payer-change", reply_to: None, reserved: "crossgrant" };
    parse(&message(), &envelope).ok().context("the message is a job")
}

fn rule(n: usize, effective: OrderType) -> Result<GrantRule> {
    Ok(GrantRule {
        cen: CenId::parse(CEN)?,
        cen_owner: AccountUid::parse(OWNER)?,
        instance: instance(n)?,
        instance_owner: None,
        region: None,
        order_type: Some(OrderType::PayByResourceOwner),
        effective_order_type: Some(effective),
    })
}

fn contract(c: &mut Criterion) {
    let message = message();
    let envelope =
        Envelope { message_id: None, routing_key: "job.payer-change", reply_to: None, reserved: "crossgrant" };
    c.bench_function("contract/parse a message", |b| b.iter(|| parse(black_box(&message), &envelope)));
}

fn catalog() -> Result<Catalog> {
    Catalog::embedded(&actions::registry().specs(), &Overrides::default()).ok().context("the catalog loads")
}

fn deciding(c: &mut Criterion) -> Result<()> {
    let registry = actions::registry();
    let catalog = catalog()?;
    let definition = catalog.definition(Kind::PayerChange);
    let rules = Context {
        definition,
        registry: &registry,
        policies: &catalog.policies,
        classes: &catalog.classes,
        hour: Hour::REAL,
        told: true,
    };
    let uid = JobUid(Uuid::from_u128(1));
    let step = &definition.first().name;
    let mut record = Record::new(uid, Requester::anonymous(), job()?, definition.digest(), step, NOW);
    let taken_up = Observation::TakenUp { refusal: None, objections: vec![], paused: None };
    c.bench_function("decide/taken up", |b| b.iter(|| decide(&rules, black_box(&record), &taken_up, NOW)));

    record.phase = Phase::Running(Turn::Due(NOW));
    let before = GrantRule { order_type: Some(OrderType::PayByCenOwner), ..rule(0, OrderType::PayByCenOwner)? };
    let attachment = |order_type| Attachment {
        id: "tr-attach-nls9fzkfat89340001".into(),
        edition: Edition::Enterprise,
        status: "Attached".into(),
        order_type: Some(order_type),
    };
    let listing = |items| Some(Listing { items, complete: true });
    let seen = |rule: GrantRule, attached| Seen {
        date: Some(NOW),
        calls: 3,
        cen_rule: Some(Listing { items: vec![rule.clone()], complete: true }),
        resource_rules: Some(Listing { items: vec![rule], complete: true }),
        attachments: listing(vec![attachment(attached)]),
        basic: listing(vec![]),
        ..Seen::nothing(NOW)
    };
    let looked = |seen| Observation::Looked { seen, rivals: vec![] };
    let first = looked(seen(before, OrderType::PayByCenOwner));
    c.bench_function("decide/a look, to the first intent", |b| {
        b.iter(|| decide(&rules, black_box(&record), &first, NOW));
    });
    let written = looked(seen(rule(0, OrderType::PayByCenOwner)?, OrderType::PayByResourceOwner));
    c.bench_function("decide/a look, to the wait", |b| b.iter(|| decide(&rules, black_box(&record), &written, NOW)));

    let waiting = decide(&rules, &record, &written, NOW).record;
    anyhow::ensure!(waiting.is_swept(), "it waits: {}", waiting.why);
    let effective = rule(0, OrderType::PayByResourceOwner)?;
    c.bench_function("decide/swept, to the end", |b| {
        let decide = |waiting| decide_swept(&rules, waiting, Some(&effective), None, NOW, NOW);
        b.iter_batched(|| waiting.clone(), decide, BatchSize::SmallInput);
    });
    Ok(())
}

/// A CEN whose pages are there already, to be taken in order.
struct Pages(Mutex<VecDeque<RulePage>>);

#[async_trait]
impl TransitRouterReader for Pages {
    async fn describe_grant_rules_to_cen(
        &self,
        _: &Cen,
        _: InstanceType,
        _: &RuleFilter,
    ) -> Result<Answer<RulePage>, CloudError> {
        let value = self.0.lock().expect("no holder panics").pop_front().expect("it is asked for as many as there are");
        Ok(Answer { value, request_id: String::new(), date: None, calls: 1 })
    }

    async fn describe_cens(&self, _: &Cen) -> Result<Answer<Listing<CenId>>, CloudError> {
        unreachable!("a search for rules reads rules")
    }

    async fn list_transit_routers(&self, _: &Cen) -> Result<Answer<Listing<TransitRouter>>, CloudError> {
        unreachable!("a search for rules reads rules")
    }

    async fn list_attachments(
        &self,
        _: &str,
        _: InstanceType,
        _: Option<&InstanceId>,
    ) -> Result<Answer<Listing<ListedAttachment>>, CloudError> {
        unreachable!("a search for rules reads rules")
    }

    async fn describe_attached_child_instances(
        &self,
        _: &Cen,
        _: InstanceType,
    ) -> Result<Answer<Listing<ChildInstance>>, CloudError> {
        unreachable!("a search for rules reads rules")
    }
}

/// The plan of a pass over one CEN, from its pages to what is told of each: as many waiting as there are rules.
fn planner(c: &mut Criterion) -> Result<()> {
    let (runtime, cen) = (runtime()?, cen()?);
    for size in [PAGE, 20 * PAGE] {
        let instances = (0..size).map(instance).collect::<Result<Vec<_>>>()?;
        let rules = (0..size).map(|n| rule(n, OrderType::PayByResourceOwner)).collect::<Result<Vec<_>>>()?;
        let total = u64::try_from(size)?;
        let page = |(n, rules): (usize, &[GrantRule])| {
            let next = ((n + 1) * PAGE < size).then(|| n.to_string());
            RulePage { rules: rules.to_vec(), next, total: Some(total) }
        };
        let pages = || Pages(Mutex::new(rules.chunks(PAGE).enumerate().map(page).collect()));
        c.bench_function(&format!("planner/{size} of {size} rules"), |b| {
            let search = |pages| {
                let mut search = CenSearch::new(&pages, &SystemClock, &cen, InstanceType::VPC, None);
                let found = runtime.block_on(search.find(&instances, 0));
                assert_eq!(found.len(), size);
                found
            };
            b.iter_batched(pages, search, BatchSize::LargeInput);
        });
    }
    Ok(())
}

fn runtime() -> Result<Runtime> {
    Ok(tokio::runtime::Builder::new_current_thread().enable_time().build()?)
}

fn signing(c: &mut Criterion) {
    let query: Vec<(String, String)> =
        [("CenId", CEN), ("MaxResults", "100"), ("NextToken", "FFh3Xq+JuKinZ/dH48E8bcBlEb8="), ("ProductType", "VPC")]
            .map(|(name, value)| (name.to_owned(), value.to_owned()))
            .into();
    let headers: HeaderMap = [
        ("host", "cbn.aliyuncs.com"),
        ("x-acs-action", "DescribeGrantRulesToCen"),
        ("x-acs-content-sha256", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"),
        ("x-acs-date", "2026-11-03T10:00:00Z"),
        ("x-acs-signature-nonce", "d410180a5abf7fe235dd9b74aca91fc0"),
        ("x-acs-version", "2017-09-12"),
    ]
    .into_iter()
    .map(|(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value)))
    .collect();
    let secret = "not-a-secret-at-all-only-as-long".to_owned().into();
    c.bench_function("sign/a read", |b| {
        b.iter(|| canonicalize("POST", black_box(&query), &headers, b"").authorization("LTAI5tExample", &secret));
    });
}

/// A cloud with one answer.
struct Always(u16, Bytes);

#[async_trait]
impl Transport for Always {
    async fn send(&self, _: Request<Bytes>) -> Result<Response<Bytes>, TransportError> {
        let mut answer = Response::new(self.1.clone());
        *answer.status_mut() =
            http::StatusCode::from_u16(self.0).map_err(|e| TransportError::NotSent(e.to_string()))?;
        Ok(answer)
    }
}

fn envelope(c: &mut Criterion) -> Result<()> {
    let rule = |n: usize| {
        json!({"CenId": CEN, "CenOwnerId": OWNER, "ChildInstanceId": format!("vpc-{n:016}"), "ChildInstanceType": "VPC",
            "ChildInstanceOwnerId": RESOURCE, "ChildInstanceRegionId": "cn-hangzhou", "CreateTime": "2026-11-03T10:00Z",
            "OrderType": "PayByResourceOwner", "EffectiveOrderType": "PayByCenOwner"})
    };
    let rules: Vec<_> = (0..PAGE).map(rule).collect();
    let id = "0C2EE7A8-74D4-4081-8236-CEBDE3BBCF50";
    // A credential is asked first whose it is.
    let page =
        json!({"RequestId": id, "AccountId": OWNER, "TotalCount": PAGE, "MaxResults": PAGE, "GrantRules": rules});
    let refusal = json!({"RequestId": id, "HostId": "cbn.aliyuncs.com", "Code": "Throttling.User",
        "Message": "Request was denied due to user flow control."});
    let (runtime, cen) = (runtime()?, cen()?);
    for (name, status, body) in [("a page of 100 rules", 200, page), ("a refusal", 400, refusal)] {
        let keys = StaticKeys::new("LTAI5tExample", "not-a-secret-at-all-only-as-long".to_owned().into(), None);
        let transport = Arc::new(Always(status, body.to_string().into()));
        let parts = ClientParts::new(Arc::new(SystemClock), transport, &catalog()?.classes);
        let accounts = Accounts::new(parts, vec![AccountCredentials::new(cen.owner.clone(), keys)]);
        let reader = accounts.transit_router_reader(&cen.owner)?;
        c.bench_function(&format!("call/{name}"), |b| {
            let filter = RuleFilter::Page(None);
            b.iter(|| runtime.block_on(reader.describe_grant_rules_to_cen(&cen, InstanceType::VPC, &filter)));
        });
    }
    Ok(())
}

fn pure(c: &mut Criterion) {
    contract(c);
    signing(c);
    let parts = deciding(c).and_then(|()| planner(c)).and_then(|()| envelope(c));
    parts.expect("what is measured is well made");
}

criterion_group!(benches, pure);
criterion_main!(benches);
