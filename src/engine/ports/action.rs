//! What a step can call, as a port of the engine: what to read, what to make of it, and, for the ones that write, the
//! call itself. Reading and judging know nothing of time, stores or retries; the engine knows nothing of grants.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{AccountUid, Attachment, CalledAs, GrantRule, InstanceType, Job, Operation, OrderType, Reason};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::cloud::{Answer, CloudError, Listing, ResourceWriter, TransitRouterWriter};
use crate::engine::record::{Image, Outcome, Record, Write};
use crate::workflow::VerbSpec;

/// Which of the reads of one grant a look makes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reads {
    /// `DescribeGrantRulesToCen`, as the transit-router account: the first witness.
    pub cen_rule: bool,
    /// `DescribeGrantRulesToResource`, as the resource account: the second witness.
    pub resource_rules: bool,
    /// The attachments of the Enterprise Edition, as the transit-router account.
    pub attachments: bool,
    /// Those of the Basic Edition; never without `attachments`.
    pub basic: bool,
    /// Whose the CEN is, as the transit-router account.
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
    /// Everything that there is of every type of a grant.
    pub const ALL: Self = Self { attachments: true, basic: true, ..Self::WITNESSES };

    /// These, and whose the CEN is.
    pub fn and_owner(self) -> Self {
        Self { cen_owner: true, ..self }
    }

    /// What either asks for.
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

/// What one look at one grant saw. A part that was not read is `None`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// When, by our clock.
    pub at: Timestamp,
    /// When, by the cloud's: the `Date` of the last answer.
    pub date: Option<Timestamp>,
    /// How many calls it took.
    pub calls: u32,
    /// The rules of this instance in this CEN as the first witness tells them.
    pub cen_rule: Option<Listing<GrantRule>>,
    /// The first witness may know nothing of any instance of this type: it says so by an error, or counts none.
    pub cen_is_mute: bool,
    /// All rules of the instance as the second witness tells them.
    pub resource_rules: Option<Listing<GrantRule>>,
    /// The attachments of the instance in the CEN that have a payer: those of the Enterprise Edition.
    pub attachments: Option<Listing<Attachment>>,
    /// Those of the Basic Edition.
    pub basic: Option<Listing<Attachment>>,
    /// Whether the transit routers of the CEN were read.
    pub routers_read: bool,
    /// Whose the CEN is.
    pub cen_owner: Option<CenOwner>,
    /// An account that a list of the CEN shows as the owner of the instance, if it is another than the job says.
    pub other_owner: Option<AccountUid>,
    /// What the IPsec-VPN connection is attached to in any CEN.
    pub vpn: Option<VpnAttached>,
}

/// What an IPsec-VPN connection is attached to, as far as its owner can tell. To read this takes a permission in another
/// product, which not everybody gives, so not being allowed to is an answer too.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum VpnAttached {
    /// These: transit routers, or a VPN gateway.
    To(Vec<String>),
    /// It could not be read, and why.
    Unreadable(String),
}

impl Seen {
    /// A look that read nothing yet.
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

    /// Counts the calls of an answer in, and when it was given.
    pub fn count(&mut self, calls: u32, date: Option<Timestamp>) {
        self.calls += calls;
        self.date = self.date.max(date);
    }

    /// What was read.
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

    /// Whether everything in `reads` was read.
    pub fn covers(&self, reads: Reads) -> bool {
        let all = self.reads();
        all.and(reads) == all
    }

    /// The attachments it shows, if the lists of them were read and counted to their ends.
    pub fn all_attachments(&self) -> Option<Vec<Attachment>> {
        let lists = self.attachments.iter().chain(&self.basic);
        let complete = self.attachments.is_some() && lists.clone().all(|list| list.complete);
        complete.then(|| lists.flat_map(|list| list.items.iter().cloned()).collect())
    }

    /// The rule of the job's grant, as the first witness tells it.
    pub fn rule_at_cen(&self, job: &Job) -> Option<&GrantRule> {
        let rules = &self.cen_rule.as_ref()?.items;
        rules.iter().find(|rule| rule.instance == job.instance.id && rule.cen == job.cen.id)
    }

    /// The rule of the job's grant, as the second witness tells it. Matched on the CEN and its owner (API §A.4).
    pub fn rule_at_resource(&self, job: &Job) -> Option<&GrantRule> {
        let rules = &self.resource_rules.as_ref()?.items;
        rules.iter().find(|rule| rule.cen == job.cen.id && rule.cen_owner == job.cen.owner)
    }

    /// What is to be remembered of the look: `None` when it shows nothing of the grant for sure.
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
    /// It is there: shown by every witness that was asked.
    Granted(GrantRule),
    /// It is not there: both witnesses were asked, read to the end, and neither shows it.
    Absent,
    /// Neither witness shows it, which proves nothing: the first may know nothing of the type, and the second is not known to
    /// be the owner of the instance. A write's own answer tells.
    Unshown,
    /// It cannot be told, and why. Nothing may be inferred (API §A.5).
    Unclear(String),
}

/// Puts the witnesses together. One that shows the rule is believed unless the other, read to the end, does not or
/// shows another payer; an absence takes both. Of an ECR the first witness may know nothing (API §H2): what it does not
/// show, the second tells alone, but only that it is there.
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
        (None, None) => GrantState::Unclear("an empty answer of one account alone proves nothing".into()),
    }
}

