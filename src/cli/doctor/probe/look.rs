//! The reads of the probe for one job. Each is sent once, and a list is read to its last page.

use std::collections::HashSet;

use futures_util::future::OptionFuture;

use super::read::{AnsweredList, CompletedRead, ReadOutcome, text};
use crate::clock::Clock;
use crate::cloud::spelling::{cen_side, child_instance, resource_side};
use crate::cloud::{Accounts, ProbeRead, RawReply};
use crate::domain::{AccountUid, Cen, Instance, InstanceType, Operation};

/// The most pages of a list that are read.
const MAX_PAGES: u32 = 20;
/// The page size to ask for when pages are found by token.
pub(super) const BY_TOKEN: usize = 100;
/// The page size to ask for when pages are found by number.
const BY_NUMBER: usize = 50;

/// All reads for one job. Optional ones are not made for every type of instance.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub instance: Instance,
    pub cen: Cen,
    pub services: Vec<CompletedRead>,
    pub cens: CompletedRead,
    pub routers: CompletedRead,
    pub cen_alone: Option<CompletedRead>,
    /// The attachment list of each Enterprise Edition router.
    pub attachments: Vec<CompletedRead>,
    pub children: Option<CompletedRead>,
    /// The grant rules of the CEN for this type of instance.
    pub rules: CompletedRead,
    /// The grant rules of the CEN for ECRs, if the instance is of another type.
    pub ecr_rules: Option<CompletedRead>,
    /// The grant rules of the instance, read by its owner.
    pub to_resource: CompletedRead,
    /// The IPsec-VPN connections of the region, read by their owner.
    pub vpns: Option<CompletedRead>,
    /// `None` if one account owns both the instance and the CEN.
    pub others: Option<Others>,
}

/// Reads of resources that belong to the other account.
#[derive(Debug, Clone)]
pub(super) struct Others {
    pub rules: CompletedRead,
    pub routers: CompletedRead,
    pub attachments: Option<CompletedRead>,
    pub children: Option<CompletedRead>,
    pub cens: CompletedRead,
    pub instance: CompletedRead,
}

impl Looked {
    /// Every read, in no particular order.
    pub fn all(&self) -> impl Iterator<Item = &CompletedRead> {
        let others = self.others.iter().flat_map(|others| {
            let some = [&others.rules, &others.routers, &others.cens, &others.instance];
            some.into_iter().chain(&others.attachments).chain(&others.children)
        });
        self.own().chain(&self.services).chain(others)
    }

    /// The reads of resources that belong to the account that reads.
    pub fn own(&self) -> impl Iterator<Item = &CompletedRead> {
        let always = [&self.cens, &self.routers, &self.rules, &self.to_resource];
        let more = self.attachments.iter().chain(&self.children).chain(&self.ecr_rules).chain(&self.vpns);
        always.into_iter().chain(more).chain(&self.cen_alone)
    }
}

/// How a list is paged.
#[derive(Clone, Copy, PartialEq)]
enum Paged {
    Not,
    ByToken,
    ByNumber,
}

/// Sends the reads.
pub(super) struct ProbeReader<'a> {
    pub accounts: &'a Accounts,
    pub clock: &'a dyn Clock,
}

