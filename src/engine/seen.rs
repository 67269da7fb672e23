//! What a look shows of a grant, and what that proves: the two witnesses put together.

use jiff::Timestamp;

use crate::domain::{AccountUid, Attachment, GrantRule, InstanceType, Job};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::cloud::Listing;
use crate::engine::record::Image;

/// The reads that a look at one grant makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// `DescribeGrantRulesToCen`, as the transit-router account: the first witness.
    pub cen_rule: bool,
    /// `DescribeGrantRulesToResource`, as the resource account: the second witness.
    pub resource_rules: bool,
    /// The attachments of the Enterprise Edition, as the transit-router account.
    pub attachments: bool,
    /// The attachments of the Basic Edition; never read without `attachments`.
    pub basic: bool,
    /// Who owns the CEN, as the transit-router account.
    pub cen_owner: bool,
    /// `DescribeVpnAttachments`, as the resource account: what an IPsec-VPN connection is attached to in any CEN.
    pub vpn: bool,
}

impl Reads {
    const NONE: Self =
        Self { cen_rule: false, resource_rules: false, attachments: false, basic: false, cen_owner: false, vpn: false };
    /// The first witness alone.
    pub const CEN_RULE: Self = Self { cen_rule: true, ..Self::NONE };
    /// Both witnesses.
    pub const WITNESSES: Self = Self { resource_rules: true, ..Self::CEN_RULE };
    /// Everything that there is for every type of instance.
    pub const ALL: Self = Self { attachments: true, basic: true, ..Self::WITNESSES };

    /// These reads, and who owns the CEN.
    pub fn and_owner(self) -> Self {
        Self { cen_owner: true, ..self }
    }

    /// The reads of both.
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

/// What one look at one grant saw. `None` marks a part that was not read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When the look began, by this machine's clock.
    pub at: Timestamp,
    /// The `Date` of the last answer, by the cloud's clock.
    pub date: Option<Timestamp>,
    /// How many calls were made for it.
    pub calls: u32,
    /// The rules of this instance in this CEN, from the first witness.
    pub cen_rule: Option<Listing<GrantRule>>,
    /// Whether the first witness may know nothing of this type of instance: it answered with an error, or counted none.
    pub cen_is_mute: bool,
    /// All rules of the instance, from the second witness.
    pub resource_rules: Option<Listing<GrantRule>>,
    /// The attachments of the instance in the CEN that have a payer, which only the Enterprise Edition has.
    pub attachments: Option<Listing<Attachment>>,
    /// Its attachments of the Basic Edition.
    pub basic: Option<Listing<Attachment>>,
    /// Whether the transit routers of the CEN were read, which may prove its owner.
    pub routers_read: bool,
    /// Who owns the CEN, if that was asked or shown.
    pub cen_owner: Option<CenOwner>,
    /// The owner of the instance that a list of the CEN shows, if the job names another.
    pub other_owner: Option<AccountUid>,
    /// What the IPsec-VPN connection is attached to, in any CEN.
    pub vpn: Option<VpnAttached>,
}

/// What an IPsec-VPN connection is attached to, as far as its owner can tell. Reading this takes a permission in another
/// product, which an operator may not want to give, so being refused is an answer too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VpnAttached {
    /// These transit routers, or a VPN gateway; empty: nothing.
    To(Vec<String>),
    /// Why it could not be read.
    Unreadable(String),
}

impl Seen {
    /// A look that has read nothing yet.
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

    /// Adds the calls of an answer, and keeps the latest `Date`.
    pub fn count(&mut self, calls: u32, date: Option<Timestamp>) {
        self.calls += calls;
        self.date = self.date.max(date);
    }

    /// The parts that were read.
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

    /// Whether every part in `reads` was read.
    pub fn covers(&self, reads: Reads) -> bool {
        let all = self.reads();
        all.and(reads) == all
    }

    /// The attachments of both editions, if their lists are complete.
    pub fn all_attachments(&self) -> Option<Vec<Attachment>> {
        let lists = self.attachments.iter().chain(&self.basic);
        let complete = self.attachments.is_some() && lists.clone().all(|list| list.complete);
        complete.then(|| lists.flat_map(|list| list.items.iter().cloned()).collect())
    }

    /// The rule of the job's grant, from the first witness.
    pub fn rule_at_cen(&self, job: &Job) -> Option<&GrantRule> {
        let rules = &self.cen_rule.as_ref()?.items;
        rules.iter().find(|rule| rule.instance == job.instance.id && rule.cen == job.cen.id)
    }

    /// The rule of the job's grant, from the second witness, by the CEN and its owner (API §A.4).
    pub fn rule_at_resource(&self, job: &Job) -> Option<&GrantRule> {
        let rules = &self.resource_rules.as_ref()?.items;
        rules.iter().find(|rule| rule.cen == job.cen.id && rule.cen_owner == job.cen.owner)
    }

    /// What a job remembers of the look; `None` when the state of the grant is unclear.
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

/// What a look says of a grant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum GrantState {
    /// Every witness that was asked shows the grant.
    Granted(GrantRule),
    /// There is no grant: both witnesses were read to the end, and neither shows one.
    Absent,
    /// Neither witness shows a grant, which proves nothing: the first may know nothing of the type, and the second may not be
    /// the owner of the instance. Only the answer to a write tells.
    Unshown,
    /// Why the state cannot be told. Nothing may be inferred from such a look (API §A.5).
    Unclear(String),
}

/// Puts the witnesses together. A witness that shows the rule is believed, unless the other was asked too and does not
/// show it or shows another payer. An absence takes both. The first witness may know nothing of an ECR (API §H2); then
/// the second alone can prove that the grant is there, and none that it is not.
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
