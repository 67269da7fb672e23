//! The permissions of the accounts, as far as reads can tell.
//!
//! With a job, everything it would read is read. Without one there is less to try it on. The owner of a CEN is shown the
//! number of its grants, and every other account an answer without one (API §A.5, §J): so each CEN that the policy names is
//! asked for as every account, until one is its owner. The grants of an instance are asked for with an id that does not
//! exist: an answer, or that there is no such instance, comes after the permission was looked at; `NoPermission` is a no;
//! and `Forbidden` or `Unauthorized` may mean either that, or that the instance is somebody else's, which cannot be told.

use std::collections::BTreeSet;

use super::finding::{Finding, fault, fine, unclear};
use crate::domain::{AccountUid, Cen, CenId, Code, Edition, Instance, InstanceId, InstanceType, Job, Kind, Region};
use crate::engine::policy::Allow;
use crate::engine::ports::cloud::{Answer, CloudError, Failure, Readers, RuleFilter, RulePage};
use crate::workflow::ErrorClasses;

const CHECK: &str = "permission";
/// What a first grant needs besides the permission to grant (API §K).
const ROLE: &str = "an account's first grant also needs the service-linked role AliyunServiceRoleForCEN in that account, or \
                    `ram:CreateServiceLinkedRole` with the condition `ram:ServiceName` = `cen.aliyuncs.com` to make it";
const MORE: &str = "run it with --job <file>, a job as it will be asked for, or with --cen <uid>/<cen>";

/// What there is to try without a job, as the accounts whose credentials are theirs.
pub(super) async fn of_accounts(
    readers: &dyn Readers,
    uids: &[AccountUid],
    rules: &[Allow],
    classes: &ErrorClasses,
) -> Vec<Finding> {
    if uids.is_empty() {
        return vec![];
    }
    let cens: BTreeSet<&CenId> = rules.iter().flat_map(|rule| rule.cens.iter().flatten()).collect();
    let resource: BTreeSet<&AccountUid> =
        rules.iter().flat_map(|rule| rule.resource_accounts.iter().flatten()).collect();
    let mut findings = Vec::new();
    let mut owners = BTreeSet::new();
    for id in &cens {
        match owner(readers, id, uids).await {
            Ok(cen) => {
                findings.extend(of_cen(readers, &cen, classes).await);
                owners.insert(cen.owner);
            }
            Err(said) => {
                let says = format!("no account is shown the grants of {id}: {}", said.join("; "));
                let advice = format!("see that its owner is configured and may call DescribeGrantRulesToCen; {MORE}");
                findings.push(unclear(CHECK, Code::PermissionUnknown, says, advice));
            }
        }
    }
    if cens.is_empty() {
        let says = "no [[allow]] rule names a CEN, so there is none whose grants could be read";
        findings.push(unclear(CHECK, Code::PermissionUnknown, says, MORE));
    }
    for uid in uids.iter().filter(|uid| resource.contains(uid) || !owners.contains(uid)) {
        let instance = nobodys(uid);
        let read = async { readers.resource_reader(uid)?.describe_grant_rules_to_resource(&instance).await };
        findings.push(of_nobodys(uid, read.await.map(drop), classes));
    }
    let says = "whether the accounts may grant, revoke and change payers cannot be read";
    let advice = format!("compare their policies with what `crossgrant plan` says that a job would call; {ROLE}");
    findings.push(unclear(CHECK, Code::PermissionUnknown, says, advice));
    findings
}

/// The owner of a CEN among these accounts; else what each was told.
async fn owner(readers: &dyn Readers, id: &CenId, uids: &[AccountUid]) -> Result<Cen, Vec<String>> {
    let mut said = Vec::new();
    for uid in uids {
        let cen = Cen { id: id.clone(), owner: uid.clone() };
        match rules(readers, &cen).await {
            Ok(answer) if answer.value.total.is_some() => return Ok(cen),
            Ok(_) => said.push(format!("account {uid} is told nothing")),
            Err(error) => said.push(format!("account {uid}: {error}")),
        }
    }
    Err(said)
}

async fn rules(readers: &dyn Readers, cen: &Cen) -> Result<Answer<RulePage>, CloudError> {
    let reader = readers.transit_router_reader(&cen.owner)?;
    reader.describe_grant_rules_to_cen(cen, InstanceType::VPC, &RuleFilter::Page(None)).await
}

/// What the owner of a CEN has to read of it.
pub(super) async fn of_cen(readers: &dyn Readers, cen: &Cen, classes: &ErrorClasses) -> Vec<Finding> {
    let grants = match rules(readers, cen).await {
        Ok(answer) if answer.value.total.is_none() => {
            let says = format!("account {} is told nothing of {}: it may not be its owner", cen.owner, cen.id);
            unclear(CHECK, Code::PermissionUnknown, says, "compare the owner of the CEN with the console")
        }
        answer => tried(answer.map(drop), &format!("the grants of {}", cen.id), &cen.owner, classes),
    };
    let instance = nobodys(&cen.owner);
    [vec![grants], of_attachments(readers, cen, &instance, classes).await].concat()
}

/// The reads of a job, each for itself.
pub(super) async fn of_job(readers: &dyn Readers, job: &Job, classes: &ErrorClasses) -> Vec<Finding> {
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
        let says = format!("whether account {} has or may make the service-linked role cannot be read", instance.owner);
        findings.push(unclear(CHECK, Code::PermissionUnknown, says, ROLE));
    }
    findings
}

