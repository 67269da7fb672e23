//! A look: the reads of one grant, made at the same time, each with the keys of its account.

use jiff::Timestamp;

use crate::clock::Clock;
use crate::domain::{AccountUid, GrantRule, InstanceType, Job};
use crate::engine::look::cen_attachments::{CenAttachments, InstanceAttachments};
use crate::engine::look::cen_owner::{CenOwner, CenOwners};
use crate::engine::look::cen_rules::CenRules;
use crate::engine::look::holds::Holds;
use crate::engine::ports::cloud::{Answer, CloudError, Failure, Listing, Readers};
use crate::engine::seen::{Reads, Seen, VpnAttached};
use crate::workflow::{Class, ErrorClasses};

/// What all looks of a worker share.
#[derive(Default)]
pub struct SharedReads {
    /// The grant rules of CENs.
    pub rules: CenRules,
    /// The transit routers of CENs and their attachments.
    pub attachments: CenAttachments,
    /// Which account owns which CEN.
    pub owners: CenOwners,
    /// Reads that wait because the cloud refuses them for a reason that concerns no job.
    pub holds: Holds,
}

/// Makes looks.
#[derive(Clone, Copy)]
pub struct Looker<'a> {
    /// The readers of all accounts.
    pub cloud: &'a dyn Readers,
    /// What it shares with the other looks.
    pub shared: &'a SharedReads,
    /// When a look began.
    pub clock: &'a dyn Clock,
    /// The table of error classes.
    pub classes: &'a ErrorClasses,
}

/// The answers of a look; `None` for a read that was not asked for.
#[derive(Default)]
struct Answers {
    rules: Option<Answer<CenRule>>,
    resource_rules: Option<Answer<Listing<GrantRule>>>,
    attached: Option<Answer<InstanceAttachments>>,
    vpn: Option<Answer<VpnAttached>>,
}

/// The answer of the first witness.
struct CenRule {
    rules: Listing<GrantRule>,
    /// Whether it was an error that says that it does not know the type.
    knows_no_such_type: bool,
}

