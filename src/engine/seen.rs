//! What a look shows of a grant, and what that proves: the two witnesses put together.

use jiff::Timestamp;

use crate::domain::{AccountUid, Attachment, GrantRule, InstanceType, Job};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::cloud::Listing;
use crate::engine::record::Image;

/// The reads that a look makes of one grant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// `DescribeGrantRulesToCen`, as the transit-router account: the first witness.
    pub cen_rule: bool,
    /// `DescribeGrantRulesToResource`, as the resource account: the second witness.
    pub resource_rules: bool,
    /// The lists of attachments to Enterprise Edition routers, as the transit-router account.
    pub attachments: bool,
    /// The list of child instances, which shows attachments to the Basic Edition. Never without `attachments`.
    pub basic: bool,
    /// Whether the transit-router account owns the CEN, as that account.
    pub cen_owner: bool,
    /// `DescribeVpnAttachments`, as the resource account: what an IPsec-VPN connection is attached to in any CEN.
    pub vpn: bool,
}

impl Reads {
    const NONE: Self =
        Self { cen_rule: false, resource_rules: false, attachments: false, basic: false, cen_owner: false, vpn: false };
    /// Only `DescribeGrantRulesToCen`.
    pub const CEN_RULE: Self = Self { cen_rule: true, ..Self::NONE };
    /// The grant, as both accounts are shown it.
    pub const WITNESSES: Self = Self { resource_rules: true, ..Self::CEN_RULE };
    /// What a wait is judged by: both witnesses and every attachment.
    pub const ALL: Self = Self { attachments: true, basic: true, ..Self::WITNESSES };

    /// Adds the proof that the account owns the CEN.
    pub fn and_owner(self) -> Self {
        Self { cen_owner: true, ..self }
    }

    /// The reads that are in either.
    pub fn and(self, other: Self) -> Self {
        Self {
            cen_rule: self.cen_rule || other.cen_rule,
            resource_rules: self.resource_rules || other.resource_rules,
            attachments: self.attachments || other.attachments,
            basic: self.basic || other.basic,
            cen_owner: self.cen_owner || other.cen_owner,
            vpn: self.vpn || other.vpn,
        }
    }
}

/// What a look shows of one grant. A part that was not read is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When the look began, by the clock of this machine.
    pub at: Timestamp,
    /// `Date` of the last answer: the clock of the cloud.
    pub date: Option<Timestamp>,
    /// API calls made for it. A call shared with other jobs counts for one of them.
    pub calls: u32,
    /// The rules of this instance in this CEN, as `DescribeGrantRulesToCen` shows them.
    pub cen_rule: Option<Listing<GrantRule>>,
    /// Whether the first witness may not know this type: it refused the type, or its complete answer has no rule of this
    /// instance.
    pub cen_is_mute: bool,
    /// Every rule of the instance, as `DescribeGrantRulesToResource` shows them.
    pub resource_rules: Option<Listing<GrantRule>>,
    /// Attachments of the instance to Enterprise Edition routers of the CEN; these have a payer.
    pub attachments: Option<Listing<Attachment>>,
    /// Attachments of the instance to Basic Edition routers of the CEN.
    pub basic: Option<Listing<Attachment>>,
    /// Whether the transit routers of the CEN were read, which may prove its owner.
    pub routers_read: bool,
    /// What is known of the owner of the CEN.
    pub cen_owner: Option<CenOwner>,
    /// The owner of the instance as a list of the CEN shows it, if the job names another.
    pub other_owner: Option<AccountUid>,
    /// What the IPsec-VPN connection is attached to, in any CEN.
    pub vpn: Option<VpnAttached>,
}

/// What an IPsec-VPN connection is attached to, as its owner is shown it. The read takes a permission of another product; an
/// account without it goes on, and the job says what was not checked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VpnAttached {
    /// Ids of transit routers, or of a VPN gateway; empty if it is attached to nothing.
    To(Vec<String>),
    /// Why it could not be read.
    Unreadable(String),
}

impl Seen {
    /// A look that began at `at` and has read nothing.
    pub fn nothing(at: Timestamp) -> Self {
        Self {
            at,
            date: None,
            calls: 0,
            cen_rule: None,
            cen_is_mute: false,
            resource_rules: None,
            attachments: None,
            basic: None,
            routers_read: false,
            cen_owner: None,
            other_owner: None,
            vpn: None,
        }
    }

    /// Adds the calls and the `Date` of an answer.
    pub fn count(&mut self, calls: u32, date: Option<Timestamp>) {
        self.calls += calls;
        self.date = self.date.max(date);
    }

    /// The reads it holds answers to.
    pub fn reads(&self) -> Reads {
        Reads {
            cen_rule: self.cen_rule.is_some(),
            resource_rules: self.resource_rules.is_some(),
            attachments: self.attachments.is_some(),
            basic: self.basic.is_some(),
            cen_owner: self.cen_owner.is_some(),
            vpn: self.vpn.is_some(),
        }
    }

