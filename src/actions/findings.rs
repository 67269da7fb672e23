//! What several actions judge alike: owners and regions, what an IPsec-VPN connection is attached to, the payer of a rule.

use std::collections::BTreeSet;

use crate::domain::{AccountUid, GrantRule, InstanceType, OrderType, Reason};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::action::{Judgement, View};
use crate::engine::ports::cloud::Listing;
use crate::engine::seen::{Reads, Seen, VpnAttached};

/// The reads of a write to a grant: both witnesses until the write was accepted, then one to see it. The transit-router
/// account may be shown nothing of an ECR (API §H2).
pub(super) fn read_back(view: &View<'_>) -> Reads {
    let one_will_do = view.accepted() && view.kind() != InstanceType::ECR;
    if one_will_do { Reads::CEN_RULE } else { Reads::WITNESSES }
}

/// What a survey finds wrong with owners and regions, together with what `rest` finds. The grant that either witness shows
/// must be between the two accounts of the job. It must be proven that the named account owns the CEN, since what a wrong
/// account is shown proves nothing.
pub(super) fn with_owners(view: &View<'_>, seen: &Seen, rest: impl FnOnce() -> Judgement) -> Judgement {
    let job = view.job();
    let (id, cen) = (&job.instance.id, &job.cen);
    let listed =
        |listing: &Option<Listing<GrantRule>>| listing.iter().flat_map(|l| l.items.clone()).collect::<Vec<_>>();
    let rules = [listed(&seen.cen_rule), listed(&seen.resource_rules)].concat();
    let ours = rules.iter().filter(|rule| rule.instance == *id && rule.cen == cen.id);
    let mut findings = BTreeSet::new();
    let belongs = |what: &str, to: &AccountUid, not: &AccountUid| format!("{what} belongs to account {to}, not {not}");
    for rule in ours {
        if rule.cen_owner != cen.owner {
            findings.insert(belongs(cen.id.as_str(), &rule.cen_owner, &cen.owner));
        }
        if let Some(owner) = rule.instance_owner.as_ref().filter(|owner| **owner != job.instance.owner) {
            findings.insert(belongs(id.as_str(), owner, &job.instance.owner));
        }
        // An ECR spans regions.
        let region = rule.region.as_ref().filter(|_| view.kind() != InstanceType::ECR);
        if let Some(region) = region.filter(|region| **region != job.instance.region) {
            findings.insert(format!("{id} is in {region}, not in {}", job.instance.region));
        }
    }
    if let Some(owner) = &seen.other_owner {
        findings.insert(belongs(id.as_str(), owner, &job.instance.owner));
    }
    match &seen.cen_owner {
        Some(CenOwner::Other(owner)) => drop(findings.insert(belongs(cen.id.as_str(), owner, &cen.owner))),
        Some(CenOwner::NotShown | CenOwner::Untold) if !findings.is_empty() => {}
        Some(CenOwner::Untold) => {
            let why = format!(
                "the list of the CENs of account {} lacks {} and could not be read to its end",
                cen.owner, cen.id
            );
            return Judgement::Unclear(why);
        }
        Some(CenOwner::NotShown) if !view.certain.not_owner => {
            let why = format!("account {} is not shown {}; looks once more before it believes that", cen.owner, cen.id);
            return Judgement::Recheck(why);
        }
        Some(CenOwner::NotShown) => {
            let none =
                format!("account {} is not shown {}: another account owns it, or it does not exist", cen.owner, cen.id);
            findings.insert(none);
        }
        Some(CenOwner::Proven) | None => {}
    }
    let rest = rest();
    if findings.is_empty() {
        return rest;
    }
    let mut findings: Vec<String> = findings.into_iter().collect();
    if let Judgement::Refuse { message, findings: more, .. } = rest {
        findings.extend(if more.is_empty() { vec![message] } else { more });
    }
    let message = findings.join("; ");
    Judgement::Refuse { reason: Reason::PreflightFailed, message, findings }
}

/// The reads of a survey before a grant: of an IPsec-VPN connection also what it is attached to.
pub(super) fn and_vpn(view: &View<'_>, reads: Reads) -> Reads {
    Reads { vpn: view.kind() == InstanceType::VPN, ..reads }
}

/// Refuses an IPsec-VPN connection that is attached in any CEN: it can be granted only while it is attached to nothing
/// (API §A.1). After the revoke of a payer change it would be too late to find that out.
pub(super) fn attached_elsewhere(view: &View<'_>, seen: &Seen) -> Option<Judgement> {
    let Some(VpnAttached::To(routers)) = &seen.vpn else { return None };
    let findings: Vec<String> = routers.iter().map(|router| format!("attached to {router}")).collect();
    let id = &view.job().instance.id;
    (!findings.is_empty()).then(|| Judgement::Refuse {
        reason: Reason::PreflightFailed,
        message: format!("{id} is {}, and can be granted only while it is attached to nothing", findings.join(", ")),
        findings,
    })
}

/// The payer written on a rule. A rule without one cannot be judged.
pub(super) fn written(rule: &GrantRule) -> Result<OrderType, Judgement> {
    rule.order_type.ok_or_else(|| Judgement::Unclear("the grant is shown without an order type".into()))
}
