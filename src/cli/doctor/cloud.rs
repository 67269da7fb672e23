//! The cloud: the credentials, the services and the permissions of the accounts.

use std::sync::Arc;

use super::finding::{DoctorFinding, failed, parsed};
use super::{accounts, permissions, service};
use crate::cli::engine::{CloudAccess, accounts as client, catalog};
use crate::clock::Clock;
use crate::cloud::Unobserved;
use crate::domain::{AccountUid, Cen};
use crate::engine::policy::Allow;
use crate::engine::ports::cloud::Readers;

/// What to check in the cloud.
#[derive(Default)]
pub(super) struct CloudScope<'a> {
    pub uids: Vec<AccountUid>,
    /// Without a CEN and jobs, the CENs of these allow-rules are checked.
    pub allow: &'a [Allow],
    pub cen: Option<&'a Cen>,
    pub jobs: &'a [bytes::Bytes],
}

/// Checks each account, then what it can read.
pub(super) async fn cloud(access: CloudAccess, clock: &Arc<dyn Clock>, scope: &CloudScope<'_>) -> Vec<DoctorFinding> {
    let endpoint = access.endpoints.sts().to_string();
    let made = catalog(&access.overrides).and_then(|catalog| {
        let accounts = client(access, &catalog, clock, Arc::new(Unobserved))?;
        Ok((catalog, accounts))
    });
    let (catalog, accounts) = match made {
        Ok(made) => made,
        Err(error) => return vec![failed("configuration", error, "correct `[workflows]`")],
    };
    let (classes, readers) = (&catalog.classes, &accounts as &dyn Readers);
    let (mut findings, mut identified) = (Vec::new(), Vec::new());
    for uid in &scope.uids {
        let found = accounts::account(&accounts, uid, &endpoint, clock.as_ref(), classes).await;
        // Without its own credential, nothing can be found out about the permissions of an account.
        let identifies = found.first().is_some_and(|credential| !credential.is_fault());
        findings.extend(found);
        if identifies {
            identified.push(uid.clone());
            findings.push(service::service(&accounts, uid, classes).await);
        }
    }
    if scope.cen.is_none() && scope.jobs.is_empty() {
        findings.extend(permissions::of_accounts(readers, &identified, scope.allow, classes).await);
    }
    if let Some(cen) = scope.cen {
        findings.extend(permissions::of_cen(readers, cen, classes).await);
    }
    for body in scope.jobs {
        match parsed(body) {
            Ok(job) => findings.extend(permissions::of_job(readers, &job, classes).await),
            Err(faults) => findings.extend(faults),
        }
    }
    findings
}
