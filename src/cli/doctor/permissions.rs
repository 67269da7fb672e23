//! The permissions of the accounts, as far as reads can show them.
//!
//! With a job, everything it would read is read. Without one, less can be tried. Only the owner of a CEN gets the number of
//! its grants; every other account gets an answer without it (API §A.5, §J). So each CEN that the allow-rules name is read
//! with every account until one proves to be the owner. The grants of an instance are read with an id that does not exist.
//! The cloud checks the permission before it looks for the instance, so an answer, and "no such instance", show that the
//! permission exists; `NoPermission` shows that it is missing; `Forbidden` and `Unauthorized` may mean that, or that the
//! instance belongs to another account.

use std::collections::BTreeSet;

use super::finding::{DoctorFinding, fault, fine, unclear};
use super::refusal::{RefusalMeaning, advice, meaning};
use crate::domain::{AccountUid, Cen, CenId, Code, Edition, Instance, InstanceId, InstanceType, Job, Kind, Region};
use crate::engine::policy::Allow;
use crate::engine::ports::cloud::{Answer, CloudError, Readers, RuleFilter, RulePage};
use crate::workflow::ErrorClasses;

const CHECK: &str = "permission";
/// What a first grant needs besides the permission to grant (API §K).
const ROLE: &str = "an account's first grant also needs the service-linked role AliyunServiceRoleForCEN in that account, or \
                    `ram:CreateServiceLinkedRole` with the condition `ram:ServiceName` = `cen.aliyuncs.com` to create it";
const MORE: &str = "run doctor with --job FILE, a file with a typical job, or with --cen UID/CEN";

/// The reads that can be tried without a job, with the accounts whose credentials are valid.
pub(super) async fn of_accounts(
    readers: &dyn Readers,
    uids: &[AccountUid],
    allow: &[Allow],
    classes: &ErrorClasses,
) -> Vec<DoctorFinding> {
    if uids.is_empty() {
        return vec![];
    }
    let cens: BTreeSet<&CenId> = allow.iter().flat_map(|rule| rule.cens.iter().flatten()).collect();
    let resource: BTreeSet<&AccountUid> =
        allow.iter().flat_map(|rule| rule.resource_accounts.iter().flatten()).collect();
    let mut findings = Vec::new();
    let mut owners = BTreeSet::new();
    for id in &cens {
        match owner(readers, id, uids).await {
            Ok(cen) => {
                findings.extend(of_cen(readers, &cen, classes).await);
                owners.insert(cen.owner);
            }
            Err(answers) => {
                let says = format!("no configured account can read the grants of {id}: {}", answers.join("; "));
                let advice =
                    format!("check that its owner is configured and may call DescribeGrantRulesToCen, or {MORE}");
                findings.push(unclear(CHECK, Code::PermissionUnknown, says, advice));
            }
        }
    }
    if cens.is_empty() {
        let says = "no [[allow]] rule names a CEN, so no grants of a CEN were read";
        findings.push(unclear(CHECK, Code::PermissionUnknown, says, MORE));
    }
    for uid in uids.iter().filter(|uid| resource.contains(uid) || !owners.contains(uid)) {
        let instance = absent_instance(uid);
        let read = async { readers.resource_reader(uid)?.describe_grant_rules_to_resource(&instance).await };
        findings.push(of_absent(uid, read.await.map(drop), classes));
    }
    let says = "reads cannot show whether the accounts may grant, revoke and change payers";
    let advice = format!("compare their policies with the calls that `crossgrant plan` shows; {ROLE}");
    findings.push(unclear(CHECK, Code::PermissionUnknown, says, advice));
    findings
}

