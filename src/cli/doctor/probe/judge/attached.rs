//! The points about attachments: the lists of the transit routers, of the child instances, and of IPsec-VPN connections.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::look::{BY_TOKEN, Looked};
use super::super::observation::{JudgedPoint, PointVerdict};
use super::super::read::{CompletedRead, ReadOutcome, shown, text};
use super::reads::{list, refused};
use crate::cloud::spelling::attachment;

/// The instances that are attached to the CEN, as far as the lists show.
pub(super) struct AttachedInstances {
    /// The number of attachments to Enterprise Edition routers, by instance.
    pub enterprise: BTreeMap<String, usize>,
    /// Whether the list of every Enterprise Edition router was read to its end, and every router is of a known edition.
    pub enterprise_complete: bool,
    /// The instances in the list of child instances.
    children: BTreeSet<String>,
    children_complete: bool,
}

impl AttachedInstances {
    pub fn of(looked: &Looked) -> Self {
        let mut enterprise: BTreeMap<String, usize> = BTreeMap::new();
        let read_to_the_end =
            |read: &CompletedRead| matches!(&read.outcome, ReadOutcome::Answered(list) if list.complete);
        let field = attachment(looked.instance.kind).map(|fields| fields.id);
        for item in looked.attachments.iter().filter_map(|read| list(read).ok()).flat_map(|list| &list.items) {
            if text(item, "CenId").is_none_or(|cen| cen == looked.cen.id.as_str())
                && let Some(id) = field.and_then(|field| text(item, field))
            {
                *enterprise.entry(id.to_owned()).or_default() += 1;
            }
        }
        let routers = list(&looked.routers).into_iter().flat_map(|list| &list.items);
        let known =
            |router: &Value| text(router, "Type").is_some_and(|word| is(word, "Enterprise") || is(word, "Basic"));
        let children = looked.children.as_ref();
        let rows = children.and_then(|read| list(read).ok()).into_iter().flat_map(|list| &list.items);
        Self {
            enterprise,
            enterprise_complete: read_to_the_end(&looked.routers)
                && routers.into_iter().all(known)
                && looked.attachments.iter().all(read_to_the_end),
            children: rows.filter_map(|row| text(row, "ChildInstanceId").map(str::to_owned)).collect(),
            children_complete: children.is_none_or(read_to_the_end),
        }
    }

    /// Whether an instance is attached; `None` if the lists leave it open.
    pub fn is(&self, instance: &str) -> Option<bool> {
        if self.enterprise.contains_key(instance) || self.children.contains(instance) {
            return Some(true);
        }
        (self.enterprise_complete && self.children_complete).then_some(false)
    }
}

fn is(word: &str, edition: &str) -> bool {
    word.eq_ignore_ascii_case(edition)
}

pub(super) fn page_of_100(lists: &[&CompletedRead]) -> JudgedPoint {
    let Some(first) = lists.first() else {
        return Ok(PointVerdict::CannotTell("there is no Enterprise Edition router to ask for".to_owned()));
    };
    if let ReadOutcome::Refused(code) = &first.outcome
        && ["illegalparam.maxresults", "invalidparameter"]
            .iter()
            .any(|word| code.to_ascii_lowercase().starts_with(word))
    {
        return Ok(PointVerdict::Differs(refused(first, code)));
    }
    list(first)?;
    let all = lists.iter().filter_map(|read| list(read).ok());
    let pages: Vec<usize> = all.filter(|list| list.pages.len() > 1).map(|list| list.pages[0]).collect();
    Ok(match pages.iter().find(|page| **page < BY_TOKEN) {
        Some(page) => {
            PointVerdict::Differs(format!("MaxResults=100 is taken, and a page that is not the last has {page}"))
        }
        None if pages.is_empty() => {
            PointVerdict::Agrees("MaxResults=100 is taken; no list is longer than a page".to_owned())
        }
        None => PointVerdict::Agrees("MaxResults=100 is taken, and a page has 100".to_owned()),
    })
}

pub(super) fn children(looked: &Looked, read: &CompletedRead) -> JudgedPoint {
    let list = list(read)?;
    let attached = AttachedInstances::of(looked);
    let all = attached.enterprise.len();
    if all == 0 {
        return Ok(PointVerdict::CannotTell(format!(
            "no Enterprise Edition list shows a {} of this CEN",
            looked.instance.kind
        )));
    }
    let shown = attached.enterprise.keys().filter(|id| attached.children.contains(*id)).count();
    Ok(match shown {
        _ if shown == all => {
            PointVerdict::Agrees(format!("all {all} instances of the Enterprise Edition lists are there"))
        }
        _ if !list.complete => {
            PointVerdict::CannotTell("the list of child instances was not read to its end".to_owned())
        }
        0 => PointVerdict::Differs(format!("none of {all} instances of the Enterprise Edition lists is there")),
        _ => PointVerdict::Differs(format!("{shown} of {all} instances of the Enterprise Edition lists are there")),
    })
}