/// What is certain of a look by the looks before it: an empty answer is never believed where it matters unless another,
/// asked a while after the first was given, was empty too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certain {
    /// That attachments are not there: none at all, or none of some that were shown before.
    pub detached: bool,
    /// That the transit-router account is not shown the CEN.
    pub not_owner: bool,
    /// That whatever this job wrote shows by now if it took effect.
    pub settled: bool,
    /// That a grant which was there when the job began is not any more, where one witness alone can tell.
    pub gone: bool,
}

impl Certain {
    /// Everything, as in what is only supposed.
    pub const ALL: Self = Self { detached: true, not_owner: true, settled: true, gone: true };
}

/// After how many tries in a row that were turned away for now there is more behind it than a resource that is busy for a
/// moment.
pub(in crate::engine) const NOT_JUST_BUSY: u32 = 3;

/// What a step works on.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The job and everything known of it.
    pub record: &'a Record,
    /// The payer to arrive at: the one asked for, or, when undoing, the one of the before-image.
    pub goal: Option<OrderType>,
    /// Whether the step is being undone.
    pub undo: bool,
    /// What is certain of the look it is judged by.
    pub certain: Certain,
}

impl View<'_> {
    /// The last write of the step, in this direction.
    fn last_write(&self) -> Option<&Write> {
        let mut writes = self.record.writes.iter().rev();
        writes.find(|w| w.step == self.record.step && w.undo == self.undo)
    }

    /// Whether the last write of the step was refused, and not only for a moment.
    pub fn refused(&self) -> bool {
        let lasts = self.record.attempt >= NOT_JUST_BUSY;
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { retry, .. } if lasts || !retry))
    }

    /// Whether the last write of the step was accepted: all that is missing is to see it, for which one witness will do.
    pub fn accepted(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Accepted { .. }))
    }

    /// Whether the cloud has refused the last write of the step because its end state is there already.
    pub fn refused_as_done(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { done: true, .. }))
    }

    /// What was asked.
    pub fn job(&self) -> &Job {
        &self.record.job
    }

    /// The type of the instance.
    pub fn kind(&self) -> InstanceType {
        self.record.job.instance.kind
    }
}

/// A write that a step wants made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Intended {
    /// What to call.
    pub operation: Operation,
    /// The id of the instance or attachment written to.
    pub resource: String,
    /// The payer set; `None` where the operation sets none.
    pub order_type: Option<OrderType>,
}

impl Intended {
    /// The account it is made as: the one of the job's two that the operation belongs to.
    pub fn account<'a>(&self, job: &'a Job) -> &'a AccountUid {
        match self.operation.called_as() {
            CalledAs::TransitRouter => &job.cen.owner,
            CalledAs::Resource | CalledAs::Either | CalledAs::Hub | CalledAs::Unsigned => &job.instance.owner,
        }
    }
}

/// What a step makes of a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The step is through, with one of the outcomes of its verb.
    Done(&'static str),
    /// This write is missing.
    Write(Intended),
    /// The cloud is at work on it; look again later.
    Busy(String),
    /// The look proves nothing; look again.
    Unclear(String),
    /// An empty answer matters here and is not believed yet: another look, a while later, has to agree.
    Recheck(String),
    /// The ground has shifted under the job: begin again at the first step. Said only where no write of this job would be lost sight of; in an undo it parks the job.
    StartOver(String),
    /// This cannot be done.
    Refuse {
        /// From the closed list.
        reason: Reason,
        /// In one plain sentence.
        message: String,
        /// Each finding, where there are several.
        findings: Vec<String>,
    },
}

/// The side a writing action acts on.
pub enum Side<'a> {
    /// It only reads.
    Readers,
    /// In the account that owns the instance.
    Resource(&'a dyn ResourceAction),
    /// In the account that owns the CEN.
    TransitRouter(&'a dyn TransitRouterAction),
}

/// Something a step can call.
pub trait Action: Send + Sync {
    /// Its name, whose account it needs, and its outcomes.
    fn spec(&self) -> VerbSpec;

    /// What it has to see before it can judge.
    fn reads(&self, view: &View<'_>) -> Reads;

    /// What it makes of a look that covers its reads.
    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement;

    /// Puts the effect of the write it intends into a look, as if it had been made and was shown.
    fn foresee(&self, _job: &Job, _write: &Intended, _seen: &mut Seen) {}

    /// What may lie behind a refusal of its write and can be read nowhere beforehand: it is named with the refusal.
    /// `classified`: whether the error table knows the code.
    fn unforeseeable(&self, _view: &View<'_>, _code: &str, _classified: bool) -> Option<&'static str> {
        None
    }

    /// Whether its write changes the payer of something that is there, which the cloud may refuse for an hour.
    fn changes_payer(&self) -> bool {
        false
    }

    /// How it writes.
    fn side(&self) -> Side<'_> {
        Side::Readers
    }
}

/// Writes as the owner of the instance.
#[async_trait]
pub trait ResourceAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// Writes as the owner of the CEN.
#[async_trait]
pub trait TransitRouterAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// All actions there are.
pub struct Registry {
    actions: Vec<Box<dyn Action>>,
}

impl Registry {
    /// A registry of these.
    pub fn new(actions: Vec<Box<dyn Action>>) -> Self {
        Self { actions }
    }

    /// The action of that name.
    pub fn get(&self, verb: &str) -> Option<&dyn Action> {
        self.actions.iter().map(AsRef::as_ref).find(|action| action.spec().name == verb)
    }

    /// What definitions are checked against.
    pub fn specs(&self) -> Vec<VerbSpec> {
        self.actions.iter().map(|action| action.spec()).collect()
    }
}
