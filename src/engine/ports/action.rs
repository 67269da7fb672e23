//! What a step can call, as a port of the engine: what to read, how to judge it, and, if it writes, the call itself. An
//! action knows nothing of time, stores or retries; the engine knows nothing of grants.

use async_trait::async_trait;
use jiff::Timestamp;

use crate::domain::{AccountUid, Attachment, CalledAs, GrantRule, InstanceType, Job, Operation, OrderType, Reason};
use crate::engine::look::cen_owner::CenOwner;
use crate::engine::ports::cloud::{Answer, CloudError, Listing, ResourceWriter, TransitRouterWriter};
use crate::engine::record::{Image, Outcome, Record, Write};
use crate::workflow::VerbSpec;

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
        (None, None) => GrantState::Unclear("an empty answer of one account alone proves nothing".into()),
    }
}

/// What a look may be believed in, by the looks before it. Where an empty answer matters, it is believed only if another
/// one, asked for a while after the first was given, was empty too.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Certain {
    /// That attachments are gone: there are none, or some that were shown before are missing.
    pub detached: bool,
    /// That the transit-router account is not shown the CEN.
    pub not_owner: bool,
    /// That every write of this job would show by now if it took effect.
    pub settled: bool,
    /// That the grant which was there when the job began is gone, where one witness alone can tell.
    pub gone: bool,
}

impl Certain {
    /// Everything, for a forecast that only supposes.
    pub const ALL: Self = Self { detached: true, not_owner: true, settled: true, gone: true };
}

/// After this many temporary refusals in a row, the resource is not just busy for a moment.
pub(in crate::engine) const NOT_JUST_BUSY: u32 = 3;

/// What a step judges by, besides the look.
#[derive(Debug, Clone, Copy)]
pub struct View<'a> {
    /// The job and everything that is known about it.
    pub record: &'a Record,
    /// The payer to arrive at: the one the job asks for, or in an undo the one of the before-image.
    pub goal: Option<OrderType>,
    /// Whether the step is being undone.
    pub undo: bool,
    /// What the look may be believed in.
    pub certain: Certain,
}

impl View<'_> {
    /// The last write of the step, forwards or in the undo, whichever is being made.
    fn last_write(&self) -> Option<&Write> {
        let mut writes = self.record.writes.iter().rev();
        writes.find(|w| w.step == self.record.step && w.undo == self.undo)
    }

    /// Whether the last write of the step was refused for good, or for a while now.
    pub fn refused(&self) -> bool {
        let lasts = self.record.attempt >= NOT_JUST_BUSY;
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { retry, .. } if lasts || !retry))
    }

    /// Whether the last write of the step was accepted. Then it only has to show, and one witness is enough.
    pub fn accepted(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Accepted { .. }))
    }

    /// Whether the last write of the step was refused because its end state is there already.
    pub fn refused_as_done(&self) -> bool {
        self.last_write().is_some_and(|w| matches!(w.outcome, Outcome::Refused { done: true, .. }))
    }

    /// What the requester asked for.
    pub fn job(&self) -> &Job {
        &self.record.job
    }

    /// The type of the job's instance.
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

/// How a step judges a look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Judgement {
    /// The step is done, with one of the outcomes of its verb.
    Done(&'static str),
    /// This write is missing.
    Write(Intended),
    /// The cloud is changing the resource; the job looks again later.
    Busy(String),
    /// The look proves nothing, for this reason; the job looks again.
    Unclear(String),
    /// An empty answer matters here and is not believed before another look, a while later, agrees.
    Recheck(String),
    /// Something has changed since the survey: the job begins again at its first step. An action judges so only if no write
    /// of the job would be forgotten by that. In an undo it parks the job.
    StartOver(String),
    /// The step cannot be done.
    Refuse {
        /// How the job ends, or why it is parked.
        reason: Reason,
        /// The cause, in one plain sentence.
        message: String,
        /// The single findings, if there are several.
        findings: Vec<String>,
    },
}

/// The account that an action writes as, with its call.
pub enum Side<'a> {
    /// The action only reads.
    Readers,
    /// The account that owns the instance.
    Resource(&'a dyn ResourceAction),
    /// The account that owns the CEN.
    TransitRouter(&'a dyn TransitRouterAction),
}

/// A verb that a step can call.
pub trait Action: Send + Sync {
    /// What definitions are checked against: its name, the account it writes as, and its outcomes.
    fn spec(&self) -> VerbSpec;

    /// The reads it needs before it can judge.
    fn reads(&self, view: &View<'_>) -> Reads;

    /// Judges a look that covers its reads.
    fn judge(&self, view: &View<'_>, seen: &Seen) -> Judgement;

    /// Changes a look as if the intended write had been made and were shown.
    fn foresee(&self, _job: &Job, _write: &Intended, _seen: &mut Seen) {}

    /// A cause of a refusal that cannot be read beforehand. It is named with the refusal. `classified`: whether the error
    /// table knows the code.
    fn unforeseeable(&self, _view: &View<'_>, _code: &str, _classified: bool) -> Option<&'static str> {
        None
    }

    /// Whether its write changes the payer in place, which the cloud may refuse for an hour.
    fn changes_payer(&self) -> bool {
        false
    }

    /// Whom it writes as, and the call.
    fn side(&self) -> Side<'_> {
        Side::Readers
    }
}

/// The call of an action that writes as the owner of the instance.
#[async_trait]
pub trait ResourceAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn ResourceWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// The call of an action that writes as the owner of the CEN.
#[async_trait]
pub trait TransitRouterAction: Send + Sync {
    /// Makes the call that `write` intends.
    async fn act(&self, client: &dyn TransitRouterWriter, job: &Job, write: &Write) -> Result<Answer<()>, CloudError>;
}

/// The actions, by name.
pub struct Registry {
    actions: Vec<Box<dyn Action>>,
}

impl Registry {
    /// Takes the actions that definitions may call.
    pub fn new(actions: Vec<Box<dyn Action>>) -> Self {
        Self { actions }
    }

    /// The action of this name; `None`: this program has none.
    pub fn get(&self, verb: &str) -> Option<&dyn Action> {
        self.actions.iter().map(AsRef::as_ref).find(|action| action.spec().name == verb)
    }

    /// The specs of all actions, to check definitions against.
    pub fn specs(&self) -> Vec<VerbSpec> {
        self.actions.iter().map(|action| action.spec()).collect()
    }
}