impl Looker<'_> {
    /// Makes the reads. If one fails, the look fails: half a look must not be judged.
    pub async fn look(&self, job: &Job, reads: Reads) -> Result<Seen, CloudError> {
        let began = self.clock.uptime();
        let (rules, resource_rules, attached, vpn) = tokio::try_join!(
            optional(reads.cen_rule, self.cen_rule(job)),
            optional(reads.resource_rules, self.resource_rules(job)),
            optional(reads.attachments, self.attached(job, reads.basic)),
            optional(reads.vpn, self.vpn(job)),
        )?;
        // When the look began, so that nothing seen is taken for newer than it is; by the time that its answers have told.
        let at = self.clock.at(began);
        let mut seen = Answers { rules, resource_rules, attached, vpn }.seen(at, &job.cen);
        if reads.cen_owner {
            self.see_owner(job, &mut seen).await?;
        }
        Ok(seen)
    }

    /// Makes the reads of a job that will not begin in any case, to find what else is in its way. Returns a sentence for each
    /// part that could not be read. An account without credentials is not asked.
    pub async fn look_in_part(&self, job: &Job, reads: Reads) -> (Seen, Vec<String>) {
        let began = self.clock.uptime();
        let resource = self.cloud.resource_reader(&job.instance.owner).is_ok();
        let cen = self.cloud.transit_router_reader(&job.cen.owner).is_ok();
        let (rules, resource_rules, attached, vpn) = tokio::join!(
            optional(reads.cen_rule && cen, self.cen_rule(job)),
            optional(reads.resource_rules && resource, self.resource_rules(job)),
            optional(reads.attachments && cen, self.attached(job, reads.basic)),
            optional(reads.vpn && resource, self.vpn(job)),
        );
        let mut unread = Vec::new();
        let (rules, resource_rules) = (part(rules, &mut unread), part(resource_rules, &mut unread));
        let (attached, vpn) = (part(attached, &mut unread), part(vpn, &mut unread));
        let mut seen = Answers { rules, resource_rules, attached, vpn }.seen(self.clock.at(began), &job.cen);
        if reads.cen_owner
            && cen
            && let Err(error) = self.see_owner(job, &mut seen).await
        {
            unread.push(format!("could not be read: {error}"));
        }
        (seen, unread)
    }

    /// Makes a read of an account unless it is held.
    async fn guard<T>(
        &self,
        account: &AccountUid,
        what: &'static str,
        read: impl Future<Output = Result<T, CloudError>>,
    ) -> Result<T, CloudError> {
        self.shared.holds.guard(self.clock, self.classes, account, what, read).await
    }

    async fn cen_rule(&self, job: &Job) -> Result<Answer<CenRule>, CloudError> {
        let read = self.shared.rules.of(self.cloud, self.clock, job);
        match self.guard(&job.cen.owner, "rules of a CEN", read).await {
            // Older back ends do not know the type here; the other witness decides alone then (API §H2).
            Err(CloudError { failure: Failure::Refused { code, .. }, request_id, .. })
                if job.instance.kind == InstanceType::ECR && code.starts_with("InvalidParameter") =>
            {
                let rules = Listing { items: vec![], complete: false };
                let value = CenRule { rules, knows_no_such_type: true };
                Ok(Answer { value, request_id: request_id.unwrap_or_default(), date: None, calls: 1 })
            }
            answer => answer.map(|answer| answer.map(|rules| CenRule { rules, knows_no_such_type: false })),
        }
    }

    async fn resource_rules(&self, job: &Job) -> Result<Answer<Listing<GrantRule>>, CloudError> {
        let reader = self.cloud.resource_reader(&job.instance.owner)?;
        let read = reader.describe_grant_rules_to_resource(&job.instance);
        let what = if job.instance.kind == InstanceType::CCN { "rules of a CCN" } else { "rules of an instance" };
        self.guard(&job.instance.owner, what, read).await
    }

    async fn attached(&self, job: &Job, basic: bool) -> Result<Answer<InstanceAttachments>, CloudError> {
        let reader = self.cloud.transit_router_reader(&job.cen.owner)?;
        let read = self.shared.attachments.of(reader.as_ref(), &job.cen, &job.instance, basic);
        self.guard(&job.cen.owner, what_is_listed(job.instance.kind), read).await
    }

    /// A refusal for good means that the account may not read it, which fails no look. An error that can pass fails the look.
    async fn vpn(&self, job: &Job) -> Result<Answer<VpnAttached>, CloudError> {
        let reader = self.cloud.resource_reader(&job.instance.owner)?;
        match reader.describe_vpn_attachments(&job.instance).await {
            Ok(Answer { value: Listing { items, complete }, request_id, date, calls }) => {
                let value = if complete || !items.is_empty() {
                    VpnAttached::To(items)
                } else {
                    VpnAttached::Unreadable("DescribeVpnAttachments: the list could not be read to its end".into())
                };
                Ok(Answer { value, request_id, date, calls })
            }
            Err(error) if refuses_to_tell(self.classes, &error) => {
                let value = VpnAttached::Unreadable(error.to_string());
                Ok(Answer { value, request_id: error.request_id.unwrap_or_default(), date: None, calls: 1 })
            }
            Err(error) => Err(error),
        }
    }

    /// Finds out whether the account of the job owns the CEN, from what was read already if that tells.
    async fn see_owner(&self, job: &Job, seen: &mut Seen) -> Result<(), CloudError> {
        let cen = &job.cen;
        let rules = seen.cen_rule.as_ref().and_then(|rules| CenOwner::by_rules(cen, &rules.items));
        let owner = match seen.cen_owner.take().or(rules) {
            Some(owner) => owner,
            None if self.shared.owners.is_proven(cen, self.clock) => {
                seen.cen_owner = Some(CenOwner::Proven);
                return Ok(());
            }
            None => self.ask_owner(job, seen).await?,
        };
        if owner == CenOwner::Proven {
            self.shared.owners.keep(cen, self.clock);
        }
        seen.cen_owner = Some(owner);
        Ok(())
    }

    async fn ask_owner(&self, job: &Job, seen: &mut Seen) -> Result<CenOwner, CloudError> {
        let cen = &job.cen;
        let reader = self.cloud.transit_router_reader(&cen.owner)?;
        if !seen.routers_read {
            let read = self.shared.attachments.routers(reader.as_ref(), cen);
            let (calls, routers) = self.guard(&cen.owner, "transit routers", read).await?;
            seen.calls += calls;
            if let Some(owner) = CenOwner::by_routers(cen, &routers.value.items) {
                return Ok(owner);
            }
        }
        // A CEN may have no transit router yet.
        let cens = self.guard(&cen.owner, "CENs", reader.describe_cens(cen)).await?;
        seen.calls += cens.calls;
        Ok(CenOwner::by_cens(cen, &cens.value))
    }
}

