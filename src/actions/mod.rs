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

use crate::domain::{AccountUid, InstanceType, Rule};
use crate::engine::action::{Judgement, Reads, Registry, Standing, View};

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

/// The account that owns the instance.
fn resource_account(view: &View<'_>) -> AccountUid {
    view.job().instance.owner.clone()
}

/// What a write of a grant looks at: both witnesses, until it was accepted; then seeing it takes one. The transit-router
/// account may be shown nothing of an ECR (API §H2).
fn read_back(view: &View<'_>) -> Reads {
    let one_will_do = view.accepted() && view.kind() != InstanceType::ECR;
    if one_will_do { Reads::CEN_RULE } else { Reads::WITNESSES }
}

/// What a survey finds wrong with who owns what, before anything else is looked at: the grant the cloud shows must be
/// between the two accounts of the job.
fn wrong_owners(view: &View<'_>, standing: &Standing) -> Option<Judgement> {
    let Standing::Granted(rule) = standing else { return None };
    let job = view.job();
    let mut findings = Vec::new();
    if rule.cen_owner != job.cen.owner {
        findings.push(format!("{} belongs to account {}, not {}", job.cen.id, rule.cen_owner, job.cen.owner));
    }
    if let Some(owner) = rule.instance_owner.as_ref().filter(|owner| **owner != job.instance.owner) {
        findings.push(format!("{} belongs to account {owner}, not {}", job.instance.id, job.instance.owner));
    }
    (!findings.is_empty()).then(|| Judgement::Refuse {
        reason: crate::domain::Reason::PreflightFailed,
        message: findings.join("; "),
        findings,
    })
}

/// The payer a rule must show before it can be compared with anything.
fn written(rule: &Rule) -> Result<crate::domain::OrderType, Judgement> {
    rule.order_type.ok_or_else(|| Judgement::Unclear("the grant is shown without an order type".into()))
}