impl ProbeReader<'_> {
    /// Makes every read for a job on this instance and CEN.
    pub async fn look(&self, instance: &Instance, cen: &Cen) -> Looked {
        let (owner, resource, kind) = (&cen.owner, &instance.owner, instance.kind);
        let list = Operation::list_attachments(kind);
        let routers = self.pages(owner, routers(cen), Paged::ByNumber).await;
        let enterprise = enterprise_routers(&routers);
        let mut attachments = Vec::new();
        for router in &enterprise {
            if let Some(list) = list {
                attachments.push(self.pages(owner, read(list).with("TransitRouterId", router), Paged::ByToken).await);
            }
        }
        let mut services = vec![self.pages(owner, read(Operation::CheckTransitRouterService), Paged::Not).await];
        if resource != owner {
            services.push(self.pages(resource, read(Operation::CheckTransitRouterService), Paged::Not).await);
        }
        Looked {
            services,
            cens: self.pages(owner, cens(cen), Paged::ByNumber).await,
            cen_alone: OptionFuture::from(
                list.map(|list| self.pages(owner, read(list).with("CenId", &cen.id), Paged::Not)),
            )
            .await,
            children: OptionFuture::from(
                children(cen, kind).map(|children| self.pages(owner, children, Paged::ByNumber)),
            )
            .await,
            rules: self.pages(owner, rules(cen, kind), Paged::ByToken).await,
            ecr_rules: OptionFuture::from(
                (kind != InstanceType::ECR).then(|| self.pages(owner, rules(cen, InstanceType::ECR), Paged::ByToken)),
            )
            .await,
            to_resource: self.of_instance(resource, instance).await,
            vpns: OptionFuture::from((kind == InstanceType::VPN).then(|| {
                self.pages(
                    resource,
                    read(Operation::DescribeVpnAttachments).in_region(&instance.region),
                    Paged::ByNumber,
                )
            }))
            .await,
            others: OptionFuture::from(
                (resource != owner).then(|| self.others(instance, cen, enterprise.first().zip(list))),
            )
            .await,
            routers,
            attachments,
            instance: instance.clone(),
            cen: cen.clone(),
        }
    }

    async fn others(&self, instance: &Instance, cen: &Cen, router: Option<(&String, Operation)>) -> Others {
        let resource = &instance.owner;
        Others {
            rules: self.pages(resource, rules(cen, instance.kind), Paged::Not).await,
            routers: self.pages(resource, routers(cen), Paged::Not).await,
            attachments: OptionFuture::from(
                router
                    .map(|(router, list)| self.pages(resource, read(list).with("TransitRouterId", router), Paged::Not)),
            )
            .await,
            children: OptionFuture::from(
                children(cen, instance.kind).map(|children| self.pages(resource, children, Paged::Not)),
            )
            .await,
            cens: self.pages(resource, cens(cen), Paged::Not).await,
            instance: self.of_instance(&cen.owner, instance).await,
        }
    }

    /// The grant rules of an instance, read by an account that may be its owner.
    async fn of_instance(&self, account: &AccountUid, instance: &Instance) -> CompletedRead {
        match resource_side(instance.kind) {
            Some(word) => {
                let rules = read(Operation::DescribeGrantRulesToResource).with("ResourceId", &instance.id);
                let rules = rules.with("ProductType", word).with("RegionId", &instance.region);
                self.pages(account, rules, Paged::ByToken).await
            }
            None => {
                let rules = read(Operation::DescribeGrantRules).in_region(&instance.region);
                self.pages(account, rules.with("AssociatedCcnId", &instance.id), Paged::ByNumber).await
            }
        }
    }

    async fn pages(&self, account: &AccountUid, read: ProbeRead, paged: Paged) -> CompletedRead {
        let (mut list, mut request_ids, mut dates) = (AnsweredList::default(), Vec::new(), Vec::new());
        let mut tokens = HashSet::new();
        let mut outcome = None;
        for number in 1..=MAX_PAGES {
            let page = match (paged, &list.next) {
                (Paged::Not, _) => read.clone(),
                (Paged::ByToken, None) => read.clone().with("MaxResults", BY_TOKEN),
                (Paged::ByToken, Some(token)) => read.clone().with("MaxResults", BY_TOKEN).with("NextToken", token),
                (Paged::ByNumber, _) => read.clone().with("PageNumber", number).with("PageSize", BY_NUMBER),
            };
            let answer = match self.accounts.probe(account, &page).await {
                Ok(answer) => answer,
                Err(error) => {
                    outcome = Some(ReadOutcome::Failed(error.to_string()));
                    break;
                }
            };
            request_ids.extend(answer.request_id);
            match answer.reply {
                RawReply::Refused { code, .. } => {
                    outcome = Some(ReadOutcome::Refused(code));
                    break;
                }
                RawReply::Body(body) => list.add(read.operation(), body),
            }
            dates.push((answer.date, self.clock.now()));
            let again = list.next.as_ref().is_some_and(|token| !tokens.insert(token.clone()));
            if paged == Paged::Not || list.complete || again {
                break;
            }
        }
        let outcome = outcome.unwrap_or(ReadOutcome::Answered(list));
        CompletedRead { account: account.clone(), operation: read.operation(), outcome, request_ids, dates }
    }
}

fn read(operation: Operation) -> ProbeRead {
    ProbeRead::new(operation).expect("every operation that is named here reads")
}

fn routers(cen: &Cen) -> ProbeRead {
    read(Operation::ListTransitRouters).with("CenId", &cen.id)
}

fn cens(cen: &Cen) -> ProbeRead {
    read(Operation::DescribeCens).with("Filter.1.Key", "CenId").with("Filter.1.Value.1", &cen.id)
}

fn rules(cen: &Cen, kind: InstanceType) -> ProbeRead {
    read(Operation::DescribeGrantRulesToCen).with("CenId", &cen.id).with("ProductType", cen_side(kind))
}

fn children(cen: &Cen, kind: InstanceType) -> Option<ProbeRead> {
    let word = child_instance(kind)?;
    Some(read(Operation::DescribeCenAttachedChildInstances).with("CenId", &cen.id).with("ChildInstanceType", word))
}

/// The ids of the Enterprise Edition routers of a list.
fn enterprise_routers(routers: &CompletedRead) -> Vec<String> {
    let ReadOutcome::Answered(list) = &routers.outcome else { return vec![] };
    let is_enterprise =
        |item: &&serde_json::Value| text(item, "Type").is_some_and(|t| t.eq_ignore_ascii_case("Enterprise"));
    let routers = list.items.iter().filter(is_enterprise);
    routers.filter_map(|item| text(item, "TransitRouterId").map(str::to_owned)).collect()
}