    /// Whether it holds an answer to each of `reads`.
    pub fn covers(&self, reads: Reads) -> bool {
        let all = self.reads();
        all.and(reads) == all
    }

    /// The attachments of both editions, if all lists were read and counted to their ends.
    pub fn all_attachments(&self) -> Option<Vec<Attachment>> {
        let lists = self.attachments.iter().chain(&self.basic);
        let complete = self.attachments.is_some() && lists.clone().all(|list| list.complete);
        complete.then(|| lists.flat_map(|list| list.items.iter().cloned()).collect())
    }

    /// The rule of the grant of a job, as the first witness shows it.
    pub fn rule_at_cen(&self, job: &Job) -> Option<&GrantRule> {
        let rules = &self.cen_rule.as_ref()?.items;
        rules.iter().find(|rule| rule.instance == job.instance.id && rule.cen == job.cen.id)
    }

    /// The rule of the grant of a job, as the second witness shows it; matched on the CEN and its owner (API §A.4).
    pub fn rule_at_resource(&self, job: &Job) -> Option<&GrantRule> {
        let rules = &self.resource_rules.as_ref()?.items;
        rules.iter().find(|rule| rule.cen == job.cen.id && rule.cen_owner == job.cen.owner)
    }

    /// The image to remember; `None` if the look does not tell whether the grant is there.
    pub fn image(&self, job: &Job) -> Option<Image> {
        let basic = self.basic.iter().flat_map(|listing| &listing.items);
        let attachments = self.attachments.as_ref().map(|listing| listing.items.iter().chain(basic).cloned().collect());
        let image = |rule: Option<&GrantRule>| Image {
            at: self.at,
            granted: rule.is_some(),
            order_type: rule.and_then(|rule| rule.order_type),
            effective_order_type: rule.and_then(|rule| rule.effective_order_type),
            attachments: attachments.clone(),
        };
        match grant_state(self, job) {
            GrantState::Granted(rule) => Some(image(Some(&rule))),
            GrantState::Absent | GrantState::Unshown => Some(image(None)),
            GrantState::Unclear(_) => None,
        }
    }
}

/// What a look proves of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantState {
    /// The grant is there: every witness that was asked shows it.
    Granted(GrantRule),
    /// There is no grant: both witnesses were read to the end, and neither shows it.
    Absent,
    /// Neither witness shows it, which proves nothing: the first may not know the type, and the account of the second may not
    /// own the instance. Only the answer to a write tells.
    Unshown,
    /// Why the look does not tell. Nothing may be inferred from it (API §A.5).
    Unclear(String),
}

/// Puts the witnesses together. A witness that shows the rule is believed, unless the other was read to the end and does not
/// show it, or shows another payer. An absence takes both. The first witness may not know ECRs (API §H2): then the second
/// alone can show that a grant is there, never that it is not.
pub fn grant_state(seen: &Seen, job: &Job) -> GrantState {
    let complete = |listing: &Option<Listing<GrantRule>>| listing.as_ref().is_some_and(|l| l.complete);
    let (at_cen, at_resource) = (seen.rule_at_cen(job), seen.rule_at_resource(job));
    let mute = job.instance.kind == InstanceType::ECR && at_cen.is_none() && seen.cen_is_mute;
    match (at_cen, at_resource) {
        (Some(cen), Some(resource)) if cen.order_type == resource.order_type => GrantState::Granted(cen.clone()),
        (Some(_), Some(_)) => GrantState::Unclear("the two accounts are shown different order types".into()),
        (Some(cen), None) if seen.resource_rules.is_none() => GrantState::Granted(cen.clone()),
        (None, Some(resource)) if seen.cen_rule.is_none() || mute => GrantState::Granted(resource.clone()),
        (Some(_), None) => GrantState::Unclear(format!(
            "account {} is shown the grant and account {} is not",
            job.cen.owner, job.instance.owner
        )),
        (None, Some(_)) => GrantState::Unclear(format!(
            "account {} is shown the grant and account {} is not",
            job.instance.owner, job.cen.owner
        )),
        (None, None) if mute && complete(&seen.resource_rules) => GrantState::Unshown,
        (None, None) if complete(&seen.cen_rule) && complete(&seen.resource_rules) => GrantState::Absent,
        (None, None) if seen.cen_rule.is_some() && !complete(&seen.cen_rule) => GrantState::Unclear(format!(
            "account {} is told nothing of the grants of {}, as one is that does not own it, which proves nothing",
            job.cen.owner, job.cen.id
        )),
        (None, None) => GrantState::Unclear(
            "one account shows no grant; the other must be read too before anything is written".into(),
        ),
    }
}