pub(super) fn child_rows(looked: &Looked, read: &CompletedRead) -> JudgedPoint {
    let list = list(read)?;
    let attached = AttachedInstances::of(looked);
    let rows = |id: &str| list.items.iter().filter(|row| text(row, "ChildInstanceId") == Some(id)).count();
    let several = attached.enterprise.iter().filter(|(id, count)| **count > 1 && attached.children.contains(*id));
    let several: Vec<(&String, usize, usize)> = several.map(|(id, count)| (id, *count, rows(id))).collect();
    if several.is_empty() {
        return Ok(PointVerdict::CannotTell("no instance that is attached several times is shown there".to_owned()));
    }
    if !list.complete || !attached.enterprise_complete {
        return Ok(PointVerdict::CannotTell("not all lists were read to their ends".to_owned()));
    }
    Ok(match several.iter().find(|(_, count, rows)| count != rows) {
        Some((id, count, rows)) => {
            PointVerdict::Differs(format!("{} is attached {count} times and has {rows} rows", shown(id)))
        }
        None => PointVerdict::Agrees(format!(
            "as many rows as attachments for all {} instances that are attached several times",
            several.len()
        )),
    })
}

pub(super) fn child_editions(looked: &Looked, read: &CompletedRead) -> JudgedPoint {
    let (rows, routers) = (list(read)?, list(&looked.routers)?);
    let attached = AttachedInstances::of(looked);
    if !attached.enterprise_complete {
        return Ok(PointVerdict::CannotTell("the Enterprise Edition lists were not read to their ends".to_owned()));
    }
    let is_basic = |region: Option<&str>| {
        let there = |router: &&Value| region.is_some() && text(router, "RegionId") == region;
        routers.items.iter().filter(there).any(|r| text(r, "Type").is_some_and(|word| is(word, "Basic")))
    };
    let rest = rows
        .items
        .iter()
        .filter(|row| text(row, "ChildInstanceId").is_some_and(|id| !attached.enterprise.contains_key(id)));
    let (basic, odd): (Vec<_>, Vec<_>) = rest.partition(|row| is_basic(text(row, "ChildInstanceRegionId")));
    Ok(match (basic.len(), odd.first()) {
        (_, Some(row)) => {
            let id = text(row, "ChildInstanceId").map(shown).unwrap_or_default();
            let region = text(row, "ChildInstanceRegionId").map_or_else(|| "no region".to_owned(), shown);
            PointVerdict::Differs(format!("{id} lies in {region}, where no Basic Edition router is"))
        }
        (0, None) => PointVerdict::CannotTell("every instance there is in an Enterprise Edition list".to_owned()),
        (n, None) => PointVerdict::Agrees(format!(
            "all {n} instances that no Enterprise Edition list shows lie in such a region"
        )),
    })
}

pub(super) fn vpn_types(read: &CompletedRead) -> JudgedPoint {
    const KNOWN: [&str; 3] = ["CEN", "VPNGW", "NO_ASSOCIATED"];
    let list = list(read)?;
    let words: BTreeSet<String> = list
        .items
        .iter()
        .map(|item| text(item, "AttachType").map_or_else(|| "none".to_owned(), |word| word.to_ascii_uppercase()))
        .collect();
    if words.is_empty() {
        return Ok(PointVerdict::CannotTell("no connection is listed in the region".to_owned()));
    }
    let says = words.iter().map(|word| shown(word)).collect::<Vec<_>>().join(", ");
    let known = words.iter().all(|word| KNOWN.contains(&word.as_str()));
    Ok(if known { PointVerdict::Agrees(says) } else { PointVerdict::Differs(says) })
}

pub(super) fn vpn_unattached(looked: &Looked, read: &CompletedRead) -> JudgedPoint {
    let list = list(read)?;
    let is_free = |item: &&Value| {
        let kind = text(item, "AttachType").map(str::to_ascii_uppercase);
        let gateway = kind.as_deref() == Some("VPNGW");
        kind.as_deref() == Some("NO_ASSOCIATED") || (!gateway && text(item, "TransitRouterId").is_none())
    };
    let free = list.items.iter().filter(is_free).count();
    if free > 0 {
        return Ok(PointVerdict::Differs(format!(
            "{free} of {} connections are listed and attached to nothing",
            list.items.len()
        )));
    }
    let id = looked.instance.id.as_str();
    let is_listed = list.items.iter().any(|item| text(item, "InstanceId") == Some(id));
    Ok(match (list.complete && list.total.is_some(), is_listed, AttachedInstances::of(looked).is(id)) {
        (true, false, Some(false)) => {
            PointVerdict::Agrees(format!("{id} is attached to nothing in this CEN and is not listed"))
        }
        (false, ..) => PointVerdict::CannotTell("the list was not read to its end".to_owned()),
        _ => PointVerdict::CannotTell(format!("{id} is attached; ask with a connection that is attached to nothing")),
    })
}
