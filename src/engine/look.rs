//! A look: the reads of one grant, made together, as the account each belongs to.

use jiff::Timestamp;

use super::action::{Reads, Seen, VpnAttached};
use super::cen_rules::CenRules;
use super::cloud::{Answer, CloudError, Failure, Listing, Readers};
use crate::clock::Clock;
use crate::domain::{Attachment, InstanceType, Job, Rule};
use crate::workflow::{Class, ErrorClasses};

/// Makes the reads. Any that fails fails the look: half a look must not be judged.
pub async fn look(
    cloud: &dyn Readers,
    rules: &CenRules,
    clock: &dyn Clock,
    classes: &ErrorClasses,
    job: &Job,
    reads: Reads,
) -> Result<Seen, CloudError> {
    // When the look began, so that nothing seen is taken for newer than it is.
    let at = clock.now();
    let (cen_rule, resource_rules, attachments, basic, vpn) = tokio::try_join!(
        optional(reads.cen_rule, cen_rule(cloud, rules, clock, job)),
        optional(reads.resource_rules, resource_rules(cloud, job)),
        optional(reads.attachments, attachments(cloud, job)),
        optional(reads.basic, basic(cloud, job)),
        optional(reads.vpn, vpn(cloud, classes, job)),
    )?;
    Ok(seen(at, cen_rule, resource_rules, attachments, basic, vpn))
}

/// Makes the reads of a job that will not be begun anyway, to find what else is in its way: what cannot be read is said
/// and left out. An account without credentials is not asked.
pub async fn look_in_part(
    cloud: &dyn Readers,
    rules: &CenRules,
    clock: &dyn Clock,
    classes: &ErrorClasses,
    job: &Job,
    reads: Reads,
) -> (Seen, Vec<String>) {
    let at = clock.now();
    let resource = cloud.resource_reader(&job.instance.owner).is_ok();
    let cen = cloud.transit_router_reader(&job.cen.owner).is_ok();
    let (cen_rule, resource_rules, attachments, basic, vpn) = tokio::join!(
        optional(reads.cen_rule && cen, cen_rule(cloud, rules, clock, job)),
        optional(reads.resource_rules && resource, resource_rules(cloud, job)),
        optional(reads.attachments && cen, attachments(cloud, job)),
        optional(reads.basic && cen, basic(cloud, job)),
        optional(reads.vpn && resource, vpn(cloud, classes, job)),
    );
    let mut unread = Vec::new();
    let (cen_rule, resource_rules) = (part(cen_rule, &mut unread), part(resource_rules, &mut unread));
    let (attachments, basic) = (part(attachments, &mut unread), part(basic, &mut unread));
    let vpn = part(vpn, &mut unread);
    (seen(at, cen_rule, resource_rules, attachments, basic, vpn), unread)
}

fn part<T>(read: Result<Option<T>, CloudError>, unread: &mut Vec<String>) -> Option<T> {
    read.unwrap_or_else(|error| {
        unread.push(format!("could not be read: {error}"));
        None
    })
}

fn seen(
    at: Timestamp,
    cen_rule: Option<Answer<Listing<Rule>>>,
    resource_rules: Option<Answer<Listing<Rule>>>,
    attachments: Option<Answer<Listing<Attachment>>>,
    basic: Option<Answer<Listing<Attachment>>>,
    vpn: Option<Answer<VpnAttached>>,
) -> Seen {
    let dates = [
        cen_rule.as_ref().and_then(|answer| answer.date),
        resource_rules.as_ref().and_then(|answer| answer.date),
        attachments.as_ref().and_then(|answer| answer.date),
        basic.as_ref().and_then(|answer| answer.date),
        vpn.as_ref().and_then(|answer| answer.date),
    ];
    let calls = [
        cen_rule.as_ref().map(|answer| answer.calls),
        resource_rules.as_ref().map(|answer| answer.calls),
        attachments.as_ref().map(|answer| answer.calls),
        basic.as_ref().map(|answer| answer.calls),
        vpn.as_ref().map(|answer| answer.calls),
    ];
    Seen {
        at,
        calls: calls.into_iter().flatten().sum(),
        date: dates.into_iter().flatten().max(),
        cen_rule: cen_rule.map(|answer| answer.value),
        resource_rules: resource_rules.map(|answer| answer.value),
        attachments: attachments.map(|answer| answer.value),
        basic: basic.map(|answer| answer.value),
        vpn: vpn.map(|answer| answer.value),
    }
}

async fn optional<T>(
    wanted: bool,
    read: impl Future<Output = Result<Answer<T>, CloudError>>,
) -> Result<Option<Answer<T>>, CloudError> {
    if wanted { read.await.map(Some) } else { Ok(None) }
}

async fn cen_rule(
    cloud: &dyn Readers,
    rules: &CenRules,
    clock: &dyn Clock,
    job: &Job,
) -> Result<Answer<Listing<Rule>>, CloudError> {
    match rules.of(cloud, clock, job).await {
        // Older back ends do not know the type here; the other witness decides alone then (API §H2).
        Err(CloudError { failure: Failure::Refused { code, .. }, request_id, .. })
            if job.instance.kind == InstanceType::ECR && code.starts_with("InvalidParameter") =>
        {
            let value = Listing { items: vec![], complete: false };
            Ok(Answer { value, request_id: request_id.unwrap_or_default(), date: None, calls: 1 })
        }
        answer => answer,
    }
}

async fn resource_rules(cloud: &dyn Readers, job: &Job) -> Result<Answer<Listing<Rule>>, CloudError> {
    cloud.resource_reader(&job.instance.owner)?.describe_grant_rules_to_resource(&job.instance).await
}

async fn attachments(cloud: &dyn Readers, job: &Job) -> Result<Answer<Listing<Attachment>>, CloudError> {
    cloud.transit_router_reader(&job.cen.owner)?.list_attachments(&job.cen, &job.instance).await
}

async fn basic(cloud: &dyn Readers, job: &Job) -> Result<Answer<Listing<Attachment>>, CloudError> {
    cloud.transit_router_reader(&job.cen.owner)?.describe_attached_child_instances(&job.cen, &job.instance).await
}

/// A refusal for good means that it may not be read, which fails no look; whatever passes is asked again.
async fn vpn(cloud: &dyn Readers, classes: &ErrorClasses, job: &Job) -> Result<Answer<VpnAttached>, CloudError> {
    match cloud.resource_reader(&job.instance.owner)?.describe_vpn_attachments(&job.instance).await {
        Ok(Answer { value: Listing { items, complete }, request_id, date, calls }) => {
            let value = if complete || !items.is_empty() {
                VpnAttached::To(items)
            } else {
                VpnAttached::Unreadable("DescribeVpnAttachments: the list could not be read to its end".into())
            };
            Ok(Answer { value, request_id, date, calls })
        }
        Err(error) if refuses_to_tell(classes, &error) => {
            let value = VpnAttached::Unreadable(error.to_string());
            Ok(Answer { value, request_id: error.request_id.unwrap_or_default(), date: None, calls: 1 })
        }
        Err(error) => Err(error),
    }
}

fn refuses_to_tell(classes: &ErrorClasses, error: &CloudError) -> bool {
    match &error.failure {
        Failure::Refused { status, code, .. } => {
            let verdict = classes.classify(&error.operation, *status, code, error.retry_after.is_some());
            matches!(verdict.class, Class::Permanent | Class::Unknown | Class::Done)
        }
        // Held back by our own budget, it will go out later.
        Failure::NotSent { .. } => error.retry_after.is_none(),
        Failure::Credential { .. } | Failure::Unanswered { .. } => false,
    }
}