async fn of_attachments(readers: &dyn Readers, cen: &Cen, instance: &Instance, classes: &ErrorClasses) -> Vec<Finding> {
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

fn tried(read: Result<(), CloudError>, what: &str, account: &AccountUid, classes: &ErrorClasses) -> Finding {
    match read {
        Ok(()) => fine(CHECK, format!("account {account} may read {what}")),
        Err(error) => {
            let code = if tells(&error) == Tells::Nothing { Code::ReadFailed } else { Code::PermissionMissing };
            let says = format!("account {account} cannot read {what}: {error}");
            fault(CHECK, code, says, advice(&error, classes))
        }
    }
}

/// What an account was told of an instance that does not exist.
fn of_nobodys(uid: &AccountUid, read: Result<(), CloudError>, classes: &ErrorClasses) -> Finding {
    let may = || fine(CHECK, format!("account {uid} may read the grants of its instances"));
    let Err(error) = read else { return may() };
    match tells(&error) {
        Tells::NoSuchThing => may(),
        Tells::No => {
            let says = format!("account {uid} may not read the grants of its instances: {error}");
            fault(CHECK, Code::PermissionMissing, says, advice(&error, classes))
        }
        Tells::NotYours => {
            let says = format!(
                "whether account {uid} may read the grants of its instances cannot be told from one that does not exist: \
                 {error}"
            );
            unclear(CHECK, Code::PermissionUnknown, says, MORE)
        }
        Tells::Nothing => fault(CHECK, Code::ReadFailed, format!("account {uid}: {error}"), advice(&error, classes)),
    }
}

/// What a refusal of a read tells of permissions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tells {
    /// They are missing.
    No,
    /// They are missing, or the thing is somebody else's.
    NotYours,
    /// They are there: it was looked for.
    NoSuchThing,
    /// It was about something else.
    Nothing,
}

pub(super) fn tells(error: &CloudError) -> Tells {
    let Failure::Refused { code, .. } = &error.failure else { return Tells::Nothing };
    let code = code.to_ascii_lowercase();
    match code.as_str() {
        "nopermission" | "forbidden.ram" => Tells::No,
        "unauthorized" | "forbidden" => Tells::NotYours,
        // A key that is disabled, or does not exist, is none that lacks a permission.
        _ if code.contains("accesskey") => Tells::Nothing,
        _ if code.starts_with("forbidden.") => Tells::NotYours,
        _ if code.starts_with("invalidinstance") || code.starts_with("invalidresource") => {
            match code.contains("notfound") {
                true => Tells::NoSuchThing,
                false => Tells::Nothing,
            }
        }
        _ => Tells::Nothing,
    }
}

/// What to do about a failed call, by the error table.
pub(super) fn advice(error: &CloudError, classes: &ErrorClasses) -> String {
    if let Failure::NotSent { .. } = &error.failure {
        return "compare the account's keys and the endpoints in the configuration".into();
    }
    besides_doctor(error.verdict(classes).advice)
}

/// An advice without its sentences about `crossgrant doctor`, whose reader is told what it finds already.
fn besides_doctor(advice: &str) -> String {
    let sentences = advice.split_inclusive(". ").filter(|sentence| !sentence.contains("`crossgrant doctor`"));
    sentences.collect::<String>().trim_end().to_owned()
}

/// An instance of the account that does not exist: its id is as ids are (API §F), and made up.
fn nobodys(owner: &AccountUid) -> Instance {
    Instance {
        kind: InstanceType::VPC,
        id: InstanceId::parse("vpc-0crossgrantdoctor0").expect("as API §F has them"),
        region: Region::parse("cn-hangzhou").expect("as API §F has them"),
        owner: owner.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::Operation;
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

    #[test]
    fn doctor_does_not_advise_to_ask_doctor() {
        for entry in classes().entries() {
            let advice = besides_doctor(&entry.advice);
            assert!(!advice.is_empty() && !advice.contains("doctor"), "{}: {advice}", entry.advice);
        }
        let advised = advice(&refused(Operation::DescribeVpnAttachments, "InvalidAccessKeyId.NotFound"), &classes());
        assert_eq!(advised, "Correct the account's credential in the configuration, then `resume` what has parked.");
    }

    #[test]
    fn only_some_refusals_say_something_of_permissions() {
        for (code, says) in [
            ("NoPermission", Tells::No),
            ("Forbidden.RAM", Tells::No),
            ("Unauthorized", Tells::NotYours),
            ("Forbidden", Tells::NotYours),
            ("Forbidden.TransitRouterServiceExpired", Tells::NotYours),
            ("InvalidInstanceId.NotFound", Tells::NoSuchThing),
            ("InvalidAccessKeyId.NotFound", Tells::Nothing),
            ("Forbidden.AccessKeyDisabled", Tells::Nothing),
            ("InvalidApi.NotFound", Tells::Nothing),
            ("InvalidParameter", Tells::Nothing),
            ("Throttling.User", Tells::Nothing),
        ] {
            assert_eq!(tells(&refused(Operation::DescribeGrantRulesToResource, code)), says, "{code}");
        }
    }
}