/// The owner of a CEN among these accounts; else what each was answered.
async fn owner(readers: &dyn Readers, id: &CenId, uids: &[AccountUid]) -> Result<Cen, Vec<String>> {
    let mut answers = Vec::new();
    for uid in uids {
        let cen = Cen { id: id.clone(), owner: uid.clone() };
        match rules(readers, &cen).await {
            Ok(answer) if answer.value.total.is_some() => return Ok(cen),
            Ok(_) => answers.push(format!("account {uid} gets an empty answer")),
            Err(error) => answers.push(format!("account {uid}: {error}")),
        }
    }
    Err(answers)
}

async fn rules(readers: &dyn Readers, cen: &Cen) -> Result<Answer<RulePage>, CloudError> {
    let reader = readers.transit_router_reader(&cen.owner)?;
    reader.describe_grant_rules_to_cen(cen, InstanceType::VPC, &RuleFilter::Page(None)).await
}

/// The reads that the owner of a CEN must be able to make.
pub(super) async fn of_cen(readers: &dyn Readers, cen: &Cen, classes: &ErrorClasses) -> Vec<DoctorFinding> {
    let grants = match rules(readers, cen).await {
        Ok(answer) if answer.value.total.is_none() => {
            let says =
                format!("account {} gets an empty answer about {}, so it may not be the owner", cen.owner, cen.id);
            unclear(CHECK, Code::PermissionUnknown, says, "look up the owner of the CEN in the console")
        }
        answer => tried(answer.map(drop), &format!("the grants of {}", cen.id), &cen.owner, classes),
    };
    let instance = absent_instance(&cen.owner);
    [vec![grants], of_attachments(readers, cen, &instance, classes).await].concat()
}

/// Every read that a job makes.
pub(super) async fn of_job(readers: &dyn Readers, job: &Job, classes: &ErrorClasses) -> Vec<DoctorFinding> {
    let (instance, cen) = (&job.instance, &job.cen);
    let filter = RuleFilter::Instance(instance.id.clone());
    let to_cen = async {
        let reader = readers.transit_router_reader(&cen.owner)?;
        reader.describe_grant_rules_to_cen(cen, instance.kind, &filter).await.map(drop)
    };
    let to_resource = async {
        let reader = readers.resource_reader(&instance.owner)?;
        reader.describe_grant_rules_to_resource(instance).await.map(drop)
    };
    let mut findings = vec![
        tried(to_cen.await, &format!("the grants of {}", cen.id), &cen.owner, classes),
        tried(to_resource.await, &format!("the grants of {}", instance.id), &instance.owner, classes),
    ];
    findings.extend(of_attachments(readers, cen, instance, classes).await);
    if instance.kind == InstanceType::VPN {
        let attached = async {
            let reader = readers.resource_reader(&instance.owner)?;
            reader.describe_vpn_attachments(instance).await.map(drop)
        };
        let what = format!("what {} is attached to in any CEN", instance.id);
        findings.push(tried(attached.await, &what, &instance.owner, classes));
    }
    if job.kind == Kind::Grant && instance.kind != InstanceType::CCN {
        let says = format!(
            "reads cannot show whether account {} has the service-linked role, or may create it",
            instance.owner
        );
        findings.push(unclear(CHECK, Code::PermissionUnknown, says, ROLE));
    }
    findings
}

async fn of_attachments(
    readers: &dyn Readers,
    cen: &Cen,
    instance: &Instance,
    classes: &ErrorClasses,
) -> Vec<DoctorFinding> {
    let (id, owner) = (&cen.id, &cen.owner);
    let cens = async { readers.transit_router_reader(owner)?.describe_cens(cen).await.map(drop) };
    let routers = async { Ok(readers.transit_router_reader(owner)?.list_transit_routers(cen).await?.value.items) };
    let children = async {
        let reader = readers.transit_router_reader(owner)?;
        reader.describe_attached_child_instances(cen, instance.kind).await.map(drop)
    };
    let mut findings = vec![tried(cens.await, &format!("whether it owns {id}"), owner, classes)];
    match routers.await {
        Ok(routers) => {
            findings.push(tried(Ok(()), &format!("the transit routers of {id}"), owner, classes));
            for router in routers.iter().filter(|router| router.edition == Edition::Enterprise) {
                let list = async {
                    let reader = readers.transit_router_reader(owner)?;
                    reader.list_attachments(&router.id, instance.kind, Some(&instance.id)).await.map(drop)
                };
                findings.push(tried(list.await, &format!("the attachments of {}", router.id), owner, classes));
            }
        }
        Err(error) => findings.push(tried(Err(error), &format!("the transit routers of {id}"), owner, classes)),
    }
    findings.push(tried(children.await, &format!("the instances attached to {id}"), owner, classes));
    findings
}

