//! The verbs a step can call, one file per verb. Each says what it must see, judges what it saw, and, if it writes,
//! makes one call in one account.

mod attachments;
mod confirm;
mod grant;
mod modify_grant;
mod revoke;
mod survey_grant;
mod survey_payer;
mod survey_revoke;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;

use crate::domain::{AccountUid, GrantRule, InstanceType, Reason};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::action::{Judgement, Reads, Registry, Seen, View, VpnAttached};
use crate::engine::ports::cloud::Listing;

/// All of them.
pub fn registry() -> Registry {
    Registry::new(vec![
        Box::new(survey_grant::SurveyGrant),
        Box::new(survey_revoke::SurveyRevoke),
        Box::new(survey_payer::SurveyPayer),
        Box::new(grant::Grant),
        Box::new(revoke::Revoke),
        Box::new(modify_grant::ModifyGrant),
        Box::new(attachments::UpdateAttachments),
        Box::new(attachments::DeleteAttachments),
        Box::new(confirm::ConfirmGranted),
        Box::new(confirm::ConfirmRevoked),
        Box::new(confirm::ConfirmPayer),
    ])
}

/// What a write of a grant looks at: both witnesses, until it was accepted; then seeing it takes one. The transit-router
/// account may be shown nothing of an ECR (API §H2).
fn read_back(view: &View<'_>) -> Reads {
    let one_will_do = view.accepted() && view.kind() != InstanceType::ECR;
    if one_will_do { Reads::CEN_RULE } else { Reads::WITNESSES }
}

/// What a survey finds wrong with who owns what and where it is, together with what `rest` finds. The grant that either
/// witness shows must be between the two accounts of the job, and that the CEN is the named account's must be proven: what
/// a wrong account is shown proves nothing.
fn with_owners(view: &View<'_>, seen: &Seen, rest: impl FnOnce() -> Judgement) -> Judgement {
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
                format!("account {} is shown no {}: another account owns it, or there is none", cen.owner, cen.id);
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

/// What a survey reads in addition, of an IPsec-VPN connection that is to be granted.
fn and_vpn(view: &View<'_>, reads: Reads) -> Reads {
    Reads { vpn: view.kind() == InstanceType::VPN, ..reads }
}

/// An IPsec-VPN connection is granted only while it is attached to nothing (API §A.1), in this CEN or any other. Found
/// after a revoke it would be too late: the grant in its place would be refused.
fn attached_elsewhere(view: &View<'_>, seen: &Seen) -> Option<Judgement> {
    let Some(VpnAttached::To(routers)) = &seen.vpn else { return None };
    let findings: Vec<String> = routers.iter().map(|router| format!("attached to {router}")).collect();
    let id = &view.job().instance.id;
    (!findings.is_empty()).then(|| Judgement::Refuse {
        reason: Reason::PreflightFailed,
        message: format!("{id} is {}, and can be granted only while it is attached to nothing", findings.join(", ")),
        findings,
    })
}

/// The payer a rule must show before it can be compared with anything.
fn written(rule: &GrantRule) -> Result<crate::domain::OrderType, Judgement> {
    rule.order_type.ok_or_else(|| Judgement::Unclear("the grant is shown without an order type".into()))
}
