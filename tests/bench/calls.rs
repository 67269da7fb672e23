//! calls: what a call of the cloud costs before anything is decided or stored, by the client and by HTTP alone.

use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use crossgrant::actions;
use crossgrant::clock::SystemClock;
use crossgrant::cloud::{
    AccountCredentials, Accounts, ClientParts, Endpoint, Endpoints, HttpTransport, StaticKeys, Transport as _,
};
use crossgrant::domain::{AccountUid, Cen, CenId, InstanceId, InstanceType};
use crossgrant::engine::ports::cloud::{Readers as _, RuleFilter};
use crossgrant::workflow::{Catalog, Overrides};
use tokio::task::JoinSet;

use super::case::Case;
use super::figures::Figures;
use super::hour::endless;
use super::rig::Rig;
use super::usage::Usage;
use super::world::names;

const IN_FLIGHT: usize = 256;

/// As many calls by name as the case says, twice: each has an answer of one line. They are made in this process, which
/// does nothing else meanwhile.
pub async fn alone(rig: &Rig, case: &Case) -> Result<Figures> {
    let round = rig.round(case.engine, &[], endless())?;
    let url = format!("http://{}", round.cloud_address);
    let transport = Arc::new(HttpTransport::new(Duration::from_secs(5))?);
    let names = names(0);
    let owner = AccountUid::parse(names.owner.as_str())?;
    let keys = StaticKeys::new(format!("key-{owner}"), "s".to_owned().into(), None);
    let catalog = Catalog::embedded(&actions::registry().specs(), &Overrides::default());
    let catalog = catalog.ok().context("the catalog loads")?;
    let parts = ClientParts::new(Arc::new(SystemClock), Arc::clone(&transport) as _, &catalog.classes);
    let endpoints = Endpoints::all(&Endpoint::parse(&url)?);
    let keys = AccountCredentials::new(owner.clone(), keys);
    let accounts = Accounts::new(ClientParts { endpoints, ..parts }, vec![keys]);
    let (reader, cen) = (accounts.transit_router_reader(&owner)?, Cen { id: CenId::parse(names.cen)?, owner });
    let filter = RuleFilter::Instance(InstanceId::parse(names.instance)?);
    let by_client = cost(case.jobs, move || {
        let (reader, cen, filter) = (Arc::clone(&reader), cen.clone(), filter.clone());
        async move {
            reader.describe_grant_rules_to_cen(&cen, InstanceType::VPC, &filter).await?;
            Ok(())
        }
    });
    let by_client = by_client.await?;
    let by_http = cost(case.jobs, move || {
        let (transport, request) = (Arc::clone(&transport), http::Request::post(format!("{url}/?Action=None")));
        async move {
            transport.send(request.body(Bytes::new())?).await?;
            Ok(())
        }
    });
    Ok(Figures::default().with("cpu_us_per_call", by_client).with("http_cpu_us_per_call", by_http.await?))
}

/// CPU microseconds of this process for each of `calls`.
async fn cost<C: Future<Output = Result<()>> + Send>(
    calls: usize,
    call: impl Fn() -> C + Clone + Send + 'static,
) -> Result<f64> {
    call().await?;
    let before = Usage::of(std::process::id())?;
    let mut callers = JoinSet::new();
    for _ in 0..IN_FLIGHT {
        let call = call.clone();
        callers.spawn(async move {
            for _ in 0..calls / IN_FLIGHT {
                call().await?;
            }
            Ok::<_, anyhow::Error>(())
        });
    }
    for caller in callers.join_all().await {
        caller?;
    }
    let made = calls / IN_FLIGHT * IN_FLIGHT;
    Ok((Usage::of(std::process::id())? - before).cpu_seconds * 1e6 / made as f64)
}