/// Names a list of attachments: each type has an operation of its own.
fn what_is_listed(kind: InstanceType) -> &'static str {
    match kind {
        InstanceType::VPC => "attachments of VPCs",
        InstanceType::VBR => "attachments of VBRs",
        InstanceType::VPN => "attachments of IPsec-VPN connections",
        InstanceType::ECR => "attachments of ECRs",
        InstanceType::CCN => "attachments of CCNs",
    }
}

fn part<T>(read: Result<Option<T>, CloudError>, unread: &mut Vec<String>) -> Option<T> {
    read.unwrap_or_else(|error| {
        unread.push(format!("could not be read: {error}"));
        None
    })
}

impl Answers {
    fn seen(self, at: Timestamp, cen: &crate::domain::Cen) -> Seen {
        let mut seen = Seen::nothing(at);
        let Self { rules, resource_rules, attached, vpn } = self;
        if let Some(answer) = rules {
            seen.count(answer.calls, answer.date);
            let counted_none = answer.value.rules.complete && answer.value.rules.items.is_empty();
            seen.cen_is_mute = answer.value.knows_no_such_type || counted_none;
            seen.cen_rule = Some(answer.value.rules);
        }
        if let Some(answer) = resource_rules {
            seen.count(answer.calls, answer.date);
            seen.resource_rules = Some(answer.value);
        }
        if let Some(answer) = attached {
            seen.count(answer.calls, answer.date);
            let InstanceAttachments { routers, enterprise, basic, other_owner } = answer.value;
            seen.routers_read = routers.is_some();
            seen.cen_owner = routers.and_then(|routers| CenOwner::by_routers(cen, &routers.items));
            (seen.attachments, seen.basic, seen.other_owner) = (Some(enterprise), basic, other_owner);
        }
        if let Some(answer) = vpn {
            seen.count(answer.calls, answer.date);
            seen.vpn = Some(answer.value);
        }
        seen
    }
}

async fn optional<T>(
    wanted: bool,
    read: impl Future<Output = Result<Answer<T>, CloudError>>,
) -> Result<Option<Answer<T>>, CloudError> {
    if wanted { read.await.map(Some) } else { Ok(None) }
}

fn refuses_to_tell(classes: &ErrorClasses, error: &CloudError) -> bool {
    match &error.failure {
        Failure::Refused { .. } => {
            matches!(
                error.class(classes),
                Class::Permanent | Class::Unknown | Class::Done | Class::Held | Class::Account
            )
        }
        // The budget of this worker holds it back; it goes out later.
        Failure::NotSent { .. } => error.retry_after.is_none(),
        Failure::Credential { .. }
        | Failure::AccountRefused { .. }
        | Failure::Held { .. }
        | Failure::Unanswered { .. } => false,
    }
}