fn tried(read: Result<(), CloudError>, what: &str, account: &AccountUid, classes: &ErrorClasses) -> DoctorFinding {
    match read {
        Ok(()) => fine(CHECK, format!("account {account} can read {what}")),
        Err(error) => {
            let code =
                if meaning(&error) == RefusalMeaning::Unrelated { Code::ReadFailed } else { Code::PermissionMissing };
            let says = format!("account {account} cannot read {what}: {error}");
            fault(CHECK, code, says, advice(&error, classes))
        }
    }
}

/// Judges the answer about an instance that does not exist.
fn of_absent(uid: &AccountUid, read: Result<(), CloudError>, classes: &ErrorClasses) -> DoctorFinding {
    let can = || fine(CHECK, format!("account {uid} can read the grants of its instances"));
    let Err(error) = read else { return can() };
    match meaning(&error) {
        RefusalMeaning::Permitted => can(),
        RefusalMeaning::NotPermitted => {
            let says = format!("account {uid} cannot read the grants of its instances: {error}");
            fault(CHECK, Code::PermissionMissing, says, advice(&error, classes))
        }
        RefusalMeaning::NotPermittedOrForeign => {
            let says = format!(
                "it is not clear whether account {uid} can read the grants of its instances: the answer may also mean that \
                 the instance does not exist: {error}"
            );
            unclear(CHECK, Code::PermissionUnknown, says, MORE)
        }
        RefusalMeaning::Unrelated => {
            fault(CHECK, Code::ReadFailed, format!("account {uid}: {error}"), advice(&error, classes))
        }
    }
}

/// An instance of the account that does not exist. Its id has the right form (API §F), and is made up.
fn absent_instance(owner: &AccountUid) -> Instance {
    Instance {
        kind: InstanceType::VPC,
        id: InstanceId::parse("vpc-0crossgrantdoctor0").expect("it has the form of API §F"),
        region: Region::parse("cn-hangzhou").expect("it has the form of API §F"),
        owner: owner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Operation;
    use crate::engine::ports::cloud::Failure;
    use crate::workflow::Overrides;

    fn classes() -> ErrorClasses {
        crate::cli::engine::catalog(&Overrides::default()).unwrap().classes
    }

    fn refused(operation: Operation, code: &str) -> CloudError {
        let failure = Failure::Refused { status: 400, code: code.into(), message: String::new() };
        CloudError::new(operation, failure)
    }

    #[test]
    fn a_policy_of_an_earlier_version_is_named_and_what_follows_from_it() {
        let uid = AccountUid::parse("1250123456123456").unwrap();
        for (operation, code) in
            [(Operation::ListTransitRouters, "NoPermission"), (Operation::DescribeCens, "Forbidden.RAM")]
        {
            let finding = tried(Err(refused(operation, code)), "the attachments in cen-1", &uid, &classes());
            assert_eq!((finding.ok, finding.code), (Some(false), Some(Code::PermissionMissing)), "{finding:?}");
            let advice = finding.advice.unwrap();
            for part in [&format!("`cen:{operation}`"), "deploy/ram/transit-router-account.json", "No job ends over it"]
            {
                assert!(advice.contains(part), "no {part} in {advice}");
            }
        }
    }
}
