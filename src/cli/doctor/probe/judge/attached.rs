//! The points about attachments: the lists of the transit routers, of the child instances, and of IPsec-VPN connections.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::super::look::{BY_TOKEN, Looked};
use super::super::observation::Verdict;
use super::super::read::{Outcome, Read, shown, text};
use super::{Judged, list, refused};
use crate::cloud::spelling::attachment;

/// Which instances are attached to the CEN, as far as the lists show it.
pub(super) struct Attached {
    /// By instance, how many attachments to the Enterprise Edition.
    pub enterprise: BTreeMap<String, usize>,
    /// Whether the list of every Enterprise Edition router was read to its end, and every router is of a known edition.
    pub enterprise_complete: bool,
    /// What the list of child instances shows.
    children: BTreeSet<String>,
    children_complete: bool,
}

impl Attached {
    pub fn of(looked: &Looked) -> Self {
        let mut enterprise: BTreeMap<String, usize> = BTreeMap::new();
        let read_to_the_end = |read: &Read| matches!(&read.outcome, Outcome::Answered(list) if list.complete);
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

    /// Whether an instance is attached; `None` where the lists leave it open.
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

pub(super) fn page_of_100(lists: &[&Read]) -> Judged {
    let Some(first) = lists.first() else {
        return Ok(Verdict::CannotTell("there is no Enterprise Edition router to ask for".to_owned()));
    };
    if let Outcome::Refused(code) = &first.outcome
        && ["illegalparam.maxresults", "invalidparameter"]
            .iter()
            .any(|word| code.to_ascii_lowercase().starts_with(word))
    {
        return Ok(Verdict::Differs(refused(first, code)));
    }
    list(first)?;
    let all = lists.iter().filter_map(|read| list(read).ok());
    let pages: Vec<usize> = all.filter(|list| list.pages.len() > 1).map(|list| list.pages[0]).collect();
    Ok(match pages.iter().find(|page| **page < BY_TOKEN) {
        Some(page) => Verdict::Differs(format!("MaxResults=100 is taken, and a page that is not the last has {page}")),
        None if pages.is_empty() => {
            Verdict::Agrees("MaxResults=100 is taken; no list is longer than a page".to_owned())
        }
        None => Verdict::Agrees("MaxResults=100 is taken, and a page has 100".to_owned()),
    })
}

pub(super) fn children(looked: &Looked, read: &Read) -> Judged {
    let list = list(read)?;
    let attached = Attached::of(looked);
    let all = attached.enterprise.len();
    if all == 0 {
        return Ok(Verdict::CannotTell(format!(
            "no Enterprise Edition list shows a {} of this CEN",
            looked.instance.kind
        )));
    }
    let shown = attached.enterprise.keys().filter(|id| attached.children.contains(*id)).count();
    Ok(match shown {
        _ if shown == all => Verdict::Agrees(format!("all {all} instances of the Enterprise Edition lists are there")),
        _ if !list.complete => Verdict::CannotTell("the list of child instances was not read to its end".to_owned()),
        0 => Verdict::Differs(format!("none of {all} instances of the Enterprise Edition lists is there")),
        _ => Verdict::Differs(format!("{shown} of {all} instances of the Enterprise Edition lists are there")),
    })
}

pub(super) fn child_rows(looked: &Looked, read: &Read) -> Judged {
    let list = list(read)?;
    let attached = Attached::of(looked);
    let rows = |id: &str| list.items.iter().filter(|row| text(row, "ChildInstanceId") == Some(id)).count();
    let several = attached.enterprise.iter().filter(|(id, count)| **count > 1 && attached.children.contains(*id));
    let several: Vec<(&String, usize, usize)> = several.map(|(id, count)| (id, *count, rows(id))).collect();
    if several.is_empty() {
        return Ok(Verdict::CannotTell("no instance that is attached several times is shown there".to_owned()));
    }
    if !list.complete || !attached.enterprise_complete {
        return Ok(Verdict::CannotTell("not all lists were read to their ends".to_owned()));
    }
    Ok(match several.iter().find(|(_, count, rows)| count != rows) {
        Some((id, count, rows)) => {
            Verdict::Differs(format!("{} is attached {count} times and has {rows} rows", shown(id)))
        }
        None => Verdict::Agrees(format!(
            "as many rows as attachments for all {} instances that are attached several times",
            several.len()
        )),
    })
}

pub(super) fn child_editions(looked: &Looked, read: &Read) -> Judged {
    let (rows, routers) = (list(read)?, list(&looked.routers)?);
    let attached = Attached::of(looked);
    if !attached.enterprise_complete {
        return Ok(Verdict::CannotTell("the Enterprise Edition lists were not read to their ends".to_owned()));
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
            Verdict::Differs(format!("{id} lies in {region}, where no Basic Edition router is"))
        }
        (0, None) => Verdict::CannotTell("every instance there is in an Enterprise Edition list".to_owned()),
        (n, None) => {
            Verdict::Agrees(format!("all {n} instances that no Enterprise Edition list shows lie in such a region"))
        }
    })
}

pub(super) fn vpn_types(read: &Read) -> Judged {
    const KNOWN: [&str; 3] = ["CEN", "VPNGW", "NO_ASSOCIATED"];
    let list = list(read)?;
    let words: BTreeSet<String> = list
        .items
        .iter()
        .map(|item| text(item, "AttachType").map_or_else(|| "none".to_owned(), |word| word.to_ascii_uppercase()))
        .collect();
    if words.is_empty() {
        return Ok(Verdict::CannotTell("no connection is listed in the region".to_owned()));
    }
    let says = words.iter().map(|word| shown(word)).collect::<Vec<_>>().join(", ");
    let known = words.iter().all(|word| KNOWN.contains(&word.as_str()));
    Ok(if known { Verdict::Agrees(says) } else { Verdict::Differs(says) })
}

pub(super) fn vpn_unattached(looked: &Looked, read: &Read) -> Judged {
    let list = list(read)?;
    let is_free = |item: &&Value| {
        let kind = text(item, "AttachType").map(str::to_ascii_uppercase);
        let gateway = kind.as_deref() == Some("VPNGW");
        kind.as_deref() == Some("NO_ASSOCIATED") || (!gateway && text(item, "TransitRouterId").is_none())
    };
    let free = list.items.iter().filter(is_free).count();
    if free > 0 {
        return Ok(Verdict::Differs(format!(
            "{free} of {} connections are listed and attached to nothing",
            list.items.len()
        )));
    }
    let id = looked.instance.id.as_str();
    let is_listed = list.items.iter().any(|item| text(item, "InstanceId") == Some(id));
    Ok(match (list.complete && list.total.is_some(), is_listed, Attached::of(looked).is(id)) {
        (true, false, Some(false)) => {
            Verdict::Agrees(format!("{id} is attached to nothing in this CEN and is not listed"))
        }
        (false, ..) => Verdict::CannotTell("the list was not read to its end".to_owned()),
        _ => Verdict::CannotTell(format!("{id} is attached; ask with a connection that is attached to nothing")),
    })
}
