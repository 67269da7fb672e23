//! The verbs a step can call, one file for each. A verb says what it must see, judges what it saw, and, if it writes, makes
//! one call in one account. What several of them judge alike is in `findings.rs`.

mod attachments;
mod confirm;
mod findings;
mod grant;
mod modify_grant;
mod revoke;
mod survey_grant;
mod survey_payer;
mod survey_revoke;
#[cfg(test)]
mod tests;

use crate::engine::ports::action::Registry;

/// Every action, for definitions to name.
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
