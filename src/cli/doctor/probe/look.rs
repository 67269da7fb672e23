//! The reads of the probe for one job. Each is sent once; a list to its last page.

use std::collections::HashSet;

use super::read::{List, Outcome, Read, text};
use crate::clock::Clock;
use crate::cloud::spelling::{cen_side, child_instance, resource_side};
use crate::cloud::{Accounts, ProbeRead, Told};
use crate::domain::{AccountUid, Cen, Instance, InstanceType, Operation};

/// The most pages that are read of a list.
const MAX_PAGES: u32 = 20;
/// What is asked for of a list that has pages by token.
pub(super) const BY_TOKEN: usize = 100;
/// What is asked for of one that has pages by number.
const BY_NUMBER: usize = 50;

/// Everything that was read. What a type of instance does not have was not asked for.
#[derive(Debug, Clone)]
pub(super) struct Looked {
    pub instance: Instance,
    pub cen: Cen,
    pub services: Vec<Read>,
    pub cens: Read,
    pub routers: Read,
    pub cen_alone: Option<Read>,
    /// The list of each Enterprise Edition router.
    pub attachments: Vec<Read>,
    pub children: Option<Read>,
    /// The rules of the CEN for the type of the instance.
    pub rules: Read,
    /// Those for ECR, where it is another.
    pub ecr_rules: Option<Read>,
    /// The rules of the instance, as its owner.
    pub to_resource: Read,
    /// The connections of the region, as their owner.
    pub vpns: Option<Read>,
    /// `None` where one account owns both.
    pub others: Option<Others>,
}

/// What each account is answered of what is the other's.
#[derive(Debug, Clone)]
pub(super) struct Others {
    pub rules: Read,
    pub routers: Read,
    pub attachments: Option<Read>,
    pub children: Option<Read>,
    pub cens: Read,
    pub instance: Read,
}

impl Looked {
    /// Every read, in no order that means anything.
    pub fn all(&self) -> impl Iterator<Item = &Read> {
        let others = self.others.iter().flat_map(|others| {
            let some = [&others.rules, &others.routers, &others.cens, &others.instance];
            some.into_iter().chain(&others.attachments).chain(&others.children)
        });
        self.own().chain(&self.services).chain(others)
    }

    /// The lists that an account reads of what is its own.
    pub fn own(&self) -> impl Iterator<Item = &Read> {
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

/// Who asks.
pub(super) struct Asker<'a> {
    pub accounts: &'a Accounts,
    pub clock: &'a dyn Clock,
}

impl Asker<'_> {
    /// Makes every read there is for a job on this instance and CEN.
    pub async fn look(&self, instance: &Instance, cen: &Cen) -> Looked {
        let (owner, resource, kind) = (&cen.owner, &instance.owner, instance.kind);
        let list = Operation::list_attachments(kind);
        let routers = self.by_number(owner, &routers(cen)).await;
        let enterprise = enterprise_routers(&routers);
        let mut attachments = Vec::new();
        for router in &enterprise {
            if let Some(list) = list {
                attachments.push(self.by_token(owner, &read(list).with("TransitRouterId", router)).await);
            }
        }
        let mut services = vec![self.once(owner, &read(Operation::CheckTransitRouterService)).await];
        if resource != owner {
            services.push(self.once(resource, &read(Operation::CheckTransitRouterService)).await);
        }
        Looked {
            services,
            cens: self.by_number(owner, &cens(cen)).await,
            cen_alone: match list {
                Some(list) => Some(self.once(owner, &read(list).with("CenId", &cen.id)).await),
                None => None,
            },
            children: match children(cen, kind) {
                Some(children) => Some(self.by_number(owner, &children).await),
                None => None,
            },
            rules: self.by_token(owner, &rules(cen, kind)).await,
            ecr_rules: match kind {
                InstanceType::ECR => None,
                _ => Some(self.by_token(owner, &rules(cen, InstanceType::ECR)).await),
            },
            to_resource: self.of_instance(resource, instance).await,
            vpns: match kind {
                InstanceType::VPN => {
                    let vpns = read(Operation::DescribeVpnAttachments).in_region(&instance.region);
                    Some(self.by_number(resource, &vpns).await)
                }
                _ => None,
            },
            others: if resource == owner {
                None
            } else {
                Some(self.others(instance, cen, enterprise.first().zip(list)).await)
            },
            routers,
            attachments,
            instance: instance.clone(),
            cen: cen.clone(),
        }
    }

    async fn others(&self, instance: &Instance, cen: &Cen, router: Option<(&String, Operation)>) -> Others {
        let resource = &instance.owner;
        Others {
            rules: self.once(resource, &rules(cen, instance.kind)).await,
            routers: self.once(resource, &routers(cen)).await,
            attachments: match router {
                Some((router, list)) => Some(self.once(resource, &read(list).with("TransitRouterId", router)).await),
                None => None,
            },
            children: match children(cen, instance.kind) {
                Some(children) => Some(self.once(resource, &children).await),
                None => None,
            },
            cens: self.once(resource, &cens(cen)).await,
            instance: self.of_instance(&cen.owner, instance).await,
        }
    }

    /// The rules of an instance, as an account that may be its owner.
    async fn of_instance(&self, account: &AccountUid, instance: &Instance) -> Read {
        match resource_side(instance.kind) {
            Some(word) => {
                let rules = read(Operation::DescribeGrantRulesToResource).with("ResourceId", &instance.id);
                let rules = rules.with("ProductType", word).with("RegionId", &instance.region);
                self.by_token(account, &rules).await
            }
            None => {
                let rules = read(Operation::DescribeGrantRules).in_region(&instance.region);
                self.by_number(account, &rules.with("AssociatedCcnId", &instance.id)).await
            }
        }
    }

    async fn once(&self, account: &AccountUid, read: &ProbeRead) -> Read {
        self.pages(account, read, Paged::Not).await
    }

    async fn by_token(&self, account: &AccountUid, read: &ProbeRead) -> Read {
        self.pages(account, read, Paged::ByToken).await
    }

    async fn by_number(&self, account: &AccountUid, read: &ProbeRead) -> Read {
        self.pages(account, read, Paged::ByNumber).await
    }

    async fn pages(&self, account: &AccountUid, read: &ProbeRead, paged: Paged) -> Read {
        let (mut list, mut request_ids, mut dates) = (List::default(), Vec::new(), Vec::new());
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
                    outcome = Some(Outcome::Failed(error.to_string()));
                    break;
                }
            };
            request_ids.extend(answer.request_id);
            match answer.told {
                Told::Refused { code, .. } => {
                    outcome = Some(Outcome::Refused(code));
                    break;
                }
                Told::Body(body) => list.add(read.operation(), body),
            }
            dates.push((answer.date, self.clock.now()));
            let again = list.next.as_ref().is_some_and(|token| !tokens.insert(token.clone()));
            if paged == Paged::Not || list.complete || again {
                break;
            }
        }
        let outcome = outcome.unwrap_or(Outcome::Answered(list));
        Read { account: account.clone(), operation: read.operation(), outcome, request_ids, dates }
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
fn enterprise_routers(routers: &Read) -> Vec<String> {
    let Outcome::Answered(list) = &routers.outcome else { return vec![] };
    let is_enterprise =
        |item: &&serde_json::Value| text(item, "Type").is_some_and(|t| t.eq_ignore_ascii_case("Enterprise"));
    let routers = list.items.iter().filter(is_enterprise);
    routers.filter_map(|item| text(item, "TransitRouterId").map(str::to_owned)).collect()
}
