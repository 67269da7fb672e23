//! What the cloud shows of the grants and attachments of a state. One list is read for each CEN and type of instance, and one for
//! each transit router and type, however many of the state are in it.

use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use super::owned::{Owned, Part};
use crate::domain::{AccountUid, Cen, GrantRule, InstanceType, ListedAttachment, OrderType, Region};
use crate::engine::ports::cloud::{CloudError, Listing, Readers, RuleFilter, TransitRouterReader};

/// The most pages of a CEN's grants that are read: 10,000 grants of one type.
const MAX_PAGES: usize = 100;

/// What the cloud shows of one grant or attachment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Shown {
    /// It is there.
    There(Payers),
    /// A list that was read to its end does not show it.
    Absent,
    /// It was not asked: an attachment without a payer is Terraform's alone.
    NotAsked,
    /// Why it cannot be told.
    Unknown(String),
}

/// A grant or an attachment that is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Payers {
    pub order_type: Option<OrderType>,
    /// The payer that is billed now; an attachment shows none.
    pub effective_order_type: Option<OrderType>,
    /// Who owns the instance, and where it is.
    pub owner: Option<AccountUid>,
    pub region: Option<Region>,
}

type ListRead<T> = Result<Listing<T>, String>;

/// Looks things up in lists, and reads each list once.
pub(super) struct CloudLists<'a> {
    readers: &'a dyn Readers,
    rules: HashMap<(Cen, InstanceType), ListRead<GrantRule>>,
    attachments: HashMap<(AccountUid, String, InstanceType), ListRead<ListedAttachment>>,
}

impl<'a> CloudLists<'a> {
    pub fn new(readers: &'a dyn Readers) -> Self {
        Self { readers, rules: HashMap::new(), attachments: HashMap::new() }
    }

    /// What the cloud shows of this.
    pub async fn of(&mut self, owned: &Owned) -> Shown {
        if owned.part == (Part::Attachment { has_payer: false }) {
            return Shown::NotAsked;
        }
        let Some(owner) = &owned.cen_owner else {
            return Shown::Unknown(format!("the state does not say who owns {0}: --cen UID/{0}", owned.cen));
        };
        match (owned.part, &owned.attached_by) {
            (Part::Attachment { .. }, None) => Shown::Unknown("the state does not say which attachment it is".into()),
            (Part::Attachment { .. }, Some((router, id))) => {
                let it = |listed: &ListedAttachment| (&listed.attachment.id == id).then(|| attached(listed));
                found(self.attachments(owner, router, owned.kind).await, it)
            }
            (Part::Grant { .. }, _) => {
                let cen = Cen { id: owned.cen.clone(), owner: owner.clone() };
                let it = |rule: &GrantRule| (rule.instance == owned.instance).then(|| granted(rule));
                match found(self.rules(cen, owned.kind).await, it) {
                    // API §H2.
                    Shown::Absent if owned.kind == InstanceType::ECR => {
                        Shown::Unknown("the account of the CEN is not always shown the grant of an ECR".into())
                    }
                    shown => shown,
                }
            }
        }
    }

    async fn rules(&mut self, cen: Cen, kind: InstanceType) -> &ListRead<GrantRule> {
        match self.rules.entry((cen, kind)) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => {
                let (cen, kind) = unread.key();
                let listing = match self.readers.transit_router_reader(&cen.owner) {
                    Ok(reader) => rules(reader.as_ref(), cen, *kind).await,
                    Err(error) => Err(error),
                };
                unread.insert(listing.map_err(|error| error.to_string()))
            }
        }
    }

    async fn attachments(
        &mut self,
        owner: &AccountUid,
        router: &str,
        kind: InstanceType,
    ) -> &ListRead<ListedAttachment> {
        match self.attachments.entry((owner.clone(), router.to_owned(), kind)) {
            Entry::Occupied(read) => read.into_mut(),
            Entry::Vacant(unread) => {
                let listing = match self.readers.transit_router_reader(owner) {
                    Ok(reader) => reader.list_attachments(router, kind, None).await.map(|answer| answer.value),
                    Err(error) => Err(error),
                };
                unread.insert(listing.map_err(|error| error.to_string()))
            }
        }
    }
}

/// The grants of one type to a CEN, page by page.
async fn rules(
    reader: &dyn TransitRouterReader,
    cen: &Cen,
    kind: InstanceType,
) -> Result<Listing<GrantRule>, CloudError> {
    let (mut items, mut tokens, mut next) = (Vec::new(), HashSet::new(), None);
    for _ in 0..MAX_PAGES {
        let page = reader.describe_grant_rules_to_cen(cen, kind, &RuleFilter::Page(next)).await?.value;
        items.extend(page.rules);
        next = page.next;
        let Some(token) = &next else {
            let complete = page.total.is_none_or(|total| total <= items.len() as u64);
            return Ok(Listing { items, complete });
        };
        if !tokens.insert(token.clone()) {
            break;
        }
    }
    Ok(Listing { items, complete: false })
}

fn found<T>(listing: &ListRead<T>, is_it: impl Fn(&T) -> Option<Payers>) -> Shown {
    match listing {
        Err(why) => Shown::Unknown(why.clone()),
        Ok(listing) => match listing.items.iter().find_map(is_it) {
            Some(payers) => Shown::There(payers),
            None if listing.complete => Shown::Absent,
            None => Shown::Unknown("the list could not be read to its end".into()),
        },
    }
}

fn granted(rule: &GrantRule) -> Payers {
    Payers {
        order_type: rule.order_type,
        effective_order_type: rule.effective_order_type,
        owner: rule.instance_owner.clone(),
        region: rule.region.clone(),
    }
}

fn attached(listed: &ListedAttachment) -> Payers {
    let (order_type, owner) = (listed.attachment.order_type, Some(listed.instance_owner.clone()));
    Payers { order_type, effective_order_type: None, owner, region: None }
}
